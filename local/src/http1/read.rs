//! The reading half of a connection: request heads and bodies, within limits.

use std::{io, net::SocketAddr, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use http::{Response, StatusCode};
use httparse::Status;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    Limits, Request,
    head::{Framing, Head},
    message,
};

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(75);
/// How long a client may take from the first byte of a head to its end, and between parts of a body.
const STALLED: Duration = Duration::from_secs(10);
/// How much of a head is read before it is refused as too large, so that the refusal can be told.
const HEAD_READ_BYTES: usize = 64 * 1024;
const CHUNK_LINE_BYTES: usize = 1024;
const TRAILER_BYTES: usize = 8 * 1024;

/// Why a request was not read.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The connection is gone.
    Broken(io::Error),
    /// Not HTTP.
    Malformed,
    /// The client stopped in the middle.
    TimedOut,
    HeadTooLarge,
    BodyTooLarge,
}

impl Refusal {
    pub(super) fn response(&self) -> Response<Bytes> {
        match self {
            Self::Broken(_) | Self::Malformed => message(StatusCode::BAD_REQUEST, "Bad Request"),
            Self::TimedOut => message(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
            Self::HeadTooLarge => message(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "Request Header Fields Too Large",
            ),
            Self::BodyTooLarge => {
                message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
            }
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// A connection and what has been read from it but not used yet.
pub(super) struct Incoming {
    stream: TcpStream,
    buffer: BytesMut,
    limits: Limits,
}

impl Incoming {
    pub(super) fn new(stream: TcpStream, limits: Limits) -> Self {
        Self {
            stream,
            buffer: BytesMut::with_capacity(8 * 1024),
            limits,
        }
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The next request and whether the client will send another; `None` when it is done.
    pub(super) async fn next(
        &mut self,
        peer: SocketAddr,
        local: SocketAddr,
    ) -> Result<Option<(Request, bool)>, Refusal> {
        let Some(head) = self.head().await? else {
            return Ok(None);
        };
        let framing = head.framing()?;
        if let Framing::Length(length) = framing
            && length > self.limits.body_bytes
        {
            return Err(Refusal::BodyTooLarge);
        }
        if self.buffer.is_empty() && head.expects_continue() {
            self.stream
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await?;
        }
        let body = match framing {
            Framing::Length(length) => self.exactly(length).await?,
            Framing::Chunked => self.chunks().await?,
        };
        let keep_alive = head.keeps_alive();
        let request = Request {
            method: head.method,
            target: head.target,
            headers: head.headers,
            body,
            peer,
            local,
        };
        Ok(Some((request, keep_alive)))
    }

    /// Ends the connection so that a client that is still sending sees the answer: a close with
    /// unread bytes would reset the connection under it.
    pub(super) async fn linger(mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let drain = async {
            let mut sink = vec![0; 64 * 1024];
            while self.stream.read(&mut sink).await? > 0 {}
            Ok(())
        };
        timeout(Duration::from_secs(2), drain)
            .await
            .unwrap_or(Ok(()))
    }

    async fn head(&mut self) -> Result<Option<Head>, Refusal> {
        if self.buffer.is_empty() {
            match timeout(IDLE, self.fill()).await {
                Err(_) | Ok(Ok(false)) => return Ok(None),
                Ok(read) => read?,
            };
        }
        let whole = async {
            loop {
                if let Some((head, length)) = Head::parse(&self.buffer, self.limits.head_bytes)? {
                    self.buffer.advance(length);
                    return Ok(Some(head));
                }
                if self.buffer.len() > HEAD_READ_BYTES {
                    return Err(Refusal::HeadTooLarge);
                }
                if !self.fill().await? {
                    return Err(Refusal::Malformed);
                }
            }
        };
        timeout(STALLED, whole)
            .await
            .unwrap_or(Err(Refusal::TimedOut))
    }

    async fn exactly(&mut self, length: usize) -> Result<Bytes, Refusal> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    async fn chunks(&mut self) -> Result<Bytes, Refusal> {
        let mut body = BytesMut::new();
        loop {
            let size = self.chunk_size().await?;
            if size == 0 {
                self.trailers().await?;
                return Ok(body.freeze());
            }
            if size > self.limits.body_bytes.saturating_sub(body.len()) {
                return Err(Refusal::BodyTooLarge);
            }
            body.extend_from_slice(&self.exactly(size).await?);
            if *self.exactly(2).await? != *b"\r\n" {
                return Err(Refusal::Malformed);
            }
        }
    }

    async fn chunk_size(&mut self) -> Result<usize, Refusal> {
        loop {
            match httparse::parse_chunk_size(&self.buffer) {
                Ok(Status::Complete((line, size))) => {
                    self.buffer.advance(line);
                    return usize::try_from(size).map_err(|_| Refusal::BodyTooLarge);
                }
                Ok(Status::Partial) if self.buffer.len() <= CHUNK_LINE_BYTES => self.more().await?,
                _ => return Err(Refusal::Malformed),
            }
        }
    }

    /// Trailers are read and forgotten, as API Gateway does not pass them on.
    async fn trailers(&mut self) -> Result<(), Refusal> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; 32];
            match httparse::parse_headers(&self.buffer, &mut fields) {
                Ok(Status::Complete((length, _))) => {
                    self.buffer.advance(length);
                    return Ok(());
                }
                Ok(Status::Partial) if self.buffer.len() <= TRAILER_BYTES => {}
                _ => return Err(Refusal::Malformed),
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), Refusal> {
        match timeout(STALLED, self.fill()).await {
            Err(_) => Err(Refusal::TimedOut),
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Refusal::Broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(Err(error)) => Err(error.into()),
        }
    }

    /// Reads some bytes; false at the end of the stream.
    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(8 * 1024);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}
