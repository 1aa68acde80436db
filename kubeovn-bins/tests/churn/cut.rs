//! What asks for an attachment ends before it has its answer.

use std::{
    io::Write,
    process::{Child, Command, Stdio},
};

use kubeovn_node::netns::NetNs;
use serde_json::json;

use crate::rig::{PLUGIN, Rig, name, uid};
use kubeovn_bins::lab::manifest::PodName;

const CONTAINER: &str = "c0ffeec0ffeec0ffee";

/// A sandbox whose runtime is this test.
struct Sandbox {
    netns: NetNs,
    name: String,
}

impl Sandbox {
    fn new(role: &str) -> Self {
        let name = format!("kocut-{}-{role}", std::process::id());
        Self { netns: NetNs::create_named(&name).unwrap(), name }
    }

    /// Starts an ADD, and reads nothing of it yet.
    fn start_add(&self, rig: &Rig, pod: &PodName) -> Child {
        let args =
            format!("K8S_POD_NAMESPACE={};K8S_POD_NAME={};K8S_POD_UID={}", pod.namespace, pod.name, uid(pod));
        let mut plugin = Command::new(PLUGIN)
            .env_clear()
            .envs([("CNI_COMMAND", "ADD"), ("CNI_CONTAINERID", CONTAINER), ("CNI_IFNAME", "eth0")])
            .env("CNI_NETNS", self.netns.path())
            .env("CNI_ARGS", args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let conf =
            json!({"cniVersion": "1.0.0", "name": "net", "type": "kube-ovn", "server_socket": rig.socket()});
        plugin.stdin.take().unwrap().write_all(conf.to_string().as_bytes()).unwrap();
        plugin
    }

    fn has_link(&self) -> bool {
        let look = || Command::new("ip").args(["link", "show", "eth0"]).output().unwrap().status.success();
        self.netns.run(look).unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = NetNs::delete_named(&self.name);
    }
}

/// Waits until the daemon has been asked: someone is connected to its socket.
async fn asked(rig: &Rig) {
    // It was bound under another name.
    let socket = rig.socket().with_extension("new").display().to_string();
    rig.becomes("the plugin to have asked", |_| {
        // The one that listens, and the end of a connection that the daemon has.
        let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
        sockets.lines().filter(|line| line.ends_with(&socket)).count() > 1
    })
    .await;
}

/// The plugin is killed, as runtimes do when kubelet's patience ends; then its runtime is, so that nobody reads what it
/// says.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_plugin_that_is_killed_or_not_heard_leaves_nothing() {
    let mut rig = Rig::start().await;
    let before = rig.census();
    rig.stop_controller();
    let pod = name("cut".to_owned());
    rig.bind(&pod);
    let sandbox = Sandbox::new("killed");
    let mut plugin = sandbox.start_add(&rig, &pod);
    asked(&rig).await;
    plugin.kill().unwrap();
    plugin.wait().unwrap();
    rig.start_controller();
    rig.becomes("the pod to have its address", |rig| rig.census().records > before.records).await;
    assert!(!sandbox.has_link());

    rig.stop_controller();
    let second = name("unheard".to_owned());
    rig.bind(&second);
    let sandbox = Sandbox::new("unheard");
    let mut plugin = sandbox.start_add(&rig, &second);
    asked(&rig).await;
    // Its runtime is no more.
    drop(plugin.stdout.take());
    rig.start_controller();
    assert!(!plugin.wait().unwrap().success());
    assert!(!sandbox.has_link());

    // And one that is heard.
    let mut plugin = sandbox.start_add(&rig, &second);
    assert!(plugin.wait().unwrap().success());
    assert!(sandbox.has_link());
    drop(sandbox);
    for pod in [pod, second] {
        rig.delete(&pod);
    }
    // The namespace is gone without a DEL.
    rig.is_as_before(&before).await;
    rig.stop().await;
}
