//! Answers to DHCP: a row per subnet and family, to which the ports of pods refer, and one per port that is answered
//! otherwise.

use kubeovn_core::{
    addr::{DualStack, Family},
    annotations::{NicKey, nic},
    contract::ipam::Grant,
    decide::{Options, SubnetPlan, dhcp_options},
    error::Problem,
    index::{World, ip_name, objects::Pod},
    rows::{Atom, EXTERNAL_IDS, Elem, Give, OwnerKey, Rendered, Replica, RowKey, Value},
};

use super::{ids, provenance::Field};
use crate::nb;

/// Address that answers come from; Kube-OVN's.
const SERVER: &str = "169.254.0.254";
/// Seconds that a lease lasts; Kube-OVN's.
const LEASE: &str = "3600";

pub(super) const SUBNET_FIELDS: &[Field] = &[
    Field::new("Subnet.spec.enableDHCP", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.enable_dhcp.to_string())
    }),
    Field::new("Subnet.spec.dhcpV4Options", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.dhcp_v4_options.clone())
    })
    .only(|row| row.id.ends_with("/v4")),
    Field::new("Subnet.spec.dhcpV6Options", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.dhcp_v6_options.clone())
    })
    .only(|row| row.id.ends_with("/v6")),
    Field::new("Subnet.spec.cidrBlock", |world, owner| {
        Some(world.subnet(&owner.name)?.spec.cidr_block.clone())
    }),
];

pub(super) const POD_FIELDS: &[Field] = &[
    Field::new("Pod.metadata.annotations[ovn.kubernetes.io/dhcp-v4-options]", |world, owner| {
        Some(own(world.pod_of(owner)?, nic::DHCP_V4_OPTIONS, "")?.to_owned())
    })
    .only(|row| row.id.ends_with("/v4")),
    Field::new("Pod.metadata.annotations[ovn.kubernetes.io/dhcp-v6-options]", |world, owner| {
        Some(own(world.pod_of(owner)?, nic::DHCP_V6_OPTIONS, "")?.to_owned())
    })
    .only(|row| row.id.ends_with("/v6")),
];

pub(super) fn render_subnet(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    let (Some(subnet), Some(plan)) = (world.subnet(&owner.name), world.plan(&owner.name)) else { return };
    if !subnet.spec.enable_dhcp {
        return;
    }
    for family in plan.cidrs.families() {
        let (field, text) = match family {
            Family::V4 => ("dhcpV4Options", &subnet.spec.dhcp_v4_options),
            Family::V6 => ("dhcpV6Options", &subnet.spec.dhcp_v6_options),
        };
        let key = of_subnet(&plan.name, family);
        match dhcp_options(text, family) {
            Ok(options) => add(world, plan, out, (key, None), family, options),
            Err(why) => {
                let text = format!(
                    "subnet {}: {field} is not in effect, what was answered before stays: {why}",
                    plan.name
                );
                out.reports.push(Problem::new("SUBNET-DHCP-INVALID", text));
                out.keep.push((nb::DHCP_OPTIONS, key.id.to_string()));
            }
        }
    }
}

pub(super) fn render_pod(world: &World, owner: &OwnerKey, out: &mut Rendered) {
    // What is kept for a pod that is not there has no wishes of its own.
    let pod = world.pod_of(owner).filter(|pod| pod.needs_network());
    for grant in world.grants(owner).iter().filter(|grant| grant.mac.is_some()) {
        let port = ip_name(owner, &grant.nic);
        for family in grant.ips.families() {
            let (key, column) = match family {
                Family::V4 => (nic::DHCP_V4_OPTIONS, "dhcpv4_options"),
                Family::V6 => (nic::DHCP_V6_OPTIONS, "dhcpv6_options"),
            };
            let answers = match pod.and_then(|pod| own(pod, key, &grant.nic)) {
                Some(text) => Some(own_row(world, out, grant, &port, family, text)),
                None => is_served(world, grant).then(|| of_subnet(&grant.subnet, family)),
            };
            out.gives.extend(answers.map(|row| Give {
                row: ids::switch_port(port.clone()),
                column,
                elem: Elem::Item(Atom::Row(row)),
                parent: false,
            }));
        }
    }
}

/// Is there DHCP in the subnet? Of one that is gone or refused it is not known: what rows there are stay, and so do
/// references to them.
fn is_served(world: &World, grant: &Grant) -> bool {
    let subnet = world.subnet(&grant.subnet).filter(|_| world.plan(&grant.subnet).is_some());
    subnet.is_none_or(|subnet| subnet.spec.enable_dhcp)
}

/// What a pod wants to be answered itself.
fn own<'a>(pod: &'a Pod, key: NicKey, nic: &str) -> Option<&'a str> {
    pod.meta.annotation(&key.of(nic)).filter(|text| !text.is_empty())
}

/// The row of a port's own, which is rendered as far as it can be.
fn own_row(
    world: &World,
    out: &mut Rendered,
    grant: &Grant,
    port: &str,
    family: Family,
    text: &str,
) -> RowKey {
    let key = RowKey::new(nb::DHCP_OPTIONS, format!("{port}/port/{}", word(family)));
    let Some(plan) = world.plan(&grant.subnet) else {
        out.keep.push((nb::DHCP_OPTIONS, key.id.to_string()));
        return key;
    };
    match dhcp_options(text, family) {
        Ok(options) => add(world, plan, out, (key.clone(), Some(port)), family, options),
        Err(why) => {
            let text = format!(
                "port {port}: annotation dhcp-{}-options is not in effect, what was answered before stays: {why}",
                word(family)
            );
            out.reports.push(Problem::new("POD-DHCP-INVALID", text));
            out.keep.push((nb::DHCP_OPTIONS, key.id.to_string()));
        }
    }
    key
}

fn add(
    world: &World,
    plan: &SubnetPlan,
    out: &mut Rendered,
    (key, port): (RowKey, Option<&str>),
    family: Family,
    mut options: Options,
) {
    let Some(cidr) = plan.cidrs.get(family) else { return };
    // Of the subnet, for all its ports: who roams between answers knows the server again.
    let mac = || ids::router_mac(&format!("dhcp/{}", plan.name)).to_string();
    let mut usual = |key: &str, value: &dyn Fn() -> String| {
        if !options.contains_key(key) {
            options.insert(key.to_owned(), value());
        }
    };
    match family {
        Family::V4 => {
            usual("lease_time", &|| LEASE.to_owned());
            usual("server_id", &|| SERVER.to_owned());
            usual("server_mac", &mac);
            usual("mtu", &|| plan.mtu.unwrap_or_else(|| world.settings().mtu()).to_string());
            if let Some(gateway) = plan.gateways.v4 {
                usual("router", &|| gateway.to_string());
            }
        }
        Family::V6 => usual("server_id", &mac),
    }
    let row = out.row(key.clone());
    row.set("cidr", Value::str(cidr.to_string()));
    row.pair(EXTERNAL_IDS, "ls", plan.name.clone());
    row.pair(EXTERNAL_IDS, "protocol", family.to_string());
    if let Some(port) = port {
        row.pair(EXTERNAL_IDS, "port", port);
    }
    out.gives.extend(options.into_iter().map(|(option, value)| Give {
        row: key.clone(),
        column: "options",
        elem: Elem::Pair(option.into(), value.into()),
        parent: false,
    }));
}

/// UUIDs of the rows by which a subnet's ports are answered.
pub(super) fn answers(subnet: &str, replica: &dyn Replica) -> DualStack<String> {
    let of = |family| replica.uuid(&of_subnet(subnet, family));
    DualStack { v4: of(Family::V4), v6: of(Family::V6) }
}

/// What a subnet's ports are answered.
fn of_subnet(subnet: &str, family: Family) -> RowKey {
    RowKey::new(nb::DHCP_OPTIONS, format!("{subnet}/{}", word(family)))
}

fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "v4",
        Family::V6 => "v6",
    }
}

/// Owner and id of a row of Kube-OVN's: of a subnet, or of a pod's port.
pub(super) fn known(subnet: &str, port: Option<&str>, protocol: &str) -> Option<(OwnerKey, String)> {
    use kubeovn_core::rows::OwnerKind::Subnet;
    let family = Family::BOTH.into_iter().find(|family| family.to_string() == protocol)?;
    match port {
        None => Some((OwnerKey::new(Subnet, subnet), of_subnet(subnet, family).id.to_string())),
        Some(port) => {
            // Namespaces have no dots, names of pods may. Ports of other networks end in their provider's name.
            let further =
                port.strip_suffix(".ovn").and_then(|rest| rest.rsplit_once('.')?.0.rsplit_once('.'));
            let (pod, namespace) = further.map_or(port, |(first, _)| first).rsplit_once('.')?;
            Some((OwnerKey::pod(namespace, pod), format!("{port}/port/{}", word(family))))
        }
    }
}
