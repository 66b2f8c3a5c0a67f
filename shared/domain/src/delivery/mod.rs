//! What changes by itself between two publishes: how much of each budget may go out now, and what
//! was learned of creatives.
//!
//! A worker makes it every minute from the totals; every instance reads it beside the snapshot of
//! campaigns, which it belongs to. Far from its end a budget is held by a probability alone; near its
//! end, and whenever nothing is known of it, by leases.

mod codec;

use std::{collections::HashMap, time::Duration};

pub use codec::{Undecodable, decode, encode};

use crate::{Instant, allocation::Campaign, learning::Evidence, pacing::Terms};

/// How much of each budget may go out, and what was learned, at some moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delivery {
    /// The moment.
    pub at: Instant,
    /// By campaign key: campaigns with a budget that ends.
    pub throttles: HashMap<u64, Throttle>,
    /// By campaign key and creative key: campaigns that learn.
    pub learned: HashMap<u64, HashMap<u64, Evidence>>,
}

/// How a campaign is held back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttle {
    /// The probability with which an eligible request passes, 0 to 1.
    pub pass: f32,
    /// How near its budget's end is.
    pub zone: Zone,
}

/// How near a budget's end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Far: the probability alone holds it.
    Open,
    /// Near, or not known: it is served under a lease only.
    Exact,
    /// Used up, for the day or for good.
    Spent,
}

impl Throttle {
    /// Not held back at all.
    pub const FREE: Self = Self {
        pass: 1.0,
        zone: Zone::Open,
    };
}

impl Delivery {
    /// Returns how a campaign is held back at `now`. Of a budget of which nothing is known only what is
    /// leased goes out. So it is with one in impressions of which nothing is known that is younger than
    /// `age_limit`, at the pace that was known last; other budgets go on as was known last, because they
    /// are capped where their clicks and conversions are counted.
    pub fn throttle(&self, campaign: &Campaign<'_>, now: Instant, age_limit: Duration) -> Throttle {
        let Some(budget) = campaign.budget.filter(|budget| Terms::end(budget)) else {
            return Throttle::FREE;
        };
        let known = self.throttles.get(&campaign.key).copied();
        let fresh = now.since(self.at) <= age_limit;
        if fresh && let Some(throttle) = known {
            return throttle;
        }
        if !budget.pricing.is_by_impression()
            && let Some(throttle) = known
        {
            return throttle;
        }
        Throttle {
            pass: known.map_or(1.0, |throttle| throttle.pass),
            zone: Zone::Exact,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocation::Snapshot;

    const LIMIT: Duration = Duration::from_secs(180);

    /// One campaign with this budget, as JSON.
    fn snapshot(budget: &str) -> Snapshot {
        let item = format!(
            r#"{{"advertiser":"acme","name":"Spring","starts_at":"2026-01-01T00:00:00Z","tier":1,
            "weight":1,"placements":["home"],"types":["image"],"consent":"not_required",
            "no_device":"serve",{budget}"pacing":"even","sampling":"weighted",
            "click_url":"https://example.com","creatives":[{{"id":"red","type":"image","weight":1,
            "assets":{{}}}}]}}"#
        );
        let artefact = format!(r#"{{"items":[{{"id":"spring","item":{item}}}]}}"#);
        Snapshot::load(1, artefact.as_bytes()).unwrap()
    }

    fn delivery(zone: Option<Zone>) -> Delivery {
        let throttle = |zone| Throttle { pass: 0.25, zone };
        let known = zone.map(|zone| (crate::key_of("spring"), throttle(zone)));
        Delivery {
            at: Instant::from_seconds(1_000),
            throttles: known.into_iter().collect(),
            ..Delivery::default()
        }
    }

    #[test]
    fn what_is_not_known_or_stale_fails_closed_where_impressions_use_a_budget_up() {
        let cpm = r#""budget":{"pricing":"cpm","price_micros":1000,"total":5000},"#;
        let cpc = r#""budget":{"pricing":"cpc","price_micros":1000,"total":5000},"#;
        let flat = r#""budget":{"pricing":"flat","total":5000},"#;
        let gift = r#""budget":{"pricing":"cpm","price_micros":0,"total":5000},"#;
        let exact = |pass| Throttle {
            pass,
            zone: Zone::Exact,
        };
        let known = |zone| Throttle { pass: 0.25, zone };
        use Zone::{Exact, Open, Spent};
        for (budget, zone, fresh, expected) in [
            (cpm, Some(Open), true, known(Open)),
            (cpm, Some(Open), false, exact(0.25)),
            (cpm, Some(Spent), true, known(Spent)),
            (cpm, Some(Spent), false, exact(0.25)),
            (cpm, Some(Exact), true, known(Exact)),
            (cpm, None, true, exact(1.0)),
            (cpc, Some(Open), false, known(Open)),
            (cpc, Some(Spent), false, known(Spent)),
            (cpc, None, true, exact(1.0)),
            (cpc, None, false, exact(1.0)),
            (flat, None, true, Throttle::FREE),
            (gift, None, false, Throttle::FREE),
            ("", None, false, Throttle::FREE),
        ] {
            let snapshot = snapshot(budget);
            let campaign = &snapshot.campaign_by_key(crate::key_of("spring")).unwrap();
            let now = Instant::from_seconds(if fresh { 1_180 } else { 1_181 });
            let throttle = delivery(zone).throttle(campaign, now, LIMIT);
            assert_eq!(throttle, expected, "{budget} {zone:?} fresh: {fresh}");
        }
    }
}
