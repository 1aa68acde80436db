//! Wires between machines whose switches are pods: one that the kernels of all machines are on, as nodes of any cluster
//! are on one, and one for tunnels alone.
//!
//! Open vSwitch finds the way out of a tunnel in user space only through a bridge of its own that has a NIC, and while
//! the switch is away, such a bridge is, too. A node must not be cut off then: so it has two NICs.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use crate::{
    central::{WIRE_ADDRESS, run},
    jail,
    machine::{Machine, Place},
};

/// The namespace that is both wires.
const NAMESPACE: &str = "wire";

/// The kernel's NIC, which has the node's address.
const NIC: &str = "eth0";

/// The NIC of tunnels, which becomes a port of a bridge.
pub(crate) const TUNNEL_NIC: &str = "eth1";

/// That bridge.
pub(crate) const BRIDGE: &str = "br-phy";

/// What reaches the kernel by the NIC of tunnels, and by pods' links, is not meant for it: the switch listens in on
/// them.
const DEAF: &str = r#"table arp e2e {
  chain in { type filter hook input priority 0; meta iifkind "veth" iifname != "eth0" drop; }
}
table inet e2e {
  chain in { type filter hook prerouting priority -310; meta iifkind "veth" iifname != "eth0" drop; }
}"#;

/// Lays the wires, and connects this place, which is everything else to the nodes.
pub(crate) async fn lay() {
    for step in [
        format!("ip netns add {NAMESPACE}"),
        format!("ip -n {NAMESPACE} link add br0 type bridge"),
        format!("ip -n {NAMESPACE} link add br1 type bridge"),
        format!("ip -n {NAMESPACE} link set br0 up"),
        format!("ip -n {NAMESPACE} link set br1 up"),
        format!("ip link add wire type veth peer name central netns {NAMESPACE}"),
        format!("ip -n {NAMESPACE} link set central master br0 up"),
        format!("ip address add {WIRE_ADDRESS}/16 dev wire"),
        "ip link set wire up".to_owned(),
    ] {
        run(&step).await;
    }
}

/// Makes a place for the machine with this number.
pub(crate) async fn place(name: &str, number: u16) -> Place {
    let [high, low] = number.to_be_bytes();
    let address = Ipv4Addr::new(198, 18, high, low);
    let switch = Path::new(jail::RUN).join("switches").join(name);
    std::fs::create_dir_all(&switch).unwrap();
    let ears = Path::new(jail::RUN).join("ears.nft");
    std::fs::write(&ears, DEAF).unwrap();
    for step in [
        format!("ip netns add {name}"),
        format!("ip -n {name} link set lo up"),
        format!("ip -n {name} link add {NIC} type veth peer name {name} netns {NAMESPACE}"),
        format!("ip -n {name} link add {TUNNEL_NIC} type veth peer name {name}t netns {NAMESPACE}"),
        format!("ip -n {NAMESPACE} link set {name} master br0 up"),
        format!("ip -n {NAMESPACE} link set {name}t master br1 up"),
        format!("ip -n {name} address add {address}/16 dev {NIC}"),
        format!("ip -n {name} link set {NIC} up"),
        format!("ip -n {name} link set {TUNNEL_NIC} up"),
        // a switch in user space gets packets as they are here, and nobody behind it would fill in sums
        format!("ip netns exec {name} ethtool -K {TUNNEL_NIC} tx off rx off gso off tso off gro off"),
        format!("ip netns exec {name} nft -f {}", ears.display()),
    ] {
        run(&step).await;
    }
    Place {
        name: name.to_owned(),
        netns: PathBuf::from(format!("/run/netns/{name}")),
        switch,
        address,
        link: NIC,
    }
}

/// The address of tunnels of a machine, with its prefix.
pub(crate) fn tunnel_address(machine: &Machine) -> String {
    let [.., high, low] = machine.address().octets();
    format!("198.19.{high}.{low}/16")
}
