//! Stands between us and an API server, and cuts the wires.

use std::sync::Arc;

use kube::Config;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

pub(crate) struct Proxy {
    address: String,
    target: String,
    open: Arc<watch::Sender<bool>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Serves on an address of its own what is served on another.
    pub(crate) async fn new(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let target = target.strip_prefix("https://").unwrap().to_owned();
        let open = Arc::new(watch::Sender::new(true));
        let (to, gate) = (target.clone(), open.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut open = gate.subscribe();
                if !*open.borrow_and_update() {
                    continue;
                }
                if let Ok(mut server) = TcpStream::connect(&to).await {
                    tokio::spawn(async move {
                        tokio::select! {
                            _ = copy_bidirectional(&mut client, &mut server) => {}
                            _ = open.changed() => {}
                        }
                    });
                }
            }
        });
        Proxy { address, target, open, task }
    }

    /// A configuration that goes this way. The certificate is the server's.
    pub(crate) fn through(&self, config: &mut Config) {
        config.cluster_url = format!("https://{}", self.address).parse().unwrap();
        config.tls_server_name = Some(self.target.split(':').next().unwrap().to_owned());
    }

    /// Cuts all connections and takes no new ones.
    pub(crate) fn cut(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}
