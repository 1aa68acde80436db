//! What is asked for and not done: fields and annotations that nothing acts on yet.

use crate::{
    annotations::{self, Meaning, meaning},
    index::objects::{Name, Object, Pod, SubnetSpec},
};

/// The field of an IPPool that nothing acts on.
pub(super) const ADDRESS_SET: &str = "enableAddressSet";

/// The fields and annotations of an object that are set though nothing acts on them, by the names that users write. Of an
/// object that needs nothing of us there are none.
pub fn in_vain(object: &Object) -> Vec<Name> {
    match object {
        Object::Subnet(subnet) => of_subnet(&subnet.spec),
        Object::Vpc(vpc) => vpc.spec.inert.clone(),
        Object::IpPool(pool) if pool.spec.address_set => vec![ADDRESS_SET.into()],
        Object::Pod(pod) if pod.needs_network() => annotations(pod).map(Name::from).collect(),
        _ => Vec::new(),
    }
}

/// Of a subnet also what nodes read already: without the controller's part it has no effect.
pub(super) fn of_subnet(spec: &SubnetSpec) -> Vec<Name> {
    let read = [
        ("enableLb", spec.enable_lb == Some(true)),
        ("logicalGateway", spec.logical_gateway),
        ("u2oInterconnection", spec.u2o_interconnection),
    ];
    let set = read.into_iter().filter(|(_, set)| *set).map(|(field, _)| field.into());
    let mut fields: Vec<Name> = spec.inert.iter().cloned().chain(set).collect();
    fields.sort_unstable();
    fields
}

/// The annotations of a pod by which something is asked for in vain.
pub(super) fn annotations(pod: &Pod) -> impl Iterator<Item = &str> {
    let set = annotations::NOT_SUPPORTED.iter().copied().filter(|key| pod.meta.annotation(key).is_some());
    let keys = pod.meta.annotations.keys().map(|key| &**key);
    set.chain(keys.filter(|key| meaning(key) == Meaning::Further))
}
