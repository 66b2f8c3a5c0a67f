//! What a stage lets through: a token bucket over all routes, and a bound on what runs at once
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html>).

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::template::Throttling;

/// How many invocations an account runs at once, unless its quota was raised.
const CONCURRENCY: usize = 1_000;

/// Admits requests as the stage's settings say, and invocations as the account's quota does.
pub(super) struct Throttle {
    bucket: Option<Bucket>,
    invocations: Semaphore,
}

impl Throttle {
    /// With no settings every request is admitted.
    pub(super) fn new(settings: Option<Throttling>) -> Self {
        Self {
            bucket: settings.map(Bucket::new),
            invocations: Semaphore::new(CONCURRENCY),
        }
    }

    /// Whether a request may go on to its route.
    pub(super) fn admits(&self) -> bool {
        let now = Instant::now();
        self.bucket.as_ref().is_none_or(|bucket| bucket.take(now))
    }

    /// The place of one invocation, held while it runs; `None` when all are taken.
    pub(super) fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.invocations.try_acquire().ok()
    }
}

/// Holds at most `burst` tokens, gains `rate` a second, and gives one to each request.
struct Bucket {
    settings: Throttling,
    level: Mutex<Level>,
}

struct Level {
    tokens: f64,
    at: Option<Instant>,
}

impl Bucket {
    fn new(settings: Throttling) -> Self {
        let level = Level {
            tokens: settings.burst,
            at: None,
        };
        Self {
            settings,
            level: Mutex::new(level),
        }
    }

    fn take(&self, now: Instant) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let before = level.at.unwrap_or(now);
        let gained = now.saturating_duration_since(before).as_secs_f64() * self.settings.rate;
        level.tokens = (level.tokens + gained).min(self.settings.burst);
        level.at = Some(now.max(before));
        let has_one = level.tokens >= 1.0;
        if has_one {
            level.tokens -= 1.0;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn taken(bucket: &Bucket, now: Instant, tries: usize) -> usize {
        (0..tries).filter(|_| bucket.take(now)).count()
    }

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_its_rate_from_then_on() {
        let bucket = Bucket::new(Throttling {
            rate: 100.0,
            burst: 20.0,
        });
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        assert_eq!(taken(&bucket, start, 50), 20);
        assert_eq!(taken(&bucket, after(5), 50), 0);
        assert_eq!(taken(&bucket, after(55), 50), 5);
        assert_eq!(
            taken(&bucket, after(9_000), 50),
            20,
            "never more than the burst"
        );
        assert_eq!(
            taken(&bucket, after(8_000), 50),
            0,
            "an earlier time gains nothing"
        );
    }

    #[test]
    fn as_many_invocations_run_at_once_as_the_account_may_have() {
        let throttle = Throttle::new(None);
        let mut places: Vec<_> = (0..CONCURRENCY)
            .map(|_| throttle.place().unwrap())
            .collect();
        assert!(throttle.place().is_none());
        places.pop();
        assert!(throttle.place().is_some());
        assert!(throttle.admits());
    }

    #[test]
    fn a_bucket_of_nothing_admits_nobody() {
        let bucket = Bucket::new(Throttling {
            rate: 0.0,
            burst: 0.0,
        });
        assert!(!bucket.take(Instant::now()));
    }
}
