//! API Gateway's HTTP API: routes of the template, payload 2.0 events, requests that are sent on to
//! another server, throttling, and the gateway's own errors.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use jiff::Timestamp;
use kit::{Code, Problem};
use tokio::time::timeout;

use crate::{
    http1::{Handler, Limits, Request, message},
    identifier,
    sandbox::{Failure, PAYLOAD_BYTES, Sandbox},
    template::{Cors, Route, Throttling},
};

mod answer;
mod cors;
mod event;
mod front;
mod proxy;
mod routes;
mod throttle;

pub(crate) use front::Front;
pub use proxy::{Origin, OriginError};
use routes::{Found, Routes};
use throttle::{Place, Throttle};

/// What an HTTP API accepts: 10,240 bytes of request line and header values, 10 MB of body
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>).
pub const LIMITS: Limits = Limits {
    head_bytes: 10_240,
    body_bytes: 10 * 1024 * 1024,
};

/// How long an HTTP API waits for an integration.
const INTEGRATION: Duration = Duration::from_secs(30);

/// The HTTP API in front of the functions.
pub struct Gateway {
    routes: Routes<Target>,
    cors: Option<Cors>,
    throttle: Throttle,
}

/// What answers a route.
pub enum Target {
    /// A function.
    Function(Arc<Sandbox>),
    /// Another server.
    Origin(Box<Origin>),
    /// A page of the local stack itself.
    Page(Bytes),
}

impl Gateway {
    /// An API with these routes. Of two equal routes the first is kept.
    pub fn new(
        routes: impl IntoIterator<Item = (Route, Target)>,
        cors: Option<Cors>,
        throttling: Option<Throttling>,
    ) -> Self {
        Self {
            routes: Routes::new(routes),
            cors,
            throttle: Throttle::new(throttling),
        }
    }

    async fn answer(&self, request: &Request, request_id: &str) -> Response<Bytes> {
        let (path, _) = request.path_and_query();
        let found = self.routes.find(&request.method, path);
        if let Some(cors) = &self.cors
            && !found.as_ref().is_some_and(Found::is_exact_method)
            && let Some(preflight) = cors::preflight(cors, request)
        {
            return preflight;
        }
        let Some(found) = found else {
            return message(StatusCode::NOT_FOUND, "Not Found");
        };
        if !self.throttle.admits() {
            return message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        }
        let trace = event::trace(request);
        let mut response = match found.target {
            Target::Origin(origin) => origin.forward(request, &trace).await,
            Target::Page(html) => page(html.clone()),
            Target::Function(sandbox) => {
                let event = event::event(request, &found, request_id, &trace, Timestamp::now());
                if event.len() > PAYLOAD_BYTES {
                    return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
                }
                match self.throttle.place().await {
                    Some(place) => invoked(sandbox, event, trace, place).await,
                    None => overloaded(request_id, &trace),
                }
            }
        };
        if let Some(cors) = &self.cors {
            cors::decorate(cors, request, &mut response);
        }
        response
    }
}

impl Handler for Gateway {
    async fn handle(&self, request: Request) -> Response<Bytes> {
        let request_id = identifier::request();
        let mut response = self.answer(&request, &request_id).await;
        if let Ok(value) = HeaderValue::try_from(request_id) {
            let name = HeaderName::from_static("apigw-requestid");
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// The response of an invocation.
async fn invoked(
    sandbox: &Sandbox,
    event: Vec<u8>,
    trace: String,
    mut place: Place<'_>,
) -> Response<Bytes> {
    let invoked = timeout(INTEGRATION, sandbox.invoke(event.into(), Some(trace))).await;
    if !matches!(invoked, Err(_) | Ok(Err(Failure::TimedOut(_)))) {
        place.complete();
    }
    match invoked {
        Ok(Ok(payload)) => answer::response(&payload).unwrap_or_else(failed),
        Err(_) | Ok(Err(Failure::TimedOut(_))) => {
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
        Ok(Err(_)) => failed(),
    }
}

/// What a caller is told to come back for, where more is running than this machine can carry. API
/// Gateway has nothing like it: it runs on more machines.
fn overloaded(request_id: &str, trace: &str) -> Response<Bytes> {
    let problem = Problem::new(Code::Overloaded).retry_after(1);
    // The trace's id as functions log it: `Root=1-<8>-<24>`.
    let root = trace
        .split(';')
        .find_map(|part| part.strip_prefix("Root=1-"));
    let trace_id = root.unwrap_or_default().replace('-', "");
    let response = problem.into_response(&trace_id, request_id, &[]);
    response.map(|body| Bytes::copy_from_slice(body.as_ref()))
}

fn page(html: Bytes) -> Response<Bytes> {
    let mut response = Response::new(html);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    response
}

fn failed() -> Response<Bytes> {
    message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}
