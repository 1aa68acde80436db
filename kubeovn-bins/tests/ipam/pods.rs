//! What a runtime does: it has sandboxes, starts a plugin per verb, and keeps what ADD answered.

use std::{
    io::Write,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::machine::{Machine, TestNs, hasty};

/// A container's sandbox.
pub(crate) struct Pod {
    pub(crate) ns: TestNs,
    pub(crate) container: String,
    pub(crate) if_name: String,
    /// `CNI_ARGS`.
    pub(crate) args: String,
}

impl Pod {
    /// A container of a pod of its own.
    pub(crate) fn new(name: &str) -> Self {
        Self::of(name, name)
    }

    /// A container of a pod.
    pub(crate) fn of(pod: &str, container: &str) -> Self {
        let args = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod};K8S_POD_INFRA_CONTAINER_ID={container};\
             K8S_POD_UID=uid-{pod}"
        );
        Self { ns: hasty(container), container: format!("c0ffee-{container}"), if_name: "net1".into(), args }
    }

    /// With one more argument, or none.
    pub(crate) fn asking(mut self, argument: &str) -> Self {
        if !argument.is_empty() {
            self.args = format!("{};{argument}", self.args);
        }
        self
    }

    /// The addresses that its interface has.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.ns.addresses(&self.if_name)
    }

    /// As the list of attachments has it.
    pub(crate) fn attachment(&self) -> Value {
        json!({"containerID": self.container, "ifname": self.if_name})
    }
}

/// What a plugin printed: nothing, a result, or an error.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) success: bool,
    pub(crate) output: Value,
}

impl Said {
    /// A result of ADD.
    pub(crate) fn result(self) -> Value {
        assert!(self.success && self.output["ips"].is_array(), "{self:?}");
        self.output
    }

    /// Success without a word.
    pub(crate) fn nothing(self) {
        assert!(self.success && self.output.is_null(), "{self:?}");
    }

    /// Code and text of an error.
    pub(crate) fn error(self) -> (u64, String) {
        assert!(!self.success, "{self:?}");
        let text = |key: &str| self.output[key].as_str().unwrap_or_default().to_owned();
        let code = self.output["code"].as_u64().unwrap_or_else(|| panic!("{self:?}"));
        (code, [text("msg"), text("details")].join(" ").trim().to_owned())
    }
}

/// A plugin that was started and waits for its configuration. It does not outlive the test.
pub(crate) struct Started(Child);

impl Started {
    /// Gives it its configuration, from where on it is at work.
    pub(crate) fn feed(&mut self, conf: &Value) {
        let mut input = self.0.stdin.take().unwrap();
        input.write_all(conf.to_string().as_bytes()).unwrap();
    }

    /// What it prints in the end. A pipe holds more than any of our answers, so that nobody need read meanwhile.
    pub(crate) fn said(mut self) -> Said {
        let read = |pipe: Option<&mut dyn std::io::Read>| {
            let mut text = String::new();
            pipe.unwrap().read_to_string(&mut text).unwrap();
            text
        };
        let stdout = read(self.0.stdout.as_mut().map(|pipe| pipe as _));
        let stderr = read(self.0.stderr.as_mut().map(|pipe| pipe as _));
        let success = self.0.wait().unwrap().success();
        let output = if stdout.trim().is_empty() { Ok(Value::Null) } else { serde_json::from_str(&stdout) };
        let output = output.unwrap_or_else(|error| panic!("{error}: {stdout:?} {stderr:?}"));
        Said { success, output }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Machine {
    /// Starts a plugin in the host's namespace.
    pub(crate) fn start(&self, plugin: &str, verb: &str, pod: &Pod) -> Started {
        self.start_in(&pod.ns.path(), plugin, verb, pod)
    }

    /// The same, with another sandbox than the pod's: an empty one if that is gone.
    pub(crate) fn start_in(&self, netns: &str, plugin: &str, verb: &str, pod: &Pod) -> Started {
        let mut command = Command::new(self.plugin(plugin));
        command.env_clear().env("CNI_COMMAND", verb).env("CNI_PATH", self.search_path());
        command
            .env("CNI_CONTAINERID", &pod.container)
            .env("CNI_NETNS", netns)
            .env("CNI_IFNAME", &pod.if_name);
        command.env("CNI_ARGS", &pod.args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Started(self.host.ns.run(|| command.spawn()).unwrap().unwrap())
    }

    /// Runs the main plugin of a configuration.
    pub(crate) fn call(&self, verb: &str, pod: &Pod, conf: &Value) -> Said {
        self.run(conf["type"].as_str().unwrap(), verb, pod, conf)
    }

    /// Runs a plugin with a configuration.
    pub(crate) fn run(&self, plugin: &str, verb: &str, pod: &Pod, conf: &Value) -> Said {
        let mut started = self.start(plugin, verb, pod);
        started.feed(conf);
        started.said()
    }

    /// ADD, which must succeed, and give the interface what it answers.
    pub(crate) fn add(&self, pod: &Pod, conf: &Value) -> Value {
        let result = self.call("ADD", pod, conf).result();
        assert_eq!(addresses(&result), pod.shown(), "{result}");
        result
    }

    /// ADD, which must fail, and the DEL that runtimes let follow; code and text. (Debian's macvlan leaves the interface.)
    pub(crate) fn refused(&self, pod: &Pod, conf: &Value) -> (u64, String) {
        let error = self.call("ADD", pod, conf).error();
        self.del(pod, conf);
        error
    }

    /// DEL, which must succeed, and leave no interface.
    pub(crate) fn del(&self, pod: &Pod, conf: &Value) {
        self.call("DEL", pod, conf).nothing();
        assert_eq!(pod.ns.links(), Vec::<String>::new());
    }

    /// A macvlan network over `lan` that takes its addresses from these subnets.
    pub(crate) fn macvlan(&self, subnets: Value) -> Value {
        json!({"cniVersion": "1.0.0", "name": "lan", "type": "macvlan", "master": "lan", "mode": "bridge",
            "ipam": {"type": "kubeovn-ipam", "dataDir": self.ledger(), "subnets": subnets}})
    }
}

/// The addresses of a result, sorted as `ip` shows them: IPv4 first.
pub(crate) fn addresses(result: &Value) -> Vec<String> {
    let ips = result["ips"].as_array().unwrap();
    ips.iter().map(|ip| ip["address"].as_str().unwrap().to_owned()).collect()
}

/// The same value with another one at a JSON pointer.
pub(crate) fn with(mut value: Value, path: &str, put: impl Into<Value>) -> Value {
    let (parent, key) = path.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap()[key] = put.into();
    value
}

/// What CHECK needs.
pub(crate) fn after(conf: &Value, result: &Value) -> Value {
    with(conf.clone(), "/prevResult", result.clone())
}

/// What GC needs: these pods are still there.
pub(crate) fn keeping<'p>(conf: &Value, pods: impl IntoIterator<Item = &'p Pod>) -> Value {
    let mut conf = conf.clone();
    conf["cni.dev/valid-attachments"] = pods.into_iter().map(Pod::attachment).collect();
    conf
}
