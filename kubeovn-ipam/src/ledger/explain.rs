//! What is with one address.

use std::{fmt, net::IpAddr};

use kubeovn_core::{
    addr::{Family, number},
    contract::ipam::Grant,
    rows::{Millis, OwnerKey},
    time::rfc3339,
};

use super::Ledger;

/// The state of an address, seen from a subnet. `Display` is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressState {
    /// Somebody in the subnet's space holds it.
    Held {
        /// Who.
        owner: OwnerKey,
        /// With what.
        grant: Grant,
    },
    /// It can be granted.
    Free,
    /// It was freed a short while ago and is given last until this time.
    Resting {
        /// End of its rest.
        until: Millis,
    },
    /// It is given only to who asks for it by number.
    Excluded,
    /// It is the gateway, and given to nobody.
    Gateway,
    /// The subnet does not offer it.
    Outside,
}

impl fmt::Display for AddressState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressState::Held { owner, grant } => write!(
                f,
                "held by {owner} from subnet {} since {} (generation {}, MAC {})",
                grant.subnet,
                rfc3339(grant.since),
                grant.generation,
                grant.mac
            ),
            AddressState::Free => f.write_str("free"),
            AddressState::Resting { until } => write!(f, "free, but given last until {}", rfc3339(*until)),
            AddressState::Excluded => f.write_str("excluded: given only to who asks for it by number"),
            AddressState::Gateway => f.write_str("the gateway: given to nobody"),
            AddressState::Outside => f.write_str("not offered by the subnet"),
        }
    }
}

pub(super) fn explain(ledger: &Ledger, subnet: &str, ip: IpAddr) -> AddressState {
    let Some((id, subnet)) = ledger.subnet(subnet) else { return AddressState::Outside };
    let held = ledger.space_of(id).and_then(|space| space.holder(ledger.book.grants(), ip));
    if let Some((record, owner)) = held.and_then(|(_, record)| Some((record, ledger.book.owner_of(record)?)))
    {
        return AddressState::Held { owner: owner.key.clone(), grant: ledger.grant(record) };
    }
    let n = number(ip);
    match subnet.pool(Family::of(ip)).filter(|pool| pool.shape().contains(n)) {
        None => AddressState::Outside,
        Some(pool) if pool.shape().is_gateway(n) => AddressState::Gateway,
        Some(pool) if pool.shape().is_excluded(n) => AddressState::Excluded,
        Some(pool) => pool.rests_until(n).map_or(AddressState::Free, |until| AddressState::Resting { until }),
    }
}
