//! What the kernel alone takes for a pod's link: the same messages without anything around them.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use kubeovn_node::netns::NetNs;
use netlink_packet_route::link::{InfoData, InfoVeth};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};
use tokio::task::JoinHandle;

use crate::machine::Machine;

/// A connection that is open already.
struct Wire {
    handle: Handle,
    driver: JoinHandle<()>,
}

impl Wire {
    fn open(ns: &NetNs) -> Self {
        let runtime = tokio::runtime::Handle::current();
        let connect = || {
            let _inside = runtime.enter();
            rtnetlink::new_connection().unwrap()
        };
        let (connection, handle, _) = ns.run(connect).unwrap();
        Wire { handle, driver: runtime.spawn(connection) }
    }

    async fn index(&self, name: &str) -> u32 {
        let mut found = self.handle.link().get().match_name(name.to_owned()).execute();
        found.try_next().await.unwrap().unwrap().header.index
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Where the pod's end of the pair is made.
#[derive(Clone, Copy)]
pub(crate) enum Born {
    /// On the node, to be moved: what most plugins do.
    Moved,
    /// In the pod's namespace, as with us.
    There,
}

/// Makes a veth pair with one end in a namespace of its own, and gives that an address and a route.
pub(crate) async fn wire(machine: &Machine, born: Born) -> Duration {
    wire_one(machine, 0, born).await
}

/// The same for many at once.
pub(crate) async fn wire_all(machine: &Machine, crowd: usize, born: Born) -> Vec<Duration> {
    futures_util::future::join_all((0..crowd).map(|number| wire_one(machine, number, born))).await
}

async fn wire_one(machine: &Machine, number: usize, born: Born) -> Duration {
    let (name, ns) = machine.namespace(&format!("bare{number}")).await;
    let (node, pod) = (Wire::open(&machine.node.netns), Wire::open(&ns));
    let (near, far) = (format!("bare{number}_h"), format!("bare{number}_c"));
    let began = Instant::now();
    let peer = match born {
        Born::Moved => LinkUnspec::new_with_name(&far).mtu(1400),
        Born::There => LinkUnspec::new_with_name("eth0").mtu(1400).setns_by_fd(ns.as_fd().as_raw_fd()),
    };
    let pair =
        LinkVeth::new(&near, &far).set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build()))).mtu(1400);
    node.handle.link().add(pair.build()).execute().await.unwrap();
    let index = match born {
        Born::Moved => {
            let index = node.index(&far).await;
            let moved = LinkUnspec::new_with_index(index).setns_by_fd(ns.as_fd().as_raw_fd()).build();
            node.handle.link().set(moved).execute().await.unwrap();
            let index = pod.index(&far).await;
            let named = LinkUnspec::new_with_index(index).name("eth0".to_owned()).build();
            pod.handle.link().set(named).execute().await.unwrap();
            index
        }
        Born::There => pod.index("eth0").await,
    };
    let mac = vec![0x0a, 0x58, 10, 16, 200, 1];
    let set = LinkUnspec::new_with_index(index).address(mac).up().build();
    pod.handle.link().set(set).execute().await.unwrap();
    let other = node.index(&near).await;
    node.handle.link().set(LinkUnspec::new_with_index(other).up().build()).execute().await.unwrap();
    let address = Ipv4Addr::new(10, 16, 200, 1);
    pod.handle.address().add(index, address.into(), 16).execute().await.unwrap();
    let route =
        RouteMessageBuilder::<Ipv4Addr>::new().gateway(Ipv4Addr::new(10, 16, 0, 1)).output_interface(index);
    pod.handle.route().add(route.build()).execute().await.unwrap();
    let took = began.elapsed();
    node.handle.link().del(other).execute().await.unwrap();
    machine.no_namespace(&name).await;
    took
}
