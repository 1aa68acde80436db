//! The image of all containers, made of this machine's own programs: no registry is asked.
//!
//! It has busybox, socat and the libraries that they load. It bears two names: as pause it sleeps.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::{jail, programs};

/// What pods run.
pub(crate) const TOOLS: &str = "localhost/tools:1";

/// What keeps their namespaces.
pub(crate) const PAUSE: &str = "localhost/pause:1";

/// Programs of this machine that go in.
const PROGRAMS: [&str; 2] = ["busybox", "socat"];

/// Where the archive is.
pub(crate) fn path() -> PathBuf {
    Path::new(jail::RUN).join("image.tar")
}

/// Makes it, in the form of `docker save`, which containerd reads.
pub(crate) fn make() {
    let work = Path::new(jail::RUN).join("image");
    let root = work.join("root");
    for folder in ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "www"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\n").unwrap();
    fs::write(root.join("etc/nsswitch.conf"), "hosts: files dns\n").unwrap();
    for program in PROGRAMS {
        let path = programs::path(program).unwrap();
        fs::copy(&path, root.join("bin").join(program)).unwrap();
        for library in libraries(&path) {
            let to = root.join(library.strip_prefix("/").unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&library, to).unwrap();
        }
    }
    for applet in run(Command::new("busybox").arg("--list")).lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    let layer = work.join("layer.tar");
    pack(&layer, &root, &["."]);
    let sum = run(Command::new("sha256sum").arg(&layer));
    let digest = format!("sha256:{}", sum.split(' ').next().unwrap());
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {"Cmd": ["sleep", "2147483647"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [digest]},
    });
    let manifest = json!([{"Config": "config.json", "RepoTags": [TOOLS, PAUSE], "Layers": ["layer.tar"]}]);
    fs::write(work.join("config.json"), config.to_string()).unwrap();
    fs::write(work.join("manifest.json"), manifest.to_string()).unwrap();
    pack(&path(), &work, &["manifest.json", "config.json", "layer.tar"]);
    fs::remove_dir_all(work).unwrap();
}

/// What the dynamic loader loads for a program, itself included; nothing for a static one.
fn libraries(program: &Path) -> BTreeSet<PathBuf> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn pack(archive: &Path, folder: &Path, files: &[&str]) {
    run(Command::new("tar")
        .args(["--create", "--owner=0", "--group=0", "--numeric-owner", "--file"])
        .arg(archive)
        .arg("--directory")
        .arg(folder)
        .args(files));
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
