//! What a pod's annotation is to us. A slip of the pen in a name would otherwise go by without a word: the pod starts, and
//! what was asked for is not there.

use super::{NOT_SUPPORTED, NicKey, OVN, OVN_PREFIX, is_ovn, nic, pod};

/// What a pod's annotation is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing: somebody else's.
    Foreign,
    /// One of those that Kube-OVN has.
    Known,
    /// Asks for something in a further network of OVN's that nothing acts on yet.
    Further,
    /// In our name space, but there is none of that name. With the one that was probably meant.
    Unknown {
        /// The whole name of that.
        nearest: Option<String>,
    },
}

/// What pods of older versions, and those that Kube-OVN itself makes, carry beside.
const OTHERS: &[&str] = &[
    "attachmentprovider",
    "generate-hash",
    "lb_svc_img",
    "vpc_dnat_md5",
    "vpc_eips",
    "vpc_floating_ips",
    "vpc_lb",
    "vpc_nat_gw_activated",
    "vpc_snat_md5",
];

/// What people write who know the thing and not its name, which no distance finds.
const CALLED: &[(&str, NicKey)] = &[
    ("ip", nic::IP_ADDRESS),
    ("ips", nic::IP_ADDRESS),
    ("mac", nic::MAC_ADDRESS),
    ("pool", nic::IP_POOL),
    ("subnet", nic::LOGICAL_SWITCH),
    ("switch", nic::LOGICAL_SWITCH),
];

/// What the annotation of a pod is to us, by its name.
///
/// ```
/// use kubeovn_core::annotations::{Meaning, meaning};
///
/// let nearest = Some("ovn.kubernetes.io/ip_address".to_owned());
/// assert_eq!(meaning("ovn.kubernetes.io/ip-adress"), Meaning::Unknown { nearest });
/// assert_eq!(meaning("kubectl.kubernetes.io/restartedAt"), Meaning::Foreign);
/// ```
pub fn meaning(key: &str) -> Meaning {
    let Some((provider, name)) = key.split_once(".kubernetes.io/") else { return Meaning::Foreign };
    let default = provider == OVN;
    // Kubernetes' own look like those of further networks: ours are only those whose network says that it is OVN's.
    if !default && !is_further(provider) {
        return Meaning::Foreign;
    }
    // A further network may say for which interface: `ip_address.net1`.
    let plain = if default { name } else { name.split_once('.').map_or(name, |(plain, _)| plain) };
    if !names(default).any(|known| known == plain) {
        let nearest = nearest(plain, default).map(|name| format!("{provider}.kubernetes.io/{name}"));
        return Meaning::Unknown { nearest };
    }
    if !default && is_wish(plain) { Meaning::Further } else { Meaning::Known }
}

/// `<name>.<namespace>.ovn`, and behind it an interface where one network is there twice.
fn is_further(provider: &str) -> bool {
    let network = match provider.rsplit_once('.') {
        Some((network, _)) if provider.matches('.').count() == 3 => network,
        _ => provider,
    };
    network.contains('.') && is_ovn(network)
}

fn plain(key: &'static str) -> &'static str {
    key.strip_prefix(OVN_PREFIX).unwrap_or(key)
}

/// The names that there are, in the default network or in any other.
fn names(default: bool) -> impl Iterator<Item = &'static str> {
    let more = pod::ALL.iter().map(|key| plain(key)).chain(OTHERS.iter().copied());
    nic::ALL.iter().map(|key| plain(key.ovn())).chain(more.filter(move |_| default))
}

/// Does a user ask for something by it that nothing acts on?
fn is_wish(name: &str) -> bool {
    NOT_SUPPORTED.iter().any(|key| plain(key) == name)
}

/// The name that was probably meant: no more than a third of it is wrong.
fn nearest(name: &str, default: bool) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    if let Some((_, key)) = CALLED.iter().find(|(called, _)| *called == name) {
        return Some(plain(key.ovn()));
    }
    let measured = names(default).map(|known| (distance(&name, &known.replace('-', "_")), known));
    // The first of several: those of this page come in the order in which they are used.
    let (distance, known) = measured.min_by_key(|(distance, _)| *distance)?;
    (distance <= known.len() / 3).then_some(known)
}

/// How many letters have to be put in, left out, replaced or swapped with their neighbour to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    // How far the letters so far are from each beginning of the other; of the line before, and of the one before that.
    let mut before: Vec<usize> = Vec::new();
    let mut line: Vec<usize> = (0..=other.len()).collect();
    let mut last = None;
    for (row, letter) in one.chars().enumerate() {
        let mut next = vec![row + 1];
        let mut previous = None;
        for (column, &theirs) in other.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut steps = at(&line, column) + usize::from(letter != theirs);
            steps = steps.min(at(&line, column + 1) + 1).min(at(&next, column) + 1);
            if last == Some(theirs) && previous == Some(letter) && column > 0 {
                steps = steps.min(at(&before, column - 1) + 1);
            }
            next.push(steps);
            previous = Some(theirs);
        }
        before = std::mem::replace(&mut line, next);
        last = Some(letter);
    }
    line.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(nearest: &str) -> Meaning {
        Meaning::Unknown { nearest: Some(nearest.to_owned()).filter(|name| !name.is_empty()) }
    }

    #[test]
    fn slips_lead_to_what_was_meant() {
        for (slip, meant) in [
            ("ip_adress", "ip_address"),
            ("ip-address", "ip_address"),
            ("IP_ADDRESS", "ip_address"),
            ("ipaddress", "ip_address"),
            ("mac_addres", "mac_address"),
            ("logicalswitch", "logical_switch"),
            ("logical_swicth", "logical_switch"),
            ("subnet", "logical_switch"),
            ("ip", "ip_address"),
            ("mac", "mac_address"),
            ("security_group", "security_groups"),
            ("ingres_rate", "ingress_rate"),
            ("dhcp_v4_options", "dhcp-v4-options"),
            ("allowed-address-pairs", ""),
            ("frobnicate", ""),
            ("", ""),
        ] {
            let meant = if meant.is_empty() { String::new() } else { format!("ovn.kubernetes.io/{meant}") };
            assert_eq!(meaning(&format!("ovn.kubernetes.io/{slip}")), unknown(&meant), "{slip}");
        }
    }

    #[test]
    fn what_there_is_and_what_is_somebody_elses_is_no_slip() {
        for key in nic::ALL.iter().map(|key| key.ovn()).chain(pod::ALL.iter().copied()) {
            assert_eq!(meaning(key), Meaning::Known, "{key}");
        }
        for key in [
            "ovn.kubernetes.io/vpc_eips",
            "lan.default.ovn.kubernetes.io/allocated",
            "lan.default.ovn.net1.kubernetes.io/cidr",
        ] {
            assert_eq!(meaning(key), Meaning::Known, "{key}");
        }
        for key in [
            "kubectl.kubernetes.io/restartedAt",
            "cluster-autoscaler.kubernetes.io/safe-to-evict",
            "container.apparmor.security.beta.kubernetes.io/web",
            "kubernetes.io/config.mirror",
            "macvlan.default.kubernetes.io/ip_adress",
            "kubevirt.io/migrationJobName",
            "k8s.v1.cni.cncf.io/networks",
            "ovn.kubernetes.org/ip_adress",
            "ip_adress",
        ] {
            assert_eq!(meaning(key), Meaning::Foreign, "{key}");
        }
    }

    #[test]
    fn further_networks_are_known_by_their_form() {
        for key in
            ["lan.default.ovn.kubernetes.io/ip_address", "lan.default.ovn.kubernetes.io/ip_address.net1"]
        {
            assert_eq!(meaning(key), Meaning::Known, "{key}");
        }
        for key in ["lan.default.ovn.kubernetes.io/ingress_rate", "lan.default.ovn.net1.kubernetes.io/mirror"]
        {
            assert_eq!(meaning(key), Meaning::Further, "{key}");
        }
        let nearest = "lan.default.ovn.kubernetes.io/ip_address";
        assert_eq!(meaning("lan.default.ovn.kubernetes.io/ip_adress.net1"), unknown(nearest));
        assert_eq!(meaning("lan.default.ovn.kubernetes.io/north_gatewy"), unknown(""), "not there");
    }

    #[test]
    fn a_distance_counts_letters() {
        for (one, other, steps) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abd", 1),
            ("abc", "acb", 1),
            ("abc", "ab", 1),
            ("ab", "abc", 1),
            ("kitten", "sitting", 3),
            ("swicth", "switch", 1),
            ("äb", "ab", 1),
        ] {
            assert_eq!(distance(one, other), steps, "{one} {other}");
        }
    }
}
