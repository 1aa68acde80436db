//! A report for those who collect tests.

use std::fmt::Write as _;

use super::probe::{Outcome, Tried};

/// JUnit's XML: a case for each probe.
pub(super) fn junit(tried: &[Tried], seconds: f64) -> String {
    let failures = tried.iter().filter(|tried| tried.outcome.is_failure()).count();
    let counts =
        format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\" time=\"{seconds:.3}\"", tried.len());
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  <testsuite name=\"kubeovn-ctl test\" {counts}>\n"
    );
    for Tried { from, probe, outcome } in tried {
        let name = format!("to {} ({})", probe.to, probe.how.target());
        let case =
            format!("<testcase classname=\"from pod on {}\" name=\"{}\"", escaped(from), escaped(&name));
        // Writing to a String does not fail.
        let _ = match outcome {
            Outcome::Reached { millis, .. } => {
                writeln!(text, "    {case} time=\"{}.{:03}\"/>", millis / 1000, millis % 1000)
            }
            Outcome::Failed(why) => {
                writeln!(text, "    {case} time=\"0.000\"><failure message=\"{}\"/></testcase>", escaped(why))
            }
        };
    }
    text + "  </testsuite>\n</testsuites>\n"
}

/// For an attribute; characters that XML has not are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
