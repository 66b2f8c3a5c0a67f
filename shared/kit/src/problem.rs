//! What went wrong, as a client is told: `application/problem+json` (RFC 9457) with a stable `code`.
//!
//! Every refusal of the product is a [`Problem`] made from a [`Code`]; nothing outside this crate
//! writes an HTTP error. `docs/errors.md` is generated from [`Code::ALL`].

use std::borrow::Cow;

use domain::{Fault, Instant, Link, Locale, Localized};
use http::{HeaderName, HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

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
    TokenExpired "token_expired" 401 "The token was good until a while ago.";
    TokenAudience "token_audience" 401 "The token was made for another app.";
    TokenIssuer "token_issuer" 401 "The token was made by somebody else than its issuer should be.";
    TokenNonce "token_nonce" 401 "The token does not carry the nonce of the challenge.";
    ChallengeUsed "challenge_used" 401 "The challenge was used, has lapsed, or is none.";
    RefreshTokenReused "refresh_token_reused" 401 "The refresh token was replaced before; its session is over.";
    TransferCodeInvalid "transfer_code_invalid" 401 "The transfer code is unknown, expired, already used, or was tried too often.";
    ServiceKeyInvalid "service_key_invalid" 401 "The service key is unknown or revoked.";
    Forbidden "forbidden" 403 "The caller may not do this.";
    MemberBanned "member_banned" 403 "The member is banned.";
    ReauthenticationRequired "reauthentication_required" 403 "The member has not signed in recently enough for this operation.";
    WithdrawalPending "withdrawal_pending" 403 "The member is about to withdraw.";
    GuardianConsentRequired "guardian_consent_required" 403 "A guardian has to agree first.";
    NotFound "not_found" 404 "There is nothing here.";
    TrackingTokenInvalid "tracking_token_invalid" 404 "The tracking token is forged, altered or expired.";
    ContentKindUnknown "content_kind_unknown" 404 "There is no content of this kind.";
    MethodNotAllowed "method_not_allowed" 405 "The path exists, but not with this method.";
    ProfileExists "profile_exists" 409 "The device has a profile already.";
    IdentityInUse "identity_in_use" 409 "Another member signs in with this identity.";
    ProviderAlreadyLinked "provider_already_linked" 409 "The member has an identity of this provider already.";
    LastIdentity "last_identity" 409 "It is the only identity that the member signs in with.";
    LinkTicketInvalid "link_ticket_invalid" 409 "The link ticket was used, has lapsed, or is not this member's.";
    GuestOnly "guest_only" 409 "Only a member whose one identity is a guest's has transfer codes.";
    NicknameTaken "nickname_taken" 409 "The nickname, or one that looks like it, is taken.";
    NicknameChangeTooSoon "nickname_change_too_soon" 409 "The nickname was changed too lately.";
    WithdrawalNotPending "withdrawal_not_pending" 409 "There is no withdrawal under way.";
    IdempotencyInFlight "idempotency_in_flight" 409 "A request with this idempotency key is still being worked on.";
    VersionConflict "version_conflict" 412 "The resource has changed since it was read.";
    BodyTooLarge "body_too_large" 413 "The body is larger than the route takes.";
    UnsupportedMediaType "unsupported_media_type" 415 "The route does not take this content type.";
    ValidationFailed "validation_failed" 422 "The body is JSON, but not what the route takes.";
    BodyTooDeep "body_too_deep" 422 "The body is nested more than 32 levels deep.";
    NicknameInvalid "nickname_invalid" 422 "The nickname is not one that members may have.";
    ProviderDisabled "provider_disabled" 422 "This app does not sign in with the provider.";
    IdempotencyKeyReused "idempotency_key_reused" 422 "The idempotency key was used with another body.";
    PreconditionRequired "precondition_required" 428 "The route needs If-Match or If-None-Match.";
    RateLimited "rate_limited" 429 "There were too many requests.";
    Internal "internal" 500 "Something broke on our side.";
    Unavailable "unavailable" 503 "Something this depends on does not answer; try again.";
    Overloaded "overloaded" 503 "There are more requests than can be served now; try again.";
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
    // A slice, lest results grow with what few problems carry.
    members: Box<[(&'static str, Member)]>,
}

/// What an extension member holds.
#[derive(Debug)]
enum Member {
    Value(Value),
    /// A text in the language that the caller reads.
    Text(Localized),
}

impl Problem {
    /// A problem with nothing to say beyond its title.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            errors: Vec::new(),
            headers: Vec::new(),
            members: Box::default(),
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

    /// Adds an extension member (RFC 9457, section 3.2): one of [`Members`].
    #[must_use]
    pub fn with(self, name: &'static str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.member(name, Member::Value(value))
    }

    /// Adds an extension member that is a text, told in the caller's language.
    #[must_use]
    pub fn with_text(self, name: &'static str, text: Localized) -> Self {
        self.member(name, Member::Text(text))
    }

    fn member(mut self, name: &'static str, member: Member) -> Self {
        let before = std::mem::take(&mut self.members).into_iter();
        self.members = before.chain([(name, member)]).collect();
        self
    }

    /// The member is banned: 403, with what they are to be told, and until when where it ends.
    pub fn banned(message: Localized, ends_at: Option<Instant>) -> Self {
        let problem = Self::new(Code::MemberBanned).with_text("message", message);
        match ends_at {
            Some(ends_at) => problem.with("ends_at", ends_at),
            None => problem,
        }
    }

    /// The app is closed for maintenance: 503, with what callers are to be told, and until when. Those
    /// who would come back later than in an hour ask sooner: a window may be shortened.
    pub fn maintenance(message: Localized, ends_at: Instant, now: Instant) -> Self {
        let seconds = ends_at.since(now).as_millis().div_ceil(1_000);
        let seconds = u64::try_from(seconds).unwrap_or(LONGEST_RETRY_S);
        Self::new(Code::Maintenance)
            .with_text("message", message)
            .with("ends_at", ends_at)
            .retry_after(seconds.min(LONGEST_RETRY_S))
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

    /// What happened; where nothing was said, how many faults there are or what the code means.
    fn take_detail(&mut self) -> Cow<'static, str> {
        self.detail
            .take()
            .unwrap_or_else(|| match self.errors.len() {
                0 => Cow::Borrowed(self.code.title()),
                1 => Cow::Borrowed("one fault was found: see errors"),
                many => Cow::Owned(format!("{many} faults were found: see errors")),
            })
    }

    /// The response to the caller of the request `request_id`, who reads `languages`.
    pub fn into_response(
        mut self,
        trace_id: &str,
        request_id: &str,
        languages: &[Locale],
    ) -> crate::Response {
        let told = |member| match member {
            Member::Value(value) => value,
            Member::Text(text) => Value::from(text.choose(languages)),
        };
        let detail = self.take_detail();
        let members = std::mem::take(&mut self.members).into_iter();
        let document = Document {
            kind: format!("urn:madang:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status(),
            detail,
            instance: format!("urn:madang:request:{request_id}"),
            code: self.code.as_str(),
            trace_id,
            errors: &self.errors,
            members: members
                .map(|(name, member)| (name.to_owned(), told(member)))
                .collect(),
        };
        // Strings and numbers only: serialising them cannot fail.
        let body = serde_json::to_string(&document).unwrap_or_default();
        let mut response = http::Response::new(lambda_http::Body::Text(body));
        *response.status_mut() =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // A 401 names the scheme that would do (RFC 9110, section 11.6.1).
        if self.code.status() == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response.extensions_mut().insert(self.code);
        response
    }
}

/// How long a caller is told to wait when a dependency is down.
const RETRY_AFTER_S: u64 = 2;

/// How long a caller is told to wait at most.
const LONGEST_RETRY_S: u64 = 3_600;

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
    #[serde(flatten)]
    #[schemars(with = "Members")]
    members: Map<String, Value>,
}

/// The extension members that some codes carry.
#[derive(Debug, JsonSchema)]
#[schemars(inline)]
pub struct Members {
    /// `member_banned` and `maintenance`: what the user is told, in the language of
    /// `Accept-Language`; `maintenance` in that of `locale` in the query, where it is there.
    pub message: Option<String>,
    /// `member_banned` and `maintenance`: until when; without it, for good.
    pub ends_at: Option<Instant>,
    /// `maintenance`: where the user can read more.
    pub url: Option<Link>,
    /// `identity_in_use`: what resolves it, once.
    pub link_ticket: Option<String>,
    /// `identity_in_use`: what may be told of the other member.
    pub other: Option<Map<String, Value>>,
    /// `member_banned` at sign-in: a token for the member's exports and withdrawal.
    pub own_data: Option<OwnDataToken>,
}

/// An access token that opens nothing but the member's own data: their exports and their withdrawal.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OwnDataToken {
    /// Bearer token for the `Authorization` header.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds until the access token expires (1–900).
    pub expires_in: u64,
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

    #[test]
    fn a_ban_is_told_in_the_language_that_the_caller_reads() {
        let message: Localized =
            serde_json::from_str(r#"{"default":"Cheating","ko":"부정행위"}"#).unwrap();
        let told = |locale: Option<&str>, ends_at| {
            let locale: Option<Locale> = locale.map(|tag| tag.parse().unwrap());
            let languages = locale.as_slice();
            let problem = Problem::banned(message.clone(), ends_at);
            let response = problem.into_response("t", "r", languages);
            serde_json::from_slice::<Value>(response.body()).unwrap()
        };
        let for_a_while = told(Some("ko-KR"), Some(Instant::from_seconds(0)));
        assert_eq!(for_a_while["code"], "member_banned");
        assert_eq!(for_a_while["message"], "부정행위");
        assert_eq!(for_a_while["ends_at"], "1970-01-01T00:00:00.000Z");
        let for_good = told(Some("ja"), None);
        assert_eq!(for_good["message"], "Cheating");
        assert_eq!(for_good.get("ends_at"), None);
    }

    #[test]
    fn during_maintenance_callers_come_back_when_it_ends_or_after_an_hour() {
        let message: Localized = serde_json::from_str(r#"{"default":"Back soon"}"#).unwrap();
        let ends_at = Instant::from_seconds(10_000);
        for (now_ms, seconds) in [
            (0, "3600"),
            (9_000_000, "1000"),
            (9_998_999, "2"),
            (9_999_999, "1"),
            (10_000_000, "1"),
        ] {
            let now = Instant::from_millis(now_ms);
            let problem = Problem::maintenance(message.clone(), ends_at, now);
            let response = problem.into_response("t", "r", &[]);
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()[header::RETRY_AFTER], seconds);
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
            let told: Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(told["message"], "Back soon");
            assert_eq!(told["ends_at"], "1970-01-01T02:46:40.000Z");
        }
    }
}
