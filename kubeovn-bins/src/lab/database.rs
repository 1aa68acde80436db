//! Clients of the fabric's databases, as controller and node daemons use them.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use kubeovn_core::rows::Schema;
use kubeovn_ovn::ovsdb::client::{Client, FenceConfig, SoleWriter};
use kubeovn_ovn::ovsdb::connect::{ConnectConfig, Connector, Endpoint, Endpoints};
use kubeovn_ovn::ovsdb::txn::Identity;
use uuid::Uuid;

/// A client of the database that is served on a unix socket.
pub(super) fn client(schema: &'static Schema, socket: &Path, fence: Option<FenceConfig>) -> Client {
    let endpoint = Endpoints::from(Endpoint::Unix(socket.to_owned()));
    // A lab's clients come back one by one anyway: no need to draw lots.
    let connector = Connector::new(ConnectConfig::new(endpoint, schema.database), Box::new(|| 0.0));
    Client::new(schema, connector, Identity::Given(Uuid::nil()), fence)
}

/// The fence of the one controller of a lab.
pub(super) fn sole_writer() -> FenceConfig {
    let mut last = 0;
    let nonce = move || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        last = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX).max(last + 1);
        last
    };
    FenceConfig { authority: Arc::new(SoleWriter), nonce: Box::new(nonce), eager: false }
}
