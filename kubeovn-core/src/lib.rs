//! The vocabulary and the pure middle of Kube-OVN for Rust.
//!
//! ```text
//!  objects ──> World ──> dirty owners ──> wants ──> settle ──> render ──> plan (diff) ──> one transaction
//!  (Cluster)  (index)     by facet       (decide)   (Ipam)    (Model)    (engine)          (Database)
//! ```
//!
//! Nothing here does I/O, reads a clock or draws a random number: `now` is an argument, waking up is an effect.
//! So all of it can be embedded, simulated and replayed.
//!
//! * [`addr`]: addresses, prefixes, ranges, dual-stack pairs.
//! * [`rows`]: rows of a database, their owners, differences of them.
//! * [`index`]: slim records of cluster objects and the [`index::World`] that finds them in every direction.
//! * [`decide`]: defaults, validation, which pod gets what from where, what is told back.
//! * [`engine`]: makes rows be as they should, and nothing else; knows owners, but no kind of object.
//! * [`spine`]: the way through all of these, one step per input.
//! * [`contract`]: what other crates implement: an address ledger, a model, a database, a cluster.
//!
//! Features: `serde` (records deserialise), `api` (CRD types of `kubeovn.io/v1`), `cluster` (the async contracts and
//! the in-memory cluster), `cni` (what every CNI plugin needs). None by default.

pub mod addr;
pub mod annotations;
#[cfg(feature = "api")]
pub mod api;
#[cfg(feature = "cluster")]
pub mod cluster;
#[cfg(feature = "cni")]
pub mod cni;
pub mod contract;
pub mod count;
pub mod decide;
pub mod engine;
pub mod error;
pub mod hash;
pub mod index;
pub mod rows;
pub mod sorted;
pub mod spine;
pub mod time;
