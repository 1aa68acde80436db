//! Probes and metrics over TLS.

use std::fs;

use http::Request;
use kube::{Client, Config};
use nix::sys::signal::Signal;

use crate::{
    authority::Authority,
    rig::{Rig, until},
};

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
    // All of this process have one address, and other ports.
    old.issue(&none.address(), &folder);
    let mut controller = rig.controller_in("safe", &[&variable], &["--secure-serving"]);
    let (trusting, other) = (old.client(&controller.address()), new.client(&controller.address()));
    let text = until("metrics", async || metrics(&trusting).await).await;
    assert!(text.contains("kubeovn_leading"), "{text}");
    assert_eq!(metrics(&other).await, None, "of a CA that it is not from");
    assert_eq!(controller.get("/metrics").map(|(status, _)| status), None, "without TLS there is no answer");

    // Half of a new pair is passed over; the whole of it is shown without a restart.
    new.issue(&controller.address(), &folder);
    let key = fs::read(folder.join("tls.key")).unwrap();
    fs::write(folder.join("tls.key"), "half").unwrap();
    until("the old one", async || metrics(&old.client(&controller.address())).await).await;
    assert!(controller.log().contains("what was read before is shown"), "{}", controller.log());
    fs::write(folder.join("tls.key"), key).unwrap();
    until("the new one", async || metrics(&new.client(&controller.address())).await).await;
    assert!(metrics(&old.client(&controller.address())).await.is_none());
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
    assert!(metrics(&Authority::new().client(&controller.address())).await.is_none(), "nobody can check it");
}
