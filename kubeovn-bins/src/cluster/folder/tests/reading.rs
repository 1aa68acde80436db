//! What stands in a file.

use super::*;
use crate::lab::manifest::{PodName, Source};

const ALL_KINDS: &str = "\
# what a small fabric needs
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { team: shop } }
---
apiVersion: v1
kind: Node
metadata:
  name: n1
status:
  addresses:
  - { type: Hostname, address: n1 }
  - { type: InternalIP, address: 172.18.0.2 }
---
apiVersion: v1
kind: List
items:
- apiVersion: kubeovn.io/v1
  kind: Vpc
  metadata: { name: shop }
- apiVersion: kubeovn.io/v1
  kind: Subnet
  metadata: { name: shop-a }
  spec: { vpc: shop, cidrBlock: \"10.1.0.0/24,fd00:1::/64\", mtu: 1400, excludeIps: [10.1.0.2..10.1.0.9], vlan: }
---
apiVersion: kubeovn.io/v1
kind: IP
metadata: { name: web-0.shop }
spec: { podName: web-0, namespace: shop, v4IpAddress: 10.1.0.20, containerID: \"\" }
---
---
apiVersion: v1
kind: Pod
metadata: { name: web-0, namespace: shop, creationTimestamp: 2026-03-01T12:00:00Z }
spec: { nodeName: n1, containers: [{ name: web, image: web }] }
---
apiVersion: v1
kind: Pod
metadata: { name: alone }
---

apiVersion: lab.kubeovn.io/v1
kind: Probe
metadata: { name: p }
spec:
  from: { namespace: shop, pod: web-0 }
  to: { pod: alone }
  protocol: icmp
  expect: allow
";

#[test]
fn every_kind_is_read() {
    let dir = Dir::with(&[("all.yaml", ALL_KINDS)]);
    let folder = dir.open();
    assert_eq!(complaints(&folder), [""; 0]);
    let names: Vec<_> = objects(&folder).iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(
        names,
        [
            "namespace shop",
            "node n1",
            "vpc shop",
            "subnet shop-a",
            "ip web-0.shop",
            "pod default/alone",
            "pod shop/web-0"
        ]
    );
    let Some(Object::Node(node)) = folder.cluster().get(&ObjectKey::cluster(Kind::Node, "n1")) else {
        panic!("no node")
    };
    assert_eq!(node.internal.v4, Some("172.18.0.2".parse().unwrap()));
    let subnet = subnet(&folder, "shop-a").unwrap();
    assert_eq!((subnet.spec.mtu, subnet.spec.exclude_ips.len(), subnet.spec.vlan.as_str()), (1400, 1, ""));
    let findings = folder.findings().borrow().clone();
    let [probe] = findings.probes.as_slice() else { panic!("{findings:?}") };
    assert_eq!((probe.name.as_str(), probe.file.as_str(), probe.line), ("p", "all.yaml", 42));
    let web = PodName { namespace: "shop".to_owned(), name: "web-0".to_owned() };
    assert_eq!(probe.spec.from, Source::Pod(web));
    assert!(listed(&folder));
}

#[test]
fn json_and_typed_lists_are_read_and_other_files_are_not() {
    let list = r#"{"apiVersion":"kubeovn.io/v1","kind":"SubnetList","items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]}"#;
    let dir = Dir::with(&[
        ("list.json", list),
        ("one.yml", &subnet_yaml("c", "10.0.0.0/24")),
        ("notes.txt", "{{"),
        (".one.yaml.swp", "{{"),
    ]);
    fs::create_dir(dir.0.join("below.yaml")).unwrap();
    let folder = dir.open();
    assert_eq!(objects(&folder), ["Subnet a", "Subnet b", "Subnet c"]);
    assert_eq!(complaints(&folder), [""; 0]);

    let single = FolderCluster::open(&dir.0.join("one.yml")).unwrap();
    assert_eq!(objects(&single), ["Subnet c"]);
    assert!(FolderCluster::open(&dir.0.join("absent")).unwrap_err().to_string().contains("absent"));
}

#[test]
fn age_follows_from_the_place_unless_told() {
    let timed = "apiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata: {name: z, creationTimestamp: '1970-01-02T00:00:00Z'}\n";
    let two = format!("{}{}{timed}", subnet_yaml("v", "10.0.0.0/24"), subnet_yaml("x", "10.0.1.0/24"));
    let dir = Dir::with(&[("1.yaml", &two), ("0.yaml", &subnet_yaml("w", "10.0.2.0/24"))]);
    let folder = dir.open();
    let created = |name: &str| subnet(&folder, name).unwrap().meta.created;
    assert!(created("w") < created("v") && created("v") < created("x"));
    assert_eq!(created("z"), 86_400_000);
    assert_eq!(created("x"), subnet(&dir.open(), "x").unwrap().meta.created);
}

/// Opens a folder with this one file, which must be complained of once.
fn complaint_of(text: &str) -> String {
    complaint(&Dir::with(&[("f.yaml", text)]).open())
}

#[test]
fn what_is_no_yaml_is_told_by_line() {
    let text = format!("{}a: [1, 2\nb: 3\n", subnet_yaml("a", "10.0.0.0/24"));
    let told = complaint_of(&text);
    assert!(
        told.starts_with("f.yaml:9: FILE-YAML-INVALID: ")
            || told.starts_with("f.yaml:8: FILE-YAML-INVALID: "),
        "{told}"
    );
    assert!(complaint_of("a: 1\na: 2\n").starts_with("f.yaml:2: FILE-YAML-INVALID: "));
    let dir = Dir::new();
    fs::write(dir.0.join("f.yaml"), b"kind: \xff\n").unwrap();
    assert!(complaint(&dir.open()).contains("UTF-8"));
}

#[test]
fn what_is_no_object_is_told() {
    for (text, line, code) in [
        ("- 1\n", 1, "FILE-OBJECT-INVALID"),
        ("just text\n", 1, "FILE-OBJECT-INVALID"),
        ("\n\nkind: Pod\nmetadata: {name: a}\n", 3, "FILE-OBJECT-INVALID"),
        ("apiVersion: v1\nmetadata: {name: a}\n", 1, "FILE-OBJECT-INVALID"),
        ("apiVersion: v1\nkind: List\nitems: {}\n", 3, "FILE-FIELD-INVALID"),
        (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n",
            1,
            "FILE-KIND-UNKNOWN: Deployment a",
        ),
        ("apiVersion: v1\nkind: Subnet\nmetadata: {name: a}\n", 1, "FILE-KIND-UNKNOWN: Subnet a"),
        ("apiVersion: v1\nkind: Pod\n", 1, "FILE-NAME-MISSING: Pod"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n", 1, "FILE-NAME-MISSING: Pod"),
        ("apiVersion: v1\nkind: Pod\nmetadata:\n  name: web_0\n", 4, "FILE-NAME-INVALID: Pod web_0"),
        ("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a.b\n", 4, "FILE-NAME-INVALID: Namespace a.b"),
        ("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  namespace: A\n", 5, "FILE-NAME-INVALID: Pod a"),
        ("apiVersion: v1\nkind: Pod\nmetadata:\n  name: 7\n", 4, "FILE-FIELD-INVALID: Pod"),
    ] {
        let told = complaint_of(text);
        assert!(told.starts_with(&format!("f.yaml:{line}: {code}: ")), "{told}");
    }
    let dir = Dir::with(&[("f.yaml", "apiVersion: kubeovn.io/v1\nkind: Subent\nmetadata: {name: a}\n")]);
    let findings = dir.open().findings().borrow().clone();
    assert_eq!(findings.rejected[0].severity, Severity::Warning);
}

#[test]
fn wrong_types_are_told_by_field_and_line() {
    let subnet = |fields: &str| {
        format!("apiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata:\n  name: a\nspec:\n{fields}")
    };
    for (text, line, message) in [
        (subnet("  cidrBlock: 10.16\n"), 6, "spec.cidrBlock is number, must be string: put it in quotes"),
        (subnet("  mtu: big\n"), 6, "spec.mtu is string, must be integer"),
        (subnet("  mtu: -1\n"), 6, "spec.mtu is -1, must be 0 to 2147483647"),
        (subnet("  private: 'yes'\n"), 6, "spec.private is string, must be boolean"),
        (
            subnet("  vpc: a\n  excludeIps:\n  - 10.0.0.1\n  - 7\n"),
            9,
            "spec.excludeIps[1] is integer, must be string",
        ),
        (subnet("  acls:\n  - priority: high\n"), 7, "spec.acls[0].priority is string, must be integer"),
        (
            subnet("  namespaceSelectors:\n  - matchLabels: {a: 1}\n"),
            7,
            "spec.namespaceSelectors[0].matchLabels.a is",
        ),
        (
            subnet("  namespaceSelectors:\n  - matchExpressions:\n    - key: a\n"),
            8,
            "spec.namespaceSelectors[0].matchExpressions[0].operator is missing",
        ),
        (
            "apiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata:\n  name: a\nspec: none\n".to_owned(),
            5,
            "spec is string, must be object",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels:\n    x: true\n".to_owned(),
            6,
            "metadata.labels.x: invalid type: boolean `true`",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  creationTimestamp: now\n".to_owned(),
            5,
            "metadata.creationTimestamp: is no time",
        ),
        (
            "apiVersion: v1\nkind: Node\nmetadata:\n  name: a\nstatus:\n  addresses:\n  - type: InternalIP\n"
                .to_owned(),
            7,
            "status.addresses[0]: missing field `address`",
        ),
    ] {
        let told = complaint_of(&text);
        assert!(told.starts_with(&format!("f.yaml:{line}: FILE-FIELD-INVALID: ")), "{told}");
        assert!(told.contains(message), "{told}");
    }
}

#[test]
fn probes_are_checked_as_they_are_read() {
    let probe =
        |spec: &str| format!("apiVersion: lab.kubeovn.io/v1\nkind: Probe\nmetadata:\n  name: p\n{spec}");
    for (text, line, message) in [
        (probe(""), 1, "spec: is missing"),
        (
            probe("spec:\n  from: {node: a}\n  to: {ip: 1.1.1.1}\n  protocol: tcp\n  expect: deny\n"),
            6,
            "spec: `port` (1-65535) is required",
        ),
        (
            probe("spec:\n  from: {node: a}\n  to: {ip: 1.1.1}\n  protocol: icmp\n  expect: deny\n"),
            7,
            "spec.to.ip: invalid",
        ),
        (
            probe("spec:\n  from: {node: a}\n  to: {pod: b}\n  protocol: icmp\n  expect: perhaps\n"),
            9,
            "spec.expect: unknown variant",
        ),
        (
            probe("spec:\n  from: {node: a}\n  to: {pod: b}\n  portocol: icmp\n  expect: allow\n"),
            8,
            "unknown field `portocol`",
        ),
    ] {
        let told = complaint_of(&text);
        assert!(told.starts_with(&format!("f.yaml:{line}: FILE-FIELD-INVALID: Probe p: ")), "{told}");
        assert!(told.contains(message), "{told}");
    }
}

#[test]
fn unknown_fields_are_told_and_the_rest_counts() {
    let text = "\
apiVersion: kubeovn.io/v1
kind: Subnet
metadata:
  name: a
  namespace: shop
  anotations: {}
spec:
  cidrBlock: 10.0.0.0/24
  gatway: 10.0.0.1
  acls:
  - colour: red
  namespaceSelectors:
  - matchlabels: {a: b}
sepc: {}
";
    let dir = Dir::with(&[("f.yaml", text)]);
    let folder = dir.open();
    let findings = folder.findings().borrow().clone();
    let told: Vec<_> = findings.rejected.iter().map(|r| (r.line, r.severity, r.message.as_str())).collect();
    let warning = Severity::Warning;
    assert_eq!(
        told,
        [
            (5, warning, "a Subnet is in no namespace; remove metadata.namespace"),
            (6, warning, "there is no field metadata.anotations; did you mean annotations?"),
            (9, warning, "there is no field spec.gatway; did you mean gateway?"),
            (11, warning, "there is no field spec.acls[0].colour; remove it"),
            (
                13,
                warning,
                "there is no field spec.namespaceSelectors[0].matchlabels; did you mean matchLabels?"
            ),
            (14, warning, "there is no field sepc; did you mean spec?"),
        ]
    );
    assert!(findings.rejected.iter().all(|rejected| rejected.code == rejected::FIELD_UNKNOWN));
    assert_eq!(cidr(&folder, "a").unwrap(), "10.0.0.0/24");
    assert!(listed(&folder));
}

#[test]
fn an_exported_status_does_no_harm() {
    let text = format!(
        "{}status: {{v4availableIPs: 1.5e+24, conditions: 7}}\n",
        subnet_yaml("a", "10.0.0.0/24").replace("---\n", "")
    );
    let dir = Dir::with(&[("f.yaml", &text)]);
    let folder = dir.open();
    assert_eq!(complaints(&folder), [""; 0]);
    assert_eq!(cidr(&folder, "a").unwrap(), "10.0.0.0/24");
}
