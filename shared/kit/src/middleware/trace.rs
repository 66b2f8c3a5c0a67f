//! Finds the route, takes up the caller's trace, and opens the span that every log line of the
//! request carries.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use domain::Locale;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use lambda_http::{RequestExt as _, request::RequestContext};
use tracing::{Instrument as _, field::Empty};

use super::{Inner, Middleware, refuse};
use crate::{
    Request, Response,
    api::{Route, Routes},
    call::Facts,
    config::{self, Stage},
    gateway::Received,
    problem::{Code, Problem},
    runtime::Runtime,
    trace::Trace,
};

/// Makes the [`Facts`] of a request.
pub(crate) struct Tracing {
    pub(crate) service: &'static str,
    pub(crate) routes: Arc<Routes>,
    pub(crate) runtime: Runtime,
}

impl Middleware for Tracing {
    async fn handle<S: Inner>(self: Arc<Self>, mut request: Request, next: S) -> Response {
        let received = request.extensions_mut().remove().unwrap_or_default();
        let (route, facts) = match self.facts(&request, received) {
            Ok((route, facts)) => (route, Arc::new(facts)),
            Err(problem) => return refuse(None, problem),
        };
        let settings = &self.runtime.settings;
        // At the level that is never filtered out, so that errors always have their request.
        let span = tracing::error_span!(
            "request",
            service = self.service,
            stage = settings.stage.as_str(),
            version = settings.function_version.as_str(),
            trace_id = facts.trace.trace_id.as_str(),
            request_id = facts.request_id.as_str(),
            route = %facts.endpoint,
            caller = Empty,
            member_id = Empty,
        );
        request.extensions_mut().insert(Arc::clone(&facts));
        request.extensions_mut().insert(route);
        let mut response = next.run(request).instrument(span).await;
        complete(response.headers_mut(), &facts);
        response
    }
}

impl Tracing {
    fn facts(&self, request: &Request, received: Received) -> Result<(Arc<Route>, Facts), Problem> {
        let route_key = received.route_key.as_deref().unwrap_or_default();
        let Some(route) = self.routes.get(route_key).map(Arc::clone) else {
            tracing::error!(
                route_key,
                service = self.service,
                "the template routes what the code does not answer"
            );
            return Err(Problem::new(Code::Internal));
        };
        let context = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => Some(context),
            _ => None,
        };
        let text = |name: &str| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let source_ip = context.and_then(|context| context.http.source_ip.as_deref());
        let trusted = self.runtime.settings.client_address_header.as_ref();
        let mut rng = self.runtime.random.rng();
        let received_at = self.runtime.clock.now();
        let facts = Facts {
            endpoint: route.endpoint,
            received_at,
            deadline: received
                .deadline
                .unwrap_or_else(|| received_at + std::time::Duration::from_secs(30)),
            trace: Trace::from_headers(text("traceparent"), text("x-amzn-trace-id"), &mut rng),
            request_id: context
                .and_then(|context| context.request_id.clone())
                .unwrap_or_default(),
            address: client_address(trusted, source_ip, text),
            origin: self.origin(received.host.as_deref()),
            method: request.method().clone(),
            path: received.path,
            query: received.query,
            languages: text("accept-language").map_or_else(Vec::new, Locale::list),
        };
        Ok((route, facts))
    }

    /// What tracking URLs begin with: the configured origin, else the host the caller used.
    fn origin(&self, host: Option<&str>) -> String {
        if let Some(origin) = &self.runtime.settings.public_base_url {
            return origin.0.clone();
        }
        let host = host.unwrap_or("localhost");
        match self.runtime.settings.stage {
            Stage::Dev if host.starts_with("localhost") || host.starts_with("127.") => {
                format!("http://{host}")
            }
            _ => format!("https://{host}"),
        }
    }
}

/// What every answer carries: the ids by which it is found again, and caution where the handler
/// asked for nothing else.
fn complete(headers: &mut HeaderMap, facts: &Facts) {
    for (name, id) in [
        ("x-request-id", &facts.request_id),
        ("x-trace-id", &facts.trace.trace_id),
    ] {
        if let Ok(value) = HeaderValue::from_str(id) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// The one trusted header when a CDN stands in front (the last address in it is the one the CDN
/// itself saw), else the gateway's word.
fn client_address<'a>(
    trusted: Option<&config::HeaderName>,
    source_ip: Option<&str>,
    header: impl Fn(&str) -> Option<&'a str>,
) -> Option<IpAddr> {
    trusted
        .and_then(|name| header(name.0.as_str()))
        .and_then(|value| value.rsplit(',').next())
        .and_then(|address| address_of(address.trim()))
        .or_else(|| source_ip?.parse().ok())
}

/// An address, or an address and a port (as CloudFront writes it, IPv6 without brackets too).
fn address_of(text: &str) -> Option<IpAddr> {
    text.parse()
        .or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()))
        .ok()
        .or_else(|| text.rsplit_once(':')?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Setting as _;

    #[test]
    fn only_the_trusted_header_overrides_the_gateways_address() {
        let name = config::HeaderName::parse("x-cdn-address").unwrap();
        let sent = |header: &str| (header == "x-cdn-address").then_some("10.0.0.1, 192.0.2.7");
        assert_eq!(
            client_address(Some(&name), Some("198.51.100.1"), sent),
            "192.0.2.7".parse().ok()
        );
        assert_eq!(
            client_address(None, Some("198.51.100.1"), sent),
            "198.51.100.1".parse().ok()
        );
        assert_eq!(client_address(None, Some("not an address"), sent), None);
        for text in ["192.0.2.7", "192.0.2.7:46532"] {
            assert_eq!(address_of(text), "192.0.2.7".parse().ok(), "{text}");
        }
        for text in [
            "2001:db8::7",
            "[2001:db8::7]:443",
            "2001:db8:0:0:0:0:0:7:443",
        ] {
            assert_eq!(address_of(text), "2001:db8::7".parse().ok(), "{text}");
        }
    }
}
