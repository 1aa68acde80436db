//! The same network on an in-memory Northbound of every OVN release: the same rows, and a restart writes nothing.

use kubeovn_core::engine::Standing;
use kubeovn_ovn::{
    memory::{Server, Sync},
    nb::NORTHBOUND,
    ovsdb::wire::DbSchema,
};

use crate::{
    objects::{routed, tenants, vpc},
    schemas::RELEASES,
    sim::Sim,
};

#[test]
fn every_release_gets_the_same_rows_and_a_restart_writes_none() {
    let mut rows = Vec::new();
    for release in RELEASES {
        let schema = DbSchema::decode(&release.schema().to_string()).unwrap();
        let database = Sync::with(&NORTHBOUND, Server::new(schema));
        let mut sim = Sim::on(Sim::new().cluster, database, 1_000);
        tenants().into_iter().for_each(|object| sim.apply(object));
        sim.apply(routed(vpc("blue", &["blue"])));
        sim.settle();
        for owner in sim.spine.world().owners() {
            let refused = sim.spine.verdict(&owner).filter(|verdict| verdict.standing == Standing::Refused);
            assert_eq!(refused, None, "{owner} on {}", release.name);
        }
        let (dump, txns) = (sim.dump(), sim.txns);
        assert!(txns > 0 && dump.len() > 50, "{}: {} rows in {txns} transactions", release.name, dump.len());
        sim.restart(false);
        sim.settle();
        assert_eq!((sim.dump(), sim.txns), (dump.clone(), txns), "{} after a restart", release.name);
        rows.push(dump);
    }
    assert!(rows.windows(2).all(|pair| pair[0] == pair[1]), "releases get different rows");
}
