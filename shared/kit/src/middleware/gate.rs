//! During maintenance the routes that are not exempt answer 503.

use std::sync::Arc;

use super::{Inner, Middleware, facts, refuse};
use crate::{Request, Response, call::Facts, function::BoxFuture, problem::Problem};

/// Decides whether a request may pass now. A function that must answer during maintenance has none.
pub trait Gate: Send + Sync + 'static {
    /// The refusal, with its `Retry-After`, or nothing.
    fn closed<'a>(&'a self, facts: &'a Facts) -> BoxFuture<Option<Problem>>;
}

/// Asks the function's gate, where it has one.
pub(crate) struct MaintenanceGate(pub(crate) Option<Arc<dyn Gate>>);

impl Middleware for MaintenanceGate {
    async fn handle<S: Inner>(self: Arc<Self>, request: Request, next: S) -> Response {
        if let (Some(gate), Some(facts)) = (&self.0, facts(&request))
            && let Some(problem) = gate.closed(&facts).await
        {
            return refuse(Some(&facts), problem);
        }
        next.run(request).await
    }
}
