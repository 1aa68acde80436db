//! Switches checksum and segmentation offload of a link off.
//!
//! A userspace OVS reads frames with `AF_PACKET`, which sees what the sender *would* have handed to hardware: with
//! offload on, TCP and UDP leave with checksums that nobody completes. So links that end in a `netdev` bridge must
//! compute them in software, on the **sending** side.

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::os::fd::AsFd;

use crate::netlink::NetlinkError;
use crate::netns::{NetNs, NetNsError};
use crate::sys;

/// `ETHTOOL_S*` of `linux/ethtool.h`, segmentation first: the kernel refuses to keep it without checksums.
const FEATURES: [u32; 4] = [/* STSO */ 0x1f, /* SGSO */ 0x24, /* SGRO */ 0x2c, TX_CHECKSUM];

/// `ETHTOOL_STXCSUM`.
const TX_CHECKSUM: u32 = 0x17;

/// An offload that could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OffloadError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    NetNs(#[from] NetNsError),
    /// The kernel refused the change.
    #[error(transparent)]
    Refused(#[from] NetlinkError),
}

/// Turns tx checksum, TSO, GSO and GRO of a link off. Idempotent; a feature the driver lacks is off already.
pub fn disable_offloads(ns: &NetNs, link: &str) -> Result<(), OffloadError> {
    disable(ns, link, &FEATURES)
}

/// Turns tx checksum of a link off, and nothing else by itself. Idempotent.
pub fn disable_tx_checksum(ns: &NetNs, link: &str) -> Result<(), OffloadError> {
    disable(ns, link, &[TX_CHECKSUM])
}

fn disable(ns: &NetNs, link: &str, features: &[u32]) -> Result<(), OffloadError> {
    let set = || -> Result<(), Errno> {
        let control = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        for feature in features {
            match sys::ethtool(control.as_fd(), link, *feature, 0) {
                Ok(()) | Err(Errno::EOPNOTSUPP) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    };
    ns.run(set)?.map_err(|errno| NetlinkError::new("disable offloads of", link, errno).into())
}
