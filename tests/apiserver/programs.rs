//! Where `tests/kubernetes/build` finds the programs, and that it builds each once. Go is played by a script.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
};

/// What the script needs: the machine may have Kubernetes where these are.
const TOOLS: [&str; 10] =
    ["bash", "chmod", "cut", "dirname", "flock", "mkdir", "mv", "sed", "sha256sum", "touch"];

/// What stands in for the world around the script; removed with this value.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let place = Self(env::temp_dir().join(format!("kubeovn-build-{}-{name}", std::process::id())));
        for folder in ["assets", "path", "target"] {
            fs::create_dir_all(place.path(folder)).unwrap();
        }
        for tool in TOOLS {
            let found = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(tool));
            let found = found.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no {tool}"));
            symlink(found, place.path("path").join(tool)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// A Go of this version, which writes down what it builds.
    fn go(&self, version: &str) {
        let record = self.path("built");
        let build = format!(
            "while [ $# -gt 1 ]; do [ \"$1\" = -o ] && out=$2; shift; done\necho \"$1\" >>{}\ntouch $out\nchmod +x $out",
            record.display()
        );
        self.program("path/go", &format!("[ \"$1\" = env ] && {{ echo {version}; exit; }}\n{build}"));
    }

    fn built(&self) -> String {
        fs::read_to_string(self.path("built")).unwrap_or_default()
    }

    fn script(&self, arguments: &[&str], assets: bool) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubernetes/build");
        let mut command = Command::new(script);
        command.args(arguments).env("CARGO_TARGET_DIR", self.path("target")).env_remove("KUBEBUILDER_ASSETS");
        command.env("PATH", self.path("path"));
        if assets {
            command.env("KUBEBUILDER_ASSETS", self.path("assets"));
        }
        command.output().unwrap()
    }

    /// The paths that it prints.
    fn found(&self, arguments: &[&str], assets: bool) -> Vec<String> {
        let output = self.script(&[&["--path"], arguments].concat(), assets);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
    }

    /// What it says when it fails.
    fn failure(&self, arguments: &[&str], assets: bool) -> String {
        let output = self.script(arguments, assets);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn own_programs_are_taken_from_the_folder_that_is_named() {
    let place = Place::new("assets");
    place.go("go1.26.0");
    place.program("assets/etcd", "");
    place.program("path/etcd", "");
    place.program("path/kube-apiserver", "");
    for arguments in [vec![], vec!["--path"]] {
        let said = place.failure(&arguments, true);
        assert!(said.contains("KUBEBUILDER_ASSETS") && said.contains("kube-apiserver"), "{said}");
    }

    place.program("assets/kube-apiserver", "");
    let wanted = ["assets/etcd", "assets/kube-apiserver"].map(|name| place.path(name).display().to_string());
    assert_eq!(place.found(&[], true), wanted);
    assert!(place.script(&[], true).status.success());
    assert_eq!(place.built(), "");
}

#[test]
fn programs_in_the_path_are_taken_if_all_are_there() {
    let place = Place::new("path");
    place.program("path/etcd", "");
    assert!(place.failure(&["--path"], false).contains("make kubernetes"));

    place.program("path/kube-apiserver", "");
    let wanted = ["path/kube-apiserver", "path/etcd"].map(|name| place.path(name).display().to_string());
    assert_eq!(place.found(&["kube-apiserver", "etcd"], false), wanted);
}

#[test]
fn what_is_missing_is_built_once() {
    let place = Place::new("once");
    place.go("go1.27rc1");
    assert!(place.failure(&["--path"], false).contains("make kubernetes"));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(place.script(&[], false).status.success()));
        }
    });
    assert_eq!(place.built(), "go.etcd.io/etcd/server/v3\nk8s.io/kubernetes/cmd/kube-apiserver\n");

    let found = place.found(&[], false);
    assert!(
        found.iter().all(|path| Path::new(path).starts_with(place.path("target/kubernetes"))),
        "{found:?}"
    );
    let output = place.script(&[], false);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(place.script(&["kubectl"], false).status.success());
    assert!(
        place
            .built()
            .ends_with("server/v3\nk8s.io/kubernetes/cmd/kube-apiserver\nk8s.io/kubernetes/cmd/kubectl\n")
    );
}

#[test]
fn a_build_that_fails_leaves_nothing_that_looks_built() {
    let place = Place::new("fails");
    let fails = "[ \"$1\" = env ] && { echo go1.26.0; exit; }\n\
                 while [ $# -gt 1 ]; do [ \"$1\" = -o ] && touch $2 && chmod +x $2; shift; done\nexit 1";
    place.program("path/go", fails);
    assert!(!place.script(&[], false).status.success());
    assert!(place.failure(&["--path", "etcd"], false).contains("make kubernetes"));
}

#[test]
fn an_old_go_is_refused() {
    let place = Place::new("old");
    for version in ["go1.19.8", "go1.25.9"] {
        place.go(version);
        let said = place.failure(&[], false);
        assert!(said.contains(version) && said.contains("install Go 1.26 or newer"), "{said}");
    }
    assert_eq!(place.built(), "");
}
