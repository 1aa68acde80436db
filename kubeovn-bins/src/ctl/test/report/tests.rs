use super::{to_json, to_text};
use crate::ctl::paint::Paint;
use crate::ctl::test::junit::junit;
use crate::ctl::test::probe::{How, Outcome, Probe, To, Tried};

fn tried(from: &str, to: To, outcome: Outcome) -> Tried {
    Tried { from: from.to_owned(), probe: Probe { to, how: How::Lookup("x".to_owned()) }, outcome }
}

fn all() -> Vec<Tried> {
    let reached = |millis, tries| Outcome::Reached { millis, tries };
    let pod = |name: &str| To::Pod(name.to_owned());
    vec![
        tried("n1", pod("n1"), reached(0, 1)),
        tried("n1", pod("n2"), reached(20, 1)),
        tried("n1", pod("n2"), reached(1510, 2)),
        tried("n2", pod("n1"), Outcome::Failed("timed \"out\" <3>".to_owned())),
        tried("n2", pod("n2"), reached(10, 1)),
        tried("n1", To::Service, reached(0, 1)),
    ]
}

#[test]
fn rows_are_from_and_columns_to() {
    let text = "\
FROM POD ON  TO POD ON  n1         n2
n1                      ok <10 ms  ok 1510 ms, attempt 2
n2                      FAILED     ok 10 ms

FROM POD ON  TO  Service
n1               ok <10 ms

FAILED
  from n2 to pod on n1 (x): timed \"out\" <3>
DNS was not tested
5 of 6 probes reached
";
    assert_eq!(to_text(&all(), &["DNS was not tested".to_owned()], Paint::none()), text);
}

#[test]
fn programs_are_told_the_same() {
    let json = to_json(&all(), &[]);
    assert_eq!(json["failed"], 1);
    assert_eq!(json["probes"][3]["reason"], "timed \"out\" <3>");
    assert_eq!(json["probes"][2]["tries"], 2);
}

#[test]
fn junit_has_a_case_for_each_and_escapes_what_is_said() {
    let xml = junit(&all(), 4.25);
    assert_eq!(xml.matches("<testcase ").count(), 6);
    assert!(xml.contains("<testsuites tests=\"6\" failures=\"1\" errors=\"0\" time=\"4.250\">"), "{xml}");
    assert!(xml.contains("<failure message=\"timed &quot;out&quot; &lt;3&gt;\"/>"), "{xml}");
    assert!(xml.contains("classname=\"from pod on n1\" name=\"to pod on n2 (x)\" time=\"1.510\"/>"), "{xml}");
}
