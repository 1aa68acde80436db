//! As much of HTTP/1 as our five paths need: one request with a `Content-Length`, one answer, then close.

use std::io;
use std::str;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Request line and headers together.
const MAX_HEAD: usize = 8 << 10;
/// Body; a GC request lists every pod of the node, at some 120 bytes each.
const MAX_BODY: usize = 1 << 20;

/// A request, read whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// `GET`, `POST`, …
    pub(super) method: String,
    /// Path without the query.
    pub(super) path: String,
    /// Body, empty if there is none.
    pub(super) body: Vec<u8>,
}

/// A request that is not read further.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// HTTP status.
    pub(super) status: u16,
    /// What is wrong with it.
    pub(super) reason: String,
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        refuse(400, error.to_string())
    }
}

/// Reads one request; `None` when the caller closes without sending anything.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Request>, Refused> {
    let mut bytes = Vec::with_capacity(1024);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() >= MAX_HEAD {
            return Err(refuse(431, "the headers are longer than 8 KiB"));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return if bytes.is_empty() { Ok(None) } else { Err(refuse(400, "the headers are cut off")) };
        }
    };
    let mut body = bytes.split_off(end + 4);
    let head = str::from_utf8(&bytes).map_err(|_| refuse(400, "the headers are no text"))?;
    let (method, path, length) = parse_head(head)?;
    if length > MAX_BODY {
        return Err(refuse(413, "the body is longer than 1 MiB"));
    }
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Err(refuse(400, "the body is cut off"));
        }
    }
    body.truncate(length);
    Ok(Some(Request { method, path, body }))
}

/// Method, path and length of the body.
fn parse_head(head: &str) -> Result<(String, String, usize), Refused> {
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some("HTTP/1.0" | "HTTP/1.1"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(refuse(400, format!("{line:?} is no HTTP/1 request")));
    };
    let mut length = None;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(refuse(411, "a body needs a Content-Length"));
        }
        if name.eq_ignore_ascii_case("content-length") {
            let parsed = value.parse::<usize>().map_err(|_| refuse(400, "Content-Length is no number"))?;
            if length.is_some_and(|before| before != parsed) {
                return Err(refuse(400, "two values of Content-Length"));
            }
            length = Some(parsed);
        }
    }
    let path = target.split('?').next().unwrap_or_default();
    Ok((method.to_owned(), path.to_owned(), length.unwrap_or(0)))
}

/// Writes an answer and closes the sending side.
pub(super) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    status: u16,
    body: &[u8],
) -> io::Result<()> {
    let reason = match status {
        200 => "OK",
        204 => "No Content",
        400..500 => "Bad Request",
        _ => "Failed",
    };
    let content = match status {
        204 => String::new(),
        _ => format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()),
    };
    let head = format!("HTTP/1.1 {status} {reason}\r\nConnection: close\r\n{content}\r\n");
    let mut answer = head.into_bytes();
    answer.extend_from_slice(body);
    stream.write_all(&answer).await?;
    stream.shutdown().await
}

fn refuse(status: u16, reason: impl Into<String>) -> Refused {
    Refused { status, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_text(text: &str) -> Result<Option<Request>, u16> {
        read(&mut text.as_bytes()).await.map_err(|refused| refused.status)
    }

    #[tokio::test]
    async fn a_request_is_read_however_it_is_cut() {
        let text = b"POST /api/v1/add?x=1 HTTP/1.1\r\nHost: dummy\r\nContent-Length: 4\r\n\r\n{  }trailing";
        for piece in 1..text.len() {
            let (mut near, mut far) = tokio::io::duplex(piece);
            let send = async {
                // The reader leaves what comes after the body unread.
                let _ = far.write_all(text).await;
            };
            let receive = async {
                let request = read(&mut near).await.expect("readable").expect("present");
                drop(near);
                request
            };
            let ((), request) = tokio::join!(send, receive);
            assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/v1/add"));
            assert_eq!(request.body, b"{  }");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_refused_with_its_status() {
        assert_eq!(read_text("").await, Ok(None));
        for (text, status) in [
            ("GET /", 400),
            ("GET / HTTP/2\r\n\r\n", 400),
            ("GET  / HTTP/1.1\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{}", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        ] {
            assert_eq!(read_text(text).await, Err(status), "{text:?}");
        }
        let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(MAX_HEAD));
        assert_eq!(read_text(&long).await, Err(431));
    }
}
