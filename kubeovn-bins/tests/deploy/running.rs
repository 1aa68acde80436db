//! The image's scripts, in a namespace of their own, as root with the capabilities that the manifests give.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::{
    manifests::{container, folder, object, texts},
    server::Directory,
};

/// What `setpriv` is told for a container's capabilities.
fn capabilities(kind: &str, name: &str) -> String {
    let container = container(kind, name);
    let added = texts(&container["securityContext"]["capabilities"]["add"]);
    added.iter().fold("-all".to_owned(), |all, one| format!("{all},+{}", one.to_lowercase()))
}

/// Runs a script of bash in namespaces of its own, with the image's folder as the current one. All that it started ends
/// with it, at the latest after five minutes.
pub(crate) fn run(script: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new("timeout");
    command.args([
        "--kill-after=5",
        "300",
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]);
    command.args(["bash", "-euc", &format!("ip link set lo up\n{HELPERS}{script}")]);
    command.envs(variables.iter().copied()).current_dir(folder().join("image")).stdin(Stdio::null());
    command.output().unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// `within`: waits for a command to succeed. `as_in`: becomes it, with these capabilities and no further ones by what it starts;
/// for the background. `fails`: `!` alone stops no script.
const HELPERS: &str = r#"
within() {
  local tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 1200 ] || { echo "in vain: $*"; "$@"; exit 1; }
    sleep 0.1
  done
}
fails() { ! "$@" >/dev/null 2>&1; }
as_in() { exec setpriv --bounding-set "$1" --inh-caps -all --no-new-privs "${@:2}"; }
"#;

#[test]
fn databases_northd_and_a_node_come_up_and_go_with_what_they_may() {
    let place = Directory::new();
    fs::create_dir_all(place.path("")).unwrap();
    let script = r#"
as_in "$CENTRAL" ./start-db.sh >"$PLACE/central.log" 2>&1 & central=$!
within ./ovn-healthcheck.sh
as_in "$NODE" ./start-ovs.sh >"$PLACE/node.log" 2>&1 & node=$!
within ./ovs-healthcheck.sh
within ./ovs-healthcheck.sh ready
# as the node's daemon does
ovs-vsctl --db="unix:$OVS_RUNDIR/db.sock" set Open_vSwitch . external_ids:ovn-encap-ip=127.0.0.1
chassis() { [ "$(ovn-sbctl --db=tcp:127.0.0.1:6642 --bare --columns=hostname list Chassis)" = n1 ]; }
within chassis
# both families are listened on
ovn-nbctl --db='tcp:[::1]:6641' ls-add made-before
# northd has translated it, and the node's switch has the flows
ovn-nbctl --db=tcp:127.0.0.1:6641 --timeout=30 --wait=hv sync

# The switch is asked to go, and the chassis stays for the one that comes next.
name() { ovs-vsctl --db="unix:$OVS_RUNDIR/db.sock" get Open_vSwitch . external_ids:system-id; }
before=$(name)
kill $node; wait $node
chassis
fails ./ovs-healthcheck.sh
as_in "$NODE" ./start-ovs.sh >"$PLACE/node2.log" 2>&1 & node=$!
within ./ovs-healthcheck.sh ready
[ "$(name)" = "$before" ]

# What is written outlives a pod.
kill $central; wait $central
fails ./ovn-healthcheck.sh
as_in "$CENTRAL" ./start-db.sh >"$PLACE/central2.log" 2>&1 & central=$!
within ./ovn-healthcheck.sh
ovn-nbctl --db=tcp:127.0.0.1:6641 ls-list | grep -q made-before

# One that dies takes the pod with it, so that it is started anew.
kill -KILL "$(cat "$OVN_RUNDIR/ovn-northd.pid")"
fails wait $central
kill -KILL "$(cat "$OVS_RUNDIR/ovs-vswitchd.pid")"
fails wait $node
fails pgrep -f "unix:$PLACE"
echo all done
"#;
    let path = |name: &str| place.path(name).display().to_string();
    let output = run(
        script,
        &[
            ("CENTRAL", &capabilities("Deployment", "ovn-central")),
            ("NODE", &capabilities("DaemonSet", "ovs-ovn")),
            ("PLACE", place.path("").to_str().unwrap().trim_end_matches('/')),
            ("OVN_RUNDIR", &path("ovn")),
            ("OVS_RUNDIR", &path("ovs")),
            ("OVN_DBDIR", &path("ovn-data")),
            ("OVS_DBDIR", &path("ovs-data")),
            ("POD_IPS", "127.0.0.1,::1"),
            ("OVN_SB_SERVICE_HOST", "127.0.0.1"),
            ("KUBE_NODE_NAME", "n1"),
            // What the kernel of whoever runs this may lack.
            ("DATAPATH_TYPE", "netdev"),
        ],
    );
    let logs = ["central", "node", "node2", "central2"]
        .map(|name| fs::read_to_string(place.path(&format!("{name}.log"))).unwrap_or_default());
    assert!(
        output.status.success() && said(&output).contains("all done"),
        "{}\n{}",
        said(&output),
        logs.join("\n--\n")
    );
    for log in &logs {
        // Nobody puts this end of a port into another namespace, so that nothing is to be heard of from there.
        let lines = log.lines().filter(|line| !line.contains("could not enable listening to all nsid"));
        let refused = |line: &&str| line.contains("ermission denied") || line.contains("not permitted");
        assert_eq!(lines.filter(refused).collect::<Vec<_>>(), [""; 0]);
    }
}

/// A node that is turned off while it comes up has a switch that nobody can ask anything.
#[test]
fn a_switch_that_does_not_listen_yet_goes_when_it_is_told() {
    let place = Directory::new();
    fs::create_dir_all(place.path("programs")).unwrap();
    for name in ["ovs-vswitchd", "ovn-controller"] {
        program(&place.path("programs").join(name), "#!/bin/sh\nexec sleep 1000\n");
    }
    let script = r#"
PATH=$PLACE/programs:$PATH
./start-ovs.sh & node=$!
within pgrep -f ^sleep.1000
kill $node
gone() { ! pgrep -f ^sleep.1000; }
within gone
wait $node
fails pgrep -f "unix:$PLACE"
echo all done
"#;
    let path = |name: &str| place.path(name).display().to_string();
    let output = run(
        script,
        &[
            ("PLACE", path("").trim_end_matches('/')),
            ("OVN_RUNDIR", &path("ovn")),
            ("OVS_RUNDIR", &path("ovs")),
            ("OVS_DBDIR", &path("ovs-data")),
            ("OVN_SB_SERVICE_HOST", "127.0.0.1"),
        ],
    );
    assert!(output.status.success() && said(&output).contains("all done"), "{}", said(&output));
}

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn plugins_are_installed_at_once_and_those_of_others_stay() {
    let place = Directory::new();
    for folder in ["image", "plugins", "bin", "net.d"] {
        fs::create_dir_all(place.path(folder)).unwrap();
    }
    fs::copy(folder().join("image/install-cni.sh"), place.path("image/install-cni.sh")).unwrap();
    program(&place.path("image/kube-ovn"), "ours");
    let conflist = folder().join("image/01-kube-ovn.conflist");
    fs::copy(&conflist, place.path("image/01-kube-ovn.conflist")).unwrap();
    symlink(env!("CARGO_BIN_EXE_kubeovn-daemon"), place.path("image/kube-ovn-daemon")).unwrap();
    for plugin in ["loopback", "portmap"] {
        program(&place.path(&format!("plugins/{plugin}")), "theirs");
    }
    program(&place.path("bin/portmap"), "newer");
    program(&place.path("bin/kube-ovn"), "old");
    let held = fs::File::open(place.path("bin/kube-ovn")).unwrap();
    let none = capabilities("Deployment", "ovn-central");
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", &none, "--inh-caps", "-all"]).arg(place.path("image/install-cni.sh"));
    // As the manifest has it, but for the folder.
    let init = object("DaemonSet", "kube-ovn-cni")["spec"]["template"]["spec"]["initContainers"][0].clone();
    let there = format!("--cni-conf-dir={}", place.path("net.d").display());
    command.args(texts(&init["args"])).arg(&there);
    command.env("CNI_BIN", place.path("bin")).env("CNI_PLUGINS", place.path("plugins"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let installed = fs::read_to_string(place.path("net.d/01-kube-ovn.conflist")).unwrap();
    assert_eq!(installed, fs::read_to_string(conflist).unwrap());
    assert_eq!(fs::read_dir(place.path("net.d")).unwrap().count(), 1);
    let text = |name: &str| fs::read_to_string(place.path(&format!("bin/{name}"))).unwrap();
    assert_eq!(["kube-ovn", "loopback", "portmap"].map(text), ["ours", "theirs", "newer"]);
    assert_eq!(fs::read_dir(place.path("bin")).unwrap().count(), 3, "nothing half-done is left");
    // Who has the old one open goes on with it: it was not written over.
    assert_eq!(std::io::read_to_string(held).unwrap(), "old");
}

#[test]
fn the_daemon_begins_when_the_switch_is_there_and_may_change_settings() {
    let place = Directory::new();
    fs::create_dir_all(place.path("image")).unwrap();
    fs::copy(folder().join("image/start-cniserver.sh"), place.path("image/start-cniserver.sh")).unwrap();
    program(
        &place.path("image/kube-ovn-daemon"),
        "#!/bin/bash\nset -eu\necho 1 >/proc/sys/net/ipv4/ip_forward\nip netns exec pod ip link set lo up\necho \"$*\" >\"$PLACE/began\"\n",
    );
    let script = r#"
# as containers see it
mount -o bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
forward() { echo 0 >/proc/sys/net/ipv4/ip_forward; }
fails forward
mount -t tmpfs none /run && ip netns add pod
as_in "$DAEMON" "$PLACE/image/start-cniserver.sh" --iface=eth0 >"$PLACE/log" 2>&1 & daemon=$!
within grep -q waiting "$PLACE/log"
[ ! -e "$PLACE/began" ]
mkdir -p "$OVS_RUNDIR"
ovsdb-tool create "$PLACE/conf.db" /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --remote="punix:$OVS_RUNDIR/db.sock" --unixctl="$PLACE/ctl" "$PLACE/conf.db" >/dev/null 2>&1 &
within ovs-vsctl --db="unix:$OVS_RUNDIR/db.sock" --timeout=2 --no-wait init
wait $daemon
"#;
    let (here, run_folder) = (place.path("").display().to_string(), place.path("ovs").display().to_string());
    let output = run(
        script,
        &[
            ("DAEMON", &capabilities("DaemonSet", "kube-ovn-cni")),
            ("PLACE", here.trim_end_matches('/')),
            ("OVS_RUNDIR", &run_folder),
        ],
    );
    let log = fs::read_to_string(place.path("log")).unwrap_or_default();
    assert!(output.status.success(), "{}\n{log}", said(&output));
    let began = fs::read_to_string(place.path("began")).unwrap();
    assert_eq!(
        began.trim(),
        format!(
            "--ovs-socket={run_folder}/db.sock --bind-socket={run_folder}/kube-ovn-daemon.sock --iface=eth0"
        )
    );
}

/// Kube-OVN's databases are members of a cluster, each of which waits for the others. What was started before goes again.
#[test]
fn a_database_of_a_cluster_is_refused_and_stays_as_it_is() {
    let place = Directory::new();
    fs::create_dir_all(place.path("data")).unwrap();
    let script = r#"
file=$OVN_DBDIR/ovnsb_db.db
ovsdb-tool create-cluster "$file" /usr/share/ovn/ovn-sb.ovsschema tcp:127.0.0.1:6644
before=$(sha256sum "$file")
code=0
./start-db.sh || code=$?
[ $code = 1 ]
[ "$(sha256sum "$file")" = "$before" ]
fails pgrep -f "punix:$OVN_RUNDIR"
echo all done
"#;
    let path = |name: &str| place.path(name).display().to_string();
    let output =
        run(script, &[("OVN_RUNDIR", &path("run")), ("OVN_DBDIR", &path("data")), ("POD_IPS", "127.0.0.1")]);
    let said = said(&output);
    assert!(output.status.success() && said.contains("all done"), "{said}");
    assert!(said.contains("ovnsb_db.db is not that of a standalone server"), "{said}");
    assert!(said.contains("docs/migrate.md") && said.contains("cluster-to-standalone"), "{said}");
}

/// The archive that needs no container engine holds all that the scripts start, with what that loads.
#[test]
fn an_image_made_of_this_machine_runs_the_scripts() {
    let place = Directory::new();
    fs::create_dir_all(place.path("programs")).unwrap();
    // Small, and of no more use here than to be there.
    for name in ["kubeovn-cni", "kubeovn-controller", "kubeovn-daemon", "kubeovn-ctl"] {
        fs::copy(env!("CARGO_BIN_EXE_kubeovn-cni"), place.path("programs").join(name)).unwrap();
    }
    let script = r#"
./archive "$PLACE/programs" "$PLACE/image.tar" some/name:tag
mkdir "$PLACE/root"
tar --extract --to-stdout --file="$PLACE/image.tar" manifest.json | grep -q '"RepoTags":\["some/name:tag"\]'
tar --extract --to-stdout --file="$PLACE/image.tar" layer.tar | tar --extract --directory="$PLACE/root"
sum=$(tar --extract --to-stdout --file="$PLACE/image.tar" layer.tar | sha256sum | cut -d' ' -f1)
tar --extract --to-stdout --file="$PLACE/image.tar" config.json | grep -q "sha256:$sum"
mount -t proc proc "$PLACE/root/proc"
mount --bind /dev "$PLACE/root/dev"
in_image() { env --ignore-environment PATH=/usr/sbin:/usr/bin POD_IPS=127.0.0.1 OVN_SB_SERVICE_HOST=127.0.0.1 chroot "$PLACE/root" "$@"; }
in_image /kube-ovn/start-db.sh >"$PLACE/log" 2>&1 &
within in_image /kube-ovn/ovn-healthcheck.sh
in_image /kube-ovn/start-ovs.sh >>"$PLACE/log" 2>&1 &
within in_image /kube-ovn/ovs-healthcheck.sh ready
in_image /kube-ovn/install-cni.sh <<<'' >/dev/null 2>&1 || true # here the daemon is none
in_image env CNI_COMMAND=VERSION /opt/cni/bin/kube-ovn <<<'{"cniVersion":"1.0.0"}' | grep -q supportedVersions
in_image nft list ruleset
in_image iptables-save >/dev/null
in_image ip6tables-restore --version
in_image ipset list
echo all done
"#;
    let output = run(script, &[("PLACE", place.path("").to_str().unwrap().trim_end_matches('/'))]);
    let log = fs::read_to_string(place.path("log")).unwrap_or_default();
    assert!(output.status.success() && said(&output).contains("all done"), "{}\n{log}", said(&output));
}
