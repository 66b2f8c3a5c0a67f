//! What operators are told.

use std::collections::{HashMap, HashSet};

use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::{AGE_LIMIT, lineup, now, parsed, request};
use crate::{
    allocation::{ContentConfig, Given, Lineup, allocate, explain},
    caps::{Count, Counter, Showings, Span},
    content::campaigns::CapScope,
    delivery::{Delivery, Throttle, Zone},
    key_of,
};

#[test]
fn each_campaign_is_told_the_first_reason_in_the_order_of_selection() {
    let seen = json!([{"scope": "campaign", "per": "lifetime", "max": 3}]);
    let budget = json!({"pricing": "impressions", "total": 9});
    let rule = |rule: Value| json!({"all": [rule]});
    let country = rule(json!({"field": "country", "in": ["JP"]}));
    let plan = rule(json!({"field": "attributes.plan", "in": ["gold"]}));
    let creative = |changes: Value| {
        let mut creative = json!({"id": "c", "type": "banner", "weight": 1, "assets": {}});
        creative
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        json!([creative])
    };
    let cases = [
        ("given", json!({}), "selected"),
        ("lost", json!({"tier": 2}), "lost_draw"),
        ("house", json!({"house": true}), "lost_draw"),
        (
            "late",
            json!({"ends_at": "2026-05-01T00:00:00Z", "consent": "required"}),
            "schedule",
        ),
        (
            "private",
            json!({"consent": "required", "no_device": "skip"}),
            "consent",
        ),
        (
            "known",
            json!({"no_device": "skip", "advertiser": "them"}),
            "targeting.device",
        ),
        (
            "theirs",
            json!({"advertiser": "them", "targeting": country}),
            "excluded",
        ),
        (
            "off",
            json!({"categories": ["x", "y"], "targeting": country}),
            "excluded",
        ),
        ("abroad", json!({"targeting": country}), "targeting.country"),
        (
            "plan",
            json!({"targeting": plan}),
            "targeting.attributes.plan",
        ),
        (
            "video",
            json!({"types": ["video"], "creatives": creative(json!({"type": "video"})), "caps": seen}),
            "targeting.type",
        ),
        (
            "tongue",
            json!({"creatives": creative(json!({"locale": "ja"}))}),
            "targeting.locale",
        ),
        (
            "elsewhere",
            json!({"placements": ["end"]}),
            "targeting.placement",
        ),
        ("spent", json!({"budget": budget}), "budget"),
        ("exact", json!({"budget": budget}), "budget"),
        ("unknown", json!({"budget": budget}), "budget"),
        ("paced", json!({"budget": budget}), "paced"),
    ];
    let campaigns: Vec<(&str, Value)> = cases
        .iter()
        .map(|(id, changes, _)| (*id, changes.clone()))
        .collect();
    let throttle = |pass, zone| Throttle { pass, zone };
    let delivery = Delivery {
        at: now(),
        throttles: HashMap::from([
            (key_of("spent"), throttle(1.0, Zone::Spent)),
            (key_of("exact"), throttle(1.0, Zone::Exact)),
            (key_of("paced"), throttle(0.0, Zone::Open)),
        ]),
        ..Delivery::default()
    };
    let snapshot = lineup(&campaigns).snapshot.clone();
    let lineup = Lineup::new(snapshot, delivery.into(), AGE_LIMIT, now());
    let asked = request(json!({
        "placements": [{"id": "top", "count": 1, "types": ["banner"]}],
        "device": {"platform": "ios", "country": "KR"},
        "exclude": {"advertisers": ["them"]},
    }));
    let config: ContentConfig = parsed(&json!({"categories": {"y": false}}));
    let (showings, leases) = (Showings::default(), HashSet::new());
    let given = Given {
        request: &asked,
        profile: None,
        segments: None,
        config: Some(&config),
        showings: &showings,
        leases: &leases,
        member: None,
        now: now(),
    };
    let allocation = allocate(&lineup, &given, &mut StdRng::seed_from_u64(1));
    for (id, _, expected) in &cases {
        let told = explain(&lineup, &given, &allocation, Some(&id.parse().unwrap()));
        let [candidate] = &*told.candidates else {
            panic!("{id}: {told:?}");
        };
        assert_eq!(candidate.outcome.to_string(), *expected, "{id}");
        assert_eq!(told.counts.values().sum::<usize>(), cases.len());
    }
    let told = serde_json::to_value(explain(&lineup, &given, &allocation, None)).unwrap();
    assert_eq!(told["counts"]["budget"], 3);
    assert_eq!(
        told["candidates"][0],
        json!({"campaign_id": "given", "placement": "top", "tier": 1, "outcome": "selected"})
    );
    let nobody = explain(
        &lineup,
        &given,
        &allocation,
        Some(&"nobody".parse().unwrap()),
    );
    assert_eq!(nobody.candidates, []);
}

#[test]
fn a_device_that_has_seen_enough_and_a_user_who_wants_none_are_reasons() {
    let caps = json!([{"scope": "campaign", "per": "lifetime", "max": 3}]);
    let lineup = lineup(&[
        ("seen", json!({"caps": caps})),
        ("house", json!({"house": true})),
    ]);
    let mut showings = Showings::default();
    let counter = Counter {
        scope: CapScope::Campaign,
        key: key_of("seen"),
        span: Span::Lifetime,
    };
    let count = Count {
        total: 3,
        ..Count::default()
    };
    showings.insert(counter, count);
    let asked = request(json!({}));
    let off: ContentConfig = parsed(&json!({"frequency": "off"}));
    for (config, reason, capped) in [(None, "freq_cap", 1), (Some(&off), "excluded", 0)] {
        let given = Given {
            request: &asked,
            profile: None,
            segments: None,
            config,
            showings: &showings,
            leases: &HashSet::new(),
            member: None,
            now: now(),
        };
        let allocation = allocate(&lineup, &given, &mut StdRng::seed_from_u64(1));
        assert_eq!(
            (allocation.capped.len(), allocation.fallback),
            (capped, true)
        );
        let told = explain(&lineup, &given, &allocation, Some(&"seen".parse().unwrap()));
        assert_eq!(told.candidates[0].outcome.to_string(), reason);
    }
}

#[test]
fn no_more_than_a_hundred_candidates_are_told_of_the_given_first() {
    let campaigns: Vec<(String, Value)> = (0..300)
        .map(|number| {
            let tier = if number < 150 { 2 } else { 1 };
            (format!("c{number}"), json!({"tier": tier}))
        })
        .collect();
    let campaigns: Vec<(&str, Value)> = campaigns
        .iter()
        .map(|(id, changes)| (&**id, changes.clone()))
        .collect();
    let lineup = lineup(&campaigns);
    let asked = request(json!({}));
    let given = super::given(&asked, None);
    let allocation = allocate(&lineup, &given, &mut StdRng::seed_from_u64(1));
    let told = explain(&lineup, &given, &allocation, None);
    let outcomes: Vec<String> = told
        .candidates
        .iter()
        .map(|candidate| candidate.outcome.to_string())
        .collect();
    assert_eq!(outcomes.len(), 100);
    assert!(outcomes[..20].iter().all(|outcome| outcome == "selected"));
    assert!(outcomes[20..].iter().all(|outcome| outcome == "lost_draw"));
    assert_eq!(told.counts.values().sum::<usize>(), 300);
}
