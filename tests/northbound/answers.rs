//! What a subnet is told of the rows that answer DHCP in it, as OVN's own tool sees them.

use kubeovn_core::index::objects::{Kind, Object, ObjectKey, Subnet};

use crate::{
    objects::{node, subnet},
    rig::Rig,
    server::wait_for,
    settled::tool,
};

fn asking(dhcp: bool) -> Object {
    let Object::Subnet(mut subnet) = subnet("vms", "", "10.20.0.0/24,fd00:20::/64", "vms") else {
        panic!("no subnet")
    };
    subnet.spec.enable_dhcp = dhcp;
    Object::Subnet(subnet)
}

fn there(rig: &Rig) -> Subnet {
    match rig.cluster.get(&ObjectKey::cluster(Kind::Subnet, "vms")) {
        Some(Object::Subnet(subnet)) => subnet,
        other => panic!("{other:?}"),
    }
}

/// The rows of both families, as the database has them.
fn rows(rig: &Rig) -> [String; 2] {
    let db = format!("--db={}", rig.server.endpoint());
    ["IPv4", "IPv6"].map(|protocol| {
        let of = format!("external_ids:protocol={protocol}");
        let find = [&*db, "--bare", "--columns=_uuid", "find", "DHCP_Options", "external_ids:ls=vms", &of];
        tool("ovn-nbctl", &find).trim().to_owned()
    })
}

fn told(rig: &Rig) -> [String; 2] {
    let status = there(rig).status;
    [status.dhcpV4OptionsUUID, status.dhcpV6OptionsUUID]
}

#[test]
fn a_subnet_is_told_which_rows_answer_dhcp_in_it() {
    let mut rig = Rig::settled([node("n1", "172.18.0.2"), asking(true)]);
    wait_for("the rows to be told", || told(&rig).iter().all(|uuid| !uuid.is_empty()).then_some(()));
    assert_eq!(told(&rig), rows(&rig));
    rig.settle();

    // The next controller has nothing to say.
    rig.stop();
    let (revision, updates) = (there(&rig).meta.revision, rig.seen.updates());
    rig.start();
    let mark = rig.now();
    rig.stays_silent_since(mark);
    assert_eq!((there(&rig).meta.revision, rig.seen.updates()), (revision, updates), "a restart wrote");

    rig.apply(asking(false));
    wait_for("them to be told no more", || (told(&rig) == ["", ""]).then_some(()));
    assert_eq!(rows(&rig), ["", ""]);
    rig.settle();
}
