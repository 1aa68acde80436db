//! `ipam show`: numbers of subnets, and who holds what.

use kubeovn_core::{
    contract::ipam::{Grant, Usage},
    index::objects::Name,
    rows::OwnerKey,
    time::rfc3339,
};
use serde_json::{Value, json};

use super::Addresses;
use crate::ctl::{
    cluster::{
        claims::{Claim, Claims},
        text::table,
    },
    error::CtlError,
};

/// Subnets, and of one that was asked for all holders.
pub(super) struct List {
    subnets: Vec<Line>,
    holders: Option<Vec<Holder>>,
}

struct Line {
    name: Name,
    vpc: Name,
    cidr: String,
    usage: Usage,
}

/// Who holds something.
pub(super) struct Holder {
    owner: OwnerKey,
    ips: String,
    mac: String,
    sources: Vec<&'static str>,
    since: Option<String>,
}

impl Holder {
    /// With where it is said.
    pub(super) fn new(owner: &OwnerKey, grant: &Grant, claims: &Claims) -> Self {
        let said = claims.of_owner(owner).iter().filter(|claim| claim.says(grant));
        Holder {
            owner: owner.clone(),
            ips: grant.ips.to_string(),
            mac: grant.mac.map(|mac| mac.to_string()).unwrap_or_default(),
            sources: said.map(|claim: &Claim| claim.source.word()).collect(),
            since: claims.since(owner).map(rfc3339),
        }
    }

    fn cells(&self) -> Vec<String> {
        let sources =
            if self.sources.is_empty() { "not written yet".to_owned() } else { self.sources.join(", ") };
        let since = self.since.clone().unwrap_or_else(|| "-".to_owned());
        vec![self.ips.clone(), self.owner.to_string(), self.mac.clone(), since, sources]
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "owner": self.owner.to_string(), "ips": self.ips, "mac": self.mac,
            "since": self.since, "sources": self.sources,
        })
    }
}

impl List {
    /// Of all subnets, or of one.
    ///
    /// # Errors
    /// There is no such subnet.
    pub(super) fn new(addresses: &Addresses, subnet: Option<&str>) -> Result<Self, CtlError> {
        let world = addresses.scratch.world();
        let all = world.subnets().map(|subnet| Line {
            name: subnet.meta.name.clone(),
            vpc: world.vpc_name(subnet),
            cidr: subnet.spec.cidr_block.clone(),
            usage: world.usage(&subnet.meta.name).cloned().unwrap_or_default(),
        });
        let mut subnets: Vec<Line> = all.collect();
        let Some(name) = subnet else { return Ok(List { subnets, holders: None }) };
        let known: Vec<String> = subnets.iter().map(|line| line.name.to_string()).collect();
        subnets.retain(|line| *line.name == *name);
        if subnets.is_empty() {
            return Err(CtlError::SubnetUnknown { name: name.to_owned(), known });
        }
        let mut held: Vec<(OwnerKey, &Grant)> = addresses.scratch.holders();
        held.retain(|(_, grant)| *grant.subnet == *name);
        held.sort_by_key(|(owner, grant)| (grant.ips.v4, grant.ips.v6, owner.clone()));
        let holders = held.iter().map(|(owner, grant)| Holder::new(owner, grant, &addresses.claims));
        Ok(List { subnets, holders: Some(holders.collect()) })
    }

    pub(super) fn to_json(&self) -> Value {
        let subnets = self.subnets.iter().map(|line| {
            let usage = &line.usage;
            json!({
                "name": &*line.name, "vpc": &*line.vpc, "cidr": line.cidr, "owners": usage.owners,
                "total": usage.total.to_string(), "used": usage.used.to_string(),
                "available": usage.available.to_string(), "reserved": usage.reserved.to_string(),
                "outside": usage.outside.to_string(),
                "usedRanges": usage.used_ranges.iter().collect::<Vec<_>>(),
                "availableRanges": usage.available_ranges.iter().collect::<Vec<_>>(),
            })
        });
        let holders =
            self.holders.as_ref().map(|these| these.iter().map(Holder::to_json).collect::<Vec<_>>());
        json!({ "subnets": subnets.collect::<Vec<_>>(), "holders": holders })
    }

    pub(super) fn to_text(&self) -> String {
        let rows = self.subnets.iter().map(|line| {
            let usage = &line.usage;
            let numbers = [&usage.total, &usage.used, &usage.available, &usage.reserved];
            let named = [line.name.to_string(), line.vpc.to_string(), line.cidr.clone()];
            named.into_iter().chain(numbers.map(ToString::to_string)).collect()
        });
        let rows: Vec<Vec<String>> = rows.collect();
        let head = ["SUBNET", "VPC", "PREFIX", "TOTAL", "USED", "FREE", "RESERVED"];
        let mut out = table(&head, &[3, 4, 5, 6], &rows);
        let Some(holders) = &self.holders else { return out };
        for line in &self.subnets {
            let ranges = [("used", &line.usage.used_ranges), ("free", &line.usage.available_ranges)];
            let told = ranges.into_iter().flat_map(|(name, all)| all.iter().map(move |text| (name, text)));
            let told = told.filter(|(_, text)| !text.is_empty());
            out.extend(told.map(|(name, text)| format!("{name}  {text}\n")));
        }
        let rows: Vec<Vec<String>> = holders.iter().map(Holder::cells).collect();
        out + "\n" + &table(&["ADDRESS", "HOLDER", "MAC", "RECORDED", "SAID BY"], &[], &rows)
    }
}
