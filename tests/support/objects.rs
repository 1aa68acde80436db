//! The objects of these tests: two tenants with the same addresses, and a shop in the default VPC.

use kubeovn_core::{
    annotations::nic,
    index::objects::{
        Kind, Meta, Namespace, Node, Object, ObjectKey, Pod, PolicyRoute, StaticRoute, Subnet, SubnetSpec,
        Vpc, VpcSpec,
    },
};

/// Three nodes, two tenants (`blue`, `green`), a dual-stack subnet `web`, a private one `db`, ten pods.
pub(crate) fn tenants() -> Vec<Object> {
    let mut objects: Vec<Object> = ["web", "db", "blue", "green"].map(namespace).into();
    objects.extend([node("n1", "172.18.0.2"), node("n2", "172.18.0.3"), node("n3", "172.18.0.4")]);
    objects.extend([vpc("blue", &["blue"]), vpc("green", &["green"])]);
    objects.push(subnet("web", "", "10.20.0.0/24,fd00:10:20::/64", "web"));
    objects.push(private(subnet("db", "", "10.30.0.0/24", "db"), &["10.20.0.0/24"]));
    objects.push(subnet("blue-net", "blue", "10.0.0.0/24", "blue"));
    objects.push(subnet("blue-more", "blue", "10.0.1.0/24", "blue"));
    objects.push(subnet("green-net", "green", "10.0.0.0/24", "green"));
    objects.extend(["shop-0", "shop-1", "shop-2"].map(|name| pod("web", name, "n1", &[])));
    let fixed = [(nic::IP_ADDRESS.ovn(), "10.20.0.111"), (nic::MAC_ADDRESS.ovn(), "0a:58:0a:14:00:6f")];
    objects.push(pod("web", "front", "n3", &fixed));
    objects.extend(["db-0", "db-1"].map(|name| pod("db", name, "n2", &[])));
    objects.push(pod("default", "tool", "n3", &[]));
    objects.push(pod("blue", "b1", "n1", &[(nic::IP_ADDRESS.ovn(), "10.0.0.10")]));
    objects.push(pod("blue", "b2", "n2", &[(nic::LOGICAL_SWITCH.ovn(), "blue-more")]));
    objects.push(pod("green", "g1", "n1", &[(nic::IP_ADDRESS.ovn(), "10.0.0.10")]));
    objects
}

pub(crate) fn namespace(name: &str) -> Object {
    Object::Namespace(Namespace { meta: Meta::named(name) })
}

pub(crate) fn node(name: &str, ip: &str) -> Object {
    Object::Node(Node { meta: Meta::named(name), internal: ip.parse().unwrap(), ..Node::default() })
}

pub(crate) fn vpc(name: &str, namespaces: &[&str]) -> Object {
    let namespaces = namespaces.iter().map(|name| (*name).into()).collect();
    let spec = VpcSpec { namespaces, ..VpcSpec::default() };
    Object::Vpc(Vpc { meta: Meta::named(name), spec, ..Vpc::default() })
}

/// Gives a VPC a route of each kind and a policy of each action.
pub(crate) fn routed(vpc: Object) -> Object {
    let Object::Vpc(mut vpc) = vpc else { panic!("{vpc:?} is no VPC") };
    let route = |policy: &str, cidr: &str, next_hop: &str| StaticRoute {
        policy: policy.into(),
        cidr: cidr.into(),
        next_hop: next_hop.into(),
        table: String::new(),
    };
    vpc.spec.static_routes = vec![
        route("policyDst", "192.168.7.0/24", "10.0.0.10"),
        route("policySrc", "10.0.1.0/24", "10.0.0.10"),
    ];
    let policy = |priority, r#match: &str, action: &str, next_hops: &str| PolicyRoute {
        priority,
        r#match: r#match.into(),
        action: action.into(),
        next_hops: next_hops.into(),
    };
    vpc.spec.policy_routes = vec![
        policy(900, "ip4.src == 10.0.0.11", "drop", ""),
        policy(901, "ip4.dst == 10.0.9.0/24 && tcp.dst == 80", "reroute", "10.0.0.10"),
        policy(902, "ip4.src == 10.0.0.12", "allow", ""),
    ];
    Object::Vpc(vpc)
}

pub(crate) fn subnet(name: &str, vpc: &str, cidr: &str, namespace: &str) -> Object {
    let spec = SubnetSpec {
        vpc: vpc.into(),
        cidr_block: cidr.into(),
        namespaces: vec![namespace.into()],
        ..SubnetSpec::default()
    };
    Object::Subnet(Subnet { meta: Meta::named(name), spec, ..Subnet::default() })
}

/// Lets in only these prefixes.
pub(crate) fn private(subnet: Object, allow: &[&str]) -> Object {
    let Object::Subnet(mut subnet) = subnet else { panic!("{subnet:?} is no subnet") };
    subnet.spec.private = true;
    subnet.spec.allow_subnets = allow.iter().map(ToString::to_string).collect();
    Object::Subnet(subnet)
}

pub(crate) fn pod(namespace: &str, name: &str, node: &str, annotations: &[(&str, &str)]) -> Object {
    let annotations = annotations.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let meta = Meta { namespace: namespace.into(), annotations, ..Meta::named(name) };
    Object::Pod(Pod { meta, node: Some(node.into()), ..Pod::default() })
}

pub(crate) fn pod_key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey { kind: Kind::Pod, namespace: namespace.into(), name: name.into() }
}
