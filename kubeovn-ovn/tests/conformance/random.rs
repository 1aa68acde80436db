//! Random transactions over few rows and few names, so that they meet.

use kubeovn_ovn::ovsdb::wire::{Atom, Condition, Datum, Function, Mutator, Operation};

use super::ops::{at, delete, id, insert, map, mutate, refs, row, update, wait};

/// A source of transactions; the same seed gives the same ones.
pub(crate) struct Random(u64);

const TABLES: &[&str] =
    &["Logical_Switch", "Logical_Switch_Port", "Port_Group", "ACL", "Address_Set", "Logical_Router", "NAT"];
const NAMES: &[&str] = &["a", "b", "c", "d", "e", "f"];

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number from 0 to `limit` - 1.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    /// One of these.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// One to five operations.
    pub(crate) fn transaction(&mut self) -> Vec<Operation> {
        (0..=self.below(5)).map(|_| self.operation()).collect()
    }

    fn operation(&mut self) -> Operation {
        let table = self.pick(TABLES);
        match self.below(12) {
            0..=3 => self.birth(table),
            4 => delete(table, self.condition(table)),
            5 => {
                let name = self.name();
                let r#where = self.condition(table);
                match table {
                    "ACL" => update(table, r#where, &[("label", Datum::from(3))]),
                    "NAT" => update(table, r#where, &[("logical_ip", name)]),
                    _ => update(table, r#where, &[("name", name), ("external_ids", self.pairs())]),
                }
            }
            6 => {
                let mutator = if self.below(2) == 0 { Mutator::Insert } else { Mutator::Delete };
                mutate(table, self.condition(table), &[("external_ids", mutator, self.pairs())])
            }
            7 => {
                let keys = Datum::set([Atom::from(self.pick(NAMES)), Atom::from(self.pick(NAMES))]);
                let change = [
                    ("external_ids", Mutator::Delete, keys),
                    ("external_ids", Mutator::Insert, self.pairs()),
                ];
                mutate(table, self.condition(table), &change)
            }
            8 if self.below(3) == 0 => {
                let rows = vec![row(&[("external_ids", self.pairs())])];
                wait(table, self.condition(table), &["external_ids"], self.below(2) == 0, rows)
            }
            _ => {
                let mutator = if self.below(5) < 3 { Mutator::Insert } else { Mutator::Delete };
                let (table, column, target) = self.pick::<(&str, &str, usize)>(&[
                    &("Logical_Switch", "ports", 1),
                    &("Logical_Switch", "ports", 1),
                    &("Logical_Switch", "acls", 3),
                    &("Port_Group", "ports", 1),
                    &("Port_Group", "acls", 3),
                    &("Logical_Router", "nat", 6),
                ]);
                let members = self.members(*target);
                mutate(table, self.condition(table), &[(column, mutator, members)])
            }
        }
    }

    fn birth(&mut self, table: &str) -> Operation {
        let n = self.row_of(table);
        let (name, pairs) = (self.name(), self.pairs());
        match table {
            "ACL" => insert(
                table,
                n,
                &[
                    ("priority", Datum::from(1)),
                    ("direction", Datum::from(Atom::from("to-lport"))),
                    ("action", Datum::from(Atom::from("drop"))),
                    ("external_ids", pairs),
                ],
            ),
            "NAT" => insert(table, n, &[("type", Datum::from(Atom::from("snat"))), ("external_ids", pairs)]),
            "Logical_Switch" => {
                let (ports, acls) = (self.members(1), self.members(3));
                insert(table, n, &[("name", name), ("ports", ports), ("acls", acls), ("external_ids", pairs)])
            }
            "Port_Group" => {
                let ports = self.members(1);
                insert(table, n, &[("name", name), ("ports", ports), ("external_ids", pairs)])
            }
            _ => insert(table, n, &[("name", name), ("external_ids", pairs)]),
        }
    }

    /// One row, or all of some name, or all with a pair.
    fn condition(&mut self, table: &str) -> Vec<Condition> {
        match self.below(8) {
            0 if table != "ACL" && table != "NAT" => {
                vec![Condition::new("name", Function::Equal, self.name())]
            }
            1 => vec![Condition::new("external_ids", Function::Includes, self.pairs())],
            2 => vec![Condition::new("external_ids", Function::Excludes, self.pairs())],
            _ => at(self.row_of(table)),
        }
    }

    fn row_of(&mut self, table: &str) -> u128 {
        let table = TABLES.iter().position(|name| *name == table).unwrap();
        (table * 100 + self.below(6)) as u128
    }

    fn members(&mut self, table: usize) -> Datum {
        let members: Vec<u128> = (0..self.below(4)).map(|_| self.row_of(TABLES[table])).collect();
        assert!(members.iter().all(|n| id(*n).get_version_num() == 4));
        refs(&members)
    }

    fn name(&mut self) -> Datum {
        Datum::from(Atom::from(self.pick(NAMES)))
    }

    fn pairs(&mut self) -> Datum {
        let pairs: Vec<(&str, &str)> =
            (0..self.below(3)).map(|_| (self.pick(NAMES), self.pick(NAMES))).collect();
        map(&pairs)
    }
}
