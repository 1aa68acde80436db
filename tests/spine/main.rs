//! The whole way through, without I/O: cluster, spine, ledger, renderer and database all in memory, one clock, one seed.

mod behaviour;
mod oracle;
mod sim;
