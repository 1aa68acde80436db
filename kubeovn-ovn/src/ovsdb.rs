//! A client of OVSDB (RFC 7047 with the extensions of ovsdb-server): Northbound, Southbound and Open_vSwitch alike.
//!
//! ```text
//! wire       values, operations, results and updates, and their JSON
//! replica    what a server holds, in the words of the engine
//! txn        the engine's transactions as operations, and what the answers mean
//! session    one connection: requests out, events in wire order              feature `client`
//! connect    which server: endpoints, back-off, leader                       feature `client`, `tls` for ssl:
//! client     the `Database` contract on top: monitor, resync, fence          feature `client`
//! file       a database file's bytes as a whole database                     feature `client`
//! ```
//!
//! The first three and the last do no I/O.

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod connect;
#[cfg(feature = "client")]
pub mod file;
pub mod replica;
#[cfg(feature = "client")]
pub mod session;
pub mod txn;
pub mod wire;
