//! Whoever is asked must answer: listeners in the namespaces that probes go to.
//!
//! TCP connections are accepted and closed, datagrams go back to where they came from. A listener is bound to the
//! very address that is asked, since an answer from another address of its host would be thrown away.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use kubeovn_node::netns::NetNs;
use nix::sys::stat::fstat;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::lab::manifest::Traffic;

/// Before the next connection is taken after one could not be.
const PAUSE: Duration = Duration::from_millis(10);

/// Listeners that live as long as this does.
#[derive(Debug, Default)]
pub(super) struct Listeners(BTreeMap<Key, Listener>);

/// Device and inode of the namespace, since a name may stand for another namespace later; whether it is TCP.
type Key = (u64, u64, SocketAddr, bool);

#[derive(Debug)]
struct Listener(JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Listeners {
    /// Listens for exactly this traffic, in these namespaces, at these addresses. The kernel answers echo requests
    /// by itself.
    ///
    /// An address that cannot be bound is no error here: the probe will find that nobody answers.
    pub(super) async fn listen(&mut self, asked: &[(&NetNs, IpAddr, Traffic)]) {
        let wanted: BTreeMap<Key, &NetNs> = asked
            .iter()
            .filter_map(|(netns, to, traffic)| {
                let (port, tcp) = match traffic {
                    Traffic::Icmp => return None,
                    Traffic::Tcp(port) => (port, true),
                    Traffic::Udp(port) => (port, false),
                };
                let file = fstat(netns.as_fd()).ok()?;
                Some(((file.st_dev, file.st_ino, SocketAddr::new(*to, port.get()), tcp), *netns))
            })
            .collect();
        for (_, mut listener) in self.0.extract_if(.., |key, _| !wanted.contains_key(key)) {
            listener.0.abort();
            // The address is free only when the task is really gone.
            let _ = (&mut listener.0).await;
        }
        for (key, netns) in wanted {
            if self.0.contains_key(&key) {
                continue;
            }
            let (_, _, address, tcp) = key;
            match if tcp { accept(netns, address).await } else { echo(netns, address).await } {
                Ok(listener) => drop(self.0.insert(key, Listener(listener))),
                Err(error) => {
                    tracing::debug!(netns = %netns.path().display(), %address, %error, "cannot listen");
                }
            }
        }
    }
}

/// Takes TCP connections and closes them.
async fn accept(netns: &NetNs, address: SocketAddr) -> io::Result<JoinHandle<()>> {
    let listener = bind(netns, move || TcpListener::bind(address)).await?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    Ok(tokio::spawn(async move {
        loop {
            // A connection that was given up meanwhile is an error here, and so is a want of descriptors: no reason
            // to stop, but one to let others do something.
            if listener.accept().await.is_err() {
                sleep(PAUSE).await;
            }
        }
    }))
}

/// Sends datagrams back.
async fn echo(netns: &NetNs, address: SocketAddr) -> io::Result<JoinHandle<()>> {
    let socket = bind(netns, move || UdpSocket::bind(address)).await?;
    socket.set_nonblocking(true)?;
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    Ok(tokio::spawn(async move {
        let mut datagram = [0; 64];
        loop {
            if let Ok((length, from)) = socket.recv_from(&mut datagram).await {
                let _ = socket.send_to(datagram.get(..length).unwrap_or_default(), from).await;
            }
        }
    }))
}

/// Makes a socket inside a namespace, where it stays.
pub(super) async fn bind<T: Send + 'static>(
    netns: &NetNs,
    make: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let netns = netns.clone();
    tokio::task::spawn_blocking(move || netns.run(make).map_err(io::Error::other)?)
        .await
        .map_err(io::Error::other)?
}
