//! The CNI plugin that container runtimes start for every pod and verb (installed as `/opt/cni/bin/kube-ovn`).
//!
//! It only carries the request to the node's daemon and the answer back; see `kubeovn_node::cni`.

use std::env;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use kubeovn_core::cni::Environment;
use kubeovn_node::cni::plugin;

/// A configuration with the list of all attachments of a node stays far below this.
const MAX_INPUT: u64 = 4 << 20;

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
    let printed = plugin::run(&environment, &input);
    let said = printed.output.map_or(Ok(()), |output| writeln!(io::stdout(), "{output}"));
    if said.is_err() && printed.success && environment.command == "ADD" {
        // The runtime has ended meanwhile. The next one knows nothing of this sandbox, and would never delete it.
        plugin::run(&Environment { command: "DEL".to_owned(), ..environment }, &input);
    }
    said.map(|()| printed.success)
}
