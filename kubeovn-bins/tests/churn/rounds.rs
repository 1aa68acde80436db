//! Rounds of many attachments, in parallel.

use std::{fs, time::Instant};

use futures_util::{StreamExt, stream};

use crate::rig::{Rig, name};

/// So many in a round.
const PODS: usize = 200;

/// So many at once; a runtime does as many as its kubelet asks for.
const AT_ONCE: usize = 10;

/// How often, unless `ROUNDS` says otherwise.
const ROUNDS: usize = 10;

/// What a process may have more after all that than after the first round: pages that allocators keep.
const GROWTH_KB: usize = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_left_of_attachments_by_the_hundred() {
    let rounds = std::env::var("ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let rig = Rig::start().await;
    let before = rig.census();
    // The first whole round fills pools and caches.
    let mut resources = None;
    for round in 0..=rounds {
        let pods: Vec<_> = (0..if round == 0 { AT_ONCE } else { PODS })
            .map(|pod| name(format!("web-{round}-{pod}")))
            .collect();
        pods.iter().for_each(|pod| rig.bind(pod));
        let began = Instant::now();
        stream::iter(&pods).for_each_concurrent(AT_ONCE, |pod| rig.add(pod)).await;
        let added = began.elapsed();
        let most = rig.census();
        let (ports, links) = (before.ports + pods.len(), before.links + pods.len());
        assert_eq!((most.ports, most.links), (ports, links), "{most:?}");
        assert_eq!(most.records, before.records + pods.len(), "{most:?}");
        stream::iter(&pods).for_each_concurrent(AT_ONCE, |pod| rig.del(pod)).await;
        pods.iter().for_each(|pod| rig.delete(pod));
        rig.is_as_before(&before).await;
        println!("round {round}: {} added in {added:?}, all gone after {:?}", pods.len(), began.elapsed());
        if round <= 1 {
            resources = Some((files(), memory_kb()));
        }
    }
    let (files_before, memory_before) = resources.unwrap();
    let (files, memory) = (files(), memory_kb());
    println!("open files {files_before}, then {files}; memory {memory_before} kB, then {memory} kB");
    assert!(files <= files_before + 5, "open files: {files_before}, then {files}");
    assert!(memory <= memory_before + GROWTH_KB, "memory: {memory_before} kB, then {memory} kB");
    rig.stop().await;
}

/// Open files of this process, which the daemon and the controller are in.
fn files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// What it has in memory.
fn memory_kb() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
