//! The API server is away, forgets, or stands still.

use std::time::Duration;

use kube::{Api, api::WatchParams, core::DynamicObject};
use kubeovn_bins::{
    cluster::kube::{KubeCluster, Options, State},
    run::controller,
};
use kubeovn_core::{
    annotations::nic,
    contract::cluster::{Cluster, ClusterError, Event, Patch, Write},
    index::{
        Settings,
        objects::{Kind, Name, Object},
    },
};
use kubeovn_ovn::{
    memory::{Memory, Server},
    nb::NORTHBOUND,
};
use tokio::time::{Instant, sleep};

use crate::{
    api::{ApiServer, User},
    backend::{Backend, key, meta, pod, subnet, vpc, with},
    kubernetes::ADMIN,
    proxy::Proxy,
    rights::{stands, status},
    watch::{PATIENCE, Watch},
};

/// For tests that wait for what happens after silence.
fn hasty() -> Options {
    Options {
        answer: Duration::from_secs(5),
        silence: Duration::from_secs(4),
        longest_pause: Duration::from_millis(500),
        ..Options::default()
    }
}

#[tokio::test]
async fn whatever_the_server_does_the_watch_says_what_is_so() {
    let mut server = ApiServer::start().await;
    a_deletion_that_nobody_could_see_is_told_after_all(&mut server).await;
    a_server_that_is_away_is_waited_for(&mut server).await;
    a_server_that_stands_still_is_noticed(&server).await;
}

/// The connection is cut, things happen, and the past is forgotten.
async fn a_deletion_that_nobody_could_see_is_told_after_all(server: &mut ApiServer) {
    let user = server.user();
    let proxy = Proxy::new(&server.kubernetes.url()).await;
    let cluster = server.cluster_with(ADMIN, hasty(), |config| proxy.through(config));
    for name in ["k1", "k2", "k3", "k4"] {
        user.apply(vpc(name)).await;
    }
    let uid = async |name| meta(&user, &key(Kind::Vpc, name)).await.uid;
    let (gone, replaced) = (uid("k2").await, uid("k3").await);
    let mut watch = Watch::new(&*cluster, &[Kind::Vpc], "k");
    assert_eq!(watch.until("=Vpc").await, ["+1", "+2", "+3", "+4", "=Vpc"]);
    let before = meta(&user, &key(Kind::Vpc, "k4")).await.revision;

    proxy.cut();
    stands(&cluster, Kind::Vpc, State::Failing).await;
    user.delete(&key(Kind::Vpc, "k2")).await;
    user.delete(&key(Kind::Vpc, "k3")).await;
    user.apply(vpc("k3")).await;
    user.apply(with(vpc("k4"), |meta| meta.labels = [("a".into(), "b".into())].into())).await;
    user.apply(vpc("k5")).await;
    let successor = uid("k3").await;
    assert_ne!(replaced, successor);
    server.kubernetes.compact().await;
    let user = server.user();
    // Or this test would show nothing: who asks from then on is told that it is forgotten.
    assert!(is_forgotten(&user.api(Kind::Vpc), &before).await);
    proxy.mend();

    let mut events = Vec::new();
    for _ in 0..5 {
        events.push(match watch.next().await {
            Event::Applied(object) => format!("+{} {}", object.meta().name, object.meta().uid),
            Event::Deleted { key, uid } => format!("-{} {uid}", key.name),
            Event::Listed(kind) | Event::Absent(kind) => panic!("{kind:?} is listed twice"),
        });
    }
    let at = |event: String| {
        events.iter().position(|told| *told == event).unwrap_or_else(|| panic!("{event}: {events:?}"))
    };
    at(format!("-k2 {gone}"));
    assert!(at(format!("-k3 {replaced}")) < at(format!("+k3 {successor}")), "{events:?}");
    at(format!("+k4 {}", meta(&user, &key(Kind::Vpc, "k4")).await.uid));
    at(format!("+k5 {}", meta(&user, &key(Kind::Vpc, "k5")).await.uid));
    user.apply(vpc("kend")).await;
    assert_eq!(watch.told(1).await, ["+end"], "k1 did not change");
    assert_eq!(status(&cluster, Kind::Vpc).state, State::Connected);
}

async fn is_forgotten(api: &Api<DynamicObject>, revision: &str) -> bool {
    use futures_util::StreamExt;
    let mut events = match api.watch(&WatchParams::default().timeout(10), revision).await {
        Ok(events) => std::pin::pin!(events),
        Err(kube::Error::Api(status)) => return status.code == 410,
        Err(error) => panic!("{error}"),
    };
    match events.next().await {
        Some(Ok(kube::api::WatchEvent::Error(status)) | Err(kube::Error::Api(status))) => status.code == 410,
        other => panic!("{other:?}"),
    }
}

async fn a_server_that_is_away_is_waited_for(server: &mut ApiServer) {
    let user = server.user();
    let cluster = server.cluster_with(ADMIN, hasty(), |_| {});
    user.apply(subnet("w1", "10.0.0.0/24")).await;
    let mut watch = Watch::new(&*cluster, &[Kind::Subnet], "w");
    assert_eq!(watch.until("=Subnet").await, ["+1", "=Subnet"]);
    let uid = meta(&user, &key(Kind::Subnet, "w1")).await.uid;
    let mut patch = Patch::new(key(Kind::Subnet, "w1"), uid);
    patch.annotations = [("a".into(), Some("1".into()))].into();

    server.kubernetes.stop_server();
    let failing = stands(&cluster, Kind::Subnet, State::Failing).await;
    assert!(failing.listed && failing.error.unwrap().starts_with("KUBE-UNREACHABLE"), "it was listed before");
    // Many that fail together are no load: each waits for the pause of all.
    let began = Instant::now();
    for _ in 0..5 {
        let failed = cluster.write(Write::Patch(patch.clone())).await;
        assert!(matches!(failed, Err(ClusterError::Unavailable { .. })), "{failed:?}");
    }
    assert!(began.elapsed() > Duration::from_millis(400), "{:?}", began.elapsed());
    sleep(Duration::from_secs(2)).await;
    server.kubernetes.start_server().await;

    let user = server.user();
    let took = stands(&cluster, Kind::Subnet, State::Connected).await;
    println!("connected again {:?} before it was asked", took.lasts);
    answered(&cluster, Write::Patch(patch)).await.unwrap();
    user.apply(subnet("w2", "10.0.1.0/24")).await;
    assert_eq!(watch.told(2).await, ["+1", "+2"], "nothing twice, nothing lost");
}

async fn a_server_that_stands_still_is_noticed(server: &ApiServer) {
    let user = server.user();
    let cluster = server.cluster_with(ADMIN, hasty(), |_| {});
    user.apply(subnet("s1", "10.0.0.0/24")).await;
    let mut watch = Watch::new(&*cluster, &[Kind::Subnet], "s");
    watch.until("=Subnet").await;
    server.kubernetes.pause();
    let began = Instant::now();
    let key = key(Kind::Subnet, "s1");
    let failed = cluster.write(Write::Delete { key: key.clone(), uid: "".into() }).await;
    assert!(matches!(failed, Err(ClusterError::Unavailable { .. })), "{failed:?}");
    stands(&cluster, Kind::Subnet, State::Failing).await;
    println!("a server that stands still is noticed after {:?}", began.elapsed());
    server.kubernetes.resume();
    // What was sent may be done all the same, and is seen then.
    let again = answered(&cluster, Write::Delete { key, uid: "".into() }).await;
    assert!(matches!(again, Ok(_) | Err(ClusterError::NotFound { .. })), "{again:?}");
    user.apply(subnet("s2", "10.0.1.0/24")).await;
    assert_eq!(watch.told(2).await, ["-1", "+2"]);
}

/// Writes until the server answers: one that is back may be slow at first.
async fn answered(cluster: &KubeCluster, write: Write) -> Result<Name, ClusterError> {
    let began = Instant::now();
    loop {
        let answer = cluster.write(write.clone()).await;
        if !matches!(answer, Err(ClusterError::Unavailable { .. })) || began.elapsed() > PATIENCE {
            return answer;
        }
    }
}

/// The whole controller: whatever happens to the API server, each pod is told its address in the end.
#[tokio::test]
async fn a_controller_makes_up_for_what_it_could_not_write() {
    const PODS: usize = 40;
    let mut server = ApiServer::start().await;
    let cluster = server.cluster_with(ADMIN, hasty(), |_| {});
    let northbound = Memory::new(&NORTHBOUND, Server::of(&NORTHBOUND));
    let running = tokio::spawn(controller::run(
        Settings::default(),
        cluster,
        Box::new(northbound),
        controller::Company::default(),
    ));
    let user = server.user();
    for number in 0..PODS / 2 {
        user.apply(pod(&format!("early-{number}"))).await;
    }
    told(&user, 1).await;
    server.kubernetes.stop_server();
    sleep(Duration::from_secs(3)).await;
    server.kubernetes.start_server().await;
    let user = server.user();
    for number in PODS / 2..PODS {
        user.apply(pod(&format!("late-{number}"))).await;
    }
    let addresses = told(&user, PODS).await;
    assert_eq!(addresses.len(), PODS, "none twice: {addresses:?}");
    let records = user.api(Kind::Ip).list(&kube::api::ListParams::default()).await.unwrap();
    assert_eq!(records.items.len(), PODS);
    subnet_says(&user, PODS).await;
    assert!(!running.is_finished());
    running.abort();
}

/// Waits until so many pods have an address; the addresses.
async fn told(user: &User, pods: usize) -> std::collections::BTreeSet<String> {
    let began = Instant::now();
    loop {
        let all = user.api(Kind::Pod).list(&kube::api::ListParams::default()).await.unwrap();
        let address = |pod: DynamicObject| pod.metadata.annotations?.remove(nic::IP_ADDRESS.ovn());
        let addresses: std::collections::BTreeSet<_> = all.items.into_iter().filter_map(address).collect();
        if addresses.len() >= pods {
            return addresses;
        }
        assert!(began.elapsed() < PATIENCE, "{} of {pods}", addresses.len());
        sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the default subnet says that so many addresses are in use.
async fn subnet_says(user: &User, taken: usize) {
    let began = Instant::now();
    loop {
        let Some(Object::Subnet(subnet)) = user.get(&key(Kind::Subnet, "ovn-default")).await else {
            panic!("no default subnet")
        };
        if subnet.status.v4usingIPs.0 == taken as u128 {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{:?}", subnet.status);
        sleep(Duration::from_millis(100)).await;
    }
}
