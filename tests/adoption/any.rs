//! Any standalone database, with the objects that it belongs to: `ADOPT_DB` names the file, which is only read, and
//! `ADOPT_OBJECTS` the folder of manifests (`kubectl get vpcs,subnets,ips,nodes,namespaces -o yaml`, and pods). Without
//! them it is the fixture's, so that this way in is tested, too.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use kubeovn_core::index::objects::Object;
use uuid::Uuid;

use crate::{
    film::{Film, LEFT_OF_MOVES, is_go, living_ports, lost, pair, row_of, text, touched},
    fixture::{Age, cluster, northbound},
    rig::Rig,
    seen::Raw,
    server::{Directory, Server, wait_for},
    settled::cluster_of,
    takeover::{another_start, fresh, less_than_fresh, quiet},
};

#[test]
fn a_database_of_go_is_taken_over() {
    let directory = Directory::new();
    let (file, folder) = match (env::var_os("ADOPT_DB"), env::var_os("ADOPT_OBJECTS")) {
        (Some(file), Some(folder)) => (PathBuf::from(file), PathBuf::from(folder)),
        (None, None) => (fixture(&directory), cluster::manifests()),
        (one, _) => panic!("set both of ADOPT_DB and ADOPT_OBJECTS, or none; there is only {one:?}"),
    };
    let objects = cluster::objects(&folder);
    take_over(&file, &objects);
}

/// The fixture as a file.
fn fixture(directory: &Directory) -> PathBuf {
    let objects = cluster::objects(&cluster::manifests());
    let mut rig = Rig::stopped(objects.clone());
    northbound(&objects, Age::V1_15).load(&rig);
    rig.server.kill();
    let file = directory.path("go.db");
    fs::copy(rig.directory.path("nb.db"), &file).unwrap();
    file
}

fn take_over(database: &Path, objects: &[Object]) {
    let directory = Directory::new();
    let server = Server::copy(&directory, database);
    let mut rig = Rig::on(directory, server, cluster_of(objects.iter().cloned()));
    let (before, from) = rig.seen.raw();
    assert!(!living_ports(&before, objects).is_empty(), "no port in it belongs to any of these objects");
    rig.start();
    wait_for("the controller to begin", || (rig.seen.updates() > from).then_some(()));
    quiet(&rig);
    let film = Film { before, frames: rig.seen.updates_from(from) };

    let mut wrong: Vec<String> = film.ports_cut_off(objects).into_iter().collect();
    wrong.extend(film.gateways_moved());
    let gone = film.gone();
    for ((table, uuid), row) in &gone {
        // to be read by whoever brought the database
        eprintln!("gone: {row}");
        let before = row_of(&film.before, table, *uuid).unwrap();
        let marked = is_go(before) || pair(before, "parent").or(pair(before, "lr")).is_some();
        if !marked || anchors(&film.before, objects).contains(uuid) {
            wrong.push(format!("{row} is gone"));
        }
    }
    // whatever did not become ours is as it was
    let after = film.after();
    let left_alone =
        |table: &str, uuid: &Uuid| row_of(&after, table, *uuid).is_some_and(|row| pair(row, "row").is_none());
    wrong.extend(touched(&film.before, &after, left_alone, &gone));
    // and what did has all that others put into it
    let is_there = |table: &str, uuid: &Uuid| row_of(&after, table, *uuid).is_some();
    let lost = lost(&film.before, &after, is_there, &gone).into_iter();
    wrong.extend(lost.filter(|what| !LEFT_OF_MOVES.contains(&what.as_str())));
    for uuid in anchors(&film.before, objects) {
        let tables = ["Logical_Switch", "Logical_Router", "Logical_Router_Port", "Logical_Switch_Port"];
        let row = tables.iter().find_map(|table| row_of(&after, table, uuid));
        if row.is_some_and(|row| pair(row, "row").is_none()) {
            wrong.push(format!("{:?} did not become ours", row.and_then(|row| text(row, "name"))));
        }
    }
    let rows = rig.rows();
    wrong.extend(another_start(&mut rig));
    wrong.extend(less_than_fresh(&fresh(objects), &rows));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Switches, routers and the ports between them that living objects stand for, of subnets that this version takes.
fn anchors(rows: &Raw, objects: &[Object]) -> BTreeSet<Uuid> {
    let mut names: BTreeSet<(&str, String)> = BTreeSet::new();
    for object in objects {
        match object {
            Object::Vpc(vpc) => {
                names.insert(("Logical_Router", vpc.meta.name.to_string()));
            }
            Object::Subnet(subnet) if cluster::is_supported(subnet) => {
                let (name, vpc) = (&subnet.meta.name, &subnet.spec.vpc);
                names.insert(("Logical_Switch", name.to_string()));
                names.insert(("Logical_Switch_Port", format!("{name}-{vpc}")));
                names.insert(("Logical_Router_Port", format!("{vpc}-{name}")));
            }
            _ => {}
        }
    }
    let mut anchors = BTreeSet::new();
    for (table, name) in &names {
        let rows = rows.get(*table).into_iter().flatten();
        anchors.extend(rows.filter(|(_, row)| text(row, "name") == Some(name)).map(|(uuid, _)| *uuid));
    }
    anchors
}
