//! Certificates, and where servers and clients find them.

use std::{fs, path::PathBuf};

use kubeovn_ovn::ovsdb::connect::TlsConfig;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::server::{Directory, text};

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// The three files of one side: private key, certificate, and the CA that it trusts.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) key: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) ca: PathBuf,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// An authority below this one.
    pub(crate) fn below(&self, name: &str) -> Self {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &self.0).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes `NAME-key.pem`, `NAME-cert.pem` and `NAME-ca.pem`: a new certificate of this authority, which is trusted.
    pub(crate) fn issue(&self, directory: &Directory, name: &str) -> Files {
        self.issue_with(directory, name, &[], |_| ())
    }

    /// The same for hosts and with changes.
    pub(crate) fn issue_with(
        &self,
        directory: &Directory,
        name: &str,
        hosts: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Files {
        let mut params = named(name, hosts);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let files = Files::named(directory, name);
        fs::write(&files.key, key.serialize_pem()).unwrap();
        fs::write(&files.certificate, certificate.pem()).unwrap();
        fs::write(&files.ca, self.pem()).unwrap();
        files
    }
}

impl Files {
    pub(crate) fn named(directory: &Directory, name: &str) -> Self {
        let path = |part: &str| directory.path(&format!("{name}-{part}.pem"));
        Self { key: path("key"), certificate: path("cert"), ca: path("ca") }
    }

    /// As options of OVN's and OVS's programs.
    pub(crate) fn options(&self) -> [String; 3] {
        [
            format!("--private-key={}", text(&self.key)),
            format!("--certificate={}", text(&self.certificate)),
            format!("--ca-cert={}", text(&self.ca)),
        ]
    }

    pub(crate) fn config(&self) -> TlsConfig {
        TlsConfig::new(&self.key, &self.certificate, &self.ca)
    }
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
