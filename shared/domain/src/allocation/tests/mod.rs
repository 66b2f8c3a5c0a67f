//! Who is eligible, in which order tiers and house items come, and that draws follow the weights.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, LazyLock},
    time::Duration,
};

use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

mod chance;
mod explaining;
mod loading;
mod oracle;

use super::*;
use crate::{
    Id, Instant,
    caps::Showings,
    content::{Kind, compile, format},
    validation::{parse_value, schema_of, unknown_keywords},
};

fn campaign(changes: Value) -> Value {
    let mut campaign = json!({
        "advertiser": "acme", "name": "n", "starts_at": "2026-01-01T00:00:00Z", "tier": 1, "weight": 1,
        "placements": ["top"], "types": ["banner"], "consent": "not_required", "no_device": "serve",
        "pacing": "even", "sampling": "weighted", "click_url": "https://example.com/",
        "creatives": [{"id": "c", "type": "banner", "weight": 1, "assets": {}}],
    });
    campaign
        .as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    campaign
}

fn snapshot(campaigns: &[(&str, Value)]) -> Snapshot {
    let items: Vec<(Id, Value)> = campaigns
        .iter()
        .map(|(id, changes)| (id.parse().unwrap(), campaign(changes.clone())))
        .collect();
    let artefact = compile(Kind::Campaigns, &items).unwrap();
    Snapshot::load(format(Kind::Campaigns), &artefact).unwrap()
}

fn lineup(campaigns: &[(&str, Value)]) -> Lineup {
    let snapshot = Arc::new(snapshot(campaigns));
    Lineup::new(snapshot, Arc::default(), AGE_LIMIT, now())
}

/// How old a delivery may be.
const AGE_LIMIT: Duration = Duration::from_secs(300);

fn request(changes: Value) -> Request {
    let mut request = json!({
        "placements": [{"id": "top", "count": 20}],
        "device": {"id": "phone-1-example-0001", "platform": "ios"},
    });
    request
        .as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    parse_value(&request).unwrap()
}

/// Any document of the product.
fn parsed<T>(document: &Value) -> T
where
    T: serde::de::DeserializeOwned + schemars::JsonSchema + garde::Validate<Context = ()>,
{
    parse_value(document).unwrap()
}

fn now() -> Instant {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn given<'a>(request: &'a Request, profile: Option<&'a Profile>) -> Given<'a> {
    static NOTHING: LazyLock<(Showings, HashSet<u64>)> = LazyLock::new(Default::default);
    Given {
        request,
        profile,
        segments: None,
        config: None,
        showings: &NOTHING.0,
        leases: &NOTHING.1,
        member: None,
        now: now(),
    }
}

/// The campaigns given, in the order of their slots.
fn placed(lineup: &Lineup, request: &Request, seed: u64) -> Vec<String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let allocation = allocate(lineup, &given(request, None), &mut rng);
    allocation
        .placed
        .iter()
        .map(|placed| placed.campaign.id.to_string())
        .collect()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[test]
fn campaigns_of_all_tiers_are_noted_for_the_lack_of_a_lease() {
    let budgeted = |tier: u8| {
        json!({
            "tier": tier, "pacing": "asap",
            "budget": {"pricing": "impressions", "total": 30},
        })
    };
    let ids: Vec<String> = (0..70).map(|nth| format!("waits-{nth}")).collect();
    let mut campaigns: Vec<_> = ids.iter().map(|id| (&**id, budgeted(3))).collect();
    campaigns.push(("last", budgeted(9)));
    let (lineup, request) = (lineup(&campaigns), request(json!({})));
    let mut rng = StdRng::seed_from_u64(5);
    let allocation = allocate(&lineup, &given(&request, None), &mut rng);
    assert_eq!(allocation.wanted.len(), 71);
    assert_eq!(allocation.wanted.last().unwrap().id, "last");
}

#[test]
fn only_the_eligible_are_given() {
    let yes = json!({});
    for (changes, asked, eligible) in [
        (yes.clone(), yes.clone(), true),
        (
            json!({"starts_at": "2026-06-01T00:00:00Z"}),
            yes.clone(),
            true,
        ),
        (
            json!({"starts_at": "2026-06-01T00:00:00.001Z"}),
            yes.clone(),
            false,
        ),
        (
            json!({"ends_at": "2026-06-01T00:00:00Z"}),
            yes.clone(),
            false,
        ),
        (
            json!({"ends_at": "2026-06-01T00:00:00.001Z"}),
            yes.clone(),
            true,
        ),
        (json!({"placements": ["end"]}), yes.clone(), false),
        (json!({"consent": "required"}), yes.clone(), false),
        (
            json!({"consent": "required"}),
            json!({"consent": false}),
            false,
        ),
        (
            json!({"consent": "required"}),
            json!({"consent": true}),
            true,
        ),
        (
            json!({"consent": "required"}),
            json!({"consent": true, "device": {"platform": "ios", "lmt": true}}),
            false,
        ),
        (json!({"no_device": "skip"}), yes.clone(), true),
        (
            json!({"no_device": "skip"}),
            json!({"device": {"platform": "ios"}}),
            false,
        ),
        (
            json!({"no_device": "skip", "house": true}),
            json!({"device": {"platform": "ios"}}),
            true,
        ),
        (yes.clone(), json!({"exclude": {"campaigns": ["a"]}}), false),
        (
            yes.clone(),
            json!({"exclude": {"advertisers": ["acme"]}}),
            false,
        ),
        (
            json!({"categories": ["x", "y"]}),
            json!({"exclude": {"categories": ["y"]}}),
            false,
        ),
        (
            json!({"categories": ["x"]}),
            json!({"exclude": {"categories": ["y"]}}),
            true,
        ),
        (
            json!({"targeting": {"all": [{"field": "platform", "in": ["android"]}]}}),
            yes.clone(),
            false,
        ),
        (
            yes.clone(),
            json!({"placements": [{"id": "top", "count": 1, "types": ["video"]}]}),
            false,
        ),
        (
            yes.clone(),
            json!({"placements": [{"id": "top", "count": 1, "types": ["video", "banner"]}]}),
            true,
        ),
        (
            json!({"creatives": [{"id": "c", "type": "banner", "weight": 1, "assets": {}, "locale": "ko"}]}),
            yes.clone(),
            false,
        ),
        (
            json!({"creatives": [{"id": "c", "type": "banner", "weight": 1, "assets": {}, "locale": "ko"}]}),
            json!({"device": {"platform": "ios", "locale": "ko-KR"}}),
            true,
        ),
    ] {
        let found = placed(
            &lineup(&[("a", changes.clone())]),
            &request(asked.clone()),
            1,
        );
        assert_eq!(found.len(), usize::from(eligible), "{changes} {asked}");
    }
}

#[test]
fn the_profile_fills_in_what_the_request_leaves_open() {
    let targeting = |rules: Value| json!({"targeting": {"all": rules}});
    let lineup = lineup(&[
        (
            "country",
            targeting(json!([{"field": "country", "in": ["KR"]}])),
        ),
        (
            "age",
            targeting(json!([{"field": "age", "gte": 25, "lt": 26}])),
        ),
        (
            "interests",
            targeting(json!([{"field": "interests", "all_of": ["a", "b"]}])),
        ),
        (
            "segments",
            targeting(json!([{"field": "segments", "any_of": ["s"]}])),
        ),
        (
            "attribute",
            targeting(json!([{"field": "attributes.x", "in": [1]}])),
        ),
        (
            "hour",
            targeting(json!([{"field": "hour", "in": [9]}, {"field": "weekday", "in": ["mon"]}])),
        ),
    ]);
    let profile: Profile = parse_value(&json!({
        "country": "KR", "birth_year": 2000, "interests": ["a"], "segments": ["of the profile"],
        "attributes": {"x": 1},
    }))
    .unwrap();
    let segments: DeviceSegments = parsed(&json!({"segments": ["s"]}));
    let names = |request: &Request, profile: Option<&Profile>| {
        let mut rng = StdRng::seed_from_u64(1);
        let given = Given {
            segments: profile.map(|_| &segments),
            ..given(request, profile)
        };
        let found = allocate(&lineup, &given, &mut rng);
        sorted(
            found
                .placed
                .iter()
                .map(|placed| placed.campaign.id.to_string())
                .collect(),
        )
    };
    let device = json!({"platform": "ios", "tz": "Asia/Seoul", "country": "JP"});
    let asked =
        request(json!({"interests": ["b"], "device": device, "user": {"birth_year": 1990}}));
    assert_eq!(
        names(&asked, Some(&profile)),
        ["attribute", "hour", "interests", "segments"]
    );
    assert_eq!(
        names(&request(json!({})), Some(&profile)),
        ["age", "attribute", "country", "segments"]
    );
    assert_eq!(names(&request(json!({})), None), [""; 0]);
    let lost = request(json!({"device": {"platform": "ios", "tz": "Mars/Olympus"}}));
    assert_eq!(names(&lost, None), [""; 0]);
}

#[test]
fn segments_are_the_servers_alone_and_its_attributes_win_over_the_profiles() {
    let targeting = |rule: Value| campaign(json!({"targeting": {"all": [rule]}}));
    let lineup = lineup(&[
        (
            "whale",
            targeting(json!({"field": "segments", "any_of": ["whale"]})),
        ),
        (
            "vip",
            targeting(json!({"field": "segments", "any_of": ["vip"]})),
        ),
        (
            "not-whale",
            targeting(json!({"field": "segments", "none_of": ["whale"]})),
        ),
        (
            "free",
            targeting(json!({"field": "attributes.plan", "in": ["free"]})),
        ),
        (
            "gold",
            targeting(json!({"field": "attributes.plan", "in": ["gold"]})),
        ),
        (
            "new",
            targeting(json!({"field": "attributes.level", "lt": 5})),
        ),
        (
            "no-golf",
            targeting(json!({"field": "interests", "none_of": ["golf"]})),
        ),
    ]);
    let profile: Profile = parsed(&json!({
        "segments": ["whale"], "attributes": {"plan": "free", "level": 3},
    }));
    let server: DeviceSegments = parsed(&json!({
        "segments": ["vip"], "server_attributes": {"plan": "gold"},
    }));
    let plain = request(json!({}));
    let names = |profile, segments| {
        let given = Given {
            segments,
            ..given(&plain, profile)
        };
        let mut rng = StdRng::seed_from_u64(1);
        let allocation = allocate(&lineup, &given, &mut rng);
        let placed = allocation.placed.iter();
        sorted(
            placed
                .map(|placed| placed.campaign.id.to_string())
                .collect(),
        )
    };
    for (profile, server, expected) in [
        (
            Some(&profile),
            Some(&server),
            &["gold", "new", "no-golf", "not-whale", "vip"][..],
        ),
        (
            Some(&profile),
            None,
            &["free", "new", "no-golf", "not-whale"],
        ),
        (None, Some(&server), &["gold", "not-whale", "vip"]),
        (None, None, &[]),
    ] {
        assert_eq!(names(profile, server), expected);
    }
}

#[test]
fn an_age_counts_once_it_is_certain() {
    let age = |bounds: Value| {
        let mut rule = json!({"field": "age"});
        rule.as_object_mut()
            .unwrap()
            .extend(bounds.as_object().unwrap().clone());
        json!({"targeting": {"all": [rule]}})
    };
    let lineup = lineup(&[
        ("adults", age(json!({"gte": 18}))),
        ("minors", age(json!({"lt": 18}))),
        ("newborn", age(json!({"in": [0]}))),
    ]);
    // It is June 2026.
    for (birth_year, expected) in [
        (2007, &["adults"][..]),
        (2008, &["minors"]),
        (2009, &["minors"]),
        (2025, &["minors", "newborn"]),
        (2026, &["minors", "newborn"]),
        (2027, &[]),
    ] {
        let asked = request(json!({"user": {"birth_year": birth_year}}));
        assert_eq!(sorted(placed(&lineup, &asked, 1)), expected, "{birth_year}");
    }
}

#[test]
fn the_devices_clock_is_read_only_where_a_campaign_asks() {
    let device = json!({"platform": "ios", "tz": "Asia/Seoul"});
    let asked = request(json!({"device": device}));
    let local = |rules: Value| {
        let campaign = json!({"targeting": {"all": rules}});
        let facts = given(&asked, None).facts(&snapshot(&[("a", json!({})), ("b", campaign)]));
        (facts.hour, facts.weekday)
    };
    let nine = (Some(9), Some(crate::Weekday::Monday));
    let ios = json!({"field": "platform", "in": ["ios"]});
    assert_eq!(local(json!([ios])), (None, None));
    assert_eq!(local(json!([ios, {"field": "hour", "in": [1]}])), nine);
    assert_eq!(local(json!([{"field": "hour", "gte": 1}])), nine);
    let nested = json!([{"any": [ios, {"field": "weekday", "not_in": ["sun"]}]}]);
    assert_eq!(local(nested), nine);
}

#[test]
fn what_would_make_the_index_too_large_is_verified() {
    let range = |from: i32| json!({"field": "attributes.n", "gte": from, "lt": from + 15});
    let own = |n: i32| json!({"field": format!("attributes.a{n}"), "in": [1]});
    let campaigns: Vec<(String, Value)> = (0..400)
        .map(|n| (format!("n{n:03}"), range(n)))
        .chain((0..100).map(|n| (format!("a{n:03}"), own(n))))
        .map(|(id, rule)| (id, json!({"targeting": {"all": [rule]}})))
        .collect();
    let campaigns: Vec<(&str, Value)> = campaigns
        .iter()
        .map(|(id, changes)| (&**id, changes.clone()))
        .collect();
    let lineup = lineup(&campaigns);
    let asked = request(json!({}));
    let names = |attributes: Value| {
        let profile: Profile = parsed(&json!({"attributes": attributes}));
        let mut rng = StdRng::seed_from_u64(1);
        let found = allocate(&lineup, &given(&asked, Some(&profile)), &mut rng).placed;
        sorted(
            found
                .iter()
                .map(|placed| placed.campaign.id.to_owned())
                .collect(),
        )
    };
    for number in [0, 7, 14, 200, 399, 413] {
        let expected = (0..400).filter(|from| (*from..from + 15).contains(&number));
        let expected: Vec<String> = expected.map(|from| format!("n{from:03}")).collect();
        assert_eq!(names(json!({"n": number})), expected, "{number}");
    }
    assert_eq!(names(json!({"n": 414})), [""; 0]);
    assert_eq!(names(json!({"a3": 1, "a99": 1})), ["a003", "a099"]);
}

#[test]
fn better_tiers_go_first_and_house_items_last() {
    let lineup = lineup(&[
        ("house-1", json!({"house": true, "tier": 1})),
        ("house-9", json!({"house": true, "tier": 9})),
        ("tier-2", json!({"tier": 2, "weight": 10_000})),
        ("tier-1a", json!({"tier": 1})),
        ("tier-1b", json!({"tier": 1})),
    ]);
    for seed in 0..20 {
        let found = placed(&lineup, &request(json!({})), seed);
        assert_eq!(sorted(found[..2].to_vec()), ["tier-1a", "tier-1b"]);
        assert_eq!(found[2..], ["tier-2", "house-1", "house-9"]);
        let two = request(json!({"placements": [{"id": "top", "count": 2}]}));
        assert_eq!(sorted(placed(&lineup, &two, seed)), ["tier-1a", "tier-1b"]);
    }
}

#[test]
fn fallback_says_that_no_campaign_could_be_given() {
    let house = ("house", json!({"house": true}));
    let real = ("real", json!({}));
    for (campaigns, fallback) in [
        (vec![], true),
        (vec![house.clone()], true),
        (vec![real.clone()], false),
        (vec![house, real], false),
    ] {
        let lineup = lineup(&campaigns);
        let request = request(json!({}));
        let found = allocate(
            &lineup,
            &given(&request, None),
            &mut StdRng::seed_from_u64(1),
        );
        assert_eq!(found.fallback, fallback);
        assert_eq!(found.placed.len(), campaigns.len());
    }
}

#[test]
fn a_campaign_is_given_once_in_a_request() {
    let both = json!({"placements": ["top", "end"]});
    let lineup = lineup(&[("a", both.clone()), ("b", both.clone()), ("c", both)]);
    let asked =
        request(json!({"placements": [{"id": "top", "count": 2}, {"id": "end", "count": 2}]}));
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let found = allocate(&lineup, &given(&asked, None), &mut rng).placed;
        let slots: Vec<_> = found
            .iter()
            .map(|placed| (placed.placement, placed.slot))
            .collect();
        assert_eq!(slots, [(0, 0), (0, 1), (1, 0)]);
        assert_eq!(
            found
                .iter()
                .map(|placed| placed.campaign.key)
                .collect::<BTreeSet<_>>()
                .len(),
            3
        );
    }
}

#[test]
fn creatives_are_drawn_by_weight_among_those_that_fit() {
    let lineup = lineup(&[(
        "a",
        json!({"types": ["banner", "video"], "creatives": [
            {"id": "b1", "type": "banner", "weight": 1, "assets": {}},
            {"id": "b3", "type": "banner", "weight": 3, "assets": {}},
            {"id": "v9", "type": "video", "weight": 9, "assets": {}},
            {"id": "ja", "type": "banner", "weight": 9, "assets": {}, "locale": "ja"},
        ]}),
    )]);
    let asked = request(json!({"placements": [{"id": "top", "count": 1, "types": ["banner"]}]}));
    let mut rng = StdRng::seed_from_u64(7);
    let mut seen: BTreeMap<&str, f64> = BTreeMap::new();
    for _ in 0..10_000 {
        let found = allocate(&lineup, &given(&asked, None), &mut rng).placed;
        *seen.entry(found[0].creative.id).or_default() += 1.0;
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), ["b1", "b3"]);
    // The 0.999 quantile with 1 degree of freedom.
    let found = chance::chi_square(&seen.into_values().collect::<Vec<_>>(), &[0.25, 0.75]);
    assert!(found < 10.83, "{found}");
}

#[test]
fn a_snapshot_finds_things_by_their_keys() {
    let snapshot = snapshot(&[("a", json!({})), ("b", json!({"placements": ["end"]}))]);
    let campaign = snapshot.campaign_by_key(crate::key_of("b")).unwrap();
    assert_eq!(campaign.id, "b");
    assert_eq!(
        campaign.creative_by_key(crate::key_of("c")).unwrap().id,
        "c"
    );
    assert_eq!(
        snapshot
            .placement_by_key(crate::key_of("end"))
            .unwrap()
            .as_str(),
        "end"
    );
    assert!(snapshot.campaign_by_key(1).is_none());
}

#[test]
fn a_damaged_or_unknown_artefact_is_not_loaded() {
    assert!(Snapshot::load(2, b"{\"items\":[]}").is_err());
    assert!(Snapshot::load(3, b"{\"items\":[]}").is_err());
    assert!(Snapshot::load(1, b"{\"items\":[").is_err());
    assert!(Snapshot::load(1, b"{\"items\":[{\"id\":\"a\",\"item\":{}}]}").is_err());
    assert!(Snapshot::load(1, b"{\"items\":[]}").unwrap().is_empty());
}

#[test]
fn the_schemas_have_only_keywords_that_are_checked() {
    assert_eq!(unknown_keywords(&schema_of::<Request>()), []);
    assert_eq!(unknown_keywords(&schema_of::<Profile>()), []);
    assert_eq!(unknown_keywords(&schema_of::<NewProfile>()), []);
}

#[test]
fn requests_are_bounded() {
    let faults = |changes: Value| -> Vec<(String, &str)> {
        let mut body =
            json!({"placements": [{"id": "top", "count": 1}], "device": {"platform": "ios"}});
        body.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        match parse_value::<Request>(&body) {
            Err(crate::Rejection::Faults(faults)) => faults
                .into_iter()
                .map(|f| (f.pointer, f.code.as_str()))
                .collect(),
            other => panic!("{other:?}"),
        }
    };
    let top = json!({"id": "top", "count": 1});
    for (changes, at, code) in [
        (json!({"placements": []}), "/placements", "too_few"),
        (
            json!({"placements": [top, top]}),
            "/placements/1/id",
            "duplicate",
        ),
        (
            json!({"placements": [{"id": "top", "count": 0}]}),
            "/placements/0/count",
            "out_of_range",
        ),
        (
            json!({"placements": [{"id": "top", "count": 21}]}),
            "/placements/0/count",
            "out_of_range",
        ),
        (
            json!({"device": {"platform": 1}}),
            "/device/platform",
            "wrong_type",
        ),
        (
            json!({"device": {"platform": "ios", "country": 410}}),
            "/device/country",
            "wrong_type",
        ),
        (
            json!({"user": {"birth_year": 1899}}),
            "/user/birth_year",
            "out_of_range",
        ),
        (
            json!({"interests": vec!["x"; 101]}),
            "/interests",
            "too_many",
        ),
        (json!({"consent": "yes"}), "/consent", "wrong_type"),
        (json!({"extra": 1}), "/extra", "unknown_field"),
    ] {
        assert_eq!(
            faults(changes.clone()),
            [(at.to_owned(), code)],
            "{changes}"
        );
    }
}

/// A campaign by what makes it eligible, in a form of its own: the oracle does not read campaigns.
#[derive(Debug, Clone)]
struct Made {
    tier: u8,
    house: bool,
    in_flight: bool,
    on_top: bool,
    country: Option<&'static str>,
    any_interest: Vec<&'static str>,
    no_interest: Vec<&'static str>,
    min_app: Option<u8>,
}

prop_compose! {
    fn made()(
        tier in 1u8..4, house in prop::bool::weighted(0.2), in_flight in prop::bool::weighted(0.9),
        on_top in prop::bool::weighted(0.9),
        country in prop::option::of(prop::sample::select(vec!["KR", "JP"])),
        any_interest in prop::sample::subsequence(vec!["a", "b", "c"], 0..3),
        no_interest in prop::sample::subsequence(vec!["a", "b", "c"], 0..2),
        min_app in prop::option::of(0u8..12),
    ) -> Made {
        Made { tier, house, in_flight, on_top, country, any_interest, no_interest, min_app }
    }
}

impl Made {
    fn document(&self) -> Value {
        let mut rules = Vec::new();
        rules.extend(
            self.country
                .map(|country| json!({"field": "country", "in": [country]})),
        );
        if !self.any_interest.is_empty() {
            rules.push(json!({"field": "interests", "any_of": self.any_interest}));
        }
        if !self.no_interest.is_empty() {
            rules.push(json!({"field": "interests", "none_of": self.no_interest}));
        }
        rules.extend(
            self.min_app
                .map(|min| json!({"field": "app_version", "gte": format!("1.{min}")})),
        );
        json!({
            "tier": self.tier, "house": self.house,
            "starts_at": if self.in_flight { "2026-01-01T00:00:00Z" } else { "2027-01-01T00:00:00Z" },
            "placements": if self.on_top { ["top"] } else { ["end"] },
            "targeting": {"all": rules},
        })
    }

    fn is_for(&self, country: Option<&str>, interests: Option<&[&str]>, app: Option<u8>) -> bool {
        let meets = |wanted: &[&str]| wanted.iter().any(|one| interests.unwrap().contains(one));
        self.in_flight
            && self.on_top
            && (self.country.is_none() || self.country == country)
            && (self.any_interest.is_empty() || interests.is_some() && meets(&self.any_interest))
            && (self.no_interest.is_empty() || interests.is_some() && !meets(&self.no_interest))
            && (self.min_app.is_none() || app.is_some() && app >= self.min_app)
    }
}

proptest! {
    #[test]
    fn exactly_the_eligible_are_given_in_the_order_of_tiers(
        campaigns in prop::collection::vec(made(), 0..20),
        country in prop::option::of(prop::sample::select(vec!["KR", "JP", "US"])),
        interests in prop::option::of(prop::sample::subsequence(vec!["a", "b", "c"], 0..4)),
        app in prop::option::of(0u8..12),
        seed: u64,
    ) {
        let named: Vec<(String, Value)> =
            campaigns.iter().enumerate().map(|(n, made)| (format!("c{n:02}"), made.document())).collect();
        let items: Vec<(&str, Value)> = named.iter().map(|(id, doc)| (&**id, doc.clone())).collect();
        let version = app.map(|app| format!("1.{app}"));
        let asked = request(json!({
            "device": {"platform": "ios", "country": country, "app_version": version},
            "interests": interests,
        }));
        let found = placed(&lineup(&items), &asked, seed);

        let mut expected: Vec<(bool, u8, String)> = campaigns
            .iter()
            .zip(&named)
            .filter(|(made, _)| made.is_for(country, interests.as_deref(), app))
            .map(|(made, (id, _))| (made.house, made.tier, id.clone()))
            .collect();
        expected.sort();
        let rank = |id: &String| expected.iter().find(|(_, _, known)| known == id).map(|(h, t, _)| (*h, *t));
        prop_assert!(found.iter().map(rank).is_sorted());
        let all: Vec<String> = expected.into_iter().map(|(_, _, id)| id).collect();
        prop_assert_eq!(sorted(found), sorted(all));
    }
}
