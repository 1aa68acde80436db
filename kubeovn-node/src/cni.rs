//! The container network interface: from the runtime's call to the daemon and back.
//!
//! ```text
//! runtime ── env + stdin ──> plugin ── HTTP over a unix socket ──> server ──> Handler (the daemon)
//!         <── CNI result ───        <── 200 + addresses ──────────
//! ```
//! The plugin is started once per pod and verb, so it is small, blocking and keeps nothing; all that is known of a
//! pod is known by the daemon. Between the two stands Kube-OVN's own HTTP protocol ([`protocol`]), so that either
//! end may be Kube-OVN's.

pub mod conf;
pub mod nic;
pub mod plugin;
pub mod protocol;
pub mod server;
pub mod timing;

mod client;
mod result;
