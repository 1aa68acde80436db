//! Command lines that can't be used.

use std::process::Command;

#[test]
fn what_cannot_be_used_ends_with_2_and_the_next_step() {
    for (arguments, says) in [
        (&["--enable-lb=perhaps"][..], "FLAG-INVALID: --enable-lb=perhaps: write true or false"),
        (&["--no-such-flag"], "--no-such-flag"),
        (&[], "CONTROLLER-NO-DATABASE"),
        (&["--ovn-nb-addr=tcp:127.0.0.1:1", "--default-cidr=100.64.0.0/10"], "CONTROLLER-PREFIXES-OVERLAP"),
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_kubeovn-controller")).args(arguments).env_clear().output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(says), "{arguments:?}: {text}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_kubeovn-controller")).arg("--help").output().unwrap();
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("--ovn-nb-addr") && help.contains("not done yet"), "{help}");
}
