//! The machines beneath, without which the rest says nothing.

use std::{fs, sync::Arc};

use crate::cluster::Cluster;

/// Each node has its own name, disk, network and OVS; and of the real machine's network none of it sees anything.
pub(super) async fn are_apart(cluster: Arc<Cluster>) {
    for node in &cluster.nodes {
        let machine = node.machine();
        assert_eq!(machine.run("hostname", &[]).await.unwrap(), node.name());
        let address = machine.run("ip", &["-br", "-4", "address", "show", "br-phy"]).await.unwrap();
        assert!(address.contains(&format!("{}/16", machine.address())), "{address}");
        let id = ["get", "Open_vSwitch", ".", "external_ids:system-id"];
        assert_eq!(machine.run("ovs-vsctl", &id).await.unwrap(), node.name());
        // and /sys is that of this network
        assert!(machine.path("/sys/class/net/br-phy").exists());
        let mark = machine.path("/etc/kubernetes/mark");
        fs::write(&mark, node.name()).unwrap();
        assert!(!fs::exists("/etc/kubernetes/mark").unwrap());
    }
    for node in &cluster.nodes {
        assert_eq!(fs::read_to_string(node.machine().path("/etc/kubernetes/mark")).unwrap(), node.name());
    }
    let links = fs::read_dir("/sys/class/net").unwrap().count();
    let seen = fs::read_to_string("/proc/net/dev").unwrap();
    assert!(links > 0 && seen.contains("wire:"), "{seen}");
}
