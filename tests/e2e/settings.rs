//! What whoever starts the cluster can choose, by environment variables.

use std::{env, path::PathBuf, str::FromStr, time::Duration};

use crate::{cni::Cni, install::Install, programs};

/// How long everything may take, if nobody says otherwise: five times what it takes on two cores that do nothing else.
const LIMIT: Duration = Duration::from_mins(45);

/// How often pods come and go, if nobody says otherwise.
const ROUNDS: usize = 10;

/// So many do so at once, if nobody says otherwise.
const PODS: usize = 60;

/// How much sooner the cluster gives up than it is ended: time to say what it was doing.
const GRACE: Duration = Duration::from_secs(20);

/// How the cluster is to be.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Of its nodes, by number from 1.
    pub(crate) nodes: u16,
    /// What gives pods their network.
    pub(crate) cni: Cni,
    /// What runs that.
    pub(crate) install: Install,
    /// Whether it stays after the checks.
    pub(crate) keep: bool,
    /// How long everything may take; kept ones may stay.
    pub(crate) limit: Duration,
    /// Only checks with this in their names.
    pub(crate) filter: Option<String>,
}

impl Settings {
    /// `NODES`, `CNI`, `INSTALL`, `KEEP` and `LIMIT` (in seconds), and the first word of the command line that is no option.
    pub(crate) fn given() -> Self {
        let (cni, install) = (Cni::given(), Install::given());
        assert!(cni == Cni::KubeOvn || install == Install::Processes, "only kubeovn is installed as pods");
        Self {
            nodes: number("NODES").unwrap_or(if install == Install::Pods { 2 } else { 3 }).max(1),
            cni,
            install,
            keep: env::var("KEEP").is_ok_and(|keep| !matches!(keep.as_str(), "" | "0")),
            limit: number("LIMIT").map_or(LIMIT, Duration::from_secs),
            filter: env::args().skip(1).find(|word| !word.starts_with('-')),
        }
    }

    /// How long the checks may take.
    pub(crate) fn limit_inside(&self) -> Duration {
        self.limit.saturating_sub(GRACE)
    }
}

/// How often pods come and go by the dozen: `ROUNDS`.
pub(crate) fn rounds() -> usize {
    number("ROUNDS").unwrap_or(ROUNDS)
}

/// How many of them at once: `PODS`.
pub(crate) fn pods() -> usize {
    number("PODS").unwrap_or(PODS)
}

fn number<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, which is no such number")))
}

/// Names the folder of logs; of two clusters at once each needs one.
pub(crate) const FOLDER: &str = "KUBEOVN_E2E_FOLDER";

/// Where logs stay after the cluster has gone: `e2e` beside the folder of the profile in cargo's target directory, if
/// nobody says otherwise.
pub(crate) fn folder() -> PathBuf {
    let given = env::var_os(FOLDER).map(PathBuf::from);
    given.unwrap_or_else(|| programs::profile().parent().unwrap().join("e2e"))
}
