//! Opens connections. All that the rest sees of a transport is a half to read and a half to write.

use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};

#[cfg(feature = "tls")]
use super::tls::Keyring;
use super::{ConnectConfig, ConnectError, Endpoint, Events, Session};

/// What is worth keeping from one connection to the next.
#[derive(Default)]
pub(super) struct Dialer {
    #[cfg(feature = "tls")]
    keyring: Keyring,
}

/// An open connection on which nothing was said yet.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) events: Events,
    pub(super) explain: Explain,
}

/// The transport may know better than the session why the first calls failed.
pub(super) type Explain = Box<dyn FnOnce(ConnectError) -> ConnectError + Send>;

impl Dialer {
    pub(super) async fn open(
        &mut self,
        config: &ConnectConfig,
        endpoint: &Endpoint,
    ) -> Result<Opened, ConnectError> {
        match timeout(config.connect_timeout, self.reach(config, endpoint)).await {
            Ok(opened) => opened,
            Err(_) => Err(ConnectError::TimedOut {
                endpoint: endpoint.clone(),
                milliseconds: config.connect_timeout.as_millis(),
            }),
        }
    }

    async fn reach(&mut self, config: &ConnectConfig, endpoint: &Endpoint) -> Result<Opened, ConnectError> {
        let io = |error| ConnectError::Io { endpoint: endpoint.clone(), error };
        let (session, events) = match endpoint {
            Endpoint::Unix(path) => {
                let (reader, writer) = UnixStream::connect(path).await.map_err(io)?.into_split();
                Session::start(reader, writer, &config.session)
            }
            Endpoint::Tcp { host, port } => {
                let (reader, writer) = tcp(host, *port).await.map_err(io)?.into_split();
                Session::start(reader, writer, &config.session)
            }
            #[cfg(feature = "tls")]
            Endpoint::Ssl { host, port } => {
                let failed = |error| ConnectError::Tls { endpoint: endpoint.clone(), error };
                let setup = self.keyring.renew(config.tls.as_ref()).await.map_err(failed)?;
                let stream = tcp(host, *port).await.map_err(io)?;
                let secured = setup.handshake(stream, host).await.map_err(failed)?;
                let (session, events) = Session::start(secured.reader, secured.writer, &config.session);
                let (heard, endpoint) = (secured.heard, endpoint.clone());
                let explain: Explain = Box::new(move |error| match heard() {
                    Some(error) => ConnectError::Tls { endpoint, error },
                    None => error,
                });
                return Ok(Opened { session, events, explain });
            }
        };
        Ok(Opened { session, events, explain: Box::new(|error| error) })
    }
}

async fn tcp(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    // requests are written whole; waiting to fill a segment only delays them
    stream.set_nodelay(true)?;
    Ok(stream)
}
