//! Leases of budgets that are near their end.
//!
//! An instance that is busy with a campaign leases ahead of its demand, so requests seldom meet a
//! campaign without a lease. The one that does waits for it, but not for long.

use std::time::Duration;

use domain::{
    Instant,
    allocation::{Campaign, Placed},
    pacing::Terms,
};
use futures_util::future::join_all;
use rand::{Rng, RngExt as _};

use crate::State;

/// The longest that a request waits for leases.
const PATIENCE: Duration = Duration::from_millis(50);

impl State {
    /// Takes leases of campaigns that were drawn but for the lack of one. Says whether it is worth
    /// drawing again.
    pub(crate) async fn lease(
        &self,
        wanted: &[Campaign<'_>],
        rng: &mut impl Rng,
        now: Instant,
    ) -> bool {
        let mut taking = Vec::new();
        for campaign in wanted {
            let under_way = terms(campaign).and_then(|it| self.leases.want(&it, rng.random(), now));
            taking.extend(under_way.map(|taking| taking.landed_within(PATIENCE)));
        }
        let any = !taking.is_empty();
        join_all(taking).await;
        any
    }

    /// Sees to the leases of campaigns of which units were just given out, for the requests to come.
    pub(crate) fn top_up(&self, placed: &[Placed<'_>], rng: &mut impl Rng, now: Instant) {
        for placed in placed.iter().filter(|placed| placed.leased) {
            if let Some(terms) = terms(&placed.campaign) {
                // It goes on beside this request and the next ones.
                let _ = self.leases.want(&terms, rng.random(), now);
            }
        }
    }
}

fn terms(campaign: &Campaign<'_>) -> Option<Terms> {
    Terms::of(campaign.key, campaign.budget?, campaign.time_zone)
}
