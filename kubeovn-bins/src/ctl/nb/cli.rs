//! The command line of `kubeovn-ctl nb`.

use std::path::{Path, PathBuf};

use clap::{Args as Group, Subcommand, ValueEnum};
use kubeovn_ovn::ovsdb::connect::{ClientCertificate, TlsConfig, Verify};

use super::listing::Listing;
use super::manifests::Manifests;
use super::snapshot::{self, Snapshot, Source};
use super::{diff, dump, owner, verify, watch};
use crate::ctl::cluster::{args::Server, show};
use crate::ctl::error::CtlError;
use crate::ctl::outcome::{Found, say};
use crate::ctl::paint::{Paint, When};

/// Where a Northbound is on the machine of `ovn-central`.
pub(in crate::ctl) const DEFAULT: &str = "unix:/run/ovn/ovnnb_db.sock";
/// The word that stands for the objects of the API server.
const CLUSTER: &str = "cluster";

/// What stands behind `nb`.
#[derive(Debug, Group)]
pub struct Args {
    /// Where Northbound is served: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, several with commas between
    #[arg(long, global = true, value_name = "ENDPOINTS", default_value = DEFAULT)]
    db: String,
    /// Read a database file instead, standalone or of a cluster member; no server is needed
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "db")]
    file: Option<PathBuf>,
    /// The private key for ssl: endpoints
    #[arg(short, long, global = true, value_name = "PEM", requires_all = ["certificate", "ca_cert"])]
    private_key: Option<PathBuf>,
    /// The certificate for ssl: endpoints
    #[arg(short, long, global = true, value_name = "PEM", requires = "private_key")]
    certificate: Option<PathBuf>,
    /// The CA to which the server's certificate must lead
    #[arg(short = 'C', long, global = true, value_name = "PEM")]
    ca_cert: Option<PathBuf>,
    /// What to print
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: Output,
    /// When to use colours; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value_t)]
    color: When,
    #[command(subcommand)]
    command: Command,
}

/// The form of what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// One document, or one per line where it does not end.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show our rows by owner; those of others are counted
    Dump {
        /// Only rows of this owner (subnet/web), or of this kind (subnet)
        #[arg(long)]
        owner: Option<String>,
        /// Only rows of this table
        #[arg(long)]
        table: Option<String>,
        /// List rows of others, too
        #[arg(long)]
        foreign: bool,
    },
    /// Show what manifests, or the controller of a live cluster, would change; exit code 2 if anything
    Diff {
        /// A YAML file, or a folder of them: all objects there are; or the word cluster, for those of the API server
        #[arg(long, value_name = "FOLDER|cluster")]
        from: PathBuf,
        #[command(flatten)]
        server: Server,
    },
    /// Show which object, and which of its fields, caused a row
    Owner {
        /// A UUID, a name, or table/id
        row: String,
        /// Manifests (or the word cluster), to show the values and to tell columns apart
        #[arg(long, value_name = "FOLDER|cluster")]
        from: Option<PathBuf>,
        #[command(flatten)]
        server: Server,
    },
    /// Show changes as they happen, a line per row, until Ctrl-C
    Watch {
        /// Show changes of others' rows, too
        #[arg(long)]
        foreign: bool,
    },
    /// Look for rows that should not be, or not be so; exit code 2 if there are any
    Verify {
        /// Manifests (or the word cluster) to compare with; else only what the database alone can tell
        #[arg(long, value_name = "FOLDER|cluster")]
        from: Option<PathBuf>,
        #[command(flatten)]
        server: Server,
    },
}

/// Does what the command line says.
///
/// # Errors
/// Why there is no answer.
pub async fn run(args: Args) -> Result<Found, CtlError> {
    let source = match args.file {
        Some(path) => Source::File(path),
        None => Source::Server(snapshot::config(
            args.db.parse()?,
            tls(args.private_key, args.certificate, args.ca_cert),
        )),
    };
    let (json, paint) = (args.output == Output::Json, Paint::choose(args.color));
    if let Command::Watch { foreign } = args.command {
        return watch::run(source, foreign, json, paint).await.map(|()| Found::Nothing);
    }
    let snapshot = Snapshot::take(source).await?;
    snapshot.notes.iter().for_each(|note| say(note));
    let listing = Listing::of(&snapshot)?;
    match args.command {
        Command::Dump { owner, table, foreign } => {
            let filter = dump::Filter::new(owner.as_deref(), table.as_deref(), &snapshot)?;
            let dump = dump::Dump::new(&listing, filter, foreign);
            show(json, || dump.to_json(), || dump.to_text(paint));
            Ok(Found::Nothing)
        }
        Command::Diff { from, server } => {
            let wanted = wanted(&from, &server, &snapshot).await?;
            show(json, || diff::to_json(&wanted), || diff::to_text(&wanted, paint));
            Ok(if wanted.rehearsal.plan.is_empty() { Found::Nothing } else { Found::Something })
        }
        Command::Owner { row, from, server } => {
            let wanted = manifests(from, &server, &snapshot).await?;
            let answer = owner::explain(&listing, &row, wanted.as_ref())?;
            show(json, || answer.to_json(), || answer.to_text(paint));
            Ok(Found::Nothing)
        }
        Command::Verify { from, server } => {
            let wanted = manifests(from, &server, &snapshot).await?;
            let report = verify::verify(&listing, wanted.as_ref());
            show(json, || report.to_json(), || report.to_text(paint));
            Ok(if report.findings.is_empty() { Found::Nothing } else { Found::Something })
        }
        Command::Watch { .. } => Ok(Found::Nothing),
    }
}

/// As with OVN's own tools: the server must lead to the CA, whatever it is called.
pub(in crate::ctl) fn tls(
    private_key: Option<PathBuf>,
    certificate: Option<PathBuf>,
    ca: Option<PathBuf>,
) -> Option<TlsConfig> {
    let client = private_key.zip(certificate);
    let client = client.map(|(private_key, certificate)| ClientCertificate { private_key, certificate });
    ca.map(|ca| TlsConfig { client, ca, verify: Verify::default() })
}

async fn manifests(
    from: Option<PathBuf>,
    server: &Server,
    snapshot: &Snapshot,
) -> Result<Option<Manifests>, CtlError> {
    match from {
        Some(from) => wanted(&from, server, snapshot).await.map(Some),
        None => Ok(None),
    }
}

/// What a folder wants, or the cluster where that is said instead of a folder.
async fn wanted(from: &Path, server: &Server, snapshot: &Snapshot) -> Result<Manifests, CtlError> {
    if from == Path::new(CLUSTER) {
        Manifests::of_cluster(server, snapshot).await
    } else {
        Manifests::read(from, snapshot).await
    }
}
