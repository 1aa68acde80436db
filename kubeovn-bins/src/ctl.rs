//! `kubeovn-ctl`: looks at a network from outside. Reads it, and never writes to it; `test` alone makes pods, in a namespace
//! of its own that goes with them.
//!
//! ```text
//!   ovsdb-server ─┐                      ┌─> dump, owner, verify
//!                 ├─> Snapshot ─> Listing┤
//!   its file ─────┘        │             └─> diff, verify, owner --from: the controller's own way, on a copy in memory
//!                          └─ manifests ─┘
//!   ovsdb-server ─────────────────────────> watch
//! ```
//!
//! `status`, `plan` and `ipam` look at a live cluster, its API server and its Northbound together: see [`cluster`].
//! [`check`] looks at a node, also before there is a cluster.
//! `crds` is beside that: it tells what an API server has to know before there is a network.
//!
//! Everything but `watch` works on a file as on a server: with the database of last night, on a machine without OVN.

pub mod check;
pub mod cli;
pub mod cluster;
pub mod crds;
pub mod error;
pub mod ipam;
pub mod nb;
pub mod outcome;
pub mod paint;
pub mod plan;
pub mod status;
pub mod test;
