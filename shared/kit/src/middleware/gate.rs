//! During maintenance the routes that are for users are closed: 503, before anything is asked of the
//! caller.

use std::sync::Arc;

use http::HeaderMap;

use super::{Inner, Middleware, facts, refuse};
use crate::{Request, Response, call::Facts, function::BoxFuture, problem::Problem};

/// Decides whether a request may pass now.
pub trait Gate: Send + Sync + 'static {
    /// Lets it pass; else the refusal, with its `Retry-After`.
    fn admit(&self, facts: &Facts, headers: &HeaderMap) -> BoxFuture<Result<(), Problem>>;
}

/// Asks the function's gate about every route that closes for maintenance.
pub(crate) struct MaintenanceGate(pub(crate) Option<Arc<dyn Gate>>);

impl Middleware for MaintenanceGate {
    async fn handle<S: Inner>(self: Arc<Self>, request: Request, next: S) -> Response {
        if let (Some(gate), Some(facts)) = (&self.0, facts(&request))
            && facts.endpoint.closes_for_maintenance()
            && let Err(problem) = gate.admit(&facts, request.headers()).await
        {
            return refuse(Some(&facts), problem);
        }
        next.run(request).await
    }
}
