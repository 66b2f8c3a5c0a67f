//! The lineup that requests are served from, made anew when campaigns or delivery are, or when it no
//! longer stands.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    Instant,
    allocation::{Lineup, Snapshot},
    delivery::Delivery,
};

/// The last lineup.
pub(crate) struct Lineups {
    delivery_age_limit: Duration,
    last: Mutex<Option<Lineup>>,
}

impl Lineups {
    /// A delivery older than the limit is not gone by.
    pub(crate) fn new(delivery_age_limit: Duration) -> Self {
        Self {
            delivery_age_limit,
            last: Mutex::default(),
        }
    }

    /// The lineup of these campaigns and this delivery at `now`.
    pub(crate) fn of(
        &self,
        snapshot: &Arc<Snapshot>,
        delivery: &Arc<Delivery>,
        now: Instant,
    ) -> Lineup {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let lineup = match last.take() {
            Some(lineup) if lineup.is_of(snapshot, delivery) => lineup.at(now),
            _ => Lineup::new(
                Arc::clone(snapshot),
                Arc::clone(delivery),
                self.delivery_age_limit,
                now,
            ),
        };
        last.insert(lineup).clone()
    }
}
