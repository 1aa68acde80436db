//! What happens outside the cluster's namespaces: the watch over it.

use std::{
    fs::{self, File},
    process::{Child, ExitCode, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use crate::{
    cgroup,
    jail::{self, Janitor},
    programs::{self, Programs},
    settings::{self, Settings},
};

/// How often to look.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs the cluster and its checks, and leaves nothing but logs.
pub(crate) fn run() -> ExitCode {
    let settings = Settings::given();
    if !nix::unistd::Uid::effective().is_root() {
        return refuse("namespaces need root");
    }
    if let Some((program, package)) = programs::missing() {
        return refuse(&format!("{program} is missing: make setup installs {package}"));
    }
    let programs = Programs::find();
    let folder = settings::folder();
    fs::create_dir_all(&folder).unwrap();
    let lock = File::open(&folder).unwrap();
    if lock.try_lock().is_err() {
        return refuse(&format!("a cluster runs that logs to {}: end it first", folder.display()));
    }
    fs::read_dir(&folder).unwrap().flatten().for_each(|old| {
        let path = old.path();
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    });
    let janitor = Janitor::new(&cgroup::name_of(std::process::id()));
    let cluster = jail::enter();
    let door = folder.join("enter");
    if let Some(first) = until_first(&cluster) {
        jail::write_door(
            &door,
            first,
            &settings::folder().join("kubeconfig"),
            programs.kubectl.parent().unwrap(),
        );
    }
    let ended = watch(cluster, (!settings.keep).then_some(settings.limit));
    let _ = fs::remove_file(door);
    let clean = janitor.finish();
    if !ended.is_some_and(|status| status.success()) {
        eprintln!("e2e: failed; logs are in {}", folder.display());
        return ExitCode::FAILURE;
    }
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("e2e: {why}");
    ExitCode::FAILURE
}

fn until_first(cluster: &Child) -> Option<u32> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        if let Some(first) = jail::first(cluster) {
            return Some(first);
        }
        thread::sleep(PAUSE);
    }
    None
}

/// Waits for its end, and ends it when it takes too long.
fn watch(mut cluster: Child, limit: Option<Duration>) -> Option<ExitStatus> {
    let began = Instant::now();
    loop {
        if let Some(status) = cluster.try_wait().unwrap() {
            return Some(status);
        }
        if limit.is_some_and(|limit| began.elapsed() > limit) {
            eprintln!("e2e: ended after {} s", began.elapsed().as_secs());
            let _ = cluster.kill();
            let _ = cluster.wait();
            return None;
        }
        thread::sleep(PAUSE);
    }
}
