//! An address ledger in another program: no cluster, no daemon, no files. `cargo run --example embed_ipam`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use kubeovn_ipam::{Ledger, Offer, OwnerKey, Want};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut ledger = Ledger::new();
    ledger.define(&Offer {
        subnet: "net1".into(),
        space: "vpc1".into(),
        cidrs: "10.0.0.0/29,fd00::/64".parse()?,
        gateways: "10.0.0.1,fd00::1".parse()?,
        excludes: vec!["10.0.0.2..10.0.0.4".parse()?],
        ..Offer::default()
    })?;
    let any = Want { subnets: vec!["net1".into()], ..Want::default() };
    for name in ["web-0", "web-1", "web-2"] {
        match ledger.settle(&OwnerKey::pod("shop", name), &name.into(), std::slice::from_ref(&any), 0) {
            Ok(settled) => {
                settled.grants.iter().for_each(|grant| println!("{name}: {}", grant.ips));
            }
            Err(error) => println!("{name}: {}: {error}", error.code()),
        }
    }
    ledger.settle(&OwnerKey::pod("shop", "web-0"), &"web-0".into(), &[], 0)?;
    println!("10.0.0.5 is {}", ledger.explain("net1", "10.0.0.5".parse()?));
    println!("10.0.0.6 is {}", ledger.explain("net1", "10.0.0.6".parse()?));
    Ok(())
}
