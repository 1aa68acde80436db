//! Namespaces that go away with the test, also when it panics.

use std::process::{self, Command};
use std::sync::atomic::{AtomicUsize, Ordering};

use kubeovn_node::netns::NetNs;

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A named namespace of one test.
pub(crate) struct TestNs {
    pub(crate) ns: NetNs,
    pub(crate) name: String,
}

impl TestNs {
    /// Makes a namespace with a name that no other test or test run uses.
    pub(crate) fn new(role: &str) -> Self {
        let name = format!("kotest-{}-{}-{role}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let ns = NetNs::create_named(&name).expect("create a namespace (root is needed)");
        Self { ns, name }
    }

    /// Runs `ip netns exec`-like: a command inside the namespace; its standard output, or what went wrong.
    pub(crate) fn exec(&self, program: &str, args: &[&str]) -> Result<String, String> {
        let spawn = || Command::new(program).args(args).output();
        let output = self.ns.run(spawn).expect("enter").expect("start the program");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Drop for TestNs {
    fn drop(&mut self) {
        let _ = NetNs::delete_named(&self.name);
    }
}
