//! How long requests take, and on what: for metrics and benches.
//!
//! Nothing here reads a clock: whoever has one says when a stage has ended.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use kubeovn_core::cni::AttachmentId;

/// What an ADD does or waits for, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// An earlier request for the same interface is ended.
    Turn,
    /// The controller gives the interface its addresses.
    Address,
    /// The integration bridge is there.
    Bridge,
    /// The kernel makes the veth pair, with addresses and routes.
    Link,
    /// Open_vSwitch has the port's rows.
    Rows,
    /// ovs-vswitchd takes the port up.
    Port,
    /// ovn-controller installs the port's flows.
    Flows,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Stage; 7] =
        [Stage::Turn, Stage::Address, Stage::Bridge, Stage::Link, Stage::Rows, Stage::Port, Stage::Flows];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Turn => "turn",
            Stage::Address => "address",
            Stage::Bridge => "bridge",
            Stage::Link => "link",
            Stage::Rows => "rows",
            Stage::Port => "port",
            Stage::Flows => "flows",
        }
    }
}

/// When the stages of one ADD ended, since it began. What it did not get to is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stages(BTreeMap<Stage, Duration>);

impl Stages {
    /// A stage has ended. Of several times that this is said, the first counts.
    pub fn end(&mut self, stage: Stage, at: Duration) {
        self.0.entry(stage).or_insert(at);
    }

    /// The ADD was given up: the stage that it was in has ended.
    pub fn give_up(&mut self, at: Duration) {
        let last = self.0.keys().next_back();
        let next = Stage::ALL.into_iter().find(|stage| last.is_none_or(|last| stage > last));
        if let Some(next) = next {
            self.end(next, at);
        }
    }

    /// How long a stage took.
    pub fn took(&self, stage: Stage) -> Option<Duration> {
        let end = self.0.get(&stage)?;
        let begin = self.0.range(..stage).map(|(_, end)| *end).max().unwrap_or_default();
        Some(end.saturating_sub(begin))
    }
}

/// Is told how long requests took.
pub trait Observer: Debug + Send + Sync {
    /// A request on one of the protocol's paths was answered with an HTTP status, so long after it was accepted.
    fn answered(&self, path: &'static str, status: u16, took: Duration);

    /// An ADD has come, and is worked on from now on until [`Observer::added`] tells that it has ended.
    fn begun(&self, _id: &AttachmentId) {}

    /// An ADD has ended, well or not.
    fn added(&self, id: &AttachmentId, stages: &Stages);
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn answered(&self, _path: &'static str, _status: u16, _took: Duration) {}

    fn added(&self, _id: &AttachmentId, _stages: &Stages) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_stage_takes_from_the_end_of_the_one_before() {
        let mut stages = Stages::default();
        stages.end(Stage::Turn, ms(1));
        stages.end(Stage::Address, ms(5));
        // Two of them were seen at once, and the later one first.
        stages.end(Stage::Port, ms(9));
        stages.end(Stage::Rows, ms(9));
        stages.end(Stage::Rows, ms(20));
        let took = Stage::ALL.map(|stage| stages.took(stage));
        assert_eq!(took, [Some(ms(1)), Some(ms(4)), None, None, Some(ms(4)), Some(ms(0)), None]);
    }

    #[test]
    fn what_was_given_up_waited_for_the_next_stage() {
        let mut stages = Stages::default();
        stages.end(Stage::Turn, ms(1));
        stages.give_up(ms(11));
        assert_eq!((stages.took(Stage::Address), stages.took(Stage::Bridge)), (Some(ms(10)), None));
        let mut none = Stages::default();
        none.give_up(ms(3));
        assert_eq!(none.took(Stage::Turn), Some(ms(3)));
        // All has been done: there is nothing to give up.
        let mut all = Stages::default();
        all.end(Stage::Flows, ms(4));
        all.give_up(ms(9));
        assert_eq!(all.took(Stage::Flows), Some(ms(4)));
    }
}
