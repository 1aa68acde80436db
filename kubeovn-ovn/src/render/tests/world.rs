//! Small worlds, built from objects and from grants as a ledger would make them.

use std::net::IpAddr;

use kubeovn_core::{
    addr::DualStack,
    contract::ipam::{Grant, Role},
    decide::{decide_subnets, lead},
    index::{
        Settings, World,
        objects::{Meta, Name, Node, Object, Pod, Subnet, SubnetSpec, Vpc, VpcSpec, Workload},
    },
    rows::{OwnerKey, OwnerKind},
};

/// A world in the making. Objects are as old as their place in the order of calls.
pub(super) struct Facts {
    world: World,
    created: u64,
    grants: Vec<(OwnerKey, Grant)>,
}

impl Facts {
    /// The built-in network, dual-stack.
    pub(super) fn new() -> Self {
        let settings = Settings {
            cidr: "10.16.0.0/16,fd00:10:16::/112".into(),
            join_cidr: "100.64.0.0/16,fd00:100:64::/112".into(),
            ..Settings::default()
        };
        let (vpc, [subnet, join]) = settings.built_in();
        let facts = Facts { world: World::new(settings), created: 0, grants: Vec::new() };
        facts.object(Object::Vpc(vpc)).object(Object::Subnet(subnet)).object(Object::Subnet(join))
    }

    pub(super) fn object(mut self, mut object: Object) -> Self {
        self.created += 1;
        let key = object.key();
        let meta = object.meta_mut();
        meta.created = self.created;
        meta.uid = format!("uid of {key}").into();
        self.world.apply(object);
        self
    }

    pub(super) fn vpc(self, name: &str, spec: VpcSpec) -> Self {
        self.object(Object::Vpc(Vpc { meta: Meta::named(name), spec, ..Vpc::default() }))
    }

    pub(super) fn subnet(self, name: &str, vpc: &str, cidr: &str, spec: SubnetSpec) -> Self {
        let spec = SubnetSpec { vpc: vpc.into(), cidr_block: cidr.into(), ..spec };
        self.object(Object::Subnet(Subnet { meta: Meta::named(name), spec, ..Subnet::default() }))
    }

    /// A node and, unless the text is empty, what it holds on the join subnet.
    pub(super) fn node(mut self, name: &str, internal: &str, join: &str) -> Self {
        if !join.is_empty() {
            let (join_subnet, owner) =
                (self.world.settings().join.clone(), OwnerKey::new(OwnerKind::Node, name));
            self.grants.push((owner, grant("", &join_subnet, join)));
        }
        self.object(Object::Node(Node {
            meta: Meta::named(name),
            internal: ips(internal),
            ..Node::default()
        }))
    }

    /// A pod with what it holds: interface, subnet and addresses of each.
    pub(super) fn pod(
        mut self,
        name: &str,
        annotations: &[(&str, &str)],
        holds: &[(&str, &str, &str)],
    ) -> Self {
        let meta = Meta {
            namespace: "default".into(),
            annotations: annotations.iter().map(|(k, v)| (Name::from(*k), Name::from(*v))).collect(),
            ..Meta::named(name)
        };
        let owner = OwnerKey::pod("default", name);
        self.grants.extend(holds.iter().map(|(nic, subnet, ips)| (owner.clone(), grant(nic, subnet, ips))));
        self.object(Object::Pod(Pod { meta, node: Some("n1".into()), ..Pod::default() }))
    }

    /// A pod of a virtual machine.
    pub(super) fn machine_pod(
        self,
        machine: &str,
        name: &str,
        node: &str,
        annotations: &[(&str, &str)],
    ) -> Self {
        let meta = Meta {
            namespace: "default".into(),
            annotations: annotations.iter().map(|(k, v)| (Name::from(*k), Name::from(*v))).collect(),
            ..Meta::named(name)
        };
        let workload = Some(Box::new(Workload::VirtualMachine { name: machine.into() }));
        self.object(Object::Pod(Pod { meta, node: Some(node.into()), workload, ..Pod::default() }))
    }

    /// What somebody holds who is no pod.
    pub(super) fn holds(mut self, name: &str, holds: &[(&str, &str, &str)]) -> Self {
        let owner = OwnerKey::pod("default", name);
        self.grants.extend(holds.iter().map(|(nic, subnet, ips)| (owner.clone(), grant(nic, subnet, ips))));
        self
    }

    /// Moves a pod to another node, or to none.
    pub(super) fn on(mut self, pod: &str, node: &str) -> Self {
        let mut pod = (**self.world.pod("default", pod).unwrap()).clone();
        pod.node = (!node.is_empty()).then(|| node.into());
        self.world.apply(Object::Pod(pod));
        self
    }

    /// The world, its subnets decided and its addresses granted.
    pub(super) fn done(self) -> World {
        let Facts { mut world, grants, .. } = self;
        let vpcs: Vec<Name> = world.vpcs().map(|vpc| vpc.meta.name.clone()).collect();
        for vpc in vpcs {
            for (subnet, decision) in decide_subnets(&world, &vpc) {
                assert!(decision.plan.is_some(), "{subnet}: {:?}", decision.problems);
                world.decide(&subnet, decision);
            }
        }
        for (owner, mut grant) in grants {
            if let Some(plan) = world.plan(&grant.subnet) {
                grant.space = plan.vpc.clone();
            }
            let all = world.grants(&owner).iter().cloned().chain([grant]).collect();
            world.grant(&owner, all, None);
        }
        choose_gateways(&mut world);
        world
    }
}

/// Chooses the gateways of centralized subnets.
fn choose_gateways(world: &mut World) {
    let chosen: Vec<_> = world
        .subnets()
        .filter_map(|subnet| world.plan(&subnet.meta.name))
        .map(|plan| (plan.name.clone(), lead(world, plan)))
        .collect();
    chosen.into_iter().for_each(|(subnet, lead)| world.follow(&subnet, lead));
}

/// What an owner holds; its MAC ends as its first address does.
fn grant(nic: &str, subnet: &str, addresses: &str) -> Grant {
    let ips = ips(addresses);
    let last = ips.v4.map_or(0xee, |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets()[3],
        IpAddr::V6(_) => 0,
    });
    let mac = format!("0a:58:00:00:00:{last:02x}").parse().unwrap();
    Grant {
        nic: nic.into(),
        subnet: subnet.into(),
        space: "".into(),
        ips,
        mac: Some(mac),
        role: Role::Active,
        generation: 7,
        since: 1000,
    }
}

fn ips(text: &str) -> DualStack<IpAddr> {
    text.parse().unwrap()
}
