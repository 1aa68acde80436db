//! What happens inside the cluster's namespaces: the cluster, and the checks one after the other.

use std::{
    fs,
    future::pending,
    panic::AssertUnwindSafe,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::time::timeout;

use crate::{
    checks,
    cluster::{Clock, Cluster},
    jail, settings,
    settings::Settings,
};

/// How long one check may take, or a third of all that if it is more.
const CHECK: Duration = Duration::from_mins(3);

/// Starts a cluster and checks it.
pub(crate) fn run() -> ExitCode {
    let settings = Settings::given();
    let limit = settings.limit_inside();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let good = runtime.block_on(async {
        let work = AssertUnwindSafe(everything(settings.clone())).catch_unwind();
        let limit = if settings.keep { Duration::MAX } else { limit };
        let Ok(done) = timeout(limit, work).await else {
            eprintln!("e2e: not done after {} s", limit.as_secs());
            return false;
        };
        done.unwrap_or(false)
    });
    keep_all_logs();
    // The processes end with the namespaces. What waits for one here may wait for ever.
    runtime.shutdown_background();
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn everything(settings: Settings) -> bool {
    let began = Instant::now();
    let (keep, limit) = (settings.keep, settings.limit);
    let filter = settings.filter.clone();
    let cluster = Arc::new(Cluster::start(settings).await);
    let chosen =
        checks::of(&cluster).filter(|(name, _)| filter.as_ref().is_none_or(|part| name.contains(part)));
    let mut failed = Vec::new();
    let mut done = 0;
    for (name, check) in chosen {
        done += 1;
        let began = Instant::now();
        let check = AssertUnwindSafe(check(Arc::clone(&cluster))).catch_unwind();
        let outcome = timeout(CHECK.max(limit / 3), check).await;
        let how = match outcome {
            Ok(Ok(())) => "ok",
            Ok(Err(_)) => "FAILED",
            Err(_) => "FAILED: takes too long",
        };
        println!("e2e: {:5.1} s  {name} ... {how}", began.elapsed().as_secs_f64());
        if how != "ok" {
            failed.push(*name);
        }
    }
    Clock(began).says(&format!("all of it: {done} checks, failed: {failed:?}"));
    // some go with the cluster
    keep_all_logs();
    if keep {
        let folder = settings::folder();
        println!(
            "e2e: it stays until Ctrl-C. {0}/enter is the way in, {0}/enter n1 onto a node",
            folder.display()
        );
        pending::<()>().await;
    }
    // a name that no check has is a mistake
    failed.is_empty() && done > 0
}

fn keep_all_logs() {
    for folder in [jail::RUN, kubeovn_bins::lab::state::ROOT] {
        keep_logs(Path::new(folder), &settings::folder().join("run"));
    }
}

/// Copies the logs below a folder to where they outlast the cluster.
fn keep_logs(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Ok(kind) = entry.file_type() else { continue };
        // what is in containers is nobody's log
        let passed = ["containerd", "kubelet", "netns", "upper", "work"].contains(&&*name.to_string_lossy());
        if kind.is_dir() && !passed {
            keep_logs(&path, &to.join(&name));
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "log") {
            let _ = fs::create_dir_all(to);
            let _ = fs::copy(&path, to.join(name));
        }
    }
}
