//! The one place with unsafe code: an ioctl that no safe crate wraps.
#![allow(
    unsafe_code,
    reason = "SIOCETHTOOL takes a pointer inside a union; the crate denies unsafe elsewhere"
)]

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc::{self, IFNAMSIZ, c_char};

/// `SIOCETHTOOL` of `linux/sockios.h`.
const SIOCETHTOOL: u32 = 0x8946;

/// `struct ethtool_value` of `linux/ethtool.h`.
#[repr(C)]
struct EthtoolValue {
    cmd: u32,
    data: u32,
}

/// Sends an ethtool command that carries one 32-bit value to the link `name` of the socket's namespace.
///
/// # Errors
/// `ENAMETOOLONG` for a name that no link can have, else the kernel's answer (`ENODEV`, `EOPNOTSUPP`, …).
pub(crate) fn ethtool(socket: BorrowedFd<'_>, name: &str, cmd: u32, data: u32) -> Result<(), Errno> {
    if name.is_empty() || name.len() >= IFNAMSIZ || name.contains('\0') {
        return Err(Errno::ENAMETOOLONG);
    }
    let mut ifr_name: [c_char; IFNAMSIZ] = [0; IFNAMSIZ];
    for (to, from) in ifr_name.iter_mut().zip(name.bytes()) {
        // signed on some architectures, and not on others
        *to = c_char::from_ne_bytes([from]);
    }
    let mut value = EthtoolValue { cmd, data };
    let mut request = libc::ifreq {
        ifr_name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut value).cast::<c_char>() },
    };
    // SAFETY: `request` is a fully initialised ifreq with a NUL-terminated name, and its data pointer refers to
    // `value`, which has the layout the kernel expects for these commands; both live until the call returns, and
    // the kernel keeps no pointer to either.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL.into(), &raw mut request) };
    Errno::result(answer).map(drop)
}
