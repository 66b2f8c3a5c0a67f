//! How often one caller may call: by address in this process, by member or key in the database.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use domain::{DeviceKey, Instant};
use http::{HeaderName, HeaderValue};
use lambda_http::RequestExt as _;

use super::{Inner, Middleware, facts, refuse};
use crate::{
    Request, Response,
    call::Principal,
    endpoint::Rate,
    function::BoxFuture,
    problem::{Code, Problem},
};

const MINUTE_MS: f64 = 60_000.0;

/// As many addresses as one process remembers (about 5 MB).
const REMEMBERED: usize = 65_536;

/// Whether one more call is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// It is.
    pub allowed: bool,
    /// Calls left in the window.
    pub remaining: u32,
    /// Seconds until the window is over.
    pub reset_s: u64,
}

/// Counts calls where every instance sees them.
pub trait Counter: Send + Sync + 'static {
    /// One more call by `who`, of at most `per_minute`.
    fn hit(
        &self,
        who: String,
        per_minute: u32,
        now: Instant,
    ) -> BoxFuture<Result<Decision, Problem>>;
}

/// The limit by address: the generic cell rate algorithm, a minute's worth of burst.
pub(crate) struct AddressLimit {
    per_minute: u32,
    /// Per address, the instant (ms) at which its allowance is whole again.
    whole_at: Mutex<HashMap<IpAddr, f64>>,
}

impl AddressLimit {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self {
            per_minute: per_minute.max(1),
            whole_at: Mutex::new(HashMap::new()),
        }
    }

    fn hit(&self, address: IpAddr, now: Instant) -> Decision {
        let now = now.as_millis() as f64;
        let cost = MINUTE_MS / f64::from(self.per_minute);
        // A panic elsewhere leaves numbers behind that are still numbers.
        let mut whole_at = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        if whole_at.len() >= REMEMBERED {
            whole_at.retain(|_, at| *at > now);
            if whole_at.len() >= REMEMBERED {
                whole_at.clear();
            }
        }
        let entry = whole_at.entry(network(address)).or_insert(0.0);
        let after = entry.max(now) + cost;
        let allowed = after - now <= MINUTE_MS;
        if allowed {
            *entry = after;
        }
        let owed = (*entry - now).max(0.0);
        Decision {
            allowed,
            remaining: ((MINUTE_MS - owed) / cost).max(0.0) as u32,
            reset_s: (owed / 1_000.0).ceil() as u64,
        }
    }
}

/// What one caller is taken to have: an IPv4 address, or the /64 that an IPv6 host is given whole.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

impl Middleware for AddressLimit {
    async fn handle<S: Inner>(self: Arc<Self>, request: Request, next: S) -> Response {
        let facts = facts(&request);
        if let Some(facts) = facts.as_deref()
            && facts.endpoint.rate != Rate::Unlimited
            && let Some(address) = facts.address
        {
            let decision = self.hit(address, facts.received_at);
            if !decision.allowed {
                return refuse(Some(facts), limited(decision, self.per_minute, "address"));
            }
        }
        next.run(request).await
    }
}

/// The limit by member or key.
pub(crate) struct CallerLimit(pub(crate) Option<Arc<dyn Counter>>);

impl Middleware for CallerLimit {
    async fn handle<S: Inner>(self: Arc<Self>, request: Request, next: S) -> Response {
        let (Some(counter), Some(facts)) = (&self.0, facts(&request)) else {
            return next.run(request).await;
        };
        let Rate::Caller { per_minute } = facts.endpoint.rate else {
            return next.run(request).await;
        };
        let Some(subject) = subject(&request) else {
            return next.run(request).await;
        };
        let who = format!("{}#{subject}", facts.endpoint.operation);
        match counter.hit(who, per_minute, facts.received_at).await {
            Ok(decision) if !decision.allowed => {
                refuse(Some(&facts), limited(decision, per_minute, "caller"))
            }
            Ok(decision) => {
                let mut response = next.run(request).await;
                for (name, value) in headers(decision, per_minute, "caller") {
                    response.headers_mut().insert(name, value);
                }
                response
            }
            Err(problem) => {
                // The handler meets the same database: whether it can answer is its to say.
                tracing::warn!(code = problem.code.as_str(), "calls are not counted");
                next.run(request).await
            }
        }
    }
}

/// The caller whose calls are counted; `None` for an anonymous one, because one count for all of them
/// would let any of them use up everybody's calls.
///
/// A member is counted as a member, whichever device they name: a device's id proves nothing, and
/// naming another's must not use up that device's calls. A service key speaks for many devices, so it is
/// counted for each that it names.
fn subject(request: &Request) -> Option<String> {
    let principal = request.extensions().get::<Principal>()?;
    let device = || {
        let parameters = request.path_parameters_ref()?;
        parameters.first("id")?.parse().ok()
    };
    match principal {
        Principal::Anonymous => None,
        Principal::Member { .. } => Some(principal.name()),
        Principal::Service { .. } => Some(match device() {
            // Its id is stored nowhere, and in no counter's key either.
            Some(device) => format!("{}#{}", principal.name(), DeviceKey::of(&device)),
            None => principal.name(),
        }),
    }
}

fn limited(decision: Decision, per_minute: u32, policy: &str) -> Problem {
    let mut problem = Problem::new(Code::RateLimited).retry_after(decision.reset_s.clamp(1, 60));
    for (name, value) in headers(decision, per_minute, policy) {
        problem = problem.header(name, value);
    }
    problem
}

/// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).
fn headers(decision: Decision, per_minute: u32, policy: &str) -> Vec<(HeaderName, HeaderValue)> {
    let state = format!(
        "\"{policy}\";r={};t={}",
        decision.remaining, decision.reset_s
    );
    let limit = format!("\"{policy}\";q={per_minute};w=60");
    [("ratelimit", state), ("ratelimit-policy", limit)]
        .into_iter()
        .filter_map(|(name, value)| {
            Some((
                HeaderName::from_static(name),
                HeaderValue::from_str(&value).ok()?,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use domain::identity::{MemberId, SessionId};

    use super::*;

    #[test]
    fn an_address_has_a_minutes_burst_and_then_its_steady_share() {
        let limit = AddressLimit::new(60);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let at = |ms: i64| Instant::from_millis(1_000_000 + ms);
        let burst = (0..100)
            .filter(|_| limit.hit(address, at(0)).allowed)
            .count();
        assert_eq!(burst, 60);
        assert!(!limit.hit(address, at(900)).allowed);
        assert!(limit.hit(address, at(1_000)).allowed);
        assert!(limit.hit("192.0.2.2".parse().unwrap(), at(0)).allowed);
    }

    #[test]
    fn a_large_allowance_is_given_whole_and_an_ipv6_host_has_one() {
        let limit = AddressLimit::new(1_000_000);
        let now = Instant::from_millis(1_000_000);
        let address = |last: u128| IpAddr::from(Ipv6Addr::from_bits((0x2001_0db8 << 96) | last));
        let allowed = (0..1_100_000)
            .filter(|n| limit.hit(address(*n), now).allowed)
            .count();
        assert!((999_999..=1_000_000).contains(&allowed), "{allowed}");
    }

    #[test]
    fn a_member_is_counted_by_name_and_a_service_key_by_the_device_it_names_too() {
        let by = |principal: Principal, device: Option<&str>| {
            let mut request = Request::default();
            request.extensions_mut().insert(principal);
            let parameters = device.map(|id| ("id".to_owned(), vec![id.to_owned()]));
            let parameters: HashMap<_, _> = parameters.into_iter().collect();
            subject(&request.with_path_parameters(parameters))
        };
        let key = Principal::Service {
            id: "ops".to_owned(),
            scopes: Vec::new(),
        };
        let member = Principal::Member {
            id: MemberId::from_bytes([1; 16]),
            session: SessionId::from_bytes([2; 16]),
            device: DeviceKey::of(&"phone-1".parse().unwrap()),
        };
        assert_eq!(by(Principal::Anonymous, Some("phone-1")), None);
        assert_eq!(by(key.clone(), None).as_deref(), Some("service:ops"));
        let [one, other] = ["phone-1", "phone-2"].map(|device| by(key.clone(), Some(device)));
        assert!(one != other && one.unwrap().starts_with("service:ops#"));
        for device in [None, Some("phone-1"), Some("phone-2")] {
            assert_eq!(by(member.clone(), device), Some(member.name()));
        }
    }

    #[test]
    fn a_refused_call_costs_nothing() {
        let limit = AddressLimit::new(1);
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let at = |s: i64| Instant::from_millis(s * 1_000);
        assert!(limit.hit(address, at(0)).allowed);
        assert!((1..60).all(|s| !limit.hit(address, at(s)).allowed));
        assert!(limit.hit(address, at(60)).allowed);
    }
}
