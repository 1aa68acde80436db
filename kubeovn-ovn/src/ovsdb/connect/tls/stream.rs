//! The handshake, and the halves of the stream that comes of it.

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, ReadBuf, ReadHalf, WriteHalf, split},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, Error as RustlsError, pki_types::ServerName},
};

use super::{TlsConfig, TlsError, Verify, error::cause};

/// All that a handshake needs.
#[derive(Debug)]
pub(in super::super) struct Setup {
    pub(super) rustls: Arc<ClientConfig>,
    pub(super) config: TlsConfig,
}

/// A connection behind TLS.
pub(in super::super) struct Secured {
    pub(in super::super) reader: Hearing,
    pub(in super::super) writer: WriteHalf<TlsStream<TcpStream>>,
    /// Why the server broke off, if it said so.
    pub(in super::super) heard: Box<dyn FnOnce() -> Option<TlsError> + Send>,
}

/// The reading half. In TLS 1.3 the client is done before the server has looked at its certificate, so that a refusal
/// comes with the first read; it is written down here.
pub(in super::super) struct Hearing {
    stream: ReadHalf<TlsStream<TcpStream>>,
    heard: Arc<OnceLock<RustlsError>>,
}

impl Setup {
    pub(in super::super) async fn handshake(
        self,
        stream: TcpStream,
        host: &str,
    ) -> Result<Secured, TlsError> {
        let Self { rustls, config } = self;
        let failed = |error: io::Error| TlsError::of_handshake(&error, host, &config);
        let name = match ServerName::try_from(host.to_owned()) {
            Ok(name) => name,
            Err(_) if config.verify == Verify::ChainAndName => {
                return Err(TlsError::ServerName { host: host.to_owned(), names: Vec::new() });
            }
            // the resolver takes more for a name than certificates do; an address is not sent
            Err(_) => stream.peer_addr().map_err(failed)?.ip().into(),
        };
        let stream = TlsConnector::from(rustls).connect(name, stream).await.map_err(failed)?;
        let (reader, writer) = split(stream);
        let alert = Arc::new(OnceLock::new());
        let (heard, host) = (alert.clone(), host.to_owned());
        let heard = Box::new(move || Some(TlsError::of(heard.get()?, &host, &config)));
        Ok(Secured { reader: Hearing { stream: reader, heard: alert }, writer, heard })
    }
}

impl AsyncRead for Hearing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        Poll::Ready(match read {
            // ended without a farewell, as in TCP: what was cut off is no whole message, and nothing is made of it
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => {
                if let Some(cause) = cause(&error) {
                    // the first says why
                    let _ = self.heard.set(cause.clone());
                }
                Err(error)
            }
            Ok(()) => Ok(()),
        })
    }
}
