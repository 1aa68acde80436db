//! A ledger that outlives its process: `cargo run -p kubeovn-ipam --example journal [DIRECTORY]`. Run it twice with the
//! same directory, or kill it: what it printed is still true.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{
    env,
    error::Error,
    time::{SystemTime, UNIX_EPOCH},
};

use kubeovn_ipam::{
    Keeper, Offer, OwnerKey, Want,
    store::{Journal, Options},
};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = env::args_os().nth(1).map_or_else(|| env::temp_dir().join("kubeovn-ipam"), Into::into);
    let net1 = Offer {
        subnet: "net1".into(),
        space: "net1".into(),
        cidrs: "10.0.0.0/24".parse()?,
        gateways: "10.0.0.1".parse()?,
        ..Offer::default()
    };
    let journal = Journal::open(&dir, Options::default())?;
    println!("{}: {} bytes of an unfinished write dropped", dir.display(), journal.dropped());
    let keeper = Keeper::open(journal, &[net1])?;
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let owner = OwnerKey::pod("demo", &format!("process-{}", std::process::id()));
    let want = Want { subnets: vec!["net1".into()], ..Want::default() };
    // Durable before it is answered; any number of threads may ask at once, and share the waiting for the disk.
    let grant = keeper.assign(&owner, &"uid".into(), &want, now)?;
    println!("{owner} has {} since {} ms", grant.ips, grant.since);
    let usage = keeper.usage("net1").unwrap_or_default();
    println!("in use: {}", usage.used_ranges.v4.unwrap_or_default());
    Ok(())
}
