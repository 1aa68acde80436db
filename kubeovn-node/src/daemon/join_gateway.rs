//! Asks whether the join subnet's gateway answers: the node's way into the overlay.
//!
//! It takes a silent gateway seconds to be known as one, so this is a loop of its own: what happens to pods meanwhile neither
//! waits for it nor begins it anew.

use std::net::IpAddr;
use std::sync::Arc;

use kubeovn_core::addr::DualStack;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep};

use super::node_object::Reach;
use super::standing::{Part, Standing};
use crate::netlink::{Netlink, NetlinkError, look_for};
use crate::netns::NetNs;
use crate::node_port::LINK;

/// How often one that answers is asked.
const EVERY: Duration = Duration::from_secs(10);
/// How often one that does not is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// So long it may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(50);
/// So often in a row it may stay silent before that counts.
const SILENT: usize = 3;

/// The loop's inputs.
pub(super) struct JoinGateway {
    pub(super) host: Arc<Netlink>,
    pub(super) netns: NetNs,
    /// The gateways; `None` as long as the node's port is not as it should be.
    pub(super) gateways: watch::Receiver<Option<DualStack<IpAddr>>>,
    pub(super) reach: watch::Sender<Reach>,
    pub(super) standing: Standing,
}

impl JoinGateway {
    /// Runs until the daemon ends.
    pub(super) async fn run(self) {
        let mut told = self.gateways.clone();
        let (mut asked, mut silent) = (None, 0);
        loop {
            let gateways = *told.borrow_and_update();
            if let Some(gateways) = gateways {
                if asked.replace(gateways) != Some(gateways) {
                    silent = 0;
                }
                tokio::select! {
                    now = self.look(&gateways, silent) => silent = now,
                    Ok(()) = told.changed() => continue,
                }
            }
            let pause = if silent == 0 { EVERY } else { AGAIN };
            tokio::select! {
                Ok(()) = told.changed() => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Does the join subnet's gateway answer? Answers how often in a row it has not.
    async fn look(&self, gateways: &DualStack<IpAddr>, silent: usize) -> usize {
        let mut wrong = None;
        for gateway in gateways.iter() {
            match self.answers(*gateway).await {
                Ok(true) => {}
                Ok(false) => {
                    wrong = Some(format!(
                        "NODE-GATEWAY-SILENT: the join subnet's gateway {gateway} does not answer over {LINK}. Is \
                         ovn-controller (pod ovs-ovn of this node) running and connected to the Southbound database?"
                    ));
                }
                Err(error) => wrong = Some(error),
            }
        }
        let Some(wrong) = wrong else {
            self.standing.tell(Part::JoinGateway, None);
            self.reach.send_if_modified(|known| known.replace(Ok(())) != Some(Ok(())));
            return 0;
        };
        if silent + 1 >= SILENT {
            self.standing.tell(Part::JoinGateway, Some(wrong.clone()));
            self.reach.send_if_modified(|known| known.replace(Err(wrong.clone())) != Some(Err(wrong)));
        }
        silent + 1
    }

    async fn answers(&self, gateway: IpAddr) -> Result<bool, String> {
        let deadline = Instant::now() + ANSWER;
        let failed = |error: NetlinkError| error.to_string();
        look_for(&self.netns, gateway).map_err(failed)?;
        while !self.host.knows_neighbour(LINK, gateway).await.map_err(failed)? {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            sleep(LOOK).await;
        }
        Ok(true)
    }
}
