//! What runs on a node: links, ports of the virtual switch, the node's own port, and the CNI server.
//!
//! ```text
//!  runtime ──> cni::plugin ──> cni::server ──┐
//!                                            ├──> daemon ──> attach (veth pair, addresses, routes) ──> netlink
//!  cluster's objects ────────────────────────┘          └──> ovs::Switch (port rows) ──> Open_vSwitch
//! ```
//! [`netns`], [`netlink`], [`sysctl`] and [`offload`] are usable by themselves: a network plugin of any kind needs
//! them. [`daemon`] composes all for Kube-OVN's node.
//!
//! ```no_run
//! use kubeovn_node::netlink::{Netlink, Veth};
//! use kubeovn_node::netns::NetNs;
//!
//! # async fn wire() -> Result<(), Box<dyn std::error::Error>> {
//! let pod = NetNs::create_named("web")?;
//! let host = Netlink::new(&NetNs::current()?)?;
//! host.add_veth(Veth { name: "web_h", peer: "eth0", peer_ns: &pod, mtu: 1400 }).await?;
//! let inside = Netlink::new(&pod)?;
//! inside.replace_addresses("eth0", &["10.16.0.9/16".parse()?]).await?;
//! inside.set_up("eth0").await?;
//! # Ok(())
//! # }
//! ```

pub mod attach;
pub mod cni;
pub mod daemon;
pub mod gateway;
pub mod netlink;
pub mod netns;
pub mod node_port;
pub mod offload;
pub mod ovs;
pub mod sysctl;
pub mod tunnel;

mod sys;
