//! Why `kubeovn-ctl` could not answer: a code, what happened to what, and the next step.

use std::io;
use std::path::PathBuf;

use kubeovn_ovn::ovsdb::connect::EndpointError;
use kubeovn_ovn::ovsdb::file::FileError;
use thiserror::Error;

use crate::cluster::folder::OpenError;
use crate::run::plan::Unreachable;

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CtlError {
    /// The text after `--db` names no endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No server.
    #[error(
        "CTL-DATABASE-UNREACHABLE: {database} could not be read; endpoints tried: {count}: {}. See whether ovsdb-server \
         runs, name another endpoint by --db, or read the database's file by --file",
        reasons.join("; ")
    )]
    Unreachable {
        /// The database's name.
        database: &'static str,
        /// How many endpoints were tried.
        count: usize,
        /// Why each of them failed.
        reasons: Vec<String>,
    },
    /// The server answered, but not with the database.
    #[error(
        "CTL-DATABASE-REFUSED: {endpoint} did not tell what {database} holds: {reason}. Try again, or read the database's \
         file by --file"
    )]
    Refused {
        /// Where.
        endpoint: String,
        /// The database's name.
        database: &'static str,
        /// The server's words.
        reason: String,
    },
    /// The file cannot be read.
    #[error("CTL-FILE-UNREADABLE: {}: {source}. Name the file that ovsdb-server serves, or a copy of it", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file is no database, or a damaged one.
    #[error("{source} [{}]", path.display())]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        source: FileError,
    },
    /// The file is that of another database.
    #[error("CTL-DATABASE-OTHER: {origin} holds {found}, not {wanted}. Name the file of {wanted}")]
    Other {
        /// Where it was read from.
        origin: String,
        /// The database that is there.
        found: String,
        /// The database that is needed.
        wanted: &'static str,
    },
    /// The rows contradict the schema.
    #[error(
        "CTL-DATABASE-INCONSISTENT: the rows of {origin} contradict each other: {problem}. Take a backup"
    )]
    Inconsistent {
        /// Where they were read from.
        origin: String,
        /// What is wrong.
        problem: String,
    },
    /// The manifests cannot be read at all.
    #[error("CTL-MANIFESTS: {0}")]
    Manifests(#[from] OpenError),
    /// One of the manifests cannot be read.
    #[error(
        "CTL-MANIFEST-UNREADABLE: {found}; what stands in it would look as if it were gone, so mend that first"
    )]
    Manifest {
        /// What is wrong, and where.
        found: String,
    },
    /// The copy in memory did not answer.
    #[error(transparent)]
    Plan(#[from] Unreachable),
    /// The text after `--owner` names no owner.
    #[error(
        "CTL-OWNER-INVALID: {text:?} names no owner. Write a kind (vpc, subnet, node, pod) or kind/name, as in subnet/web or \
         pod/default/web-0"
    )]
    Owner {
        /// The text.
        text: String,
    },
    /// No such table.
    #[error("CTL-TABLE-UNKNOWN: {database} has no table {table:?}. Its tables are: {}", tables.join(", "))]
    Table {
        /// The text.
        table: String,
        /// The database's name.
        database: &'static str,
        /// Its tables.
        tables: Vec<String>,
    },
    /// No row is called so.
    #[error(
        "CTL-ROW-UNKNOWN: none of {count} rows of {origin} is called {text:?}. Give a UUID, a name, or table/id as \
         `kubeovn-ctl nb dump --foreign` shows them"
    )]
    RowUnknown {
        /// What was asked for.
        text: String,
        /// How many rows there are.
        count: usize,
        /// Where they were read from.
        origin: String,
    },
    /// Several rows are called so.
    #[error("CTL-ROW-AMBIGUOUS: {} rows are called {text:?}: {}. Name one of them", rows.len(), rows.join(", "))]
    RowAmbiguous {
        /// What was asked for.
        text: String,
        /// As table/id.
        rows: Vec<String>,
    },
    /// A file changes by being replaced.
    #[error("CTL-WATCH-FILE: only a server tells of changes, and {} is a file. Leave --file out, or use `nb diff`", path.display())]
    WatchFile {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("CTL-FILE-UNWRITABLE: {}: {source}. Name a folder that you may write to", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// What is to be printed cannot be said in YAML.
    #[error("CTL-YAML: {problem}. Use `-o json`, and report this")]
    Yaml {
        /// The writer's words.
        problem: String,
    },
    /// Nobody knows how to reach the API server.
    #[error(
        "CTL-CLUSTER-ACCESS: it is not known how to reach the API server: {reason}. Name a kubeconfig by --kubeconfig, or \
         one of its contexts by --context"
    )]
    Access {
        /// The cause.
        reason: String,
    },
    /// The API server did not tell all objects.
    #[error(
        "CTL-CLUSTER-UNREADABLE: {url} did not tell all objects; kinds by reason: {}. See whether the server runs, has the \
         CRDs (`kubeovn-ctl crds`) and lets you list these kinds, or name another by --kubeconfig or --context",
        reasons.join("; ")
    )]
    Cluster {
        /// Where.
        url: String,
        /// Kinds that are missing, and why.
        reasons: Vec<String>,
    },
    /// One of the manifests to be planned cannot be read.
    #[error("CTL-PLAN-MANIFEST: {found}. Mend it first: nothing was planned")]
    PlanManifest {
        /// What is wrong, and where.
        found: String,
    },
    /// There is nothing in the manifests.
    #[error("CTL-PLAN-EMPTY: {} has no object of a kind that has an effect here. Name another file or folder", path.display())]
    PlanEmpty {
        /// The path.
        path: PathBuf,
    },
    /// The cluster would not take a manifest.
    #[error("CTL-PLAN-REFUSED: {object}: {reason}. Take it out, or wait")]
    PlanRefused {
        /// The object.
        object: String,
        /// Why.
        reason: String,
    },
    /// No such subnet.
    #[error("CTL-SUBNET-UNKNOWN: there is no subnet {name:?}. Those that there are: {}", known.join(", "))]
    SubnetUnknown {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// No such pod, and nothing is kept for it.
    #[error(
        "CTL-POD-UNKNOWN: there is no pod {name}, and nothing is kept for one of this name. See `kubectl get pods -A`"
    )]
    PodUnknown {
        /// What was asked for.
        name: String,
    },
    /// Neither an address nor a pod.
    #[error(
        "CTL-EXPLAIN-INVALID: {text:?} is neither an address, nor a pod as NAMESPACE/NAME, nor node/NAME"
    )]
    ExplainInvalid {
        /// What was asked for.
        text: String,
    },
    /// Neither an address, nor a pod, nor a subnet.
    #[error(
        "CTL-HISTORY-INVALID: {text:?} is neither an address, nor a pod as NAMESPACE/NAME, nor node/NAME, nor the name of a \
         subnet"
    )]
    HistoryInvalid {
        /// What was asked for.
        text: String,
    },
    /// No time.
    #[error(
        "CTL-TIME-INVALID: {text:?} is no time. Write it as 2026-11-27T14:00:00Z, or with an offset as +01:00 for Z"
    )]
    Time {
        /// What was given.
        text: String,
    },
    /// The log can't be read.
    #[error("CTL-LOG-UNREADABLE: {}: {source}. Name a file with the controller's log, or - for standard input", path.display())]
    Log {
        /// Its path.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The CA can't be read.
    #[error("CTL-CA-UNREADABLE: {}: {source}. Name a PEM file with the CA's certificate", path.display())]
    Ca {
        /// Its path.
        path: PathBuf,
        /// The system's words, or what is wrong with it.
        source: io::Error,
    },
    /// A node can't be looked at without rights.
    #[error(
        "CTL-NOT-ROOT: what a kernel can do is tried in a network namespace, and only root may make one. Run it as root, on \
         the node or in a privileged container of its network"
    )]
    NotRoot,
    /// Its own network namespace can't be opened.
    #[error(
        "CTL-NO-NAMESPACE: this process's network namespace can't be opened: {reason}. See whether /proc is mounted"
    )]
    NoNamespace {
        /// The system's words.
        reason: String,
    },
    /// The API server did not tell its nodes.
    #[error(
        "CTL-NODES-UNREADABLE: the nodes can't be listed: {reason}. See whether you may list nodes, or leave the cluster out"
    )]
    Nodes {
        /// Why.
        reason: String,
    },
    /// There is no node to test.
    #[error(
        "CTL-TEST-NO-NODES: none of {count} nodes can be tested{why}. See `kubectl get nodes`, or name others by --node"
    )]
    NoNodes {
        /// How many there are.
        count: usize,
        /// Why none of them.
        why: String,
    },
    /// Something that the test needs can't be made.
    #[error(
        "CTL-TEST-REFUSED: {what} was not made: {reason}. You have to be allowed to list nodes, and to create and delete \
         namespaces, pods and services"
    )]
    TestRefused {
        /// What.
        what: String,
        /// Why.
        reason: String,
    },
    /// The test was ended by a signal.
    #[error("CTL-TEST-ENDED: ended by a signal; what was made is removed. Run it again")]
    TestEnded,
}
