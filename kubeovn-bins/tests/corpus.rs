//! Topologies with what must and must not be possible in them: every file of tests/lab, and the demo's, with real packets.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Removes the lab whatever happens.
struct Lab(String);

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = command(&self.0, "down").stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn command(name: &str, verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubeovn-lab"));
    command.args([verb, "--name", name]);
    command
}

/// Runs manifests once; answers what was printed, and the JSON document.
fn once(manifests: &Path, test: &str) -> (Output, Value) {
    let lab = Lab(format!("{test}{}", std::process::id() % 1_000_000));
    let mut run = command(&lab.0, "run");
    run.args(["--once", "-o", "json", "--plugin", env!("CARGO_BIN_EXE_kubeovn-cni")]).arg(manifests);
    let output = run.output().unwrap();
    let document = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    (output, document)
}

#[track_caller]
fn all_as_expected(file: &str, test: &str, at_least: usize) {
    let (output, document) = once(&root().join(file), test);
    let probes = document["probes"].as_array().unwrap();
    let wrong: Vec<_> = probes.iter().filter(|p| p["expected"] != p["seen"]).collect();
    assert!(wrong.is_empty(), "{file}: {wrong:#?}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && probes.len() >= at_least, "{file}: {} probes", probes.len());
    let trouble: Vec<_> = ["subnets", "pods"].iter().flat_map(|k| document[k].as_array().unwrap()).collect();
    assert!(trouble.iter().all(|o| o["error"].is_null()), "{file}: {trouble:#?}");
}

#[test]
fn the_demo() {
    all_as_expected("examples/lab/tenants.yaml", "demo", 24);
}

#[test]
fn ipv6_only() {
    all_as_expected("tests/lab/ipv6-only.yaml", "six", 3);
}

#[test]
fn private_subnets() {
    all_as_expected("tests/lab/private.yaml", "priv", 7);
}

#[test]
fn rules_of_a_subnet() {
    all_as_expected("tests/lab/subnet-acls.yaml", "acls", 7);
}

#[test]
fn connected_vpcs() {
    all_as_expected("tests/lab/peering.yaml", "peer", 6);
}

#[test]
fn routes_and_policies() {
    all_as_expected("tests/lab/routes.yaml", "rout", 5);
}

/// What the pages of the features show is what a reader tries first.
#[test]
fn the_pages_of_features() {
    let mut pages = 0;
    for entry in std::fs::read_dir(root().join("docs/features")).unwrap() {
        let page = entry.unwrap().path();
        let text = std::fs::read_to_string(&page).unwrap();
        let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
        let manifests = blocks.collect::<Vec<_>>().join("---\n");
        let name = page.file_stem().unwrap().to_string_lossy().into_owned();
        let file = std::env::temp_dir().join(format!("kubeovn-page-{name}-{}.yaml", std::process::id()));
        std::fs::write(&file, manifests).unwrap();
        let (output, document) = once(&file, "page");
        std::fs::remove_file(&file).unwrap();
        let probes = document["probes"].as_array().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !probes.is_empty(), "{name}: {probes:#?}\n{told}");
        pages += 1;
    }
    assert!(pages >= 6, "{pages} pages");
}

#[test]
fn no_file_is_forgotten() {
    let here =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus.rs")).unwrap();
    for entry in std::fs::read_dir(root().join("tests/lab")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(here.contains(&format!("tests/lab/{name}")), "no test runs tests/lab/{name}");
    }
}

/// Everything wrong at once: each has its code, in its place, and what is right goes on.
#[test]
fn bad_input_is_told_and_the_rest_goes_on() {
    let (output, document) = once(&root().join("tests/lab/bad-input"), "bad");
    assert!(output.status.success(), "what is rejected does not change the exit code");
    let probes = document["probes"].as_array().unwrap();
    assert!(probes.len() == 1 && probes[0]["seen"] == "allow", "{probes:#?}");

    let codes = |list: &str| -> BTreeMap<String, (String, String)> {
        let objects = document[list].as_array().unwrap().iter().filter(|o| !o["error"].is_null());
        let text = |o: &Value, k: &str| o["error"][k].as_str().unwrap().to_owned();
        objects
            .map(|o| (o["name"].as_str().unwrap().to_owned(), (text(o, "code"), text(o, "message"))))
            .collect()
    };
    let expected = |list: &str, name: &str, code: &str, says: &str| {
        let all = codes(list);
        let (got, message) = all.get(name).unwrap_or_else(|| panic!("{name} has no error: {all:#?}"));
        assert!(got == code && message.contains(says), "{name}: {got}: {message}");
    };
    expected("subnets", "malformed-cidr", "SUBNET-CIDR-INVALID", "10.8.0.0/33");
    expected("subnets", "overlaps-good", "SUBNET-CIDR-OVERLAP", "subnet good");
    expected("subnets", "gateway-outside", "SUBNET-GATEWAY-INVALID", "10.8.2.1");
    expected("subnets", "malformed-excludes", "SUBNET-EXCLUDE-INVALID", "10.8.3.9..10.8.3.2");
    expected("subnets", "unknown-vpc", "SUBNET-VPC-UNKNOWN", "nowhere");
    assert_eq!(codes("subnets").len(), 5, "the good ones are good");
    expected("pods", "out-of-range", "IPAM-ADDR-OUT-OF-RANGE", "10.9.9.9");
    expected("pods", "malformed-address", "IPAM-ADDR-UNREADABLE", "10.7.0.500");
    expected("pods", "taken", "IPAM-ADDR-TAKEN", "pod/good/a");
    expected("pods", "unknown-subnet", "IPAM-NO-SUBNET", "nowhere");
    expected("pods", "exhausted", "IPAM-POOL-EXHAUSTED", "1 of 2 are in use");
    expected("pods", "localnet", "NAME-TAKEN", "subnet/ul");
    assert_eq!(codes("pods").len(), 6, "{:#?}", codes("pods"));

    let all = document["rejected"].as_array().unwrap();
    let refused: Vec<_> = all.iter().filter(|r| !r["code"].as_str().unwrap().starts_with("FILE-")).collect();
    let of = |kind: &str| refused.iter().filter(|r| r["kind"] == kind).count();
    assert_eq!((of("Subnet"), of("Pod")), (5, 6), "{refused:#?}");
    assert!(refused.iter().all(|r| r["file"] == "2-objects.yaml" && r["line"] != 0), "{refused:#?}");
    let rejected: Vec<(&str, i64, &str)> = all
        .iter()
        .map(|r| {
            (r["file"].as_str().unwrap_or(""), r["line"].as_i64().unwrap_or(0), r["code"].as_str().unwrap())
        })
        .filter(|(_, _, code)| code.starts_with("FILE-"))
        .collect();
    assert_eq!(
        rejected,
        [
            ("2-objects.yaml", 60, "FILE-NAME-INVALID"),
            ("2-objects.yaml", 64, "FILE-OBJECT-DUPLICATE"),
            ("3-no-yaml.yaml", 4, "FILE-YAML-INVALID"),
        ]
    );
}
