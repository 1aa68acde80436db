//! Verbs that Debian's main plugins are too old to pass on: the runtime's next main plugins will.

use std::{fs, path::Path};

use serde_json::json;

use crate::{
    machine::Machine,
    packets,
    pods::{Pod, addresses, after, keeping, with},
};

const PLUGIN: &str = "kubeovn-ipam";

#[test]
fn status_tells_of_a_full_subnet_until_something_is_free() {
    let machine = Machine::new();
    let old = machine.macvlan(json!([{"name": "one", "cidrBlock": "10.9.4.0/30", "gateway": "10.9.4.1"}]));
    let conf = with(old.clone(), "/cniVersion", "1.1.0");
    let (nobody, pod) = (Pod::new("nobody"), Pod::new("a"));
    machine.run(PLUGIN, "STATUS", &nobody, &conf).nothing();
    machine.add(&pod, &old);
    let (code, text) = machine.run(PLUGIN, "STATUS", &nobody, &conf).error();
    assert!(code == 50 && text.starts_with("IPAM-POOL-EXHAUSTED: "), "{code} {text}");
    machine.del(&pod, &old);
    machine.run(PLUGIN, "STATUS", &nobody, &conf).nothing();
    let (code, _) = machine.run(PLUGIN, "STATUS", &nobody, &old).error();
    assert_eq!(code, 1, "1.0.0 has no STATUS");
}

#[test]
fn gc_takes_back_what_the_runtime_does_not_list() {
    let machine = Machine::new();
    let old = machine.macvlan(json!([{"name": "net1", "cidrBlock": "10.9.5.0/24,fd09:5::/64"}]));
    let conf = with(old.clone(), "/cniVersion", "1.1.0");
    let pods = ["a", "b", "c"].map(Pod::new);
    let results = pods.each_ref().map(|pod| machine.add(pod, &old));
    let dmz = with(old.clone(), "/name", "dmz");
    let elsewhere = Pod::new("d");
    let other = machine.add(&elsewhere, &dmz);

    machine.run(PLUGIN, "GC", &pods[0], &keeping(&conf, [&pods[0], &pods[2]])).nothing();
    for (at, stays) in [true, false, true].into_iter().enumerate() {
        let said = machine.run(PLUGIN, "CHECK", &pods[at], &after(&conf, &results[at]));
        assert_eq!(said.success, stays, "{said:?}");
    }
    machine.run(PLUGIN, "CHECK", &elsewhere, &after(&dmz, &other)).nothing();
    packets::pass(&pods[0], &pods[2]);
    let freed = addresses(&results[1]);
    machine.del(&pods[1], &old);
    let asks = with(old, "/runtimeConfig", json!({"ips": freed}));
    assert_eq!(addresses(&machine.add(&Pod::new("e"), &asks)), freed);
}

#[test]
fn versions_are_told_and_what_is_wrong_is_found_before_a_file_is_made() {
    let machine = Machine::new();
    let conf = machine.macvlan(json!([{"name": "net1", "cidrBlock": "10.9.6.0/24", "gateway": "10.9.7.1"}]));
    let pod = Pod::new("a");
    let said = machine.run(PLUGIN, "VERSION", &pod, &json!({"cniVersion": "1.0.0"}));
    assert_eq!(said.output["supportedVersions"], json!(["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]));
    let said = machine.run(PLUGIN, "ADD", &pod, &conf);
    assert_eq!(said.output["cniVersion"], "1.0.0");
    let told = said.error();
    assert!(
        told.0 == 7 && told.1.starts_with("CNI-CONF-GATEWAY: gateway 10.9.7.1 is no usable address"),
        "{told:?}"
    );
    assert_eq!(machine.call("ADD", &pod, &conf).error(), told, "word for word");
    assert!(!machine.ledger().exists());
}

#[test]
fn a_ledger_that_cannot_be_read_is_told_and_left_as_it_is() {
    let machine = Machine::new();
    let conf = machine.macvlan(json!([{"name": "net1", "cidrBlock": "10.9.6.0/24"}]));
    let pods = ["a", "b"].map(Pod::new);
    machine.add(&pods[0], &conf);
    let journal = machine.ledger().join("ledger.journal");
    let whole = fs::read(&journal).unwrap();
    fs::write(&journal, &whole[1..]).unwrap();
    let (code, text) = machine.call("ADD", &pods[1], &conf).error();
    assert!(
        code == 5 && text.starts_with("IPAM-STORE-CORRUPT: ") && text.contains(name(&journal)),
        "{code} {text}"
    );
    assert_eq!(fs::read(&journal).unwrap(), &whole[1..]);
    fs::write(&journal, whole).unwrap();
    machine.del(&pods[1], &conf);
    machine.add(&pods[1], &conf);
    packets::pass(&pods[0], &pods[1]);
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}
