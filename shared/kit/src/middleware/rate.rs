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
    endpoint::{Caller, Rate},
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

/// Returns what limits count as one address: an IPv4 address, or the /64 that an IPv6 host is given
/// whole. An IPv4 address that is written as IPv6 is the IPv4 address.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

/// How many calls a window allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The name of the limit, in the `RateLimit` headers.
    pub policy: &'static str,
    /// Calls in one window.
    pub calls: u32,
    /// The window in seconds.
    pub window_s: u64,
}

impl Quota {
    const fn per_minute(policy: &'static str, calls: u32) -> Self {
        Self {
            policy,
            calls,
            window_s: 60,
        }
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
                let quota = Quota::per_minute("address", self.per_minute);
                return refuse(Some(facts), rate_limited(decision, quota));
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
        let Some(subject) = subject(&request, facts.endpoint.caller) else {
            return next.run(request).await;
        };
        let who = format!("{}#{subject}", facts.endpoint.operation);
        let quota = Quota::per_minute("caller", per_minute);
        match counter.hit(who, per_minute, facts.received_at).await {
            Ok(decision) if !decision.allowed => {
                refuse(Some(&facts), rate_limited(decision, quota))
            }
            Ok(decision) => {
                let mut response = next.run(request).await;
                for (name, value) in headers(decision, quota) {
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
/// naming another's must not use up that device's calls. A service key speaks for many devices, so on a
/// device's routes it is counted for each that it names.
fn subject(request: &Request, caller: Caller) -> Option<String> {
    let principal = request.extensions().get::<Principal>()?;
    let of_devices = matches!(caller, Caller::Device(_) | Caller::Service(_));
    let device = || {
        let parameters = request.path_parameters_ref().filter(|_| of_devices)?;
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

/// Returns the refusal of a call beyond `quota`: 429 with `Retry-After`, `RateLimit` and
/// `RateLimit-Policy`.
pub fn rate_limited(decision: Decision, quota: Quota) -> Problem {
    let wait_s = decision.reset_s.clamp(1, quota.window_s.max(1));
    let mut problem = Problem::new(Code::RateLimited).retry_after(wait_s);
    for (name, value) in headers(decision, quota) {
        problem = problem.header(name, value);
    }
    problem
}

/// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).
fn headers(decision: Decision, quota: Quota) -> Vec<(HeaderName, HeaderValue)> {
    let Quota {
        policy,
        calls,
        window_s,
    } = quota;
    let state = format!(
        "\"{policy}\";r={};t={}",
        decision.remaining, decision.reset_s
    );
    let limit = format!("\"{policy}\";q={calls};w={window_s}");
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
    fn an_ipv4_address_in_ipv6_is_itself_and_no_network() {
        let counted = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(counted("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(counted("192.0.2.1"), "192.0.2.1");
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn a_limit_of_an_hour_says_how_long_to_wait() {
        let decision = Decision {
            allowed: false,
            remaining: 0,
            reset_s: 1_800,
        };
        let quota = Quota {
            policy: "guests",
            calls: 20,
            window_s: 3_600,
        };
        let problem = rate_limited(decision, quota);
        let headers = problem.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(
            headers,
            [
                ("retry-after", "1800"),
                ("ratelimit", "\"guests\";r=0;t=1800"),
                ("ratelimit-policy", "\"guests\";q=20;w=3600"),
            ]
        );
    }

    #[test]
    fn a_member_is_counted_by_name_and_a_service_key_by_the_device_it_names_too() {
        let by = |principal: Principal, device: Option<&str>| {
            let caller = Caller::Device("devices:write");
            let mut request = Request::default();
            request.extensions_mut().insert(principal);
            let parameters = device.map(|id| ("id".to_owned(), vec![id.to_owned()]));
            let parameters: HashMap<_, _> = parameters.into_iter().collect();
            subject(&request.with_path_parameters(parameters), caller)
        };
        let key = Principal::Service {
            id: "ops".to_owned(),
            scopes: Vec::new(),
        };
        let member = Principal::Member {
            id: MemberId::from_bytes([1; 16]),
            session: SessionId::from_bytes([2; 16]),
            device: Some(DeviceKey::of(&"phone-1".parse().unwrap())),
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
