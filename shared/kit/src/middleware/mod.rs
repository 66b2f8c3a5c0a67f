//! The stack every HTTP function runs behind, outermost first: trace, access log and metrics, panic
//! guard, rate limit by address, maintenance gate, authentication, rate limit by caller, body
//! limits, idempotency. One file, one concern, generic over what it wraps.

mod access;
pub(crate) mod authentication;
mod body;
mod gate;
mod head;
pub(crate) mod idempotency;
mod panic;
mod rate;
mod trace;

use std::{
    convert::Infallible,
    future::Future,
    sync::Arc,
    task::{Context, Poll},
};

use tower::{Layer, Service};

pub use authentication::{Authority, ProvedMember, bearer_token};
pub use gate::{Gate, Passed};
pub use idempotency::{Begun, Claim, IdempotencyStore, Key, StoredAnswer};
pub use rate::{Counter, Decision, Quota, network, rate_limited};

pub(crate) use access::AccessLog;
pub(crate) use authentication::Authentication;
pub(crate) use body::BodyLimits;
pub(crate) use gate::{GATE_HEADERS, MaintenanceGate};
pub(crate) use head::HeadResponses;
pub(crate) use idempotency::IdempotencyKeys;
pub(crate) use panic::PanicGuard;
pub(crate) use rate::{AddressLimit, CallerLimit};
pub(crate) use trace::Tracing;

use crate::{Request, Response, call::Facts, function::BoxFuture, problem::Problem};

/// What a middleware may wrap: the next layer, or the handlers.
pub(crate) trait Inner:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
    /// Passes the request on.
    fn run(self, request: Request) -> impl Future<Output = Response> + Send;
}

impl<S> Inner for S
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    async fn run(mut self, request: Request) -> Response {
        match self.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// One concern around a request.
pub(crate) trait Middleware: Send + Sync + 'static {
    /// Does its part, and passes the request on or answers it.
    fn handle<S: Inner>(
        self: Arc<Self>,
        request: Request,
        next: S,
    ) -> impl Future<Output = Response> + Send;
}

/// A [`Middleware`] as a tower layer.
pub(crate) struct Around<M>(pub(crate) Arc<M>);

impl<M> Around<M> {
    pub(crate) fn new(middleware: M) -> Self {
        Self(Arc::new(middleware))
    }
}

impl<M, S> Layer<S> for Around<M> {
    type Service = Wrapped<M, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Wrapped {
            middleware: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service with a middleware around it. Always ready: nothing in the stack holds a permit.
pub(crate) struct Wrapped<M, S> {
    middleware: Arc<M>,
    inner: S,
}

impl<M, S: Clone> Clone for Wrapped<M, S> {
    fn clone(&self) -> Self {
        Self {
            middleware: Arc::clone(&self.middleware),
            inner: self.inner.clone(),
        }
    }
}

impl<M: Middleware, S: Inner> Service<Request> for Wrapped<M, S> {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let answer = Arc::clone(&self.middleware).handle(request, self.inner.clone());
        Box::pin(async move { Ok(answer.await) })
    }
}

/// The facts that the trace layer put into the request.
pub(crate) fn facts(request: &Request) -> Option<Arc<Facts>> {
    request.extensions().get::<Arc<Facts>>().cloned()
}

/// The document for `problem`, with the ids of the request it answers.
pub(crate) fn refuse(facts: Option<&Facts>, problem: Problem) -> Response {
    match facts {
        Some(facts) => {
            problem.into_response(&facts.trace.trace_id, &facts.request_id, &facts.languages)
        }
        None => problem.into_response("", "", &[]),
    }
}
