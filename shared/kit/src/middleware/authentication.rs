//! Who calls: the caller that the endpoint declares, proved by the `Authorization` header.

use std::sync::Arc;

use http::{HeaderValue, header};

use super::{Inner, Middleware, facts, refuse};
use crate::{
    Request, Response,
    call::Principal,
    endpoint::Caller,
    function::BoxFuture,
    problem::{Code, Problem},
};

/// What every service key begins with.
const SERVICE_KEY_PREFIX: &str = "msk_";

/// Knows the service keys.
pub trait Authority: Send + Sync + 'static {
    /// The principal that `key` proves; `None` when it is unknown or revoked.
    fn service_key(&self, key: String) -> BoxFuture<Result<Option<Principal>, Problem>>;
}

/// Refuses callers who are not whom the endpoint wants, and puts the [`Principal`] into the request.
pub(crate) struct Authentication(pub(crate) Option<Arc<dyn Authority>>);

impl Middleware for Authentication {
    async fn handle<S: Inner>(self: Arc<Self>, mut request: Request, next: S) -> Response {
        let Some(facts) = facts(&request) else {
            return next.run(request).await;
        };
        match self.principal(facts.endpoint.caller, &request).await {
            Ok(principal) => {
                if principal != Principal::Anonymous {
                    tracing::Span::current().record("caller", principal.name());
                }
                request.extensions_mut().insert(principal);
                next.run(request).await
            }
            Err(problem) => refuse(Some(&facts), problem),
        }
    }
}

impl Authentication {
    async fn principal(&self, caller: Caller, request: &Request) -> Result<Principal, Problem> {
        let scope = match caller {
            Caller::Public => return Ok(Principal::Anonymous),
            Caller::PublicOrOperator(_) => return self.principal_if_proved(request).await,
            Caller::Device(scope) | Caller::Operator(scope) => scope,
        };
        let token = bearer(request)?;
        if !token.starts_with(SERVICE_KEY_PREFIX) {
            return Err(challenge(Problem::new(Code::TokenInvalid)));
        }
        let principal = self.service(token).await?;
        principal.require(scope)?;
        Ok(principal)
    }

    /// Who sends no service key is nobody in particular; who sends a wrong one is told so.
    async fn principal_if_proved(&self, request: &Request) -> Result<Principal, Problem> {
        match bearer(request) {
            Ok(token) if token.starts_with(SERVICE_KEY_PREFIX) => self.service(token).await,
            _ => Ok(Principal::Anonymous),
        }
    }

    async fn service(&self, key: &str) -> Result<Principal, Problem> {
        let known = match &self.0 {
            Some(authority) => authority.service_key(key.to_owned()).await?,
            None => None,
        };
        known.ok_or_else(|| challenge(Problem::new(Code::ServiceKeyInvalid)))
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1).
fn bearer(request: &Request) -> Result<&str, Problem> {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else {
        return Err(challenge(Problem::new(Code::TokenMissing)));
    };
    value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or_else(|| challenge(Problem::new(Code::TokenInvalid)))
}

/// A 401 names the scheme that would do (RFC 9110, section 11.6.1).
pub(crate) fn challenge(problem: Problem) -> Problem {
    problem.header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(authorization: Option<&'static str>) -> Request {
        let mut request = Request::new(lambda_http::Body::Empty);
        if let Some(value) = authorization {
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        request
    }

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        assert_eq!(bearer(&with(Some("bearer msk_a_b"))).unwrap(), "msk_a_b");
        assert_eq!(bearer(&with(None)).unwrap_err().code, Code::TokenMissing);
        for bad in ["msk_a_b", "Basic eDp5", "Bearer ", "Bearer"] {
            assert_eq!(
                bearer(&with(Some(bad))).unwrap_err().code,
                Code::TokenInvalid,
                "{bad}"
            );
        }
    }
}
