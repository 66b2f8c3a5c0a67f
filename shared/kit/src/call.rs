//! One request, as a handler gets it: parameters, query and body already parsed, and the facts of
//! the call beside them.

use std::{net::IpAddr, sync::Arc};

use domain::{
    DeviceId, DeviceKey, Instant, Locale, ReportedValue,
    identity::{MemberId, SessionId},
};
use http::HeaderMap;
use rand::rngs::StdRng;

use crate::{
    endpoint::Endpoint,
    extract::{QueryPolicy, query_pairs},
    middleware::{Passed, idempotency::legal},
    problem::{Code, Problem},
    random::Random,
    trace::Trace,
};

/// What the middleware learnt of a request before its handler runs.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The route's declaration.
    pub endpoint: Endpoint,
    /// When the request came in.
    pub received_at: Instant,
    /// When the platform stops waiting for the answer.
    pub deadline: Instant,
    /// The trace it belongs to.
    pub trace: Trace,
    /// The gateway's id of it.
    pub request_id: String,
    /// Where it came from: API Gateway's `sourceIp`, or the trusted header of a CDN.
    pub address: Option<IpAddr>,
    /// Scheme and host by which the caller reached us.
    pub origin: String,
    /// The method.
    pub method: http::Method,
    /// The path as it arrived, decoded; for messages only.
    pub path: String,
    /// The query string as it was sent.
    pub query: String,
    /// The languages of `Accept-Language`, the most preferred first.
    pub languages: Vec<Locale>,
}

impl Facts {
    /// Whether the request is a `HEAD`, which must change and count nothing.
    pub fn is_head(&self) -> bool {
        self.method == http::Method::HEAD
    }

    /// Returns the query's first value of `name` that can be decoded.
    pub fn queried(&self, name: &str) -> Option<String> {
        let pairs = query_pairs(&self.query, QueryPolicy::Only(name)).ok()?;
        pairs.into_iter().next().map(|(_, value)| value)
    }
}

/// Who the caller proved to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Nobody in particular.
    Anonymous,
    /// A service key, by its id.
    Service {
        /// The key's id.
        id: String,
        /// What it may do; `*` is everything.
        scopes: Vec<String>,
    },
    /// A member, by an access token.
    Member {
        /// The member's id.
        id: MemberId,
        /// The session that the token was issued to.
        session: SessionId,
        /// The device that the session is bound to; `None` where the app named none of its own.
        device: Option<DeviceKey>,
    },
}

impl Principal {
    /// A short name for logs, limits and authorship: `service:ops`, `member:<id>`.
    pub fn name(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Service { id, .. } => format!("service:{id}"),
            Self::Member { id, .. } => format!("member:{id}"),
        }
    }

    /// Whether it may do what `scope` names.
    pub fn holds(&self, scope: &str) -> bool {
        match self {
            Self::Anonymous | Self::Member { .. } => false,
            Self::Service { scopes, .. } => scopes.iter().any(|held| held == "*" || held == scope),
        }
    }

    /// Refuses who may not do what `scope` names: 401 for nobody in particular, else 403.
    pub fn require(&self, scope: &str) -> Result<(), Problem> {
        match self {
            held if held.holds(scope) => Ok(()),
            Self::Anonymous => Err(Problem::new(Code::TokenMissing)),
            Self::Service { .. } | Self::Member { .. } => {
                Err(Problem::new(Code::Forbidden).detail(format!("the scope `{scope}` is needed")))
            }
        }
    }

    /// Refuses a member whose session is bound to another device than `device` (403). For an id that many
    /// devices share no session is bound to any: every member may name it, because nothing is stored
    /// under it. What a service key may do is a matter of its scopes.
    pub fn acts_for(&self, device: &DeviceId) -> Result<(), Problem> {
        match self {
            Self::Service { .. } => Ok(()),
            Self::Member { .. } if device.is_shared() => Ok(()),
            Self::Member { device: bound, .. } if *bound == Some(DeviceKey::of(device)) => Ok(()),
            Self::Member { .. } => {
                Err(Problem::new(Code::Forbidden).detail("the session is bound to another device"))
            }
            Self::Anonymous => Err(Problem::new(Code::TokenMissing)),
        }
    }

    /// Who they are, on a route that only members may call.
    pub fn member(&self) -> Result<(MemberId, SessionId), Problem> {
        match self {
            Self::Member { id, session, .. } => Ok((*id, *session)),
            Self::Service { .. } => Err(Problem::new(Code::Forbidden).detail("members only")),
            Self::Anonymous => Err(Problem::new(Code::TokenMissing)),
        }
    }
}

/// A parsed request.
#[derive(Debug)]
pub struct Call<P, Q, B> {
    /// The path's parameters.
    pub path: P,
    /// The query's.
    pub query: Q,
    /// The body.
    pub body: B,
    /// All headers.
    pub headers: HeaderMap,
    /// Who calls.
    pub principal: Principal,
    /// What the maintenance gate knew of it.
    pub passed: Passed,
    /// The rest.
    pub facts: Arc<Facts>,
    pub(crate) random: Random,
    /// The body as it was sent, where the handler honours `Idempotency-Key`.
    pub(crate) sent_body: Option<Vec<u8>>,
}

/// An `Idempotency-Key` and the body that came with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyKey<'c> {
    /// The header's value.
    pub key: &'c str,
    /// The body as it was sent.
    pub body: &'c [u8],
}

impl<P, Q, B> Call<P, Q, B> {
    /// The instant the request is answered at: one for all of it.
    pub fn now(&self) -> Instant {
        self.facts.received_at
    }

    /// A random generator of this request's own.
    pub fn rng(&self) -> StdRng {
        self.random.rng()
    }

    /// A header's text; `None` when it is absent or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the `Idempotency-Key` of a request to a route whose handler honours it; `None` if there
    /// is none.
    ///
    /// # Errors
    /// 400 `invalid_header` if the key is empty or longer than 255 bytes.
    pub fn idempotency_key(&self) -> Result<Option<IdempotencyKey<'_>>, Problem> {
        let (Some(body), Some(sent)) = (&self.sent_body, self.headers.get("idempotency-key"))
        else {
            return Ok(None);
        };
        let key = legal(sent)?;
        Ok(Some(IdempotencyKey { key, body }))
    }

    /// Returns what a header reports about the app or its device; `None` where the header is absent,
    /// empty or cannot be read.
    pub fn reported<T: ReportedValue>(&self, name: &str) -> Option<T> {
        T::reported(self.header(name)?)
    }

    /// `X-App-Build`, where it is a whole number.
    pub fn app_build(&self) -> Option<u64> {
        domain::reported::build(self.header("x-app-build")?)
    }

    /// Returns the device id of `X-Device-Id`; `None` where the header is absent or cannot be read, and
    /// where many devices share the id.
    pub fn device_id(&self) -> Option<DeviceId> {
        self.reported("x-device-id")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_must_be_held_by_name_or_by_the_star() {
        let key = |scopes: &[&str]| Principal::Service {
            id: "ops".into(),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
        };
        let refused =
            |principal: Principal| principal.require("content:write").err().map(|p| p.code);
        assert_eq!(refused(key(&["*"])), None);
        assert_eq!(refused(key(&["content:read", "content:write"])), None);
        assert_eq!(refused(key(&["content:read"])), Some(Code::Forbidden));
        assert_eq!(refused(Principal::Anonymous), Some(Code::TokenMissing));
        assert_eq!(refused(member(PHONE)), Some(Code::Forbidden));
    }

    const PHONE: &str = "phone-1-example-0001";

    #[test]
    fn a_member_acts_for_the_device_that_the_session_is_bound_to() {
        let device: DeviceId = PHONE.parse().unwrap();
        let refused = |who: Principal| who.acts_for(&device).err().map(|problem| problem.code);
        assert_eq!(refused(member(PHONE)), None);
        assert_eq!(
            refused(member("phone-2-example-0002")),
            Some(Code::Forbidden)
        );
        assert_eq!(refused(Principal::Anonymous), Some(Code::TokenMissing));
    }

    #[test]
    fn an_id_that_many_devices_share_is_nobodys_in_particular() {
        for shared in ["ffffffff-ffff-ffff-ffff-ffffffffffff", "undefined"] {
            let device: DeviceId = shared.parse().unwrap();
            assert!(member(PHONE).acts_for(&device).is_ok(), "{shared}");
        }
        let device: DeviceId = "undefined".parse().unwrap();
        let refusal = Principal::Anonymous.acts_for(&device).unwrap_err();
        assert_eq!(refusal.code, Code::TokenMissing);
    }

    fn member(device: &str) -> Principal {
        Principal::Member {
            id: MemberId::from_bytes([1; 16]),
            session: SessionId::from_bytes([2; 16]),
            device: Some(DeviceKey::of(&device.parse().unwrap())),
        }
    }
}
