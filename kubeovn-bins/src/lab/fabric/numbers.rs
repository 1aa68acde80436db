//! The numbers of nodes: what a node's tunnel address and the names of its links are made of.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use crate::lab::error::LabError;

/// As many nodes as the underlay's /16 has addresses for.
const LIMIT: u16 = u16::MAX - 1;

/// Every number in use, also by nodes that are off, or on their way up or down.
#[derive(Debug, Default)]
pub(super) struct Numbers(Mutex<BTreeMap<String, u16>>);

impl Numbers {
    /// The number that a node has, or from now on: the lowest that is free.
    pub(super) fn of(&self, node: &str) -> Result<u16, LabError> {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = numbers.get(node) {
            return Ok(*number);
        }
        let taken = |number: &u16| numbers.values().any(|other| other == number);
        let free = (1..=LIMIT).find(|number| !taken(number));
        let number = free.ok_or(LabError::NodesFull { limit: usize::from(LIMIT) })?;
        numbers.insert(node.to_owned(), number);
        Ok(number)
    }

    /// Its number is free again.
    pub(super) fn forget(&self, node: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(node);
    }
}

/// The tunnel address of the node with this number, in the block that RFC 2544 keeps for test networks: no
/// manifest has a use for it.
pub(super) fn underlay_address(number: u16) -> Ipv4Addr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(198, 18, high, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_its_number_until_it_is_forgotten() {
        let numbers = Numbers::default();
        let of = |node| numbers.of(node).unwrap();
        assert_eq!([of("b"), of("a"), of("c"), of("a")], [1, 2, 3, 2]);
        numbers.forget("a");
        assert_eq!([of("d"), of("a")], [2, 4]);
        assert_eq!(underlay_address(258).to_string(), "198.18.1.2");
    }
}
