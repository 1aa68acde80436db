//! What manifests would change.

use crate::rig::{NETWORK, Rig, json, text};

#[test]
fn a_diff_shows_what_an_edit_would_change() {
    let mut rig = Rig::new();
    let from = rig.folder("net");
    let all = text(&rig.live(&["diff", "--from", &from]), 2);
    assert!(all.contains("+ ACL db/1000/drop") && all.contains(", 0 to change, 0 to remove"), "{all}");
    rig.start();
    rig.settle();
    assert_eq!(text(&rig.live(&["diff", "--from", &from]), 0), "nothing would change\n");
    assert_eq!(
        json(&rig.live(&["diff", "--from", &from, "-o", "json"]), 0)["changes"],
        serde_json::json!([])
    );

    rig.manifests("open", &NETWORK.replace("private: true", "private: false"));
    let shown = text(&rig.live(&["diff", "--from", &rig.folder("open")]), 2);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.contains(&"- ACL db/1000/drop"), "{shown}");
    assert!(lines.iter().all(|line| line.starts_with("- ACL db/") || line.contains(" to remove")), "{shown}");
    rig.manifests("moved", &NETWORK.replace("allowSubnets: [10.20.0.0/24]", "gateway: 10.30.0.9"));
    let changes = json(&rig.live(&["diff", "--from", &rig.folder("moved"), "-o", "json"]), 2);
    let changes = changes["changes"].as_array().unwrap();
    let port = changes.iter().find(|change| change["table"] == "Logical_Router_Port").unwrap();
    let networks = &port["columns"]["networks"];
    assert_eq!((&networks["old"], &networks["new"]), (&"10.30.0.1/24".into(), &"10.30.0.9/24".into()));
    let gone = changes.iter().filter(|change| change["change"] == "remove");
    assert_eq!(
        gone.map(|change| &change["id"]).collect::<Vec<_>>(),
        ["db/1001/allow/10.30.0.0/24/10.20.0.0/24"]
    );
}
