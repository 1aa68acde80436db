#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::finding::Finding;
use super::{to_json, to_text, verdict};
use crate::ctl::outcome::Found;
use crate::ctl::paint::Paint;

fn warning() -> Finding {
    Finding::warn("W", "thing", "it may fail", "Look")
}

fn failure() -> Finding {
    Finding::fail("F", "other", "it fails", "Mend it")
}

#[test]
fn warnings_count_for_those_who_are_strict() {
    let fine = Finding::ok("O", "thing", "well");
    for (found, lax, strict) in [
        (vec![fine.clone()], Found::Nothing, Found::Nothing),
        (vec![fine.clone(), warning()], Found::Nothing, Found::Warnings),
        (vec![failure(), warning()], Found::Something, Found::Something),
    ] {
        assert_eq!((verdict(&found, false), verdict(&found, true)), (lax, strict), "{found:?}");
    }
}

#[test]
fn what_keeps_it_from_working_stands_first() {
    let found = [Finding::ok("O", "thing", "well"), warning(), failure()];
    let text = "\
STATE  WHAT   FOUND
ok     thing  well
warn   thing  W
fail   other  F

F  other
  it fails. Mend it
W  thing
  it may fail. Look
unfit: 1 failure, 1 warning
";
    assert_eq!(to_text(&found, Paint::none()), text);
    let json = to_json(&found);
    assert_eq!((&json["fit"], &json["failures"], &json["warnings"]), (&false.into(), &1.into(), &1.into()));
    assert_eq!(json["findings"][2]["next"], "Mend it");
}
