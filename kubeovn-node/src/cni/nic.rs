//! Names of a pod's links: the host end, and the alias that the pod's end keeps.
//!
//! Tools find a pod's host link by these names, so they are Kube-OVN's. A link name has at most 15 characters, and
//! the interface name takes its share of the container id's.

use kubeovn_core::error::Problem;

/// Container id characters that are left when the interface is `eth0`.
const ID_CHARS: usize = 12;

/// The two ends of a pod's link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NicNames {
    /// In the node's namespace, and in OVS.
    pub host: String,
    /// Alias of the pod's end: what it would be called on the node.
    pub container: String,
}

/// Names the link of an interface of a sandbox.
///
/// # Errors
/// `CNI-IFNAME-TOO-LONG` when so little of the container id would be left that two sandboxes could get one name.
pub fn nic_names(container_id: &str, if_name: &str) -> Result<NicNames, Problem> {
    /// Less of an id (hex digits) than this is likely to collide on one node.
    const MIN_ID: usize = 3;
    if !container_id.is_ascii() || container_id.is_empty() {
        return Err(Problem::new("CNI-BAD-CONTAINER-ID", format!("{container_id:?} is no container id")));
    }
    let stem = if if_name == "eth0" {
        cut(container_id, ID_CHARS).to_owned()
    } else {
        let short = kubevirt_name(if_name).unwrap_or(if_name);
        let left = ID_CHARS.saturating_sub(short.len());
        if !short.is_ascii() || short.is_empty() || left < MIN_ID {
            return Err(Problem::new(
                "CNI-IFNAME-TOO-LONG",
                format!(
                    "interface name {if_name:?} has {} characters, which leaves {left} for the container in the \
                     name of the host's link; use at most {} characters",
                    short.len(),
                    ID_CHARS - MIN_ID
                ),
            ));
        }
        format!("{}_{short}", cut(container_id, left))
    };
    Ok(NicNames { host: format!("{stem}_h"), container: format!("{stem}_c") })
}

/// KubeVirt names interfaces `pod` and 11 hash digits; seven of them tell its interfaces apart.
fn kubevirt_name(if_name: &str) -> Option<&str> {
    if if_name.len() == 14 && if_name.starts_with("pod") { if_name.get(3..10) } else { None }
}

fn cut(ascii: &str, length: usize) -> &str {
    ascii.get(..length).unwrap_or(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123";

    #[test]
    fn names_are_those_of_kube_ovn() {
        for (if_name, host) in [
            ("eth0", "0123456789ab_h"),
            ("net1", "01234567_net1_h"),
            ("podb7e7a1bc4f2", "01234_b7e7a1b_h"),
            ("ethernet9", "012_ethernet9_h"),
        ] {
            let names = nic_names(ID, if_name).expect("fits");
            assert_eq!(names.host, host);
            assert_eq!(names.container, host.replace("_h", "_c"));
            assert!(names.host.len() <= 15, "{host}");
        }
        assert_eq!(nic_names("abc", "eth0").expect("short id").host, "abc_h");
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused() {
        for if_name in ["interface0123", "tenletters", "été0", ""] {
            assert!(nic_names(ID, if_name).is_err(), "{if_name}");
        }
        assert!(nic_names("", "eth0").is_err());
    }
}
