//! Leases of budgets that are near their end.
//!
//! An instance that is busy with a campaign leases ahead of its demand, so requests seldom meet a
//! campaign without a lease. The one that does goes on with other campaigns; it waits for a lease, but
//! not for long, where a slot would stay empty.

use std::time::Duration;

use domain::{
    Instant,
    allocation::{Allocation, Placed, Request},
    pacing::Terms,
};
use futures_util::future::join_all;
use rand::{Rng, RngExt as _};

use crate::State;

/// The longest that a request waits for leases.
const PATIENCE: Duration = Duration::from_millis(50);

impl State {
    /// Takes leases of campaigns that were drawn but for the lack of one: of no more than there are
    /// slots that stay empty or go to house items, and of one where there are none. A campaign that
    /// can have no lease now gives way to the next one. Returns whether it is worth drawing again.
    pub(crate) async fn lease(
        &self,
        request: &Request,
        allocation: &Allocation<'_>,
        rng: &mut impl Rng,
        now: Instant,
    ) -> bool {
        let slots = request.placements.iter();
        let slots: usize = slots.map(|wanted| usize::from(wanted.count)).sum();
        let placed = allocation.placed.iter();
        let filled = placed.filter(|placed| !placed.campaign.house).count();
        let lacking = slots.saturating_sub(filled);
        let mut taking = Vec::new();
        for campaign in &allocation.wanted {
            if taking.len() >= lacking.max(1) {
                break;
            }
            if let Some(terms) = Terms::of_campaign(campaign) {
                taking.extend(self.leases.want(&terms, rng.random(), now));
            }
        }
        if lacking == 0 || taking.is_empty() {
            return false;
        }
        join_all(taking.into_iter().map(|it| it.landed_within(PATIENCE))).await;
        true
    }

    /// Sees to the leases of campaigns of which units were just given out, for the requests to come.
    pub(crate) fn top_up(&self, placed: &[Placed<'_>], rng: &mut impl Rng, now: Instant) {
        for placed in placed.iter().filter(|placed| placed.leased) {
            if let Some(terms) = Terms::of_campaign(&placed.campaign) {
                // It goes on beside this request and the next ones.
                let _ = self.leases.want(&terms, rng.random(), now);
            }
        }
    }
}
