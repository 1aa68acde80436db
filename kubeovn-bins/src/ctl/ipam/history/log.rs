//! The controller's log, as far as it tells of addresses.

use std::{
    io::{self, BufRead},
    net::IpAddr,
};

use k8s_openapi::jiff::Timestamp;
use kubeovn_core::{
    addr::{DualStack, Mac},
    index::objects::Name,
    rows::{Millis, OwnerKey},
};

use crate::run::chronicle::{GRANTED, RELEASED, TARGET};

/// How many words of any line are looked at for its time: whoever keeps logs may put others in front.
const HEAD: usize = 4;

/// Something that somebody was given, or gave back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) at: Millis,
    pub(super) granted: bool,
    pub(super) owner: OwnerKey,
    pub(super) subnet: Name,
    pub(super) vpc: Name,
    pub(super) ips: DualStack<IpAddr>,
    pub(super) mac: Option<Mac>,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// In the order of time.
    pub(super) moves: Vec<Move>,
    /// The times of its first and last line that has one, whatever they tell.
    pub(super) reaches: Option<(Millis, Millis)>,
    pub(super) lines: usize,
    /// Lines that tell of an address, and can't be read.
    pub(super) spoiled: usize,
}

impl Log {
    /// Adds a log, or a part of one. Lines that stand in two of them count once.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn read(&mut self, mut from: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line)? > 0 {
            self.take(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
        self.moves.sort_by_key(|step| step.at);
        let mut kept: Vec<Move> = Vec::with_capacity(self.moves.len());
        for step in self.moves.drain(..) {
            let mut same_time = kept.iter().rev().take_while(|other| other.at == step.at);
            if !same_time.any(|other| *other == step) {
                kept.push(step);
            }
        }
        self.moves = kept;
        Ok(())
    }

    fn take(&mut self, line: &str) {
        self.lines += 1;
        let told = line.split_once(TARGET).and_then(|(head, rest)| Some((head, rest.strip_prefix(": ")?)));
        let time = match told {
            // The nearest is the controller's own.
            Some((head, _)) => head.split_whitespace().rev().find_map(time),
            None => line.split_whitespace().take(HEAD).find_map(time),
        };
        if let Some(at) = time {
            let (first, last) = self.reaches.unwrap_or((at, at));
            self.reaches = Some((first.min(at), last.max(at)));
        }
        let Some((_, text)) = told else { return };
        match time.and_then(|at| step(at, text)) {
            Some(step) => self.moves.push(step),
            None => self.spoiled += 1,
        }
    }
}

/// A time in RFC 3339, maybe in brackets.
fn time(word: &str) -> Option<Millis> {
    let word = word.trim_matches(['[', ']', '"']);
    // Most words are none, and quickly told.
    let likely = (20..=35).contains(&word.len()) && word.as_bytes().get(4) == Some(&b'-');
    let time: Timestamp = word.parse().ok().filter(|_| likely)?;
    Millis::try_from(time.as_millisecond()).ok()
}

fn step(at: Millis, text: &str) -> Option<Move> {
    let (word, fields) = text.split_once(' ')?;
    let granted = match word {
        GRANTED => true,
        RELEASED => false,
        _ => return None,
    };
    let field = |name: &str| {
        let mut all = fields.split_whitespace().filter_map(|field| field.split_once('='));
        all.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    Some(Move {
        at,
        granted,
        owner: field("owner")?.parse().ok()?,
        subnet: field("subnet")?.into(),
        vpc: field("vpc")?.into(),
        ips: field("ips")?.parse().ok()?,
        mac: field("mac").and_then(|mac| mac.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "2026-11-28T05:44:16.120000Z  INFO kubeovn_bins::addresses: granted owner=pod/default/web-0 \
                        uid=u-1 subnet=web vpc=ovn-cluster ips=10.16.0.7,fd00::7 mac=0a:58:0a:10:00:07";

    fn read(texts: &[String]) -> Log {
        let mut log = Log::default();
        for text in texts {
            log.read(text.as_bytes()).unwrap_or_default();
        }
        log
    }

    #[test]
    fn a_line_is_found_whatever_stands_before_it() {
        let at = kubeovn_core::time::millis("2026-11-28T05:44:16.12Z").unwrap_or(0);
        for before in
            ["", "[pod/kube-ovn-controller-0/main] ", "2026-11-28T05:44:17.000000001Z ", "stderr F "]
        {
            let log = read(&[format!("{before}{LINE}\n")]);
            let Some(step) = log.moves.first() else { panic!("nothing found in {before}{LINE}") };
            assert_eq!((step.at, step.granted, log.spoiled), (at, true, 0), "{before}");
            assert_eq!(
                (&*step.owner.to_string(), &*step.subnet, &*step.vpc),
                ("pod/default/web-0", "web", "ovn-cluster")
            );
            assert_eq!(step.ips.to_string(), "10.16.0.7,fd00::7");
            assert_eq!(step.mac.map(|mac| mac.to_string()).as_deref(), Some("0a:58:0a:10:00:07"));
        }
    }

    #[test]
    fn logs_are_put_together_in_the_order_of_time() {
        let released = LINE.replace("granted", "released").replace("05:44", "06:44");
        let other =
            "2026-11-28T07:00:00Z  INFO kubeovn_bins::run::lease: the lease is ours term=3\nno time here\n";
        let log = read(&[format!("{released}\n{other}"), format!("{LINE}\n{released}\n")]);
        let steps: Vec<bool> = log.moves.iter().map(|step| step.granted).collect();
        assert_eq!(steps, [true, false], "each once, the older first");
        let reaches = log.reaches.map(|(first, last)| [first, last].map(kubeovn_core::time::rfc3339));
        assert_eq!(reaches, Some(["2026-11-28T05:44:16Z", "2026-11-28T07:00:00Z"].map(str::to_owned)));
        assert_eq!(log.lines, 5);
    }

    #[test]
    fn what_cannot_be_read_is_counted() {
        let cut = LINE.replace("ips=10.16.0.7,fd00::7", "ips=10.16.0");
        let text =
            format!("{cut}\nkubeovn_bins::addresses: granted\n9999999-99-99T99:99:99Z words\n\u{fffd}\n");
        let log = read(&[text]);
        assert_eq!((log.moves.len(), log.spoiled, log.reaches.is_some()), (0, 2, true));
    }
}
