//! MAC addresses that follow from who they are for: no random number, and the same one again after a restart.

use kubeovn_core::addr::Mac;

/// The MAC of an interface: a locally administered one, always the same for the same arguments, in every version
/// of this crate. `attempt` counts up while the result is held by somebody else.
pub(crate) fn derive(space: &str, uid: &str, nic: &str, attempt: u32) -> Mac {
    let attempt = attempt.to_be_bytes();
    // A zero byte stands in no name, so it keeps the parts apart.
    let parts = [space.as_bytes(), &[0], uid.as_bytes(), &[0], nic.as_bytes(), &[0], &attempt];
    let hash = parts
        .into_iter()
        .flatten()
        .fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME));
    // The upper bits are the better mixed ones; the lowest two bytes are folded in.
    let folded = (hash >> 16) ^ (hash << 48 >> 16);
    let [_, _, bytes @ ..] = folded.to_be_bytes();
    Mac::local(bytes)
}

/// FNV-1a with 64 bits.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_in_every_version() {
        assert_eq!(derive("ovn-cluster", "6f1a", "", 0).to_string(), "da:6a:f7:18:52:11");
        assert_eq!(derive("ovn-cluster", "6f1a", "net1", 1).to_string(), "76:60:b0:e7:d0:97");
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
