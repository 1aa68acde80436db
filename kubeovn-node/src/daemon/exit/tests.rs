//! Subnets in, what the host has to do with out.

use kubeovn_core::index::objects::{Meta, NatMatch, NatRule, SubnetSpec};

use super::*;
use crate::gateway::{Carrier, NatAction};

fn subnet(spec: SubnetSpec) -> Subnet {
    let spec = SubnetSpec { cidr_block: "10.9.0.0/24".into(), ..spec };
    Subnet { meta: Meta::named("shop"), spec, ..Subnet::default() }
}

fn carrier_of(spec: SubnetSpec) -> Option<Carrier> {
    subnet_of(&subnet(spec), &Node::default()).map(|subnet| subnet.carrier)
}

#[test]
fn what_carries_a_subnet_is_what_its_object_says() {
    let spec = |vlan: &str, logical_gateway, u2o_interconnection, enable_lb| SubnetSpec {
        vlan: vlan.into(),
        logical_gateway,
        u2o_interconnection,
        enable_lb,
        ..SubnetSpec::default()
    };
    let underlay = |connected| Carrier::Underlay { connected };
    for (spec, carrier) in [
        (spec("", false, false, None), Carrier::Overlay),
        (spec("", true, true, None), Carrier::Overlay),
        (spec("v1", false, false, None), underlay(false)),
        (spec("v1", true, false, None), Carrier::LogicalGateway),
        (spec("v1", false, true, None), underlay(true)),
        (spec("v1", false, true, Some(false)), underlay(true)),
        (spec("v1", false, true, Some(true)), underlay(false)),
    ] {
        assert_eq!(carrier_of(spec.clone()), Some(carrier), "{spec:?}");
    }
}

#[test]
fn exceptions_have_the_names_that_the_subnet_is_told() {
    let rule = |dst: &str, action: &str| NatRule {
        r#match: NatMatch { dst: dst.into(), ..NatMatch::default() },
        action: action.into(),
    };
    let spec = SubnetSpec {
        nat_outgoing: true,
        nat_outgoing_policy_rules: vec![rule("8.8.8.8", "snat"), rule("192.168.0.0/16", "forward")],
        ..SubnetSpec::default()
    };
    let subnet = subnet(spec);
    let of_host = subnet_of(&subnet, &Node::default()).map(|subnet| subnet.nat_rules).unwrap_or_default();
    let told =
        nat_exceptions(&subnet).in_force.into_iter().map(|(_, exception)| exception).collect::<Vec<_>>();
    assert_eq!(of_host, told);
    assert_eq!(of_host.iter().map(|rule| rule.action).collect::<Vec<_>>(), [NatAction::Forward]);
}
