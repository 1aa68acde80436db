//! What a server says of itself, keeps, and refuses.

use std::{process::Command, time::Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api, Client,
    api::{GetParams, ListParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;

use crate::kubernetes::{Kubernetes, STRANGER};

#[tokio::test]
async fn a_server_is_what_it_seems() {
    let began = Instant::now();
    let kubernetes = Kubernetes::start().await;
    println!("ready after {} ms", began.elapsed().as_millis());
    let began = Instant::now();
    kubernetes.apply_crds().await;
    println!("kinds known after {} ms", began.elapsed().as_millis());

    says_its_version(&kubernetes).await;
    takes_pods(&kubernetes.client()).await;
    refuses_a_stranger(&kubernetes).await;
    is_reached_by_its_kubeconfig(&kubernetes).await;
}

/// That of the program, which is a release.
async fn says_its_version(kubernetes: &Kubernetes) {
    let output = Command::new(kubernetes.program()).arg("--version").output().unwrap();
    let program = String::from_utf8(output.stdout).unwrap();
    let version = kubernetes.client().apiserver_version().await.unwrap();
    assert_eq!(program.trim(), format!("Kubernetes {}", version.git_version));
    assert_eq!(version.major, "1");
    assert!(version.git_version.starts_with(&format!("v1.{}.", version.minor)), "{}", version.git_version);
}

/// Although nobody makes the service account that they run as.
async fn takes_pods(client: &Client) {
    let pod = json!({
        "metadata": {"name": "one"},
        "spec": {"containers": [{"name": "pause", "image": "pause"}]},
    });
    let api: Api<Pod> = Api::default_namespaced(client.clone());
    api.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
}

async fn refuses_a_stranger(kubernetes: &Kubernetes) {
    let api: Api<ConfigMap> = Api::default_namespaced(kubernetes.client_of(STRANGER));
    let error = api.list(&ListParams::default()).await.unwrap_err();
    let kube::Error::Api(status) = error else { panic!("{error}") };
    assert_eq!(status.code, 403, "{status:?}");
    assert!(status.message.contains("\"stranger\""), "{status:?}");

    let nobody: Api<ConfigMap> = Api::default_namespaced(kubernetes.client_of("nobody"));
    let error = nobody.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 401), "{error}");
}

async fn is_reached_by_its_kubeconfig(kubernetes: &Kubernetes) {
    let kubeconfig = Kubeconfig::read_from(kubernetes.kubeconfig()).unwrap();
    let as_user = async |user: &str| {
        let options = KubeConfigOptions { context: Some(user.to_owned()), ..KubeConfigOptions::default() };
        let config = kube::Config::from_custom_kubeconfig(kubeconfig.clone(), &options).await.unwrap();
        assert_eq!(config.cluster_url.to_string().trim_end_matches('/'), kubernetes.url());
        let api: Api<Pod> = Api::default_namespaced(Client::try_from(config).unwrap());
        api.get_with("one", &GetParams::default()).await.map(|pod| pod.metadata.name)
    };
    assert_eq!(as_user("admin").await.unwrap().as_deref(), Some("one"));
    assert!(as_user(STRANGER).await.is_err());
}
