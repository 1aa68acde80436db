//! Puts the description of the network to where the container runtime looks for it.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::error::StartError;

/// Only root reads it: it may name secrets of other plugins.
const MODE: u32 = 0o600;

/// Copies a file under a name into a folder, whole or not at all. One that is there stays as it is, for an operator may
/// have changed it; only its mode is put right. What an interrupted copy left behind is removed.
///
/// # Errors
/// [`StartError::Install`]
pub fn install(from: &Path, folder: &Path, name: &str) -> Result<PathBuf, StartError> {
    let place = folder.join(name);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StartError::Install { path, source }
    };
    remove_leftovers(folder, name).map_err(failed(folder))?;
    if !place.exists() {
        let text = fs::read(from).map_err(failed(from))?;
        let new = folder.join(format!("{name}.tmp.{}", std::process::id()));
        let written = fs::write(&new, text).and_then(|()| mode(&new)).and_then(|()| fs::rename(&new, &place));
        if let Err(error) = written {
            // The error that is told is the first one.
            let _ = fs::remove_file(&new);
            return Err(failed(&place)(error));
        }
    }
    mode(&place).map_err(failed(&place))?;
    Ok(place)
}

fn mode(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))
}

fn remove_leftovers(folder: &Path, name: &str) -> io::Result<()> {
    let prefix = format!("{name}.tmp.");
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("kubeovn-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn it_is_copied_once_and_what_is_there_stays() {
        let folder = Folder::new("conflist");
        let from = folder.0.join("given");
        fs::write(&from, "first").unwrap();
        fs::write(folder.0.join("x.conflist.tmp.7"), "half").unwrap();
        let place = install(&from, &folder.0, "x.conflist").unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "first");
        assert!(!folder.0.join("x.conflist.tmp.7").exists());
        fs::write(&from, "second").unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o644)).unwrap();
        install(&from, &folder.0, "x.conflist").unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "first");
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_copied_is_named() {
        let folder = Folder::new("no-conflist");
        let error = install(Path::new("/nowhere/at.all"), &folder.0, "x").unwrap_err().to_string();
        assert!(error.contains("DAEMON-CNI-CONF") && error.contains("/nowhere/at.all"), "{error}");
    }
}
