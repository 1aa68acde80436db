//! Rights and kinds that come later.

use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::{
    Api,
    api::{PostParams, ResourceExt},
};
use kubeovn_bins::cluster::kube::{KindStatus, KubeCluster, Options, State};
use kubeovn_core::{
    contract::cluster::{ClusterError, Write},
    index::objects::Kind,
};
use serde_json::json;

use crate::{
    api::ApiServer,
    backend::{Backend, ip, machine, subnet, unique},
    kubernetes::{ADMIN, STRANGER},
    watch::{PATIENCE, Watch},
};

pub(crate) fn status(cluster: &KubeCluster, kind: Kind) -> KindStatus {
    cluster.status().into_iter().find(|status| status.kind == kind).unwrap()
}

/// Waits until a watch stands so.
pub(crate) async fn stands(cluster: &KubeCluster, kind: Kind, state: State) -> KindStatus {
    let began = std::time::Instant::now();
    loop {
        let status = status(cluster, kind);
        if status.state == state {
            return status;
        }
        assert!(began.elapsed() < PATIENCE, "{status:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_missing_is_said_and_waited_for() {
    let server = ApiServer::bare().await;
    let admin = server.cluster();
    let mut watch = Watch::new(&*admin, &[Kind::Subnet, Kind::Namespace], "");
    let missing = stands(&admin, Kind::Subnet, State::Failing).await;
    assert!(!missing.listed);
    let error = missing.error.unwrap();
    assert!(
        error.starts_with("KUBE-KIND-UNKNOWN: kind Subnet") && error.contains("Apply the Custom"),
        "{error}"
    );
    // Another kind is not held up by it.
    assert!(watch.until("=Namespace").await.contains(&"+default".to_owned()));
    server.kubernetes.apply_crds().await;
    assert_eq!(watch.until("=Subnet").await, ["=Subnet"]);
    // A server that has listed a new kind may still refuse to be watched for a moment.
    assert!(stands(&admin, Kind::Subnet, State::Connected).await.listed);

    let user = server.user();
    user.apply(subnet("there", "10.0.0.0/24")).await;
    assert_eq!(watch.told(1).await, ["+there"]);

    kinds_that_may_be_missing_hold_nobody_up(&server).await;
    a_stranger_is_refused_until_he_is_given_the_right(&server).await;
    nobody_is_told_so(&server).await;
}

/// They begin by themselves when they are there, and what was told stays when they go.
async fn kinds_that_may_be_missing_hold_nobody_up(server: &ApiServer) {
    let cluster = server.cluster();
    let options = Options { longest_pause: std::time::Duration::from_millis(500), ..Options::default() };
    let strange = server.cluster_with(STRANGER, options, |_| {});
    let kinds = [Kind::VirtualMachine, Kind::Subnet];
    let mut watch = Watch::new(&*cluster, &kinds, "vm");
    let mut forbidden = Watch::new(&*strange, &kinds[..1], "vm");
    let mut first = watch.told(2).await;
    first.sort();
    assert_eq!(first, ["=Subnet", "?VirtualMachine"]);
    let absent = stands(&cluster, Kind::VirtualMachine, State::Absent).await;
    assert!(!absent.listed && absent.error.is_none(), "{absent:?}");
    assert_eq!(forbidden.told(1).await, ["?VirtualMachine"]);
    let failing = stands(&strange, Kind::VirtualMachine, State::Failing).await;
    assert!(failing.error.unwrap().starts_with("KUBE-FORBIDDEN: kind VirtualMachine"));

    server.kubernetes.apply_machines().await;
    assert_eq!(watch.told(1).await, ["=VirtualMachine"]);
    assert!(stands(&cluster, Kind::VirtualMachine, State::Connected).await.listed);
    let user = server.user();
    user.apply(machine("vm-there")).await;
    assert_eq!(watch.told(1).await, ["+-there"]);
    assert!(forbidden.quiet());
}

async fn a_stranger_is_refused_until_he_is_given_the_right(server: &ApiServer) {
    let options = Options { longest_pause: std::time::Duration::from_millis(500), ..Options::default() };
    let cluster = server.cluster_with(STRANGER, options, |_| {});
    let mut watch = Watch::new(&*cluster, &[Kind::Subnet], "there");
    let forbidden = stands(&cluster, Kind::Subnet, State::Failing).await;
    let error = forbidden.error.unwrap();
    assert!(error.starts_with("KUBE-FORBIDDEN: kind Subnet") && error.contains("403"), "{error}");
    let name = unique("record");
    let write = || async {
        use kubeovn_core::contract::cluster::Cluster;
        cluster.write(Write::Create(ip(&name))).await
    };
    let refused = write().await.unwrap_err();
    assert!(
        matches!(&refused, ClusterError::Refused { reason, .. } if reason.contains("forbidden")),
        "{refused:?}"
    );
    assert!(watch.quiet());

    let binding = json!({
        "metadata": { "name": "all-for-the-stranger" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": STRANGER }],
    });
    let binding: ClusterRoleBinding = serde_json::from_value(binding).unwrap();
    let api: Api<ClusterRoleBinding> = Api::all(server.client.clone());
    let made = api.create(&PostParams::default(), &binding).await.unwrap();
    assert_eq!(made.name_any(), "all-for-the-stranger");
    assert_eq!(watch.until("=Subnet").await, ["+", "=Subnet"]);
    write().await.unwrap();
}

async fn nobody_is_told_so(server: &ApiServer) {
    let cluster = server.cluster_with("nobody", Options::default(), |_| {});
    let _watch = Watch::new(&*cluster, &[Kind::Pod], "");
    let error = stands(&cluster, Kind::Pod, State::Failing).await.error.unwrap();
    assert!(error.starts_with("KUBE-FORBIDDEN: kind Pod") && error.contains("401"), "{error}");
    assert!(server.kubernetes.config(ADMIN).auth_info.token.is_some());
}
