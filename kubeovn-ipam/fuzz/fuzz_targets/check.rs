//! What must hold for every ledger.

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_ipam::{Family, Ledger, Role};

/// In a space an address and a MAC are used by one; those that share them are of one subnet. The numbers add up.
pub(crate) fn check(ledger: &Ledger) {
    let (mut live, mut subnets) = (BTreeMap::<_, Vec<_>>::new(), BTreeSet::new());
    for (owner, _) in ledger.owners() {
        for grant in ledger.held(&owner) {
            subnets.insert(grant.subnet.clone());
            let mac = grant.mac.map(|mac| mac.to_string());
            for what in grant.ips.iter().map(ToString::to_string).chain(mac) {
                live.entry((grant.space.clone(), what)).or_default().push((owner.clone(), grant.clone()));
            }
        }
    }
    for (what, holders) in live {
        let active = holders.iter().filter(|(_, grant)| grant.role == Role::Active).count();
        assert!(active <= 1, "{what:?} is live twice: {holders:?}");
        assert!(
            holders.iter().all(|(_, grant)| grant.subnet == holders[0].1.subnet),
            "{what:?}: {holders:?}"
        );
    }
    for subnet in subnets {
        let usage = ledger.usage(&subnet).expect("a subnet from which something is held is known");
        for family in Family::BOTH.into_iter().filter(|family| usage.total.get(*family).is_some()) {
            let [total, used, outside, available, reserved] =
                [usage.total, usage.used, usage.outside, usage.available, usage.reserved]
                    .map(|numbers| *numbers.get(family).unwrap());
            assert_eq!(total, used - outside + available + reserved, "{subnet}: {usage:?}");
        }
        ledger.misfits(&subnet);
    }
}
