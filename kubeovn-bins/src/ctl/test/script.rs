//! The shell script of a pod that probes, and its report.
//!
//! The pod reports by its termination message, which the kubelet puts into the pod's status: nobody has to reach into the
//! pod, whose network is what is doubted. A line per probe, in their order: `+` milliseconds and attempts, or `-` and why.

use std::fmt::Write as _;

use super::probe::{How, Outcome, Probe};

/// What a termination message holds is 4096 bytes.
const ROOM: usize = 4000;
/// Seconds for which a probe is made again until it succeeds: flows and rules may still be on their way, and a first packet
/// is often lost.
const WITHIN: u32 = 12;
/// Seconds that one attempt may take.
const PATIENCE: u32 = 4;

/// Seconds after which the script has ended whatever happens, since all probes go out at once.
pub(super) const LONGEST: u64 = (WITHIN + PATIENCE + 1) as u64;

/// Runs in every shell with busybox's programs. Time is that since the machine started, in hundredths of a second, for a
/// finer one is not in every busybox. What nslookup ends with differs between versions, what it prints does not.
const HEAD: &str = r#"d=/tmp/probes; mkdir -p $d
now() { read up rest < /proc/uptime; echo "${up%.*}${up#*.}"; }
http() {
  said=$(timeout PATIENCE wget -q -O - "$1" 2>&1) || { echo "${said:-no answer within PATIENCE s}"; return 1; }
  case "$said" in $2) ;; *) echo "answered by $said"; return 1 ;; esac
}
echo_request() {
  timeout PATIENCE ping -q -c 1 -W 3 "$1" > /dev/null 2> $d/ping.$i && return
  said=$(cat $d/ping.$i); echo "${said:-no answer within 3 s}"; return 1
}
lookup() {
  said=$(timeout PATIENCE nslookup "$1" 2>&1)
  case "$said" in *Name:*) ;; *) echo "${said:-no answer within PATIENCE s}"; return 1 ;; esac
}
try() {
  i=$1; shift; n=0; first=$(now)
  while :; do
    n=$((n + 1)); begin=$(now)
    if why=$("$@"); then echo "+$((($(now) - begin) * 10)) $n" > $d/$i; return; fi
    [ $(($(now) - first)) -lt WITHIN00 ] || break
    sleep 1
  done
  echo "-$(echo "$why" | tail -n 1 | cut -c 1-80)" > $d/$i
}
"#;

/// The script.
pub(super) fn script(probes: &[Probe]) -> String {
    let mut text =
        HEAD.replace("PATIENCE", &PATIENCE.to_string()).replace("WITHIN00", &(WITHIN * 100).to_string());
    for (at, probe) in probes.iter().enumerate() {
        // Writing to a String does not fail.
        let _ = match &probe.how {
            How::Http(url, answer) => writeln!(text, "try {at} http {} {} &", quoted(url), quoted(answer)),
            How::Ping(ip) => writeln!(text, "try {at} echo_request {ip} &"),
            How::Lookup(name) => writeln!(text, "try {at} lookup {} &", quoted(name)),
        };
    }
    let all = probes.len();
    let _ = writeln!(text, "wait; i=0");
    let _ = writeln!(
        text,
        "while [ $i -lt {all} ]; do cat $d/$i 2> /dev/null || echo '-no result'; i=$((i + 1)); done | head -c {ROOM} > \
         /dev/termination-log"
    );
    text
}

/// For a shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What the report says of each probe.
pub(super) fn outcomes(report: &str, probes: usize) -> Vec<Outcome> {
    let mut lines = report.lines();
    let next = |_| match lines.next() {
        Some(line) => outcome(line),
        None => Outcome::Failed("the pod's report ends before it".to_owned()),
    };
    (0..probes).map(next).collect()
}

fn outcome(line: &str) -> Outcome {
    if let Some(why) = line.strip_prefix('-') {
        // Whoever answered in the place of a pod may have said anything.
        let why: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let why = why.trim();
        return Outcome::Failed(if why.is_empty() { "no answer".to_owned() } else { why.to_owned() });
    }
    let reached = line.strip_prefix('+').and_then(|rest| {
        let (millis, tries) = rest.trim().split_once(' ')?;
        Some(Outcome::Reached { millis: millis.parse().ok()?, tries: tries.parse().ok()? })
    });
    reached.unwrap_or_else(|| Outcome::Failed(format!("the pod reported what can't be read: {line:?}")))
}

#[cfg(test)]
mod tests;
