//! Which object caused a row.

use crate::rig::{NETWORK, Rig, err, json, text};

#[test]
fn a_row_leads_to_its_object_and_to_the_field() {
    let mut rig = Rig::settled();
    let from = rig.folder("net");
    let guess = text(&rig.live(&["owner", "ACL/db/1000/drop"]), 0);
    assert!(guess.contains("subnet/db") && guess.contains("private subnet"), "{guess}");
    assert!(guess.contains("Subnet.spec.private") && !guess.contains("allowSubnets"), "{guess}");

    // the rule is named db, too, but the switch has the id
    assert!(text(&rig.live(&["owner", "db"]), 0).contains("Logical_Switch db  "));
    let answer = json(&rig.live(&["owner", "db/1000/drop", "--from", &from, "-o", "json"]), 0);
    assert_eq!((&answer["owner"], &answer["state"]), (&"subnet/db".into(), &"wanted as it is".into()));
    let cause = &answer["causes"][0];
    assert_eq!(
        (answer["causes"].as_array().unwrap().len(), &cause["feature"]),
        (1, &"private subnet".into())
    );
    assert_eq!(cause["fields"], serde_json::json!([{ "path": "Subnet.spec.private", "value": "true" }]));
    assert!(cause["columns"].as_array().unwrap().contains(&"action".into()));
    let uuid = answer["row"]["uuid"].as_str().unwrap();
    let by_uuid = json(&rig.live(&["owner", uuid, "--from", &from, "-o", "json"]), 0);
    assert_eq!(by_uuid, answer);

    let allowed = text(&rig.live(&["owner", "db/1001/allow/10.30.0.0/24/10.20.0.0/24", "--from", &from]), 0);
    assert!(allowed.contains("Subnet.spec.allowSubnets = 10.20.0.0/24"), "{allowed}");
    let port = text(&rig.live(&["owner", "shop-0.web", "--from", &from]), 0);
    assert!(
        port.contains("pod/web/shop-0") && port.contains("ip_address]") && port.contains("= 10.20.0."),
        "{port}"
    );
    let switch = text(&rig.live(&["owner", "Logical_Switch/web"]), 0);
    assert!(switch.contains("shop-0.web from pod/web/shop-0"), "{switch}");

    // what the manifests have not is unwanted
    rig.manifests("less", &NETWORK.replace("name: db-0", "name: other"));
    let gone = text(&rig.live(&["owner", "db-0.db", "--from", &rig.folder("less")]), 0);
    assert!(gone.contains("unwanted: the manifests have no pod/db/db-0"), "{gone}");
    rig.server.nbctl(&["ls-add", "theirs"]);
    assert!(text(&rig.live(&["owner", "theirs"]), 0).contains("somebody else"));
    let unknown = rig.live(&["owner", "nothing"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).starts_with("CTL-ROW-UNKNOWN: none of ") && err(&unknown).contains("nb dump"));
    // the router and the two ports between are called otherwise, the switch and its router port are not
    rig.server.nbctl(&["lr-add", "web"]);
    let several = rig.live(&["owner", "web"]);
    assert_eq!(several.status.code(), Some(1));
    assert!(
        err(&several).contains("CTL-ROW-AMBIGUOUS: 2 rows") && err(&several).contains("Logical_Switch/web")
    );

    rig.stop();
    rig.server.kill();
    assert_eq!(json(&rig.file(&["owner", uuid, "--from", &from, "-o", "json"]), 0), answer);
}
