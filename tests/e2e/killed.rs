//! That nothing is left of a cluster that is killed where it is watched from: no process, no cgroup.
//!
//! Mounts, links and the like need no look: they are in namespaces, and those end with their last process.

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{cgroup, jail, settings};

/// How long what was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(15);

/// Starts a cluster of one node, kills it, and looks. What is left, if anything is.
pub(crate) fn rehearse() -> Result<(), String> {
    let mut watch = Command::new(env::current_exe().unwrap());
    watch.env(settings::FOLDER, settings::folder().join("killed"));
    watch.envs([("NODES", "1"), ("CNI", "bridge"), ("LIMIT", "120")]).stdout(Stdio::piped());
    let mut watch = watch.spawn().map_err(|error| error.to_string())?;
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let up = lines.map_while(Result::ok).any(|line| line.contains("are Ready"));
    let cgroup = Path::new("/sys/fs/cgroup").join("cpu").join(cgroup::name_of(watch.id()));
    let unified = Path::new("/sys/fs/cgroup").join(cgroup::name_of(watch.id()));
    let first = jail::child_of(watch.id()).and_then(jail::child_of);
    let first = first.map(|first| format!("/proc/{first}")).filter(|first| Path::new(first).exists());
    let made = cgroup.exists() || unified.exists();
    let _ = watch.kill();
    let _ = watch.wait();
    let Some(first) = first.filter(|_| up && made) else {
        return Err(format!("no cluster came up that could be killed (cgroup: {made})"));
    };
    let began = Instant::now();
    loop {
        let left: Vec<String> = [Path::new(&first), &cgroup, &unified]
            .into_iter()
            .filter(|path| path.exists())
            .map(|path| path.display().to_string())
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("left behind: {}", left.join(", ")));
        }
        thread::sleep(Duration::from_millis(50));
    }
}
