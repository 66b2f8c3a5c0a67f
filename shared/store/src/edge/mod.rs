//! What the middleware asks of the store, what functions configure of it, and how its failures are
//! told to a caller.

mod gate;
mod limits;
mod snapshots;
mod tokens;

use std::{sync::Arc, time::Duration};

use domain::Instant;
use kit::{
    BoxFuture, Code, Principal, Problem, Random,
    config::Setting,
    middleware::{Authority, Begun, Claim, Counter, Decision, IdempotencyStore, Key, StoredAnswer},
    problem::Chain,
};

pub use self::{
    gate::{Gatekeeper, start_gated},
    limits::{Calls, CountedBy, LimitSettings, Limits},
    snapshots::{SNAPSHOT_AGE, SnapshotSettings, SnapshotSource, Watched},
    tokens::{AccessTokenLifetime, IssuerSettings, TokenAuthority, TokenSettings},
};
pub use crate::revocations::LONGEST_TOKEN;
use crate::{
    StoreError,
    idempotency::{self, Requests},
    marks::MARK_RETENTION,
    rate::Rates,
    service_keys::ServiceKeys,
    stamp::Stamp,
};

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::BadCursor => Self::new(Code::InvalidCursor),
            StoreError::TooLarge { .. } => Self::new(Code::BodyTooLarge).detail(error.to_string()),
            // Where a function expects one it says so itself: this one met others too often.
            error @ StoreError::Conflict { .. } => {
                tracing::warn!(error = %Chain(&error), "too many write the same");
                Self::unavailable("others are changing the same thing; nothing was changed")
            }
            error if error.is_transient() => {
                tracing::warn!(error = %Chain(&error), "the store does not answer");
                Self::unavailable(
                    "the database does not answer; whether anything was changed is not known",
                )
            }
            error => Self::internal(&error),
        }
    }
}

/// How long a tracking token counts: short enough for its mark to be kept until it is rolled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLifetime(pub Duration);

impl TokenLifetime {
    /// The longest that can be configured, in seconds: marks are kept for [`MARK_RETENTION`], and
    /// the roll-up may be days late.
    const MOST_S: u64 = 30 * 24 * 3600;
}

const _: () = assert!(TokenLifetime::MOST_S < MARK_RETENTION.as_secs());

impl Setting for TokenLifetime {
    const EXPECTED: &'static str = "a whole number of seconds from 1 to 2592000";

    fn parse(text: &str) -> Option<Self> {
        let seconds = text.parse().ok()?;
        let legal = (1..=Self::MOST_S).contains(&seconds);
        legal.then(|| Self(Duration::from_secs(seconds)))
    }
}

/// For how long after its token was given out a conversion counts, where that is longer than the
/// token's life: purchases come days after clicks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversionWindow(pub Duration);

impl Setting for ConversionWindow {
    const EXPECTED: &'static str = "a whole number of seconds from 0 to 2592000";

    fn parse(text: &str) -> Option<Self> {
        let seconds = text.parse().ok()?;
        let legal = seconds <= TokenLifetime::MOST_S;
        legal.then(|| Self(Duration::from_secs(seconds)))
    }
}

/// Service keys, as the authentication layer asks for them.
pub struct KeyAuthority {
    keys: ServiceKeys,
    clock: kit::Clock,
}

impl KeyAuthority {
    /// Asks `keys`, at the time `clock` says.
    pub fn new(keys: ServiceKeys, clock: kit::Clock) -> Arc<Self> {
        Arc::new(Self { keys, clock })
    }
}

impl Authority for KeyAuthority {
    fn service_key(&self, key: String) -> BoxFuture<Result<Option<Principal>, Problem>> {
        let (keys, now) = (self.keys.clone(), self.clock.now());
        Box::pin(async move {
            let known = keys.verify(&key, now).await?;
            Ok(known.map(|key| Principal::Service {
                id: key.id.as_str().to_owned(),
                scopes: key.scopes,
            }))
        })
    }
}

impl Counter for Rates {
    fn hit(
        &self,
        who: String,
        per_minute: u32,
        now: Instant,
    ) -> BoxFuture<Result<Decision, Problem>> {
        let rates = self.clone();
        Box::pin(async move {
            let hit = Self::hit(&rates, &who, per_minute, Duration::from_secs(60), now).await?;
            Ok(Decision {
                allowed: hit.allowed,
                remaining: hit.remaining,
                reset_s: hit.reset_s(),
            })
        })
    }
}

/// Idempotency records, as the middleware asks for them.
pub struct IdempotencyRecords {
    requests: Requests,
    random: Random,
}

impl IdempotencyRecords {
    /// Keeps records in `requests`.
    pub fn new(requests: Requests, random: Random) -> Arc<Self> {
        Arc::new(Self { requests, random })
    }
}

impl IdempotencyStore for IdempotencyRecords {
    fn begin(
        &self,
        key: Key,
        body: Vec<u8>,
        now: Instant,
        deadline: Instant,
    ) -> BoxFuture<Result<Begun, Problem>> {
        let requests = self.requests.clone();
        let stamp = Stamp::random(&mut self.random.rng());
        Box::pin(async move {
            let scope = idempotency::Scope {
                caller: &key.caller,
                route: &key.route,
                key: &key.key,
            };
            let begun = requests.begin(scope, &body, deadline, stamp, now).await?;
            Ok(match begun {
                idempotency::Begun::Fresh(claim) => Begun::Fresh(Box::new(RequestClaim {
                    requests: requests.clone(),
                    claim,
                })),
                idempotency::Begun::Replay(answer) => Begun::Answered(StoredAnswer {
                    status: answer.status,
                    headers: answer.headers,
                    body: answer.body,
                }),
                idempotency::Begun::Busy => Begun::InFlight,
                idempotency::Begun::Reused => Begun::Reused,
            })
        })
    }
}

struct RequestClaim {
    requests: Requests,
    claim: idempotency::InFlight,
}

impl Claim for RequestClaim {
    fn finish(
        self: Box<Self>,
        answer: StoredAnswer,
        now: Instant,
    ) -> BoxFuture<Result<(), Problem>> {
        Box::pin(async move {
            let answer = idempotency::Answer {
                status: answer.status,
                headers: answer.headers,
                body: answer.body,
            };
            Ok(self.requests.finish(self.claim, answer, now).await?)
        })
    }

    fn abandon(self: Box<Self>) -> BoxFuture<Result<(), Problem>> {
        Box::pin(async move { Ok(self.requests.abandon(self.claim).await?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lives_from_a_second_to_thirty_days() {
        let seconds = |text| TokenLifetime::parse(text).map(|lifetime| lifetime.0.as_secs());
        assert_eq!(seconds("1"), Some(1));
        assert_eq!(seconds("2592000"), Some(2_592_000));
        for refused in ["", "0", "-1", "1.5", "2592001", "18446744073709551615"] {
            assert_eq!(seconds(refused), None, "{refused}");
        }
    }

    #[test]
    fn conversions_may_come_up_to_thirty_days_late() {
        let seconds = |text| ConversionWindow::parse(text).map(|window| window.0.as_secs());
        assert_eq!(seconds("0"), Some(0));
        assert_eq!(seconds("2592000"), Some(2_592_000));
        for refused in ["", "-1", "2592001"] {
            assert_eq!(seconds(refused), None, "{refused}");
        }
    }

    #[test]
    fn a_failure_says_what_the_caller_can_do_about_it() {
        let unavailable = Problem::from(StoreError::Unavailable {
            operation: "PutItem",
            place: "devices".into(),
            source: "connection refused".into(),
        });
        assert_eq!(unavailable.code, Code::Unavailable);
        let detail = unavailable.detail.unwrap();
        assert!(detail.ends_with("whether anything was changed is not known"));
        let too_large = Problem::from(StoreError::TooLarge {
            what: "an answer",
            size_bytes: 2,
            limit_bytes: 1,
        });
        assert_eq!(too_large.code, Code::BodyTooLarge);
        assert_eq!(
            Problem::from(StoreError::BadCursor).code,
            Code::InvalidCursor
        );
        let corrupt = Problem::from(StoreError::corrupt("devices", "no body"));
        assert_eq!((corrupt.code, corrupt.detail), (Code::Internal, None));
    }
}
