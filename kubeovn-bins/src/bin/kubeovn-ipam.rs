//! The CNI IPAM plugin that needs no daemon: other plugins (macvlan, bridge …) start it for their addresses.
//!
//! Configuration and verbs: see `kubeovn_ipam::cni`.

use std::env;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kubeovn_core::cni::Environment;
use kubeovn_ipam::cni;
use kubeovn_ipam::store::{Journal, Options};

/// A configuration with the list of all attachments of a node stays far below this.
const MAX_INPUT: u64 = 4 << 20;
/// Others hold the ledger for milliseconds each; the runtime waits longer than this.
const WAIT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match serve() {
        Ok(true) => ExitCode::SUCCESS,
        // Nothing could be said, or an error was: the runtime tells the two apart by the output.
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<bool> {
    let environment = Environment::read(|name| env::var(name).ok());
    let mut input = Vec::new();
    io::stdin().take(MAX_INPUT).read_to_end(&mut input)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let now = u64::try_from(now.as_millis()).map_err(io::Error::other)?;
    let open = |dir: &Path| Journal::open(dir, Options { wait: WAIT, ..Options::default() });
    let printed = cni::run(&environment, &input, now, open, Journal::unlock);
    printed.output.map_or(Ok(()), |output| writeln!(io::stdout(), "{output}"))?;
    Ok(printed.success)
}
