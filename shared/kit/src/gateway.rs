//! API Gateway's payload 2.0 event, in and out.
//!
//! `lambda_http` turns the event into an `http::Request` and the response back, but it panics on a
//! `Host`, a path or a query that is no legal URI, all of which the gateway passes on. So the event
//! is normalised first: what could be illegal is kept aside as text, routing goes by `routeKey`, and
//! path parameters come from the event.

use std::{panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use domain::Instant;
use futures_util::FutureExt as _;
use http::{HeaderName, header, uri::Authority};
use lambda_http::{
    Adapter, aws_lambda_events::apigw::ApiGatewayV2httpRequest, request::LambdaRequest,
};
use lambda_runtime::{Context, LambdaEvent};
use schemars::SchemaGenerator;
use tower::{Service, service_fn};

use crate::{
    Request,
    api::{AtShutdown, Operation, Routes, Stack, operations},
    function::{BoxFuture, Invoke, InvokeError},
    middleware::AccessLog,
    problem::{Code, Problem},
    runtime::Runtime,
    trace::Trace,
};

/// What of the event does not fit an `http::Request`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    pub(crate) route_key: Option<String>,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) host: Option<String>,
    pub(crate) deadline: Option<Instant>,
}

/// An HTTP function behind the Lambda seam.
pub(crate) struct Http {
    pub(crate) service: &'static str,
    pub(crate) routes: Arc<Routes>,
    pub(crate) stack: Stack,
    pub(crate) access: Arc<AccessLog>,
    pub(crate) runtime: Runtime,
    pub(crate) has_gate: bool,
    pub(crate) at_shutdown: Option<AtShutdown>,
}

impl Http {
    async fn answer(stack: Stack, event: Bytes, context: Context) -> Result<Vec<u8>, InvokeError> {
        let mut event: ApiGatewayV2httpRequest =
            serde_json::from_slice(&event).map_err(|error| InvokeError {
                kind: "EventRefused",
                message: format!("not an API Gateway payload 2.0 event: {error}"),
            })?;
        let received = normalise(&mut event, &context);
        let mut adapter = Adapter::from(service_fn(move |mut request: Request| {
            request.extensions_mut().insert(received.clone());
            let mut stack = stack.clone();
            async move { stack.call(request).await }
        }));
        let event = LambdaEvent::new(LambdaRequest::ApiGatewayV2(event), context);
        let Ok(response) = adapter.call(event).await;
        serde_json::to_vec(&response).map_err(|error| InvokeError {
            kind: "AnswerRefused",
            message: error.to_string(),
        })
    }

    /// The 500 for a panic outside the stack, where no request exists yet.
    fn last_resort(&self) -> Result<Vec<u8>, InvokeError> {
        let trace = Trace::from_headers(None, None, &mut self.runtime.random.rng());
        tracing::error!(trace_id = trace.trace_id, "an event broke the adapter");
        let (parts, body) = Problem::new(Code::Internal)
            .into_response(&trace.trace_id, &trace.span_id, &[])
            .into_parts();
        let answer = serde_json::json!({
            "statusCode": parts.status.as_u16(),
            "headers": {"content-type": crate::problem::MEDIA_TYPE, "cache-control": "no-store"},
            "body": String::from_utf8_lossy(body.as_ref()),
            "isBase64Encoded": false,
        });
        Ok(answer.to_string().into_bytes())
    }
}

impl Invoke for Http {
    fn invoke(
        self: Arc<Self>,
        event: Bytes,
        context: Context,
    ) -> BoxFuture<Result<Vec<u8>, InvokeError>> {
        let stack = self.stack.clone();
        Box::pin(async move {
            AssertUnwindSafe(Self::answer(stack, event, context))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| self.last_resort())
        })
    }

    fn shut_down(self: Arc<Self>) -> BoxFuture<()> {
        self.access.flush(self.service);
        match &self.at_shutdown {
            Some(tell) => tell(),
            None => Box::pin(async {}),
        }
    }

    fn has_gate(&self) -> bool {
        self.has_gate
    }

    fn operations(&self, generator: &mut SchemaGenerator) -> Vec<Operation> {
        operations(&self.routes, generator)
    }
}

/// Leaves nothing in the event that a URI parser could refuse.
fn normalise(event: &mut ApiGatewayV2httpRequest, context: &Context) -> Received {
    let route_key = event
        .request_context
        .route_key
        .take()
        .or_else(|| event.route_key.take());
    let sent = event.headers.remove(header::HOST);
    let host = event
        .request_context
        .domain_name
        .take()
        .or_else(|| sent.and_then(|value| value.to_str().ok().map(ToOwned::to_owned)))
        .filter(|host| is_host(host));
    event
        .headers
        .remove(HeaderName::from_static("x-forwarded-proto"));
    event.request_context.stage = Some("$default".to_owned());
    let deadline = i64::try_from(context.deadline).ok().filter(|ms| *ms > 0);
    Received {
        route_key,
        path: event.raw_path.replace("/".to_owned()).unwrap_or_default(),
        query: event.raw_query_string.take().unwrap_or_default(),
        host,
        deadline: deadline.map(Instant::from_millis),
    }
}

/// Whether a text may stand as the host of the URLs that are handed out.
fn is_host(text: &str) -> bool {
    text.parse::<Authority>().is_ok_and(|authority| {
        let port = authority.as_str().strip_prefix(authority.host());
        let port = port.map(|rest| rest.strip_prefix(':').unwrap_or("443"));
        !authority.host().is_empty() && port.is_some_and(|port| port.parse::<u16>().is_ok())
    })
}
