//! What flags and environment become, and which are refused.

use std::ffi::OsString;

use super::*;

fn install(arguments: &[&str], environment: &Environment) -> Result<Installation, ControllerError> {
    let flags = Flags::parse(
        &crate::controller::flags::PROGRAM,
        ["kubeovn-controller"].iter().chain(arguments).map(OsString::from),
    )?;
    Installation::new(&flags, environment, "start")
}

fn refused(arguments: &[&str]) -> String {
    install(arguments, &Environment::default()).unwrap_err().to_string()
}

const DATABASE: &str = "--ovn-nb-addr=tcp:127.0.0.1:6641";

#[test]
fn the_built_in_network_is_as_the_flags_say() {
    let arguments = [
        DATABASE,
        "--default-ls=pods",
        "--default-cidr=10.1.0.0/16,fd01::/112",
        "--default-gateway=10.1.0.254,fd01::ff",
        "--default-exclude-ips=10.1.0.2..10.1.0.9, 10.1.0.20",
        "--node-switch=nodes",
        "--node-switch-cidr=100.65.0.0/16",
        "--node-switch-gateway=100.65.0.9",
        "--cluster-router=main",
    ];
    let settings = install(&arguments, &Environment::default()).unwrap().settings;
    let (vpc, [default, join]) = settings.built_in();
    assert_eq!((&*vpc.meta.name, &*default.meta.name, &*join.meta.name), ("main", "pods", "nodes"));
    assert_eq!(default.spec.gateway, "10.1.0.254,fd01::ff");
    assert_eq!(default.spec.exclude_ips, ["10.1.0.2..10.1.0.9", "10.1.0.20"]);
    assert_eq!((&*join.spec.cidr_block, &*join.spec.gateway), ("100.65.0.0/16", "100.65.0.9"));
}

#[test]
fn what_is_switched_off_is_not_wanted() {
    let unwanted = |flags: &[&str]| {
        let flags: Vec<&str> = [DATABASE].iter().chain(flags).copied().collect();
        install(&flags, &Environment::default()).unwrap().unwanted
    };
    assert_eq!(unwanted(&[]), [""; 0]);
    assert_eq!(unwanted(&["--enable-np=false"]), ["NetworkPolicy"]);
    assert_eq!(unwanted(&["--enable-np=false", "--enable-lb=0"]), ["NetworkPolicy", "Service"]);
}

#[test]
fn what_is_done_for_virtual_machines_is_as_the_flags_say() {
    let settings = |flags: &[&str]| {
        let flags: Vec<&str> = [DATABASE].iter().chain(flags).copied().collect();
        let settings = install(&flags, &Environment::default()).unwrap().settings;
        (settings.keep_vm_ip, settings.help_migrations)
    };
    assert_eq!(settings(&[]), (true, true));
    assert_eq!(settings(&["--keep-vm-ip=false"]), (false, true));
    assert_eq!(settings(&["--enable-live-migration-optimize=false"]), (true, false));
}

#[test]
fn the_mtu_is_what_the_encapsulation_leaves() {
    for (given, mtu) in [("geneve", 1400), ("vxlan", 1450), ("stt", 1428)] {
        let flag = format!("--network-type={given}");
        assert_eq!(install(&[DATABASE, &flag], &Environment::default()).unwrap().settings.mtu(), mtu);
    }
    assert_eq!(install(&[DATABASE], &Environment::default()).unwrap().settings.mtu(), 1400);
    let text = refused(&[DATABASE, "--network-type=vlan"]);
    assert!(
        text.starts_with("FLAG-INVALID: --network-type=vlan: ") && text.contains("not done yet"),
        "{text}"
    );
    assert!(refused(&[DATABASE, "--network-type=Geneve"]).contains("write geneve, vxlan or stt"));
}

#[test]
fn the_database_is_where_the_flag_or_the_start_script_says() {
    let environment = Environment { database_ips: "10.0.0.1,fd00::1".into(), ..Environment::default() };
    let built = install(&[], &environment).unwrap().northbound;
    assert_eq!(built.endpoints, "tcp:10.0.0.1:6641,tcp:[fd00::1]:6641".parse().unwrap());
    assert!(built.tls.is_none());
    let ssl = install(&[], &Environment { ssl: true, ..environment.clone() }).unwrap().northbound;
    assert_eq!(ssl.endpoints, "ssl:10.0.0.1:6641,ssl:[fd00::1]:6641".parse().unwrap());
    assert_eq!(ssl.tls.unwrap().ca, PathBuf::from("/var/run/tls/cacert"));
    assert_eq!(
        install(&[DATABASE], &environment).unwrap().northbound.endpoints,
        "tcp:127.0.0.1:6641".parse().unwrap()
    );
    assert!(refused(&[]).starts_with("CONTROLLER-NO-DATABASE"));
    assert!(refused(&["--ovn-nb-addr=ftp:x"]).contains("--ovn-nb-addr"));
}

#[test]
fn prefixes_that_overlap_are_refused_with_both_flags() {
    let text = refused(&[DATABASE, "--service-cluster-ip-range=10.16.128.0/20"]);
    assert!(
        text.contains("--default-cidr=10.16.0.0/16 and --service-cluster-ip-range=10.16.128.0/20"),
        "{text}"
    );
    assert!(refused(&[DATABASE, "--default-cidr=10.16.0.0"]).contains("--default-cidr=10.16.0.0"));
    assert!(refused(&[DATABASE, "--node-switch-cidr="]).contains("write a prefix"));
}

#[test]
fn a_lease_that_two_could_hold_is_refused() {
    for arguments in [
        [DATABASE, "--leader-elect-lease-duration=20s"],
        [DATABASE, "--leader-elect-renew-deadline=7s"],
        [DATABASE, "--leader-elect-retry-period=0s"],
    ] {
        let text = refused(&arguments);
        assert!(text.starts_with("FLAG-INVALID: --leader-elect-"), "{text}");
    }
    let environment = Environment {
        pod_name: "kube-ovn-controller-0".into(),
        pod_namespace: "net".into(),
        ..Environment::default()
    };
    let lease = install(&[DATABASE], &environment).unwrap().lease;
    let told = (&*lease.namespace, &*lease.name, &*lease.identity);
    assert_eq!(told, ("net", "kube-ovn-controller", "kube-ovn-controller-0_start"));
}
