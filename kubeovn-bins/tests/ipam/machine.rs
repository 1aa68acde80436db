//! A machine of one test: namespaces and a directory, which go away with it, also when it fails.

use std::{
    env, fs,
    net::IpAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use kubeovn_node::{netns::NetNs, sysctl};
use serde_json::Value;

/// Where Debian has the plugins.
const PLUGINS: &str = "/usr/lib/cni";

/// A number that nobody else in this process has.
fn unique() -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// A named namespace.
pub(crate) struct TestNs {
    pub(crate) ns: NetNs,
    name: String,
}

impl TestNs {
    pub(crate) fn new(role: &str) -> Self {
        let name = format!("koipam-{}-{}-{role}", process::id(), unique());
        Self { ns: NetNs::create_named(&name).unwrap(), name }
    }

    pub(crate) fn path(&self) -> String {
        self.ns.path().display().to_string()
    }

    /// The command `ip`, which must succeed. Words are split at blanks.
    pub(crate) fn ip(&self, line: &str) -> String {
        let output = self.ns.run(|| Command::new("ip").args(line.split(' ')).output()).unwrap().unwrap();
        assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn has_link(&self, name: &str) -> bool {
        self.links().iter().any(|link| link == name)
    }

    /// All links but the loopback.
    pub(crate) fn links(&self) -> Vec<String> {
        let links = self.json("-j link show");
        let names = links.as_array().unwrap().iter().map(|link| link["ifname"].as_str().unwrap().to_owned());
        names.filter(|name| name != "lo").collect()
    }

    /// Addresses of a link with their prefix, but those that the kernel gives by itself.
    pub(crate) fn addresses(&self, link: &str) -> Vec<String> {
        self.known_addresses(link, |_| true)
    }

    /// Waits until the kernel has found nobody else with the addresses of a link.
    pub(crate) fn settle(&self, link: &str) {
        let tentative = |address: &Value| address["tentative"] == true;
        until("the end of address detection", || self.known_addresses(link, tentative).is_empty());
    }

    fn known_addresses(&self, link: &str, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
        let shown = self.json(&format!("-j address show dev {link} scope global"));
        let all = shown.as_array().unwrap().iter().flat_map(|link| link["addr_info"].as_array().unwrap());
        let of_kernel = |address: &&Value| address["local"].is_string() && wanted(address);
        let text =
            |address: &Value| format!("{}/{}", address["local"].as_str().unwrap(), address["prefixlen"]);
        all.filter(of_kernel).map(text).collect()
    }

    fn json(&self, line: &str) -> Value {
        // For nothing it prints nothing, or an empty object in a list.
        let text = self.ip(line);
        if text.trim().is_empty() { Value::Array(Vec::new()) } else { serde_json::from_str(&text).unwrap() }
    }
}

impl Drop for TestNs {
    fn drop(&mut self) {
        let _ = NetNs::delete_named(&self.name);
    }
}

/// The node: its links, the directory of its ledger, and where it finds plugins.
pub(crate) struct Machine {
    pub(crate) host: TestNs,
    pub(crate) dir: PathBuf,
}

impl Machine {
    /// A machine whose network is the link `lan`.
    pub(crate) fn new() -> Self {
        let host = TestNs::new("host");
        host.ip("link add lan type veth peer name far");
        host.ip("link set lan up");
        host.ip("link set far up");
        let dir = env::temp_dir().join(format!("koipam-{}-{}", process::id(), unique()));
        let machine = Self { host, dir };
        fs::create_dir_all(machine.dir.join("bin")).unwrap();
        for (name, program) in [
            ("kubeovn-ipam", env!("CARGO_BIN_EXE_kubeovn-ipam")),
            ("kube-ovn", env!("CARGO_BIN_EXE_kubeovn-cni")),
        ] {
            symlink(program, machine.dir.join("bin").join(name)).unwrap();
        }
        machine
    }

    /// Where the ledger is kept.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.dir.join("ledger")
    }

    /// `CNI_PATH`.
    pub(crate) fn search_path(&self) -> String {
        format!("{PLUGINS}:{}/bin", self.dir.display())
    }

    /// The file of a plugin, found as runtimes find it.
    pub(crate) fn plugin(&self, name: &str) -> PathBuf {
        let path = self.search_path();
        let found = path.split(':').map(|dir| Path::new(dir).join(name)).find(|file| file.exists());
        found.unwrap_or_else(|| panic!("there is no plugin {name} in {path}: `make setup` installs it"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A namespace in which addresses are taken to be nobody else's: it takes the kernel a second or two to find out.
pub(crate) fn hasty(role: &str) -> TestNs {
    let netns = TestNs::new(role);
    sysctl::write(&netns.ns, &[("net/ipv6/conf/default/accept_dad", "0")]).unwrap();
    netns
}

/// Waits for a condition, and fails the test when it does not come.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The address without its prefix length.
pub(crate) fn bare(net: &str) -> IpAddr {
    net.split('/').next().unwrap().parse().unwrap()
}
