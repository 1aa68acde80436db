//! Files of keys and certificates, good and bad. Handshakes are in `tests/tls.rs`.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

use super::{
    files::{Kept, read_client, read_roots},
    *,
};

/// A folder with the files of one client.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kubeovn-tls-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let folder = Self(path);
        let (key, certificate) = pair(KeyPair::generate().unwrap());
        folder.write("key", &key);
        folder.write("cert", &certificate);
        folder.write("ca", &certificate);
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn config(&self) -> TlsConfig {
        TlsConfig::new(self.0.join("key"), self.0.join("cert"), self.0.join("ca"))
    }

    fn client(&self) -> Result<(), TlsError> {
        read_client(&self.config().client.unwrap()).map(drop)
    }

    fn roots(&self) -> Result<usize, TlsError> {
        read_roots(&self.config().ca).map(|roots| roots.len())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pair(key: KeyPair) -> (String, String) {
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    (key.serialize_pem(), certificate.pem())
}

fn unreadable() -> TlsError {
    TlsError::FileUnreadable { file: "ca".into(), error: std::io::ErrorKind::NotFound.into() }
}

#[test]
fn keys_of_all_usual_kinds_will_do() {
    let folder = Folder::new();
    assert!(folder.client().is_ok());
    for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let (key, certificate) = pair(KeyPair::generate_for(algorithm).unwrap());
        folder.write("key", &key);
        // tools put the certificate in words before it
        folder.write("cert", &format!("Certificate:\n    Data:\n{certificate}"));
        folder.client().unwrap();
    }
}

#[test]
fn a_key_of_another_certificate_is_named_with_both_files() {
    let folder = Folder::new();
    folder.write("key", &pair(KeyPair::generate().unwrap()).0);
    let error = folder.client().unwrap_err();
    assert!(matches!(error, TlsError::KeyMismatch { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("/key ") && text.contains("/cert;"), "{text}");
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name() {
    let (key, certificate) = pair(KeyPair::generate().unwrap());
    let half = certificate.get(..certificate.len() / 2).unwrap();
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for (name, text, what) in [
        ("key", "", "there is none"),
        ("key", &*encrypted, "not encrypted"),
        ("key", &*certificate, "no private key"),
        ("key", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", "no private key"),
        ("cert", "", "there is none"),
        ("cert", half, "its end is missing"),
        ("cert", &*key, "no certificate"),
        ("cert", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "no certificate"),
    ] {
        let folder = Folder::new();
        folder.write(name, text);
        let error = folder.client().unwrap_err();
        assert!(matches!(error, TlsError::FileInvalid { .. }), "{name} {text}: {error:?}");
        let told = error.to_string();
        assert!(told.contains(&format!("/{name}:")) && told.contains(what), "{told}");
    }
    let folder = Folder::new();
    fs::remove_file(folder.0.join("key")).unwrap();
    assert!(matches!(folder.client(), Err(TlsError::FileUnreadable { file, .. }) if file.ends_with("key")));
}

#[test]
fn one_damaged_ca_certificate_spoils_the_file() {
    let folder = Folder::new();
    let [first, second] = [(); 2].map(|()| pair(KeyPair::generate().unwrap()).1);
    folder.write("ca", &(first.clone() + &second));
    assert_eq!(folder.roots().unwrap(), 2);
    for damaged in ["-----BEGIN CERTIFICATE-----\nMIIB", second.get(..80).unwrap()] {
        folder.write("ca", &(first.clone() + damaged));
        let error = folder.roots().unwrap_err();
        assert!(matches!(error, TlsError::FileInvalid { what: "CA certificate", .. }), "{error:?}");
    }
}

#[test]
fn what_was_good_stays_until_something_better_comes_and_one_complaint_is_enough() {
    let mut kept = Kept::default();
    assert!(kept.renew(Err(unreadable())).is_err(), "there is nothing to keep yet");
    assert_eq!(*kept.renew(Ok(1)).unwrap(), 1);
    assert_eq!(*kept.renew(Err(unreadable())).unwrap(), 1);
    assert!(!kept.is_news(&unreadable()), "it was told");
    assert!(kept.is_news(&TlsError::NotConfigured), "this was not");
    assert_eq!(*kept.renew(Ok(2)).unwrap(), 2);
    assert!(kept.is_news(&unreadable()), "all was well in between");
    assert_eq!(*kept.renew(Err(unreadable())).unwrap(), 2);
}

#[tokio::test]
async fn key_and_ca_are_renewed_apart() {
    let folder = Folder::new();
    let mut keyring = Keyring::default();
    assert!(matches!(keyring.renew(None).await, Err(TlsError::NotConfigured)));
    keyring.renew(Some(&folder.config())).await.unwrap();
    folder.write("ca", "garbage");
    folder.write("key", "garbage");
    keyring.renew(Some(&folder.config())).await.unwrap();
    // who comes anew has nothing to fall back on
    let error = Keyring::default().renew(Some(&folder.config())).await.unwrap_err();
    assert!(matches!(error, TlsError::FileInvalid { what: "CA certificate", .. }), "{error:?}");
    // the CA is not read where nothing is asked of the server
    let nothing = TlsConfig { verify: Verify::Nothing, client: None, ..folder.config() };
    Keyring::default().renew(Some(&nothing)).await.unwrap();
}
