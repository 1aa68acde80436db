//! The node itself: everything that is read or tried goes through [`Host`].

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use kubeovn_core::index::NetworkType;
use kubeovn_node::netlink::{Netlink, Route, Veth};
use kubeovn_node::netns::NetNs;
use kubeovn_node::tunnel::Interface;
use nix::sched::{CloneFlags, unshare};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the node's own network namespace, where nothing is changed.
    Node,
    /// In one that is gone afterwards.
    Scratch,
}

/// Why a program did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not installed, or could not be started.
    Absent(String),
    /// It said so.
    Said(String),
}

/// A link that is made to see whether it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    Veth,
    Tunnel(NetworkType),
}

/// A node.
#[async_trait]
pub(super) trait Host: Send + Sync {
    /// Runs a program to its end; its standard output.
    async fn run(
        &self,
        place: Place,
        program: &str,
        arguments: &[&str],
        input: &str,
    ) -> Result<String, Refusal>;
    /// Makes a link in the scratch namespace. The outer error tells that there is no such namespace.
    async fn make(&self, link: Made) -> Result<Result<(), String>, String>;
    /// Links with their addresses, all names of links, and routes, those of [`Place::Node`].
    async fn network(&self) -> Result<(Vec<Interface>, Vec<String>, Vec<Route>), String>;
    /// A file's text.
    fn read(&self, path: &Path) -> io::Result<String>;
    /// The names in a folder.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Where a link of the file system leads.
    fn leads_to(&self, path: &Path) -> io::Result<PathBuf>;
    /// Whether a file may be written; it is not.
    fn writable(&self, path: &Path) -> bool;
    /// Whether there is such a file.
    fn exists(&self, path: &Path) -> bool;
}

/// This node.
pub(super) struct ThisNode {
    node: NetNs,
    scratch: Result<NetNs, String>,
}

impl ThisNode {
    /// The namespace of this process, and a new one that goes with the value.
    ///
    /// # Errors
    /// When its own namespace can't be opened.
    pub(super) fn new() -> Result<Self, String> {
        let node = NetNs::current().map_err(|error| error.to_string())?;
        // Only this thread enters it; the handle keeps it when the thread has ended.
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| errno.desc().to_owned())?;
            NetNs::current().map_err(|error| error.to_string())
        });
        let scratch = made.join().unwrap_or_else(|_| Err("the thread for it ended".to_owned()));
        Ok(ThisNode { node, scratch })
    }

    fn at(&self, place: Place) -> Result<&NetNs, String> {
        match place {
            Place::Node => Ok(&self.node),
            Place::Scratch => self
                .scratch
                .as_ref()
                .map_err(|why| format!("there is no network namespace to try it in: {why}")),
        }
    }
}

#[async_trait]
impl Host for ThisNode {
    async fn run(
        &self,
        place: Place,
        program: &str,
        arguments: &[&str],
        input: &str,
    ) -> Result<String, Refusal> {
        let ns = self.at(place).map_err(Refusal::Absent)?;
        let runtime = Handle::current();
        let spawn = || {
            let _inside = runtime.enter();
            let mut command = Command::new(program);
            command.args(arguments).env("LC_ALL", "C").stdin(Stdio::piped());
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()
        };
        let spawned = ns.run(spawn).map_err(|error| Refusal::Absent(error.to_string()))?;
        let mut child = spawned.map_err(|error| {
            let missing = error.kind() == io::ErrorKind::NotFound;
            Refusal::Absent(if missing { "not installed".to_owned() } else { error.to_string() })
        })?;
        if let Some(mut stdin) = child.stdin.take() {
            // Short enough for the pipe; a program that does not read says itself why.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = match timeout(PATIENCE, child.wait_with_output()).await {
            Ok(output) => output.map_err(|error| Refusal::Absent(error.to_string()))?,
            Err(_) => {
                return Err(Refusal::Said(format!("it did not end within {} s", PATIENCE.as_secs())));
            }
        };
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let said: String = said.chars().take(200).collect();
        Err(Refusal::Said(if said.is_empty() { output.status.to_string() } else { said }))
    }

    async fn make(&self, link: Made) -> Result<Result<(), String>, String> {
        let ns = self.at(Place::Scratch)?;
        let netlink = Netlink::new(ns).map_err(|error| error.to_string())?;
        let made = match link {
            Made::Veth => {
                netlink.add_veth(Veth { name: "check", peer: "check-peer", peer_ns: ns, mtu: 1400 }).await
            }
            Made::Tunnel(NetworkType::Geneve) => netlink.add_geneve("check-geneve").await,
            Made::Tunnel(NetworkType::Vxlan) => netlink.add_vxlan("check-vxlan").await,
            Made::Tunnel(NetworkType::Stt) => return Ok(Err("there is none".to_owned())),
        };
        Ok(made.map_err(|error| error.to_string()))
    }

    async fn network(&self) -> Result<(Vec<Interface>, Vec<String>, Vec<Route>), String> {
        let reading = async {
            let netlink = Netlink::new(&self.node)?;
            let interfaces = netlink.interfaces().await?;
            let links = netlink.links().await?.into_keys().collect();
            Ok::<_, kubeovn_node::netlink::NetlinkError>((
                interfaces,
                links,
                netlink.routes_elsewhere("ovn0").await?,
            ))
        };
        reading.await.map_err(|error| error.to_string())
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn leads_to(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::read_link(path)
    }

    fn writable(&self, path: &Path) -> bool {
        std::fs::OpenOptions::new().write(true).open(path).is_ok()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
}
