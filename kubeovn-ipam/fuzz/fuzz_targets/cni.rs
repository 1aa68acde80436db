//! The plugin on any variables and any standard input: it answers, and an error is what the specification says.
//!
//! ```text
//! <verb>|<container>|<netns>|<interface>|<args>|<standard input>
//! ```
#![no_main]

use kubeovn_core::cni::{Environment, Printed};
use kubeovn_ipam::{cni, store::Memory};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut fields = data.splitn(6, |byte| *byte == b'|');
    let mut text = || String::from_utf8_lossy(fields.next().unwrap_or_default()).into_owned();
    let (command, container_id, net_ns) = (text(), text(), text());
    let env = Environment { command, container_id, net_ns, if_name: text(), args: text() };
    let input = fields.next().unwrap_or_default();
    let store = Memory::new();
    let call = |command: &str, now: u64| {
        let env = Environment { command: command.to_owned(), ..env.clone() };
        let printed = cni::run(&env, input, now, |_| Ok(store.clone()), |_| Ok(()));
        well_formed(&printed, command);
        printed
    };
    call(&env.command, 0);
    let first = call("ADD", 1);
    if first.success {
        assert_eq!(call("ADD", 3), first, "twice");
    }
    ["CHECK", "STATUS", "GC", "VERSION", "DEL"].iter().for_each(|verb| drop(call(verb, 4)));
    assert!(!first.success || call("ADD", 5).success, "what was given back can be had again");
});

fn well_formed(Printed { output, success }: &Printed, command: &str) {
    let Some(output) = output else { return assert!(*success, "{command} fails without a word") };
    assert_eq!(output.to_string().parse().as_ref().ok(), Some(output));
    assert!(output["cniVersion"].as_str().is_some_and(|version| !version.is_empty()), "{output}");
    if *success {
        let listed = if command == "ADD" { &output["ips"] } else { &output["supportedVersions"] };
        assert!(listed.as_array().is_some_and(|items| !items.is_empty()), "{output}");
    } else {
        assert!(output["code"].as_u64().is_some_and(|code| code > 0), "{output}");
        assert!(output["msg"].as_str().is_some_and(|text| !text.is_empty()), "{output}");
        assert!(output["details"].is_string(), "{output}");
    }
}
