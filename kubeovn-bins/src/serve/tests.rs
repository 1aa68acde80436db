//! What is chosen by flags and environment, and which TLS is spoken.

use std::{ffi::OsString, fs, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::ring, version},
};

use super::*;
use crate::daemon::flags::PROGRAM;

fn chosen(arguments: &[&str], place: &Place) -> Result<Port, FlagError> {
    let flags = Flags::parse(&PROGRAM, ["kubeovn-daemon"].iter().chain(arguments).map(OsString::from))?;
    Port::chosen(&flags, place, "n1")
}

#[test]
fn it_listens_on_all_addresses_or_the_pods_own() {
    let listen = |bind_local| {
        let place = Place { pod_ips: "10.0.0.7,fd00::7".into(), bind_local, ..Place::default() };
        chosen(&[], &place).unwrap().address.to_string()
    };
    assert_eq!((listen(false), listen(true)), ("[::]:10665".into(), "10.0.0.7:10665".into()));
}

#[test]
fn the_certificate_is_that_of_the_folder_or_one_for_all_names() {
    let certificate = |folder: &str| {
        let place =
            Place { pod_ips: "10.0.0.7,fd00::7".into(), serving_folder: folder.into(), ..Place::default() };
        chosen(&["--secure-serving"], &place).unwrap().tls.unwrap().0
    };
    assert_eq!(certificate("/tls"), Certificate::Folder("/tls".into()));
    let names = ["n1", "10.0.0.7", "fd00::7", "localhost"].map(str::to_owned);
    assert_eq!(certificate(""), Certificate::Own(names.to_vec()));
    assert!(chosen(&[], &Place::default()).unwrap().tls.is_none());
}

#[test]
fn limits_with_which_there_would_be_no_tls_are_refused() {
    for (arguments, says) in [
        (&["--tls-min-version=1.2"][..], "--tls-min-version=1.2: write TLS12 or TLS13"),
        (&["--tls-max-version=TLS11"], "--tls-max-version=TLS11: TLS before 1.2 is not spoken"),
        (&["--tls-min-version=TLS13", "--tls-max-version=TLS12"], "is newer than --tls-max-version"),
        (&["--tls-cipher-suites=TLS_RSA_WITH_RC4_128_SHA"], "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ] {
        let error = chosen(arguments, &Place::default()).unwrap_err().to_string();
        assert!(error.starts_with("FLAG-INVALID: ") && error.contains(says), "{error}");
    }
    // Kube-OVN takes these; what is older than 1.2 is not spoken anyway.
    for argument in [
        "--tls-min-version=TLS10",
        "--tls-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ] {
        chosen(&[argument], &Place::default()).unwrap();
    }
}

/// One of several that a client would choose.
const SUITE: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";

/// Ready, and says so.
struct Well;

#[async_trait]
impl Health for Well {
    async fn dead(&self) -> Option<String> {
        None
    }
    async fn ready(&self) -> Result<String, Vec<String>> {
        Ok("ok".to_owned())
    }
    async fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }
}

/// A folder with a certificate for `localhost`, and who trusts it.
fn certificate(folder: &Path) -> RootCertStore {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
    fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    roots
}

/// Asks over these versions of TLS; the suite that was agreed on, if any.
async fn agreed(
    address: SocketAddr,
    roots: &RootCertStore,
    versions: &[&'static SupportedProtocolVersion],
) -> Option<String> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    let suite = stream.get_ref().1.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
    stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    suite
}

#[tokio::test]
async fn only_the_tls_that_was_chosen_is_spoken() {
    let folder = std::env::temp_dir().join(format!("kubeovn-serve-{}", std::process::id()));
    let roots = certificate(&folder);
    let suites = format!("--tls-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA,{SUITE}");
    let (old, new) = (&version::TLS12, &version::TLS13);
    // What is asked for, and whether 1.2 and 1.3 are spoken then.
    for (argument, spoken) in [
        ("--tls-min-version=", [true, true]),
        ("--tls-min-version=TLS13", [false, true]),
        ("--tls-max-version=TLS12", [true, false]),
        (&suites, [true, true]),
    ] {
        let place = Place { serving_folder: folder.display().to_string(), ..Place::default() };
        let mut port = chosen(&["--secure-serving", argument], &place).unwrap();
        port.address = (Ipv4Addr::LOCALHOST, 0).into();
        let open = port.open().await.unwrap();
        let address = open.listener.local_addr().unwrap();
        let serving = tokio::spawn(open.serve(Arc::new(Well)));
        let ask = async {
            let answers = [agreed(address, &roots, &[old]).await, agreed(address, &roots, &[new]).await];
            assert_eq!(answers.each_ref().map(Option::is_some), spoken, "{argument}: {answers:?}");
            if argument == suites {
                assert_eq!(answers[0].as_deref(), Some(SUITE));
            }
        };
        timeout(Duration::from_secs(20), ask).await.unwrap();
        serving.abort();
    }
    fs::remove_dir_all(&folder).unwrap();
}
