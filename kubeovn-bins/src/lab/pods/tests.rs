use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::*;

fn answer(exit: i32, stdout: &str) -> Output {
    Output { status: ExitStatus::from_raw(exit << 8), stdout: stdout.into(), stderr: b"boo".to_vec() }
}

#[test]
fn a_result_gives_addresses_and_the_inner_mac() {
    let said = r#"{"cniVersion":"0.3.1","interfaces":[{"name":"lab1_h","mac":"02:00:00:00:00:01"},
        {"name":"eth0","mac":"02:00:00:00:00:02","sandbox":"/run/netns/x"}],
        "ips":[{"version":"4","address":"10.0.0.2/24","gateway":"10.0.0.1"},{"version":"6","address":"fd00::2/64"}]}"#;
    let answer = understand(&answer(0, said)).unwrap();
    let ips: Vec<String> = answer.ips.iter().map(|ip| ip.address.addr().to_string()).collect();
    assert_eq!(ips, ["10.0.0.2", "fd00::2"]);
    assert!(understand(&self::answer(0, "\n")).unwrap().ips.is_empty(), "DEL says nothing");
}

#[test]
fn a_refusal_keeps_its_stable_code() {
    let refused = |msg: &str, details: &str| {
        let said = json!({"cniVersion": "0.3.1", "code": 11, "msg": msg, "details": details}).to_string();
        understand(&answer(1, &said)).unwrap_err()
    };
    let error = refused("IPAM-POOL-EXHAUSTED (NoAvailableAddress): subnet web is full", "");
    assert_eq!(error.code(), "IPAM-POOL-EXHAUSTED");
    assert_eq!(error.to_string(), "IPAM-POOL-EXHAUSTED (NoAvailableAddress): subnet web is full");
    assert_eq!(refused("RPC failed", "IPAM-ADDR-TAKEN: 10.0.0.2 is held").code(), "IPAM-ADDR-TAKEN");
    assert_eq!(refused("no idea", "").code(), "CNI-11");
}

#[test]
fn what_is_no_answer_is_shown_as_it_is() {
    let error = understand(&answer(2, "oops")).unwrap_err();
    assert_eq!(error.code(), "LAB-CNI-GARBLED");
    assert!(error.to_string().contains("oops boo"), "{error}");
}

#[test]
fn every_sandbox_is_another_container() {
    let pod = PodName { namespace: "web".to_owned(), name: "w1".to_owned() };
    let (first, second) = (container_id(&pod, "u"), container_id(&pod, "u"));
    assert_ne!(first.get(..12), second.get(..12), "links are named after the first twelve characters");
    assert!(first.starts_with(CONTAINER_PREFIX) && first.len() == CONTAINER_ID_LEN, "{first}");
}
