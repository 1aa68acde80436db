#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{outcomes, quoted, script};
use crate::ctl::test::probe::{How, Outcome, Probe, To};

const BUSYBOX: &str = "/usr/bin/busybox";

fn probe(how: How) -> Probe {
    Probe { to: To::Service, how }
}

#[test]
fn a_report_is_read_line_by_line() {
    let report = "+0 1\n+120 3\n-bad address\u{1b}[2J\n-\nnonsense\n";
    let reached = |millis, tries| Outcome::Reached { millis, tries };
    let failed = |why: &str| Outcome::Failed(why.to_owned());
    let expected = [
        reached(0, 1),
        reached(120, 3),
        failed("bad address [2J"),
        failed("no answer"),
        failed("the pod reported what can't be read: \"nonsense\""),
        failed("the pod's report ends before it"),
    ];
    assert_eq!(outcomes(report, 6), expected);
}

#[test]
fn nothing_leaves_its_quotes() {
    assert_eq!(quoted("a'; reboot #"), r"'a'\''; reboot #'");
}

/// The script itself, in busybox's shell, with the one change that the report goes to a file of the test's.
#[test]
fn the_script_reports_what_it_saw() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the test's process; each connection is answered once.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nserver-n1");
        }
    });
    let url = format!("http://127.0.0.1:{port}/");
    let probes = [
        probe(How::Http(url.clone(), "server-n1".to_owned())),
        probe(How::Http(url.clone(), "server-*".to_owned())),
        probe(How::Http(url, "server-n2".to_owned())),
        probe(How::Ping("127.0.0.1".parse().unwrap())),
        probe(How::Http("http://127.0.0.1:1/".to_owned(), "*".to_owned())),
        probe(How::Lookup("known.example".to_owned())),
        probe(How::Lookup("unknown.example".to_owned())),
    ];
    let folder = std::env::temp_dir().join(format!("kubeovn-probe-script-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    // As in an image of busybox: its programs, and no others.
    for applet in ["sh", "mkdir", "timeout", "wget", "ping", "tail", "cut", "sleep", "cat", "head"] {
        std::os::unix::fs::symlink(BUSYBOX, folder.join("bin").join(applet)).unwrap();
    }
    // Who is asked for names is not the test's to choose. Some versions end so when there is no IPv6 address.
    let lookup = format!(
        "#!{BUSYBOX} sh\n[ $1 = known.example ] && echo \"Name: $1\" || echo \"can't resolve '$1'\"\nexit 1\n"
    );
    std::fs::write(folder.join("bin/nslookup"), lookup).unwrap();
    std::fs::set_permissions(folder.join("bin/nslookup"), Permissions::from_mode(0o755)).unwrap();
    let text = script(&probes)
        .replace("/tmp/probes", folder.join("probes").to_str().unwrap())
        .replace("/dev/termination-log", folder.join("report").to_str().unwrap());
    let output =
        Command::new(BUSYBOX).args(["sh", "-c", &text]).env("PATH", folder.join("bin")).output().unwrap();
    let report = std::fs::read_to_string(folder.join("report"));
    std::fs::remove_dir_all(&folder).unwrap();
    let report = report.unwrap_or_default();
    let said = format!("{report}{}", String::from_utf8_lossy(&output.stderr));
    let outcomes = outcomes(&report, probes.len());
    for at in [0, 1, 3, 5] {
        assert!(matches!(outcomes.get(at), Some(Outcome::Reached { tries: 1, .. })), "{at}: {said}");
    }
    let why = |at: usize| match outcomes.get(at) {
        Some(Outcome::Failed(why)) => why.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(why(2), "answered by server-n1", "{said}");
    assert!(why(4).contains("refused"), "{said}");
    assert_eq!(why(6), "can't resolve 'unknown.example'", "{said}");
}
