//! A network for the members to talk to each other: a namespace each, and one with the switch between them.

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::settled::tool;

/// Namespaces that go with their value.
pub(crate) struct Network {
    prefix: String,
    members: u32,
}

impl Network {
    /// Members 1 to `members`, all connected.
    pub(crate) fn new(members: u32) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let network = Self { prefix: format!("kovr-{}-{number}", std::process::id()), members };
        let switch = network.switch();
        ip(&["netns", "add", &switch]);
        ip(&["-n", &switch, "link", "add", "name", "lan", "type", "bridge"]);
        ip(&["-n", &switch, "link", "set", "lan", "up"]);
        for member in 1..=members {
            let (own, port) = (network.namespace(member), format!("p{member}"));
            ip(&["netns", "add", &own]);
            ip(&[
                "-n", &switch, "link", "add", "name", &port, "type", "veth", "peer", "name", "e", "netns",
                &own,
            ]);
            ip(&["-n", &switch, "link", "set", &port, "master", "lan", "up"]);
            ip(&["-n", &own, "address", "add", &format!("{}/24", address(member)), "dev", "e"]);
            ip(&["-n", &own, "link", "set", "lo", "up"]);
            ip(&["-n", &own, "link", "set", "e", "up"]);
        }
        network
    }

    pub(crate) fn namespace(&self, member: u32) -> String {
        format!("{}-n{member}", self.prefix)
    }

    /// Where a member listens for the others.
    pub(crate) fn raft(member: u32) -> String {
        format!("tcp:{}:6644", address(member))
    }

    /// Cuts a member off from the others, and they from it.
    pub(crate) fn cut(&self, member: u32) {
        ip(&["-n", &self.switch(), "link", "set", &format!("p{member}"), "down"]);
    }

    pub(crate) fn mend(&self, member: u32) {
        ip(&["-n", &self.switch(), "link", "set", &format!("p{member}"), "up"]);
    }

    fn switch(&self) -> String {
        format!("{}-sw", self.prefix)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in (1..=self.members).map(|member| self.namespace(member)).chain([self.switch()]) {
            let _ = Command::new("ip").args(["netns", "del", &namespace]).output();
        }
    }
}

fn address(member: u32) -> String {
    format!("10.99.0.{member}")
}

fn ip(arguments: &[&str]) {
    tool("ip", arguments);
}
