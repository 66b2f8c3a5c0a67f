//! Who calls: the caller that the endpoint declares, proved by the `Authorization` header.

use std::{future::ready, sync::Arc, time::Duration};

use domain::{DeviceId, Fault, FaultCode, Instant, identity::MemberId};
use http::{HeaderMap, header};
use lambda_http::RequestExt as _;

use super::{Inner, Middleware, facts, refuse};
use crate::{
    Request, Response,
    call::{Facts, Principal},
    endpoint::Caller,
    function::BoxFuture,
    problem::{Code, Problem},
};

/// What every service key begins with.
const SERVICE_KEY_PREFIX: &str = "msk_";

/// Knows callers by what they present. What a function's routes do not take is left to the defaults.
pub trait Authority: Send + Sync + 'static {
    /// The principal that `key` proves; `None` when it is unknown or revoked.
    fn service_key(&self, _key: String) -> BoxFuture<Result<Option<Principal>, Problem>> {
        Box::pin(ready(Ok(None)))
    }

    /// The member that `token` proves at `now`; else why it proves nobody, or why they may not come
    /// in.
    fn access_token(&self, _token: String, _now: Instant) -> BoxFuture<Result<Principal, Problem>> {
        Box::pin(ready(Err(Problem::new(Code::TokenInvalid))))
    }

    /// The same at a route that is open to banned members: `token` may be a banned member's.
    fn own_data_token(&self, token: String, now: Instant) -> BoxFuture<Result<Principal, Problem>> {
        self.access_token(token, now)
    }
}

/// Refuses callers who are not whom the endpoint wants, and puts the [`Principal`] into the request.
pub(crate) struct Authentication(pub(crate) Option<Arc<dyn Authority>>);

impl Middleware for Authentication {
    async fn handle<S: Inner>(self: Arc<Self>, mut request: Request, next: S) -> Response {
        let Some(facts) = facts(&request) else {
            return next.run(request).await;
        };
        match self.principal(&facts, &request).await {
            Ok(principal) => {
                record(&principal);
                request.extensions_mut().insert(principal);
                next.run(request).await
            }
            Err(problem) => refuse(Some(&facts), problem),
        }
    }
}

/// Whose request it is, in every log line of it.
fn record(principal: &Principal) {
    let span = tracing::Span::current();
    match principal {
        Principal::Anonymous => {}
        Principal::Service { .. } => {
            span.record("caller", principal.name());
        }
        Principal::Member { id, .. } => {
            span.record("member_id", id.to_string());
        }
    }
}

impl Authentication {
    async fn principal(&self, facts: &Facts, request: &Request) -> Result<Principal, Problem> {
        match facts.endpoint.caller {
            Caller::Public | Caller::Hook => Ok(Principal::Anonymous),
            Caller::PublicOrOperator(_) => match bearer(request.headers()) {
                Ok(Bearer::ServiceKey(key)) => self.service(key).await,
                // Who sends no service key is nobody in particular; a wrong one is told so.
                _ => Ok(Principal::Anonymous),
            },
            Caller::PublicOrMember(_) => match sent(request.headers())? {
                None => Ok(Principal::Anonymous),
                Some(Bearer::ServiceKey(key)) => self.service(key).await,
                Some(Bearer::AccessToken(token)) => self.member(token, facts).await,
            },
            Caller::Operator(scope) => match bearer(request.headers())? {
                Bearer::ServiceKey(key) => self.service_for(key, scope).await,
                Bearer::AccessToken(_) => Err(Problem::new(Code::TokenInvalid)),
            },
            Caller::Service(scope) => match bearer(request.headers())? {
                Bearer::ServiceKey(key) => self.service_for(key, scope).await,
                Bearer::AccessToken(token) => {
                    self.member(token, facts).await?;
                    Err(Problem::new(Code::Forbidden).detail("service keys only"))
                }
            },
            Caller::Member => match bearer(request.headers())? {
                Bearer::AccessToken(token) => self.member(token, facts).await,
                Bearer::ServiceKey(_) => Err(Problem::new(Code::TokenInvalid)),
            },
            Caller::Device(scope) => {
                let principal = match bearer(request.headers())? {
                    Bearer::ServiceKey(key) => self.service_for(key, scope).await?,
                    Bearer::AccessToken(token) => self.member(token, facts).await?,
                };
                if let Some(device) = device_in_path(request)? {
                    principal.acts_for(&device)?;
                }
                Ok(principal)
            }
        }
    }

    async fn member(&self, token: &str, facts: &Facts) -> Result<Principal, Problem> {
        match &self.0 {
            Some(authority) => {
                let token = token.to_owned();
                match facts.endpoint.open_to_banned {
                    true => authority.own_data_token(token, facts.received_at).await,
                    false => authority.access_token(token, facts.received_at).await,
                }
            }
            None => Err(Problem::new(Code::TokenInvalid)),
        }
    }

    async fn service_for(&self, key: &str, scope: &str) -> Result<Principal, Problem> {
        let principal = self.service(key).await?;
        principal.require(scope)?;
        Ok(principal)
    }

    async fn service(&self, key: &str) -> Result<Principal, Problem> {
        let known = match &self.0 {
            Some(authority) => authority.service_key(key.to_owned()).await?,
            None => None,
        };
        known.ok_or_else(|| Problem::new(Code::ServiceKeyInvalid))
    }
}

/// Returns the device that a path names as `{id}`, if it does.
fn device_in_path(request: &Request) -> Result<Option<DeviceId>, Problem> {
    let parameters = request.path_parameters_ref();
    let id = parameters.and_then(|parameters| parameters.first("id"));
    id.map(str::parse).transpose().map_err(|error| {
        let fault = Fault::new("/id", FaultCode::BadFormat, error);
        Problem::new(Code::InvalidPath).errors(vec![fault])
    })
}

/// What `Authorization: Bearer …` carries.
#[derive(Debug, PartialEq, Eq)]
enum Bearer<'r> {
    ServiceKey(&'r str),
    AccessToken(&'r str),
}

/// The access token that a request carries, for a handler that verifies it itself; `None` where there
/// is no `Authorization` header, or a service key in it.
pub fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    Ok(match sent(headers)? {
        Some(Bearer::AccessToken(token)) => Some(token),
        Some(Bearer::ServiceKey(_)) | None => None,
    })
}

/// The member that a request proves to be, on a route that serves everybody and looks at the member only
/// where published content depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProvedMember {
    /// This one.
    Member(MemberId),
    /// None: there is no access token, or it proves nobody.
    Nobody,
    /// A token was sent that cannot be verified now.
    Unknown,
}

impl ProvedMember {
    /// Verifies the access token of a request, within `patience`.
    pub async fn of(
        authority: &dyn Authority,
        headers: &HeaderMap,
        now: Instant,
        patience: Duration,
    ) -> Self {
        let Ok(Some(token)) = bearer_token(headers) else {
            return Self::Nobody;
        };
        let verified = authority.access_token(token.to_owned(), now);
        match tokio::time::timeout(patience, verified).await {
            Ok(Ok(Principal::Member { id, .. })) => Self::Member(id),
            Ok(Ok(Principal::Anonymous | Principal::Service { .. })) => Self::Nobody,
            Ok(Err(problem)) if problem.code == Code::Unavailable => Self::Unknown,
            Ok(Err(_)) => Self::Nobody,
            Err(_) => {
                tracing::warn!("access token verification timed out, served without the member");
                Self::Unknown
            }
        }
    }

    /// The member, if one is known.
    pub fn id(self) -> Option<MemberId> {
        match self {
            Self::Member(id) => Some(id),
            Self::Nobody | Self::Unknown => None,
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<Bearer<'_>, Problem> {
    sent(headers)?.ok_or_else(|| Problem::new(Code::TokenMissing))
}

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1); `None` without the header.
fn sent(headers: &HeaderMap) -> Result<Option<Bearer<'_>>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .map(|token| match token.starts_with(SERVICE_KEY_PREFIX) {
            true => Some(Bearer::ServiceKey(token)),
            false => Some(Bearer::AccessToken(token)),
        })
        .ok_or_else(|| Problem::new(Code::TokenInvalid))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(authorization: Option<&'static str>) -> HeaderMap {
        let value = authorization.map(HeaderValue::from_static);
        let header = value.map(|value| (header::AUTHORIZATION, value));
        header.into_iter().collect()
    }

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        for (authorization, found) in [
            ("bearer msk_a_b", Bearer::ServiceKey("msk_a_b")),
            ("Bearer a.b.c", Bearer::AccessToken("a.b.c")),
        ] {
            assert_eq!(bearer(&with(Some(authorization))).unwrap(), found);
        }
        assert_eq!(bearer(&with(None)).unwrap_err().code, Code::TokenMissing);
        for bad in ["msk_a_b", "Basic eDp5", "Bearer ", "Bearer"] {
            let headers = with(Some(bad));
            let refusals = [bearer(&headers).err(), bearer_token(&headers).err()];
            for refusal in refusals {
                assert_eq!(refusal.unwrap().code, Code::TokenInvalid, "{bad}");
            }
        }
    }

    #[test]
    fn a_handler_gets_an_access_token_and_no_service_key() {
        for (authorization, found) in [
            (Some("Bearer a.b.c"), Some("a.b.c")),
            (Some("Bearer msk_a_b"), None),
            (None, None),
        ] {
            assert_eq!(bearer_token(&with(authorization)).unwrap(), found);
        }
    }
}
