//! Options of DHCP and router advertisements.

use crate::{
    addr::Family,
    decide::{Options, dhcp_options, ra_configs},
};

fn pairs(options: &Options) -> String {
    options.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn options_are_written_as_ovn_wants_them() {
    for (given, expected) in [
        ("", ""),
        (" lease_time = 60 ,, mtu=1400", "lease_time=60 mtu=1400"),
        ("dns_server={8.8.8.8;1.1.1.1}", "dns_server={8.8.8.8,1.1.1.1}"),
        ("dns_server={8.8.8.8; 1.1.1.1},router=10.0.0.1", "dns_server={8.8.8.8,1.1.1.1} router=10.0.0.1"),
        ("domain_name=example.org", "domain_name=\"example.org\""),
        ("domain_name=\"example.org\"", "domain_name=\"example.org\""),
        ("domain_search_list={a.org;b.org}", "domain_search_list=\"a.org,b.org\""),
        ("tftp_server=10.0.0.9", "tftp_server=10.0.0.9"),
        ("tftp_server=boot.example.org", "tftp_server=\"boot.example.org\""),
        (
            "classless_static_route={10.1.0.0/16;10.0.0.1;0.0.0.0/0;10.0.0.2}",
            "classless_static_route={10.1.0.0/16,10.0.0.1,0.0.0.0/0,10.0.0.2}",
        ),
    ] {
        assert_eq!(pairs(&dhcp_options(given, Family::V4).unwrap()), expected, "{given}");
    }
    let v6 = dhcp_options("dns_server={fd00::1;fd00::2},server_id=0a:00:00:00:00:01", Family::V6).unwrap();
    assert_eq!(pairs(&v6), "dns_server={fd00::1,fd00::2} server_id=0a:00:00:00:00:01");
}

/// A value that OVN can't parse would silence the answers altogether.
#[test]
fn what_ovn_would_not_understand_is_refused() {
    for (given, says) in [
        ("lease_time", "\"lease_time\" is not key=value"),
        ("lease=60", "\"lease\" is none of the options arp_cache_timeout, "),
        ("lease_time=an hour", "lease_time: \"an hour\" is not a number from 0 to 4294967295"),
        ("mtu=70000", "mtu: \"70000\" is not a number from 0 to 65535"),
        ("router=10.0.0", "router: \"10.0.0\" is not one IPv4 address, or several like {a;b}"),
        ("router=fd00::1", "is not one IPv4 address"),
        ("dns_server={8.8.8.8,1.1.1.1}", "dns_server: \"{8.8.8.8\" is not one IPv4 address"),
        ("dns_server={}", "is not one IPv4 address"),
        ("domain_name=a\"); drop; (\"", "domain_name: \"a\\\"); drop; (\\\"\" is not a text"),
        ("domain_name=a\\", "without backslashes"),
        ("classless_static_route={10.1.0.0/16}", "prefixes and next hops in turn"),
        ("ip_forward_enable=true", "is not 0 or 1"),
        ("mtu=1400,mtu=1300", "mtu is there twice"),
    ] {
        let why = dhcp_options(given, Family::V4).unwrap_err();
        assert!(why.contains(says), "{given}: {why}");
    }
    assert!(dhcp_options("server_id=10.0.0.1", Family::V6).unwrap_err().contains("is not a MAC address"));
}

#[test]
fn advertisements_say_the_usual_or_what_is_given() {
    let usual = "address_mode=dhcpv6_stateful max_interval=30 min_interval=5 send_periodic=true";
    assert_eq!(pairs(&ra_configs("").unwrap()), usual);
    assert_eq!(
        pairs(&ra_configs("address_mode=slaac").unwrap()),
        "address_mode=slaac",
        "instead, not beside"
    );
    for bad in
        ["address_mode=dhcp", "max_interval=1801", "rdnss={fd00::1;fd00::2}", "send_periodic=1", "prefix=64"]
    {
        assert!(ra_configs(bad).is_err(), "{bad}");
    }
}
