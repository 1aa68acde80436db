//! What happens outside the cluster's namespaces: the watch over it.

use std::{
    env,
    fs::{self, File},
    process::{Child, ExitCode, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use crate::{
    cgroup,
    install::Install,
    jail::{self, Janitor},
    killed,
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
        return refuse(&format!("{program} is missing: make e2e installs {package}"));
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
    let before = kernel();
    let janitor = Janitor::new(&cgroup::name_of(std::process::id()));
    let cluster = jail::enter();
    let door = folder.join("enter");
    if let Some(first) = until_first(&cluster) {
        jail::write_door(&door, first, &folder.join("kubeconfig"), programs.kubectl.parent().unwrap());
    }
    let ended = watch(cluster, (!settings.keep).then_some(settings.limit));
    let _ = fs::remove_file(door);
    let mut good = ended.is_some_and(|status| status.success());
    if !good {
        eprintln!("e2e: failed; logs are in {}", folder.display());
    }
    good &= janitor.finish();
    if kernel() != before {
        eprintln!("e2e: the machine's settings changed from {before:?} to {:?}", kernel());
        good = false;
    }
    let whole = settings.filter.is_none() && !settings.keep && env::var_os(settings::FOLDER).is_none();
    // once is enough
    let whole = whole && settings.install == Install::Processes;
    if good && whole {
        let began = Instant::now();
        let rehearsed = killed::rehearse();
        let how = rehearsed.as_ref().map_or_else(|why| format!("FAILED: {why}"), |()| "ok".to_owned());
        println!(
            "e2e: {:5.1} s  nothing_is_left_of_one_that_is_killed ... {how}",
            began.elapsed().as_secs_f64()
        );
        good = rehearsed.is_ok();
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What kubelets would change of the machine.
fn kernel() -> [Option<String>; 3] {
    ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops"]
        .map(|setting| fs::read_to_string(format!("/proc/sys/{setting}")).ok())
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("e2e: {why}");
    ExitCode::FAILURE
}

fn until_first(cluster: &Child) -> Option<u32> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        if let Some(first) = jail::child_of(cluster.id()) {
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
