//! A ledger in memory: dual stack, a named pool, a fixed address, a refusal, and what is with an address.
//! `cargo run -p kubeovn-ipam --example memory_pool`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use kubeovn_ipam::{Ledger, NamedPool, Offer, OwnerKey, Source, Want};

fn main() -> Result<(), Box<dyn Error>> {
    let mut ledger = Ledger::new().with_history(1_000);
    let web = vec!["10.0.0.8..10.0.0.9".parse()?, "fd00::8..fd00::9".parse()?];
    ledger.define(&Offer {
        subnet: "net1".into(),
        space: "net1".into(),
        cidrs: "10.0.0.0/28,fd00::/64".parse()?,
        gateways: "10.0.0.1,fd00::1".parse()?,
        pools: vec![NamedPool { name: "web".into(), ranges: web }],
        ..Offer::default()
    })?;
    let any = Want { subnets: vec!["net1".into()], ..Want::default() };
    let pool = Want { from: Source::Pools(vec!["web".into()]), ..any.clone() };
    let fixed = Want { from: Source::OneOf(vec!["10.0.0.9".parse()?]), ..any.clone() };
    // The time is whatever you say; here milliseconds since some start.
    for (at, name, want) in [(10, "a", &any), (20, "b", &pool), (30, "c", &fixed), (40, "a", &any)] {
        let owner = OwnerKey::pod("shop", name);
        match ledger.settle(&owner, &format!("uid-{name}").into(), std::slice::from_ref(want), at) {
            Ok(settled) => {
                let grant = settled.grants.first().ok_or("one want, one grant")?;
                println!(
                    "{owner}: {} (generation {}, new: {})",
                    grant.ips, grant.generation, settled.changed
                );
            }
            Err(error) => println!("{owner}: {}: {error}", error.code()),
        }
    }
    ledger.settle(&OwnerKey::pod("shop", "b"), &"uid-b".into(), &[], 50)?;
    println!("10.0.0.8 is {}", ledger.explain("net1", "10.0.0.8".parse()?));
    for tenancy in ledger.who_had("net1", "10.0.0.8".parse()?, 25) {
        println!("{tenancy}");
    }
    Ok(())
}
