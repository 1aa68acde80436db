//! The parts put together: wait for the lease, work while it is ours, and leave in good order.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use kubeovn_ovn::{
    nb::NORTHBOUND,
    ovsdb::{
        client::{Client, FenceConfig},
        connect::Connector,
        txn::Identity,
    },
};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::{error::ControllerError, installation::Installation, lacking, serve::Health};
use crate::{
    cluster::{
        kube::{self as cluster, KubeCluster, Options},
        leased::Leased,
    },
    process,
    run::{
        asking::{Asking, Icmp},
        controller::{self, Company},
        lease::{self, Leadership, LeaseTerm},
        report,
    },
};

/// Works until `stop` comes. What is on its way then is finished by the next one.
///
/// # Errors
/// See [`ControllerError`]; in each case the process should end and be started again.
pub async fn run(install: Installation, stop: impl Future<Output = ()>) -> Result<(), ControllerError> {
    process::tell_in_vain(&install.in_vain);
    let client = cluster::client(
        cluster::access(install.kubeconfig.as_deref())
            .await
            .map_err(|reason| ControllerError::Access { reason })?,
    )
    .map_err(|error| no_access(&error))?;
    let objects = Arc::new(KubeCluster::new(client.clone(), Options::default()));
    let (tell, mut told) = watch::channel(Leadership::Waiting { holder: None });
    let health =
        Arc::new(Health { leadership: told.clone(), cluster: objects.clone(), driver: Mutex::new(None) });
    let port = install.port.clone().open().await?;

    let (holds, hold) = watch::channel(None);
    let (let_go, parting) = oneshot::channel::<()>();
    let elected = lease::run(client.clone(), install.lease.clone(), tell, holds, async {
        // It is let go of when that is asked, and also when nobody is left to ask.
        let _ = parting.await;
    });
    let elected = tokio::spawn(elected);
    let lost = || ControllerError::LeaseLost { name: install.lease.name.clone() };
    let work = async {
        if !leads(&mut told).await {
            return Err(lost());
        }
        let authority = LeaseTerm::new(client, install.lease.clone(), told.clone());
        // Nothing of one that let go can be on its way: then the first write claims the fence, and a restart writes nothing.
        let eager = !hold.borrow().is_some_and(|hold: lease::Hold| hold.handed_over);
        let fence = FenceConfig { authority, nonce: Box::new(nonce), eager };
        let connector = Connector::new(install.northbound.clone(), Box::new(cluster::random));
        let northbound = Client::new(&NORTHBOUND, connector, Identity::Given(Uuid::nil()), Some(fence));
        let (asker, questions) = report::desk();
        // Ends with this.
        let _lacking = lacking::start(objects.clone(), hold.clone(), &install.unwanted);
        let objects = Arc::new(Leased::new(objects, hold));
        let asking = Some(Asking::new(Arc::new(Icmp)));
        let company = Company { northd: None, questions, asking };
        *health.driver.lock().unwrap_or_else(PoisonError::into_inner) = Some(asker);
        tokio::select! {
            () = controller::run(install.settings.clone(), objects, Box::new(northbound), company) => {
                Err(ControllerError::Ended)
            }
            () = lost_by(&mut told) => Err(lost()),
        }
    };
    let result = tokio::select! {
        result = work => result,
        served = port.serve(health.clone()) => match served {
            Ok(()) => Err(ControllerError::Ended),
            Err(error) => Err(error.into()),
        },
        () = stop => Ok(()),
    };
    // Nothing is written any more: the next one may begin.
    let _ = let_go.send(());
    let _ = elected.await;
    result
}

fn no_access(error: &dyn std::error::Error) -> ControllerError {
    ControllerError::Access { reason: error.to_string() }
}

/// Waits for the lease. Answers whether it is ours.
async fn leads(told: &mut watch::Receiver<Leadership>) -> bool {
    let decided = told.wait_for(|stands| !matches!(stands, Leadership::Waiting { .. })).await;
    decided.is_ok_and(|stands| matches!(*stands, Leadership::Leading { .. }))
}

async fn lost_by(told: &mut watch::Receiver<Leadership>) {
    // Who tells is gone only when it is lost.
    let _ = told.wait_for(|stands| *stands == Leadership::Lost).await;
}

/// A number that no other process draws: the time, and a part of it that chance decides.
fn nonce() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    time ^ cluster::random().to_bits()
}
