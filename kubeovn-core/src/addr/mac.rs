//! Ethernet addresses.

use std::{fmt, str::FromStr};

use super::AddrParseError;

/// A unicast Ethernet address. Compared by value: `0A:58…` and `0a:58…` are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// A MAC from its bytes. The group bit is cleared and the "locally administered" bit set, so that any six
    /// bytes (random, or from a hash) make a valid station address (IEEE 802, section 8.2).
    pub fn local(mut bytes: [u8; 6]) -> Self {
        bytes[0] = (bytes[0] | 0x02) & 0xfe;
        Mac(bytes)
    }

    /// The six bytes, first on the wire first.
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || AddrParseError::Mac { text: text.to_owned() };
        let mut bytes = [0u8; 6];
        let mut parts = text.trim().split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or_else(bad)?;
            if part.len() != 2 || !part.bytes().all(|c| c.is_ascii_hexdigit()) {
                return Err(bad());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() {
            return Err(bad());
        }
        if bytes[0] & 1 == 1 {
            return Err(AddrParseError::MacMulticast { text: text.to_owned() });
        }
        Ok(Mac(bytes))
    }
}
