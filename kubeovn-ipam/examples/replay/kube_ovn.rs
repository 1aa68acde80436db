//! The calls of Kube-OVN's allocator, made of those of a [`Ledger`].
//!
//! Three things it counts otherwise: a gateway that is not excluded is listed as available (though it is never given),
//! addresses outside of a changed prefix are no longer in use, and each subnet is an address space of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use kubeovn_ipam::{
    AddrError, Cidr, DualStack, Family, Grant, IpRange, Ledger, MacWish, NamedPool, Offer, OwnerKey,
    OwnerKind, RangeSet, Source, Want,
};
use serde_json::{Map, Value, json};

type Args = Map<String, Value>;

/// Subnets by name and what is held in them.
#[derive(Default)]
pub(crate) struct KubeOvn {
    ledger: Ledger,
    offers: BTreeMap<String, Offer>,
}

/// Why a call failed: one of Kube-OVN's identifiers, or `other`.
struct Failed(&'static str);

impl From<AddrError> for Failed {
    fn from(error: AddrError) -> Self {
        Failed(error.kube_ovn().unwrap_or("other"))
    }
}

const OTHER: Failed = Failed("other");
/// Time stands still.
const NOW: u64 = 0;

impl KubeOvn {
    /// Makes one call; the error is about the scenario, not about the allocator.
    pub(crate) fn call(&mut self, op: &str, args: &Args) -> Result<Args, String> {
        let answer = match op {
            "new_subnet" | "put_subnet" => self.put_subnet(op, args).map(|()| json!({})),
            "delete_subnet" => Ok(self.delete_subnet(text(args, "name"))),
            "count_subnets" => Ok(json!({"value": self.offers.len()})),
            "put_pool" => self.put_pool(args).map(|()| json!({})),
            "delete_pool" => self.change(text(args, "subnet"), |offer| {
                offer.pools.retain(|pool| *pool.name != *text(args, "pool"));
                Ok(())
            }),
            "set_gateway_mac" => self.change(text(args, "subnet"), |offer| {
                offer.gateway_mac = Some(text(args, "mac").parse().map_err(|_| OTHER)?);
                Ok(())
            }),
            "get_random" => self.get_random(args).map(|grant| given(&grant)),
            "get_static" => self.get_static(args).map(|grant| given(&grant)),
            "release_pod" => Ok(self.release(args, |_| true)),
            "release_nic" => Ok(self.release(args, |nic| nic == text(args, "nic"))),
            "pod_addresses" => Ok(self.pod_addresses(text(args, "pod"))),
            "contains" => Ok(json!({"value": self.contains(text(args, "ip"))})),
            "assigned_to_other" => Ok(self.assigned_to_other(args)),
            "ranges" => self.ranges(args),
            "pool_stats" => self.pool_stats(args),
            "subnet_info" => Ok(self.subnet_info(text(args, "name"))),
            "alloc_many" => Ok(self.alloc_many(args)),
            _ => return Err(format!("unknown operation {op}")),
        };
        let (ok, error, answer) = match answer {
            Ok(answer) => (true, "", answer),
            Err(Failed(error)) => (false, error, json!({})),
        };
        let mut answer = answer.as_object().cloned().unwrap_or_default();
        answer.insert("ok".into(), ok.into());
        // A call that makes many others tells itself how the last one failed.
        answer.entry("error").or_insert(error.into());
        Ok(answer)
    }

    fn put_subnet(&mut self, op: &str, args: &Args) -> Result<(), Failed> {
        let (name, gateway) = (text(args, "name"), text(args, "gateway"));
        let cidrs: DualStack<Cidr> = text(args, "cidr").parse().map_err(|_| Failed("CIDRInvalid"))?;
        let gateways: DualStack<IpAddr> = gateway.parse().map_err(|_| OTHER)?;
        if op == "put_subnet" && cidrs.families().count() == 2 && gateways.families().count() != 2 {
            return Err(OTHER);
        }
        let before = self.offers.get(name);
        let offer = Offer {
            subnet: name.into(),
            space: name.into(),
            cidrs,
            gateways,
            // What can't be read is left out, as Kube-OVN does.
            excludes: list(args, "exclude").iter().filter_map(|range| range.parse().ok()).collect(),
            pools: before.map(|offer| offer.pools.clone()).unwrap_or_default(),
            gateway_mac: before.and_then(|offer| offer.gateway_mac),
            ..Offer::default()
        };
        self.define(offer)
    }

    fn define(&mut self, offer: Offer) -> Result<(), Failed> {
        self.ledger.define(&offer)?;
        self.offers.insert(offer.subnet.to_string(), offer);
        Ok(())
    }

    /// Changes what a subnet offers.
    fn change(
        &mut self,
        subnet: &str,
        change: impl FnOnce(&mut Offer) -> Result<(), Failed>,
    ) -> Result<Value, Failed> {
        let mut offer = self.offers.get(subnet).cloned().ok_or(OTHER)?;
        change(&mut offer)?;
        self.define(offer).map(|()| json!({}))
    }

    fn delete_subnet(&mut self, name: &str) -> Value {
        for (owner, grant) in self.grants_of(name) {
            self.ledger.release(&owner, &grant.nic, grant.generation, NOW);
        }
        self.ledger.close(name);
        self.offers.remove(name);
        json!({})
    }

    fn put_pool(&mut self, args: &Args) -> Result<(), Failed> {
        let name = text(args, "pool");
        let ranges =
            list(args, "ips").iter().map(|item| range(item)).collect::<Option<Vec<_>>>().ok_or(OTHER)?;
        let put = |offer: &mut Offer| {
            offer.pools.retain(|pool| *pool.name != *name);
            offer.pools.push(NamedPool { name: name.into(), ranges });
            Ok(())
        };
        self.change(text(args, "subnet"), put).map(|_| ())
    }

    fn get_random(&mut self, args: &Args) -> Result<Grant, Failed> {
        let pool = text(args, "pool");
        let from = if pool.is_empty() { Source::Any } else { Source::Pools(vec![pool.into()]) };
        self.get(args, from)
    }

    fn get_static(&mut self, args: &Args) -> Result<Grant, Failed> {
        let subnet = text(args, "subnet");
        let offer = self.offers.get(subnet).ok_or(Failed("NoSubnet"))?;
        let ips: DualStack<IpAddr> = text(args, "ip").parse().map_err(|_| OTHER)?;
        if ips.is_empty() && !offer.cidrs.is_empty() {
            return Err(OTHER);
        }
        self.get(args, ips.into())
    }

    fn get(&mut self, args: &Args, from: Source) -> Result<Grant, Failed> {
        let (subnet, pod) = (text(args, "subnet"), text(args, "pod"));
        let family = match text(args, "family") {
            "" | "Dual" => None,
            "IPv4" => Some(Family::V4),
            "IPv6" => Some(Family::V6),
            _ => return Err(Failed("InvalidIPFamily")),
        };
        let mac = match args.get("mac").map(|mac| mac.as_str().unwrap_or_default()) {
            None => MacWish::Any,
            Some("") => MacWish::Without,
            Some(mac) => MacWish::Is(mac.parse().map_err(|_| OTHER)?),
        };
        let skip = list(args, "skip").iter().filter_map(|ip| ip.parse().ok()).collect();
        let checks = args.get("check_conflict").and_then(Value::as_bool).unwrap_or(true);
        let share = if checks { Vec::new() } else { self.holders(subnet, &from, mac) };
        let nic = nic(subnet, text(args, "nic"));
        let want = Want { nic, subnets: vec![subnet.into()], from, family, mac, skip, share };
        let settled = self.ledger.settle_nic(&owner(pod), &"uid".into(), &want, NOW)?;
        settled.grants.into_iter().next().ok_or(OTHER)
    }

    /// Who has an address or the MAC that is asked for.
    fn holders(&self, subnet: &str, from: &Source, mac: MacWish) -> Vec<OwnerKey> {
        let asked = |ip: &IpAddr| matches!(from, Source::OneOf(items) if items.iter().any(|item| item.iter().any(|i| i == ip)));
        let meets = |grant: &Grant| {
            grant.ips.iter().any(asked) || grant.mac.is_some_and(|held| mac == MacWish::Is(held))
        };
        self.grants_of(subnet).into_iter().filter(|(_, grant)| meets(grant)).map(|(owner, _)| owner).collect()
    }

    fn release(&mut self, args: &Args, is: impl Fn(&str) -> bool) -> Value {
        let (owner, subnet) = (owner(text(args, "pod")), text(args, "subnet"));
        for grant in self.ledger.held(&owner) {
            let named = grant.nic.split_once(' ').map(|(_, name)| name).unwrap_or_default();
            if (subnet.is_empty() || *grant.subnet == *subnet) && is(named) {
                self.ledger.release(&owner, &grant.nic, grant.generation, NOW);
            }
        }
        json!({})
    }

    fn pod_addresses(&self, pod: &str) -> Value {
        let held = self.ledger.held(&owner(pod));
        let address =
            |grant: &Grant| grant.ips.iter().map(|ip| format!("{}/{ip}", grant.subnet)).collect::<Vec<_>>();
        let all: BTreeSet<String> = held.iter().flat_map(address).collect();
        json!({"addresses": all})
    }

    fn contains(&self, ip: &str) -> bool {
        let Ok(ip) = ip.parse::<IpAddr>() else { return false };
        let names: Vec<_> = self.offers.keys().collect();
        names.into_iter().any(|name| {
            self.grants_of(name).iter().any(|(_, grant)| grant.ips.iter().any(|held| *held == ip))
        })
    }

    fn assigned_to_other(&self, args: &Args) -> Value {
        let Ok(ip) = text(args, "ip").parse::<IpAddr>() else { return json!({"value": false, "owner": ""}) };
        let mut held = self.grants_of(text(args, "subnet"));
        held.retain(|(_, grant)| grant.ips.iter().any(|held| *held == ip));
        held.sort_by_key(|(_, grant)| grant.generation);
        let owners: Vec<&str> = held.iter().map(|(owner, _)| &*owner.name).collect();
        let owner = owners.join(",");
        if owner.is_empty() || owner == text(args, "pod") {
            return json!({"value": false, "owner": ""});
        }
        json!({"value": true, "owner": owner})
    }

    fn ranges(&self, args: &Args) -> Result<Value, Failed> {
        let offer = self.offers.get(text(args, "subnet")).ok_or(Failed("NoSubnet"))?;
        let excludes: Vec<IpRange> =
            list(args, "exclude").iter().filter_map(|item| item.parse().ok()).collect();
        let mut answer = Map::new();
        for family in Family::BOTH {
            let without = numbers(&excludes, family);
            let all = self.numbers_of(offer, family, None);
            answer.insert(key(family, "using"), all.using.without(&without).text(family).into());
            answer.insert(key(family, "available"), all.available.without(&without).text(family).into());
        }
        Ok(Value::Object(answer))
    }

    fn pool_stats(&self, args: &Args) -> Result<Value, Failed> {
        let offer = self.offers.get(text(args, "subnet")).ok_or(Failed("NoSubnet"))?;
        let mut answer = Map::new();
        for family in Family::BOTH {
            let pool = self.numbers_of(offer, family, Some(text(args, "pool")));
            for (what, set) in [("using", pool.using), ("available", pool.available)] {
                answer.insert(key(family, what), set.count().to_string().into());
                answer.insert(key(family, &format!("{what}_range")), set.text(family).into());
            }
        }
        Ok(Value::Object(answer))
    }

    fn subnet_info(&self, name: &str) -> Value {
        let Some(offer) = self.offers.get(name) else { return json!({"exists": false}) };
        let protocol = match (offer.cidrs.v4.is_some(), offer.cidrs.v6.is_some()) {
            (true, true) => "Dual",
            (true, false) => "IPv4",
            (false, true) => "IPv6",
            (false, false) => "Mac",
        };
        let macs = self.grants_of(name).iter().filter(|(_, grant)| grant.mac.is_some()).count();
        let mut answer = Map::new();
        answer.insert("exists".into(), true.into());
        answer.insert("protocol".into(), protocol.into());
        answer.insert("macs".into(), macs.into());
        for family in Family::BOTH {
            let text = |value: Option<String>| Value::from(value.unwrap_or_default());
            let usable = offer.cidrs.get(family).map(|cidr| cidr.usable());
            let usable: RangeSet = usable.map(IpRange::numbers).into_iter().collect();
            let reserved = usable.common(&numbers(&offer.excludes, family));
            let all = self.numbers_of(offer, family, None);
            answer.insert(key(family, "cidr"), text(offer.cidrs.get(family).map(ToString::to_string)));
            answer.insert(key(family, "gateway"), text(offer.gateways.get(family).map(ToString::to_string)));
            answer.insert(key(family, "reserved"), reserved.text(family).into());
            answer.insert(key(family, "using"), all.using.text(family).into());
            answer.insert(key(family, "available"), all.available.text(family).into());
        }
        Value::Object(answer)
    }

    fn alloc_many(&mut self, args: &Args) -> Value {
        let (mut all, mut error) = (Vec::new(), "");
        for i in 0..args.get("count").and_then(Value::as_u64).unwrap_or_default() {
            let mut one = args.clone();
            let pod = format!("{}{i}", text(args, "prefix"));
            one.insert("pod".into(), pod.clone().into());
            one.insert("nic".into(), pod.into());
            match self.get_random(&one) {
                Ok(grant) => all.extend(grant.ips.iter().next().map(ToString::to_string)),
                Err(Failed(name)) => {
                    error = name;
                    break;
                }
            }
        }
        let distinct = all.iter().collect::<BTreeSet<_>>().len();
        let end = |ip: Option<&String>| ip.cloned().unwrap_or_default();
        let (first, last) = (end(all.first()), end(all.last()));
        json!({"allocated": all.len(), "distinct": distinct, "first": first, "last": last, "error": error})
    }

    /// What is in use and what is available, of a subnet or of one of its pools.
    fn numbers_of(&self, offer: &Offer, family: Family, pool: Option<&str>) -> Numbers {
        let names: Vec<&str> = match pool {
            Some(name) => vec![name],
            None => offer.pools.iter().map(|pool| &*pool.name).chain([""]).collect(),
        };
        let usages: Vec<_> =
            names.iter().filter_map(|name| self.ledger.pool_usage(&offer.subnet, name)).collect();
        let all = |of: fn(&kubeovn_ipam::Usage) -> &DualStack<String>| -> RangeSet {
            let texts = usages.iter().filter_map(|usage| of(usage).get(family));
            texts.flat_map(|text| text.split(',')).filter_map(listed).collect()
        };
        let (using, mut available) = (all(|usage| &usage.used_ranges), all(|usage| &usage.available_ranges));
        if let Some(gateway) = free_gateway(offer, family, pool, &using) {
            available = available.runs().chain([(gateway, gateway)]).collect();
        }
        Numbers { using, available }
    }

    fn grants_of(&self, subnet: &str) -> Vec<(OwnerKey, Grant)> {
        let owners = self.ledger.owners().into_iter().map(|(owner, _)| owner);
        let held = owners.flat_map(|owner| {
            self.ledger.held(&owner).into_iter().map(move |grant| (owner.clone(), grant)).collect::<Vec<_>>()
        });
        held.filter(|(_, grant)| *grant.subnet == *subnet).collect()
    }
}

/// The gateway, if Kube-OVN would count it as available: it is not excluded, and lies in the pool asked about.
fn free_gateway(offer: &Offer, family: Family, pool: Option<&str>, using: &RangeSet) -> Option<u128> {
    let gateway = *offer.gateways.get(family)?;
    let n = number(gateway);
    let usable = offer.cidrs.get(family).is_some_and(|cidr| cidr.usable().contains(gateway));
    let excluded = offer.excludes.iter().any(|range| range.contains(gateway));
    let owner = offer.pools.iter().find(|pool| pool.ranges.iter().any(|range| range.contains(gateway)));
    let here = pool.is_none_or(|name| name == owner.map_or("", |pool| &*pool.name));
    (usable && !excluded && here && !using.contains(n)).then_some(n)
}

struct Numbers {
    using: RangeSet,
    available: RangeSet,
}

fn text<'a>(args: &'a Args, key: &str) -> &'a str {
    args.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list(args: &Args, key: &str) -> Vec<String> {
    let items = args.get(key).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn owner(pod: &str) -> OwnerKey {
    OwnerKey::new(OwnerKind::Pod, pod)
}

/// Interfaces of one name in several subnets are several.
fn nic(subnet: &str, nic: &str) -> Arc<str> {
    format!("{subnet} {nic}").into()
}

fn given(grant: &Grant) -> Value {
    let ip = |family| grant.ips.get(family).map(ToString::to_string).unwrap_or_default();
    json!({"v4": ip(Family::V4), "v6": ip(Family::V6), "mac": grant.mac.map(|mac| mac.to_string()).unwrap_or_default()})
}

/// An address, `a..b`, or all addresses of a prefix.
fn range(item: &str) -> Option<IpRange> {
    if let Ok(cidr) = item.parse::<Cidr>() {
        return IpRange::new(cidr.net().network(), cidr.net().broadcast());
    }
    item.parse().ok()
}

/// `a` or `a-b`, as numbers.
fn listed(item: &str) -> Option<(u128, u128)> {
    let range: IpRange = item.replace('-', "..").parse().ok()?;
    Some(range.numbers())
}

fn numbers(ranges: &[IpRange], family: Family) -> RangeSet {
    ranges.iter().filter(|range| range.family() == family).map(|range| range.numbers()).collect()
}

fn number(ip: IpAddr) -> u128 {
    IpRange::from(ip).numbers().0
}

fn key(family: Family, what: &str) -> String {
    format!("{}_{what}", if family == Family::V4 { "v4" } else { "v6" })
}
