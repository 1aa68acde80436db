//! Servers behind TLS: real ones, with certificates by a library and by the commands that operators use.
#![cfg(feature = "tls")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may panic and print"
)]

#[path = "support/pki.rs"]
mod pki;
#[path = "support/server.rs"]
mod server;

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use kubeovn_core::contract::database::{Database, DbEvent};
use kubeovn_ovn::{
    nb::NORTHBOUND,
    ovsdb::{
        client::Client,
        connect::{ConnectConfig, ConnectError, Connected, Connector, TlsConfig, TlsError, Verify},
        session::{CloseReason, SessionEvent},
        txn::Identity,
        wire::{Datum, OpResult, Operation, Row},
    },
};
use tokio::{net::TcpListener, time::timeout};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        sign::{CertifiedKey, SingleCertAndKey},
        version::{TLS12, TLS13},
    },
};
use uuid::Uuid;

use pki::{Authority, Files};
use server::{DATABASE, Directory, Server, output, text};

const PATIENCE: Duration = Duration::from_secs(20);
/// What a server lets clients speak: 1.2 alone, or what it has, which is 1.3. In 1.2 it looks at our certificate before
/// the client is done, in 1.3 after that.
const PROTOCOLS: [&[&str]; 2] = [&["--ssl-protocols=TLSv1.2"], &[]];

/// A server that wants to see certificates of the CA among its files.
fn secured(directory: &Directory, files: &Files, more: &[&str]) -> Server {
    Server::standalone_with(directory, &options(files, "pssl:0:127.0.0.1", more))
}

fn options(files: &Files, remote: &str, more: &[&str]) -> Vec<String> {
    let more = more.iter().map(ToString::to_string);
    files.options().into_iter().chain([format!("--remote={remote}")]).chain(more).collect()
}

fn connector(endpoint: &str, tls: TlsConfig) -> Connector {
    let mut config = ConnectConfig::new(endpoint.parse().unwrap(), DATABASE);
    config.tls = Some(tls);
    Connector::new(config, Box::new(|| 0.5))
}

async fn attempt(server: &Server, tls: TlsConfig) -> Result<Connected, ConnectError> {
    attempt_at(&format!("ssl:127.0.0.1:{}", server.port()), tls).await
}

async fn attempt_at(endpoint: &str, tls: TlsConfig) -> Result<Connected, ConnectError> {
    timeout(PATIENCE, connector(endpoint, tls).attempt()).await.expect("an answer")
}

/// What is wrong with TLS, and all of it in words.
fn refusal(attempt: Result<Connected, ConnectError>) -> (TlsError, String) {
    let error = attempt.expect_err("no connection");
    let text = error.to_string();
    match error {
        ConnectError::Tls { endpoint, error } => {
            assert!(text.starts_with(&format!("{endpoint}: OVSDB-TLS-")), "{text}");
            (error, text)
        }
        other => panic!("{other:?}"),
    }
}

async fn next(client: &mut Client) -> DbEvent {
    timeout(PATIENCE, client.next()).await.expect("an event")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_go_both_ways_under_load() {
    let ca = Authority::new("ca");
    for protocol in PROTOCOLS {
        let directory = Directory::new();
        let mut server = secured(&directory, &ca.issue(&directory, "server"), protocol);
        let tls = ca.issue(&directory, "client").config();
        let Connected { session, mut events, schema, .. } = attempt(&server, tls).await.unwrap();
        assert!(schema.column("Logical_Switch", "name").is_some());
        // more than fits into the sockets' buffers and into a record of TLS
        let filler = "x".repeat(40_000);
        for id in 0..200 {
            let row = Row::from([("name".into(), Datum::from(&*format!("{id} {filler}")))]);
            let insert = Operation::Insert { table: "Logical_Switch".into(), row, uuid: None, name: None };
            let select =
                Operation::Select { table: "Logical_Switch".into(), r#where: Vec::new(), columns: None };
            let operations = if id % 40 == 39 { vec![insert, select] } else { vec![insert] };
            session.submit(id, DATABASE, &operations).unwrap();
        }
        for id in 0..200 {
            match timeout(PATIENCE, events.next()).await.expect("an event") {
                SessionEvent::Reply { id: answered, result } => {
                    assert_eq!(answered, id);
                    assert!(matches!(result.unwrap()[0], OpResult::Inserted(_)));
                }
                other => panic!("{other:?}"),
            }
        }
        session.echo().await.unwrap();
        // a crash looks as it does without TLS
        server.kill();
        let event = timeout(PATIENCE, events.next()).await.expect("an event");
        assert!(matches!(event, SessionEvent::Closed { reason: CloseReason::Ended }), "{event:?}");
    }
}

#[tokio::test]
async fn a_chain_with_a_certificate_between_leads_to_the_ca() {
    let directory = Directory::new();
    let root = Authority::new("root");
    let between = root.below("between");
    let server_files = between.issue(&directory, "server");
    // the server adds to its certificate what it finds on the way among its CAs
    fs::write(&server_files.ca, root.pem() + &between.pem()).unwrap();
    let server = secured(&directory, &server_files, &[]);
    let client = root.issue(&directory, "client");
    attempt(&server, client.config()).await.unwrap();

    // we add what our file has, to a server that knows the root alone
    let other = Directory::new();
    let server = secured(&other, &root.issue(&other, "server"), &[]);
    let below = between.issue(&directory, "below");
    fs::write(&below.ca, root.pem()).unwrap();
    let (error, _) = refusal(attempt(&server, below.config()).await);
    assert!(matches!(error, TlsError::ClientRefused { .. }), "{error:?}");
    let chain = fs::read_to_string(&below.certificate).unwrap() + &between.pem();
    fs::write(&below.certificate, chain).unwrap();
    attempt(&server, below.config()).await.unwrap();
}

#[tokio::test]
async fn a_server_of_another_ca_is_refused_whatever_its_name() {
    let directory = Directory::new();
    let ca = Authority::new("ca");
    let server = secured(&directory, &ca.issue(&directory, "server"), &[]);
    let client = ca.issue(&directory, "client");
    for name in ["other", "ca"] {
        fs::write(&client.ca, Authority::new(name).pem()).unwrap();
        let (error, words) = refusal(attempt(&server, client.config()).await);
        assert!(matches!(&error, TlsError::ServerUntrusted { ca } if *ca == client.ca), "{error:?}");
        assert!(words.contains(text(&client.ca)), "{words}");
    }
    // it must be asked for
    let nothing = TlsConfig { verify: Verify::Nothing, ..client.config() };
    attempt(&server, nothing).await.unwrap();
}

#[tokio::test]
async fn the_server_says_what_it_does_not_like_about_our_certificate() {
    let ca = Authority::new("ca");
    for protocol in PROTOCOLS {
        let directory = Directory::new();
        let server = secured(&directory, &ca.issue(&directory, "server"), protocol);
        let none = TlsConfig { client: None, ..ca.issue(&directory, "client").config() };
        let (error, text) = refusal(attempt(&server, none).await);
        assert!(matches!(error, TlsError::ClientMissing { .. }), "{protocol:?}: {error:?}");
        assert!(text.contains("configure a private key"), "{text}");

        let stranger = Authority::new("other").issue(&directory, "stranger");
        fs::write(&stranger.ca, ca.pem()).unwrap();
        let expired = ca.issue_with(&directory, "old", &[], |params| {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        });
        for files in [stranger, expired] {
            let (error, text) = refusal(attempt(&server, files.config()).await);
            assert!(
                matches!(&error, TlsError::ClientRefused { certificate, .. } if *certificate == files.certificate),
                "{protocol:?}: {error:?}"
            );
            assert!(text.contains("--ca-cert"), "{text}");
        }
    }
}

#[tokio::test]
async fn the_host_matters_only_where_it_is_asked_for() {
    let directory = Directory::new();
    let ca = Authority::new("ca");
    let client = ca.issue(&directory, "client");
    let server = secured(&directory, &ca.issue_with(&directory, "server", &["localhost"], |_| ()), &[]);
    let by_name = format!("ssl:localhost:{}", server.port());
    let by_address = format!("ssl:127.0.0.1:{}", server.port());
    let strict = TlsConfig { verify: Verify::ChainAndName, ..client.config() };
    attempt_at(&by_name, strict.clone()).await.unwrap();
    attempt_at(&by_address, client.config()).await.unwrap();
    let (error, text) = refusal(attempt_at(&by_address, strict.clone()).await);
    assert!(matches!(&error, TlsError::ServerName { host, .. } if host == "127.0.0.1"), "{error:?}");
    assert!(text.contains("localhost") && text.contains("subject alternative name"), "{text}");

    let other = Directory::new();
    let server = secured(&other, &ca.issue_with(&other, "server", &["127.0.0.1"], |_| ()), &[]);
    attempt(&server, strict.clone()).await.unwrap();
    // names do not stand in for the chain
    fs::write(&client.ca, Authority::new("other").pem()).unwrap();
    let (error, _) = refusal(attempt(&server, strict).await);
    assert!(matches!(error, TlsError::ServerUntrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_whose_certificate_is_not_valid_now_is_refused() {
    let ca = Authority::new("ca");
    for (from, to) in [(2000, 2001), (2900, 2901)] {
        let directory = Directory::new();
        let files = ca.issue_with(&directory, "server", &[], |params| {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
        });
        let server = secured(&directory, &files, &[]);
        let (error, text) = refusal(attempt(&server, ca.issue(&directory, "client").config()).await);
        assert!(matches!(error, TlsError::ServerDates { .. }), "{error:?}");
        assert!(text.contains("renew"), "{text}");
    }
}

#[tokio::test]
async fn a_server_without_the_key_of_its_certificate_is_refused() {
    let directory = Directory::new();
    let ca = Authority::new("ca");
    let (server, thief) = (ca.issue(&directory, "server"), ca.issue(&directory, "thief"));
    let certificate = CertificateDer::from_pem_file(&server.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&thief.key).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let shown = Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key)));
    for version in [&TLS12, &TLS13] {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("ssl:{}", listener.local_addr().unwrap());
        let serving = async {
            let (stream, _) = listener.accept().await.unwrap();
            TlsAcceptor::from(Arc::new(config)).accept(stream).await.map(drop)
        };
        let (attempt, _) = tokio::join!(attempt_at(&endpoint, server.config()), serving);
        let (error, _) = refusal(attempt);
        assert!(matches!(error, TlsError::ServerUntrusted { .. }), "{version:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_client_survives_the_rotation_of_everything() {
    let directory = Directory::new();
    let old = Authority::new("ca");
    let files = old.issue(&directory, "server");
    let client_files = old.issue(&directory, "client");
    // an address of its own, so that nobody takes the port between two servers
    let mut server = Server::standalone_with(&directory, &options(&files, "pssl:0:127.0.0.77", &[]));
    let port = server.port();
    let connector = connector(&format!("ssl:127.0.0.77:{port}"), client_files.config());
    let mut client = Client::new(&NORTHBOUND, connector, Identity::Given(Uuid::from_u128(7)), None);
    assert_eq!(next(&mut client).await, DbEvent::Resynced);

    // new files do not cut the session: what the server has next arrives on it
    let new = Authority::new("new ca");
    new.issue(&directory, "client");
    server.nbctl(&["ls-add", "a"]);
    assert!(matches!(next(&mut client).await, DbEvent::Changed(_)));

    // garbage does not take away what is known; neither does half of the new pair
    let new_ca = fs::read(&client_files.ca).unwrap();
    let new_key = fs::read(&client_files.key).unwrap();
    let new_certificate = fs::read(&client_files.certificate).unwrap();
    new.issue(&directory, "server");
    server.restart_with(&options(&files, &format!("pssl:{port}:127.0.0.77"), &[]));
    assert!(matches!(next(&mut client).await, DbEvent::Lost { .. }));
    assert_eq!(next(&mut client).await, DbEvent::Resynced, "both sides are of the new CA");

    fs::write(&client_files.ca, "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    old.issue(&directory, "other");
    fs::copy(directory.path("other-key.pem"), &client_files.key).unwrap();
    server.restart_with(&options(&files, &format!("pssl:{port}:127.0.0.77"), &[]));
    assert!(matches!(next(&mut client).await, DbEvent::Lost { .. }));
    assert_eq!(next(&mut client).await, DbEvent::Resynced, "what was read before stays in use");

    // and when they are whole again they count
    fs::write(&client_files.ca, new_ca).unwrap();
    fs::write(&client_files.key, new_key).unwrap();
    fs::write(&client_files.certificate, new_certificate).unwrap();
    server.restart_with(&options(&files, &format!("pssl:{port}:127.0.0.77"), &[]));
    assert!(matches!(next(&mut client).await, DbEvent::Lost { .. }));
    assert_eq!(next(&mut client).await, DbEvent::Resynced);
}

#[tokio::test]
async fn a_server_without_tls_is_told_at_once_and_a_silent_one_in_time() {
    let directory = Directory::new();
    let tls = Authority::new("ca").issue(&directory, "client").config();
    let server = Server::standalone(&directory, &["ptcp:0:127.0.0.1"]);
    let (error, text) = refusal(attempt(&server, tls.clone()).await);
    assert!(matches!(error, TlsError::NoHandshake { .. }), "{error:?}");
    assert!(text.contains("pssl:, not ptcp:"), "{text}");

    // takes connections, says nothing
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config =
        ConnectConfig::new(format!("ssl:{}", silent.local_addr().unwrap()).parse().unwrap(), DATABASE);
    config.tls = Some(tls);
    config.connect_timeout = Duration::from_millis(300);
    let begin = Instant::now();
    let mut connector = Connector::new(config, Box::new(|| 0.5));
    let error = timeout(PATIENCE, connector.attempt()).await.expect("an answer").unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { milliseconds: 300, .. }), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn certificates_by_ovs_pki_will_do() {
    let directory = Directory::new();
    let pki = directory.path("pki");
    let script = format!(
        "cd {0} && pki='ovs-pki --dir={1} --log={0}/pki.log' && $pki init && $pki --batch req+sign ovn",
        text(&directory.path("")),
        text(&pki),
    );
    output("sh", &["-c", &script]);
    // as Kube-OVN has it: one certificate for all
    let files = Files {
        key: directory.path("ovn-privkey.pem"),
        certificate: directory.path("ovn-cert.pem"),
        ca: pki.join("switchca/cacert.pem"),
    };
    let server = secured(&directory, &files, &[]);
    attempt(&server, files.config()).await.unwrap();
    // it names no host
    let strict = TlsConfig { verify: Verify::ChainAndName, ..files.config() };
    let (error, _) = refusal(attempt(&server, strict).await);
    assert!(matches!(error, TlsError::ServerName { .. }), "{error:?}");
}

#[tokio::test]
async fn certificates_by_openssl_will_do_unless_they_are_of_version_1() {
    let directory = Directory::new();
    let script = format!(
        "set -e; cd {}; quiet='-noenc -newkey rsa:2048'
         openssl req -x509 $quiet -keyout ca-key.pem -out ca.pem -subj /CN=ca -days 9
         for name in v1 v3 ca-as-server; do openssl req -new $quiet -keyout $name-key.pem -out $name.csr -subj /CN=$name; done
         openssl x509 -req -in v1.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out v1-cert.pem
         echo basicConstraints=CA:FALSE >v3.ext
         openssl x509 -req -in v3.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out v3-cert.pem -extfile v3.ext
         cp ca-key.pem ca-as-server-key.pem; cp ca.pem ca-as-server-cert.pem
         for name in v1 v3 ca-as-server; do cp ca.pem $name-ca.pem; done",
        text(&directory.path(""))
    );
    output("sh", &["-c", &script]);
    let [v1, v3, ca_as_server] = ["v1", "v3", "ca-as-server"].map(|name| Files::named(&directory, name));
    let mut server = secured(&directory, &v3, &[]);
    attempt(&server, v3.config()).await.unwrap();
    // of our own certificate the server is the judge
    attempt(&server, v1.config()).await.unwrap();

    server.restart_with(&options(&v1, "pssl:0:127.0.0.1", &[]));
    let (error, text) = refusal(attempt(&server, v3.config()).await);
    assert!(matches!(error, TlsError::ServerVersion), "{error:?}");
    assert!(text.contains("basicConstraints=CA:FALSE"), "{text}");
    attempt(&server, TlsConfig { verify: Verify::Nothing, ..v3.config() }).await.unwrap();

    server.restart_with(&options(&ca_as_server, "pssl:0:127.0.0.1", &[]));
    let (error, _) = refusal(attempt(&server, v3.config()).await);
    assert!(matches!(error, TlsError::ServerIsCa), "{error:?}");
}

#[tokio::test]
async fn an_ssl_endpoint_needs_files_and_the_others_do_not() {
    let directory = Directory::new();
    let ca = Authority::new("ca");
    let files = ca.issue(&directory, "server");
    let server = secured(&directory, &files, &[]);
    let endpoints = format!("ssl:127.0.0.1:{},{}", server.port(), server.endpoint());
    let mut connector =
        Connector::new(ConnectConfig::new(endpoints.parse().unwrap(), DATABASE), Box::new(|| 0.5));
    let (error, _) = refusal(connector.attempt().await);
    assert!(matches!(error, TlsError::NotConfigured), "{error:?}");
    connector.attempt().await.unwrap();

    let missing = TlsConfig { ca: directory.path("missing.pem"), ..files.config() };
    let (error, text) = refusal(attempt(&server, missing).await);
    assert!(matches!(error, TlsError::FileUnreadable { .. }), "{error:?}");
    assert!(text.contains("missing.pem"), "{text}");
}
