//! The cluster as checks see it.

use std::time::Instant;

use futures_util::future::join_all;
use kubeovn_bins::lab::fabric::Fabric;
use tokio::process::Command;

use crate::{
    central,
    cni::Cni,
    deployed, image,
    install::Install,
    kept::Kept,
    kubectl::Kubectl,
    kubernetes::{ADMIN, Kubernetes, process::Program},
    machine::Place,
    node::Node,
    part::Part,
    programs::Programs,
    settings::{self, Settings},
    wait::until,
    wire,
};

/// A cluster that runs. What it consists of ends with it; the rest, containers for one, with the namespaces around it.
pub(crate) struct Cluster {
    /// kubectl of the administrator.
    pub(crate) kubectl: Kubectl,
    /// By number.
    pub(crate) nodes: Vec<Node>,
    /// What gives its pods their network.
    pub(crate) cni: Cni,
    /// What runs that.
    pub(crate) install: Install,
    /// Ours, where it is a process.
    pub(crate) controller: Part<Kept>,
    _workers: Vec<Program>,
    /// Those who may be watched are watched.
    pub(crate) kubernetes: Kubernetes,
    /// OVN and OVS, where they are processes.
    pub(crate) fabric: Part<Fabric>,
}

impl Cluster {
    /// Starts everything and waits until all nodes are ready.
    pub(crate) async fn start(settings: Settings) -> Self {
        let clock = Clock(Instant::now());
        let programs = Programs::find();
        let names: Vec<String> = (1..=settings.nodes).map(|number| format!("n{number}")).collect();
        let made = tokio::task::spawn_blocking(image::make);
        let fabric = match settings.install {
            Install::Processes => Some(central::fabric().await),
            Install::Pods => {
                wire::lay().await;
                None
            }
        };
        made.await.unwrap();
        clock.says("OVN and the image are there");
        let nodes = join_all((1..).zip(&names).map(async |(number, name)| {
            let place = match &fabric {
                Some(fabric) => {
                    Place::from(&fabric.node_up(name).await.unwrap_or_else(|error| panic!("{error}")))
                }
                None => wire::place(name, number).await,
            };
            Node::start(&place).await
        }));
        let (kubernetes, mut nodes) = tokio::join!(central::kubernetes(&names), nodes);
        clock.says("the API server and the nodes' containerds answer");
        let kubectl = write_admin(&kubernetes, &programs);
        let workers = central::workers(&kubernetes, &programs);
        for node in &mut nodes {
            node.join(&kubernetes, &programs);
        }
        let controller = if let Some(fabric) = &fabric {
            fabric.warm().await;
            kubernetes.apply_crds().await;
            let start = central::controller(&kubernetes, fabric);
            let controller = Kept::start("kubeovn-controller".to_owned(), start);
            let others: Vec<(u16, String)> = (1..)
                .zip(&nodes)
                .map(|(number, node)| (number, node.machine().address().to_string()))
                .collect();
            for (number, node) in (1..).zip(&mut nodes) {
                settings.cni.start(node, &others, number).await;
            }
            Some(controller)
        } else {
            deployed::install(&kubectl, &nodes, &clock).await;
            None
        };
        let cluster = Self {
            kubectl,
            nodes,
            cni: settings.cni,
            install: settings.install,
            controller: Part(controller),
            _workers: workers,
            kubernetes,
            fabric: Part(fabric),
        };
        cluster.nodes_are_ready().await;
        clock.says(&format!("{} nodes are Ready, with {:?}", cluster.nodes.len(), cluster.cni));
        cluster
    }

    /// What `ovn-nbctl` says.
    pub(crate) async fn nbctl(&self, args: &[&str]) -> Result<String, String> {
        let output = Command::new("ovn-nbctl")
            .arg(format!("--db=unix:{}", self.fabric.northbound().display()))
            .args(args)
            .output()
            .await
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
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
