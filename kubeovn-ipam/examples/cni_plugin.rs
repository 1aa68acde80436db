//! A CNI IPAM plugin from its pieces: a ledger, a journal, a configuration of one's own. (A whole one: feature `cni`.)
//!
//! ```text
//! echo '{"cniVersion": "1.0.0", "ipam": {"dir": "/tmp/net1", "prefix": "10.0.0.0/24", "gateway": "10.0.0.1"}}' |
//!   CNI_COMMAND=ADD CNI_CONTAINERID=c0ffee CNI_IFNAME=eth0 cargo run -p kubeovn-ipam --example cni_plugin
//! ```
#![allow(clippy::print_stdout, reason = "a plugin answers on standard output")]

use std::{env, error::Error, io, path::Path, process::ExitCode, sync::Arc, time::SystemTime};

use kubeovn_ipam::{
    Ledger, MacWish, Offer, OwnerKey, OwnerKind, Want,
    store::Store,
    store::{Journal, Options},
};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let conf: Value = serde_json::from_reader(io::stdin()).unwrap_or_default();
    let failed = |e: Box<dyn Error>| json!({"cniVersion": "1.0.0", "code": 11, "msg": e.to_string()});
    let answered = answer(&conf);
    let code = if answered.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if let Some(output) = answered.map_err(failed).unwrap_or_else(Some) {
        println!("{output}");
    }
    code
}

fn answer(conf: &Value) -> Result<Option<Value>, Box<dyn Error>> {
    let command = env::var("CNI_COMMAND")?;
    if command == "VERSION" {
        return Ok(Some(json!({"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]})));
    }
    let ipam = |name: &str| conf.get("ipam").and_then(|ipam| ipam.get(name)?.as_str()).unwrap_or_default();
    let offer = Offer {
        subnet: "net1".into(),
        cidrs: ipam("prefix").parse()?,
        gateways: ipam("gateway").parse()?,
        rest: 5_000,
        ..Offer::default()
    };

    // Nobody else has the ledger from here on.
    let journal = Journal::open(Path::new(ipam("dir")), Options::default())?;
    let mut ledger = Ledger::new();
    ledger.define(&offer)?;
    let mut broken = None;
    journal.load(&mut |entry| broken = broken.take().or(ledger.apply(&entry).err()))?;
    broken.map_or(Ok(()), Err)?;

    // The container is the owner: asked again, it is answered the same.
    let uid: Arc<str> = env::var("CNI_CONTAINERID")?.into();
    let (owner, nic) = (OwnerKey::new(OwnerKind::Pod, uid.clone()), env::var("CNI_IFNAME")?);
    let now = u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis())?;
    let want = Want {
        nic: nic.as_str().into(),
        subnets: vec![offer.subnet],
        mac: MacWish::Without,
        ..Want::default()
    };
    let plan = match command.as_str() {
        "ADD" => ledger.plan_nic(&owner, &uid, &want, now).map_err(|e| format!("{}: {e}", e.code()))?,
        "DEL" => ledger.plan_release(&owner, &nic, None, now),
        other => return Err(format!("CNI_COMMAND {other:?} is none of ADD, DEL and VERSION").into()),
    };
    let ips = plan.grants().flat_map(|grant| grant.ips.iter().copied());
    let address = |ip| offer.cidrs.iter().find(|cidr| cidr.contains(ip)).map(|cidr| cidr.with_host(ip));
    let ips: Vec<_> = ips.filter_map(address).map(|address| json!({"address": address})).collect();
    if let Some(entry) = plan.entry() {
        let ticket = journal.append(&entry)?;
        journal.unlock()?; // the next process sees the entry, and need not wait for the disk as we do
        journal.sync(ticket)?;
    }
    Ok((command == "ADD").then(|| json!({"cniVersion": "1.0.0", "ips": ips})))
}
