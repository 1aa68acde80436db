//! Options of DHCP and router advertisements, as users write them: `key=value,key=value`.
//!
//! OVN pastes a value into a logical flow, and ovn-controller skips a flow that it can't parse, without a word: then
//! nobody is answered. So keys and values are checked here.

use std::{collections::BTreeMap, net::IpAddr};

use crate::addr::{Cidr, Family, Mac, parse_ip};

/// Options by key, as OVN wants them.
pub type Options = BTreeMap<String, String>;

/// What a value is.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// One or several addresses of a family.
    Ips(Family),
    /// One IPv6 address.
    One,
    Number(u64),
    /// `0` or `1`.
    Bit,
    /// `true` or `false`.
    Truth,
    /// A text, which OVN wants in quotes.
    Text,
    /// An address or a text in quotes.
    Host,
    /// A text as it is.
    Plain,
    Mac,
    /// Prefixes and next hops in turn.
    Routes,
    OneOf(&'static [&'static str]),
}

use Form::{Bit, Host, Ips, Number, OneOf, Plain, Routes, Text, Truth};

const BYTE: Form = Number(u8::MAX as u64);
const SHORT: Form = Number(u16::MAX as u64);
const LONG: Form = Number(u32::MAX as u64);
const V4: Form = Ips(Family::V4);
const V6: Form = Ips(Family::V6);

/// The table of ovn-nb(5), of OVN 23.03.
const DHCP_V4: &[(&str, Form)] = &[
    ("arp_cache_timeout", LONG),
    ("bootfile_name", Text),
    ("bootfile_name_alt", Text),
    ("broadcast_address", V4),
    ("classless_static_route", Routes),
    ("default_ttl", BYTE),
    ("dns_server", V4),
    ("domain_name", Text),
    ("domain_search_list", Text),
    ("ethernet_encap", Bit),
    ("hostname", Text),
    ("ip_forward_enable", Bit),
    ("lease_time", LONG),
    ("log_server", V4),
    ("lpr_server", V4),
    ("ms_classless_static_route", Routes),
    ("mtu", SHORT),
    ("netbios_name_server", V4),
    ("netbios_node_type", BYTE),
    ("netmask", V4),
    ("next_server", V4),
    ("nis_server", V4),
    ("ntp_server", V4),
    ("path_prefix", Text),
    ("policy_filter", V4),
    ("router", V4),
    ("router_discovery", Bit),
    ("router_solicitation", V4),
    ("server_id", V4),
    ("server_mac", Form::Mac),
    ("swap_server", V4),
    ("tcp_keepalive_interval", LONG),
    ("tcp_ttl", BYTE),
    ("T1", LONG),
    ("T2", LONG),
    ("tftp_server", Host),
    ("tftp_server_address", V4),
    ("wpad", Text),
];

const DHCP_V6: &[(&str, Form)] =
    &[("dhcpv6_stateless", Truth), ("dns_server", V6), ("domain_search", Text), ("server_id", Form::Mac)];

const RA: &[(&str, Form)] = &[
    ("address_mode", OneOf(&["slaac", "dhcpv6_stateful", "dhcpv6_stateless"])),
    ("dnssl", Plain),
    ("max_interval", Number(1800)),
    ("min_interval", Number(1350)),
    ("mtu", SHORT),
    ("rdnss", Form::One),
    ("router_preference", OneOf(&["HIGH", "MEDIUM", "LOW"])),
    ("send_periodic", Truth),
];

/// Options of DHCP answers.
///
/// # Errors
/// What of the text can't be used, and what could stand there.
pub fn dhcp_options(text: &str, family: Family) -> Result<Options, String> {
    read(
        text,
        match family {
            Family::V4 => DHCP_V4,
            Family::V6 => DHCP_V6,
        },
    )
}

/// What router advertisements tell; the usual where the text is empty.
///
/// # Errors
/// What of the text can't be used, and what could stand there.
pub fn ra_configs(text: &str) -> Result<Options, String> {
    let configs = read(text, RA)?;
    if !configs.is_empty() {
        return Ok(configs);
    }
    let usual = [
        ("address_mode", "dhcpv6_stateful"),
        ("max_interval", "30"),
        ("min_interval", "5"),
        ("send_periodic", "true"),
    ];
    Ok(usual.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
}

fn read(text: &str, known: &[(&str, Form)]) -> Result<Options, String> {
    let mut options = Options::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let Some((key, given)) = item.split_once('=') else {
            return Err(format!(
                "{item:?} is not key=value. Items have commas between them, values within braces semicolons: \
                 dns_server={{8.8.8.8;1.1.1.1}}"
            ));
        };
        let (key, given) = (key.trim(), given.trim());
        let Some((_, form)) = known.iter().find(|(name, _)| *name == key) else {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            return Err(format!("{key:?} is none of the options {}", names.join(", ")));
        };
        let value = value(*form, given).map_err(|expected| format!("{key}: {given:?} is not {expected}"))?;
        if options.insert(key.to_owned(), value).is_some() {
            return Err(format!("{key} is there twice. Remove one"));
        }
    }
    Ok(options)
}

/// The value as OVN wants it; otherwise what is expected.
fn value(form: Form, text: &str) -> Result<String, String> {
    let whole =
        |fits: bool, expected: &str| if fits { Ok(text.to_owned()) } else { Err(expected.to_owned()) };
    match form {
        Ips(family) => {
            let expected = || format!("one {family} address, or several like {{a;b}}");
            let items = items(text);
            let of_family = |item: &&str| parse_ip(item).is_ok_and(|ip: IpAddr| Family::of(ip) == family);
            if items.is_empty() || !items.iter().all(of_family) {
                return Err(expected());
            }
            Ok(if text.starts_with('{') { format!("{{{}}}", items.join(",")) } else { items.join(",") })
        }
        Form::One => whole(parse_ip(text).is_ok_and(|ip| ip.is_ipv6()), "one IPv6 address"),
        Number(highest) => {
            let fits = text.parse::<u64>().is_ok_and(|number| number <= highest);
            whole(fits, &format!("a number from 0 to {highest}"))
        }
        Bit => whole(["0", "1"].contains(&text), "0 or 1"),
        Truth => whole(["true", "false"].contains(&text), "true or false"),
        OneOf(words) => whole(words.contains(&text), &format!("one of {}", words.join(", "))),
        Form::Mac => whole(text.parse::<Mac>().is_ok(), "a MAC address"),
        Plain => whole(is_bare(text), "a text without quotes, backslashes and control characters"),
        Text => quoted(text),
        Host => parse_ip(text).map_or_else(|_| quoted(text), |ip| Ok(ip.to_string())),
        Routes => {
            let items = items(text);
            let pair = |pair: &[&str]| match pair {
                [prefix, hop] => {
                    let v4 = prefix.parse::<Cidr>().is_ok_and(|cidr| cidr.family() == Family::V4);
                    v4 && parse_ip(hop).is_ok_and(|ip| ip.is_ipv4())
                }
                _ => false,
            };
            if items.is_empty() || !items.chunks(2).all(pair) {
                return Err("prefixes and next hops in turn, like {10.1.0.0/16;10.0.0.1}".to_owned());
            }
            Ok(format!("{{{}}}", items.join(",")))
        }
    }
}

/// What stands in braces with semicolons between, or the one item.
fn items(text: &str) -> Vec<&str> {
    match text.strip_prefix('{').map(|rest| rest.strip_suffix('}')) {
        Some(Some(inner)) => inner.split(';').map(str::trim).collect(),
        Some(None) => Vec::new(),
        None if text.is_empty() => Vec::new(),
        None => vec![text],
    }
}

fn is_bare(text: &str) -> bool {
    !text.is_empty() && !text.contains(['"', '\\', '{', '}', ';']) && !text.contains(char::is_control)
}

/// In quotes, whether given with them or without; several in braces become one text with commas.
fn quoted(text: &str) -> Result<String, String> {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let inner = items(inner);
    if inner.is_empty() || !inner.iter().all(|item| is_bare(item)) {
        return Err("a text, or several like {a;b}; without backslashes and control characters".to_owned());
    }
    Ok(format!("\"{}\"", inner.join(",")))
}
