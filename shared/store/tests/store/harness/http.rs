//! Just enough HTTP/1.1 for stand-ins: requests and responses with a length, on kept connections.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A request, with its bytes as they came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    /// The first and the last byte of its `Range` header.
    pub(crate) range: Option<(usize, usize)>,
    /// Head and body.
    pub(crate) raw: Vec<u8>,
}

impl Request {
    /// Whether it is a call of this action of DynamoDB.
    pub(crate) fn asks_for(&self, action: &str) -> bool {
        let target = format!("DynamoDB_20120810.{action}");
        String::from_utf8_lossy(&self.raw).contains(&target)
    }
}

/// The next request of a connection; `None` when it has been closed.
pub(crate) async fn read_request(stream: &mut TcpStream) -> io::Result<Option<Request>> {
    let Some((head, body)) = read_message(stream).await? else {
        return Ok(None);
    };
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    parsed.parse(&head).map_err(io::Error::other)?;
    Ok(Some(Request {
        path: parsed.path.unwrap_or_default().to_owned(),
        method: parsed.method.unwrap_or_default().to_owned(),
        range: range(&parsed),
        raw: [head.as_slice(), &body].concat(),
        body,
    }))
}

fn range(request: &httparse::Request<'_, '_>) -> Option<(usize, usize)> {
    let mut headers = request.headers.iter();
    let header = headers.find(|header| header.name.eq_ignore_ascii_case("range"))?;
    let value = std::str::from_utf8(header.value).ok()?;
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// One whole response of a connection, as it came.
pub(super) async fn read_response(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let message = read_message(stream).await?;
    let (head, body) = message.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok([head, body].concat())
}

pub(crate) async fn respond(stream: &mut TcpStream, status: &str, body: &[u8]) -> io::Result<()> {
    respond_head(stream, status, body.len()).await?;
    stream.write_all(body).await
}

/// What is said before a body of so many bytes; the whole answer to a `HEAD`.
pub(super) async fn respond_head(
    stream: &mut TcpStream,
    status: &str,
    length: usize,
) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut seen = Vec::new();
    let end = loop {
        if let Some(at) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut seen).await? == 0 {
            return Ok(None);
        }
    };
    let mut body = seen.split_off(end);
    let length = content_length(&seen);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some((seen, body)))
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    head.lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}
