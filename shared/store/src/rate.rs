//! Rate limits that all instances share: a counter per scope and window.
//!
//! Actions on the Requests table: UpdateItem.

use std::time::Duration;

use domain::Instant;

use crate::{StoreError, Table, keys, table::number};

/// What a hit came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it stays within the limit.
    pub allowed: bool,
    /// How many more the window takes.
    pub remaining: u32,
    /// Until the next window begins.
    pub reset: Duration,
}

impl Decision {
    /// Returns the seconds until the next window begins, rounded up: sooner, a call would meet the same
    /// window.
    pub fn reset_s(&self) -> u64 {
        self.reset.as_secs() + u64::from(self.reset.subsec_nanos() > 0)
    }
}

/// The counters.
#[derive(Debug, Clone)]
pub struct Rates {
    table: Table,
}

impl Rates {
    /// Takes the Requests table.
    pub fn new(requests: Table) -> Self {
        Self { table: requests }
    }

    /// Counts one hit of `scope` (printable, at most some hundred bytes) in the window that `now`
    /// falls into. Windows begin at multiples of their length since the epoch. One update.
    ///
    /// A hit whose answer was lost may be counted twice, which errs on the safe side.
    pub async fn hit(
        &self,
        scope: &str,
        limit: u32,
        window: Duration,
        now: Instant,
    ) -> Result<Decision, StoreError> {
        let window = Window::at(window, now);
        let expires_at = (window.ends_at + window.length).as_seconds();
        let updated = self
            .table
            .update(
                &keys::rate(scope, window.number),
                "ADD hits :one SET expires_at = :expires_at",
                None,
                [(":one", number(1)), (":expires_at", number(expires_at))],
            )
            .await?;
        let hits: u32 = updated
            .get("hits")
            .and_then(|hits| hits.as_n().ok()?.parse().ok())
            .ok_or_else(|| StoreError::corrupt(self.table.name(), "a counter without a count"))?;
        Ok(Decision {
            allowed: hits <= limit,
            remaining: limit.saturating_sub(hits),
            reset: window.ends_at.since(now),
        })
    }
}

#[derive(Debug, PartialEq)]
struct Window {
    number: i64,
    length: Duration,
    ends_at: Instant,
}

impl Window {
    fn at(length: Duration, now: Instant) -> Self {
        let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1);
        let number = now.as_millis().div_euclid(millis);
        let ends_at = number.saturating_add(1).saturating_mul(millis);
        Self {
            number,
            length,
            ends_at: Instant::from_millis(ends_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seconds_to_wait_reach_the_next_window_and_not_beyond() {
        for (millis, seconds) in [(60_000, 60), (59_999, 60), (1_001, 2), (1_000, 1), (1, 1)] {
            let decision = Decision {
                allowed: false,
                remaining: 0,
                reset: Duration::from_millis(millis),
            };
            assert_eq!(decision.reset_s(), seconds, "{millis} ms");
        }
    }

    #[test]
    fn windows_begin_at_multiples_of_their_length() {
        let minute = Duration::from_secs(60);
        for (now, number, ends_at) in [(0, 0, 60_000), (59_999, 0, 60_000), (60_000, 1, 120_000)] {
            let window = Window::at(minute, Instant::from_millis(now));
            assert_eq!(window.number, number, "at {now}");
            assert_eq!(window.ends_at, Instant::from_millis(ends_at), "at {now}");
        }
    }
}
