//! A line per figure: what it is, p50 and p99, its aim, and whether that is met.
#![allow(dead_code, reason = "no bench needs all of it")]

use std::time::Duration;

/// Times of one thing, in milliseconds, sorted.
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn new(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<f64> = times.into_iter().map(|time| time.as_secs_f64() * 1e3).collect();
        assert!(!times.is_empty(), "nothing was measured");
        times.sort_by(f64::total_cmp);
        Times(times)
    }

    /// The time that so many percent do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let at = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(at).copied().unwrap_or_default()
    }
}

pub(crate) fn heading() {
    println!("{:<52}{:>9}{:>9}  aims", "milliseconds", "p50", "p99");
}

/// A line without an aim.
pub(crate) fn times(what: &str, times: &Times) {
    println!("{what:<52}{:>9.2}{:>9.2}", times.percentile(50), times.percentile(99));
}

/// A line with what it may be at most, per percentile.
pub(crate) fn times_within(what: &str, times: &Times, aims: &[(usize, f64)]) {
    let judged: Vec<String> = aims
        .iter()
        .map(|(percent, aim)| format!("p{percent} <= {aim}: {}", verdict(times.percentile(*percent) <= *aim)))
        .collect();
    let (p50, p99) = (times.percentile(50), times.percentile(99));
    println!("{what:<52}{p50:>9.2}{p99:>9.2}  {}", judged.join(", "));
}

/// How often the baseline goes into it.
pub(crate) fn ratio(what: &str, times: &Times, baseline: &Times) {
    let of = |percent| times.percentile(percent) / baseline.percentile(percent);
    println!("{what:<52}{:>8.2}x{:>8.2}x", of(50), of(99));
}

/// A single figure.
pub(crate) fn single(what: &str, took: Duration, aim: Option<f64>) {
    let took = took.as_secs_f64() * 1e3;
    let judged = aim.map(|aim| format!("  <= {aim}: {}", verdict(took <= aim))).unwrap_or_default();
    println!("{what:<52}{took:>9.2}{:>9}{judged}", "");
}

fn verdict(met: bool) -> &'static str {
    if met { "ok" } else { "MISSED" }
}
