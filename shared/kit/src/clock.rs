//! The time, handed in: nothing below `main` reads a clock of its own.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use domain::Instant;

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

/// The hand that moves a [`Clock::manual`].
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Moves the clock forward (or, negative, back) by `millis`.
    pub fn advance_millis(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}
