//! The examples do what they say, against real servers.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test may panic and print")]

#[path = "support/server.rs"]
mod server;

#[path = "../examples/chassis.rs"]
mod chassis;
#[path = "../examples/vswitch_ports.rs"]
mod vswitch_ports;

use std::{
    io::{self, Write},
    time::Duration,
};

use serde_json::json;
use tokio::{sync::mpsc, time::timeout};

use server::{Directory, Server};

/// What an example writes, line by line.
struct Lines(mpsc::UnboundedReceiver<u8>);

struct Output(mpsc::UnboundedSender<u8>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = bytes.iter().try_for_each(|byte| self.0.send(*byte));
        sent.map(|()| bytes.len()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    async fn next(&mut self) -> String {
        let mut line = Vec::new();
        loop {
            match timeout(Duration::from_secs(20), self.0.recv()).await.unwrap() {
                Some(b'\n') | None => return String::from_utf8(line).unwrap(),
                Some(byte) => line.push(byte),
            }
        }
    }
}

fn output() -> (Output, Lines) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Output(sender), Lines(receiver))
}

fn transact(server: &Server, params: &serde_json::Value) {
    let answer = server.transact(&params.to_string());
    assert!(!answer.contains("\"error\""), "{answer}");
}

#[tokio::test]
async fn the_chassis_of_a_southbound_are_listed_and_followed() {
    let directory = Directory::new();
    let mut server = Server::of_schema(&directory, "/usr/share/ovn/ovn-sb.ovsschema");
    let insert = |name: &str, ip: &str| {
        json!(["OVN_Southbound",
            {"op": "insert", "table": "Encap", "uuid-name": "e", "row": {"type": "geneve", "ip": ip, "chassis_name": name}},
            {"op": "insert", "table": "Chassis", "row": {"name": name, "hostname": "host-1", "encaps": ["named-uuid", "e"]}}])
    };
    transact(&server, &insert("c1", "192.0.2.1"));
    let (mut out, mut lines) = output();
    let endpoint = server.endpoint();
    let example = async { chassis::watch(&endpoint, &mut out).await.unwrap() };
    let test = async {
        assert_eq!(lines.next().await, "= @c1 host-1");
        transact(&server, &insert("c2", "192.0.2.2"));
        assert_eq!(lines.next().await, "+ @c2 host-1");
        let is_c2 = json!([["name", "==", "c2"]]);
        let rename =
            json!({"op": "update", "table": "Chassis", "where": is_c2, "row": {"hostname": "host-2"}});
        transact(&server, &json!(["OVN_Southbound", rename]));
        assert_eq!(lines.next().await, "~ @c2 host-2");
        server.kill();
        assert!(lines.next().await.starts_with("lost: "));
        server.run();
        assert_eq!([lines.next().await, lines.next().await], ["= @c1 host-1", "= @c2 host-2"]);
        transact(&server, &json!(["OVN_Southbound", {"op": "delete", "table": "Chassis", "where": is_c2}]));
        assert_eq!(lines.next().await, "- @c2 ");
    };
    tokio::select! {
        () = test => {}
        () = example => panic!("the example ended"),
    }
}

#[tokio::test]
async fn the_ports_of_a_switch_are_listed_and_followed() {
    let directory = Directory::new();
    let server = Server::of_schema(&directory, "/usr/share/openvswitch/vswitch.ovsschema");
    let port = |name: &str, at: &str| {
        vec![
            json!({"op": "insert", "table": "Interface", "uuid-name": format!("i{at}"), "row": {"name": name, "type": "internal"}}),
            json!({"op": "insert", "table": "Port", "uuid-name": format!("p{at}"),
                   "row": {"name": name, "interfaces": ["named-uuid", format!("i{at}")]}}),
        ]
    };
    let mut all = vec![json!("Open_vSwitch")];
    all.extend(port("br0", "0"));
    all.push(json!({"op": "insert", "table": "Bridge", "uuid-name": "b", "row": {"name": "br0", "ports": ["named-uuid", "p0"]}}));
    all.push(json!({"op": "insert", "table": "Open_vSwitch", "row": {"bridges": ["named-uuid", "b"]}}));
    transact(&server, &json!(all));
    let (mut out, mut lines) = output();
    let endpoint = server.endpoint();
    let example = async { vswitch_ports::follow(&endpoint, &mut out).await.unwrap() };
    let test = async {
        assert_eq!(lines.next().await, "@br0 @br0[internal]");
        let mut more = vec![json!("Open_vSwitch")];
        more.extend(port("veth1", "1"));
        more.push(json!({"op": "mutate", "table": "Bridge", "where": [], "mutations": [["ports", "insert", ["named-uuid", "p1"]]]}));
        transact(&server, &json!(more));
        assert_eq!(lines.next().await, "@veth1 Inserted");
    };
    tokio::select! {
        () = test => {}
        () = example => panic!("the example ended"),
    }
}
