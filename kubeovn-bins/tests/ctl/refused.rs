//! What has no answer.

use std::{fs, path::PathBuf, process::Command};

use crate::rig::{Rig, ctl, err, out};

#[test]
fn what_cannot_be_done_is_said_with_the_next_step() {
    let rig = Rig::new();
    let path = |name: &str| rig.directory.path(name).to_str().unwrap().to_owned();
    let write = |name: &str, bytes: &[u8]| -> String {
        fs::write(rig.directory.path(name), bytes).unwrap();
        path(name)
    };
    rig.server.nbctl(&["ls-add", "a-switch"]);
    let good = fs::read(rig.directory.path("nb.db")).unwrap();
    let at = good.windows(8).position(|window| window == b"a-switch").unwrap();
    let mut bad = good.clone();
    bad[at] = b'A';
    let (noise, damaged) = (write("noise", b"no database"), write("damaged", &bad));
    let other = PathBuf::from(path("sb.db"));
    let made =
        Command::new("ovsdb-tool").arg("create").arg(&other).arg("/usr/share/ovn/ovn-sb.ovsschema").status();
    assert!(made.unwrap().success());
    rig.manifests("broken", "{apiVersion: v1, kind: [");
    let (live, nowhere) = (rig.server.endpoint(), format!("unix:{}", path("nothing.sock")));
    let (other, missing, broken) =
        (other.to_str().unwrap().to_owned(), path("missing.db"), rig.folder("broken"));
    for (arguments, code, next) in [
        (vec!["--db", &nowhere, "dump"], "CTL-DATABASE-UNREACHABLE", "--file"),
        (vec!["--db", &nowhere, "watch"], "CTL-DATABASE-UNREACHABLE", "--db"),
        (vec!["--db", "ssl:127.0.0.1:1", "dump"], "CTL-DATABASE-UNREACHABLE", "OVSDB-TLS-NOT-CONFIGURED"),
        (vec!["--db", "10.0.0.1:6641", "dump"], "OVSDB-ENDPOINT-SCHEME", "tcp:"),
        (vec!["--file", &missing, "dump"], "CTL-FILE-UNREADABLE", "Name the file"),
        (vec!["--file", &noise, "verify"], "OVSDB-FILE-FORMAT", "ovsdb-server"),
        (vec!["--file", &damaged, "dump"], "OVSDB-FILE-CHECKSUM", "head -c"),
        (vec!["--file", &other, "dump"], "CTL-DATABASE-OTHER", "OVN_Northbound"),
        (vec!["--file", &damaged, "watch"], "CTL-WATCH-FILE", "nb diff"),
        (vec!["--db", &live, "dump", "--owner", "web"], "CTL-OWNER-INVALID", "subnet/web"),
        (vec!["--db", &live, "dump", "--table", "Switch"], "CTL-TABLE-UNKNOWN", "Logical_Switch,"),
        (vec!["--db", &live, "diff", "--from", &missing], "CTL-MANIFESTS", "folder"),
        (vec!["--db", &live, "diff", "--from", &broken], "CTL-MANIFEST-UNREADABLE", "all.yaml:1"),
    ] {
        let output = ctl(&[&["nb"], arguments.as_slice()].concat());
        let said = err(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with(&format!("{code}: ")) && said.contains(next), "{arguments:?}: {said}");
        assert!(out(&output).is_empty(), "{arguments:?}");
    }
    assert_eq!(ctl(&["nb", "dump", "--nonsense"]).status.code(), Some(1), "2 is for differences");
    assert_eq!(ctl(&["nb", "diff"]).status.code(), Some(1));
    assert_eq!(ctl(&["--help"]).status.code(), Some(0));
}
