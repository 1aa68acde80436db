//! Replays scenarios of addresses asked for and given back, and compares what comes out: `replay FILE`.
//!
//! A file holds cases of steps with what is expected of each; its own texts explain operations, matchers and rules.
//! Prints a line per case and ends with `N passed, M failed`; the exit code is 0 only if none failed.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that says what it found")]

mod cases;
mod kube_ovn;

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: replay FILE");
        return ExitCode::from(2);
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("can't read {}: {error}", path.display());
            return ExitCode::from(2);
        }
    };
    let file = match cases::File::parse(&text) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            return ExitCode::from(2);
        }
    };
    let mut failed = 0;
    for case in &file.cases {
        match case.run() {
            Ok(()) => println!("ok      {} {}", case.id, case.title),
            Err(difference) => {
                failed += 1;
                println!("FAILED  {} {}\n        {difference}", case.id, case.title);
            }
        }
    }
    println!("{} passed, {failed} failed", file.cases.len() - failed);
    ExitCode::from(u8::from(failed > 0))
}
