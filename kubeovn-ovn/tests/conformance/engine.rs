//! Transactions of the engine, written by the encoder and read back through the replica, on both servers.

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_core::rows::{
    Act, Atom, Delta, Elem, KEY_OWNER, KEY_ROW, KEY_VENDOR, Op, Outcome, Replica as _, RowKey, RowSpec, Txn,
    VENDOR, Value,
};
use kubeovn_ovn::{
    memory::{Server, Sync},
    nb::{ADDRESS_SET, LOGICAL_SWITCH, LOGICAL_SWITCH_PORT, NORTHBOUND, PORT_GROUP},
    ovsdb::{
        replica::Replica,
        txn::{Identity, encode},
    },
};
use uuid::Uuid;

use super::{random::Random, real::Real, schema};

fn key(table: &'static str, n: usize) -> RowKey {
    RowKey::new(table, format!("{table}-{n}"))
}

fn item(row: &RowKey) -> Elem {
    Elem::Item(Atom::Row(row.clone()))
}

fn spec(row: &RowKey, name: &str) -> RowSpec {
    let mut spec = RowSpec::default();
    spec.set("name", Value::str(name));
    spec.pair("external_ids", KEY_VENDOR, VENDOR).pair("external_ids", KEY_ROW, row.id.clone());
    spec.pair("external_ids", KEY_OWNER, "subnet/lan");
    spec
}

/// Puts rows in and out, members in and out of sets, keys in and out of maps; now and then a name twice. As the engine
/// does it: a row that goes is deleted, and leaves its parents, in one transaction.
fn random_txn(random: &mut Random, id: u64, have: &Replica) -> Txn {
    let mut acts: BTreeMap<RowKey, Act> = BTreeMap::new();
    for _ in 0..=random.below(4) {
        let table = random.pick(&[ADDRESS_SET, LOGICAL_SWITCH, LOGICAL_SWITCH_PORT, PORT_GROUP]);
        let row = key(table, random.below(5));
        if acts.contains_key(&row) {
            continue;
        }
        if !have.has(&row) {
            // two that clash at once are equally to blame, and servers may choose
            let clash = random.below(3) == 0 && !acts.values().any(|act| matches!(act, Act::Insert(..)));
            let name = if clash { "clash" } else { &row.id };
            if table == LOGICAL_SWITCH_PORT {
                let parent = (0..5).map(|n| key(LOGICAL_SWITCH, n)).find(|parent| have.has(parent));
                let Some(parent) = parent.filter(|parent| !acts.contains_key(parent)) else { continue };
                let add = BTreeMap::from([("ports", BTreeSet::from([item(&row)]))]);
                acts.insert(parent, Act::Change(Delta { add, ..Delta::default() }));
            }
            acts.insert(row.clone(), Act::Insert(spec(&row, name), BTreeMap::new()));
        } else if random.below(5) == 0 {
            delete(&mut acts, &row, have);
        } else {
            acts.insert(row, Act::Change(random_delta(random, table, have)));
        }
    }
    Txn { id, ops: acts.into_iter().map(|(row, act)| Op { row, act }).collect() }
}

/// Deletes a row that has no children, and takes it out of its parents, unless they are written already.
fn delete(acts: &mut BTreeMap<RowKey, Act>, row: &RowKey, have: &Replica) {
    let mut parents = Vec::new();
    have.parents(row, &mut |parent, column| parents.push((parent, column)));
    let mut children = 0;
    if row.table == LOGICAL_SWITCH {
        have.elements(row, "ports", &mut |_| children += 1);
    }
    if children > 0 || parents.iter().any(|(parent, _)| acts.contains_key(parent)) {
        return;
    }
    for (parent, column) in parents {
        let remove = BTreeMap::from([(column, BTreeSet::from([item(row)]))]);
        acts.insert(parent, Act::Change(Delta { remove, ..Delta::default() }));
    }
    acts.insert(row.clone(), Act::Delete);
}

fn random_delta(random: &mut Random, table: &str, have: &Replica) -> Delta {
    let mut delta = Delta::default();
    let value = (random.below(3) > 0).then(|| format!("v{}", random.below(3)).into());
    delta.pairs.insert("external_ids", BTreeMap::from([("subnet", value)]));
    let elem = match table {
        ADDRESS_SET => {
            Some(("addresses", Elem::Item(Atom::Str(format!("10.0.0.{}", random.below(4)).into()))))
        }
        LOGICAL_SWITCH_PORT => {
            let value = if random.below(2) == 0 { Value::EMPTY } else { Value::str("router") };
            delta.values.insert("type", value);
            delta
                .values
                .insert("addresses", Value::strs([format!("a{}", random.below(3)), "unknown".to_owned()]));
            None
        }
        _ => Some(("ports", item(&key(LOGICAL_SWITCH_PORT, random.below(5))))),
    };
    let known = |elem: &Elem| !matches!(elem, Elem::Item(Atom::Row(row)) if !have.has(row));
    if let Some((column, elem)) = elem.filter(|(_, elem)| known(elem)) {
        let adds = table == LOGICAL_SWITCH || random.below(2) == 0;
        let side = if adds { &mut delta.add } else { &mut delta.remove };
        side.insert(column, BTreeSet::from([elem]));
    }
    delta
}

/// The words of a refusal are each server's own.
fn without_words(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Rejected { row, .. } => Outcome::Rejected { text: String::new(), row },
        other => other,
    }
}

#[test]
fn transactions_of_the_engine_have_the_same_outcome() {
    let (mut real, mut replica) = (Real::start(), Replica::new(&NORTHBOUND, &schema()));
    let mut memory = Sync::with(&NORTHBOUND, Server::new(schema()));
    let mut random = Random::new(7);
    let mut outcomes = BTreeMap::new();
    for id in 1..=400 {
        let txn = random_txn(&mut random, id, &replica);
        let (changes, outcome) = memory.commit(&txn);
        let (real_changes, real_outcome) = match encode(&txn, &replica, Identity::Given(Uuid::nil())) {
            Ok(encoded) => {
                let (results, updates) = real.transact(&encoded.ops);
                (replica.apply(updates).unwrap(), encoded.receipt.judge(&results))
            }
            Err(error) => (Vec::new(), error.into()),
        };
        let (outcome, real_outcome) = (without_words(outcome), without_words(real_outcome));
        assert_eq!(outcome, real_outcome, "{txn:?}");
        assert_eq!(changes, real_changes, "{txn:?}");
        if let Outcome::Rejected { row, .. } = &outcome {
            let row = row.as_ref().expect("a refusal that blames no row");
            assert!(txn.ops.iter().any(|op| op.row == *row), "{row} is not in {txn:?}");
        }
        *outcomes.entry(format!("{outcome:?}").split(' ').next().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert!(outcomes["Done"] > 100 && outcomes["Rejected"] > 10, "{outcomes:?}");
    // who followed every difference has what who reads all of it now gets
    let fresh = Sync::with(&NORTHBOUND, memory.server.clone());
    assert_eq!(picture(&replica), picture(&fresh.replica));
}

/// All that can be read of our rows.
fn picture(replica: &Replica) -> Vec<String> {
    let mut rows = Vec::new();
    replica.ours(&mut |row, owner| rows.push((row.clone(), owner.cloned())));
    let mut lines = Vec::new();
    for (row, owner) in rows {
        lines.push(format!("{row} of {owner:?}"));
        for column in NORTHBOUND.table(row.table).unwrap().columns {
            let subnet = replica.pair(&row, column.name, "subnet");
            lines.push(format!("{} {:?} {subnet:?}", column.name, replica.value(&row, column.name)));
            replica.elements(&row, column.name, &mut |elem| lines.push(format!("{elem:?}")));
        }
        replica.parents(&row, &mut |parent, column| lines.push(format!("in {parent} {column}")));
    }
    lines
}

#[test]
fn servers_that_draw_uuids_are_written_by_name() {
    let (mut real, mut replica) = (Real::start(), Replica::new(&NORTHBOUND, &schema()));
    let (switch, port) = (key(LOGICAL_SWITCH, 1), key(LOGICAL_SWITCH_PORT, 1));
    let born = BTreeMap::from([("ports", BTreeSet::from([item(&port)]))]);
    let ops = vec![
        Op { row: switch.clone(), act: Act::Insert(spec(&switch, "lan"), born) },
        Op { row: port.clone(), act: Act::Insert(spec(&port, "p"), BTreeMap::new()) },
    ];
    let encoded = encode(&Txn { id: 1, ops }, &replica, Identity::Drawn).unwrap();
    let (results, updates) = real.transact(&encoded.ops);
    assert_eq!(encoded.receipt.judge(&results), Outcome::Done);
    replica.apply(updates).unwrap();
    assert!(replica.holds(&switch, "ports", &item(&port)));
}
