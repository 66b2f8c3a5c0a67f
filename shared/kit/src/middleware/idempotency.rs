//! `Idempotency-Key`: a repeated call is answered as the first one was.

use std::sync::Arc;

use domain::Instant;
use http::{HeaderName, HeaderValue, StatusCode, header};
use lambda_http::Body;

use super::{Inner, Middleware, facts, refuse};
use crate::{
    Request, Response,
    call::{Facts, Principal},
    endpoint::Idempotency,
    function::BoxFuture,
    problem::{Code, Problem},
};

/// The longest key that is taken, in bytes.
const KEY_LIMIT_BYTES: usize = 255;

/// The headers that are given again with an answer.
const KEPT_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// An answer as it is kept: enough to give it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The status.
    pub status: u16,
    /// The headers that say what the body is.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// What the store says of a key.
pub enum Begun {
    /// Never seen: the call is this one's to answer.
    Fresh(Box<dyn Claim>),
    /// Answered before.
    Answered(StoredAnswer),
    /// Being answered by another invocation, which may take until its deadline.
    InFlight,
    /// Seen with another body.
    Reused,
}

/// What a key is unique within: one caller's keys say nothing of another's, nor one resource's of
/// another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Who calls.
    pub caller: String,
    /// The operation and the path it was called on.
    pub route: String,
    /// The header's value.
    pub key: String,
}

/// Remembers keys for a day.
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Claims `key` for a call whose body is `body`; a claim lapses at `deadline`.
    fn begin(
        &self,
        key: Key,
        body: Vec<u8>,
        now: Instant,
        deadline: Instant,
    ) -> BoxFuture<Result<Begun, Problem>>;
}

/// The right to answer one call.
pub trait Claim: Send {
    /// Keeps the answer.
    fn finish(
        self: Box<Self>,
        answer: StoredAnswer,
        now: Instant,
    ) -> BoxFuture<Result<(), Problem>>;

    /// Gives the claim back after a failure, so that the call may be made again. Whether the failed
    /// call changed something is not always known: an operation under a key bears a second try.
    fn abandon(self: Box<Self>) -> BoxFuture<Result<(), Problem>>;
}

/// Honours the header on endpoints that declare [`Idempotency::Key`].
pub(crate) struct IdempotencyKeys(pub(crate) Option<Arc<dyn IdempotencyStore>>);

impl Middleware for IdempotencyKeys {
    async fn handle<S: Inner>(self: Arc<Self>, request: Request, next: S) -> Response {
        let (Some(store), Some(facts)) = (&self.0, facts(&request)) else {
            return next.run(request).await;
        };
        let sent = request.headers().get("idempotency-key");
        let (Idempotency::Key, Some(sent)) = (facts.endpoint.idempotency, sent) else {
            return next.run(request).await;
        };
        let key = match legal(sent) {
            Ok(key) => scoped(key, &request, &facts),
            Err(problem) => return refuse(Some(&facts), problem),
        };
        let body = request.body().as_ref().to_vec();
        let claim = match store
            .begin(key, body, facts.received_at, facts.deadline)
            .await
        {
            Ok(Begun::Fresh(claim)) => claim,
            Ok(Begun::Answered(answer)) => return replay(answer),
            Ok(Begun::InFlight) => return refuse(Some(&facts), Problem::in_flight()),
            Ok(Begun::Reused) => {
                return refuse(Some(&facts), Problem::new(Code::IdempotencyKeyReused));
            }
            Err(problem) => return refuse(Some(&facts), problem),
        };
        let response = next.run(request).await;
        let settled = match stored(&response) {
            Some(answer) => claim.finish(answer, facts.received_at).await,
            None => claim.abandon().await,
        };
        if let Err(problem) = settled {
            // The work is done and must be told; the claim lapses at the deadline.
            tracing::error!(
                code = problem.code.as_str(),
                "an idempotency record was not settled"
            );
        }
        response
    }
}

/// Returns the text of an `Idempotency-Key` header.
pub(crate) fn legal(sent: &HeaderValue) -> Result<&str, Problem> {
    let key = sent.to_str().ok();
    key.filter(|key| (1..=KEY_LIMIT_BYTES).contains(&key.len()))
        .ok_or_else(|| {
            Problem::new(Code::InvalidHeader)
                .detail("Idempotency-Key is 1 to 255 visible ASCII characters")
        })
}

impl Problem {
    /// Another invocation is answering a request with the same idempotency key: 409.
    pub fn in_flight() -> Self {
        Self::new(Code::IdempotencyInFlight).retry_after(1)
    }
}

fn scoped(key: &str, request: &Request, facts: &Facts) -> Key {
    Key {
        caller: request
            .extensions()
            .get::<Principal>()
            .map_or_else(|| Principal::Anonymous.name(), Principal::name),
        route: format!("{} {}", facts.endpoint.operation, facts.path),
        key: key.to_owned(),
    }
}

/// What is kept of a response; `None` for failures that a repeat may overcome.
fn stored(response: &Response) -> Option<StoredAnswer> {
    let status = response.status();
    let passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let body = std::str::from_utf8(response.body().as_ref()).ok()?;
    (!passing).then(|| StoredAnswer {
        status: status.as_u16(),
        headers: KEPT_HEADERS
            .iter()
            .filter_map(|name| {
                let value = response.headers().get(name)?.to_str().ok()?;
                Some((name.as_str().to_owned(), value.to_owned()))
            })
            .collect(),
        body: body.to_owned(),
    })
}

fn replay(answer: StoredAnswer) -> Response {
    let mut response = Response::new(match answer.body.is_empty() {
        true => Body::Empty,
        false => Body::Text(answer.body),
    });
    *response.status_mut() = crate::extract::status(answer.status);
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(
        HeaderName::from_static("idempotent-replayed"),
        HeaderValue::from_static("true"),
    );
    response
}
