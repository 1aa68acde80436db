//! What does not belong.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::rig::{Rig, json, row, text};

#[test]
fn verify_finds_what_does_not_belong() {
    let mut rig = Rig::settled();
    let from = rig.folder("net");
    let sound = json(&rig.live(&["verify", "--from", &from, "-o", "json"]), 0);
    assert_eq!((&sound["sound"], &sound["findings"]), (&true.into(), &serde_json::json!([])));
    assert!(text(&rig.live(&["verify"]), 0).starts_with("nothing found in "));
    rig.stop();

    let nb = |line: &str| rig.server.nbctl(&line.split(' ').collect::<Vec<_>>());
    // a rule with our mark that nobody wants
    let stray = nb(
        "--id=@a create ACL priority=7 direction=to-lport match=ip4 action=drop -- add Logical_Switch db acls @a",
    );
    rig.mark("ACL", stray.trim(), "subnet/db", "db/7/stray");
    // a mark that cannot be read, and one that was copied
    nb("ls-add odd");
    rig.mark("Logical_Switch", "odd", "subnets:odd", "odd");
    nb("ls-add copy");
    rig.mark("Logical_Switch", "copy", "subnet/web", "web");
    // an address that a pod has, on a switch of the same router
    let address = json(&rig.live(&["dump", "--owner", "pod/web/shop-0", "-o", "json"]), 0);
    let address =
        row(&address, "pod/web/shop-0", "shop-0.web")["columns"]["addresses"][0].as_str().unwrap().to_owned();
    nb("lsp-add db thief");
    let ip = address.split(' ').next_back().unwrap();
    rig.server.nbctl(&["lsp-set-addresses", "thief", &format!("02:00:00:00:00:99 {ip}")]);
    nb("pg-add group");
    nb("create Address_Set name=group_ip4");
    nb("acl-add db to-lport 5 ip4.src==$nowhere drop");
    nb("lsp-add db lost -- lsp-set-type lost router -- lsp-set-options lost router-port=nothing");

    let report = json(&rig.live(&["verify", "-o", "json"]), 2);
    let codes = |report: &Value| -> BTreeSet<String> {
        let findings = report["findings"].as_array().unwrap();
        findings
            .iter()
            .map(|f| format!("{} {}", f["code"].as_str().unwrap(), f["row"].as_str().unwrap()))
            .collect()
    };
    let alone = codes(&report);
    for wanted in [
        "NB-MARK-UNREADABLE Logical_Switch/odd",
        "NB-ADDRESS-TWICE Logical_Switch_Port/shop-0.web",
        "NB-ADDRESS-TWICE Logical_Switch_Port/@thief",
        "NB-SET-SHADOWS-GROUP Address_Set/@group_ip4",
        "NB-NAME-DANGLING Logical_Switch_Port/@lost",
    ] {
        assert!(alone.contains(wanted), "{wanted}: {alone:#?}");
    }
    let begins =
        |all: &BTreeSet<String>, start: &str| all.iter().filter(|code| code.starts_with(start)).count();
    assert_eq!(begins(&alone, "NB-ROW-TWIN Logical_Switch/web~"), 1, "{alone:#?}");
    assert_eq!(begins(&alone, "NB-NAME-DANGLING ACL/"), 1, "{alone:#?}");
    assert_eq!(alone.len(), 7, "{alone:#?}");

    nb("lsp-del db-0.db");
    nb("set Logical_Switch_Port shop-0.web port_security=nobody");
    let drift = codes(&json(&rig.live(&["verify", "--from", &from, "-o", "json"]), 2));
    let more: Vec<&String> = drift.difference(&alone).collect();
    for wanted in [
        "NB-ROW-UNWANTED ACL/db/7/stray",
        "NB-ROW-MISSING Logical_Switch_Port/db-0.db",
        "NB-ROW-DIFFERENT Logical_Switch_Port/shop-0.web",
    ] {
        assert!(more.iter().any(|code| *code == wanted), "{wanted}: {more:#?}");
    }
    let shown = text(&rig.live(&["verify", "--from", &from]), 2);
    assert!(shown.contains("NB-ROW-UNWANTED: ACL/db/7/stray: it has the mark of subnet/db"), "{shown}");
    assert!(shown.contains("NB-ROW-MISSING: Logical_Switch_Port/db-0.db: pod/db/db-0 wants it"), "{shown}");

    let held = codes(&json(&rig.live(&["verify", "--from", &from, "-o", "json"]), 2));
    rig.server.kill();
    assert_eq!(codes(&json(&rig.file(&["verify", "--from", &from, "-o", "json"]), 2)), held);
}
