//! Programs that end with the value that stands for them, and where they listen.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU16, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A program that runs. It is ended as a crash would when this is dropped, and by the kernel when this process ends,
/// however it does.
pub(crate) struct Program {
    child: Child,
    /// The thread that started it: the kernel takes the end of that one for the end of its parent.
    keeper: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Program {
    /// Starts it; what it prints is added to this file.
    pub(crate) fn start(command: Command, log: PathBuf) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        // becomes the program
        let mut started = Command::new("setpriv");
        started
            .args(["--pdeathsig", "KILL", "--"])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let (tell, told) = mpsc::channel();
        let (stay, stays) = mpsc::channel::<()>();
        let keeper = thread::spawn(move || {
            let _ = tell.send(started.spawn());
            // until nobody could say anything any more
            let _ = stays.recv();
        });
        let child = told.recv().unwrap().unwrap_or_else(|error| panic!("setpriv: {error}"));
        Self { child, keeper: Some((stay, keeper)) }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        // not waited for before this is dropped, so no other process can have this number
        kill(Pid::from_raw(self.id().try_into().unwrap()), signal).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some((stay, keeper)) = self.keeper.take() {
            drop(stay);
            let _ = keeper.join();
        }
    }
}

/// Whether there is a process of this number that has not ended, be it that nobody asked how it did.
pub(crate) fn is_running(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status"));
    status.is_ok_and(|status| !status.contains("State:\tZ") && !status.contains("State:\tX"))
}

/// How many ports one takes.
const PORTS: u16 = 3;

/// The first port; those that the kernel chooses by itself are all above 32767.
const FIRST_PORT: u16 = 20_000;

/// Ports that nobody else gets, also while nobody listens on them.
pub(crate) struct Ports {
    host: Ipv4Addr,
    first: u16,
}

impl Ports {
    /// Host and port number `index`.
    pub(crate) fn address(&self, index: u16) -> String {
        assert!(index < PORTS);
        format!("{}:{}", self.host, self.first + index)
    }

    fn are_free(&self) -> bool {
        (0..PORTS).all(|index| TcpListener::bind(self.address(index)).is_ok())
    }
}

/// The next ports of this process, on a loopback address of its own: that of its number, which has 22 bits. Others who
/// listen on all addresses may have some already.
pub(crate) fn ports() -> Ports {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, 64 + high, middle, low);
    loop {
        let first = FIRST_PORT + PORTS * TAKEN.fetch_add(1, Ordering::Relaxed);
        let ports = Ports { host, first };
        if ports.are_free() {
            return ports;
        }
    }
}
