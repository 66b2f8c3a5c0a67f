//! What changes by itself between two publishes: how much of each budget may go out now, and what
//! was learned of creatives.
//!
//! A worker makes it every minute from the totals; every instance reads it beside the snapshot of
//! campaigns, which it belongs to. Far from its end a budget is held by a probability alone; near its
//! end, and whenever nothing is known of it, by leases.

use std::{collections::HashMap, time::Duration};

use crate::{Instant, allocation::Campaign, content::campaigns::Pricing};

/// How much of each budget may go out, and what was learned, at some moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delivery {
    /// The moment.
    pub at: Instant,
    /// By campaign key: campaigns with a budget that ends.
    pub throttles: HashMap<u64, Throttle>,
    /// By campaign key and creative key: campaigns that learn.
    pub learned: HashMap<u64, HashMap<u64, Outcomes>>,
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

/// What became of a creative's showings, old ones counting less: fractions of impressions and clicks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outcomes {
    /// Impressions.
    pub impressions: f64,
    /// Clicks.
    pub clicks: f64,
}

impl Throttle {
    /// Not held back at all.
    pub const FREE: Self = Self {
        pass: 1.0,
        zone: Zone::Open,
    };
}

impl Delivery {
    /// How a campaign is held back at `now`. Of a budget in impressions of which nothing is known, or
    /// nothing that is younger than `age_limit`, only what is leased goes out; other budgets are
    /// capped where their clicks and conversions are counted, so that not knowing costs nothing.
    pub fn throttle(&self, campaign: &Campaign<'_>, now: Instant, age_limit: Duration) -> Throttle {
        let Some(leasable) = ends(campaign) else {
            return Throttle::FREE;
        };
        let fresh = now.since(self.at) <= age_limit;
        let known = self.throttles.get(&campaign.key).copied();
        match known {
            Some(throttle) if fresh || throttle.zone == Zone::Spent => throttle,
            _ if leasable => Throttle {
                pass: 1.0,
                zone: Zone::Exact,
            },
            Some(throttle) => throttle,
            None => Throttle::FREE,
        }
    }
}

/// Whether a campaign's budget ends, and if so whether it is one that impressions use up.
fn ends(campaign: &Campaign<'_>) -> Option<bool> {
    let budget = campaign.budget?;
    let limited = budget.daily.is_some() || budget.total.is_some();
    match budget.pricing {
        Pricing::Flat => None,
        Pricing::Cpm | Pricing::Impressions => limited.then_some(true),
        Pricing::Cpc | Pricing::Cpa => limited.then_some(false),
    }
}
