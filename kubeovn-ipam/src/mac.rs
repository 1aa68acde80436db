//! MAC addresses that follow from who they are for: no random number, and the same one again after a restart.

use kubeovn_core::addr::Mac;

use crate::table::fold;

/// The MAC of an interface: a locally administered one, always the same for the same arguments, in every version
/// of this crate. `attempt` counts up while the result is held by somebody else.
pub(crate) fn derive(space: &str, uid: &str, nic: &str, attempt: u32) -> Mac {
    let mut state = 0x243f_6a88_85a3_08d3;
    let mut absorb = |word: u64| state = fold(state ^ word ^ 0xbb67_ae85_84ca_a73b, 0x9e37_79b9_7f4a_7c15);
    for part in [space, uid, nic] {
        let (words, rest) = part.as_bytes().as_chunks::<8>();
        words.iter().for_each(|word| absorb(u64::from_le_bytes(*word)));
        absorb(rest.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)));
        // The lengths keep the parts apart.
        absorb(part.len() as u64);
    }
    absorb(attempt.into());
    let [_, _, bytes @ ..] = fold(state, 0xa54f_f53a_5f1d_36f1).to_be_bytes();
    Mac::local(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_in_every_version() {
        assert_eq!(derive("ovn-cluster", "6f1a", "", 0).to_string(), "86:18:32:4d:81:06");
        assert_eq!(derive("ovn-cluster", "6f1a", "net1", 1).to_string(), "9e:92:d7:aa:af:03");
    }

    #[test]
    fn every_part_counts() {
        let all = [
            ("a", "b", "c", 0),
            ("a", "b", "c", 1),
            ("a", "bc", "", 0),
            ("ab", "", "c", 0),
            ("", "ab", "c", 0),
        ];
        assert_eq!(
            all.map(|(s, u, n, i)| derive(s, u, n, i)).into_iter().collect::<BTreeSet<_>>().len(),
            all.len()
        );
    }

    #[test]
    fn spread_over_the_whole_range() {
        let macs: BTreeSet<_> = (0..100_000).map(|i| derive("v", &format!("uid-{i}"), "", 0)).collect();
        assert_eq!(macs.len(), 100_000);
    }
}
