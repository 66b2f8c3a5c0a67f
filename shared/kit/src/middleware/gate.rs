//! During maintenance the routes that are for users are closed: 503, before anything is asked of the
//! caller.

use std::sync::Arc;

use domain::{Instant, Locale, ReportedValue};
use http::HeaderMap;

use super::{Inner, Middleware, facts, refuse};
use crate::{Request, Response, call::Facts, function::BoxFuture, problem::Problem};

/// The headers that gates go by, on every route that closes for maintenance.
pub(crate) const GATE_HEADERS: [&str; 3] = ["X-App-Platform", "X-App-Store", "X-Device-Id"];

/// Decides whether a request may pass now.
pub trait Gate: Send + Sync + 'static {
    /// Lets it pass, and says for how long; else the refusal, with its `Retry-After`. The body is as it
    /// was sent: nothing has checked it yet.
    fn admit(
        &self,
        facts: &Facts,
        headers: &HeaderMap,
        body: &[u8],
    ) -> BoxFuture<Result<Passed, Problem>>;
}

/// What the gate knew of a request that it let pass, for those who say how long its answer may be
/// kept. On a route without a gate it is the default, which says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// The next moment at which the gate may decide otherwise.
    pub next_boundary: Option<Instant>,
    /// Whether the app is closed to others, and this request came in as a tester's.
    pub as_tester: bool,
}

/// Asks the function's gate about every route that closes for maintenance.
pub(crate) struct MaintenanceGate(pub(crate) Option<Arc<dyn Gate>>);

impl Middleware for MaintenanceGate {
    async fn handle<S: Inner>(self: Arc<Self>, mut request: Request, next: S) -> Response {
        if let (Some(gate), Some(facts)) = (&self.0, facts(&request))
            && facts.endpoint.closes_for_maintenance()
        {
            let body = request.body().as_ref();
            match gate.admit(&facts, request.headers(), body).await {
                Ok(passed) => request.extensions_mut().insert(passed),
                Err(problem) => return refuse(Some(&in_the_language_asked_for(&facts)), problem),
            };
        }
        next.run(request).await
    }
}

/// The query goes before `Accept-Language`, as in the app's status.
fn in_the_language_asked_for(facts: &Facts) -> Facts {
    let queried = facts.queried("locale");
    let queried = queried.and_then(|list| Vec::<Locale>::reported(&list));
    Facts {
        languages: queried.unwrap_or_else(|| facts.languages.clone()),
        ..facts.clone()
    }
}
