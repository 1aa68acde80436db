//! Probes and metrics over TLS.

use std::{fs, net::IpAddr, path::Path};

use http::Request;
use kube::{Client, Config};
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::rig::{Controller, Rig, until};

/// A CA, and the certificates that it gives.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Puts a certificate for an address into a folder.
    fn issue(&self, address: &str, folder: &Path) {
        let address: IpAddr = address.split_once(':').unwrap().0.parse().unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![address.to_string()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
        fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
    }

    /// A client that trusts this one alone.
    fn client(&self, controller: &Controller) -> Client {
        let mut config = Config::new(format!("https://{}", controller.address()).parse().unwrap());
        config.root_cert = Some(vec![self.0.der().to_vec()]);
        Client::try_from(config).unwrap()
    }
}

async fn metrics(client: &Client) -> Option<String> {
    client.request_text(Request::get("/metrics").body(Vec::new()).unwrap()).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_read_by_who_trusts_the_ca_also_of_a_new_certificate() {
    let rig = Rig::start().await;
    let folder = rig.kubernetes.folder().join("serving");
    let variable = format!("SERVING_CERT_DIR={}", folder.display());
    // No certificate, no controller.
    let mut none = rig.controller_in("none", &[&variable], &["--secure-serving"]);
    assert_eq!(none.ends().await.code(), Some(1));
    assert!(
        none.log().contains("CONTROLLER-CERTIFICATE") && none.log().contains("tls.crt"),
        "{}",
        none.log()
    );

    let (old, new) = (Authority::new(), Authority::new());
    // Its address is known once it is there; the folder has to be full before.
    old.issue("127.0.0.1:0", &folder);
    let mut controller = rig.controller_in("safe", &[&variable], &["--secure-serving"]);
    old.issue(&controller.address(), &folder);
    let (trusting, other) = (old.client(&controller), new.client(&controller));
    let text = until("metrics", async || metrics(&trusting).await).await;
    assert!(text.contains("kubeovn_leading"), "{text}");
    assert_eq!(metrics(&other).await, None, "of a CA that it is not from");
    assert_eq!(controller.get("/metrics").map(|(status, _)| status), None, "without TLS there is no answer");

    // Half of a new pair is passed over; the whole of it is shown without a restart.
    new.issue(&controller.address(), &folder);
    let key = fs::read(folder.join("tls.key")).unwrap();
    fs::write(folder.join("tls.key"), "half").unwrap();
    until("the old one", async || metrics(&old.client(&controller)).await).await;
    assert!(controller.log().contains("what was read before is shown"), "{}", controller.log());
    fs::write(folder.join("tls.key"), key).unwrap();
    until("the new one", async || metrics(&new.client(&controller)).await).await;
    assert!(metrics(&old.client(&controller)).await.is_none());
    controller.signal(Signal::SIGTERM);
    assert_eq!(controller.ends().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_certificate_one_is_made() {
    let rig = Rig::start().await;
    let controller = rig.controller("own", &["--secure-serving"]);
    let mut config = Config::new(format!("https://{}", controller.address()).parse().unwrap());
    config.accept_invalid_certs = true;
    let client = Client::try_from(config).unwrap();
    until("metrics", async || metrics(&client).await).await;
    // Who says nothing keeps nobody waiting.
    let silent: Vec<_> =
        (0..8).map(|_| std::net::TcpStream::connect(controller.address()).unwrap()).collect();
    assert!(metrics(&client).await.is_some());
    drop(silent);
    assert!(metrics(&Authority::new().client(&controller)).await.is_none(), "nobody can check it");
}
