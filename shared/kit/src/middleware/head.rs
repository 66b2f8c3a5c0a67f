//! `HEAD` answers as `GET` does, without the body (RFC 9110, section 9.3.2).

use std::sync::Arc;

use lambda_http::Body;

use super::{Inner, Middleware, facts};
use crate::{Request, Response};

/// Takes the body out of every response to a `HEAD`, refusals included.
pub(crate) struct HeadResponses;

impl Middleware for HeadResponses {
    async fn handle<S: Inner>(self: Arc<Self>, request: Request, next: S) -> Response {
        let is_head = facts(&request).is_some_and(|facts| facts.is_head());
        let mut response = next.run(request).await;
        if is_head {
            *response.body_mut() = Body::Empty;
        }
        response
    }
}
