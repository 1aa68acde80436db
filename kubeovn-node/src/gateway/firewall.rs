//! Who writes the rules of a plan: the contract, and a writer in memory.

mod memory;

use std::fmt::{self, Debug, Display, Formatter};

use async_trait::async_trait;
use kubeovn_core::addr::{Cidr, DualStack};
use kubeovn_core::error::Problem;

pub use self::memory::MemoryFirewall;
use super::error::GatewayError;
use super::plan::Rules;
use crate::netns::NetNs;

/// A packet filter that can be made to have exactly the rules of a plan.
///
/// # Guarantees
/// * What belongs to others is never changed, whatever it looks like.
/// * What is as it should be is not written: an apply that changes nothing says nothing.
/// * What somebody changed by hand in what is ours is found and mended.
/// * At no moment between two sets of rules are there none.
///
/// # Cancellation
/// A dropped future leaves the old rules, the new ones, or for a writer of several steps something between them; the
/// next apply makes it right.
#[async_trait]
pub trait HostFirewall: Debug + Send + Sync {
    /// Makes the rules of each family be exactly these. A family without rules gets none: all that is ours goes.
    ///
    /// # Errors
    /// `GATEWAY-FIREWALL`, with what the program said.
    async fn apply(&self, wanted: &DualStack<Rules>) -> Result<Vec<Change>, GatewayError>;

    /// Other writers that may have left rules of ours in a namespace, to be taken away; those that accept not, if they are
    /// to be spared.
    fn rivals(&self, _ns: &NetNs, _spare: bool) -> Vec<Box<dyn HostFirewall>> {
        Vec::new()
    }

    /// What has passed the host per prefix since its rule was made, sorted.
    ///
    /// # Errors
    /// `GATEWAY-FIREWALL`, with what the program said.
    async fn traffic(&self) -> Result<Vec<Traffic>, GatewayError> {
        Ok(Vec::new())
    }

    /// What on this host makes the rules do less than planned.
    async fn warnings(&self) -> Result<Vec<Problem>, GatewayError> {
        Ok(Vec::new())
    }
}

/// How much of a subnet's prefix has passed the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Traffic {
    /// The prefix; [`Rules::counted`] says whose it is.
    pub prefix: Cidr,
    /// Where it is in these packets.
    pub side: Side,
    /// How many packets.
    pub packets: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Where a prefix is in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Packets that come from it.
    From,
    /// Packets that go to it.
    To,
}

/// Something that was changed on the host, for the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The object: `nft ip set subnets`, `route 10.16.0.0/16 via 100.64.0.1 dev ovn0`.
    pub object: String,
    /// What became of it.
    pub what: What,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It is new.
    Made,
    /// It was of ours or in our place, and is gone.
    Removed,
    /// It is another one now.
    Replaced,
    /// So many of its parts are new, and so many are gone.
    Edited {
        /// New ones.
        added: usize,
        /// Gone ones.
        removed: usize,
    },
}

impl Change {
    pub(super) fn new(object: impl Into<String>, what: What) -> Self {
        Change { object: object.into(), what }
    }
}

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Made => write!(f, "made {}", self.object),
            What::Removed => write!(f, "removed {}", self.object),
            What::Replaced => write!(f, "replaced {}", self.object),
            What::Edited { added, removed } => write!(f, "{}: {added} added, {removed} removed", self.object),
        }
    }
}
