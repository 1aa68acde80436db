//! What a Deployment of Kube-OVN says on the command line is understood.

use std::{ffi::OsString, time::Duration};

use super::{FlagError, Flags, GoDuration};
use crate::controller::flags::PROGRAM;

fn parse(arguments: &[&str]) -> Result<Flags, FlagError> {
    Flags::parse(&PROGRAM, ["kubeovn-controller"].iter().chain(arguments).map(OsString::from))
}

#[test]
fn the_installers_command_line_is_taken() {
    let flags = parse(&[
        "--default-ls=ovn-default",
        "--default-cidr=10.16.0.0/16,fd00:10:16::/112",
        "--default-gateway-check=true",
        "--default-logical-gateway=false",
        "--default-exclude-ips=",
        "--cluster-router=ovn-cluster",
        "--node-switch-cidr=100.64.0.0/16",
        "--service-cluster-ip-range=10.96.0.0/12",
        "--network-type=geneve",
        "--pod-nic-type=veth-pair",
        "--enable-lb=true",
        "--keep-vm-ip=true",
        "--gc-interval=360",
        "--node-local-dns-ip=",
        "--secure-serving=false",
        "--ovsdb-con-timeout=3",
        "--logtostderr=false",
        "--alsologtostderr=true",
        "--log_file=/var/log/kube-ovn/kube-ovn-controller.log",
        "--log_file_max_size=200",
        "--v=3",
    ])
    .unwrap();
    assert_eq!(flags.text("default-cidr"), "10.16.0.0/16,fd00:10:16::/112");
    assert_eq!(flags.number::<u8>("v").unwrap(), 3);
    assert_eq!(flags.in_vain(), [""; 0], "what has its default is not asked for");
}

#[test]
fn flags_are_written_in_every_form_that_go_takes() {
    let flags = parse(&["--enable-metrics=0", "--enable-anp", "--default-ls", "web", "-v", "5"]).unwrap();
    assert_eq!((flags.is_on("enable-metrics"), flags.is_on("enable-anp")), (false, true));
    assert_eq!((flags.text("default-ls"), flags.text("v")), ("web", "5"));
    assert_eq!(parse(&["--default-ls=a", "--default-ls=b"]).unwrap().text("default-ls"), "b");
    assert_eq!(flags.in_vain(), ["--enable-anp=true"]);
}

#[test]
fn a_value_that_cannot_be_read_is_named() {
    for (argument, says) in [
        ("--enable-lb=maybe", "FLAG-INVALID: --enable-lb=maybe: write true or false"),
        ("--pprof-port=x", "--pprof-port=x: write a whole number"),
        ("--leader-elect-retry-period=6", "--leader-elect-retry-period=6: write a duration like 30s"),
    ] {
        let error = parse(&[argument]).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let error = parse(&["--default-sl=x"]).unwrap_err().to_string();
    assert!(error.contains("--default-sl") && error.contains("--default-ls"), "{error}");
    assert!(parse(&["--help"]).unwrap_err().is_help() && parse(&["--version"]).unwrap_err().is_help());
    let port = parse(&["--pprof-port=70000"]).unwrap().number::<u16>("pprof-port").unwrap_err();
    assert!(port.to_string().contains("--pprof-port=70000: is out of range"), "{port}");
}

#[test]
fn durations_are_read_as_go_writes_them() {
    for (text, milliseconds) in [
        ("30s", 30_000),
        ("1m30s", 90_000),
        ("1.5h", 5_400_000),
        ("250ms", 250),
        ("0", 0),
        ("1h0m0s", 3_600_000),
    ] {
        let read = text.parse::<GoDuration>().map(|time| time.0);
        assert_eq!(read, Ok(Duration::from_millis(milliseconds)), "{text}");
    }
    for text in ["", "s", "5", "-5s", "5x", "1e400s", "5 s"] {
        assert!(text.parse::<GoDuration>().is_err(), "{text}");
    }
}
