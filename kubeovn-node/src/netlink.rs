//! Links, addresses and routes of one network namespace, over rtnetlink.
//!
//! A netlink socket belongs for ever to the namespace it was created in. So one thread enters the namespace only
//! to create the socket; after that the connection is driven on the runtime like any other, from any thread.
//!
//! All operations are named after the `ip` command they stand for and take link *names*: an index is looked up
//! per call, because a link that was deleted and made again has another. The message types of the netlink crates,
//! whose releases break often, do not leave this module.

mod address;
mod error;
mod link;
mod neighbour;
mod route;
mod rule;

use nix::errno::Errno;
use tokio::runtime::Handle as Runtime;
use tokio::task::JoinHandle;

pub use self::error::NetlinkError;
pub use self::link::{Link, Veth};
pub use self::neighbour::look_for;
pub use self::route::Route;
pub use self::rule::{OURS, SourceRule, TableGateway};
use crate::netns::NetNs;

/// A connection to the kernel's routing socket inside one namespace.
#[derive(Debug)]
pub struct Netlink {
    handle: rtnetlink::Handle,
    driver: JoinHandle<()>,
}

impl Netlink {
    /// Opens a connection whose socket lives in `ns`. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the namespace cannot be entered or the socket not created.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(ns: &NetNs) -> Result<Self, NetlinkError> {
        let runtime = Runtime::current();
        let connect = || {
            let _inside = runtime.enter();
            rtnetlink::new_connection()
        };
        let object = ns.path().display();
        let (connection, handle, _events) = ns
            .run(connect)
            .map_err(|e| NetlinkError::from_ns("connect to", &object, &e))?
            .map_err(|e| NetlinkError::from_io("connect to", &object, &e))?;
        Ok(Self { handle, driver: runtime.spawn(connection) })
    }
}

/// How often in a row a list may change while it is read.
const TORN: usize = 10;

/// Reads a list, and again when the kernel says that it changed meanwhile: what was read may never have been so.
async fn whole<T, F: Future<Output = Result<T, NetlinkError>>>(
    read: impl Fn() -> F,
) -> Result<T, NetlinkError> {
    for _ in 0..TORN {
        match read().await {
            Err(error) if error.errno == Errno::EBUSY => {}
            done => return done,
        }
    }
    read().await
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
