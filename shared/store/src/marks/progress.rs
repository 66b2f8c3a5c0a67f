//! How far the roll-up is.

use domain::Instant;
use serde::{Deserialize, Serialize};

/// How far the roll-up is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Every mark that was answered before this moment is in the totals; `None` before the first
    /// whole roll-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) as_of: Option<Instant>,
    /// What arrived in the minutes before this one is rolled up for good.
    pub(super) done_before: u32,
    /// When the last run began that has read the newest minutes, whatever older ones were left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seen_at: Option<Instant>,
    /// The first minute from which on the index of active minutes is complete; absent in what
    /// versions without the index wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) indexed_from: Option<u32>,
}

impl Progress {
    /// Returns the moment up to which campaigns' newest marks are known: where older ones are still
    /// being caught up with, sums are too small, and never too large.
    pub(super) fn known_at(&self) -> Option<Instant> {
        self.seen_at.max(self.as_of)
    }

    /// What arrived before `minute` is done. Says whether that is news.
    pub(super) fn reach(&mut self, minute: u32) -> bool {
        let news = minute > self.done_before;
        self.done_before = self.done_before.max(minute);
        news
    }
}
