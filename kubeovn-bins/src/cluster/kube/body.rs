//! What is sent: bodies of writes.

use kubeovn_core::{
    contract::cluster::{FINALIZER, NodeNetwork, Patch, Status},
    count::Count,
    index::objects::{
        Expression, IpPoolStatus, Kind, Name, NatMatch, NatRule, NatRuleStatus, Object, PolicyRoute,
        Selector, StaticRoute, SubnetAcl, SubnetSpec, SubnetStatus, VpcPeering, VpcSpec, VpcStatus,
    },
};
use serde_json::{Map, Value, json};

use super::stamps::Stamps;

/// A new object; `None` for a kind that is not ours to make.
pub(super) fn create(object: &Object) -> Option<Value> {
    let spec = match object {
        Object::Vpc(vpc) => vpc_spec(&vpc.spec),
        Object::Subnet(subnet) => subnet_spec(&subnet.spec),
        Object::Ip(ip) => serde_json::to_value(&ip.spec).ok()?,
        Object::Namespace(_)
        | Object::Node(_)
        | Object::IpPool(_)
        | Object::StatefulSet(_)
        | Object::VirtualMachine(_)
        | Object::VirtualMachineInstance(_)
        | Object::Pod(_) => return None,
    };
    let (kind, meta) = (object.kind(), object.meta());
    let metadata = json!({
        "name": meta.name, "labels": meta.labels, "annotations": meta.annotations, "finalizers": meta.finalizers,
    });
    Some(json!({ "apiVersion": api_version(kind), "kind": kind.name(), "metadata": metadata, "spec": spec }))
}

/// `apiVersion` of a kind.
pub(super) fn api_version(kind: Kind) -> String {
    if kind.group().is_empty() { "v1".to_owned() } else { format!("{}/v1", kind.group()) }
}

/// A merge patch. A `uid` makes the server refuse it for another object. Finalizers are a list, which a merge patch can
/// only replace; so they come with those that the object had, and with the revision in which it had them.
pub(super) fn patch(patch: &Patch, finalizers: Option<(&[Name], &str)>) -> Value {
    let mut metadata = Map::new();
    if !patch.uid.is_empty() {
        metadata.insert("uid".to_owned(), json!(patch.uid));
    }
    for (field, changes) in [("annotations", &patch.annotations), ("labels", &patch.labels)] {
        if !changes.is_empty() {
            metadata.insert(field.to_owned(), json!(changes));
        }
    }
    if let (Some(set), Some((had, revision))) = (patch.finalizer, finalizers) {
        let mut wanted: Vec<&str> = had.iter().map(|name| &**name).collect();
        if !set {
            wanted.retain(|name| *name != FINALIZER);
        } else if !wanted.contains(&FINALIZER) {
            wanted.push(FINALIZER);
        }
        metadata.insert("finalizers".to_owned(), json!(wanted));
        metadata.insert("resourceVersion".to_owned(), json!(revision));
    }
    let mut body = Map::new();
    body.insert("metadata".to_owned(), Value::Object(metadata));
    if let Some(spec) = &patch.ip {
        body.insert("spec".to_owned(), json!(spec));
    }
    Value::Object(body)
}

/// A JSON patch of a status: every field that we write, each for itself, so that others stay. A merge patch would do
/// with one request for an object that has no status yet, but on a status the server does not look at a merge patch's
/// uid. `all_of` is the revision of an object without a status, which is then made whole.
pub(super) fn status(uid: &str, fields: Map<String, Value>, all_of: Option<&str>) -> Value {
    let test = |path, value| json!({ "op": "test", "path": path, "value": value });
    let add = |path: String, value| json!({ "op": "add", "path": path, "value": value });
    let mut steps = Vec::new();
    if !uid.is_empty() {
        steps.push(test("/metadata/uid", uid));
    }
    match all_of {
        Some(revision) => {
            steps.push(test("/metadata/resourceVersion", revision));
            steps.push(add("/status".to_owned(), Value::Object(fields)));
        }
        None => steps.extend(fields.into_iter().map(|(field, value)| add(format!("/status/{field}"), value))),
    }
    Value::Array(steps)
}

/// A strategic merge patch of a node's condition: the others are kubelet's.
pub(super) fn node_network(uid: &str, network: &NodeNetwork, now: &str) -> Value {
    let NodeNetwork { unavailable, reason, message } = network;
    let condition = json!({
        "type": "NetworkUnavailable", "status": if *unavailable { "True" } else { "False" },
        "reason": reason, "message": message, "lastHeartbeatTime": now, "lastTransitionTime": now,
    });
    let metadata = if uid.is_empty() { json!({}) } else { json!({ "uid": uid }) };
    json!({ "metadata": metadata, "status": { "conditions": [condition] } })
}

/// The fields of a status that we write, those with nothing in them too: absent is not nought.
pub(super) fn status_fields(uid: &str, status: &Status, stamps: &Stamps, now: &str) -> Map<String, Value> {
    let fields = match status {
        // Has a form of its own.
        Status::Node(_) => Value::Null,
        Status::Vpc(status) => {
            let VpcStatus {
                standby,
                default,
                default_logical_switch,
                router,
                subnets,
                vpc_peerings,
                conditions,
            } = status;
            json!({
                "standby": standby, "default": default, "defaultLogicalSwitch": default_logical_switch,
                "router": router, "subnets": subnets, "vpcPeerings": vpc_peerings,
                "conditions": stamps.stamp(uid, conditions, now),
            })
        }
        Status::IpPool(status) => {
            let IpPoolStatus {
                conditions,
                v4AvailableIPs,
                v4AvailableIPRange,
                v4UsingIPs,
                v4UsingIPRange,
                v6AvailableIPs,
                v6AvailableIPRange,
                v6UsingIPs,
                v6UsingIPRange,
            } = status;
            json!({
                "conditions": stamps.stamp(uid, conditions, now),
                "v4AvailableIPs": number(*v4AvailableIPs), "v4AvailableIPRange": v4AvailableIPRange,
                "v4UsingIPs": number(*v4UsingIPs), "v4UsingIPRange": v4UsingIPRange,
                "v6AvailableIPs": number(*v6AvailableIPs), "v6AvailableIPRange": v6AvailableIPRange,
                "v6UsingIPs": number(*v6UsingIPs), "v6UsingIPRange": v6UsingIPRange,
            })
        }
        Status::Subnet(status) => {
            let SubnetStatus {
                conditions,
                v4availableIPs,
                v4availableIPrange,
                v4usingIPs,
                v4usingIPrange,
                v6availableIPs,
                v6availableIPrange,
                v6usingIPs,
                v6usingIPrange,
                activateGateway,
                dhcpV4OptionsUUID,
                dhcpV6OptionsUUID,
                natOutgoingPolicyRules,
            } = status;
            let exceptions: Value = natOutgoingPolicyRules.iter().map(nat_rule_status).collect();
            json!({
                "conditions": stamps.stamp(uid, conditions, now),
                "v4availableIPs": number(*v4availableIPs), "v4availableIPrange": v4availableIPrange,
                "v4usingIPs": number(*v4usingIPs), "v4usingIPrange": v4usingIPrange,
                "v6availableIPs": number(*v6availableIPs), "v6availableIPrange": v6availableIPrange,
                "v6usingIPs": number(*v6usingIPs), "v6usingIPrange": v6usingIPrange,
                "activateGateway": activateGateway,
                "dhcpV4OptionsUUID": dhcpV4OptionsUUID, "dhcpV6OptionsUUID": dhcpV6OptionsUUID,
                "natOutgoingPolicyRules": exceptions,
            })
        }
    };
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn nat_rule_status(rule: &NatRuleStatus) -> Value {
    let NatRuleStatus { id, r#match: NatMatch { src, dst }, action } = rule;
    let packets = set([("srcIPs", json!(src)), ("dstIPs", json!(dst))]);
    json!({ "ruleID": id, "match": packets, "action": action })
}

/// A tree of JSON has no integers beyond 64 bits: those are read as what the server makes of them anyway.
fn number(count: Count) -> Value {
    serde_json::from_str(&count.to_string()).unwrap_or_default()
}

// ===== specs: what is not set is left out =====

fn vpc_spec(spec: &VpcSpec) -> Value {
    // What is inert has a name here, but no value.
    let VpcSpec { default_subnet, namespaces, static_routes, policy_routes, vpc_peerings, inert: _ } = spec;
    set([
        ("defaultSubnet", json!(default_subnet)),
        ("namespaces", json!(namespaces)),
        ("staticRoutes", static_routes.iter().map(static_route).collect()),
        ("policyRoutes", policy_routes.iter().map(policy_route).collect()),
        ("vpcPeerings", vpc_peerings.iter().map(vpc_peering).collect()),
    ])
}

fn vpc_peering(peering: &VpcPeering) -> Value {
    let VpcPeering { remote_vpc, local_connect_ip } = peering;
    set([("remoteVpc", json!(remote_vpc)), ("localConnectIP", json!(local_connect_ip))])
}

fn static_route(route: &StaticRoute) -> Value {
    let StaticRoute { policy, cidr, next_hop, table } = route;
    set([
        ("policy", json!(policy)),
        ("cidr", json!(cidr)),
        ("nextHopIP", json!(next_hop)),
        ("routeTable", json!(table)),
    ])
}

fn policy_route(route: &PolicyRoute) -> Value {
    let PolicyRoute { priority, r#match, action, next_hops } = route;
    set([
        ("priority", json!(priority)),
        ("match", json!(r#match)),
        ("action", json!(action)),
        ("nextHopIP", json!(next_hops)),
    ])
}

fn subnet_spec(spec: &SubnetSpec) -> Value {
    let SubnetSpec {
        vpc,
        cidr_block,
        gateway,
        exclude_ips,
        namespaces,
        namespace_selectors,
        provider,
        vlan,
        private,
        allow_subnets,
        mtu,
        route_table,
        gateway_type,
        gateway_node,
        gateway_node_selectors,
        enable_ecmp,
        acls,
        allow_ew_traffic,
        enable_dhcp,
        dhcp_v4_options,
        dhcp_v6_options,
        enable_ipv6_ra,
        ipv6_ra_configs,
        nat_outgoing,
        nat_outgoing_policy_rules,
        external_egress_gateway,
        policy_routing_priority,
        policy_routing_table,
        logical_gateway,
        u2o_interconnection,
        enable_lb,
        inert: _,
    } = spec;
    set([
        ("vpc", json!(vpc)),
        ("cidrBlock", json!(cidr_block)),
        ("gateway", json!(gateway)),
        ("excludeIps", json!(exclude_ips)),
        ("namespaces", json!(namespaces)),
        ("namespaceSelectors", namespace_selectors.iter().map(selector).collect()),
        ("provider", json!(provider)),
        ("vlan", json!(vlan)),
        ("private", json!(private)),
        ("allowSubnets", json!(allow_subnets)),
        ("mtu", json!(mtu)),
        ("routeTable", json!(route_table)),
        ("gatewayType", json!(gateway_type)),
        ("gatewayNode", json!(gateway_node)),
        ("gatewayNodeSelectors", gateway_node_selectors.iter().map(selector).collect()),
        ("enableEcmp", json!(enable_ecmp)),
        ("acls", acls.iter().map(subnet_acl).collect()),
        ("allowEWTraffic", json!(allow_ew_traffic)),
        ("enableDHCP", json!(enable_dhcp)),
        ("dhcpV4Options", json!(dhcp_v4_options)),
        ("dhcpV6Options", json!(dhcp_v6_options)),
        ("enableIPv6RA", json!(enable_ipv6_ra)),
        ("ipv6RAConfigs", json!(ipv6_ra_configs)),
        ("natOutgoing", json!(nat_outgoing)),
        ("natOutgoingPolicyRules", nat_outgoing_policy_rules.iter().map(nat_rule).collect()),
        ("externalEgressGateway", json!(external_egress_gateway)),
        ("policyRoutingPriority", json!(policy_routing_priority)),
        ("policyRoutingTableID", json!(policy_routing_table)),
        ("logicalGateway", json!(logical_gateway)),
        ("u2oInterconnection", json!(u2o_interconnection)),
        ("enableLb", json!(enable_lb)),
    ])
}

fn nat_rule(rule: &NatRule) -> Value {
    let NatRule { r#match: NatMatch { src, dst }, action } = rule;
    let packets = set([("srcIPs", json!(src)), ("dstIPs", json!(dst))]);
    set([("match", packets), ("action", json!(action))])
}

fn subnet_acl(acl: &SubnetAcl) -> Value {
    let SubnetAcl { direction, priority, r#match, action } = acl;
    set([
        ("direction", json!(direction)),
        ("priority", json!(priority)),
        ("match", json!(r#match)),
        ("action", json!(action)),
    ])
}

fn selector(selector: &Selector) -> Value {
    let Selector { match_labels, match_expressions } = selector;
    let expression = |Expression { key, operator, values }: &Expression| {
        // The names of the operators are Kubernetes'.
        set([("key", json!(key)), ("operator", json!(format!("{operator:?}"))), ("values", json!(values))])
    };
    set([
        ("matchLabels", json!(match_labels)),
        ("matchExpressions", match_expressions.iter().map(expression).collect()),
    ])
}

/// Those of the fields that have something in them.
fn set<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let empty = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    };
    let set = fields.into_iter().filter(|(_, value)| !empty(value));
    Value::Object(set.map(|(field, value)| (field.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests;
