//! What a stage lets through: a token bucket over all routes, a bound on what runs at once, and no more
//! than this machine can carry
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html>).

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::template::Throttling;

/// How many invocations an account runs at once, unless its quota was raised.
const CONCURRENCY: usize = 1_000;

/// As many invocations run at once whatever comes of them.
const ALWAYS: usize = 256;

/// The longest that a request may be expected to wait for its response: half of what functions have.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// For how long a request waits for a place, and how often it looks. A refusal is early or useless.
const PATIENCE: Duration = Duration::from_millis(40);
const LOOK: Duration = Duration::from_millis(10);

/// Over which time completed invocations are counted, and over which at least.
const MEASURED: Duration = Duration::from_secs(1);
const LEAST_MEASURED: Duration = Duration::from_millis(20);

/// Admits requests as the stage's settings say, and invocations as the account's quota does and as this
/// machine can carry them.
pub(super) struct Throttle {
    bucket: Option<Bucket>,
    load: Mutex<Load>,
}

/// The invocations that run, and how fast they are completed.
#[derive(Default)]
struct Load {
    running: usize,
    completed: VecDeque<Instant>,
    /// Since when more than [`ALWAYS`] have been running.
    busy_since: Option<Instant>,
}

/// The place of one invocation, taken while it runs.
pub(super) struct Place<'a> {
    throttle: &'a Throttle,
    is_completed: bool,
}

impl Place<'_> {
    /// Notes that the invocation was completed. One that timed out was not, and says nothing good of
    /// the rate.
    pub(super) fn complete(&mut self) {
        self.is_completed = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.throttle.load().end(Instant::now(), self.is_completed);
    }
}

impl Throttle {
    /// With no settings every request is admitted.
    pub(super) fn new(settings: Option<Throttling>) -> Self {
        Self {
            bucket: settings.map(Bucket::new),
            load: Mutex::default(),
        }
    }

    /// Whether a request may go on to its route.
    pub(super) fn admits(&self) -> bool {
        let now = Instant::now();
        self.bucket.as_ref().is_none_or(|bucket| bucket.take(now))
    }

    /// The place of one invocation; `None`, after a moment, if more are running than are completed in
    /// time.
    pub(super) async fn place(&self) -> Option<Place<'_>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = Instant::now();
            if self.load().begin(now) {
                return Some(Place {
                    throttle: self,
                    is_completed: false,
                });
            }
            if now + LOOK > until {
                return None;
            }
            sleep(LOOK).await;
        }
    }

    fn load(&self) -> std::sync::MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Load {
    /// Counts one more invocation in, if those before it are expected to be completed in time.
    fn begin(&mut self, now: Instant) -> bool {
        if self.running >= CONCURRENCY || self.running >= ALWAYS && !self.can_carry_more(now) {
            return false;
        }
        self.running += 1;
        if self.running >= ALWAYS {
            self.busy_since.get_or_insert(now);
        }
        true
    }

    fn end(&mut self, now: Instant, is_completed: bool) {
        self.running = self.running.saturating_sub(1);
        if is_completed {
            self.completed.push_back(now);
        }
        self.forget(now);
        // Well below, so that a load at the limit is measured and not begun again and again.
        if self.running < ALWAYS / 2 {
            self.busy_since = None;
        }
    }

    /// Whether as many as are running are completed within [`LONGEST_WAIT`], at the present rate.
    fn can_carry_more(&mut self, now: Instant) -> bool {
        self.forget(now);
        let since = self.busy_since.unwrap_or(now);
        let measured = now.saturating_duration_since(since).min(MEASURED);
        if measured < LEAST_MEASURED {
            return false;
        }
        let completed = self.completed.iter().filter(|at| **at >= since).count();
        let expected = completed as f64 * LONGEST_WAIT.as_secs_f64() / measured.as_secs_f64();
        expected > self.running as f64
    }

    fn forget(&mut self, now: Instant) {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) > MEASURED;
        while self.completed.front().is_some_and(is_old) {
            self.completed.pop_front();
        }
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

    /// A load after `running` invocations began at once at `start`.
    fn burst(running: usize, start: Instant) -> Load {
        let mut load = Load::default();
        for _ in 0..running {
            assert!(load.begin(start));
        }
        load
    }

    #[test]
    fn a_burst_is_carried_where_it_is_completed_fast_enough() {
        let start = Instant::now();
        let mut load = burst(ALWAYS, start);
        assert!(!load.begin(start), "nothing is known of the rate yet");
        // One in 10 ms: a hundred a second, five hundred in five seconds.
        for nth in 1..=4 {
            load.end(start + Duration::from_millis(10 * nth), true);
            load.running += 1;
        }
        let soon = start + Duration::from_millis(40);
        while load.running < 500 {
            assert!(load.begin(soon), "{}", load.running);
        }
        assert!(!load.begin(soon));
    }

    #[test]
    fn what_is_completed_too_slowly_is_not_added_to() {
        let start = Instant::now();
        let mut load = burst(ALWAYS, start);
        load.end(start + Duration::from_millis(400), true);
        assert!(
            load.begin(start + Duration::from_millis(500)),
            "below the floor"
        );
        assert!(!load.begin(start + Duration::from_millis(600)));
        // What times out was not carried.
        for nth in 0..ALWAYS as u64 {
            load.end(start + Duration::from_millis(700 + nth), false);
            load.running += 1;
        }
        assert!(!load.begin(start + Duration::from_millis(900)));
        // Five a second and below: 256 would take 50 seconds.
        assert!(!load.begin(start + Duration::from_secs(3)));
    }

    #[test]
    fn no_more_invocations_run_at_once_than_the_account_may_have() {
        let start = Instant::now();
        let mut load = burst(ALWAYS, start);
        load.running = CONCURRENCY - 1;
        let now = start + Duration::from_millis(100);
        load.completed.extend(std::iter::repeat_n(now, 10_000));
        assert!(load.begin(now));
        assert!(!load.begin(now));
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
