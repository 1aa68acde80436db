//! What there is, in cluster and Northbound, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};

use kubeovn_core::{
    annotations::{NicKey, OVN, nic},
    index::{
        ip_name,
        objects::{Kind, Object, ObjectKey, member},
    },
};
use kubeovn_ovn::ovsdb::wire::{Atom, Datum};

use crate::{ground::Ground, seen::Raw};

/// The column that changes whenever anything in a row does.
pub(crate) const VERSION: &str = "_version";

/// How the name of the annotation ends that says of a network that something was given in it.
const ALLOCATED: &str = ".kubernetes.io/allocated";

const RESERVED: &str = "ovn.kubernetes.io/ip_reserved";

/// Ports of pods and nodes by name: address space, and MAC with addresses.
pub(crate) struct Ports(pub(crate) BTreeMap<String, (String, String)>);

impl Ports {
    pub(crate) fn of(rows: &Raw) -> Self {
        let ports = rows.get("Logical_Switch_Port").into_iter().flatten().filter_map(|(_, row)| {
            let space = row.get("external_ids")?.get_str("space")?.to_owned();
            let texts =
                |column: &str| row.get(column).into_iter().flat_map(Datum::elements).filter_map(Atom::as_str);
            // Beside its own a port may have what is sent to nobody.
            let addresses = texts("addresses").find(|text| *text != "unknown")?.to_owned();
            Some((texts("name").next()?.to_owned(), (space, addresses)))
        });
        Ports(ports.collect())
    }
}

/// Addresses and MACs that are in two ports of a space.
pub(crate) fn doubles(ports: &Ports) -> Vec<String> {
    let mut holders = BTreeMap::new();
    let all = ports.0.iter().flat_map(|(name, (space, addresses))| {
        addresses.split(' ').map(move |address| ((space, address), name))
    });
    all.filter_map(|(address, name)| {
        let other = holders.insert(address, name)?;
        Some(format!("{address:?}: {other} and {name}"))
    })
    .collect()
}

/// Everything.
pub(crate) struct View {
    pub(crate) objects: BTreeMap<ObjectKey, Object>,
    pub(crate) rows: Raw,
    pub(crate) ports: Ports,
}

/// What was said of somebody's addresses: by his annotations, his record, his port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) annotation: Option<String>,
    pub(crate) record: Option<String>,
    pub(crate) port: Option<String>,
}

impl Said {
    /// All that was said, MAC and addresses.
    pub(crate) fn all(&self) -> BTreeSet<&str> {
        [&self.annotation, &self.record, &self.port].into_iter().flatten().map(String::as_str).collect()
    }
}

impl View {
    pub(crate) async fn of(ground: &dyn Ground) -> Self {
        let mut objects = BTreeMap::new();
        for kind in Kind::ALL {
            objects.extend(ground.objects(*kind).await.into_iter().map(|object| (object.key(), object)));
        }
        let rows = ground.rows();
        let ports = Ports::of(&rows);
        View { objects, rows, ports }
    }

    pub(crate) fn get(&self, key: &ObjectKey) -> Option<&Object> {
        self.objects.get(key)
    }

    /// The interfaces of a pod or node that there are to be: names of the ports, which are their records', too, with how
    /// their annotations begin. Of further networks those that the pod was told of: whether it should be, other tests ask.
    fn interfaces(object: &Object) -> Vec<(String, String)> {
        match object {
            Object::Pod(pod) if pod.needs_network() => {
                let told = pod.meta.annotations.keys().filter_map(|key| key.strip_suffix(ALLOCATED));
                let further = told.filter(|network| *network != OVN);
                let of =
                    |network: &str, nic: &str| (ip_name(&pod.owner(), nic).to_string(), network.to_owned());
                [of(OVN, "")].into_iter().chain(further.map(|network| of(network, network))).collect()
            }
            Object::Node(node) => vec![(format!("node-{}", node.meta.name), OVN.to_owned())],
            _ => Vec::new(),
        }
    }

    /// What is said of everybody, by the names of ports.
    pub(crate) fn said(&self) -> BTreeMap<String, Said> {
        let mut all: BTreeMap<String, Said> = BTreeMap::new();
        let text = |mac: &str, ips: &str| Some(format!("{mac} {}", ips.replace(',', " ")));
        for object in self.objects.values() {
            for (name, network) in Self::interfaces(object) {
                let told = |key: NicKey| object.meta().annotation(&key.of(&network)).unwrap_or_default();
                let said = all.entry(name).or_default();
                if told(nic::ALLOCATED) == "true" {
                    said.annotation = text(told(nic::MAC_ADDRESS), told(nic::IP_ADDRESS));
                }
            }
            if let Object::Ip(ip) = object {
                let said = all.entry(ip.meta.name.to_string()).or_default();
                said.record = text(&ip.spec.mac_address, &ip.spec.ip_address);
            }
        }
        for (name, (_, addresses)) in &self.ports.0 {
            all.entry(name.clone()).or_default().port = Some(addresses.clone());
        }
        all
    }

    /// Who holds an address though he is not there: members of StatefulSets and virtual machines, which come back, and those
    /// whom a record of a user's keeps it for.
    fn comes_back(&self, name: &str) -> bool {
        let record = self.get(&ObjectKey::cluster(Kind::Ip, name));
        if record
            .is_some_and(|record| record.meta().labels.get(RESERVED).is_some_and(|label| **label == *"true"))
        {
            return true;
        }
        let Some((pod, namespace)) = name.split_once('.') else { return false };
        let is_named = |kind| {
            let key = ObjectKey { kind, namespace: namespace.into(), name: pod.into() };
            self.get(&key).is_some_and(|object| !object.meta().deleting)
        };
        if is_named(Kind::VirtualMachine) || is_named(Kind::VirtualMachineInstance) {
            return true;
        }
        let Some((set, number)) = member(pod) else { return false };
        let key = ObjectKey { kind: Kind::StatefulSet, namespace: namespace.into(), name: set.into() };
        matches!(self.get(&key), Some(Object::StatefulSet(set)) if number < set.replicas)
    }

    /// What is missing until everybody has one address of which annotation, record and port say the same, nothing is
    /// left of others, and every subnet's numbers are those of its records: what the ledger holds is counted there.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let there: BTreeSet<String> =
            self.objects.values().flat_map(Self::interfaces).map(|(name, _)| name).collect();
        for (name, said) in self.said() {
            let three = [&said.annotation, &said.record, &said.port].map(Option::is_some);
            // One that another plugin makes has no MAC of ours, and no port.
            let bare = said.record.as_ref().is_some_and(|record| record.starts_with(' '));
            let fits = if there.contains(&name) {
                three == [true, true, !bare]
            } else {
                three == [false, true, true] && self.comes_back(&name)
            };
            if !fits || said.all().len() > 1 {
                missing.push(format!("{name}: {said:?}"));
            }
        }
        for object in self.objects.values() {
            if object.meta().deleting {
                missing.push(format!("{} is still being deleted", object.key()));
            }
            let Object::Subnet(subnet) = object else { continue };
            let records = self
                .objects
                .values()
                .filter(|object| matches!(object, Object::Ip(ip) if ip.spec.subnet == subnet.meta.name));
            let used = records.count() as u128;
            let status = &subnet.status;
            let counted = [status.v4usingIPs.0, status.v6usingIPs.0].into_iter().max().unwrap_or_default();
            if counted != used {
                missing.push(format!("{}: {used} records, status says {counted}", subnet.meta.name));
            }
        }
        missing.extend(doubles(&self.ports));
        missing
    }

    /// A condition of a subnet or VPC, with its message behind the status.
    pub(crate) fn condition(&self, key: &ObjectKey, kind: &str) -> String {
        let conditions = match self.get(key) {
            Some(Object::Subnet(subnet)) => &subnet.status.conditions[..],
            Some(Object::Vpc(vpc)) => &vpc.status.conditions,
            _ => &[],
        };
        let condition = conditions.iter().find(|condition| *condition.r#type == *kind);
        condition.map(|condition| format!("{} {}", condition.status, condition.message)).unwrap_or_default()
    }

    /// Rows without what changes whenever anything in them does.
    pub(crate) fn plain_rows(&self) -> Raw {
        let mut rows = self.rows.clone();
        for row in rows.values_mut().flat_map(BTreeMap::values_mut) {
            *row = row
                .iter()
                .filter(|(column, _)| ***column != *VERSION)
                .map(|(c, v)| (c.clone(), v.clone()))
                .collect();
        }
        rows.retain(|_, rows| !rows.is_empty());
        rows
    }

    /// Revisions of all objects.
    pub(crate) fn revisions(&self) -> BTreeMap<String, String> {
        let revision = |object: &Object| object.meta().revision.to_string();
        self.objects.iter().map(|(key, object)| (key.to_string(), revision(object))).collect()
    }
}
