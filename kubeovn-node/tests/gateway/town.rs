//! The namespaces of a test, and who sees whom as what.
//!
//! ```text
//!  a 10.16.0.10 ─┐                                            ┌─ outside 172.18.0.100, the node's default route
//!                ├─ router ── join 100.64.0.0/16 ── ovn0 node ┤
//!  b 10.17.0.10 ─┘                                            └─ other 172.19.0.3, another node
//! ```
//! `a` is of the subnet `web`, which is masqueraded, `b` of `plain`, which is not. All have IPv6 as well. Both `outside`
//! and `other` also are 203.0.113.1, so that it can be told which of them a packet was sent to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use kubeovn_node::gateway::{Facts, Gateway, HostFirewall, Iptables, Join, Nft, Plan, Report, Subnet, plan};
use kubeovn_node::netlink::{Netlink, Route, Veth};
use kubeovn_node::netns::NetNs;
use kubeovn_node::sysctl;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::guard::TestNs;

/// Everybody listens on this port.
pub(crate) const PORT: u16 = 7000;

/// Who writes the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    Nft,
    Iptables,
}

impl Writer {
    pub(crate) fn firewall(self, node: &TestNs) -> Box<dyn HostFirewall> {
        match self {
            Writer::Nft => Box::new(Nft::new(&node.ns)),
            Writer::Iptables => Box::new(Iptables::new(&node.ns)),
        }
    }

    pub(crate) fn gateway(self, node: &TestNs) -> Gateway {
        match self {
            Writer::Nft => Gateway::new(&node.ns, Nft::new(&node.ns)),
            Writer::Iptables => Gateway::new(&node.ns, Iptables::new(&node.ns)),
        }
        .expect("a gateway")
    }
}

/// Makes one test per writer of each function.
macro_rules! for_each_writer {
    ($($name:ident),* $(,)?) => {
        mod nft {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::town::Writer::Nft).await;
            })*
        }
        mod iptables {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::town::Writer::Iptables).await;
            })*
        }
    };
}
pub(crate) use for_each_writer;

/// A node and all around it.
pub(crate) struct Town {
    pub(crate) node: TestNs,
    pub(crate) a: TestNs,
    pub(crate) b: TestNs,
    pub(crate) outside: TestNs,
    pub(crate) other: TestNs,
    _router: TestNs,
    pub(crate) gateway: Gateway,
    servers: Vec<JoinHandle<()>>,
}

impl Drop for Town {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

/// A link between two namespaces, each end with a name and addresses.
async fn link(left: (&TestNs, &str, &[&str]), right: (&TestNs, &str, &[&str])) {
    let wires = [left, right].map(|(ns, ..)| Netlink::new(&ns.ns).expect("a connection"));
    let veth = Veth { name: left.1, peer: right.1, peer_ns: &right.0.ns, mtu: 1500 };
    wires[0].add_veth(veth).await.expect("a link");
    for (wire, (_, name, addresses)) in wires.iter().zip([left, right]) {
        let addresses: Vec<_> = addresses.iter().map(|net| net.parse().expect("a prefix")).collect();
        wire.replace_addresses(name, &addresses).await.expect("addresses");
    }
    for (wire, (_, name, _)) in wires.iter().zip([left, right]) {
        wire.set_up(name).await.expect("up");
    }
}

async fn default_by(ns: &TestNs, dev: &str, vias: [&str; 2]) {
    let wire = Netlink::new(&ns.ns).expect("a connection");
    for (dst, via) in ["0.0.0.0/0", "::/0"].iter().zip(vias) {
        let route = Route {
            dst: dst.parse().expect("a prefix"),
            via: Some(via.parse().expect("an address")),
            dev: dev.to_owned(),
            src: None,
            mtu: None,
        };
        wire.replace_route(&route).await.expect("a default route");
    }
}

fn namespace(role: &str) -> TestNs {
    let ns = TestNs::new(role);
    let quick = [("net/ipv6/conf/default/accept_dad", "0"), ("net/ipv6/conf/all/accept_dad", "0")];
    sysctl::write(&ns.ns, &quick).expect("no waiting for addresses");
    ns.exec("ip", &["link", "set", "lo", "up"]).expect("loopback");
    ns
}

impl Town {
    pub(crate) async fn new(writer: Writer) -> Self {
        let [node, a, b, outside, other, router] =
            ["node", "a", "b", "out", "other", "router"].map(namespace);
        link(
            (&a, "eth0", &["10.16.0.10/24", "fd16::a/112"]),
            (&router, "a", &["10.16.0.1/24", "fd16::1/112"]),
        )
        .await;
        link(
            (&b, "eth0", &["10.17.0.10/24", "fd17::a/112"]),
            (&router, "b", &["10.17.0.1/24", "fd17::1/112"]),
        )
        .await;
        link(
            (&node, "ovn0", &["100.64.0.2/16", "fd64::2/112"]),
            (&router, "join", &["100.64.0.1/16", "fd64::1/112"]),
        )
        .await;
        let eth0 = &["172.18.0.2/24", "172.18.0.8/24", "fd18::2/64"];
        link(
            (&node, "eth0", eth0),
            (&outside, "eth0", &["172.18.0.100/24", "172.18.0.101/24", "fd18::64/64"]),
        )
        .await;
        link(
            (&node, "eth1", &["172.19.0.2/24", "fd19::2/64"]),
            (&other, "eth0", &["172.19.0.3/24", "fd19::3/64"]),
        )
        .await;
        for ns in [&outside, &other] {
            ns.exec("ip", &["addr", "add", "203.0.113.1/32", "dev", "lo"]).expect("a second home");
            ns.exec("ip", &["addr", "add", "2001:db8::1/128", "dev", "lo", "nodad"]).expect("a second home");
        }
        let forwarding = [("net/ipv4/ip_forward", "1"), ("net/ipv6/conf/all/forwarding", "1")];
        sysctl::write(&router.ns, &forwarding).expect("a router");
        default_by(&a, "eth0", ["10.16.0.1", "fd16::1"]).await;
        default_by(&b, "eth0", ["10.17.0.1", "fd17::1"]).await;
        default_by(&router, "join", ["100.64.0.2", "fd64::2"]).await;
        default_by(&node, "eth0", ["172.18.0.100", "fd18::64"]).await;
        default_by(&outside, "eth0", ["172.18.0.2", "fd18::2"]).await;
        default_by(&other, "eth0", ["172.19.0.2", "fd19::2"]).await;
        let servers = [("a", &a), ("b", &b), ("outside", &outside), ("other", &other)]
            .map(|(name, ns)| serve(ns, name))
            .into();
        let gateway = writer.gateway(&node);
        Town { node, a, b, outside, other, _router: router, gateway, servers }
    }

    /// The facts of the town, with nothing special asked for.
    pub(crate) fn facts() -> Facts {
        let subnet = |name: &str, uid: &str, cidrs: &str, nat_outgoing| Subnet {
            name: name.to_owned(),
            uid: uid.to_owned(),
            cidrs: cidrs.parse().expect("prefixes"),
            nat_outgoing,
            ..Subnet::default()
        };
        let ips = ["172.18.0.2", "172.18.0.8", "fd18::2", "100.64.0.2", "172.19.0.2"];
        Facts {
            node: "n1".to_owned(),
            node_ips: "172.18.0.2,fd18::2".parse().expect("addresses"),
            local: ips.map(|ip| ip.parse().expect("an address")).to_vec(),
            other_nodes: vec!["172.19.0.3".parse().expect("v4"), "fd19::3".parse().expect("v6")],
            join: Join {
                link: "ovn0".to_owned(),
                cidrs: "100.64.0.0/16,fd64::/112".parse().expect("prefixes"),
                gateways: "100.64.0.1,fd64::1".parse().expect("addresses"),
            },
            services: vec!["10.96.0.0/12".parse().expect("v4"), "fd96::/112".parse().expect("v6")],
            subnets: vec![
                subnet("web", "5d0b1f7c-8f57-4a59-9c1e-a1b2c3d4e5f6", "10.16.0.0/24,fd16::/112", true),
                subnet("plain", "0e9f9d3c-0b3c-4b52-8a5e-0123456789ab", "10.17.0.0/24,fd17::/112", false),
                subnet("join", "7a3c9d3c-0b3c-4b52-8a5e-ba9876543210", "100.64.0.0/16,fd64::/112", false),
            ],
            ..Facts::default()
        }
    }

    /// The same with the subnet of `a` changed.
    pub(crate) fn with_web(change: impl FnOnce(&mut Subnet)) -> Facts {
        let mut facts = Self::facts();
        change(facts.subnets.first_mut().expect("web"));
        facts
    }

    /// Makes the host be so, and finds that once is enough.
    pub(crate) async fn apply(&self, facts: &Facts) -> Report {
        self.apply_plan(&plan(facts)).await
    }

    pub(crate) async fn apply_plan(&self, plan: &Plan) -> Report {
        let report = self.gateway.apply(plan).await.expect("apply");
        let again = self.gateway.apply(plan).await.expect("apply again");
        assert!(again.is_empty(), "the second apply found something to do: {:#?}", again.changes);
        report
    }

    /// Asserts who answers, and as whom it sees who asks.
    pub(crate) async fn expect(&self, from: &TestNs, to: &str, answer: &str) {
        let said = ask(from, to).await;
        assert_eq!(said.as_deref().ok(), Some(answer), "{} asks {to}: {said:?}", from.name);
    }
}

/// Answers every connection with a name and the address that it comes from; then echoes.
fn serve(ns: &TestNs, name: &'static str) -> JoinHandle<()> {
    let listener = ns.ns.run(|| std::net::TcpListener::bind(("::", PORT))).expect("enter").expect("listen");
    listener.set_nonblocking(true).expect("set");
    let listener = TcpListener::from_std(listener).expect("listen");
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let hello = format!("{name} {}\n", peer.ip().to_canonical());
                if writer.write_all(hello.as_bytes()).await.is_ok() {
                    let _ = tokio::io::copy(&mut reader, &mut writer).await;
                }
            });
        }
    })
}

/// Connects from a namespace; `to` is an address, or an address and a port.
pub(crate) async fn connect(from: &TestNs, to: &str) -> io::Result<TcpStream> {
    connect_from(&from.ns, to).await
}

async fn connect_from(from: &NetNs, to: &str) -> io::Result<TcpStream> {
    let to: SocketAddr =
        to.parse().unwrap_or_else(|_| SocketAddr::new(to.parse::<IpAddr>().expect("an address"), PORT));
    let runtime = tokio::runtime::Handle::current();
    let socket = from.run(|| {
        let _inside = runtime.enter();
        if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
    });
    let connecting = socket.expect("enter")?.connect(to);
    timeout(Duration::from_secs(4), connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Reads the line with which everybody answers.
pub(crate) async fn hello(stream: &mut TcpStream) -> io::Result<String> {
    let mut line = Vec::new();
    let read = async {
        loop {
            match stream.read_u8().await? {
                b'\n' => return Ok(String::from_utf8_lossy(&line).into_owned()),
                byte => line.push(byte),
            }
        }
    };
    timeout(Duration::from_secs(4), read).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Who answers, and whom it sees.
async fn ask(from: &TestNs, to: &str) -> io::Result<String> {
    ask_from(&from.ns, to).await
}

pub(crate) async fn ask_from(from: &NetNs, to: &str) -> io::Result<String> {
    let mut stream = connect_from(from, to).await?;
    hello(&mut stream).await
}

/// Sends a word over a connection and waits for its echo.
pub(crate) async fn echo(stream: &mut TcpStream, patience: Duration) -> io::Result<()> {
    let there_and_back = async {
        stream.write_all(b"ping").await?;
        let mut word = [0; 4];
        stream.read_exact(&mut word).await?;
        assert_eq!(&word, b"ping");
        Ok(())
    };
    timeout(patience, there_and_back).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
