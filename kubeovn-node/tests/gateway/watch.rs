//! What the kernel says was changed, by monitors of others.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::guard::TestNs;

/// Follows what is changed in a namespace: rules of nftables (of iptables too, which is a front-end of it), routes,
/// addresses and routing rules.
pub(crate) struct Watch<'a> {
    ns: &'a TestNs,
    monitors: [(Child, Receiver<String>); 2],
    /// So many marks were made.
    marks: Cell<u32>,
}

/// Changes that everybody would see: what has not been told when they are, has not been. The name of a table, and the
/// addresses that routes lead to; each mark has a number behind it.
const MARK: &str = "watch-mark-";
const MARKED: &str = "198.18.";

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        for (child, _) in &mut self.monitors {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl<'a> Watch<'a> {
    pub(crate) fn start(ns: &'a TestNs) -> Self {
        let follow = |program: &str, arguments: &[&str]| {
            let spawn = || Command::new(program).args(arguments).stdout(Stdio::piped()).spawn();
            let mut child = ns.ns.run(spawn).expect("enter").expect("start a monitor");
            let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
            let (tell, told) = channel();
            // Ends with the monitor.
            thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
            (child, told)
        };
        let monitors = [follow("nft", &["monitor"]), follow("ip", &["-o", "monitor", "route", "rule"])];
        let watch = Watch { ns, monitors, marks: Cell::new(0) };
        // Until both hear the mark, they may not be listening yet.
        for (i, _) in watch.monitors.iter().enumerate() {
            while !watch.until_mark(i, Duration::from_millis(200)).1 {}
        }
        watch
    }

    /// What has been told since it was last asked, per monitor.
    pub(crate) fn changes(&self) -> Vec<String> {
        let mut all = Vec::new();
        for i in 0..self.monitors.len() {
            let (lines, heard) = self.until_mark(i, Duration::from_secs(10));
            assert!(heard, "a monitor hears nothing any more");
            all.extend(lines);
        }
        all
    }

    /// Makes a mark, and reads until it is told: no earlier one, of which a monitor may tell late.
    fn until_mark(&self, monitor: usize, patience: Duration) -> (Vec<String>, bool) {
        let number = self.marks.get() + 1;
        self.marks.set(number);
        let table = format!("{MARK}{number}");
        let address = format!("{MARKED}{}.{}", number / 256, number % 256);
        let run = |program: &str, arguments: &[&str]| self.ns.exec(program, arguments).expect("mark");
        if monitor == 0 {
            run("nft", &["add", "table", "ip", &table]);
            run("nft", &["delete", "table", "ip", &table]);
        } else {
            run("ip", &["route", "add", &address, "dev", "lo", "proto", "99"]);
            run("ip", &["route", "del", &address, "dev", "lo", "proto", "99"]);
        }
        let told = &self.monitors[monitor].1;
        let mut lines = Vec::new();
        while let Ok(line) = told.recv_timeout(patience) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.starts_with(&["delete", "table", "ip", &table])
                || words.starts_with(&["Deleted", &address])
            {
                return (lines, true);
            }
            let noise = line.contains(MARK) || line.contains(MARKED) || line.starts_with("# new generation");
            if !noise && !line.trim().is_empty() {
                lines.push(line);
            }
        }
        (lines, false)
    }
}
