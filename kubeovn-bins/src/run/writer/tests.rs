//! Many at a time, each object's in their order.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use kubeovn_core::{
    contract::cluster::{Event, Note, Patch, Status},
    index::objects::{Ip, Meta, Object, SubnetStatus},
};
use tokio::time::sleep;

use super::*;

/// How long the mock takes for a write.
const TAKES: Duration = Duration::from_millis(10);

/// Notes when writes begin and end.
#[derive(Default)]
struct Mock {
    log: Mutex<Vec<(Instant, String)>>,
    flying: Mutex<(BTreeSet<ObjectKey>, usize, usize)>,
    refuse: AtomicBool,
}

impl Mock {
    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().iter().map(|(_, what)| what.clone()).collect()
    }

    fn most(&self) -> usize {
        self.flying.lock().unwrap().2
    }
}

#[async_trait]
impl Cluster for Mock {
    fn watch(&self, _: &[Kind]) -> BoxStream<'static, Event> {
        stream::pending().boxed()
    }

    async fn write(&self, write: Write) -> Result<Name, ClusterError> {
        let key = write.key();
        let what = match &write {
            Write::Create(_) => "create".to_owned(),
            Write::Patch(patch) => format!("patch@{}", patch.uid),
            Write::Status { uid, .. } => format!("status@{uid}"),
            Write::Delete { .. } => "delete".to_owned(),
            Write::Note(note) => format!("note@{}", note.reason),
        };
        let note = matches!(write, Write::Note(_));
        {
            let mut flying = self.flying.lock().unwrap();
            assert!(note || flying.0.insert(key.clone()), "two writes to {key} at once");
            flying.1 += 1;
            flying.2 = flying.2.max(flying.1);
        }
        self.log.lock().unwrap().push((Instant::now(), format!("{} {what}", key.name)));
        sleep(TAKES).await;
        let mut flying = self.flying.lock().unwrap();
        flying.0.remove(&key);
        flying.1 -= 1;
        if self.refuse.load(Ordering::Relaxed) {
            return Err(ClusterError::Refused { key, reason: "no".to_owned() });
        }
        match &write {
            Write::Patch(patch) if &*patch.uid == "away" => {
                Err(ClusterError::Unavailable { key, reason: "away".to_owned() })
            }
            _ => Ok("1".into()),
        }
    }
}

fn pod(name: &str) -> ObjectKey {
    ObjectKey { kind: Kind::Pod, namespace: "d".into(), name: name.into() }
}

fn subnet(name: &str) -> ObjectKey {
    ObjectKey::cluster(Kind::Subnet, name)
}

fn patch(to: &ObjectKey, tag: &str) -> (ObjectKey, Write) {
    (to.clone(), Write::Patch(Patch::new(to.clone(), tag.into())))
}

fn record(about: &ObjectKey, name: &str) -> (ObjectKey, Write) {
    (about.clone(), Write::Create(Object::Ip(Ip { meta: Meta::named(name), ..Ip::default() })))
}

fn delete(name: &str) -> (ObjectKey, Write) {
    let key = ObjectKey::cluster(Kind::Ip, name);
    (key.clone(), Write::Delete { key, uid: "".into() })
}

fn status(name: &str, tag: &str) -> (ObjectKey, Write) {
    let status = Status::Subnet(SubnetStatus::default());
    (subnet(name), Write::Status { key: subnet(name), uid: tag.into(), status })
}

fn note(about: &str, tag: &str) -> (ObjectKey, Write) {
    let note =
        Note { key: pod(about), uid: "".into(), warning: true, reason: tag.into(), message: "".into() };
    (pod(about), Write::Note(note))
}

fn rig() -> (Arc<Mock>, Writer, mpsc::UnboundedReceiver<Input>) {
    let mock = Arc::new(Mock::default());
    let (failed, failures) = mpsc::unbounded_channel();
    (mock.clone(), Writer::new(mock, failed), failures)
}

/// Time for so many writes one after the other.
async fn pass(writes: u32) {
    sleep(TAKES * writes + TAKES / 2).await;
}

#[tokio::test(start_paused = true)]
async fn many_are_on_their_way_but_no_more_than_allowed() {
    let (mock, writer, _failures) = rig();
    writer.ask((0..1_000).map(|n| patch(&pod(&n.to_string()), "u")).collect());
    // 1000 writes of 10 ms, 64 at a time, are 16 rounds.
    pass(16).await;
    assert_eq!((mock.log().len(), mock.most()), (1_000, LIMITS.in_flight));
}

#[tokio::test(start_paused = true)]
async fn those_about_one_object_and_those_to_one_object_keep_their_order() {
    let (mock, writer, _failures) = rig();
    let (a, b) = (pod("a"), pod("b"));
    // a's record is made anew while the old one, which was another owner's, is still to go
    writer.ask(vec![delete("r"), record(&a, "r"), patch(&a, "a"), patch(&b, "b")]);
    pass(3).await;
    assert_eq!(mock.log(), ["r delete", "b patch@b", "r create", "a patch@a"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_anew_takes_the_place_of_what_has_not_begun() {
    let (mock, writer, _failures) = rig();
    let a = pod("a");
    writer.ask(vec![record(&a, "r"), patch(&a, "first")]);
    pass(0).await;
    writer.ask(vec![record(&a, "r"), patch(&a, "second")]);
    writer.ask(vec![patch(&a, "third")]);
    pass(5).await;
    assert_eq!(mock.log(), ["r create", "a patch@third"], "the record was on its way");
}

#[tokio::test(start_paused = true)]
async fn a_status_goes_out_at_once_and_then_once_a_second_with_the_last_word() {
    let (mock, writer, _failures) = rig();
    let start = Instant::now();
    for n in 0..50 {
        writer.ask(vec![status("s", &n.to_string())]);
        if n == 25 {
            writer.ask(vec![status("t", "at once"), patch(&subnet("u"), "at once")]);
        }
        sleep(Duration::from_millis(40)).await;
    }
    sleep(Duration::from_secs(2)).await;
    let log = mock.log.lock().unwrap().clone();
    let at =
        |what: &str| log.iter().find(|(_, w)| w == what).map(|(at, _)| (*at - start).as_millis()).unwrap();
    let of_s: Vec<_> = log.iter().filter(|(_, what)| what.starts_with("s ")).collect();
    assert_eq!(of_s.len(), 3, "{log:?}");
    assert_eq!(of_s[0].1, "s status@0");
    assert_eq!(of_s[2].1, "s status@49");
    assert!(of_s.windows(2).all(|two| two[1].0 - two[0].0 >= LIMITS.status_every));
    assert_eq!((at("s status@0"), at("t status@at once"), at("u patch@at once")), (0, 1_000, 1_000));
}

#[tokio::test(start_paused = true)]
async fn a_status_gives_way_while_there_is_much_else_but_not_for_ever() {
    let (mock, writer, _failures) = rig();
    let start = Instant::now();
    let mut number = 0;
    while start.elapsed() < Duration::from_secs(12) {
        let pods = (0..2 * LIMITS.busy).map(|n| patch(&pod(&format!("{number}-{n}")), "u"));
        writer.ask(pods.chain([status("s", "u")]).collect());
        number += 1;
        // less than a write takes, so that there is always something on its way
        sleep(TAKES / 2).await;
    }
    let times = || {
        let log = mock.log.lock().unwrap();
        let of_s = log.iter().filter(|(_, what)| what.starts_with("s "));
        of_s.map(|(at, _)| (*at - start).as_secs()).collect::<Vec<_>>()
    };
    assert_eq!(times(), [0, 5, 10]);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(times(), [0, 5, 10, 12], "the last one, once it is quiet");
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_a_status_that_waits_waits_too_but_a_new_patch_does_not() {
    let (mock, writer, _failures) = rig();
    let s = subnet("s");
    writer.ask(vec![status("s", "1")]);
    pass(1).await;
    writer.ask(vec![status("s", "2")]);
    pass(1).await;
    // The finalizer goes, and with it what the subnet says.
    writer.ask(vec![patch(&s, "finalizer"), status("s", "3")]);
    pass(1).await;
    assert_eq!(mock.log(), ["s status@1", "s patch@finalizer"]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(mock.log().last().unwrap(), "s status@3");
}

#[tokio::test(start_paused = true)]
async fn notes_come_last_and_the_oldest_are_dropped() {
    let (mock, writer, _failures) = rig();
    let most = LIMITS.notes + 10;
    let mut all: Vec<_> = (0..most).map(|n| note("n", &n.to_string())).collect();
    all.extend((0..200).map(|n| patch(&pod(&n.to_string()), "u")));
    writer.ask(all);
    pass(u32::try_from(most).unwrap()).await;
    let log = mock.log();
    let first = log.iter().position(|what| what.starts_with("n note")).unwrap();
    assert!(first >= 192, "a note went before {} writes", 200 - first);
    let notes: Vec<_> = log.iter().filter(|what| what.starts_with("n note")).collect();
    assert_eq!((notes.len(), notes[0].as_str()), (LIMITS.notes, "n note@10"));
}

#[tokio::test(start_paused = true)]
async fn who_asked_is_told_what_failed_and_how() {
    let (mock, writer, mut failures) = rig();
    let a = pod("a");
    writer.ask(vec![record(&a, "r"), patch(&a, "away"), note("b", "x")]);
    pass(3).await;
    assert_eq!(failures.try_recv().unwrap(), Input::WriteFailed(a.clone()));
    assert!(failures.try_recv().is_err());
    mock.refuse.store(true, Ordering::Relaxed);
    writer.ask(vec![record(&a, "r"), note("b", "x")]);
    pass(3).await;
    assert_eq!(failures.try_recv().unwrap(), Input::WriteRefused(a));
    assert!(failures.try_recv().is_err(), "nobody waits for a note");
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_after_it_is_dropped() {
    let (mock, writer, _failures) = rig();
    let a = pod("a");
    writer.ask(vec![record(&a, "r"), patch(&a, "u")]);
    pass(0).await;
    drop(writer);
    pass(5).await;
    assert_eq!(mock.log(), ["r create"]);
}

/// Whatever is asked in whatever order, all is done, in order, and nothing is left over.
#[test]
fn a_queue_forgets_what_is_done() {
    let mut queue = Queue::new(LIMITS);
    let mut seed = 7_u64;
    let mut draw = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut flying = Vec::new();
    let mut asked: BTreeMap<ObjectKey, u64> = BTreeMap::new();
    let mut now = Instant::now();
    for step in 0..20_000_u64 {
        match draw(3) {
            0 => {
                let name = draw(8).to_string();
                let about = pod(&name);
                let mut batch = vec![match draw(3) {
                    0 => delete(&name),
                    1 => status(&name, &step.to_string()),
                    _ => record(&about, &name),
                }];
                batch.push(patch(&about, &step.to_string()));
                asked.insert(about, step);
                queue.ask(batch);
            }
            1 if !flying.is_empty() => {
                let at = usize::try_from(draw(flying.len() as u64)).unwrap();
                let Start { ticket, .. } = flying.swap_remove(at);
                queue.done(ticket);
            }
            _ => {
                now += Duration::from_millis(draw(300));
                if let Some(start) = queue.start(now) {
                    assert!(flying.iter().all(|other: &Start| other.write.key() != start.write.key()));
                    if let Write::Patch(patch) = &start.write {
                        let last = asked[&patch.key];
                        assert_eq!(*patch.uid, *last.to_string(), "an older wish was carried out");
                    }
                    flying.push(start);
                }
            }
        }
    }
    loop {
        flying.drain(..).for_each(|start| drop(queue.done(start.ticket)));
        now += LIMITS.status_every;
        flying.extend(std::iter::from_fn(|| queue.start(now)));
        if flying.is_empty() {
            break;
        }
    }
    let text = format!("{queue:?}");
    assert!(text.contains("asked: {}, lanes: {}, ready: {}, later: {}"), "{text}");
}
