//! The controller as a process.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tokio::time::sleep;

use crate::{
    kubernetes::{
        Kubernetes,
        process::{Ports, Program, ports},
    },
    server::{Directory, Server},
};

const PATIENCE: Duration = Duration::from_mins(5);

/// Lets go of its lease when it is dropped.
pub(crate) struct Controller {
    program: Program,
    ports: Ports,
    log: PathBuf,
    began: Instant,
}

impl Controller {
    /// As it runs in a cluster, but for where it listens.
    pub(crate) fn start(
        name: &str,
        kubernetes: &Kubernetes,
        northbound: &Server,
        directory: &Directory,
    ) -> Self {
        let (ports, log) = (ports(), directory.path(&format!("{name}.log")));
        let address = ports.address(0);
        let (host, port) = address.split_once(':').unwrap();
        let mut command = Command::new("env");
        command
            .args(["ENABLE_BIND_LOCAL_IP=true", &format!("POD_IPS={host}")])
            .arg(env!("CARGO_BIN_EXE_kubeovn-controller"))
            .arg(format!("--kubeconfig={}", kubernetes.kubeconfig().display()))
            .arg(format!("--ovn-nb-addr={}", northbound.endpoint()))
            .arg(format!("--pprof-port={port}"));
        let began = Instant::now();
        Controller { program: Program::start(command, log.clone()), ports, log, began }
    }

    /// Waits until it is ready and has nothing to do, and answers how long that took since its start.
    pub(crate) async fn settles(&self) -> Duration {
        let asked = Instant::now();
        let idle = "kubeovn_idle{component=\"controller\"}";
        let ready = || self.get("/readyz").is_some_and(|(status, _)| status == 200);
        while !(ready() && self.metric(idle) == Some(1.0)) {
            assert!(asked.elapsed() < PATIENCE, "the controller does not settle");
            sleep(Duration::from_millis(20)).await;
        }
        self.began.elapsed()
    }

    /// Transactions, whatever became of them.
    pub(crate) fn transactions(&self) -> f64 {
        let of =
            |outcome| self.metric(&format!("kubeovn_transactions_total{{outcome=\"{outcome}\"}}")).unwrap();
        of("done") + of("refused") + of("unknown")
    }

    /// Processor time up to now.
    pub(crate) fn processor(&self) -> Duration {
        processor(self.program.id())
    }

    /// The most memory that it had, in MB.
    pub(crate) fn peak(&self) -> f64 {
        self.memory("VmHWM:")
    }

    /// The memory that it has, in MB.
    pub(crate) fn resident(&self) -> f64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    fn metric(&self, sample: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics")?;
        text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
    }

    /// Status and body of an answer; `None` where nobody answers.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.ports.address(0)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }
}

/// Processor time of a process up to now, that of the kernel for it included.
pub(crate) fn processor(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

impl Drop for Controller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let start = log.floor_char_boundary(log.len().saturating_sub(6_000));
            eprintln!("{}:\n{}", self.log.display(), &log[start..]);
        }
        // The next one need not wait for the lease to run out.
        self.program.signal(Signal::SIGTERM);
        let asked = Instant::now();
        while !self.program.has_ended() && asked.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
