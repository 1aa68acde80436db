//! Links, addresses and routes of one network namespace, over rtnetlink.
//!
//! A netlink socket belongs for ever to the namespace it was created in. So one thread enters the namespace only
//! to create the socket; after that the connection is driven on the runtime like any other, from any thread.
//!
//! All operations are named after the `ip` command they stand for and take link *names*: an index is looked up
//! per call, because a link that was deleted and made again has another. The message types of the netlink crates,
//! whose releases break often, do not leave this module.

mod address;
mod dump;
mod error;
mod link;
mod neighbour;
mod news;
mod route;
mod rule;

use tokio::runtime::Handle as Runtime;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

pub use self::error::NetlinkError;
pub use self::link::{Link, LinkChange, Veth};
pub use self::neighbour::look_for;
pub use self::news::News;
pub use self::route::Route;
pub use self::rule::{OURS, SourceRule, TableGateway};
use crate::netns::NetNs;

/// A connection to the kernel's routing socket inside one namespace.
#[derive(Debug)]
pub struct Netlink {
    handle: rtnetlink::Handle,
    driver: JoinHandle<()>,
    /// Whose turn it is to ask for a list.
    dumping: Mutex<()>,
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
        let (mut connection, handle, _events) = ns
            .run(connect)
            .map_err(|e| NetlinkError::from_ns("connect to", &object, &e))?
            .map_err(|e| NetlinkError::from_io("connect to", &object, &e))?;
        // Only by its end it can be told that a list is whole.
        connection.set_forward_done(true);
        Ok(Self { handle, driver: runtime.spawn(connection), dumping: Mutex::default() })
    }
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
