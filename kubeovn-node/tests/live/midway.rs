//! An ADD that does not come to its end: its caller goes, its pod does, its sandbox does, another sandbox comes. It is
//! finished or undone, it is answered at once, and what comes after it finds nothing half made.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use kubeovn_core::contract::cluster::Event;
use kubeovn_core::index::objects::{Kind, ObjectKey};
use kubeovn_node::netlink::Netlink;
use kubeovn_node::netns::NetNs;
use serde_json::json;
use tokio::time::timeout;

use crate::guard::TestNs;
use crate::node::{GIVEN, Node, until};
use crate::vswitch::Conduct;

const FIRST: &str = "1111111111111111";
const SECOND: &str = "2222222222222222";

/// What an ADD waits in these tests.
const WAIT: Duration = Duration::from_mins(1);
/// Far below that, and much for a slow machine.
const AT_ONCE: Duration = Duration::from_secs(15);

fn patient_node() -> Node {
    Node::patient(WAIT)
}

/// Sends an ADD as the plugin does, and waits for no answer.
fn send_add(node: &Node, container: &str, netns: &NetNs) -> UnixStream {
    let body = json!({"pod_name": "web-0", "pod_namespace": "default", "container_id": container,
        "net_ns": netns.path(), "if_name": "eth0", "provider": "ovn"})
    .to_string();
    let head = format!("POST /api/v1/add HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut stream = UnixStream::connect(node.socket()).expect("connect");
    stream.write_all((head + &body).as_bytes()).expect("write");
    stream
}

/// Waits until the daemon works on the ADD of a sandbox, which must not be answered before.
async fn reached<T: Debug>(node: &Node, container: &str, add: &mut (impl Future<Output = T> + Unpin)) {
    tokio::select! {
        answer = add => panic!("there is something to wait for: {answer:?}"),
        () = until("the ADD", async || node.told.works_on(container)) => {}
    }
}

/// Waits until nothing of any sandbox is on the node: no port, no link, and none in the pod.
async fn nothing_is_left(node: &Node, pod: &TestNs) {
    let (host, inside) =
        (Netlink::new(&node.ns.ns).expect("netlink"), Netlink::new(&pod.ns).expect("netlink"));
    until("nothing to be left", async || {
        let links = host.links().await.expect("list").into_keys().any(|name| name.ends_with("_h"));
        let eth0 = inside.link("eth0").await.expect("look up").is_some();
        !links && !eth0 && node.switch.rows().ports().is_empty()
    })
    .await;
}

/// Waits until the link of a sandbox is in the pod and in the switch, and its ADD still waits.
async fn half_made(node: &Node, pod: &TestNs) {
    let inside = Netlink::new(&pod.ns).expect("netlink");
    until("a port that waits for its flows", async || {
        inside.link("eth0").await.expect("look up").is_some() && node.switch.rows().ports().len() == 1
    })
    .await;
}

#[tokio::test]
async fn an_add_whose_caller_goes_while_it_waits_for_addresses_keeps_nobody_waiting() {
    let (node, pod) = (patient_node(), TestNs::new("pod"));
    node.pod("web-0", &[]);
    drop(send_add(&node, FIRST, &pod.ns));
    let began = Instant::now();
    node.fine("DEL", "web-0", FIRST, Some(&pod.ns)).await;
    assert!(began.elapsed() < AT_ONCE, "DEL waited for {:?}", began.elapsed());
    node.pod("web-0", GIVEN);
    nothing_is_left(&node, &pod).await;
    node.add("web-0", SECOND, &pod.ns).await;
}

#[tokio::test]
async fn an_add_whose_caller_goes_midway_is_undone() {
    let (node, pod) = (patient_node(), TestNs::new("pod"));
    node.pod("web-0", GIVEN);
    node.switch.set(Conduct::InstallsNothing);
    let caller = send_add(&node, FIRST, &pod.ns);
    half_made(&node, &pod).await;
    drop(caller);
    let began = Instant::now();
    nothing_is_left(&node, &pod).await;
    assert!(began.elapsed() < AT_ONCE, "undone after {:?}", began.elapsed());
    node.switch.set(Conduct::Works);
    node.add("web-0", SECOND, &pod.ns).await;
}

#[tokio::test]
async fn one_that_asks_again_about_a_sandbox_and_goes_takes_nothing_away() {
    let (node, pod) = (patient_node(), TestNs::new("pod"));
    node.pod("web-0", GIVEN);
    node.add("web-0", FIRST, &pod.ns).await;
    // What it was given is not known for now, so that it waits.
    node.pod("web-0", &[]);
    drop(send_add(&node, FIRST, &pod.ns));
    // A turn later it has gone.
    let mut other = send_add(&node, FIRST, &pod.ns);
    node.pod("web-0", GIVEN);
    let read = tokio::task::spawn_blocking(move || {
        let mut answer = String::new();
        other.read_to_string(&mut answer).map(|_| answer)
    });
    let answer = read.await.expect("join").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    node.fine("CHECK", "web-0", FIRST, Some(&pod.ns)).await;
}

#[tokio::test]
async fn a_pod_that_is_deleted_while_add_waits_is_told_so_at_once() {
    let (node, pod) = (patient_node(), TestNs::new("pod"));
    node.pod("web-0", &[]);
    let key = ObjectKey { kind: Kind::Pod, namespace: "default".into(), name: "web-0".into() };
    let mut add = Box::pin(node.refused("ADD", "web-0", FIRST, &pod.ns));
    reached(&node, FIRST, &mut add).await;
    node.tell(Event::Deleted { key, uid: "web-0".into() });
    let why = timeout(AT_ONCE, add).await.expect("at once");
    assert!(why.starts_with("CNI-POD-UNKNOWN: pod default/web-0 "), "{why}");
    // And a runtime that only now begins with it.
    let why = timeout(AT_ONCE, node.refused("ADD", "web-0", SECOND, &pod.ns)).await.expect("at once");
    assert!(why.starts_with("CNI-POD-UNKNOWN: pod default/web-0 was deleted"), "{why}");
    nothing_is_left(&node, &pod).await;
}

#[tokio::test]
async fn a_pod_that_is_replaced_while_add_waits_is_told_so_at_once() {
    let (node, pod) = (patient_node(), TestNs::new("pod"));
    node.pod_with_uid("web-0", "web-0", &[]);
    let mut add = Box::pin(node.refused("ADD", "web-0", FIRST, &pod.ns));
    reached(&node, FIRST, &mut add).await;
    node.pod_with_uid("web-0", "another", GIVEN);
    let why = timeout(AT_ONCE, add).await.expect("at once");
    assert!(why.starts_with("CNI-POD-UNKNOWN: "), "{why}");
    nothing_is_left(&node, &pod).await;
}

#[tokio::test]
async fn a_later_sandbox_of_the_pod_ends_the_wait_of_an_earlier_one() {
    let (node, old, new) = (patient_node(), TestNs::new("old"), TestNs::new("new"));
    node.pod("web-0", &[]);
    let mut first = Box::pin(node.refused("ADD", "web-0", FIRST, &old.ns));
    reached(&node, FIRST, &mut first).await;
    let second = node.add("web-0", SECOND, &new.ns);
    let gives = async {
        let why = timeout(AT_ONCE, first).await.expect("at once");
        node.pod("web-0", GIVEN);
        why
    };
    let (result, why) = tokio::join!(second, gives);
    assert!(why.starts_with("CNI-SANDBOX-REPLACED: "), "{why}");
    assert_eq!(result["ips"][0]["address"], "10.16.0.9/16");
    assert_eq!(node.switch.rows().ports(), ["222222222222_h"]);
}

#[tokio::test]
async fn a_del_ends_the_add_that_the_runtime_gave_up_on() {
    let (node, pod) = (patient_node(), TestNs::new("pod"));
    node.pod("web-0", GIVEN);
    node.switch.set(Conduct::InstallsNothing);
    // Whoever asked is still there, as a plugin whose runtime has ended.
    let _caller = send_add(&node, FIRST, &pod.ns);
    half_made(&node, &pod).await;
    let began = Instant::now();
    node.fine("DEL", "web-0", FIRST, None).await;
    assert!(began.elapsed() < AT_ONCE, "DEL waited for {:?}", began.elapsed());
    nothing_is_left(&node, &pod).await;
}

#[tokio::test]
async fn two_adds_of_one_sandbox_at_once_are_answered_alike() {
    let (node, pod) = (patient_node(), TestNs::new("pod"));
    node.pod("web-0", &[]);
    let adds = async || {
        let (a, b) = tokio::join!(node.add("web-0", FIRST, &pod.ns), node.add("web-0", FIRST, &pod.ns));
        assert_eq!(a, b);
        a
    };
    let gives = async {
        tokio::task::yield_now().await;
        node.pod("web-0", GIVEN);
    };
    let (result, ()) = tokio::join!(adds(), gives);
    assert_eq!(result["ips"][0]["address"], "10.16.0.9/16");
    assert_eq!(node.switch.rows().ports(), ["111111111111_h"]);
    node.fine("DEL", "web-0", FIRST, Some(&pod.ns)).await;
    nothing_is_left(&node, &pod).await;
}

#[tokio::test]
async fn a_sandbox_that_goes_midway_or_is_none_is_told_and_leaves_nothing() {
    let (node, pod, other) = (patient_node(), TestNs::new("pod"), TestNs::new("other"));
    node.pod("web-0", GIVEN);
    node.switch.set(Conduct::InstallsNothing);
    {
        let gone = TestNs::new("gone");
        let refused = node.refused("ADD", "web-0", FIRST, &gone.ns);
        let goes = async {
            half_made(&node, &gone).await;
            gone.exec("ip", &["link", "delete", "eth0"]).expect("as the end of the namespace does");
        };
        let (why, ()) = timeout(AT_ONCE, async { tokio::join!(refused, goes) }).await.expect("at once");
        assert!(why.starts_with("CNI-SANDBOX-GONE: "), "{why}");
        nothing_is_left(&node, &gone).await;
    }
    node.switch.set(Conduct::Works);
    let gone = TestNs::new("gone-before");
    let handle = gone.ns.clone();
    drop(gone);
    let why = node.refused("ADD", "web-0", FIRST, &handle).await;
    assert!(why.starts_with("CNI-SANDBOX-GONE: "), "{why}");
    // A file, but no namespace.
    let why = node.add_at("web-0", FIRST, "/etc/hostname").await;
    assert!(why.starts_with("CNI-LINK-FAILED: ") && why.contains("/etc/hostname"), "{why}");
    nothing_is_left(&node, &other).await;
    node.add("web-0", FIRST, &pod.ns).await;
    node.fine("CHECK", "web-0", FIRST, Some(&pod.ns)).await;
    pod.exec("ip", &["link", "delete", "eth0"]).expect("somebody deletes it");
    let why = node.refused("CHECK", "web-0", FIRST, &pod.ns).await;
    assert!(why.starts_with("CNI-NOT-WIRED: the link of eth0"), "{why}");
    node.add("web-0", FIRST, &pod.ns).await;
    node.fine("CHECK", "web-0", FIRST, Some(&pod.ns)).await;
}

#[tokio::test]
async fn garbage_on_the_socket_is_refused_and_disturbs_nobody() {
    let (node, pod) = (patient_node(), TestNs::new("pod"));
    node.pod("web-0", GIVEN);
    let mut cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![0xff; 64], ""),
        (b"\r\n\r\n".to_vec(), "400"),
        (b"POST /api/v1/add HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n".to_vec(), "413"),
        (b"POST /api/v1/add HTTP/1.1\r\nContent-Length: 4\r\n\r\n\xff\xfe\x00\x01".to_vec(), "400"),
        (b"POST /api/v1/add HTTP/1.1\r\nContent-Length: 4\r\n\r\nnull".to_vec(), "400"),
        (b"POST /api/v1/gc HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}".to_vec(), "400"),
        ([b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 9000]].concat(), "431"),
    ];
    // Nothing in it names a sandbox.
    let empty = r#"{"pod_name":"web-0","pod_namespace":"default","if_name":"eth0"}"#;
    let ask =
        |body: &str| format!("POST /api/v1/add HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    cases.push((ask(empty).into_bytes(), "400"));
    let deep = "[".repeat(100_000);
    cases.push((ask(&deep).into_bytes(), "400"));
    for (bytes, status) in cases {
        let socket = node.socket();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let talk = move || -> std::io::Result<String> {
            let mut stream = UnixStream::connect(socket)?;
            // It may not read all of it.
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = tokio::task::spawn_blocking(talk).await.expect("join").expect("connect");
        if !status.is_empty() {
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {answer}");
            assert!(answer.contains(r#"{"error":"#), "{shown:?}: {answer}");
        }
    }
    nothing_is_left(&node, &pod).await;
    node.add("web-0", FIRST, &pod.ns).await;
}
