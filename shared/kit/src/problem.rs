//! What went wrong, as a client is told: `application/problem+json` (RFC 9457) with a stable `code`.
//!
//! Every refusal of the product is a [`Problem`] made from a [`Code`]; nothing outside this crate
//! writes an HTTP error. `docs/errors.md` is generated from [`Code::ALL`].

use std::borrow::Cow;

use domain::Fault;
use http::{HeaderName, HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! codes {
    ($($variant:ident $code:literal $status:literal $title:literal;)*) => {
        /// The stable names of everything that can be refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $( #[doc = $title] $variant, )*
        }

        impl Code {
            /// All of them, in the order of their statuses.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As it is written in a document.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// What it means, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    MalformedJson "malformed_json" 400 "The body is not JSON.";
    InvalidQuery "invalid_query" 400 "The query string is not what the route takes.";
    InvalidPath "invalid_path" 400 "A path parameter is not what the route takes.";
    InvalidHeader "invalid_header" 400 "A header is not what the route takes.";
    InvalidCursor "invalid_cursor" 400 "The cursor was not given out by this route.";
    TokenMissing "token_missing" 401 "The route needs an Authorization header.";
    TokenInvalid "token_invalid" 401 "The token is not one of ours.";
    TokenExpired "token_expired" 401 "The token is over, or was issued too long ago.";
    TokenAudience "token_audience" 401 "The token was made for another app.";
    TokenIssuer "token_issuer" 401 "The token names another issuer.";
    TokenNonce "token_nonce" 401 "The token was made for another nonce.";
    ChallengeUsed "challenge_used" 401 "The challenge was used before, or is over.";
    ServiceKeyInvalid "service_key_invalid" 401 "The service key is unknown or revoked.";
    Forbidden "forbidden" 403 "The caller may not do this.";
    NotFound "not_found" 404 "There is nothing here.";
    TrackingTokenInvalid "tracking_token_invalid" 404 "The tracking token is forged, altered or expired.";
    ContentKindUnknown "content_kind_unknown" 404 "There is no content of this kind.";
    MethodNotAllowed "method_not_allowed" 405 "The path exists, but not with this method.";
    ProfileExists "profile_exists" 409 "The device has a profile already.";
    IdempotencyInFlight "idempotency_in_flight" 409 "A request with this idempotency key is still being worked on.";
    VersionConflict "version_conflict" 412 "The resource has changed since it was read.";
    BodyTooLarge "body_too_large" 413 "The body is larger than the route takes.";
    UnsupportedMediaType "unsupported_media_type" 415 "The route does not take this content type.";
    ValidationFailed "validation_failed" 422 "The body is JSON, but not what the route takes.";
    BodyTooDeep "body_too_deep" 422 "The body is nested more than 32 levels deep.";
    IdempotencyKeyReused "idempotency_key_reused" 422 "The idempotency key was used with another body.";
    ProviderDisabled "provider_disabled" 422 "The sign-in provider is not switched on here.";
    PreconditionRequired "precondition_required" 428 "The route needs If-Match or If-None-Match.";
    RateLimited "rate_limited" 429 "There were too many requests.";
    Internal "internal" 500 "Something broke on our side.";
    Unavailable "unavailable" 503 "Something this depends on does not answer; try again.";
    Maintenance "maintenance" 503 "The service is closed for maintenance.";
}

/// One refusal. Turned into a document where the trace id is known.
#[derive(Debug)]
pub struct Problem {
    /// Which one.
    pub code: Code,
    /// What happened this time, in words for the caller; never internals.
    pub detail: Option<Cow<'static, str>>,
    /// The faults of a body, a query or a path.
    pub errors: Vec<Fault>,
    /// Headers that belong to the refusal, such as `Retry-After`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem with nothing to say beyond its title.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            errors: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Adds what happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the faults that were found.
    #[must_use]
    pub fn errors(mut self, errors: Vec<Fault>) -> Self {
        self.errors = errors;
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A dependency does not answer: 503 with `Retry-After`.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable)
            .detail(detail)
            .retry_after(RETRY_AFTER_S)
    }

    /// Tells the caller to wait `seconds`.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// A bug or a panic: logged with `error`, told without internals.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(error), "request failed");
        Self::new(Code::Internal)
    }

    /// What there is to say where nothing was said: how many faults, or what the code means.
    fn told(&self) -> Cow<'static, str> {
        match self.errors.len() {
            0 => Cow::Borrowed(self.code.title()),
            1 => Cow::Borrowed("one fault was found: see errors"),
            many => Cow::Owned(format!("{many} faults were found: see errors")),
        }
    }

    /// The answer to the caller of the request `request_id`.
    pub(crate) fn into_response(self, trace_id: &str, request_id: &str) -> crate::Response {
        let document = Document {
            kind: format!("urn:madang:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status(),
            detail: self
                .detail
                .as_deref()
                .map_or_else(|| self.told(), Cow::Borrowed),
            instance: format!("urn:madang:request:{request_id}"),
            code: self.code.as_str(),
            trace_id,
            errors: &self.errors,
        };
        // Strings and numbers only: serialising them cannot fail.
        let body = serde_json::to_string(&document).unwrap_or_default();
        let mut response = http::Response::new(lambda_http::Body::Text(body));
        *response.status_mut() =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response.extensions_mut().insert(self.code);
        response
    }
}

/// How long a caller is told to wait when a dependency is down.
const RETRY_AFTER_S: u64 = 2;

/// The document itself (RFC 9457, section 3.1, with our members).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct Document<'a> {
    /// `urn:madang:problem:<code>`.
    #[serde(rename = "type")]
    kind: String,
    /// The same for every occurrence of the code.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What happened this time.
    detail: Cow<'a, str>,
    /// `urn:madang:request:<request id>`.
    instance: String,
    /// Stable, snake_case.
    code: &'a str,
    /// Finds the request in logs and traces.
    trace_id: &'a str,
    /// Every fault of the input, where that is what was wrong.
    #[serde(default, skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
}

/// An error with its sources, on one line: how errors are logged.
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_snake_case_unique_and_in_order_of_status() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::ALL {
            let name = code.as_str();
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
            assert!(seen.insert(name), "{name} twice");
        }
        assert!(Code::ALL.is_sorted_by_key(|code| code.status()));
    }
}
