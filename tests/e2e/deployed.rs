//! Our programs as users have them: the image is made of what was built, and the manifests of examples/deploy are
//! applied, by the commands of docs/install.md.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use futures_util::future::join_all;

use crate::{
    cluster::Clock,
    install::commands,
    jail,
    kubectl::Kubectl,
    node::Node,
    programs::{self, ours},
    wait::until,
    wire,
};

/// The workloads, in the order in which one needs the other.
pub(crate) const WORKLOADS: [&str; 4] = [
    "deployment/ovn-central",
    "daemonset/ovs-ovn",
    "deployment/kube-ovn-controller",
    "daemonset/kube-ovn-cni",
];

/// Where they are.
pub(crate) const NAMESPACE: &str = "kube-system";

/// A section of the page: this machine's kernel may have the module or not, the other way takes it on any.
const USERSPACE: &str = "Without the kernel's module";

/// What goes into the image.
const PROGRAMS: [&str; 4] = ["kubeovn-cni", "kubeovn-controller", "kubeovn-ctl", "kubeovn-daemon"];

/// Where commands of the page are run: in a copy, with what a user puts into manifests.
pub(crate) fn folder() -> PathBuf {
    Path::new(jail::RUN).join("checkout")
}

/// Installs ours on these nodes, and waits until all of it is ready.
pub(crate) async fn install(kubectl: &Kubectl, nodes: &[Node], clock: &Clock) {
    let archive = tokio::task::spawn_blocking(make_image).await.unwrap();
    clock.says("the image of ours is made");
    join_all(nodes.iter().map(|node| node.import(&archive))).await;
    clock.says("it is on all nodes");
    until("all nodes to be known", async || {
        let known = kubectl.run(&["get", "nodes", "--output=name"]).await?;
        if known.lines().count() == nodes.len() { Ok(()) } else { Err(known) }
    })
    .await;
    let must = async |script: String| {
        kubectl.script(&folder(), &script).await.unwrap_or_else(|why| panic!("{why}"));
    };
    must(commands(USERSPACE, "kubectl patch", &[("<bridge>", wire::BRIDGE)])).await;
    must(commands("Apply", "kubectl label", &[("<one control-plane node>", nodes[0].name())])).await;
    clock.says("the manifests are applied");
    join_all(nodes.iter().map(bridge)).await;
    for workload in WORKLOADS {
        kubectl.rolled_out(NAMESPACE, workload).await;
        clock.says(&format!("{workload} is ready"));
    }
}

/// What a node's administrator does for a switch in user space.
async fn bridge(node: &Node) {
    let machine = node.machine();
    until(&format!("the switch of {}", node.name()), async || {
        machine.run("ovs-vsctl", &["--timeout=2", "br-exists", "br-int"]).await
    })
    .await;
    let address = wire::tunnel_address(machine);
    let put_in = [("<bridge>", wire::BRIDGE), ("<NIC>", wire::TUNNEL_NIC), ("<address>", &address)];
    let script = commands(USERSPACE, "ovs-vsctl", &put_in);
    machine.run("sh", &["-euc", &script]).await.unwrap();
}

/// Makes the archive of the image. Without what debuggers need, programs are a third.
fn make_image() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (checkout, built) = (folder(), Path::new(jail::RUN).join("programs"));
    fs::create_dir_all(checkout.join("examples")).unwrap();
    fs::create_dir_all(&built).unwrap();
    let run = |command: &mut Command| {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(Command::new("cp").arg("-r").arg(root.join("examples/deploy")).arg(checkout.join("examples")));
    for program in PROGRAMS {
        let path = ours(program).unwrap_or_else(|| panic!("{program}: make e2e builds it"));
        run(Command::new("strip").arg("-o").arg(built.join(program)).arg(path));
    }
    let archive = Path::new(jail::RUN).join("ours.tar");
    let (from, to) = (built.display().to_string(), archive.display().to_string());
    let script = commands(
        "The image",
        "examples/deploy/image/archive",
        &[("target/release", &from), ("image.tar", &to)],
    );
    run(Command::new("bash").args(["-euc", &script]).current_dir(&checkout).env("PATH", programs::SEARCHED));
    fs::remove_dir_all(built).unwrap();
    archive
}
