//! The same campaigns and requests with all that allocation knows.

use std::collections::{HashMap, HashSet};

use domain::{
    BadText, Day, Id, Instant,
    allocation::Snapshot,
    caps::{Count, Counter, Showings, Span},
    content::campaigns::CapScope,
    delivery::{Delivery, Throttle, Zone},
    key_of,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

use crate::{SEED, labels};

const CATEGORIES: u32 = 30;
const ADVERTISERS: u32 = 500;

/// All campaigns, without end: those of [`crate::campaigns`], half of them with caps, four in ten
/// with a budget of impressions, most with categories and one in five only with consent; and rules
/// on the app's version, on keywords, on an attribute of the profile, and on a share of devices.
pub fn campaigns() -> impl Iterator<Item = Result<(Id, Value), BadText>> {
    let mut rng = StdRng::seed_from_u64(SEED + 2);
    crate::every().map(move |made| {
        let (id, mut campaign) = made?;
        extend(&mut campaign, &mut rng);
        Ok((id, campaign))
    })
}

fn extend(campaign: &mut Value, rng: &mut StdRng) {
    let mut caps = Vec::new();
    if rng.random_bool(0.4) {
        caps.push(json!({ "scope": "campaign", "per": "day", "max": rng.random_range(1..=5) }));
    }
    if rng.random_bool(0.2) {
        caps.push(json!({ "scope": "advertiser", "per": "hour", "max": rng.random_range(1..=3) }));
    }
    if rng.random_bool(0.1) {
        caps.push(json!({ "scope": "creative", "per": "lifetime", "max": 10 }));
    }
    campaign["caps"] = caps.into();
    if rng.random_bool(0.4) {
        campaign["budget"] = json!({ "pricing": "impressions", "total": 1_000_000 });
        campaign["pacing"] = "even".into();
    }
    if rng.random_bool(0.8) {
        campaign["categories"] = labels("k", CATEGORIES, 1..=2, rng).into();
    }
    if rng.random_bool(0.2) {
        campaign["consent"] = "required".into();
    }
    let rules = campaign.pointer_mut("/targeting/all");
    let Some(rules) = rules.and_then(Value::as_array_mut) else {
        return;
    };
    if rng.random_bool(0.3) {
        let from = format!("{}.{}.0", rng.random_range(1..=3), rng.random_range(0..10));
        rules.push(json!({ "field": "app_version", "gte": from }));
    }
    if rng.random_bool(0.1) {
        rules.push(json!({ "field": "keywords", "any_of": labels("w", 20, 1..=3, rng) }));
    }
    if rng.random_bool(0.1) {
        rules.push(json!({ "field": "attributes.tier", "in": ["gold", "silver"] }));
    }
    if rng.random_bool(0.05) {
        rules.push(json!({ "percent": 50, "seed": "half" }));
    }
}

/// The requests: those of [`crate::requests`], of users who consented, with keywords, and with
/// advertisers and a category that are excluded.
pub fn requests() -> Vec<Value> {
    let mut rng = StdRng::seed_from_u64(SEED + 3);
    let mut requests = crate::requests();
    for request in &mut requests {
        request["consent"] = true.into();
        request["keywords"] = labels("w", 20, 1..=4, &mut rng).into();
        request["exclude"] = json!({
            "advertisers": labels("a", ADVERTISERS, 3..=3, &mut rng),
            "categories": labels("k", CATEGORIES, 1..=1, &mut rng),
        });
    }
    requests
}

/// What holds budgets back: most pass a part of the requests, some are near their end, some spent.
pub fn delivery(snapshot: &Snapshot, at: Instant) -> Delivery {
    let mut rng = StdRng::seed_from_u64(SEED + 4);
    let budgeted = snapshot
        .campaigns()
        .filter(|campaign| campaign.budget.is_some());
    let throttles = budgeted.map(|campaign| {
        let zone = match rng.random_range(0..20) {
            0 => Zone::Spent,
            1 => Zone::Exact,
            _ => Zone::Open,
        };
        let pass = rng.random_range(0.1..=1.0);
        (campaign.key, Throttle { pass, zone })
    });
    Delivery {
        at,
        throttles: throttles.collect(),
        learned: HashMap::new(),
    }
}

/// What a device was shown today: some campaigns, and some advertisers.
pub fn showings(snapshot: &Snapshot, today: Day, hour: u32) -> Showings {
    let mut showings = Showings::default();
    let mut show = |scope, key| {
        let span = Span::Day(today, "UTC".into());
        let count = Count {
            total: 3,
            hours: vec![(hour, 3)],
            minutes: Vec::new(),
        };
        showings.insert(Counter { scope, key, span }, count);
    };
    let every = (snapshot.len() / 20).max(1);
    for campaign in snapshot.campaigns().step_by(every) {
        show(CapScope::Campaign, campaign.key);
    }
    for advertiser in (0..ADVERTISERS).step_by(50) {
        show(CapScope::Advertiser, key_of(&format!("a{advertiser}")));
    }
    showings
}

/// Leases at hand: of every other campaign that needs one, up to as many as one instance holds.
pub fn leases(delivery: &Delivery) -> HashSet<u64> {
    let exact = delivery.throttles.iter();
    let mut exact: Vec<u64> = exact
        .filter(|(_, throttle)| throttle.zone == Zone::Exact)
        .map(|(key, _)| *key)
        .collect();
    exact.sort_unstable();
    let every_other = exact.into_iter().step_by(2);
    every_other.take(1_000).collect()
}
