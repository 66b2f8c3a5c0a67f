//! A body's size and media type, before anything reads it.

use std::sync::Arc;

use http::header;

use super::{Inner, Middleware, facts, refuse};
use crate::{
    Request, Response,
    api::Route,
    extract::{BODY_LIMIT_BYTES, check_media_type},
    problem::{Code, Problem},
};

/// Refuses bodies that the route does not take.
pub(crate) struct BodyLimits;

impl Middleware for BodyLimits {
    async fn handle<S: Inner>(self: Arc<Self>, request: Request, next: S) -> Response {
        let facts = facts(&request);
        let route = request.extensions().get::<Arc<Route>>();
        let taken = route.and_then(|route| route.media_types);
        match check(&request, taken) {
            Ok(()) => next.run(request).await,
            Err(problem) => refuse(facts.as_deref(), problem),
        }
    }
}

fn check(request: &Request, taken: Option<&'static [&'static str]>) -> Result<(), Problem> {
    if request.body().len() > BODY_LIMIT_BYTES {
        return Err(Problem::new(Code::BodyTooLarge)
            .detail(format!("at most {BODY_LIMIT_BYTES} bytes are taken")));
    }
    let Some(taken) = taken else {
        return Ok(());
    };
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::new(Code::UnsupportedMediaType)
            .detail("a body is taken as it is, without a content encoding"));
    }
    let sent = request.headers().get(header::CONTENT_TYPE);
    if request.body().is_empty() && sent.is_none() {
        // Nothing was sent: the parser says what is missing.
        return Ok(());
    }
    check_media_type(sent.and_then(|value| value.to_str().ok()), taken)
}
