//! Which campaigns may go out at a time: those in flight whose budget is not spent.
//!
//! A [`Snapshot`] says what was published, a [`Delivery`] how much of it may still go out; together
//! at a moment they make a [`Lineup`], which requests are served from. It is made beside requests and
//! costs one look at every campaign; it [stands](Lineup::stands_until) until a flight begins or ends,
//! and making it anew for a later moment before that ([`Lineup::at`]) costs nothing.

use std::{sync::Arc, time::Duration};

use super::{
    Campaign, Snapshot,
    bits::Bits,
    snapshot::{Placement, Row},
};
use crate::{
    Instant,
    delivery::{Delivery, Throttle, Zone},
};

/// The campaigns that may go out at a time.
#[derive(Debug, Clone)]
pub struct Lineup {
    pub(super) snapshot: Arc<Snapshot>,
    delivery: Arc<Delivery>,
    delivery_age_limit: Duration,
    at: Instant,
    live: Arc<Live>,
}

/// Which positions of each placement's shelves may go out.
#[derive(Debug)]
struct Live {
    from: Instant,
    until: Instant,
    placements: Vec<LivePlacement>,
}

#[derive(Debug)]
pub(super) struct LivePlacement {
    pub(super) campaigns: Bits,
    pub(super) house: Bits,
}

impl Lineup {
    /// The lineup at `now`. A delivery older than `delivery_age_limit` says nothing any more of
    /// budgets that impressions use up.
    pub fn new(
        snapshot: Arc<Snapshot>,
        delivery: Arc<Delivery>,
        delivery_age_limit: Duration,
        now: Instant,
    ) -> Self {
        let mut lineup = Self {
            snapshot,
            delivery,
            delivery_age_limit,
            at: now,
            live: Arc::new(Live {
                from: now,
                until: now,
                placements: Vec::new(),
            }),
        };
        lineup.live = Arc::new(lineup.look());
        lineup
    }

    /// The lineup of the same snapshot and delivery at another moment.
    #[must_use]
    pub fn at(&self, now: Instant) -> Self {
        let mut lineup = Self {
            at: now,
            ..self.clone()
        };
        if !(self.live.from..self.live.until).contains(&now) {
            lineup.live = Arc::new(lineup.look());
        }
        lineup
    }

    /// The campaigns it is made of.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Whether it is made of these very campaigns and this delivery.
    pub fn is_of(&self, snapshot: &Arc<Snapshot>, delivery: &Arc<Delivery>) -> bool {
        Arc::ptr_eq(&self.snapshot, snapshot) && Arc::ptr_eq(&self.delivery, delivery)
    }

    /// What was delivered when it was made.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// The first moment at which another campaign may go out, or one no longer.
    pub fn stands_until(&self) -> Instant {
        self.live.until
    }

    /// The moment that it is of.
    pub(super) const fn moment(&self) -> Instant {
        self.at
    }

    /// How a campaign is held back.
    pub(super) fn throttle(&self, campaign: &Campaign<'_>) -> Throttle {
        self.delivery
            .throttle(campaign, self.at, self.delivery_age_limit)
    }

    pub(super) fn live(&self, placement: usize) -> Option<&LivePlacement> {
        self.live.placements.get(placement)
    }

    fn look(&self) -> Live {
        let of = |places: &[u32]| {
            let mut bits = Bits::none(places.len());
            let live = |(_, place): &(u32, &u32)| {
                let row = self.snapshot.row(**place);
                row.is_some_and(|row| self.may_go_out(row, **place))
            };
            for (position, _) in (0..).zip(places).filter(live) {
                bits.insert(position);
            }
            bits
        };
        let look = |placement: &Placement| LivePlacement {
            campaigns: of(&placement.campaigns.places),
            house: of(&placement.house.places),
        };
        Live {
            from: self.at,
            until: self.next_change(),
            placements: self.snapshot.placements().iter().map(look).collect(),
        }
    }

    fn may_go_out(&self, row: &Row, place: u32) -> bool {
        row.in_flight(self.at)
            && (!row.has_budget()
                || self.snapshot.campaign(place).is_some_and(|campaign| {
                    let throttle = self.throttle(&campaign);
                    throttle.zone != Zone::Spent && throttle.pass > 0.0
                }))
    }

    /// When a flight begins or ends next, or the delivery grows too old.
    fn next_change(&self) -> Instant {
        let now = self.at.as_millis();
        let flights = self.snapshot.rows().iter();
        let bounds = flights.flat_map(|row| [row.starts_at, row.ends_at]);
        let next = bounds.filter(|bound| *bound > now).min();
        let too_old = self.delivery.at + self.delivery_age_limit + Duration::from_millis(1);
        let next = Instant::from_millis(next.unwrap_or(i64::MAX));
        if too_old > self.at {
            next.min(too_old)
        } else {
            next
        }
    }
}

impl Default for Lineup {
    fn default() -> Self {
        Self::new(
            Arc::default(),
            Arc::default(),
            Duration::ZERO,
            Instant::default(),
        )
    }
}
