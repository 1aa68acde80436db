//! Echo requests from one pod to another, a hundred a second, and the moments in which answers came.

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use kubeovn_node::netns::NetNs;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// Between two requests.
const EVERY: Duration = Duration::from_millis(10);

/// Asks until it is dropped.
pub(crate) struct Ping {
    answers: Arc<Mutex<Vec<Instant>>>,
    enough: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ping {
    pub(crate) fn start(from: &NetNs, to: Ipv4Addr) -> Self {
        let raw = || {
            let flags = SockFlag::SOCK_CLOEXEC;
            UdpSocket::from(socket(AddressFamily::Inet, SockType::Raw, flags, SockProtocol::Icmp).unwrap())
        };
        // The socket stays in the namespace that it was made in.
        let socket = from.run(raw).unwrap();
        socket.connect((to, 0)).unwrap();
        let answers: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let enough: Arc<AtomicBool> = Arc::default();
        let thread = {
            let (answers, enough) = (answers.clone(), enough.clone());
            std::thread::spawn(move || {
                let mut next = Instant::now();
                let mut sequence: u16 = 0;
                while !enough.load(Ordering::Relaxed) {
                    // While the neighbour cannot be resolved the kernel refuses: no answer, that is all.
                    let _ = socket.send(&request(sequence));
                    sequence = sequence.wrapping_add(1);
                    next += EVERY;
                    listen_until(&socket, next, &answers);
                }
            })
        };
        Ping { answers, enough, thread: Some(thread) }
    }

    pub(crate) fn answers_since(&self, from: Instant) -> usize {
        self.answers.lock().unwrap().iter().rev().take_while(|at| **at > from).count()
    }

    /// The longest time without an answer that ends after `from`.
    pub(crate) fn gap_since(&self, from: Instant) -> Duration {
        let answers = self.answers.lock().unwrap();
        let first = answers.iter().rposition(|at| *at <= from).unwrap_or(0);
        let times: Vec<Instant> = answers[first..].iter().copied().chain([Instant::now()]).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}

impl Drop for Ping {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen_until(socket: &UdpSocket, until: Instant, answers: &Mutex<Vec<Instant>>) {
    let mut packet = [0; 128];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        socket.set_read_timeout(Some(left)).unwrap();
        match socket.recv(&mut packet) {
            // The kernel hands over the IPv4 header too, of 20 bytes here; an answer is of type 0.
            Ok(length) if length >= 28 && packet[20] == 0 => answers.lock().unwrap().push(Instant::now()),
            Ok(_) => {}
            // Nothing in time, or what an earlier packet met on its way.
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// An echo request with its checksum (RFC 1071).
fn request(sequence: u16) -> [u8; 8] {
    let [high, low] = sequence.to_be_bytes();
    let mut packet = [8, 0, 0, 0, 0x77, 0x69, high, low];
    let mut sum: u32 = packet.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    [packet[2], packet[3]] = (!u16::try_from(sum).unwrap()).to_be_bytes();
    packet
}
