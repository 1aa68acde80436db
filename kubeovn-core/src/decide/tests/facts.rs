//! Small worlds, and a cluster that obeys.

use crate::{
    contract::{
        cluster::{FINALIZER, Patch, Status, Write},
        ipam::{Grant, Role},
    },
    decide::{
        decide_subnets,
        publish::{self, Telling},
    },
    index::{
        Settings, World,
        objects::{
            Ip, Kind, Labels, Meta, Name, Namespace, Node, Object, ObjectKey, Pod, Subnet, SubnetSpec, Vpc,
            VpcSpec,
        },
    },
    rows::{OwnerKey, OwnerKind},
};

/// Facts in the making. Objects are as old as their place in the order of calls.
pub(super) struct Facts {
    pub(super) world: World,
    created: u64,
}

impl Facts {
    /// The built-in network.
    pub(super) fn new() -> Self {
        let settings = Settings::default();
        let (vpc, [subnet, join]) = settings.built_in();
        let mut facts = Facts { world: World::new(settings), created: 0 };
        facts.add(Object::Vpc(vpc));
        facts.add(Object::Subnet(subnet));
        facts.add(Object::Subnet(join));
        facts
    }

    pub(super) fn add(&mut self, mut object: Object) {
        self.created += 1;
        let key = object.key();
        let meta = object.meta_mut();
        meta.created = self.created;
        meta.generation = 1;
        meta.uid = format!("uid of {key}").into();
        self.world.apply(object);
    }

    pub(super) fn vpc(&mut self, name: &str, spec: VpcSpec) {
        self.add(Object::Vpc(Vpc { meta: Meta::named(name), spec, ..Vpc::default() }));
    }

    pub(super) fn subnet(&mut self, name: &str, vpc: &str, cidr: &str, spec: SubnetSpec) {
        let spec = SubnetSpec { vpc: vpc.into(), cidr_block: cidr.into(), ..spec };
        self.add(Object::Subnet(Subnet { meta: Meta::named(name), spec, ..Subnet::default() }));
    }

    pub(super) fn node(&mut self, name: &str, internal: &str) {
        let internal = internal.parse().unwrap();
        self.add(Object::Node(Node { meta: Meta::named(name), internal, ..Node::default() }));
    }

    pub(super) fn namespace(&mut self, name: &str, labels: &[(&str, &str)]) {
        let meta = Meta { labels: pairs(labels), ..Meta::named(name) };
        self.add(Object::Namespace(Namespace { meta }));
    }

    pub(super) fn pod(&mut self, namespace: &str, name: &str, annotations: &[(&str, &str)]) {
        let meta = Meta { namespace: namespace.into(), annotations: pairs(annotations), ..Meta::named(name) };
        self.add(Object::Pod(Pod { meta, node: Some("n1".into()), ..Pod::default() }));
    }

    /// Decides every subnet.
    pub(super) fn decide(&mut self) {
        let vpcs: std::collections::BTreeSet<Name> =
            self.world.subnets().map(|subnet| self.world.vpc_name(subnet)).collect();
        for (subnet, decision) in
            vpcs.iter().flat_map(|vpc| decide_subnets(&self.world, vpc)).collect::<Vec<_>>()
        {
            self.world.decide(&subnet, decision);
        }
    }

    /// Changes an object, as a user or a controller would.
    pub(super) fn change<T: Changed>(&mut self, key: &ObjectKey, change: impl FnOnce(&mut T)) {
        let mut object = T::get(&self.world, key).unwrap_or_else(|| panic!("no {key}"));
        change(&mut object);
        self.world.apply(object.into_object());
    }

    /// Does what was asked for, as a cluster would.
    pub(super) fn obey(&mut self, writes: &[Write]) {
        for write in writes {
            match write.clone() {
                Write::Create(object) => self.add(object),
                Write::Patch(patch) => self.patch(&patch),
                Write::Status { key, status: Status::Subnet(status), .. } => {
                    self.change(&key, |subnet: &mut Subnet| subnet.status = status);
                }
                Write::Status { status: status @ (Status::IpPool(_) | Status::Node(_)), key, .. } => {
                    panic!("{key}: {status:?}")
                }
                Write::Status { key, status: Status::Vpc(status), .. } => {
                    self.change(&key, |vpc: &mut Vpc| vpc.status = status);
                }
                Write::Delete { key, uid } => self.world.remove(&key, &uid),
                Write::Note(note) => panic!("{note:?}"),
            }
        }
    }

    fn patch(&mut self, patch: &Patch) {
        fn meta(meta: &mut Meta, patch: &Patch) {
            assert_eq!(meta.uid, patch.uid);
            for (map, changes) in
                [(&mut meta.annotations, &patch.annotations), (&mut meta.labels, &patch.labels)]
            {
                for (key, value) in changes {
                    match value {
                        Some(value) => map.insert(key.clone(), value.clone()),
                        None => map.remove(key),
                    };
                }
            }
            match patch.finalizer {
                Some(true) => meta.finalizers.push(FINALIZER.into()),
                Some(false) => meta.finalizers.retain(|f| **f != *FINALIZER),
                None => {}
            }
        }
        let key = &patch.key;
        match key.kind {
            Kind::Pod => self.change(key, |o: &mut Pod| meta(&mut o.meta, patch)),
            Kind::Node => self.change(key, |o: &mut Node| meta(&mut o.meta, patch)),
            Kind::Namespace => self.change(key, |o: &mut Namespace| meta(&mut o.meta, patch)),
            Kind::Subnet => self.change(key, |o: &mut Subnet| meta(&mut o.meta, patch)),
            Kind::Vpc => self.change(key, |o: &mut Vpc| meta(&mut o.meta, patch)),
            Kind::IpPool | Kind::StatefulSet | Kind::VirtualMachine | Kind::VirtualMachineInstance => {
                panic!("nothing is told to {key}")
            }
            Kind::Ip => self.change(key, |o: &mut Ip| {
                meta(&mut o.meta, patch);
                o.spec = patch.ip.clone().unwrap_or_else(|| o.spec.clone());
            }),
        }
    }

    /// What is told about an object; `ready` says whether its rows are in the database.
    pub(super) fn tell(&self, key: &ObjectKey, ready: bool) -> publish::Telling {
        publish::tell(&self.world, key, &|_| publish::Seat { ready, ..publish::Seat::default() })
    }

    /// What is told is obeyed; then there must be nothing left to tell.
    pub(super) fn settle(&mut self, key: &ObjectKey, ready: bool) {
        for _ in 0..2 {
            let telling = self.tell(key, ready);
            self.obey(&telling.writes);
        }
        assert_eq!(self.tell(key, ready).writes, [], "told again");
    }
}

/// A kind whose objects can be taken out and put back.
pub(super) trait Changed: Sized {
    fn get(world: &World, key: &ObjectKey) -> Option<Self>;
    fn into_object(self) -> Object;
}

macro_rules! changed {
    ($($kind:ident($world:ident, $key:ident) $get:expr;)*) => {
        $(impl Changed for $kind {
            fn get($world: &World, $key: &ObjectKey) -> Option<Self> {
                $get.map(|object| (**object).clone())
            }
            fn into_object(self) -> Object {
                Object::$kind(self)
            }
        })*
    };
}

changed! {
    Pod(world, key) world.pod(&key.namespace, &key.name);
    Node(world, key) world.node(&key.name);
    Namespace(world, key) world.namespace(&key.name);
    Subnet(world, key) world.subnet(&key.name);
    Vpc(world, key) world.vpc(&key.name);
    Ip(world, key) world.ip(&key.name);
}

pub(super) fn pairs(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| (Name::from(*key), Name::from(*value))).collect()
}

pub(super) fn pod_key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey { kind: Kind::Pod, namespace: namespace.into(), name: name.into() }
}

pub(super) fn node_owner(name: &str) -> OwnerKey {
    OwnerKey::new(OwnerKind::Node, name)
}

/// What somebody holds in a subnet of a VPC.
pub(super) fn grant(subnet: &str, vpc: &str, ips: &str) -> Grant {
    Grant {
        nic: "".into(),
        subnet: subnet.into(),
        space: vpc.into(),
        ips: ips.parse().unwrap(),
        mac: "0a:58:0a:10:00:05".parse().ok(),
        role: Role::Active,
        generation: 1,
        since: 1000,
    }
}

/// What a telling does to our finalizer.
pub(super) fn finalizer(telling: &Telling) -> Option<bool> {
    telling.writes.iter().find_map(|write| match write {
        Write::Patch(patch) => patch.finalizer,
        _ => None,
    })
}
