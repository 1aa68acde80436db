//! The cluster as checks see it.

use std::time::Instant;

use futures_util::future::join_all;
use kubeovn_bins::lab::fabric::Fabric;

use crate::{
    central,
    cni::Cni,
    image,
    kept::Kept,
    kubectl::Kubectl,
    kubernetes::{ADMIN, Kubernetes, process::Program},
    node::Node,
    programs::Programs,
    settings::{self, Settings},
    wait::until,
};

/// A cluster that runs. What it consists of ends with it; the rest, containers for one, with the namespaces around it.
pub(crate) struct Cluster {
    /// kubectl of the administrator.
    pub(crate) kubectl: Kubectl,
    /// By number.
    pub(crate) nodes: Vec<Node>,
    /// What gives its pods their network.
    pub(crate) cni: Cni,
    /// Ours.
    pub(crate) controller: Kept,
    _workers: Vec<Program>,
    _kubernetes: Kubernetes,
    /// OVN and OVS.
    pub(crate) fabric: Fabric,
}

impl Cluster {
    /// Starts everything and waits until all nodes are ready.
    pub(crate) async fn start(settings: Settings) -> Self {
        let clock = Clock(Instant::now());
        let programs = Programs::find();
        let names: Vec<String> = (1..=settings.nodes).map(|number| format!("n{number}")).collect();
        let made = tokio::task::spawn_blocking(image::make);
        let fabric = central::fabric().await;
        made.await.unwrap();
        clock.says("OVN and the image are there");
        let nodes = join_all(names.iter().map(async |name| {
            let handle = fabric.node_up(name).await.unwrap_or_else(|error| panic!("{error}"));
            Node::start(&handle).await
        }));
        let (kubernetes, mut nodes) = tokio::join!(central::kubernetes(&names), nodes);
        fabric.warm().await;
        clock.says("the API server and the nodes' containerds answer");
        let kubectl = write_admin(&kubernetes, &programs);
        let workers = central::workers(&kubernetes, &programs);
        for node in &mut nodes {
            node.join(&kubernetes, &programs);
        }
        kubernetes.apply_crds().await;
        let controller =
            Kept::start("kubeovn-controller".to_owned(), central::controller(&kubernetes, &fabric));
        let others: Vec<(u16, String)> =
            (1..).zip(&nodes).map(|(number, node)| (number, node.machine().address().to_string())).collect();
        for (number, node) in (1..).zip(&mut nodes) {
            settings.cni.start(node, &others, number).await;
        }
        let cluster = Self {
            kubectl,
            nodes,
            cni: settings.cni,
            controller,
            _workers: workers,
            _kubernetes: kubernetes,
            fabric,
        };
        cluster.nodes_are_ready().await;
        clock.says(&format!("{} nodes are Ready, with {:?}", cluster.nodes.len(), cluster.cni));
        cluster
    }

    async fn nodes_are_ready(&self) {
        let path = r#"--output=jsonpath={range .items[*].status.conditions[?(@.type=="Ready")]}{.message}{"\n"}{end}"#;
        until("all nodes to be ready", async || {
            let ended: Vec<String> = self.nodes.iter().flat_map(Node::ended).collect();
            assert!(ended.is_empty(), "ended by themselves: {ended:?}");
            let said = self.kubectl.run(&["get", "nodes", path]).await?;
            let ready = said.lines().filter(|line| line.contains("is posting ready status")).count();
            if ready == self.nodes.len() { Ok(()) } else { Err(said) }
        })
        .await;
    }
}

/// Writes the administrator's kubeconfig to where those who look around find it.
fn write_admin(kubernetes: &Kubernetes, programs: &Programs) -> Kubectl {
    let (authority, path) = (settings::folder().join("ca.crt"), settings::folder().join("kubeconfig"));
    std::fs::copy(kubernetes.authority(), &authority).unwrap();
    std::fs::write(&path, kubernetes.kubeconfig_of(ADMIN, &authority)).unwrap();
    Kubectl::new(programs.kubectl.clone(), path)
}

/// Tells how long it took.
pub(crate) struct Clock(pub(crate) Instant);

impl Clock {
    pub(crate) fn says(&self, what: &str) {
        println!("e2e: {:5.1} s  {what}", self.0.elapsed().as_secs_f64());
    }
}
