//! Status of pools.

use super::{
    Telling,
    status::{conditions, finalizer, number, text},
};
use crate::{
    addr::Family,
    contract::cluster::{Status, Write},
    decide::pools,
    index::{
        World,
        objects::{IpPoolStatus, ObjectKey},
    },
};

pub(super) fn tell(world: &World, key: &ObjectKey) -> Telling {
    let Some(pool) = world.ip_pool(&key.name) else { return Telling::default() };
    let (works, problems) = pools::problems(world, pool);
    let usage = world.pool_usage(&key.name).filter(|_| works).cloned().unwrap_or_default();
    let want = IpPoolStatus {
        conditions: conditions(&pool.meta, works, works, &problems),
        v4AvailableIPs: number(&usage.available, Family::V4),
        v4AvailableIPRange: text(&usage.available_ranges, Family::V4),
        v4UsingIPs: number(&usage.used, Family::V4),
        v4UsingIPRange: text(&usage.used_ranges, Family::V4),
        v6AvailableIPs: number(&usage.available, Family::V6),
        v6AvailableIPRange: text(&usage.available_ranges, Family::V6),
        v6UsingIPs: number(&usage.used, Family::V6),
        v6UsingIPRange: text(&usage.used_ranges, Family::V6),
    };
    // Kube-OVN's have a finalizer, which waits for nobody: what is held of its addresses stays held.
    let mut writes: Vec<Write> = finalizer(key, &pool.meta, false, true).into_iter().collect();
    if want != pool.status && !pool.meta.deleting {
        let uid = pool.meta.uid.clone();
        writes.push(Write::Status { key: key.clone(), uid, status: Status::IpPool(want) });
    }
    Telling { writes, problems }
}
