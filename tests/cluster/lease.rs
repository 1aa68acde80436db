//! The lease on an API server.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    jiff::Timestamp,
};
use kube::{Api, api::DeleteParams};
use kubeovn_bins::run::lease::{Config, Leadership, LeaseTerm, run};
use kubeovn_ovn::ovsdb::client::Authority;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{api::ApiServer, watch::PATIENCE};

/// All of these are so far apart that a machine which stands still for some seconds confuses none of them.
const DURATION: Duration = Duration::from_secs(14);
const DEADLINE: Duration = Duration::from_secs(8);
/// So late it may be known that the deadline is over: before the lease is.
const LATE: Duration = Duration::from_secs(5);
/// Within this time who comes next has a lease that was let go of: clearly before it would be over.
const HANDED_OVER: Duration = Duration::from_secs(9);

struct Candidate {
    told: watch::Receiver<Leadership>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    config: Config,
}

impl Candidate {
    fn new(server: &ApiServer, identity: &str) -> Self {
        let config = Config {
            duration: DURATION,
            deadline: DEADLINE,
            retry: Duration::from_secs(1),
            ..Config::new("default", identity)
        };
        let (tell, told) = watch::channel(Leadership::Waiting { holder: None });
        let (stop, stopped) = oneshot::channel::<()>();
        let client = server.kubernetes.client();
        let running = run(client, config.clone(), tell, watch::channel(None).0, async {
            // One that is dropped never stops.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        Candidate { told, stop: Some(stop), task: tokio::spawn(running), config }
    }

    async fn is(&mut self, wanted: impl Fn(&Leadership) -> bool) -> Leadership {
        let told = timeout(PATIENCE, self.told.wait_for(wanted)).await.expect("a change");
        told.expect("somebody who tells").clone()
    }

    async fn leads(&mut self) -> u64 {
        match self.is(|told| matches!(told, Leadership::Leading { .. })).await {
            Leadership::Leading { term } => term,
            other => panic!("{other:?}"),
        }
    }
}

async fn spec(server: &ApiServer) -> LeaseSpec {
    let api: Api<Lease> = Api::namespaced(server.client.clone(), "default");
    api.get("kube-ovn-controller").await.unwrap().spec.unwrap()
}

async fn stands(server: &ApiServer) -> (Option<String>, Option<i32>) {
    let spec = spec(server).await;
    (spec.holder_identity, spec.lease_transitions)
}

#[tokio::test]
async fn one_holds_the_lease_at_a_time() {
    let server = ApiServer::alone().await;
    let mut a = Candidate::new(&server, "a");
    assert_eq!(a.leads().await, 0);
    let mut b = Candidate::new(&server, "b");
    b.is(|told| *told == Leadership::Waiting { holder: Some("a".to_owned()) }).await;
    assert_eq!(stands(&server).await, (Some("a".to_owned()), Some(0)));
    let term_of_a = LeaseTerm::new(server.client.clone(), a.config.clone(), a.told.clone());
    let term_of_b = LeaseTerm::new(server.client.clone(), b.config.clone(), b.told.clone());
    assert_eq!((term_of_a.term().await, term_of_b.term().await), (Some(0), None));

    // Longer than the lease lasts: it is renewed.
    tokio::time::sleep(DURATION + Duration::from_secs(1)).await;
    assert!(matches!(*a.told.borrow(), Leadership::Leading { term: 0 }));

    // In good order: the next one need not wait.
    let began = Instant::now();
    a.stop.take().unwrap().send(()).unwrap();
    assert_eq!(b.leads().await, 1);
    assert!(began.elapsed() < HANDED_OVER, "{:?}", began.elapsed());
    assert_eq!(*a.told.borrow(), Leadership::Lost);
    assert_eq!((term_of_a.term().await, term_of_b.term().await), (None, Some(1)));

    // By a crash: the next one waits for as long as the lease lasts.
    let mut c = Candidate::new(&server, "c");
    c.is(|told| *told == Leadership::Waiting { holder: Some("b".to_owned()) }).await;
    let (began, crashed) = (Instant::now(), Timestamp::now());
    b.task.abort();
    // So much of it was over when it crashed.
    let renewed = spec(&server).await.renew_time.unwrap().0;
    let over = crashed.duration_since(renewed).unsigned_abs();
    assert_eq!(c.leads().await, 2);
    let waited = began.elapsed();
    assert!(over + waited + Duration::from_secs(1) >= DURATION, "{over:?}, {waited:?}");
    println!("taken over {waited:?} after a crash");

    // Somebody deletes it: who held it is out, whoever comes next.
    let mut d = Candidate::new(&server, "d");
    d.is(|told| *told == Leadership::Waiting { holder: Some("c".to_owned()) }).await;
    let api: Api<Lease> = Api::namespaced(server.client.clone(), "default");
    api.delete("kube-ovn-controller", &DeleteParams::default()).await.unwrap();
    c.is(|told| *told == Leadership::Lost).await;
    assert_eq!(d.leads().await, 3);

    // The server stands still: it is known in time that it is over, though nothing is answered.
    server.kubernetes.pause();
    let began = Instant::now();
    d.is(|told| *told == Leadership::Lost).await;
    let lost = began.elapsed();
    server.kubernetes.resume();
    assert!(lost <= DEADLINE + LATE, "{lost:?}");
    println!("lost {lost:?} after the server stood still");
}
