//! What happens when files change.

use std::time::Instant;

use kubeovn_core::contract::cluster::{FINALIZER, Patch, Write};

use super::*;

fn finalizer(folder: &FolderCluster, name: &str, set: bool) {
    let patch =
        Patch { finalizer: Some(set), ..Patch::new(ObjectKey::cluster(Kind::Subnet, name), "".into()) };
    folder.cluster().write(Write::Patch(patch)).now_or_never().unwrap().unwrap();
}

#[test]
fn edits_additions_and_removals_take_effect() {
    let dir = Dir::with(&[("a.yaml", &subnet_yaml("a", "10.0.0.0/24"))]);
    let folder = dir.open();
    dir.write("a.yaml", &subnet_yaml("a", "10.0.1.0/24"));
    dir.write("b.yaml", &subnet_yaml("b", "10.0.2.0/24"));
    settle(&folder);
    assert_eq!(cidr(&folder, "a").as_deref(), Some("10.0.1.0/24"));
    assert_eq!(objects(&folder), ["Subnet a", "Subnet b"]);
    dir.write("b.yaml", &subnet_yaml("c", "10.0.2.0/24"));
    dir.remove("a.yaml");
    settle(&folder);
    assert_eq!(objects(&folder), ["Subnet c"]);
}

#[test]
fn a_change_counts_when_it_is_seen_twice() {
    let whole = format!("{}{}", subnet_yaml("a", "10.0.0.0/24"), subnet_yaml("b", "10.0.1.0/24"));
    let dir = Dir::with(&[("a.yaml", &whole)]);
    let folder = dir.open();
    // half of it is sound YAML, and so is an empty file
    for half in [subnet_yaml("a", "10.0.0.0/24").as_str(), ""] {
        dir.write("a.yaml", half);
        assert!(!folder.look());
        dir.write("a.yaml", &whole);
        assert!(!folder.look());
        assert_eq!(objects(&folder), ["Subnet a", "Subnet b"]);
    }
    // neither does a file that is replaced by another one vanish in between
    dir.remove("a.yaml");
    assert!(!folder.look());
    dir.write("a.yaml", &whole);
    settle(&folder);
    assert_eq!(objects(&folder), ["Subnet a", "Subnet b"]);
}

/// File systems tell the time of a change in coarse steps.
#[test]
fn an_edit_of_the_same_length_and_time_is_seen() {
    let dir = Dir::with(&[("a.yaml", &subnet_yaml("a", "10.0.0.0/24"))]);
    let folder = dir.open();
    let path = dir.0.join("a.yaml");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    for third in [1, 2, 3] {
        dir.write("a.yaml", &subnet_yaml("a", &format!("10.0.{third}.0/24")));
        fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        settle(&folder);
        assert_eq!(cidr(&folder, "a"), Some(format!("10.0.{third}.0/24")));
    }
}

#[test]
fn what_is_no_yaml_keeps_what_the_file_gave_before() {
    let dir = Dir::with(&[("a.yaml", &subnet_yaml("a", "10.0.0.0/24"))]);
    let folder = dir.open();
    dir.write("a.yaml", "kind: [");
    settle(&folder);
    assert_eq!(objects(&folder), ["Subnet a"]);
    assert!(complaint(&folder).contains("FILE-YAML-INVALID"));
    dir.write("a.yaml", &subnet_yaml("b", "10.0.0.0/24"));
    settle(&folder);
    assert_eq!((objects(&folder), complaints(&folder)), (vec!["Subnet b".to_owned()], vec![]));
}

#[test]
fn an_object_that_cannot_be_read_stays_what_it_was() {
    let dir = Dir::with(&[("a.yaml", &subnet_yaml("a", "10.0.0.0/24"))]);
    let folder = dir.open();
    let with_b = |cidr: &str| format!("{}{}", subnet_yaml("b", "10.0.9.0/24"), subnet_yaml("a", cidr));
    dir.write("a.yaml", &with_b("7"));
    settle(&folder);
    assert_eq!(cidr(&folder, "a").as_deref(), Some("10.0.0.0/24"));
    assert_eq!(cidr(&folder, "b").as_deref(), Some("10.0.9.0/24"));
    assert_eq!(complaints(&folder), ["a.yaml:13 FILE-FIELD-INVALID"]);
    // also when it is edited again and is still wrong
    dir.write("a.yaml", &with_b("true"));
    settle(&folder);
    assert_eq!(cidr(&folder, "a").as_deref(), Some("10.0.0.0/24"));
    dir.write("a.yaml", &with_b("10.0.1.0/24"));
    settle(&folder);
    assert_eq!(cidr(&folder, "a").as_deref(), Some("10.0.1.0/24"));
    assert_eq!(complaints(&folder), [""; 0]);
}

#[test]
fn nothing_is_listed_before_everything_can_be_read() {
    for bad in ["kind: [", &subnet_yaml("b", "7"), "kind: \u{0}"] {
        let dir = Dir::with(&[("a.yaml", &subnet_yaml("a", "10.0.0.0/24")), ("b.yaml", bad)]);
        let folder = dir.open();
        assert_eq!(objects(&folder), ["Subnet a"]);
        assert!(!listed(&folder), "{bad:?}");
        dir.write("b.yaml", bad);
        settle(&folder);
        assert!(!listed(&folder), "{bad:?}");
        dir.write("b.yaml", &subnet_yaml("b", "10.0.1.0/24"));
        settle(&folder);
        assert!(listed(&folder), "{bad:?}");
        // from then on it stays so
        dir.write("b.yaml", bad);
        settle(&folder);
        assert!(listed(&folder), "{bad:?}");
        assert_eq!(objects(&folder), ["Subnet a", "Subnet b"]);
    }
    let dir = Dir::with(&[("a.yaml", "kind: [")]);
    let folder = dir.open();
    dir.remove("a.yaml");
    settle(&folder);
    assert!(listed(&folder));
}

#[test]
fn the_first_of_a_name_counts_until_it_goes() {
    let dir = Dir::with(&[
        ("b.yaml", &format!("{}{}", subnet_yaml("a", "10.0.1.0/24"), subnet_yaml("a", "10.0.2.0/24"))),
        ("c.yaml", &subnet_yaml("a", "10.0.3.0/24")),
    ]);
    let folder = dir.open();
    let mut events = folder.cluster().watch(&[Kind::Subnet]);
    let deleted = |event| matches!(event, Event::Deleted { .. });
    assert_eq!(cidr(&folder, "a").as_deref(), Some("10.0.1.0/24"));
    assert_eq!(complaints(&folder), ["b.yaml:8 FILE-OBJECT-DUPLICATE", "c.yaml:1 FILE-OBJECT-DUPLICATE"]);
    // a third one before them takes their place
    dir.write("a.yaml", &subnet_yaml("a", "10.0.0.0/24"));
    settle(&folder);
    assert_eq!(cidr(&folder, "a").as_deref(), Some("10.0.0.0/24"));
    assert_eq!(complaints(&folder).len(), 3);
    for (file, next) in [("a.yaml", "10.0.1.0/24"), ("b.yaml", "10.0.3.0/24")] {
        dir.remove(file);
        settle(&folder);
        assert_eq!(cidr(&folder, "a").as_deref(), Some(next));
    }
    assert_eq!(complaints(&folder), [""; 0]);
    assert!(!std::iter::from_fn(|| events.next().now_or_never().flatten()).any(deleted));
}

#[test]
fn what_others_wrote_stays_through_edits() {
    let dir = Dir::with(&[("a.yaml", &subnet_yaml("a", "10.0.0.0/24"))]);
    let folder = dir.open();
    finalizer(&folder, "a", true);
    let uid = subnet(&folder, "a").unwrap().meta.uid;
    dir.write("a.yaml", &subnet_yaml("a", "10.0.1.0/24"));
    settle(&folder);
    let subnet = subnet(&folder, "a").unwrap();
    assert_eq!((subnet.meta.finalizers, subnet.meta.uid), (vec![FINALIZER.into()], uid));
    assert_eq!(subnet.spec.cidr_block, "10.0.1.0/24");
}

#[test]
fn an_object_that_comes_back_waits_for_the_end_of_the_old_one() {
    let dir = Dir::with(&[("a.yaml", &subnet_yaml("a", "10.0.0.0/24"))]);
    let folder = dir.open();
    finalizer(&folder, "a", true);
    dir.remove("a.yaml");
    settle(&folder);
    assert!(subnet(&folder, "a").unwrap().meta.deleting);
    dir.write("a.yaml", &subnet_yaml("a", "10.0.1.0/24"));
    settle(&folder);
    assert!(subnet(&folder, "a").unwrap().meta.deleting);
    finalizer(&folder, "a", false);
    assert!(subnet(&folder, "a").is_none());
    folder.look();
    let subnet = subnet(&folder, "a").unwrap();
    assert_eq!((subnet.meta.deleting, subnet.spec.cidr_block.as_str()), (false, "10.0.1.0/24"));
}

#[test]
fn another_uid_in_the_manifest_is_another_object() {
    let with_uid =
        |uid: &str| format!("apiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata: {{name: a, uid: {uid}}}\n");
    let dir = Dir::with(&[("a.yaml", &with_uid("first"))]);
    let folder = dir.open();
    let mut events = folder.cluster().watch(&[Kind::Subnet]);
    dir.write("a.yaml", &with_uid("second"));
    settle(&folder);
    let uids: Vec<_> = std::iter::from_fn(|| events.next().now_or_never().flatten())
        .map(|event| match event {
            Event::Applied(object) => format!("+{}", object.meta().uid),
            Event::Deleted { uid, .. } => format!("-{uid}"),
            Event::Listed(_) => "=".to_owned(),
            Event::Absent(_) => "?".to_owned(),
        })
        .collect();
    assert_eq!(uids, ["+first", "=", "-first", "+second"]);
}

#[test]
fn a_folder_that_cannot_be_read_keeps_all() {
    let dir = Dir::with(&[("a.yaml", &subnet_yaml("a", "10.0.0.0/24"))]);
    let folder = dir.open();
    let aside = dir.0.with_extension("aside");
    fs::rename(&dir.0, &aside).unwrap();
    settle(&folder);
    assert_eq!(objects(&folder), ["Subnet a"]);
    assert!(complaint(&folder).contains("FILE-UNREADABLE"));
    fs::rename(&aside, &dir.0).unwrap();
    settle(&folder);
    assert_eq!((objects(&folder), complaints(&folder)), (vec!["Subnet a".to_owned()], vec![]));
}

#[tokio::test]
async fn following_takes_changes_up_by_itself() {
    let dir = Dir::with(&[("a.yaml", "")]);
    let folder = Arc::new(dir.open());
    let mut events = folder.cluster().watch(&[Kind::Subnet]);
    assert_eq!(events.next().await, Some(Event::Listed(Kind::Subnet)));
    let mut findings = folder.findings();
    let follower = tokio::spawn(Arc::clone(&folder).follow());
    let begun = Instant::now();
    dir.write("a.yaml", &format!("{}kind: Pod\n", subnet_yaml("a", "10.0.0.0/24")));
    let deadline = Duration::from_secs(20);
    let event = tokio::time::timeout(deadline, events.next()).await.unwrap();
    assert!(matches!(event, Some(Event::Applied(Object::Subnet(_)))), "{event:?}");
    assert!(begun.elapsed() >= LOOK / 2);
    tokio::time::timeout(deadline, findings.changed()).await.unwrap().unwrap();
    assert_eq!(findings.borrow().rejected.len(), 1);
    follower.abort();
}
