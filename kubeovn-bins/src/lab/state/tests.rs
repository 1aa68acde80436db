use std::process::{Command, Stdio};

use super::process::{Process, end};
use super::*;

fn name(name: &str) -> LabName {
    name.parse().unwrap()
}

/// A state directory of its own for each test, gone with it.
struct Scratch(StateDir);

impl Scratch {
    fn new(test: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("kubeovn-lab-test-{}-{test}", std::process::id()));
        Self(StateDir { name: name("t"), dir: dir.join("t") })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = self.0.dir.parent().map(fs::remove_dir_all);
    }
}

#[test]
fn only_names_that_fit_everywhere_are_names() {
    for good in ["lab", "a", "lab-2", "abcdefghij0123456789"] {
        assert_eq!(name(good).to_string(), good);
    }
    for bad in ["", "Lab", "2lab", "a.b", "a/b", "../x", "abcdefghij01234567890", "a_b", "ä"] {
        assert!(matches!(bad.parse::<LabName>(), Err(LabError::Name { .. })), "{bad}");
    }
}

#[test]
fn no_two_namespaces_share_a_name() {
    let (one, other) = (name("a"), name("a-n"));
    assert_ne!(one.node_netns("ul"), other.underlay_netns());
    assert_ne!(one.pod_netns("x", "y.z"), one.pod_netns("x-y", "z"));
    let long = "p".repeat(300);
    let (first, second) = (one.pod_netns("x", &format!("{long}1")), one.pod_netns("x", &format!("{long}2")));
    assert_ne!(first, second);
    assert!(first.len() <= NETNS_MAX);
}

#[test]
fn socket_paths_fit() {
    let state = StateDir::new(name("abcdefghij0123456789"));
    let socket = state.node(&"n".repeat(253)).join("ovn-controller.4194304.ctl");
    assert!(socket.as_os_str().len() <= 107, "{}", socket.display());
}

#[test]
fn one_lab_of_a_name_at_a_time() {
    let Scratch(state) = &Scratch::new("hold");
    let held = state.hold().unwrap();
    assert!(matches!(state.hold(), Err(LabError::Running { .. })));
    drop(held);
    let _held = state.hold().unwrap();
    state.remove().unwrap();
    state.hold().expect("the old directory is gone, and with it the right to it");
}

#[test]
fn namespaces_are_remembered_until_forgotten() {
    let Scratch(state) = &Scratch::new("netns");
    let _held = state.hold().unwrap();
    state.record_netns("b").unwrap();
    state.record_netns("a").unwrap();
    assert_eq!(state.netns_names(), ["a", "b"]);
    state.forget_netns("a").unwrap();
    state.forget_netns("a").unwrap();
    assert_eq!(state.netns_names(), ["b"]);
}

#[test]
fn a_process_is_known_by_more_than_its_number() {
    let mut child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
    let process = Process::of(i32::try_from(child.id()).unwrap()).unwrap();
    assert!(process.is_alive());
    let record = std::env::temp_dir().join(format!("kubeovn-lab-test-{}-process", std::process::id()));
    process.record(&record).unwrap();
    assert_eq!(Process::recorded(&record), Some(process.clone()));
    let text = fs::read_to_string(&record).unwrap();
    for (ours, strange) in [("\"started\":", "\"started\":9"), ("\"boot\":\"", "\"boot\":\"x")] {
        fs::write(&record, text.replace(ours, strange)).unwrap();
        let stranger = Process::recorded(&record).unwrap();
        assert!(!stranger.is_alive(), "the same number, but another process");
        assert!(end(vec![stranger], std::time::Duration::ZERO).is_empty());
    }
    fs::remove_file(&record).unwrap();
    assert!(process.is_alive(), "a stranger's record must not end it");
    assert!(end(vec![process.clone()], std::time::Duration::from_secs(5)).is_empty());
    assert!(!process.is_alive(), "a zombie is no process");
    child.wait().unwrap();
}
