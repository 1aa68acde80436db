//! Transactions with a point.

use kubeovn_ovn::ovsdb::wire::{Datum, Function, Mutator, Operation, Row};

use super::ops::{
    at, by_name, delete, drawn, insert, int, map, mutate, named, refs, row, select, text, texts, update,
    wait, when,
};

/// Transactions in a row.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) steps: Vec<Step>,
}

/// A transaction, and whether it passes.
pub(crate) struct Step {
    pub(crate) ops: Vec<Operation>,
    pub(crate) passes: bool,
}

const LS: &str = "Logical_Switch";
const LSP: &str = "Logical_Switch_Port";
const PG: &str = "Port_Group";
const AS: &str = "Address_Set";
const GLOBAL: &str = "NB_Global";
const IDS: &str = "external_ids";

pub(crate) fn all() -> Vec<Case> {
    [references(), names(), values(), conditions(), fence(), oddities()].into_iter().flatten().collect()
}

/// A switch with a port, both with UUIDs that the server draws; the port is named before it is inserted.
pub(crate) fn without_uuids() -> Vec<Operation> {
    let switch = insert(LS, 0, &[("name", text("lan")), ("ports", by_name("later"))]);
    vec![drawn(switch), named("later", drawn(port(0, "a"))), select(LS, Vec::new(), &["ports"])]
}

fn case<const N: usize>(name: &'static str, steps: [Step; N]) -> Case {
    Case { name, steps: steps.into() }
}

fn pass<const N: usize>(ops: [Operation; N]) -> Step {
    Step { ops: ops.into(), passes: true }
}

fn fail<const N: usize>(ops: [Operation; N]) -> Step {
    Step { ops: ops.into(), passes: false }
}

fn port(n: u128, name: &str) -> Operation {
    insert(LSP, n, &[("name", text(name))])
}

fn switch(n: u128, ports: &[u128]) -> Operation {
    insert(LS, n, &[("name", text("lan")), ("ports", refs(ports))])
}

/// Switch 1 with ports 11 (`a`) and 12 (`b`), group 2 with both.
fn small() -> Step {
    let group = insert(PG, 2, &[("name", text("group")), ("ports", refs(&[11, 12]))]);
    pass([switch(1, &[11, 12]), port(11, "a"), port(12, "b"), group])
}

fn attach(table: &str, n: u128, ports: &[u128]) -> Operation {
    mutate(table, at(n), &[("ports", Mutator::Insert, refs(ports))])
}

fn detach(n: u128, ports: &[u128]) -> Operation {
    mutate(LS, at(n), &[("ports", Mutator::Delete, refs(ports))])
}

fn rename(n: u128, name: &str) -> Operation {
    update(LSP, at(n), &[("name", text(name))])
}

fn references() -> Vec<Case> {
    vec![
        case("rows refer to rows inserted after them", [small()]),
        case("a row that nothing refers to vanishes", [pass([port(11, "a")])]),
        case("detached rows vanish and leave weak sets", [small(), pass([detach(1, &[11])])]),
        case("rows vanish with all that they keep alive", [small(), pass([delete(LS, at(1))])]),
        case(
            "deleted and detached in one transaction",
            [small(), pass([delete(LSP, at(11)), detach(1, &[11])])],
        ),
        case("what is referred to cannot be deleted", [small(), fail([delete(LSP, at(11))])]),
        case(
            "what is deleted cannot be referred to",
            [small(), fail([delete(LSP, at(11)), detach(1, &[11]), switch(3, &[11])])],
        ),
        case("strong references must not dangle", [small(), fail([attach(LS, 1, &[99])])]),
        case("weak references to nothing are dropped", [small(), pass([attach(PG, 2, &[99])])]),
        case(
            "a port moves between switches and keeps its groups",
            [small(), pass([switch(3, &[])]), pass([detach(1, &[11]), attach(LS, 3, &[11])])],
        ),
        case(
            "a row in two sets needs both gone",
            [small(), pass([switch(3, &[11])]), pass([delete(LS, at(1))]), pass([delete(LS, at(3))])],
        ),
        case(
            "a port leaves the group and the switch at once",
            [
                small(),
                pass([detach(1, &[11]), mutate(PG, at(2), &[("ports", Mutator::Delete, refs(&[11]))])]),
            ],
        ),
    ]
}

fn names() -> Vec<Case> {
    vec![
        case(
            "names are unique",
            [
                small(),
                fail([port(13, "a"), attach(LS, 1, &[13])]),
                fail([rename(11, "b")]),
                pass([port(13, "a")]),
            ],
        ),
        case(
            "names can be exchanged in one transaction",
            [
                small(),
                pass([rename(11, "b"), rename(12, "a")]),
                pass([rename(11, "b")]),
                fail([rename(12, "b")]),
            ],
        ),
        case(
            "a name is free when its row is detached",
            [small(), pass([detach(1, &[11]), attach(LS, 1, &[13]), port(13, "a")])],
        ),
        case("a uuid is taken", [small(), fail([port(11, "c")])]),
        case(
            "a uuid cannot be reborn in the transaction of its death",
            [small(), fail([delete(LS, at(1)), switch(1, &[])])],
        ),
        case(
            "names of rows within a transaction",
            [
                pass([
                    named("p", port(11, "a")),
                    insert(LS, 1, &[("name", text("lan")), ("ports", by_name("p"))]),
                    mutate(PG, at(2), &[("ports", Mutator::Insert, by_name("p"))]),
                ]),
                fail([named("twice", switch(5, &[])), named("twice", switch(6, &[]))]),
                fail([mutate(LS, at(1), &[("ports", Mutator::Insert, by_name("nobody"))])]),
            ],
        ),
    ]
}

fn values() -> Vec<Case> {
    let ids = |mutator, value| (IDS, mutator, value);
    let addresses = |mutator, texts_: &[&str]| mutate(AS, at(1), &[("addresses", mutator, texts(texts_))]);
    let count = |mutator, number| ("nb_cfg", mutator, int(number));
    vec![
        case(
            "a key that is there is not inserted again",
            [
                pass([insert(LS, 1, &[(IDS, map(&[("a", "1"), ("b", "2")]))])]),
                pass([mutate(LS, at(1), &[ids(Mutator::Insert, map(&[("a", "9"), ("c", "3")]))])]),
                pass([mutate(
                    LS,
                    at(1),
                    &[ids(Mutator::Delete, texts(&["a", "none"])), ids(Mutator::Insert, map(&[("a", "9")]))],
                )]),
                pass([mutate(LS, at(1), &[ids(Mutator::Delete, map(&[("a", "0"), ("b", "2")]))])]),
                pass([update(LS, at(1), &[(IDS, map(&[]))])]),
            ],
        ),
        case(
            "sets of values",
            [
                pass([insert(AS, 1, &[("name", text("s")), ("addresses", texts(&["1", "2"]))])]),
                pass([addresses(Mutator::Insert, &["2", "3"])]),
                pass([addresses(Mutator::Delete, &["1", "9"])]),
                pass([update(AS, at(1), &[("addresses", texts(&["3", "4", "5"]))])]),
                pass([update(AS, at(1), &[("addresses", Datum::empty())])]),
            ],
        ),
        case(
            "optionals may be empty, scalars not",
            [
                pass([switch(1, &[11]), port(11, "a")]),
                pass([update(LSP, at(11), &[("tag_request", int(7)), ("enabled", Datum::from(false))])]),
                pass([update(LSP, at(11), &[("tag_request", Datum::empty())])]),
                fail([update(LSP, at(11), &[("name", Datum::empty())])]),
            ],
        ),
        case(
            "arithmetic",
            [
                pass([insert(GLOBAL, 1, &[("nb_cfg", int(7))])]),
                pass([mutate(
                    GLOBAL,
                    vec![],
                    &[
                        count(Mutator::Add, 5),
                        count(Mutator::Multiply, 3),
                        count(Mutator::Subtract, 1),
                        count(Mutator::Divide, 4),
                        count(Mutator::Remainder, 5),
                    ],
                )]),
                fail([mutate(GLOBAL, vec![], &[count(Mutator::Divide, 0)])]),
                fail([mutate(GLOBAL, vec![], &[count(Mutator::Multiply, i64::MAX)])]),
            ],
        ),
    ]
}

fn conditions() -> Vec<Case> {
    let called = |function, name| when("name", function, text(name));
    let with =
        |function, ports: &[u128]| select(PG, when("ports", function, refs(ports)), &["ports", "name"]);
    let counts = |function, number| select(GLOBAL, when("nb_cfg", function, int(number)), &["nb_cfg"]);
    let lan = || vec![row(&[("name", text("lan"))])];
    vec![
        case(
            "conditions on sets and names",
            [
                small(),
                pass([
                    select(LSP, called(Function::Equal, "a"), &["name", "_uuid"]),
                    select(LSP, called(Function::NotEqual, "a"), &["name", "type", "options"]),
                    select(LSP, when("_uuid", Function::NotEqual, refs(&[11])), &["name"]),
                    with(Function::Includes, &[11]),
                    with(Function::Includes, &[11, 99]),
                    with(Function::Excludes, &[99]),
                    with(Function::Excludes, &[11, 99]),
                    with(Function::Equal, &[12, 11]),
                ]),
            ],
        ),
        case(
            "conditions on numbers",
            [
                pass([insert(GLOBAL, 9, &[("nb_cfg", int(7))])]),
                pass([
                    counts(Function::Less, 7),
                    counts(Function::LessOrEqual, 7),
                    counts(Function::Greater, 6),
                    counts(Function::GreaterOrEqual, 8),
                ]),
            ],
        ),
        case(
            "waiting for what is and what is not",
            [
                small(),
                pass([wait(LS, at(1), &["name"], true, lan())]),
                fail([wait(LS, at(1), &["name"], false, lan())]),
                pass([wait(LS, called(Function::Equal, "no"), &["name"], true, vec![])]),
                fail([wait(LS, vec![], &["name"], true, vec![])]),
                pass([wait(LSP, vec![], &["type"], true, vec![row(&[("type", text(""))])])]),
            ],
        ),
    ]
}

/// The fence: only who holds the token writes.
fn fence() -> Vec<Case> {
    let held = |token: &str| {
        let where_held = when(IDS, Function::Includes, map(&[("kubeovn-writer", token)]));
        wait(GLOBAL, where_held, &[], true, vec![Row::new()])
    };
    let set = |n, name| insert(AS, n, &[("name", text(name))]);
    let take = |token| {
        let gone = (IDS, Mutator::Delete, texts(&["kubeovn-writer"]));
        mutate(GLOBAL, vec![], &[gone, (IDS, Mutator::Insert, map(&[("kubeovn-writer", token)]))])
    };
    vec![case(
        "the fence",
        [
            pass([insert(GLOBAL, 1, &[(IDS, map(&[("kubeovn-writer", "7/a"), ("k", "v")]))])]),
            pass([held("7/a"), set(5, "mine")]),
            fail([held("6/b"), set(6, "late")]),
            pass([held("7/a"), take("8/c"), held("8/c")]),
            fail([held("7/a"), set(7, "ghost")]),
        ],
    )]
}

fn oddities() -> Vec<Case> {
    vec![
        case(
            "a refused transaction changes nothing",
            [small(), fail([delete(PG, at(2)), insert(AS, 5, &[("name", text("s"))]), port(12, "x")])],
        ),
        case(
            "absent rows are no error",
            [
                small(),
                pass([attach(LS, 99, &[11]), update(LS, at(99), &[("name", text("x"))]), delete(LS, at(99))]),
            ],
        ),
        case(
            "some tables have room for one row",
            [
                pass([insert(GLOBAL, 1, &[])]),
                fail([insert(GLOBAL, 2, &[])]),
                pass([insert(GLOBAL, 2, &[]), delete(GLOBAL, at(1))]),
            ],
        ),
        case(
            "nothing to do",
            [
                small(),
                pass([]),
                pass([Operation::Comment { text: "hello".into() }]),
                pass([update(LS, at(1), &[("name", text("lan"))])]),
                pass([switch(7, &[]), delete(LS, at(7))]),
            ],
        ),
        case(
            "tables, columns and types that are not there",
            [
                fail([insert("Nonsense", 1, &[])]),
                fail([insert(LS, 1, &[("nonsense", text("x"))])]),
                fail([select(LS, when("nonsense", Function::Equal, text("x")), &["name"])]),
                fail([insert(LS, 1, &[("name", int(7))])]),
            ],
        ),
    ]
}
