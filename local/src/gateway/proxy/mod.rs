//! An HTTP proxy integration: a request is sent on to another server, and its answer comes back as
//! it is, redirects and errors included.
//!
//! The client is hyper's: it sends a path as it was sent, where one on the `url` crate would mend it
//! first. Every request has a connection of its own, so that none is ever sent twice.

use std::{error::Error as _, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request as HttpRequest, Response, StatusCode, Uri,
    uri::{Authority, Scheme},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client, ResponseFuture, connect::HttpConnector},
    rt::TokioExecutor,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tokio::time::timeout;

use super::LIMITS;
use crate::{
    http1::{Request, message},
    template::Proxy,
};

mod headers;

/// What a client may send raw and a URI may not hold.
const NOT_IN_A_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'`');

/// Another server, which requests are sent on to.
pub struct Origin {
    client: Transport,
    scheme: Scheme,
    authority: Authority,
    removed_headers: Vec<HeaderName>,
    timeout: Duration,
}

/// Why requests cannot be sent on.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// It is no origin.
    #[error(
        "{0}: expected http:// or https://, a host and perhaps a port, without a path, such as http://127.0.0.1:8000"
    )]
    Malformed(String),
    /// It is the stack's own address.
    #[error("{0}: that is this stack itself; requests would go round in a circle")]
    Itself(String),
    /// The machine's certificate authorities cannot be read.
    #[error("{origin}: no certificate authorities to know it by: {source}")]
    Certificates {
        /// The origin.
        origin: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A header that the template takes away has no legal name.
    #[error("remove:header.{0}: not the name of a header")]
    Header(String),
}

/// What came of a request, where no answer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// No client could send it on.
    BadRequest,
    /// Nobody listens, or the connection closed before an answer.
    Unreachable,
    /// An answer that is not HTTP, not whole, or larger than the gateway takes.
    BadAnswer,
    /// No whole answer in time.
    TimedOut,
}

impl Origin {
    /// The server that a route of the template names. `own` is where the stack itself listens.
    ///
    /// # Errors
    /// What the route names is no origin, or is the stack itself.
    pub fn new(proxy: &Proxy, own: SocketAddr) -> Result<Self, OriginError> {
        let (scheme, authority) =
            parse(&proxy.origin).ok_or_else(|| OriginError::Malformed(proxy.origin.clone()))?;
        if is_at(&scheme, &authority, own) {
            return Err(OriginError::Itself(proxy.origin.clone()));
        }
        let client = Transport::new(&scheme).map_err(|source| OriginError::Certificates {
            origin: proxy.origin.clone(),
            source,
        })?;
        let removed_headers = proxy
            .removed_headers
            .iter()
            .map(|name| HeaderName::try_from(name).map_err(|_| OriginError::Header(name.clone())));
        Ok(Self {
            client,
            scheme,
            authority,
            removed_headers: removed_headers.collect::<Result<_, _>>()?,
            timeout: proxy.timeout,
        })
    }

    /// The origin's answer, or the gateway's own where there is none.
    pub(super) async fn forward(&self, request: &Request, trace: &str) -> Response<Bytes> {
        let exchange = timeout(self.timeout, self.exchange(request, trace)).await;
        exchange
            .unwrap_or(Err(Failure::TimedOut))
            .unwrap_or_else(Failure::response)
    }

    async fn exchange(&self, request: &Request, trace: &str) -> Result<Response<Bytes>, Failure> {
        let sent = self.request(request, trace).ok_or(Failure::BadRequest)?;
        let answer = self.client.send(sent).await.map_err(|error| {
            let failure = Failure::of(&error);
            tracing::warn!(origin = %self.authority, error = ?error, "the origin gave no answer");
            failure
        })?;
        let (mut head, body) = answer.into_parts();
        if head.status.is_informational() {
            return Err(Failure::BadAnswer);
        }
        let body = Limited::new(body, LIMITS.body_bytes).collect().await;
        let body = body.map_err(|error| {
            tracing::warn!(origin = %self.authority, %error, "the origin's answer did not arrive whole");
            Failure::BadAnswer
        })?;
        headers::strip_hops(&mut head.headers);
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    /// The request as the origin gets it; `None` where HTTP's own rules forbid to send it on.
    fn request(&self, request: &Request, trace: &str) -> Option<HttpRequest<Full<Bytes>>> {
        let method = Method::from_bytes(request.method.as_bytes()).ok()?;
        // Not a request for a resource, but for the connection itself.
        if method == Method::CONNECT {
            return None;
        }
        let target = utf8_percent_encode(&request.target, NOT_IN_A_URI).to_string();
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(target)
            .build()
            .ok()?;
        let mut sent = HttpRequest::new(Full::new(request.body.clone()));
        *sent.headers_mut() = headers::passed_on(request, &self.removed_headers, trace)?;
        let host = HeaderValue::try_from(self.authority.as_str()).ok()?;
        sent.headers_mut().insert(http::header::HOST, host);
        *sent.method_mut() = method;
        *sent.uri_mut() = uri;
        Some(sent)
    }
}

impl Failure {
    fn of(error: &legacy::Error) -> Self {
        let unintelligible = error
            .source()
            .and_then(|source| source.downcast_ref::<hyper::Error>())
            .is_some_and(hyper::Error::is_parse);
        match unintelligible {
            true => Self::BadAnswer,
            false => Self::Unreachable,
        }
    }

    fn response(self) -> Response<Bytes> {
        match self {
            Self::BadRequest => message(StatusCode::BAD_REQUEST, "Bad Request"),
            Self::Unreachable => message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
            Self::BadAnswer => message(StatusCode::BAD_GATEWAY, "Bad Gateway"),
            Self::TimedOut => message(StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out"),
        }
    }
}

/// A client for one scheme: one for `http` needs no certificate authorities.
enum Transport {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Transport {
    fn new(scheme: &Scheme) -> std::io::Result<Self> {
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_max_idle_per_host(0)
            .retry_canceled_requests(false);
        if *scheme == Scheme::HTTP {
            return Ok(Self::Plain(builder.build_http()));
        }
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_only()
            .enable_http1()
            .build();
        Ok(Self::Tls(builder.build(connector)))
    }

    fn send(&self, request: HttpRequest<Full<Bytes>>) -> ResponseFuture {
        match self {
            Self::Plain(client) => client.request(request),
            Self::Tls(client) => client.request(request),
        }
    }
}

/// Scheme, host and port of an origin; `None` for anything else.
fn parse(text: &str) -> Option<(Scheme, Authority)> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = match scheme {
        "http" => Scheme::HTTP,
        "https" => Scheme::HTTPS,
        _ => return None,
    };
    let authority: Authority = rest.parse().ok()?;
    let host = authority.host();
    let port = authority.port_u16();
    let whole = match port {
        Some(port) => rest == format!("{host}:{port}"),
        None => rest == host,
    };
    (whole && !host.is_empty() && port != Some(0)).then_some((scheme, authority))
}

/// Whether an origin is this machine's `own` address.
fn is_at(scheme: &Scheme, authority: &Authority, own: SocketAddr) -> bool {
    let port = authority
        .port_u16()
        .unwrap_or(if *scheme == Scheme::HTTP { 80 } else { 443 });
    let host = authority.host();
    let here = host.eq_ignore_ascii_case("localhost") || host.parse() == Ok(own.ip());
    here && port == own.port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_perhaps_a_port() {
        for good in [
            "http://127.0.0.1:8000",
            "http://localhost",
            "https://legacy.example",
            "https://legacy.example:8443",
            "http://[::1]:8000",
        ] {
            let (scheme, authority) = parse(good).unwrap();
            assert_eq!(format!("{scheme}://{authority}"), good);
        }
        for bad in [
            "",
            "legacy.example",
            "//legacy.example",
            "http://",
            "http://:80",
            "http://legacy.example/",
            "http://legacy.example/base",
            "http://legacy.example?x",
            "http://user@legacy.example",
            "http://legacy.example:0",
            "http://legacy.example:",
            "http://legacy.example:65536",
            "ftp://legacy.example",
            "http://legacy example",
            " http://legacy.example",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_origin_at_the_stack_itself_is_known() {
        let own: SocketAddr = "127.0.0.1:3000".parse().unwrap();
        for (text, itself) in [
            ("http://127.0.0.1:3000", true),
            ("http://LOCALHOST:3000", true),
            ("http://127.0.0.1:3001", false),
            ("http://127.0.0.1", false),
            ("http://192.0.2.1:3000", false),
        ] {
            let (scheme, authority) = parse(text).unwrap();
            assert_eq!(is_at(&scheme, &authority, own), itself, "{text}");
        }
    }
}
