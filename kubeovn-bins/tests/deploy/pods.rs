//! Names, labels, ports and flags are those of the programs, and those that tools made for Kube-OVN look for.

use std::{collections::BTreeSet, ffi::OsString, fs, os::unix::fs::PermissionsExt};

use kubeovn_bins::{
    controller::{
        flags::PROGRAM,
        installation::{Environment, Installation},
    },
    daemon,
    flags::Flags,
    run::lease,
};
use serde_json::{Value, json};

use crate::manifests::{container, containers, folder, list, object, objects, templates, texts};

const NAMESPACE: &str = "kube-system";

/// kind, name, label `app`, container: `kubectl ko` and dashboards go by these.
const PODS: [(&str, &str, &str, &str); 4] = [
    ("Deployment", "ovn-central", "ovn-central", "ovn-central"),
    ("DaemonSet", "ovs-ovn", "ovs", "openvswitch"),
    ("Deployment", "kube-ovn-controller", "kube-ovn-controller", "kube-ovn-controller"),
    ("DaemonSet", "kube-ovn-cni", "kube-ovn-cni", "cni-server"),
];

#[test]
fn names_and_labels_are_those_that_tools_look_for() {
    assert_eq!(templates().len(), PODS.len());
    for (kind, name, app, main) in PODS {
        let (set, container) = (object(kind, name), container(kind, name));
        let labels = &set["spec"]["template"]["metadata"]["labels"];
        assert_eq!(
            (&labels["app"], &labels["component"], &labels["type"]),
            (&json!(app), &json!("network"), &json!("infra")),
            "{name}"
        );
        assert_eq!(container["name"], main);
        for (label, value) in set["spec"]["selector"]["matchLabels"].as_object().unwrap() {
            assert_eq!(&labels[label], value, "{name}: the selector selects its own pods");
        }
    }
    for object in objects() {
        let scoped = !matches!(object["kind"].as_str().unwrap(), "ClusterRole" | "ClusterRoleBinding");
        let namespace = object["metadata"]["namespace"].as_str();
        assert_eq!(namespace, scoped.then_some(NAMESPACE), "{}", object["metadata"]);
    }
}

/// Services, each with its port.
#[test]
fn every_service_leads_to_pods_of_ours() {
    let services: Vec<Value> = objects().into_iter().filter(|object| object["kind"] == "Service").collect();
    let ports = services.iter().map(|service| {
        let [port] = list(&service["spec"]["ports"]) else { panic!("{service}") };
        (service["metadata"]["name"].as_str().unwrap(), port["port"].as_u64().unwrap())
    });
    let expected = [
        ("ovn-nb", 6641),
        ("ovn-sb", 6642),
        ("ovn-northd", 6643),
        ("kube-ovn-controller", 10660),
        ("kube-ovn-cni", 10665),
    ];
    assert_eq!(ports.collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    for service in &services {
        let selector = service["spec"]["selector"].as_object().unwrap();
        let selects = |template: &Value| {
            selector.iter().all(|(label, value)| template["metadata"]["labels"][label] == *value)
        };
        let selected = templates().iter().filter(|(_, template)| selects(template)).count();
        assert_eq!(selected, 1, "{}", service["metadata"]["name"]);
        // A ServiceMonitor selects Services by their labels, and names their port.
        assert!(service["metadata"]["labels"]["app"].is_string());
    }
}

fn variables(container: &Value, name: &str) -> Option<String> {
    let variable = list(&container["env"]).iter().find(|variable| variable["name"] == name)?;
    // What the cluster says at the start.
    let said = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
        Some("metadata.name") => "kube-ovn-controller-x",
        Some("metadata.namespace") => NAMESPACE,
        Some("status.podIP" | "status.podIPs") => "192.0.2.1",
        Some("spec.nodeName") => "n1",
        Some(other) => panic!("{other}"),
        None => variable["value"].as_str().unwrap(),
    };
    Some(said.replace("$(OVN_NB_SERVICE_HOST)", "10.96.0.5"))
}

#[test]
fn the_controller_understands_what_it_is_told() {
    let container = container("Deployment", "kube-ovn-controller");
    let arguments = ["kubeovn-controller"].into_iter().chain(texts(&container["args"])).map(OsString::from);
    let flags = Flags::parse(&PROGRAM, arguments).unwrap();
    assert_eq!(flags.in_vain(), [""; 0]);
    let environment = Environment::read(|name| variables(&container, name));
    let install = Installation::new(&flags, &environment, "start").unwrap();
    assert_eq!(install.northbound.endpoints, "tcp:10.96.0.5:6641".parse().unwrap());
    assert_eq!(install.port.address.to_string(), "192.0.2.1:10660");
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], install.port.address.port());
        assert_eq!(
            container[probe]["httpGet"]["scheme"],
            if install.port.tls.is_some() { "HTTPS" } else { "HTTP" }
        );
    }
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez");

    // The lease is the one that the rights are for.
    let lease::Config { namespace, name, .. } = &install.lease;
    let role = object("Role", "ovn");
    assert_eq!(role["metadata"]["namespace"], namespace.as_str());
    assert_eq!(role["rules"][1]["resourceNames"], json!([name]));
    // Kube-OVN's.
    assert_eq!(install.lease.duration.as_secs(), 30);
}

#[test]
fn plugin_and_daemon_find_each_other() {
    let conflist = fs::read_to_string(folder().join("image/01-kube-ovn.conflist")).unwrap();
    let conflist: Value = serde_json::from_str(&conflist).unwrap();
    assert_eq!((&conflist["name"], &conflist["cniVersion"]), (&json!("kube-ovn"), &json!("0.3.1")));
    let plugin = &conflist["plugins"][0];
    assert_eq!(plugin["type"], "kube-ovn");
    let container = container("DaemonSet", "kube-ovn-cni");
    let arguments = ["kubeovn-daemon"].into_iter().chain(texts(&container["args"])).map(OsString::from);
    let flags = Flags::parse(&daemon::flags::PROGRAM, arguments).unwrap();
    assert_eq!(flags.in_vain(), [""; 0]);
    let environment = daemon::installation::Environment::read(|name| variables(&container, name));
    let install = daemon::installation::Installation::new(&flags, &environment).unwrap();
    assert_eq!((&*install.daemon.node, &*environment.pod_ip), ("n1", "192.0.2.1"));
    assert_eq!(install.port.address.to_string(), "192.0.2.1:10665");
    let socket = install.daemon.socket;
    assert_eq!(plugin["server_socket"], socket.to_str().unwrap());
    let place = socket.parent().unwrap().to_str().unwrap();
    let mounts = list(&container["volumeMounts"]);
    assert!(mounts.iter().any(|mount| mount["mountPath"] == place), "the runtime finds it on the host");
    assert_eq!(install.ovs.parent(), socket.parent());
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], install.port.address.port());
    }
}

#[test]
fn everything_that_is_started_is_in_the_image() {
    for (_, template) in templates() {
        for container in containers(&template) {
            assert_eq!(container["image"], "kube-ovn-rust:latest");
            assert_eq!(container["imagePullPolicy"], "IfNotPresent");
            let probes =
                ["readinessProbe", "livenessProbe"].map(|probe| &container[probe]["exec"]["command"]);
            for command in probes.into_iter().chain([&container["command"]]) {
                let Some(program) = command[0].as_str() else { continue };
                let name = program.strip_prefix("/kube-ovn/").unwrap();
                if name == "kube-ovn-controller" {
                    continue;
                }
                let mode = fs::metadata(folder().join("image").join(name)).unwrap().permissions().mode();
                assert_eq!(mode & 0o111, 0o111, "{name} can be started");
            }
        }
    }
    let file = fs::read_to_string(folder().join("Dockerfile")).unwrap();
    for program in ["kube-ovn", "kube-ovn-controller", "kube-ovn-daemon"] {
        assert!(file.lines().any(|line| line.ends_with(&format!(" /kube-ovn/{program}"))), "{program}");
    }
}

/// What a container may do beside what everybody may; docs/install.md tells why.
#[test]
fn nobody_is_privileged_and_every_capability_is_accounted_for() {
    let page = fs::read_to_string(folder().join("../../docs/install.md")).unwrap();
    let mut given = BTreeSet::new();
    for (object, template) in templates() {
        let spec = &template["spec"];
        assert_eq!(spec["hostPID"], Value::Null);
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        for container in containers(&template) {
            let context = &container["securityContext"];
            assert_eq!(context["privileged"], Value::Null, "{}", container["name"]);
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
            for capability in texts(&context["capabilities"]["add"]) {
                given.insert(format!(
                    "| `{}` | `{capability}` |",
                    object["metadata"]["name"].as_str().unwrap()
                ));
            }
        }
    }
    let named = page.lines().filter_map(|line| line.match_indices('|').nth(2).map(|(end, _)| &line[..=end]));
    let named =
        named.filter(|row| PODS.iter().any(|(_, name, ..)| row.starts_with(&format!("| `{name}` |"))));
    let named: BTreeSet<String> = named.filter(|row| row.contains('_')).map(str::to_owned).collect();
    assert_eq!(given, named, "the table of capabilities in docs/install.md");
}
