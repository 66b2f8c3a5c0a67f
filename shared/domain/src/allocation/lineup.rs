//! Which campaigns may go out at a time: those in flight whose budget is not spent.
//!
//! A [`Snapshot`] says what was published, a [`Delivery`] how much of it may still go out; together
//! at a moment they make a [`Lineup`], which requests are served from. Making one costs a look at every
//! campaign, so it is done beside requests, and for some time ahead: a lineup has in it whoever is in
//! flight at any moment of that time, and the draw, which asks everybody whom it draws, passes over who
//! is not in flight at the request's own. So it is exact to the millisecond when a flight begins or
//! ends, and nobody has to be there at that moment to make another. Being [due](Lineup::is_due) for
//! another says no more than that there are campaigns in it by now that are drawn in vain.

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

/// How far ahead a lineup looks.
pub(super) const AHEAD: Duration = Duration::from_secs(120);

/// Campaigns that are drawn in vain are borne for as long as this before another is due.
const REST: Duration = Duration::from_secs(5);

/// The campaigns that may go out at a time.
#[derive(Debug, Clone)]
pub struct Lineup {
    pub(super) snapshot: Arc<Snapshot>,
    delivery: Arc<Delivery>,
    delivery_age_limit: Duration,
    at: Instant,
    live: Arc<Live>,
}

/// Which positions of each placement's shelves may go out for some time.
#[derive(Debug)]
struct Live {
    from: Instant,
    due_at: Instant,
    placements: Vec<LivePlacement>,
}

#[derive(Debug)]
pub(super) struct LivePlacement {
    pub(super) campaigns: Bits,
    pub(super) house: Bits,
}

impl Lineup {
    /// The lineup at `now`, which is good for two minutes from then on. A delivery older than
    /// `delivery_age_limit` says nothing any more of budgets that impressions use up.
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
                due_at: now,
                placements: Vec::new(),
            }),
        };
        lineup.live = Arc::new(lineup.look());
        lineup
    }

    /// The same lineup at another moment. Beyond the time that it is good for, campaigns whose flight
    /// began meanwhile are not in it; one whose flight has ended never goes out.
    #[must_use]
    pub fn at(&self, now: Instant) -> Self {
        Self {
            at: now,
            ..self.clone()
        }
    }

    /// A new one of the same campaigns and the same delivery.
    #[must_use]
    pub fn renewed(&self, now: Instant) -> Self {
        let (snapshot, delivery) = (Arc::clone(&self.snapshot), Arc::clone(&self.delivery));
        Self::new(snapshot, delivery, self.delivery_age_limit, now)
    }

    /// Whether it is time for another one of the same campaigns and the same delivery: well before
    /// the end of the time that this one is good for.
    pub fn is_due(&self, now: Instant) -> bool {
        !(self.live.from..self.live.due_at).contains(&now)
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
            due_at: self.due_at(),
            placements: self.snapshot.placements().iter().map(look).collect(),
        }
    }

    fn may_go_out(&self, row: &Row, place: u32) -> bool {
        let ahead = self.at + AHEAD;
        row.starts_at < ahead.as_millis()
            && self.at.as_millis() < row.ends_at
            && (!row.has_budget()
                || self.snapshot.campaign(place).is_some_and(|campaign| {
                    let throttle = self.throttle(&campaign);
                    throttle.zone != Zone::Spent && throttle.pass > 0.0
                }))
    }

    /// When a flight begins or ends, at the latest when half of the time is over; or when the delivery
    /// is too old, and what was spent may go out under leases.
    fn due_at(&self) -> Instant {
        let now = self.at.as_millis();
        let flights = self.snapshot.rows().iter();
        let bounds = flights.flat_map(|row| [row.starts_at, row.ends_at]);
        let next = bounds.filter(|bound| *bound > now).min();
        let next = Instant::from_millis(next.unwrap_or(i64::MAX));
        let due_at = next.clamp(self.at + REST, self.at + AHEAD / 2);
        let too_old = self.delivery.at + self.delivery_age_limit + Duration::from_millis(1);
        if too_old > self.at {
            due_at.min(too_old)
        } else {
            due_at
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The lineup of one flight, made at the tenth second, with a delivery of the first.
    fn lineup(starts_at: i64, ends_at: i64, age_limit_s: u64) -> Lineup {
        let time = |seconds| Instant::from_seconds(seconds).to_string();
        let item = format!(
            r#"{{"advertiser":"acme","name":"Spring","starts_at":"{}","ends_at":"{}","tier":1,
            "weight":1,"placements":["home"],"types":["image"],"consent":"not_required",
            "no_device":"serve","pacing":"even","sampling":"weighted",
            "click_url":"https://example.com","creatives":[{{"id":"red","type":"image","weight":1,
            "assets":{{}}}}]}}"#,
            time(starts_at),
            time(ends_at),
        );
        let artefact = format!(r#"{{"items":[{{"id":"spring","item":{item}}}]}}"#);
        let snapshot = Snapshot::load(1, artefact.as_bytes()).unwrap();
        let delivery = Delivery {
            at: Instant::from_seconds(1),
            ..Delivery::default()
        };
        let age_limit = Duration::from_secs(age_limit_s);
        let made_at = Instant::from_seconds(10);
        Lineup::new(snapshot.into(), delivery.into(), age_limit, made_at)
    }

    #[test]
    fn a_lineup_is_due_when_a_flight_begins_or_ends_but_not_all_the_time_nor_too_late() {
        for (starts_at, ends_at, age_limit, due_at) in [
            (0, 9_000, 9_000, 70),
            (0, 50, 9_000, 50),
            (40, 50, 9_000, 40),
            (11, 50, 9_000, 15),
            (0, 9_000, 20, 22),
            (0, 9_000, 3, 70),
        ] {
            let lineup = lineup(starts_at, ends_at, age_limit);
            let due = |seconds| lineup.is_due(Instant::from_seconds(seconds));
            let first = (10..1_000).find(|seconds| due(*seconds));
            assert_eq!(first, Some(due_at), "{starts_at} {ends_at} {age_limit}");
            assert!(due(9), "the clock was set back");
            assert!(
                lineup
                    .renewed(Instant::from_seconds(9))
                    .is_due(Instant::from_seconds(8))
            );
        }
    }
}
