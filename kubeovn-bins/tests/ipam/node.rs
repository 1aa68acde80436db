//! A node with a daemon that hears of a cluster in memory. Nobody serves its Open_vSwitch database: who hands out
//! addresses only needs none.

use std::{sync::Arc, time::Duration};

use kubeovn_core::{
    annotations::nic,
    cluster::memory::MemoryCluster,
    index::objects::{Kind, Meta, Object, ObjectKey, Pod as PodObject, Subnet, SubnetSpec},
};
use kubeovn_node::{
    daemon::{Daemon, DaemonConfig, TunnelSource},
    ovs,
};
use kubeovn_ovn::ovsdb::{
    client::Client,
    connect::{ConnectConfig, Connector, Endpoint, Endpoints},
    txn::Identity,
};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use crate::machine::Machine;

/// The provider of a network attachment `macnet` in namespace `default`.
pub(crate) const PROVIDER: &str = "macnet.default";

pub(crate) struct Node {
    _daemon: Runtime,
    pub(crate) cluster: Arc<MemoryCluster>,
    pub(crate) machine: Machine,
}

impl Node {
    /// A node whose cluster has the subnet of [`PROVIDER`], and no pods. Its ADDs give up after `wait`.
    pub(crate) fn start(wait: Duration) -> Self {
        let (machine, cluster) = (Machine::new(), Arc::new(MemoryCluster::new()));
        let spec = SubnetSpec {
            provider: PROVIDER.into(),
            cidr_block: "10.9.16.0/24,fd09:16::/64".into(),
            gateway: "10.9.16.1,fd09:16::1".into(),
            ..SubnetSpec::default()
        };
        let subnet = Subnet { meta: Meta::named("macnet"), spec, ..Subnet::default() };
        cluster.apply(Object::Subnet(subnet)).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let _inside = runtime.enter();
        let config = DaemonConfig {
            netns: machine.host.ns.clone(),
            socket: machine.dir.join("daemon.sock"),
            wait,
            tunnel: TunnelSource::Given { mtu: 1400 },
            firewall: None,
            ..DaemonConfig::new("n1").unwrap()
        };
        let endpoint = Endpoints::from(Endpoint::Unix(machine.dir.join("nobody.sock")));
        let connector = Connector::new(ConnectConfig::new(endpoint, ovs::SCHEMA.database), Box::new(|| 0.0));
        let switch = Client::new(&ovs::SCHEMA, connector, Identity::Given(Uuid::nil()), None);
        let daemon = Daemon::new(config, Box::new(switch), cluster.clone()).unwrap();
        runtime.spawn(daemon.run(std::future::pending()));
        Self { _daemon: runtime, cluster, machine }
    }

    /// A pod on this node with these annotations.
    pub(crate) fn pod(&self, name: &str, annotations: &[(String, String)]) {
        let annotations = annotations.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into()));
        let meta = Meta {
            namespace: "default".into(),
            uid: format!("uid-{name}").as_str().into(),
            annotations: annotations.collect(),
            ..Meta::named(name)
        };
        self.cluster
            .apply(Object::Pod(PodObject { meta, node: Some("n1".into()), ..PodObject::default() }))
            .unwrap();
    }

    /// Deletes a pod from the cluster.
    pub(crate) fn no_pod(&self, name: &str) {
        let key = ObjectKey { kind: Kind::Pod, namespace: "default".into(), name: name.into() };
        self.cluster.delete(&key).unwrap();
    }

    /// The part `ipam` of a network.
    pub(crate) fn ipam(&self) -> Value {
        json!({"type": "kube-ovn", "server_socket": self.machine.dir.join("daemon.sock"), "provider": PROVIDER})
    }

    /// A macvlan network that asks the daemon.
    pub(crate) fn macvlan(&self) -> Value {
        json!({"cniVersion": "1.0.0", "name": "macnet", "type": "macvlan", "master": "lan", "mode": "bridge",
            "ipam": self.ipam()})
    }
}

/// What the controller writes on a pod: these addresses in the network of a provider.
pub(crate) fn given(provider: &str, ips: &str) -> Vec<(String, String)> {
    [
        (nic::ALLOCATED, "true"),
        (nic::IP_ADDRESS, ips),
        (nic::MAC_ADDRESS, "0a:58:0a:09:10:09"),
        (nic::CIDR, "10.9.16.0/24,fd09:16::/64"),
        (nic::GATEWAY, "10.9.16.1,fd09:16::1"),
        (nic::LOGICAL_SWITCH, "macnet"),
        (nic::POD_NIC_TYPE, "veth-pair"),
    ]
    .map(|(key, value)| (key.of(provider).into_owned(), value.to_owned()))
    .into()
}
