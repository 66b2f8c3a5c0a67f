//! The time, handed in: nothing below `main` reads a clock of its own.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use domain::Instant;

use crate::config::Setting;

/// Where a function gets the time from.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
    /// The wall clock of the machine.
    pub fn system() -> Self {
        Self(Arc::new(|| {
            Instant::from_millis(jiff::Timestamp::now().as_millisecond())
        }))
    }

    /// A clock that showed the wall clock's time at `course.since` and runs faster ever since: what is
    /// told this course at different moments still agrees on the time.
    pub fn fast(course: Course) -> Self {
        let Course { speed, since } = course;
        let wall = Self::system();
        Self(Arc::new(move || since + wall.now().since(since) * speed))
    }

    /// A clock that stands still until its [`ManualClock`] moves it.
    pub fn manual(start: Instant) -> (Self, ManualClock) {
        let hand = Arc::new(AtomicI64::new(start.as_millis()));
        let read = Arc::clone(&hand);
        let clock = Self(Arc::new(move || {
            Instant::from_millis(read.load(Ordering::SeqCst))
        }));
        (clock, ManualClock(hand))
    }

    /// The instant it is now.
    pub fn now(&self) -> Instant {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// How a [`Clock::fast`] runs; written `1440@2026-11-20T00:00:00Z` for a day a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// How many seconds it shows per second, 1 to 100,000.
    pub speed: u32,
    /// When it showed the time of the wall clock.
    pub since: Instant,
}

impl Setting for Course {
    const EXPECTED: &'static str = "a speed from 1 to 100000, `@` and an instant";

    fn parse(text: &str) -> Option<Self> {
        let (speed, since) = text.split_once('@')?;
        let speed = speed.parse().ok()?;
        let since = since.parse().ok()?;
        (1..=100_000)
            .contains(&speed)
            .then_some(Self { speed, since })
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.speed, self.since)
    }
}

/// The hand that moves a [`Clock::manual`].
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Moves the clock forward (or, negative, back) by `millis`.
    pub fn advance_millis(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_reads_what_it_writes_and_nothing_else() {
        let course = Course::parse("1440@2026-11-20T00:00:00Z").unwrap();
        assert_eq!(course.speed, 1440);
        assert_eq!(Course::parse(&course.to_string()), Some(course));
        for bad in [
            "",
            "1440",
            "0@2026-11-20T00:00:00Z",
            "100001@2026-11-20T00:00:00Z",
            "2@now",
        ] {
            assert_eq!(Course::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_fast_clock_shows_days_while_minutes_pass() {
        let hour = std::time::Duration::from_secs(3_600);
        let since = Clock::system().now() - hour;
        let course = Course { speed: 24, since };
        let shown = Clock::fast(course).now().since(since);
        assert!(shown >= 24 * hour && shown < 25 * hour, "{shown:?}");
    }
}
