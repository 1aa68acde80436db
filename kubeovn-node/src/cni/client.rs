//! One HTTP request over a unix socket, blocking: all that the plugin needs of HTTP.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::str;
use std::time::Duration;

/// The daemon answers long before this, if only to say what it waits for; kubelet gives up after two minutes, and should
/// hear why.
const ANSWER_WITHIN: Duration = Duration::from_secs(100);
/// No answer of the daemon is longer.
const MAX_ANSWER: u64 = 1 << 20;

/// Sends a request and answers status and body.
///
/// HTTP/1.0 asks the server, whoever wrote it, to close the connection after a body in one piece.
pub(super) fn call(socket: &str, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: dummy\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    let mut request = head.into_bytes();
    request.extend_from_slice(body);
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    parse(&answer)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the daemon's answer is cut or no HTTP"))
}

fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let mut lines = str::from_utf8(answer.get(..end)?).ok()?.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| value.trim().parse::<usize>());
    let body = answer.get(end + 4..)?;
    let body = match length {
        Some(length) => body.get(..length.ok()?)?,
        None => body,
    };
    Some((status, body.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let parse = |text: &str| parse(text.as_bytes());
        assert_eq!(parse("HTTP/1.1 204 No Content\r\n\r\n"), Some((204, vec![])));
        assert_eq!(parse("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}\n"), Some((200, b"{}".to_vec())));
        assert_eq!(parse("HTTP/1.0 500 Oops\r\n\r\nwhy"), Some((500, b"why".to_vec())));
        for cut in
            ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "SSH-2.0\r\n\r\n"]
        {
            assert_eq!(parse(cut), None, "{cut:?}");
        }
    }
}
