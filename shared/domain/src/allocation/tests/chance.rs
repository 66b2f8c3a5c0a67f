//! That draws follow the weights, whichever way they are made.

use std::collections::{BTreeMap, HashMap};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::{AGE_LIMIT, given, lineup, now, parsed, request};
use crate::{
    allocation::{ContentConfig, Given, Lineup, allocate, draw::allocate_with},
    delivery::{Delivery, Throttle, Zone},
    key_of,
    learning::Evidence,
};

type Tries = fn(usize) -> usize;

/// Both ways to draw: the reservoir alone, tickets alone (as good as), and one after the other.
const WAYS: [(&str, Tries); 3] = [
    ("reservoir", |_| 0),
    ("tickets", |_| 100_000),
    ("both", |_| 1),
];

const DRAWS: u32 = 100_000;

/// Pearson's statistic of observed against expected shares.
pub(super) fn chi_square(observed: &[f64], shares: &[f64]) -> f64 {
    let total: f64 = observed.iter().sum();
    let parts = observed.iter().zip(shares);
    parts
        .map(|(seen, share)| (seen - share * total).powi(2) / (share * total))
        .sum()
}

/// The 0.9999 quantile of the χ² distribution (Wilson and Hilferty's approximation).
fn quantile(degrees: usize) -> f64 {
    let degrees = degrees as f64;
    let part = 2.0 / (9.0 * degrees);
    degrees * (1.0 - part + 3.719 * part.sqrt()).powi(3)
}

/// The share of each order in which `count` of the weights are drawn without replacement.
fn orders(weights: &[(String, f64)], count: usize) -> BTreeMap<String, f64> {
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    if count == 0 || weights.is_empty() {
        return BTreeMap::from([(String::new(), 1.0)]);
    }
    let mut shares = BTreeMap::new();
    for (at, (first, weight)) in weights.iter().enumerate() {
        let others: Vec<_> = [&weights[..at], &weights[at + 1..]].concat();
        for (rest, share) in orders(&others, count - 1) {
            *shares.entry(format!("{first}{rest}")).or_default() += share * weight / total;
        }
    }
    shares
}

/// Draws, and holds how often each order came against how often it should.
fn hold(lineup: &Lineup, given: &Given<'_>, shares: &BTreeMap<String, f64>, seed: u64) {
    for (way, tries) in WAYS {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut seen: BTreeMap<String, f64> = BTreeMap::new();
        for _ in 0..DRAWS {
            let allocation = allocate_with(lineup, given, tries, &mut rng);
            let ids = allocation.placed.iter().map(|placed| placed.campaign.id);
            *seen.entry(ids.collect()).or_default() += 1.0;
        }
        for order in seen.keys() {
            assert!(shares.contains_key(order), "{way}: {order} cannot be");
        }
        let observed: Vec<f64> = shares
            .keys()
            .map(|order| seen.get(order).copied().unwrap_or_default())
            .collect();
        let expected: Vec<f64> = shares.values().copied().collect();
        let found = chi_square(&observed, &expected);
        assert!(
            found < quantile(shares.len() - 1),
            "{way}: {found} {seen:?}"
        );
    }
}

#[test]
fn one_slot_goes_by_weight_among_the_eligible() {
    // Over several words, with runs of equal weight, most of them not eligible.
    let mut rng = StdRng::seed_from_u64(3);
    let campaigns: Vec<(String, Value)> = (0..200)
        .map(|number| {
            let country = if number % 10 == 0 { "KR" } else { "JP" };
            let weight = [1, 1, 2, 5, 40][rng.random_range(0..5)];
            let rule = json!({"field": "country", "in": [country]});
            let campaign = json!({"weight": weight, "targeting": {"all": [rule]}});
            (format!("c{number:03}"), campaign)
        })
        .collect();
    let weights: Vec<(String, f64)> = campaigns
        .iter()
        .step_by(10)
        .map(|(id, campaign)| (id.clone(), campaign["weight"].as_f64().unwrap()))
        .collect();
    let campaigns: Vec<(&str, Value)> =
        campaigns.iter().map(|(id, c)| (&**id, c.clone())).collect();
    let asked = request(json!({
        "placements": [{"id": "top", "count": 1}], "device": {"platform": "ios", "country": "KR"},
    }));
    hold(
        &lineup(&campaigns),
        &given(&asked, None),
        &orders(&weights, 1),
        11,
    );
}

#[test]
fn flights_that_begin_or_end_while_a_lineup_stands_leave_the_shares_of_the_others_exact() {
    let flight = |weight: u64, from: &str, to: &str| json!({"weight": weight, "starts_at": from, "ends_at": to});
    let (may, noon) = ("2026-05-01T00:00:00Z", "2026-06-01T12:00:00Z");
    let (start, end) = ("2026-06-01T00:01:00Z", "2026-06-01T00:01:00.001Z");
    let campaigns = [
        ("a", flight(3, may, noon)),
        ("b", flight(5, start, noon)),
        ("c", flight(7, may, end)),
        ("x", flight(90, may, start)),
        ("y", flight(40, end, noon)),
    ];
    let lineup = lineup(&campaigns);
    let asked = request(json!({"placements": [{"id": "top", "count": 2}]}));
    let at = |moment: &str| moment.parse().unwrap();
    for (moment, given_out) in [
        ("2026-06-01T00:00:59.999Z", &[("a", 3), ("c", 7), ("x", 90)]),
        (start, &[("a", 3), ("b", 5), ("c", 7)]),
        (end, &[("a", 3), ("b", 5), ("y", 40)]),
    ] {
        let weights = given_out.map(|(id, weight)| (id.to_owned(), f64::from(weight)));
        let given = Given {
            now: at(moment),
            ..given(&asked, None)
        };
        hold(&lineup.at(at(moment)), &given, &orders(&weights, 2), 14);
    }
}

#[test]
fn several_slots_are_drawn_in_the_order_of_the_keys() {
    let weights = [("a", 1), ("b", 2), ("c", 2), ("d", 9)];
    let mut campaigns: Vec<(&str, Value)> = weights
        .iter()
        .map(|(id, weight)| (*id, json!({"weight": weight})))
        .collect();
    // Refused when they are drawn: the order of the others must not notice.
    let half = json!({"all": [{"percent": 0, "seed": "s"}]});
    campaigns.push(("x", json!({"weight": 50, "targeting": half})));
    campaigns.push(("y", json!({"weight": 3, "targeting": half})));
    let weights = weights.map(|(id, weight)| (id.to_owned(), f64::from(weight)));
    for count in [2, 4] {
        let asked = request(json!({"placements": [{"id": "top", "count": count}]}));
        let shares = orders(&weights, count);
        hold(&lineup(&campaigns), &given(&asked, None), &shares, 12);
    }
}

#[test]
fn an_advertisers_cap_ends_its_part_in_the_draw() {
    let caps = json!([{"scope": "advertiser", "per": "day", "max": 1}]);
    let theirs = |weight: u32| json!({"advertiser": "them", "caps": caps, "weight": weight});
    let lineup = lineup(&[
        ("a", theirs(5)),
        ("b", theirs(2)),
        ("c", json!({})),
        ("d", json!({"weight": 3})),
    ]);
    let asked = request(json!({"placements": [{"id": "top", "count": 2}]}));
    let weights = [("a", 5.0), ("b", 2.0), ("c", 1.0), ("d", 3.0)];
    let mut shares = BTreeMap::new();
    for (first, weight) in weights {
        let theirs = |id: &str| id == "a" || id == "b";
        let second = |id: &str| id != first && !(theirs(id) && theirs(first));
        let left: f64 = weights
            .iter()
            .filter(|(id, _)| second(id))
            .map(|(_, w)| w)
            .sum();
        for (other, its) in weights.into_iter().filter(|(id, _)| second(id)) {
            shares.insert(format!("{first}{other}"), weight / 11.0 * its / left);
        }
    }
    hold(&lineup, &given(&asked, None), &shares, 13);
}

/// How often each of the campaigns is given alone, in shares.
fn shares_of(lineup: &Lineup, given: &Given<'_>) -> HashMap<String, f64> {
    let mut rng = StdRng::seed_from_u64(5);
    let mut shares = HashMap::new();
    for _ in 0..DRAWS {
        for placed in allocate(lineup, given, &mut rng).placed {
            let id = format!("{}/{}", placed.campaign.id, placed.creative.id);
            *shares.entry(id).or_default() += 1.0 / f64::from(DRAWS);
        }
    }
    shares
}

#[test]
fn a_throttled_campaign_passes_as_often_as_it_may() {
    let budget = json!({"pricing": "impressions", "total": 9});
    let campaigns = [
        ("free", json!({"weight": 1})),
        ("held", json!({"weight": 3, "budget": budget})),
    ];
    let throttle = Throttle {
        pass: 0.25,
        zone: Zone::Open,
    };
    let delivery = Delivery {
        at: now(),
        throttles: HashMap::from([(key_of("held"), throttle)]),
        ..Delivery::default()
    };
    let snapshot = lineup(&campaigns).snapshot.clone();
    let lineup = Lineup::new(snapshot, delivery.into(), AGE_LIMIT, now());
    let asked = request(json!({"placements": [{"id": "top", "count": 1}]}));
    let shares = shares_of(&lineup, &given(&asked, None));
    assert!((shares["held/c"] - 0.25 * 0.75).abs() < 0.006, "{shares:?}");
}

#[test]
fn who_wants_less_sees_campaigns_in_half_of_the_requests() {
    let lineup = lineup(&[("real", json!({})), ("house", json!({"house": true}))]);
    let asked = request(json!({"placements": [{"id": "top", "count": 1}]}));
    let less: ContentConfig = parsed(&json!({"frequency": "less"}));
    let given = Given {
        config: Some(&less),
        ..given(&asked, None)
    };
    let shares = shares_of(&lineup, &given);
    assert!((shares["real/c"] - 0.5).abs() < 0.008, "{shares:?}");
    assert!((shares["house/c"] - 0.5).abs() < 0.008, "{shares:?}");
}

#[test]
fn a_campaign_that_learns_shows_what_is_clicked() {
    let creative = |id: &str| json!({"id": id, "type": "banner", "weight": 1, "assets": {}});
    let campaign =
        json!({"sampling": "thompson", "creatives": [creative("good"), creative("poor")]});
    let outcomes = |clicks| Evidence {
        impressions: 10_000.0,
        clicks,
    };
    let learned = HashMap::from([
        (key_of("good"), outcomes(300.0)),
        (key_of("poor"), outcomes(100.0)),
    ]);
    let delivery = Delivery {
        learned: HashMap::from([(key_of("a"), learned)]),
        ..Delivery::default()
    };
    let snapshot = lineup(&[("a", campaign)]).snapshot.clone();
    let lineup = Lineup::new(snapshot, delivery.into(), AGE_LIMIT, now());
    let asked = request(json!({"placements": [{"id": "top", "count": 1}]}));
    let shares = shares_of(&lineup, &given(&asked, None));
    assert!(shares["a/good"] > 0.99, "{shares:?}");
}
