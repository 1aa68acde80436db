//! What stands in Northbound.

use std::fs;

use crate::rig::{Rig, err, json, row, text};

#[test]
fn a_dump_is_the_same_of_a_server_and_of_the_file_it_left() {
    let mut rig = Rig::settled();
    rig.server.nbctl(&["ls-add", "theirs", "--", "lsp-add", "theirs", "guest"]);
    rig.stop();
    let live = json(&rig.live(&["dump", "--foreign", "-o", "json"]), 0);
    let drop = row(&live, "subnet/db", "db/1000/drop");
    assert_eq!((&drop["table"], &drop["columns"]["action"]), (&"ACL".into(), &"drop".into()));
    let port = row(&live, "pod/web/shop-0", "shop-0.web");
    assert!(port["columns"]["addresses"][0].as_str().unwrap().contains(" 10.20.0."), "{port}");
    assert_eq!(row(&live, "subnet/web", "web")["columns"]["ports"][0], "shop-0.web", "references have names");
    assert_eq!(live["foreignCounts"]["Logical_Switch"], 1);
    assert!(live["foreign"].as_array().unwrap().iter().any(|row| row["id"] == "@theirs"));
    assert!(live["unreadable"].as_array().unwrap().is_empty());

    let shown = text(&rig.live(&["dump"]), 0);
    assert!(shown.contains("\nsubnet/db\n  ACL db/1000/drop  "), "{shown}");
    assert!(
        shown.contains("; 3 rows of others (Logical_Switch 1, ")
            && !shown.contains("@theirs")
            && !shown.contains('\x1b'),
        "{shown}"
    );
    let rules = json(&rig.live(&["dump", "--owner", "subnet/db", "--table", "ACL", "-o", "json"]), 0);
    let owners = rules["owners"].as_array().unwrap();
    assert_eq!((owners.len(), &owners[0]["owner"]), (1, &"subnet/db".into()));
    assert!(owners[0]["rows"].as_array().unwrap().iter().all(|row| row["table"] == "ACL"));
    let pods = json(&rig.live(&["dump", "--owner", "pod", "-o", "json"]), 0);
    assert_eq!(pods["owners"].as_array().unwrap().len(), 2);

    rig.server.kill();
    assert_eq!(json(&rig.file(&["dump", "--foreign", "-o", "json"]), 0), live);
    text(&rig.file(&["diff", "--from", &rig.folder("net")]), 0);
    text(&rig.file(&["verify", "--from", &rig.folder("net")]), 0);
    // cut within the last record
    let path = rig.directory.path("nb.db");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let cut = rig.file(&["dump", "-o", "json"]);
    assert!(json(&cut, 0).is_object() && err(&cut).contains("is cut off"), "{}", err(&cut));
}
