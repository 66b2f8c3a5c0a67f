//! How far the roll-up is, and for how long a minute stays open.

use std::time::Duration;

use domain::Instant;
use serde::{Deserialize, Serialize};

/// Instances that were configured before a change may go on giving out tokens of the old life for
/// this long: replacing a function bit by bit takes up to 100 minutes.
const REPLACED_WITHIN: Duration = Duration::from_secs(2 * 3600);

/// How far the roll-up is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Every mark that was answered before this moment is in the totals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) as_of: Option<Instant>,
    /// Minutes before this one are closed and rolled up for good.
    pub(super) closed_before: u32,
    #[serde(default)]
    pub(super) horizon: Horizon,
}

/// How long after its begin a minute may still get marks.
///
/// Tokens of the life that was configured before a shorter one are good until they expire, so the
/// longer life goes on counting until none of them can be left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Horizon {
    /// The longest that any token may still have, in milliseconds.
    longest_ms: u64,
    /// What was configured when it was last looked at, in milliseconds.
    configured_ms: u64,
    /// When the longest gives way to what is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Instant>,
}

impl Progress {
    /// Closes the minutes before `minute`. Says whether that is news.
    pub(super) fn close(&mut self, minute: u32) -> bool {
        let news = minute > self.closed_before;
        self.closed_before = self.closed_before.max(minute);
        news
    }
}

impl Horizon {
    /// The horizon from `now` on, where `configured` is what tokens are given from now on.
    pub(super) fn at(self, configured: Duration, now: Instant) -> Self {
        let configured_ms = u64::try_from(configured.as_millis()).unwrap_or(u64::MAX);
        let shortened = configured_ms < self.configured_ms;
        let outlived = self.until.is_some_and(|until| until <= now);
        let (longest_ms, until) = match () {
            () if configured_ms >= self.longest_ms => (configured_ms, None),
            () if shortened => (
                self.longest_ms,
                Some(now + self.longest() + REPLACED_WITHIN),
            ),
            () if outlived => (configured_ms, None),
            () => (self.longest_ms, self.until),
        };
        Self {
            longest_ms,
            configured_ms,
            until,
        }
    }

    /// The longest that any token may still have.
    pub(super) fn longest(self) -> Duration {
        Duration::from_millis(self.longest_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const MINUTE: Duration = Duration::from_secs(60);

    /// What holds after each of these was configured, at these hours.
    fn longest_after(configured: &[(u64, Duration)]) -> Vec<Duration> {
        let mut horizon = Horizon::default();
        let mut seen = Vec::new();
        for (hours, configured) in configured {
            let now = Instant::from_seconds(0) + HOUR * u32::try_from(*hours).unwrap();
            horizon = horizon.at(*configured, now);
            seen.push(horizon.longest());
        }
        seen
    }

    #[test]
    fn a_longer_life_counts_at_once() {
        assert_eq!(
            longest_after(&[(0, MINUTE), (0, HOUR), (1, HOUR)]),
            [MINUTE, HOUR, HOUR]
        );
    }

    #[test]
    fn a_shorter_life_counts_once_no_token_of_the_longer_can_be_left() {
        // However long nobody looked before, the change may have been a moment ago.
        let told = [(0, HOUR), (100, MINUTE), (102, MINUTE), (103, MINUTE)];
        assert_eq!(longest_after(&told), [HOUR, HOUR, HOUR, MINUTE]);
    }

    #[test]
    fn shortened_again_and_again_nothing_in_between_is_forgotten() {
        let told = [
            (0, 10 * HOUR),
            (1, MINUTE),
            (5, 9 * HOUR),
            (12, MINUTE),
            (13, MINUTE),
            (23, MINUTE),
            (24, MINUTE),
        ];
        let ten = 10 * HOUR;
        assert_eq!(longest_after(&told), [ten, ten, ten, ten, ten, ten, MINUTE]);
    }
}
