//! A real `ovn-northd`, with a Southbound of its own.
#![allow(dead_code, reason = "no suite needs all of it")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::server::{Directory, output, wait_for};

/// Who tells in a log that a machine had other things to do for a second, which is nobody's fault here. The name of a
/// thread may follow.
const ASIDE: [&str; 3] = ["|timeval", "|coverage", "|poll_loop"];

/// A process that ends with its value.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Southbound and the translator that fills it.
pub(crate) struct Northd {
    pub(crate) southbound: PathBuf,
    log: PathBuf,
    _processes: [Guard; 2],
}

impl Northd {
    /// Translates what the Northbound there has.
    pub(crate) fn start(directory: &Directory, northbound: &str) -> Self {
        let path = |name: &str| directory.path(name);
        let (database, southbound, log) = (path("sb.db"), path("sb.sock"), path("northd.log"));
        output("ovsdb-tool", &["create", database.to_str().unwrap(), "/usr/share/ovn/ovn-sb.ovsschema"]);
        let remote = format!("--remote=punix:{}", southbound.display());
        let server = ["--no-chdir", &remote, database.to_str().unwrap()];
        let server = spawn("ovsdb-server", &server, &path("sb.ctl"), &path("sb.log"));
        wait_for("the Southbound to listen", || southbound.exists().then_some(()));
        let (north, south) =
            (format!("--ovnnb-db={northbound}"), format!("--ovnsb-db=unix:{}", southbound.display()));
        let northd = spawn("ovn-northd", &["--no-chdir", &north, &south], &path("northd.ctl"), &log);
        Northd { southbound, log, _processes: [northd, server] }
    }

    pub(crate) fn sbctl(&self, arguments: &[&str]) -> String {
        let database = format!("--db=unix:{}", self.southbound.display());
        output("ovn-sbctl", &[&["--no-leader-only", &database], arguments].concat())
    }

    /// What ovn-trace has to say of flows that it can't read: it parses all, as ovn-controller does.
    pub(crate) fn complaints(&self, switch: &str, port: &str) -> String {
        let database = format!("--db=unix:{}", self.southbound.display());
        let packet = format!("inport == \"{port}\" && eth.src == 0a:58:0a:14:00:6f");
        let trace = Command::new("ovn-trace")
            .args(["--no-leader-only", &database, switch, &packet])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&trace.stderr);
        errors.lines().filter(|line| !is_aside(line)).collect::<Vec<_>>().join("\n")
    }

    /// Everything that northd found worth a warning, connections and slow machines aside.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap();
        let grave =
            log.lines().filter(|line| ["|WARN|", "|ERR|", "|EMER|"].iter().any(|level| line.contains(level)));
        grave.filter(|line| !line.contains("|reconnect|") && !is_aside(line)).map(ToOwned::to_owned).collect()
    }
}

fn is_aside(line: &str) -> bool {
    ASIDE.iter().any(|module| line.contains(module))
}

fn spawn(program: &str, arguments: &[&str], control: &Path, log: &Path) -> Guard {
    let child = Command::new(program)
        .args(["-vconsole:info", "-vsyslog:off", "-vfile:off", &format!("--unixctl={}", control.display())])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(log).unwrap())
        .spawn();
    Guard(child.unwrap_or_else(|error| panic!("{program}: {error}; install ovn-central")))
}
