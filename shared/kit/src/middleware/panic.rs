//! One request's bug is one request's 500.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt as _;

use super::{Inner, Middleware, facts, refuse};
use crate::{
    Request, Response,
    problem::{Code, Problem},
};

/// Catches a panic below. The process's panic hook has logged it, with its backtrace, in the span
/// of the request by the time it is caught here.
pub(crate) struct PanicGuard;

impl Middleware for PanicGuard {
    async fn handle<S: Inner>(self: Arc<Self>, request: Request, next: S) -> Response {
        let facts = facts(&request);
        AssertUnwindSafe(next.run(request))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| refuse(facts.as_deref(), Problem::new(Code::Internal)))
    }
}
