//! Northbound, Southbound and northd: one each per lab, in the underlay's namespace.

use std::path::PathBuf;

use kubeovn_node::netns::NetNs;
use tokio::sync::mpsc;

use super::supervisor::{Daemon, FabricEvent, Spec};
use super::{COMING_UP, StateDir};
use crate::lab::error::LabError;
use crate::lab::state::process::Process;
use crate::lab::tool;

/// Where Debian puts OVN's schemas.
const SCHEMAS: &str = "/usr/share/ovn";

/// What the daemons say goes to their log file only.
pub(super) const QUIET: [&str; 2] = ["-vconsole:off", "-vsyslog:off"];

#[derive(Debug)]
pub(super) struct Central {
    dir: PathBuf,
    daemons: Vec<(&'static str, Daemon)>,
}

impl Central {
    /// Starts all three and waits until both databases answer.
    pub(super) async fn start(
        state: &StateDir,
        netns: &NetNs,
        events: &mpsc::UnboundedSender<FabricEvent>,
    ) -> Result<Self, LabError> {
        let mut central = Self { dir: state.central(), daemons: Vec::new() };
        let dir = central.dir.display();
        let northd = vec![
            format!("--ovnnb-db=unix:{dir}/nb.sock"),
            format!("--ovnsb-db=unix:{dir}/sb.sock"),
            format!("--unixctl={dir}/northd.ctl"),
            format!("--log-file={dir}/northd.log"),
        ];
        let database = |short: &str| {
            vec![
                format!("--remote=punix:{dir}/{short}.sock"),
                format!("--unixctl={dir}/{short}.ctl"),
                format!("--log-file={dir}/{short}.log"),
                format!("{dir}/{short}.db"),
            ]
        };
        let plan = [
            ("northbound", "ovsdb-server", database("nb")),
            ("southbound", "ovsdb-server", database("sb")),
            ("ovn-northd", "ovn-northd", northd),
        ];
        for short in ["nb", "sb"] {
            let database = format!("{dir}/{short}.db");
            tool::run("ovsdb-tool", &["create", &database, &format!("{SCHEMAS}/ovn-{short}.ovsschema")])
                .await?;
        }
        for (name, program, mut args) in plan {
            args.extend(QUIET.map(str::to_owned));
            let spec = Spec {
                name: format!("central/{name}"),
                netns: netns.clone(),
                program,
                args,
                run_dir: central.dir.clone(),
                record: state.process("central", name),
                before: None,
                after: None,
                farewell: None,
            };
            central.daemons.push((name, Daemon::keep(spec, events.clone())));
        }
        central.wait_ready().await?;
        Ok(central)
    }

    async fn wait_ready(&self) -> Result<(), LabError> {
        for (short, socket) in [("nb", self.northbound()), ("sb", self.southbound())] {
            let what = format!("a connection to {}", socket.display());
            let log = self.dir.join(format!("{short}.log"));
            let connect = || async { tokio::net::UnixStream::connect(&socket).await.ok() };
            tool::wait_for(&what, COMING_UP, &log, connect).await?;
            // As the distribution's start script does: clients count on the one row of NB_Global, and ovn-controller
            // crashes while there is none in SB_Global.
            let database = format!("--db=unix:{}", socket.display());
            tool::run(&format!("ovn-{short}ctl"), &["--no-leader-only", "--timeout=30", &database, "init"])
                .await?;
        }
        Ok(())
    }

    pub(super) fn northbound(&self) -> PathBuf {
        self.dir.join("nb.sock")
    }

    pub(super) fn southbound(&self) -> PathBuf {
        self.dir.join("sb.sock")
    }

    pub(super) fn northd(&self) -> PathBuf {
        self.dir.join("northd.ctl")
    }

    pub(super) fn process(&self, daemon: &str) -> Option<Process> {
        self.daemons.iter().find(|(name, _)| *name == daemon)?.1.process()
    }

    /// Ends northd before the databases it writes to.
    pub(super) async fn stop(self) {
        for (_, daemon) in self.daemons.into_iter().rev() {
            daemon.stop().await;
        }
    }
}
