//! `kill -9` at every effect.

use std::{collections::BTreeMap, ops::Range};

use tokio::time::Instant;

use crate::{
    controller::Controller,
    cut::{CUTS, Cut},
    ground::{Ground, InMemory},
    objects::{pod, pod_key},
    real::Real,
    scenes::{Scene, stage},
    view::{Said, View},
};

/// Longer than anything takes, by the clock of the ground.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

/// No scene has more effects than this.
const MOST: usize = 60;

/// Waits until everything is there that should be, and the controller has nothing left to do; or until it is dead.
pub(crate) async fn rest(ground: &dyn Ground, controller: &Controller) {
    let began = Instant::now();
    let mut quiet = 0;
    loop {
        ground.moment().await;
        if controller.fuse.is_blown() {
            return;
        }
        let missing = View::of(ground).await.missing();
        let idle = controller.is_idle().await;
        quiet = if idle && missing.is_empty() { quiet + 1 } else { 0 };
        // Twice, since what a user did may not have been heard of the first time.
        if quiet == 2 {
            return;
        }
        let effects = controller.fuse.effects();
        assert!(began.elapsed() < PATIENCE, "idle {idle}, missing {missing:#?}, effects {effects:#?}");
    }
}

/// A controller starts on what the one before left, and finds nothing to write.
pub(crate) async fn finds_nothing(ground: &dyn Ground) -> Controller {
    let before = View::of(ground).await;
    let controller = Controller::start(ground);
    rest(ground, &controller).await;
    assert_eq!(controller.fuse.effects(), [""; 0], "a restart wrote");
    let after = View::of(ground).await;
    assert_eq!(after.revisions(), before.revisions(), "a restart changed objects");
    assert_eq!(after.rows, before.rows, "a restart changed rows");
    controller
}

/// Prepares a scene, once for each of these rounds.
async fn prepare(ground: &dyn Ground, controller: &Controller, scene: Scene, numbers: Range<usize>) {
    for number in numbers.clone() {
        scene.prepare(ground, number).await;
    }
    rest(ground, controller).await;
    for number in numbers {
        scene.leave(ground, number).await;
    }
    rest(ground, controller).await;
}

/// What is said of everybody, without what is left of him whom the scene is about and who is gone.
fn said(view: &View, scene: Scene, port: &str) -> BTreeMap<String, Said> {
    let mut said = view.said();
    match scene {
        Scene::PodGone | Scene::SubnetGone => drop(said.remove(port)),
        // Record and port may be what his predecessor left.
        Scene::PodReplaced => {
            said.entry(port.to_owned()).and_modify(|said| (said.record, said.port) = (None, None));
        }
        _ => {}
    }
    said
}

/// Who was told something before is told nothing else.
fn keeps_promises(before: &BTreeMap<String, Said>, after: &BTreeMap<String, Said>) {
    for (name, before) in before {
        assert!(before.all().len() < 2, "{name} was told two things: {before:?}");
        let now = after.get(name).map(Said::all).unwrap_or_default();
        assert!(before.all().is_subset(&now) && now.len() < 2, "{name} was told {before:?}, now {now:?}");
    }
}

/// The controller dies at the `nth` effect of a scene; the next one at an effect of its own, if that is said. Answers the
/// last one, which has nothing to do, and whether both died.
async fn round(
    ground: &dyn Ground,
    victim: Controller,
    (scene, number): (Scene, usize),
    (nth, cut): (usize, Cut),
    second: Option<(usize, Cut)>,
) -> (Controller, bool) {
    let port = scene.port(number);
    let had = View::of(ground).await.said().remove(&port);
    victim.fuse.arm(nth, cut);
    scene.act(ground, number).await;
    rest(ground, &victim).await;
    let mut died = victim.fuse.is_blown();
    victim.kill().await;

    let mut promised = said(&View::of(ground).await, scene, &port);
    if matches!(scene, Scene::MemberBack | Scene::MemberReplaced) {
        promised.insert(port.clone(), had.unwrap());
    }
    if let Some((nth, cut)) = second.filter(|_| died) {
        let next = Controller::start(ground);
        next.fuse.arm(nth, cut);
        rest(ground, &next).await;
        died = next.fuse.is_blown();
        next.kill().await;
        let now = said(&View::of(ground).await, scene, &port);
        keeps_promises(&promised, &now);
        promised.extend(now.into_iter().filter(|(_, now)| !now.all().is_empty()));
    }
    let next = Controller::start(ground);
    rest(ground, &next).await;
    next.kill().await;
    let view = View::of(ground).await;
    keeps_promises(&promised, &view.said());
    scene.check(&view, number);
    assert_eq!(ground.doubles(), [""; 0], "an address was in two ports at once");
    (finds_nothing(ground).await, died)
}

/// No scene has fewer effects than this.
const LEAST: usize = 3;

/// The same as [`MOST`] on real servers, which tell of what happens in other portions, so that status is written more
/// often. Nine scenes with two cuts each take 18 times as many numbers, and the last of them makes a subnet
/// `10.40.{number}.0/24` of each: with 15 there would be numbers beyond 255.
const MOST_ON_REAL: usize = 14;

/// Says where it went wrong.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// From here on the next address is one that a ledger which begins anew would not give: what is found again after a death
/// was read, not guessed.
async fn use_up(ground: &InMemory, controller: &Controller) {
    let pods = ["web", "dual"].map(|namespace| ["a", "b", "c"].map(|name| (namespace, name)));
    for (namespace, name) in pods.as_flattened() {
        ground.apply(pod(namespace, name, "n1", &[])).await;
    }
    rest(ground, controller).await;
    for (namespace, name) in pods.as_flattened() {
        ground.delete(&pod_key(namespace, name)).await;
    }
    rest(ground, controller).await;
}

async fn in_memory(scene: Scene, first: (usize, Cut), second: Option<(usize, Cut)>) -> bool {
    let _told = Told(format!("{scene:?}, killed at {first:?}, then at {second:?}"));
    let ground = InMemory::new();
    stage(&ground).await;
    let victim = Controller::start(&ground);
    rest(&ground, &victim).await;
    use_up(&ground, &victim).await;
    prepare(&ground, &victim, scene, 0..1).await;
    let (_, died) = round(&ground, victim, (scene, 0), first, second).await;
    died
}

/// Runs with the first number, the second and so on, until one ends without a death; answers how many died.
async fn until_none(mut dies: impl AsyncFnMut(usize) -> bool) -> usize {
    for nth in 1..MOST {
        if !dies(nth).await {
            return nth - 1;
        }
    }
    panic!("more than {MOST} effects")
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_effect_the_next_one_goes_on() {
    for scene in Scene::ALL {
        for cut in CUTS {
            let deaths = until_none(async |nth| in_memory(scene, (nth, cut), None).await).await;
            println!("{scene:?} {cut:?}: {deaths} deaths");
            assert!(deaths >= LEAST, "{scene:?}: {deaths} effects, and there are more");
        }
    }
}

/// The one that comes after it dies as well, at every effect of its own.
#[tokio::test(start_paused = true)]
async fn killed_twice_in_a_row_the_third_one_goes_on() {
    let mut deaths = 0;
    for scene in Scene::ALL {
        for cut in CUTS {
            let effects = until_none(async |nth| in_memory(scene, (nth, cut), None).await).await;
            for nth in 1..=effects {
                for next in CUTS {
                    deaths +=
                        until_none(async |second| in_memory(scene, (nth, cut), Some((second, next))).await)
                            .await;
                }
            }
        }
    }
    println!("{deaths} pairs");
    assert!(deaths > 100, "{deaths}");
}

/// The same where nothing is simulated: one scene after the other, at each effect of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_effect_on_real_servers_the_next_one_goes_on() {
    let ground = Real::start().await;
    stage(&ground).await;
    let mut controller = Controller::start(&ground);
    rest(&ground, &controller).await;
    let began = std::time::Instant::now();
    let mut first = 0;
    for scene in Scene::ALL.into_iter().filter(|scene| *scene != Scene::PodReplaced) {
        for cut in CUTS {
            let numbers = first..first + MOST_ON_REAL;
            prepare(&ground, &controller, scene, numbers.clone()).await;
            first = numbers.end;
            let mut deaths = 0;
            for number in numbers {
                let _told = Told(format!("{scene:?}, killed at {cut:?} {}", deaths + 1));
                let died;
                (controller, died) =
                    round(&ground, controller, (scene, number), (deaths + 1, cut), None).await;
                if !died {
                    break;
                }
                deaths += 1;
            }
            println!("{:?}: {scene:?} {cut:?}: {deaths} deaths", began.elapsed());
            // As many as there are rounds would mean that none went through.
            assert!((LEAST..MOST_ON_REAL).contains(&deaths), "{scene:?}: {deaths} deaths");
        }
    }
}
