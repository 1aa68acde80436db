//! What gateways that are pods have in common.

use super::sparse;

sparse! {
    /// The object that runs a gateway's pods.
    pub struct Workload {
        /// Its apiVersion.
        pub api_version: Option<String>,
        /// Its kind.
        pub kind: Option<String>,
        /// Its name.
        pub name: Option<String>,
        /// The nodes that the pods run on.
        pub nodes: Option<Vec<String>>,
    }
}
