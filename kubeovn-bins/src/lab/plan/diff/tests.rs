use super::*;
use kubeovn_ovn::nb::{LOGICAL_SWITCH, LOGICAL_SWITCH_PORT};
use kubeovn_ovn::ovsdb::wire::Operation;

fn row(columns: &[(&str, Datum)]) -> Row {
    columns.iter().map(|(name, datum)| (Arc::from(*name), datum.clone())).collect()
}

fn text(text: &str) -> Datum {
    Datum::set([Atom::from(text)])
}

fn insert(table: &str, number: u128, row: Row) -> Operation {
    Operation::Insert { table: table.into(), row, uuid: Some(Uuid::from_u128(number)), name: None }
}

/// A switch whose ports have these numbers and addresses.
fn switch(ports: &[(u128, &str)]) -> Server {
    let mut server = Server::of(&NORTHBOUND);
    let references = Datum::set(ports.iter().map(|(number, _)| Atom::Uuid(Uuid::from_u128(*number))));
    let mut ops = vec![insert(LOGICAL_SWITCH, 1, row(&[("name", text("web")), ("ports", references)]))];
    for (number, address) in ports {
        let owner = Datum::map([(Atom::from(KEY_OWNER), Atom::from("pod/web/w"))]);
        let port = [("name", text(&format!("w{number}"))), ("addresses", text(address)), (EXTERNAL_IDS, owner)];
        ops.push(insert(LOGICAL_SWITCH_PORT, *number, row(&port)));
    }
    let (results, _) = server.transact(&ops);
    assert!(results.iter().all(|result| !matches!(result, kubeovn_ovn::ovsdb::wire::OpResult::Error(_))), "{results:?}");
    server
}

#[test]
fn rows_come_change_and_go_by_name() {
    let before = Rows::of(&switch(&[(2, "10.0.0.2"), (3, "10.0.0.3")]));
    let after = Rows::of(&switch(&[(3, "10.0.0.33"), (4, "10.0.0.4")]));
    let wanted = "\
~ Logical_Switch web
      ports: -w2 +w4
- Logical_Switch_Port w2  (pod/web/w)
~ Logical_Switch_Port w3  (pod/web/w)
      addresses: 10.0.0.3 -> 10.0.0.33
+ Logical_Switch_Port w4  (pod/web/w)
      addresses: 10.0.0.4
1 row to add, 2 rows to change, 1 row to remove
";
    assert_eq!(render(&before, &after), wanted);
}

#[test]
fn no_difference_says_so() {
    let rows = Rows::of(&switch(&[(2, "10.0.0.2")]));
    assert_eq!(render(&rows, &rows), "nothing to change\n");
}
