//! When a published thing is there.

use crate::Instant;

/// A stretch of time: `starts_at` ≤ now < `ends_at`, or for ever after `starts_at`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) starts_at: Instant,
    pub(super) ends_at: Option<Instant>,
}

impl Schedule {
    pub(super) fn is_in_flight(self, now: Instant) -> bool {
        self.starts_at <= now && self.ends_at.is_none_or(|end| now < end)
    }
}

/// The next moment at which any of them begins or ends.
pub(super) fn next_boundary(
    schedules: impl Iterator<Item = Schedule>,
    now: Instant,
) -> Option<Instant> {
    schedules
        .flat_map(|schedule| [Some(schedule.starts_at), schedule.ends_at])
        .flatten()
        .filter(|boundary| *boundary > now)
        .min()
}
