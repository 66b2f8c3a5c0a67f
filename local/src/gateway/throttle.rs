//! What a stage lets through: a token bucket over all routes, a bound on what runs at once, and, since
//! this machine is no cloud, what it gets to in time
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html>).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::template::Throttling;

/// How many invocations an account runs at once, unless its quota was raised.
const CONCURRENCY: usize = 1_000;

/// Invocations that run at once without regard to how fast the machine is.
const UNMEASURED: usize = 64;

/// The most that run at once before the machine's speed under load is known.
const UNKNOWN_SPEED: usize = 512;

/// How long the speed is measured for.
const MEASURE: Duration = Duration::from_millis(250);

/// What would wait longer than this is refused: functions time out some seconds later.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Admits requests as the stage's settings say, and invocations as the account's quota does.
pub(super) struct Throttle {
    bucket: Option<Bucket>,
    invocations: Semaphore,
    backlog: Backlog,
}

/// The place of one invocation, which is free again when this is dropped.
pub(super) struct Place<'a> {
    _invocation: SemaphorePermit<'a>,
    backlog: &'a Backlog,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.backlog.leave(Instant::now());
    }
}

impl Throttle {
    /// With no settings every request is admitted.
    pub(super) fn new(settings: Option<Throttling>) -> Self {
        Self {
            bucket: settings.map(Bucket::new),
            invocations: Semaphore::new(CONCURRENCY),
            backlog: Backlog::default(),
        }
    }

    /// Whether a request may go on to its route.
    pub(super) fn admits(&self) -> bool {
        let now = Instant::now();
        self.bucket.as_ref().is_none_or(|bucket| bucket.take(now))
    }

    /// Returns the place of one invocation; `None` when all are taken, or when the machine would not
    /// get to it in time.
    pub(super) fn place(&self) -> Option<Place<'_>> {
        let invocation = self.invocations.try_acquire().ok()?;
        self.backlog.enter(Instant::now()).then_some(Place {
            _invocation: invocation,
            backlog: &self.backlog,
        })
    }
}

/// How much is running, and how fast it ends.
#[derive(Default)]
struct Backlog(Mutex<Load>);

#[derive(Default)]
struct Load {
    running: usize,
    /// Since when so much runs that the speed at which it ends is the machine's, and how much has
    /// ended since.
    busy: Option<(Instant, u32)>,
    /// The speed that was measured last.
    ended_per_second: Option<f64>,
}

impl Backlog {
    /// Adds an invocation, unless it would wait for too long.
    fn enter(&self, now: Instant) -> bool {
        let mut load = self.load();
        #[expect(clippy::cast_precision_loss, reason = "a thousand at most")]
        let running = load.running as f64;
        let is_admitted = match load.ended_per_second {
            _ if load.running < UNMEASURED => true,
            None => load.running < UNKNOWN_SPEED,
            Some(speed) => running < speed * LONGEST_WAIT.as_secs_f64(),
        };
        if is_admitted {
            load.running += 1;
            if load.running >= UNMEASURED && load.busy.is_none() {
                load.busy = Some((now, 0));
            }
        }
        is_admitted
    }

    fn leave(&self, now: Instant) {
        let mut load = self.load();
        load.running = load.running.saturating_sub(1);
        let Some((since, ended)) = load.busy else {
            return;
        };
        let ended = ended + 1;
        let elapsed = now.saturating_duration_since(since);
        if load.running < UNMEASURED {
            load.busy = None;
            load.ended_per_second = None;
        } else if elapsed < MEASURE {
            load.busy = Some((since, ended));
        } else {
            load.busy = Some((now, 0));
            load.ended_per_second = Some(f64::from(ended) / elapsed.as_secs_f64());
        }
    }

    fn load(&self) -> MutexGuard<'_, Load> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut places: Vec<_> = (0..UNKNOWN_SPEED)
            .map(|_| throttle.place().unwrap())
            .collect();
        assert!(throttle.place().is_none());
        places.pop();
        assert!(throttle.place().is_some());
        assert!(throttle.admits());
    }

    #[test]
    fn what_the_machine_would_not_get_to_in_time_is_refused_at_once() {
        let backlog = Backlog::default();
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let entered = |now, tries: usize| (0..tries).filter(|_| backlog.enter(now)).count();
        assert_eq!(entered(start, 1_000), UNKNOWN_SPEED);
        // A hundred a second: two hundred are as many as end within two seconds.
        for nth in 1..=400 {
            backlog.leave(after(10 * nth));
        }
        assert_eq!(entered(after(4_000), 1_000), 200 - (UNKNOWN_SPEED - 400));
        // Once there is little to do, the speed says nothing of the machine.
        for nth in 0..200 {
            backlog.leave(after(4_000 + 10 * nth));
        }
        assert_eq!(entered(after(60_000), 1_000), UNKNOWN_SPEED);
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
