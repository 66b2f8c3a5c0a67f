//! Limits that hold for all instances together, each a parameter of the stack.
//!
//! The middleware limits by address within one instance, and by member or device where a route says
//! so. These are for the routes that anybody may call and that write: their counters lie in the
//! Requests table, under a hash of what they count.

use std::{net::IpAddr, time::Duration};

use domain::{Instant, identity::SessionId};
use kit::{
    Problem,
    config::{ResourceName, Setting},
    middleware::{Decision, Quota, network, rate_limited},
    problem::Chain,
};

use crate::{Database, rate::Rates};

kit::settings! {
    /// Where calls are counted.
    pub struct LimitSettings {
        /// The table of idempotency keys and rate limits.
        requests_table: ResourceName = "REQUESTS_TABLE", example "madang-dev-requests";
    }
}

/// Calls in one window, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls(pub u32);

impl Setting for Calls {
    const EXPECTED: &'static str = "a whole number from 1 to 1000000";

    fn parse(text: &str) -> Option<Self> {
        let calls = text.parse().ok()?;
        (1..=1_000_000).contains(&calls).then_some(Self(calls))
    }
}

impl Calls {
    /// Returns the quota of so many calls a minute under this name.
    pub fn per_minute(self, policy: &'static str) -> Quota {
        self.within(policy, 60)
    }

    /// Returns the quota of so many calls an hour under this name.
    pub fn per_hour(self, policy: &'static str) -> Quota {
        self.within(policy, 3_600)
    }

    fn within(self, policy: &'static str, window_s: u64) -> Quota {
        Quota {
            policy,
            calls: self.0,
            window_s,
        }
    }
}

/// Counts calls and refuses those beyond a quota.
#[derive(Debug, Clone)]
pub struct Limits {
    rates: Rates,
}

/// What a limit counts by: the caller, or what the caller has proved. Never a device that a request
/// names, because anybody can name another's.
#[derive(Debug, Clone, Copy)]
pub enum CountedBy<'a> {
    /// The caller's address; an IPv6 address by its /64. Without one nothing is counted.
    Address(Option<IpAddr>),
    /// A session.
    Session(SessionId),
    /// Anything else that has a short name.
    Name(&'a str),
}

impl CountedBy<'_> {
    fn name(self) -> Option<String> {
        match self {
            Self::Address(address) => Some(format!("address {}", network(address?))),
            Self::Session(session) => Some(format!("session {session}")),
            Self::Name(name) => Some(format!("name {name}")),
        }
    }
}

impl LimitSettings {
    /// Returns the limits whose counters lie in the configured table.
    pub fn limits(&self, database: &Database) -> Limits {
        Limits {
            rates: Rates::new(database.table(&self.requests_table.0)),
        }
    }
}

impl Limits {
    /// Counts a call and refuses it if the quota is used up.
    ///
    /// While the counters cannot be reached, calls are let through: what follows needs the same
    /// database, and a limit must not be what ends a sign-in.
    ///
    /// # Errors
    /// 429 `rate_limited`.
    pub async fn check(
        &self,
        by: CountedBy<'_>,
        quota: Quota,
        now: Instant,
    ) -> Result<(), Problem> {
        let Some(name) = by.name() else {
            return Ok(());
        };
        let scope = format!("{}#{name}", quota.policy);
        let window = Duration::from_secs(quota.window_s);
        match self.rates.hit(&scope, quota.calls, window, now).await {
            Ok(hit) if hit.allowed => Ok(()),
            Ok(hit) => {
                let decision = Decision {
                    allowed: false,
                    remaining: hit.remaining,
                    reset_s: hit.reset_s(),
                };
                Err(rate_limited(decision, quota))
            }
            Err(error) => {
                tracing::warn!(error = %Chain(&error), policy = quota.policy, "rate limit not checked");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_of_calls_and_never_none() {
        assert_eq!(Calls::parse("1"), Some(Calls(1)));
        assert_eq!(Calls::parse("1000000"), Some(Calls(1_000_000)));
        for refused in ["", "0", "-1", "1000001", "many"] {
            assert_eq!(Calls::parse(refused), None, "{refused}");
        }
    }

    #[test]
    fn an_ipv6_host_is_counted_by_its_network_and_nobody_is_not_counted() {
        let by = |text: &str| CountedBy::Address(text.parse().ok()).name();
        assert_eq!(by("2001:db8::1"), by("2001:db8::2"));
        assert_ne!(by("2001:db8::1"), by("2001:db8:0:1::1"));
        assert_ne!(by("192.0.2.1"), by("192.0.2.2"));
        assert_eq!(by("none"), None);
    }
}
