//! The VPC logic alone: objects in, rows out. No Kubernetes, no server, no runtime, nothing written anywhere.
//!
//!     cargo run --example embed_vpc
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use kubeovn_core::{
    contract::cluster::{Event, Write},
    index::{
        Settings,
        objects::{Kind, Meta, Object, Pod, Subnet, SubnetSpec, Vpc},
    },
    rows::{Act, Value},
    spine::{Effect, Input, Spine},
};
use kubeovn_ipam::Ledger;
use kubeovn_ovn::{memory::Sync, nb::NORTHBOUND, render::Fabric};

fn main() {
    let mut spine = Spine::new(Settings::default(), Box::new(Ledger::new()), Box::new(Fabric), &NORTHBOUND);
    // An empty database in memory: the plan is the difference to it. A replica of a real one works the same.
    let database = Sync::new(&NORTHBOUND);
    let feed = |spine: &mut Spine, input| spine.feed(0, input, &database.replica);

    let spec = SubnetSpec { vpc: "blue".into(), cidr_block: "10.0.0.0/24".into(), ..SubnetSpec::default() };
    let annotations = [("ovn.kubernetes.io/logical_switch".into(), "web".into())].into();
    let meta = Meta { namespace: "shop".into(), uid: "1".into(), annotations, ..Meta::named("front") };
    for object in [
        Object::Vpc(Vpc { meta: Meta::named("blue"), ..Vpc::default() }),
        Object::Subnet(Subnet { meta: Meta::named("web"), spec, ..Subnet::default() }),
        Object::Pod(Pod { meta, node: Some("n1".into()), ..Pod::default() }),
    ] {
        feed(&mut spine, Input::Object(Event::Applied(object)));
    }
    for kind in Kind::ALL {
        feed(&mut spine, Input::Object(Event::Listed(*kind)));
    }
    feed(&mut spine, Input::Resynced);

    let mut effects = Vec::new();
    spine.run(0, &database.replica, &mut effects);
    // What is asked of the cluster comes back as facts: here, the built-in VPC and subnets.
    for effect in std::mem::take(&mut effects) {
        if let Effect::Write { write: Write::Create(object), .. } = effect {
            feed(&mut spine, Input::Object(Event::Applied(object)));
        }
    }
    spine.run(0, &database.replica, &mut effects);

    for effect in effects {
        let Effect::Commit(txn) = effect else { continue };
        for op in txn.ops {
            if let Act::Insert(row, _) = op.act {
                let addresses = row.values.get("addresses").into_iter().flat_map(Value::texts);
                println!("{} {}", op.row, addresses.map(ToString::to_string).collect::<String>());
            }
        }
    }
}
