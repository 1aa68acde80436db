//! The command line of `kubeovn-lab`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::task::Poll;

use clap::{Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use super::error::LabError;
use super::fabric;
use super::plan;
use super::run::{Options, run};
use super::state::{LabName, StateDir};
use super::status;

/// A whole network on one machine: real OVN, real OVS, real packets. Needs root.
#[derive(Debug, Parser)]
#[command(name = "kubeovn-lab", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the network of a manifest file or folder; edits take effect while it runs. Ctrl-C removes it all
    Run {
        /// A YAML file, or a folder of them
        manifests: PathBuf,
        /// End after the probes; exit code 0 only if all are as expected
        #[arg(long)]
        once: bool,
        /// Draw the network into this file
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
        /// What to print when everything has been probed
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
        /// The CNI plugin that wires pods [default: kubeovn-cni beside this program]
        #[arg(long, value_name = "FILE")]
        plugin: Option<PathBuf>,
        #[command(flatten)]
        lab: Which,
    },
    /// Show what manifests would change in the Northbound of a running lab; changes nothing
    Plan {
        /// A YAML file, or a folder of them
        manifests: PathBuf,
        #[command(flatten)]
        lab: Which,
    },
    /// Show what a running lab is doing
    Status {
        /// What to print
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
        #[command(flatten)]
        lab: Which,
    },
    /// End a lab and remove all it made, also after it was killed
    Down {
        #[command(flatten)]
        lab: Which,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The lab's name; labs of different names run side by side
    #[arg(long, default_value = "lab", value_parser = |name: &str| name.parse::<LabName>())]
    name: LabName,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

/// Does what the command line says.
pub async fn main(cli: Cli) -> ExitCode {
    match execute(cli.command).await {
        Ok(code) => code,
        Err(error) => {
            // There is nobody else to tell.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(command: Command) -> Result<ExitCode, LabError> {
    match command {
        Command::Run { manifests, once, svg, output, plugin, lab } => {
            let plugin = plugin.unwrap_or_else(beside_us);
            let options =
                Options { name: lab.name, manifests, plugin, once, json: output == Output::Json, svg };
            let report = run(options, interrupted()).await?;
            // Interrupted before there was anything to tell.
            let good = report.is_some_and(|report| report.is_good());
            Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Plan { manifests, lab } => {
            let (plan, rejected) = plan::show(&manifests, &StateDir::new(lab.name)).await?;
            for found in rejected {
                print(&format!("! {found}\n"));
            }
            print(&plan.to_string());
            Ok(ExitCode::SUCCESS)
        }
        Command::Status { output, lab } => {
            let seen = status::look(&StateDir::new(lab.name.clone()))?;
            let text = match (output, &seen.status) {
                (Output::Json, Some(status)) => format!("{:#}\n", status.report),
                (Output::Json, None) => "null\n".to_owned(),
                (Output::Table, _) => seen.to_text(&lab.name.to_string()),
            };
            print(&text);
            Ok(if seen.alive { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Down { lab } => {
            let state = StateDir::new(lab.name);
            fabric::blocking(move || fabric::down(&state)).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Ends with the first Ctrl-C, SIGTERM or SIGHUP; none of them ends the process any more from now on.
fn interrupted() -> impl Future<Output = ()> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    // One that cannot be caught does what it always does.
    let mut signals: Vec<_> = kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect();
    std::future::poll_fn(move |context| {
        let any = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
        if any { Poll::Ready(()) } else { Poll::Pending }
    })
}

fn beside_us() -> PathBuf {
    let us = std::env::current_exe().unwrap_or_default();
    us.with_file_name("kubeovn-cni")
}

fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever closed the pipe has read enough.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
