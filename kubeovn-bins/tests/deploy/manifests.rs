//! What stands in examples/deploy.

use std::{fs, path::PathBuf};

use serde_json::Value;

/// The folder.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/deploy"))
}

/// All objects, as `kubectl apply -f examples/deploy` reads them: by the names of the files.
pub(crate) fn objects() -> Vec<Value> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        serde_saphyr::from_multiple::<Value>(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    files.iter().flat_map(read).collect()
}

/// The one of this kind and name.
pub(crate) fn object(kind: &str, name: &str) -> Value {
    let found =
        objects().into_iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// A list, which is empty where there is none.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Templates of pods, with the objects that have them.
pub(crate) fn templates() -> Vec<(Value, Value)> {
    let all = objects().into_iter().map(|object| (object["spec"]["template"].clone(), object));
    all.filter(|(template, _)| !template.is_null()).map(|(template, object)| (object, template)).collect()
}

/// Containers of a template, those that go before the others included.
pub(crate) fn containers(template: &Value) -> Vec<Value> {
    let spec = &template["spec"];
    list(&spec["initContainers"]).iter().chain(list(&spec["containers"])).cloned().collect()
}

/// The one container of a template that stays.
pub(crate) fn container(kind: &str, name: &str) -> Value {
    let object = object(kind, name);
    let [container] = list(&object["spec"]["template"]["spec"]["containers"]) else {
        panic!("{kind} {name} has more than one container")
    };
    container.clone()
}

/// Texts of a list.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().map(|text| text.as_str().unwrap()).collect()
}

/// A patch for `kubectl patch --local`.
fn patch(file: &str) -> Value {
    let text = fs::read_to_string(folder().join(file)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// kubectl merges containers and volumes by name; one of another name would come beside them. What a DaemonSet may, a patch
/// lists anew, since lists of texts are replaced.
#[test]
fn patches_are_of_what_is_there() {
    for (file, name) in
        [("userspace/ovs-ovn.yaml", "ovs-ovn"), ("takeover/kube-ovn-cni.yaml", "kube-ovn-cni")]
    {
        let patch = patch(file);
        let [patched] = list(&patch["spec"]["template"]["spec"]["containers"]) else {
            panic!("{file}: {patch}")
        };
        assert_eq!(patched["name"], container("DaemonSet", name)["name"], "{file}");
    }
}

/// Nodes go over one by one, and the daemon may all that it may elsewhere, and may reach what belongs to Kube-OVN's user.
#[test]
fn a_node_that_is_taken_over_waits_for_its_pod_to_be_deleted() {
    let patch = patch("takeover/kube-ovn-cni.yaml");
    assert_eq!(patch["spec"]["updateStrategy"]["type"], "OnDelete");
    let given = &patch["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"]["add"];
    let container = container("DaemonSet", "kube-ovn-cni");
    let mut wanted = texts(&container["securityContext"]["capabilities"]["add"]);
    wanted.push("DAC_OVERRIDE");
    assert_eq!(texts(given), wanted);
}
