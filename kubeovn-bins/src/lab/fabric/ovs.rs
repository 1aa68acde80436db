//! Setting up the OVS of one node.
//!
//! Three things are needed because the datapath is a userspace one:
//! - The tunnel's address sits on the bridge that has the NIC (`br-phy`): OVS finds the next hop of a tunnel only
//!   through a bridge of its own.
//! - OVS only listens in on a plugged NIC, the kernel still gets each packet too and would answer it: an nftables
//!   table drops what arrives on those NICs.
//! - OVS before 3.1.3 aborts when a connection tracked with a NAT twin is used again, and OVN gives every
//!   connection such a twin where the datapath offers `ct_zero_snat`: so the offer is withdrawn. ovs-vswitchd
//!   makes it anew at each start, therefore this is repeated each time.

use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use kubeovn_node::netlink::{Netlink, Veth};
use kubeovn_node::netns::NetNs;
use kubeovn_node::offload::disable_offloads;
use tokio::net::UnixStream;
use tokio::process::Command;

use super::central::Central;
use super::node::NodeHandle;
use super::{BRIDGE, COMING_UP, blocking};
use crate::lab::error::LabError;
use crate::lab::state::file_names;
use crate::lab::tool;

/// Of the wire between the nodes, in bytes.
const UNDERLAY_MTU: u32 = 1500;

/// The wire's prefix length.
const UNDERLAY_PREFIX: u8 = 16;

/// The node's NIC, as seen by the node.
const NIC: &str = "eth0";

/// The bridge that owns the NIC and the tunnel's address.
const PHYSICAL: &str = "br-phy";

impl NodeHandle {
    /// A veth into the underlay's bridge, and the kernel's ears shut.
    pub(super) async fn plug_in(&self, underlay: &NetNs, number: u16) -> Result<(), LabError> {
        let failed = |error| LabError::network(format!("plug node {} into the underlay", self.name))(error);
        let port = format!("n{number}");
        let (ours, wire) =
            (Netlink::new(&self.netns).map_err(failed)?, Netlink::new(underlay).map_err(failed)?);
        // The kernel takes its time to remove the links of a namespace that is gone.
        wire.delete_link(&port).await.map_err(failed)?;
        ours.add_veth(Veth { name: NIC, peer: &port, peer_ns: underlay, mtu: UNDERLAY_MTU })
            .await
            .map_err(failed)?;
        ours.set_up(NIC).await.map_err(failed)?;
        wire.set_master(&port, BRIDGE).await.map_err(failed)?;
        wire.set_up(&port).await.map_err(failed)?;
        let (netns, what) = (self.netns.clone(), format!("offloads of {NIC} on node {}", self.name));
        blocking(move || disable_offloads(&netns, NIC).map_err(LabError::network(what))).await?;
        self.shut_ears().await
    }

    async fn shut_ears(&self) -> Result<(), LabError> {
        // NICs and the ends of containers' links are veths, whatever their names; what an address sits on is none.
        let plugged = "meta iifkind \"veth\" drop";
        let table = |family: &str, hook: &str| {
            format!("table {family} lab {{\nchain in {{\ntype filter hook {hook}; {plugged};\n}}\n}}\n")
        };
        let mut nft = Command::new(tool::find("nft").unwrap_or_else(|| "nft".into()));
        nft.args(["-f", "-"]);
        // Before connection tracking, so that nothing is tracked that was never meant for the kernel.
        let rules = table("arp", "input priority 0") + &table("inet", "prerouting priority -310");
        let output = tool::run_in(&self.netns, nft, rules.as_bytes()).await;
        tool::check(|| format!("nft -f - (on node {})", self.name), output).map(drop)
    }

    /// Waits until its database answers.
    pub(super) async fn wait_database(&self) -> Result<(), LabError> {
        let log = self.dir.join("ovsdb.log");
        let connect = || async { UnixStream::connect(&self.ovsdb).await.ok() };
        let what = format!("the OVS database of node {}", self.name);
        tool::wait_for(&what, COMING_UP, &log, connect).await.map(drop)
    }

    /// The rows that a distribution's start scripts write once.
    pub(super) async fn set_up_ovs(&self, central: &Central) -> Result<(), LabError> {
        let ids = [
            format!("system-id={}", self.name),
            format!("hostname={}", self.name),
            format!("ovn-remote=unix:{}", central.southbound().display()),
            "ovn-encap-type=geneve".to_owned(),
            format!("ovn-encap-ip={}", self.underlay),
            "ovn-bridge-datapath-type=netdev".to_owned(),
            // A machine with many nodes may be busy for longer than the usual 5 s.
            "ovn-openflow-probe-interval=0".to_owned(),
            "ovn-remote-probe-interval=60000".to_owned(),
        ];
        let mut args: Vec<String> = words("--no-wait init -- set Open_vSwitch .");
        args.extend(ids.iter().map(|id| format!("external_ids:{id}")));
        args.extend(words("-- add-br br-int -- set bridge br-int datapath_type=netdev fail_mode=secure"));
        args.extend(words(&format!(
            "-- add-br {PHYSICAL} -- set bridge {PHYSICAL} datapath_type=netdev fail_mode=standalone"
        )));
        args.extend(words(&format!("-- add-port {PHYSICAL} {NIC}")));
        self.vsctl(&args).await.map(drop)
    }

    /// Waits until ovs-vswitchd has made the integration bridge.
    pub(super) async fn wait_bridge(&self) -> Result<(), LabError> {
        let socket = self.dir.join("br-int.mgmt");
        let connect = || async { UnixStream::connect(&socket).await.ok() };
        let what = format!("bridge br-int on node {}", self.name);
        tool::wait_for(&what, COMING_UP, &self.dir.join("vswitchd.log"), connect).await.map(drop)
    }

    /// Gives the tunnel its address, as soon as OVS has made the bridge's own link.
    pub(super) async fn address_tunnel(&self) -> Result<(), LabError> {
        let failed =
            |error| LabError::network(format!("address the tunnel endpoint of node {}", self.name))(error);
        let links = Netlink::new(&self.netns).map_err(failed)?;
        let what = format!("link {PHYSICAL} on node {}", self.name);
        let present = || async { links.link(PHYSICAL).await.ok().flatten() };
        tool::wait_for(&what, COMING_UP, &self.dir.join("vswitchd.log"), present).await?;
        let address = Ipv4Net::new(self.underlay, UNDERLAY_PREFIX)
            .map(IpNet::V4)
            .map_err(LabError::network("form an address"))?;
        links.set_mtu(PHYSICAL, UNDERLAY_MTU).await.map_err(failed)?;
        links.set_up(PHYSICAL).await.map_err(failed)?;
        links.replace_addresses(PHYSICAL, &[address]).await.map_err(failed)
    }

    /// Clears what the last ovs-vswitchd said it can do, so that what is there later was said by the new one.
    pub(super) async fn forget_capabilities(&self) -> Result<(), LabError> {
        match self.datapath().await? {
            Some(datapath) => self
                .vsctl(&words(&format!("--no-wait clear Datapath {datapath} capabilities")))
                .await
                .map(drop),
            None => Ok(()),
        }
    }

    /// Withdraws the offer that makes an old OVS abort. ovn-controller makes the row, ovs-vswitchd fills it in.
    pub(super) async fn deny_zero_snat(&self) -> Result<(), LabError> {
        let what = format!("the list of what the datapath of node {} can do", self.name);
        let said = || async {
            let datapath = self.datapath().await.ok().flatten()?;
            let said =
                self.vsctl(&words(&format!("--no-wait get Datapath {datapath} capabilities"))).await.ok()?;
            said.contains("ct_zero_snat").then_some(datapath)
        };
        let datapath = tool::wait_for(&what, COMING_UP, &self.dir.join("vswitchd.log"), said).await?;
        self.vsctl(&words(&format!("--no-wait set Datapath {datapath} capabilities:ct_zero_snat=false")))
            .await
            .map(drop)
    }

    async fn datapath(&self) -> Result<Option<String>, LabError> {
        let listed = self.vsctl(&words("--no-wait --bare --columns=_uuid list Datapath")).await?;
        Ok(listed.split_whitespace().next().map(str::to_owned))
    }

    pub(super) async fn ask_controller_to_leave(&self) -> Result<(), LabError> {
        // Its socket has its pid in the name: several, if it was killed before and left one behind.
        let is_socket = |name: &&String| {
            name.strip_prefix("ovn-controller.").is_some_and(|rest| rest.strip_suffix(".ctl").is_some())
        };
        for name in file_names(&self.dir).iter().filter(is_socket) {
            let socket = self.dir.join(name).display().to_string();
            if tool::run("ovs-appctl", &["--timeout=5", "-t", &socket, "exit"]).await.is_ok() {
                return Ok(());
            }
        }
        Err(LabError::NodeUnknown { node: self.name.clone() })
    }

    pub(super) async fn wait_chassis(&self, central: &Central) -> Result<(), LabError> {
        let database = format!("--db=unix:{}", central.southbound().display());
        let find = format!("name={}", self.name);
        let args = [
            "--no-leader-only",
            "--timeout=5",
            &database,
            "--bare",
            "--columns=name",
            "find",
            "Chassis",
            &find,
        ];
        let known = || async { tool::run("ovn-sbctl", &args).await.ok().filter(|found| !found.is_empty()) };
        let what = format!("the registration of node {} in OVN", self.name);
        tool::wait_for(&what, Duration::from_mins(1), &self.dir.join("ovn-controller.log"), known)
            .await
            .map(drop)
    }

    async fn vsctl(&self, args: &[String]) -> Result<String, LabError> {
        let mut all = vec!["--timeout=10".to_owned(), format!("--db=unix:{}", self.ovsdb.display())];
        all.extend_from_slice(args);
        tool::run("ovs-vsctl", &all).await
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}
