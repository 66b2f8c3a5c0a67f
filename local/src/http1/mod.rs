//! HTTP/1.1 as the front of API Gateway accepts it: whatever path, query and `Host` a client sends
//! is handed on as text, since the real gateway does so and a stricter library would refuse it first.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

mod head;
mod read;
mod write;

use read::{Incoming, Refusal};

use crate::stop::{Stop, Stopped};

/// A request, read whole.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method as sent.
    pub method: String,
    /// The request target as sent: path and query, nothing decoded.
    pub target: String,
    /// Names in lower case, values as sent (bytes that are not UTF-8 replaced), in order.
    pub headers: Vec<(String, String)>,
    /// The body without its transfer coding.
    pub body: Bytes,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// This end of the connection.
    pub local: SocketAddr,
}

impl Request {
    /// The first value of a header, by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// The path and the query of the target, still encoded.
    #[must_use]
    pub fn path_and_query(&self) -> (&str, &str) {
        self.target.split_once('?').unwrap_or((&self.target, ""))
    }
}

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// One request; requests of one connection come one after another.
    fn handle(&self, request: Request) -> impl Future<Output = Response<Bytes>> + Send;
}

/// What a server refuses to read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Request line and header values together, in bytes.
    pub head_bytes: usize,
    /// Body, in bytes.
    pub body_bytes: usize,
}

/// A server that accepts connections until it is stopped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Stop,
    accepting: tokio::task::JoinHandle<JoinSet<()>>,
}

impl Server {
    /// Starts to serve on `listener`.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn start<H: Handler>(
        listener: TcpListener,
        limits: Limits,
        handler: Arc<H>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopped) = Stop::new();
        let accepting = tokio::spawn(accept(listener, limits, handler, stopped));
        Ok(Self {
            address,
            stop,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, lets requests that are being answered finish, and after `grace` ends
    /// what is left.
    pub async fn stop(self, grace: Duration) {
        self.stop.give();
        let Ok(mut connections) = self.accepting.await else {
            return;
        };
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(grace, drained).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// A JSON answer of the server itself or of an AWS service behind it.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// API Gateway's own error body.
pub(crate) fn message(status: StatusCode, text: &str) -> Response<Bytes> {
    json(
        status,
        serde_json::json!({ "message": text })
            .to_string()
            .into_bytes(),
    )
}

async fn accept<H: Handler>(
    listener: TcpListener,
    limits: Limits,
    handler: Arc<H>,
    stopped: Stopped,
) -> JoinSet<()> {
    let mut connections = JoinSet::new();
    let mut stop = stopped.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let handler = Arc::clone(&handler);
                    let stopped = stopped.clone();
                    connections.spawn(async move {
                        // A connection that breaks is the client's affair: there is nobody to tell.
                        let _ = converse(stream, peer, limits, &*handler, stopped).await;
                    });
                }
                // Out of descriptors, most likely: connections that end will free some.
                Err(_) => sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
            () = stop.wait() => return connections,
        }
    }
}

/// Requests of one connection, one after another, until one side has had enough.
async fn converse<H: Handler>(
    stream: TcpStream,
    peer: SocketAddr,
    limits: Limits,
    handler: &H,
    mut stopped: Stopped,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let mut incoming = Incoming::new(stream, limits);
    loop {
        let next = tokio::select! {
            biased;
            next = incoming.next(peer, local) => next,
            () = stopped.wait() => return Ok(()),
        };
        match next {
            Ok(None) => return Ok(()),
            Ok(Some((request, keep_alive))) => {
                let head_only = request.method == "HEAD";
                let response = handler.handle(request).await;
                let keep_alive = keep_alive && !stopped.is_given();
                write::response(incoming.stream(), response, head_only, keep_alive).await?;
                if !keep_alive {
                    return incoming.stream().shutdown().await;
                }
            }
            Err(Refusal::Broken(error)) => return Err(error),
            Err(refusal) => {
                write::response(incoming.stream(), refusal.response(), false, false).await?;
                return incoming.linger().await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
