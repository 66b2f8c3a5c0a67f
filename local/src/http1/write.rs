//! The writing half of a connection.

use std::io;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use jiff::Timestamp;
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// Writes a response in one piece. `head_only` leaves the body out, as the answer to `HEAD` does.
pub(super) async fn response(
    stream: &mut TcpStream,
    response: Response<Bytes>,
    head_only: bool,
    keep_alive: bool,
) -> io::Result<()> {
    let (parts, body) = response.into_parts();
    let status = parts.status;
    let reason = status.canonical_reason().unwrap_or("Unknown");
    let mut out = Vec::with_capacity(512 + body.len());
    out.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).as_bytes());
    for (name, value) in &parts.headers {
        if is_ours(name) {
            continue;
        }
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if !parts.headers.contains_key(header::DATE) {
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
        out.extend_from_slice(format!("date: {date}\r\n").as_bytes());
    }
    let bodyless = status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let length = match head_only && body.is_empty() {
        // Of the body that is not sent, only its origin knows how long it is.
        true => parts.headers.get(header::CONTENT_LENGTH).cloned(),
        false => Some(body.len().into()),
    };
    if let Some(length) = length.filter(|_| !bodyless) {
        out.extend_from_slice(b"content-length: ");
        out.extend_from_slice(length.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if !keep_alive {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    if !bodyless && !head_only {
        out.extend_from_slice(&body);
    }
    stream.write_all(&out).await?;
    stream.flush().await
}

/// Headers that describe the connection or that the server sets itself.
fn is_ours(name: &header::HeaderName) -> bool {
    [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ]
    .contains(name)
        || name.as_str() == "keep-alive"
}
