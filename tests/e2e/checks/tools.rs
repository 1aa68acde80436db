//! What operators ask.

use std::sync::Arc;

use tokio::process::Command;

use super::workloads::agents;
use crate::{cluster::Cluster, image, programs, settings};

/// `kubeovn-ctl test` comes to the same as the checks here, and leaves nothing.
pub(super) async fn kubeovn_ctl_test_reaches_all(cluster: Arc<Cluster>) {
    agents(&cluster).await;
    let program = programs::ours("kubeovn-ctl").expect("kubeovn-ctl: make e2e builds it");
    let mut command = Command::new(program);
    command
        .args(["test", "--image", image::TOOLS, "--kubeconfig"])
        .arg(settings::folder().join("kubeconfig"))
        .kill_on_drop(true);
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{}\n{}", said[0], said[1]);
    assert!(cluster.nodes.iter().all(|node| said[0].contains(node.name())), "{}", said[0]);
}
