//! A circuit breaker: an upstream that fails again and again is left alone for a moment, so that
//! requests do not wait for what will not come.
//!
//! What counts is the upstream's own failure. A refusal of what a caller sent is an answer.

use std::{
    ops::RangeInclusive,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::Instant;

/// This many failures in a row open it.
const FAILURES: u32 = 5;

/// How long it stays open, in milliseconds: at random, so that processes do not come back together;
/// short, so that who was told to wait finds the upstream healed.
const OPEN_MS: RangeInclusive<u64> = 2_000..=4_000;

/// A probe that has not come back after this is given up on: its caller may have gone away.
const PROBE: Duration = Duration::from_secs(5);

/// One upstream's breaker.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing { since: Instant },
}

/// It is open: ask no sooner than after this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// How long to wait.
    pub retry_after: Duration,
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether the upstream may be asked now. Once it has been open long enough one caller may, and
    /// what comes of that decides.
    ///
    /// # Errors
    /// It may not.
    pub fn admit(&self, now: Instant) -> Result<(), Open> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, longest) = match *state {
            State::Closed { .. } => return Ok(()),
            State::Open { until } => (until, Duration::from_millis(*OPEN_MS.end())),
            State::Probing { since } => (since + PROBE, PROBE),
        };
        if now < until {
            // `now` is when the caller's request came, which may be before it was opened.
            return Err(Open {
                retry_after: until.since(now).min(longest),
            });
        }
        *state = State::Probing { since: now };
        Ok(())
    }

    /// The upstream answered.
    pub fn answered(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// The upstream failed, which was seen at `now`.
    pub fn failed(&self, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || State::Open {
            until: now + Duration::from_millis(rand::random_range(OPEN_MS)),
        };
        *state = match *state {
            State::Closed { failures } if failures + 1 < FAILURES => State::Closed {
                failures: failures + 1,
            },
            // Those who asked before it opened come back late: they tell nothing new.
            State::Open { until } => State::Open { until },
            State::Closed { .. } | State::Probing { .. } => open(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_seconds(1_000);

    fn broken() -> Breaker {
        let breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert_eq!(breaker.admit(START), Ok(()));
            breaker.failed(START);
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_for_two_to_four_seconds() {
        let breaker = broken();
        let open = breaker.admit(START).unwrap_err();
        let wait = open.retry_after.as_secs_f64();
        assert!((2.0..=4.0).contains(&wait), "{wait}");
        assert!(breaker.admit(START + Duration::from_millis(1_999)).is_err());
        assert!(breaker.admit(START + Duration::from_secs(4)).is_ok());
    }

    #[test]
    fn a_request_that_came_before_it_opened_waits_no_longer_than_it_stays_open() {
        let breaker = broken();
        let early = START - Duration::from_secs(9);
        let wait = breaker.admit(early).unwrap_err().retry_after;
        assert_eq!(wait, Duration::from_secs(4));
        assert!(breaker.admit(START + Duration::from_secs(4)).is_ok());
        let wait = breaker.admit(early).unwrap_err().retry_after;
        assert_eq!(wait, PROBE);
    }

    #[test]
    fn an_answer_between_failures_keeps_it_closed() {
        let breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failed(START);
            breaker.failed(START);
            breaker.answered();
        }
        assert_eq!(breaker.admit(START), Ok(()));
    }

    #[test]
    fn one_probe_is_let_through_and_decides() {
        let breaker = broken();
        let later = START + Duration::from_secs(4);
        assert!(breaker.admit(later).is_ok());
        assert!(breaker.admit(later).is_err(), "one at a time");
        breaker.failed(later);
        assert!(breaker.admit(later + Duration::from_secs(1)).is_err());
        let healed = later + Duration::from_secs(4);
        assert!(breaker.admit(healed).is_ok());
        breaker.answered();
        assert!(breaker.admit(healed).is_ok() && breaker.admit(healed).is_ok());
    }

    #[test]
    fn a_probe_that_is_never_told_of_does_not_keep_it_open() {
        let breaker = broken();
        let later = START + Duration::from_secs(4);
        assert!(breaker.admit(later).is_ok());
        assert!(breaker.admit(later + Duration::from_millis(4_999)).is_err());
        assert!(breaker.admit(later + PROBE).is_ok());
    }
}
