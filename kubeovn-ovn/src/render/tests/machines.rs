//! A virtual machine has one port, wherever its pods are.

use kubeovn_core::{
    contract::model::Model as _,
    index::{
        World,
        objects::{Kind, Object, ObjectKey, Pod},
    },
    rows::{OwnerKey, Render, Rendered, RowKey},
};

use super::world::Facts;
use crate::{nb, render::Fabric};

const JOB: (&str, &str) = ("kubevirt.io/migrationJobName", "move");

fn rendered(world: &World) -> Rendered {
    match Fabric.render(world, &OwnerKey::pod("default", "db")) {
        Render::Want(rendered) => rendered,
        other => panic!("{other:?}"),
    }
}

/// What the port's options say, and the node in whose group it is.
fn placed(world: &World) -> (Vec<String>, Vec<String>) {
    let rendered = rendered(world);
    let ports: Vec<_> =
        rendered.rows.iter().filter(|(row, _)| row.table == nb::LOGICAL_SWITCH_PORT).collect();
    let [(row, spec)] = &ports[..] else { panic!("{ports:?}") };
    assert_eq!(**row, RowKey::new(nb::LOGICAL_SWITCH_PORT, "db.default"));
    let options = spec.pairs.get("options").into_iter().flatten();
    let options = options.map(|(key, value)| format!("{key}={value}")).collect();
    let groups = rendered.gives.iter().filter(|give| give.row.table == nb::PORT_GROUP);
    (options, groups.map(|give| give.row.id.to_string()).collect())
}

fn change(world: &mut World, pod: &str, change: impl FnOnce(&mut Pod)) {
    let mut pod = (**world.pod("default", pod).unwrap()).clone();
    change(&mut pod);
    world.apply(Object::Pod(pod));
}

#[test]
fn a_machine_that_moves_is_bound_to_both_nodes_and_then_to_the_new_one() {
    let facts = Facts::new().machine_pod("db", "launcher-a", "n1", &[]);
    let mut world = facts
        .machine_pod("db", "launcher-b", "", &[JOB])
        .holds("db", &[("", "ovn-default", "10.16.0.7")])
        .done();
    change(&mut world, "launcher-b", |pod| pod.node = None);
    let (options, groups) = placed(&world);
    assert!(options.is_empty(), "where it goes is not known yet: {options:?}");
    assert!(groups.iter().all(|group| group.contains("n1")), "{groups:?}");

    change(&mut world, "launcher-b", |pod| pod.node = Some("n2".into()));
    let (options, still) = placed(&world);
    assert_eq!(options, ["activation-strategy=rarp", "requested-chassis=n1,n2"]);
    assert_eq!(still, groups);

    change(&mut world, "launcher-b", |pod| pod.finished = true);
    assert_eq!(placed(&world), (Vec::new(), groups), "it failed, and is where it was");
    change(&mut world, "launcher-b", |pod| pod.finished = false);

    change(&mut world, "launcher-a", |pod| pod.finished = true);
    let (options, groups) = placed(&world);
    assert_eq!(options, ["requested-chassis=n2"]);
    assert!(!groups.is_empty() && groups.iter().all(|group| group.contains("n2")), "{groups:?}");

    // It is stopped: the next start may be anywhere.
    for pod in ["launcher-a", "launcher-b"] {
        world.remove(&ObjectKey { kind: Kind::Pod, namespace: "default".into(), name: pod.into() }, "");
    }
    assert_eq!(placed(&world), (Vec::new(), Vec::new()));
}
