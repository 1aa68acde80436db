//! What a Deployment of Kube-OVN says on the command line is understood.

use std::{collections::BTreeSet, ffi::OsString, time::Duration};

use super::{FLAGS, Flag, FlagError, Flags, GoDuration};

fn parse(arguments: &[&str]) -> Result<Flags, FlagError> {
    Flags::parse(["kubeovn-controller"].iter().chain(arguments).map(OsString::from))
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

#[test]
fn no_flag_is_there_twice_and_every_default_can_be_read() {
    let names: BTreeSet<&str> = FLAGS.iter().map(|flag| flag.name).collect();
    assert_eq!(names.len(), FLAGS.len());
    parse(&[]).unwrap();
    assert!(FLAGS.iter().all(|flag| !flag.help.is_empty() && !flag.help.ends_with('.')));
}

/// The table of flags in docs/kubernetes.md is that of this version.
#[test]
fn the_table_of_flags_is_fresh() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/kubernetes.md");
    let text = std::fs::read_to_string(file).unwrap();
    let (before, rest) = text.split_once("<!-- flags -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /flags -->").unwrap();
    let default =
        |flag: &Flag| if flag.default.is_empty() { String::new() } else { format!("`{}`", flag.default) };
    let row =
        |flag: &Flag| format!("| `--{}` | {} | {} | {} |\n", flag.name, default(flag), flag.fate, flag.help);
    let rows: String = FLAGS.iter().map(row).collect();
    let table = format!("| flag | default | acts | what it is for |\n|---|---|---|---|\n{rows}");
    let fresh = format!("{before}<!-- flags -->\n{table}<!-- /flags -->{after}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, &fresh).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap();
    assert!(found == fresh, "UPDATE_GOLDEN=1 writes the table in docs/kubernetes.md anew");
}
