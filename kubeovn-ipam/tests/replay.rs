//! The scenarios that come with the crate, through the same code as `examples/replay`.
#![allow(clippy::indexing_slicing, reason = "shared with an example: a surprise ends it")]

#[path = "../examples/replay/cases.rs"]
mod cases;
#[path = "../examples/replay/kube_ovn.rs"]
mod kube_ovn;

use cases::File;

#[test]
fn every_case_of_the_sample_passes() {
    let file = File::parse(include_str!("cases-sample.json")).unwrap();
    assert_eq!(file.cases.len(), 48);
    let run = |case: &cases::Case| case.run().err().map(|why| format!("{} {}: {why}", case.id, case.title));
    let failed: Vec<String> = file.cases.iter().filter_map(run).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// One case of these steps.
fn run(steps: &str) -> Result<(), String> {
    let text =
        format!(r#"{{"schema":"ipam-cases/v1","cases":[{{"id":"c","title":"t","steps":[{steps}]}}]}}"#);
    File::parse(&text)?.cases[0].run()
}

#[test]
fn a_difference_is_seen_and_told() {
    let new = r#"{"op":"new_subnet","args":{"name":"s","cidr":"10.0.0.0/29"},"expect":{"ok":true}}"#;
    let get = |expect: &str| {
        let get =
            r#"{"op":"get_random","args":{"pod":"p","nic":"p","subnet":"s"},"bind":{"v4":"a"},"expect":"#;
        run(&format!("{new},{get}{expect}}}"))
    };
    for (met, expect) in [
        (true, r#"{"v4":"10.0.0.1","error":""}"#),
        (false, r#"{"v4":"10.0.0.2"}"#),
        (false, r#"{"error":"NoAvailableAddress"}"#),
        (true, r#"{"v4":{"in":"10.0.0.1..10.0.0.6"},"mac":{"any":"mac-laa-unicast"}}"#),
        (false, r#"{"v4":{"in":"10.0.0.2..10.0.0.6"}}"#),
        (false, r#"{"v4":{"any":"mac"}}"#),
        (true, r#"{"v4":{"not":"10.0.0.2"},"v6":{"one_of":["x",""]}}"#),
        (false, r#"{"v4":{"not":{"in":"10.0.0.0/24"}}}"#),
        (false, r#"{"v4":{"ref":"nothing"}}"#),
        (false, r#"{"no_such_field":true}"#),
    ] {
        assert_eq!(get(expect).is_ok(), met, "{expect}: {:?}", get(expect));
    }
    let told = get(r#"{"v4":"10.0.0.2"}"#).unwrap_err();
    assert!(
        told.contains("step 2, get_random") && told.contains(r#"v4 is "10.0.0.1", expected "10.0.0.2""#),
        "{told}"
    );
    assert!(run(r#"{"op":"fly"}"#).unwrap_err().contains("unknown operation fly"));
    for bad in ["", "[]", r#"{"schema":"other"}"#, r#"{"schema":"ipam-cases/v1"}"#] {
        assert!(File::parse(bad).is_err(), "{bad}");
    }
}
