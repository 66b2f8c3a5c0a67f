//! Which rules are accepted, and whom they match.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    DeviceId, Platform, RandomId, Rejection, Version, Weekday,
    validation::{parse_value, schema_of, unknown_keywords},
};

fn matcher(rules: Value) -> Matcher {
    let targeting: Targeting = parse_value(&json!({"all": rules})).unwrap();
    targeting.compile().unwrap()
}

fn faults(rules: Value) -> Vec<(String, &'static str)> {
    match parse_value::<Targeting>(&json!({"all": rules})) {
        Ok(_) => Vec::new(),
        Err(Rejection::Faults(faults)) => faults
            .into_iter()
            .map(|f| (f.pointer, f.code.as_str()))
            .collect(),
        Err(other) => panic!("{other}"),
    }
}

/// A device of which everything is known, handed to `with`.
fn with_facts<T>(with: impl FnOnce(&Facts<'_>) -> T) -> T {
    let locale = "ko-KR".parse().unwrap();
    let device_id = "device-1".parse().unwrap();
    let attributes: Attributes = serde_json::from_value(json!({
        "vip": true, "level": 12.5, "city": "Seoul", "teams": ["red", "blue"], "none": [],
    }))
    .unwrap();
    with(&Facts {
        platform: Some(Platform::Android),
        store: Some(crate::Store::GooglePlay),
        app_version: Version::parse("1.10"),
        build: Some(412),
        os_version: Version::parse("14"),
        country: "KR".parse().ok(),
        locale: Some(&locale),
        carrier: Some("SKT"),
        model: Some("SM-S918N"),
        age: Some(29),
        gender: Some(crate::Gender::Female),
        interests: Some(vec!["travel", "food"]),
        segments: Some(vec![]),
        keywords: Some(vec!["news"]),
        hour: Some(22),
        weekday: Some(Weekday::Friday),
        attributes: Some(&attributes),
        server_attributes: None,
        device_id: Some(&device_id),
        member: Some(RandomId::from_bytes([7; 16])),
    })
}

/// Rules that hold for those facts, then rules that do not.
fn table() -> [Vec<Value>; 2] {
    let holding = vec![
        json!({"field": "platform", "in": ["ios", "android"]}),
        json!({"field": "store", "not_in": ["onestore"]}),
        json!({"field": "app_version", "gte": "1.9", "lt": "2"}),
        json!({"field": "app_version", "in": ["1.10.0"]}),
        json!({"field": "os_version", "gte": "14.0"}),
        json!({"field": "build", "gte": 412, "lt": 413}),
        json!({"field": "build", "in": [1, 412]}),
        json!({"field": "build", "not_in": [413]}),
        json!({"percent": 100, "seed": "s", "by": "device"}),
        json!({"percent": 100, "seed": "s", "by": "member"}),
        json!({"percent": 100, "seed": "s", "by": "attributes.city"}),
        json!({"percent": 100, "seed": "s", "by": "attributes.vip"}),
        json!({"field": "country", "in": ["kr", "JP"]}),
        json!({"field": "locale", "in": ["ko"]}),
        json!({"field": "locale", "not_in": ["ko-KP", "en"]}),
        json!({"field": "carrier", "in": ["SKT"]}),
        json!({"field": "model", "not_in": ["x"]}),
        json!({"field": "age", "gte": 20, "lt": 30}),
        json!({"field": "age", "in": [29]}),
        json!({"field": "gender", "in": ["female"]}),
        json!({"field": "interests", "any_of": ["food", "golf"]}),
        json!({"field": "interests", "all_of": ["food", "travel"]}),
        json!({"field": "interests", "none_of": ["golf"]}),
        json!({"field": "segments", "none_of": ["a"]}),
        json!({"field": "keywords", "any_of": ["news"]}),
        json!({"field": "hour", "gte": 22, "lt": 24}),
        json!({"field": "hour", "in": [21, 22]}),
        json!({"field": "weekday", "in": ["fri", "sat"]}),
        json!({"field": "attributes.vip", "in": [true]}),
        json!({"field": "attributes.level", "gte": 12, "lt": 13}),
        json!({"field": "attributes.level", "in": [12.5]}),
        json!({"field": "attributes.city", "in": ["Seoul"]}),
        json!({"field": "attributes.city", "any_of": ["Seoul", "Busan"]}),
        json!({"field": "attributes.teams", "all_of": ["red", "blue"]}),
        json!({"field": "attributes.none", "none_of": ["red"]}),
        json!({"percent": 100, "seed": "s"}),
        json!({"any": [{"field": "platform", "in": ["ios"]}, {"field": "age", "gte": 18}]}),
    ];
    let failing = vec![
        json!({"field": "platform", "in": ["ios"]}),
        json!({"field": "platform", "not_in": ["android"]}),
        json!({"field": "app_version", "lt": "1.10"}),
        json!({"field": "app_version", "gte": "1.10.1"}),
        json!({"field": "build", "lt": 412}),
        json!({"field": "build", "in": [413]}),
        json!({"percent": 0, "seed": "s", "by": "member"}),
        json!({"percent": 100, "seed": "s", "by": "attributes.teams"}),
        json!({"percent": 100, "seed": "s", "by": "attributes.level"}),
        json!({"percent": 100, "seed": "s", "by": "attributes.missing"}),
        json!({"field": "locale", "in": ["ko-KP"]}),
        json!({"field": "locale", "not_in": ["ko"]}),
        json!({"field": "carrier", "in": ["skt"]}),
        json!({"field": "age", "lt": 29}),
        json!({"field": "interests", "all_of": ["food", "golf"]}),
        json!({"field": "interests", "none_of": ["food"]}),
        json!({"field": "segments", "any_of": ["a"]}),
        json!({"field": "hour", "lt": 22}),
        json!({"field": "attributes.vip", "in": ["true"]}),
        json!({"field": "attributes.level", "any_of": ["12.5"]}),
        json!({"field": "attributes.teams", "in": ["red"]}),
        json!({"field": "attributes.city", "gte": 1}),
        json!({"field": "attributes.missing", "not_in": ["x"]}),
        json!({"field": "attributes.missing", "none_of": ["x"]}),
        json!({"percent": 0, "seed": "s"}),
        json!({"any": [{"field": "platform", "in": ["ios"]}, {"field": "age", "lt": 18}]}),
    ];
    [holding, failing]
}

#[test]
fn rules_match_whom_they_describe() {
    let [holding, failing] = table();
    with_facts(|facts| {
        for rule in &holding {
            assert!(matcher(json!([rule])).matches(facts), "{rule}");
        }
        for rule in &failing {
            assert!(!matcher(json!([rule])).matches(facts), "{rule}");
        }
        assert!(matcher(json!([])).matches(facts));
        assert!(matcher(json!(holding)).matches(facts));
    });
}

#[test]
fn what_is_not_known_matches_nothing() {
    for rule in table().into_iter().flatten() {
        assert!(!matcher(json!([rule])).matches(&Facts::default()), "{rule}");
    }
}

#[test]
fn the_first_failing_rule_is_named() {
    let matcher = matcher(json!([
        {"field": "platform", "in": ["android"]},
        {"field": "attributes.city", "in": ["Busan"]},
        {"field": "age", "lt": 1},
    ]));
    with_facts(|facts| {
        assert_eq!(matcher.failing_dimension(facts), Some("attributes.city"));
    });
    assert_eq!(
        matcher.failing_dimension(&Facts::default()),
        Some("platform")
    );
}

#[test]
fn rules_that_make_no_sense_are_refused_where_they_stand() {
    let many_values: Vec<u32> = (0..1001).collect();
    let many_rules = vec![json!({"percent": 1, "seed": "s"}); 51];
    for (rules, at, code) in [
        (json!([{}]), "/all/0", "invalid"),
        (json!([{"field": "age"}]), "/all/0", "invalid"),
        (
            json!([{"field": "shoe_size", "in": [1]}]),
            "/all/0/field",
            "not_allowed",
        ),
        (
            json!([{"field": "attributes.", "in": [1]}]),
            "/all/0/field",
            "not_allowed",
        ),
        (
            json!([{"field": "attributes.a b", "in": [1]}]),
            "/all/0/field",
            "not_allowed",
        ),
        (
            json!([{"field": "platform", "in": ["ios", "symbian"]}]),
            "/all/0/in/1",
            "not_allowed",
        ),
        (
            json!([{"field": "platform", "in": []}]),
            "/all/0/in",
            "too_few",
        ),
        (
            json!([{"field": "platform", "in": "ios"}]),
            "/all/0/in",
            "wrong_type",
        ),
        (
            json!([{"field": "platform", "in": [["ios"]]}]),
            "/all/0/in/0",
            "wrong_type",
        ),
        (
            json!([{"field": "platform", "gte": "ios"}]),
            "/all/0/gte",
            "not_allowed",
        ),
        (
            json!([{"field": "platform", "any_of": ["ios"]}]),
            "/all/0/any_of",
            "not_allowed",
        ),
        (
            json!([{"field": "interests", "in": ["a"]}]),
            "/all/0/in",
            "not_allowed",
        ),
        (
            json!([{"field": "interests", "any_of": [1]}]),
            "/all/0/any_of/0",
            "wrong_type",
        ),
        (
            json!([{"field": "age", "in": ["29"]}]),
            "/all/0/in/0",
            "wrong_type",
        ),
        (
            json!([{"field": "age", "gte": 1.5}]),
            "/all/0/gte",
            "out_of_range",
        ),
        (
            json!([{"field": "age", "gte": 30, "lt": 20}]),
            "/all/0/lt",
            "out_of_range",
        ),
        (
            json!([{"field": "hour", "in": [24]}]),
            "/all/0/in/0",
            "out_of_range",
        ),
        (
            json!([{"field": "app_version", "gte": 1}]),
            "/all/0/gte",
            "wrong_type",
        ),
        (
            json!([{"field": "app_version", "lt": "next"}]),
            "/all/0/lt",
            "not_allowed",
        ),
        (
            json!([{"field": "country", "in": ["ZZ"]}]),
            "/all/0/in/0",
            "not_allowed",
        ),
        (
            json!([{"field": "weekday", "in": ["friday"]}]),
            "/all/0/in/0",
            "not_allowed",
        ),
        (
            json!([{"field": "attributes.a", "lt": "1"}]),
            "/all/0/lt",
            "wrong_type",
        ),
        (
            json!([{"field": "attributes.a", "in": many_values}]),
            "/all/0/in",
            "too_many",
        ),
        (
            json!([{"field": "age", "in": [1], "lt": 3}]),
            "/all/0/lt",
            "not_allowed",
        ),
        (
            json!([{"field": "age", "in": [1], "not_in": [3]}]),
            "/all/0/not_in",
            "not_allowed",
        ),
        (
            json!([{"field": "age", "in": [1], "seed": "s"}]),
            "/all/0/seed",
            "not_allowed",
        ),
        (
            json!([{"field": "age", "in": [1], "by": "member"}]),
            "/all/0/by",
            "not_allowed",
        ),
        (
            json!([{"percent": 1, "seed": "s", "by": "user"}]),
            "/all/0/by",
            "not_allowed",
        ),
        (
            json!([{"percent": 1, "seed": "s", "by": "attributes."}]),
            "/all/0/by",
            "not_allowed",
        ),
        (
            json!([{"field": "build", "in": [1.5]}]),
            "/all/0/in/0",
            "out_of_range",
        ),
        (
            json!([{"field": "build", "gte": "12"}]),
            "/all/0/gte",
            "wrong_type",
        ),
        (json!([{"percent": 1}]), "/all/0/seed", "required"),
        (
            json!([{"percent": 1, "seed": ""}]),
            "/all/0/seed",
            "too_short",
        ),
        (
            json!([{"percent": 100.01, "seed": "s"}]),
            "/all/0/percent",
            "out_of_range",
        ),
        (
            json!([{"percent": -1, "seed": "s"}]),
            "/all/0/percent",
            "out_of_range",
        ),
        (
            json!([{"percent": 0.005, "seed": "s"}]),
            "/all/0/percent",
            "out_of_range",
        ),
        (
            json!([{"percent": "1", "seed": "s"}]),
            "/all/0/percent",
            "wrong_type",
        ),
        (
            json!([{"percent": 1, "seed": "s", "in": [1]}]),
            "/all/0/in",
            "not_allowed",
        ),
        (
            json!([{"percent": 1, "seed": "s", "field": "age", "in": [1]}]),
            "/all/0/percent",
            "not_allowed",
        ),
        (json!([{"any": []}]), "/all/0/any", "too_few"),
        (
            json!([{"any": [{"any": [{"percent": 1, "seed": "s"}]}]}]),
            "/all/0/any/0/any",
            "not_allowed",
        ),
        (
            json!([{"any": [{"field": "x", "in": [1]}]}]),
            "/all/0/any/0/field",
            "not_allowed",
        ),
        (json!([{"all": []}]), "/all/0/all", "unknown_field"),
        (json!(many_rules), "/all", "too_many"),
        (json!([{"any": &many_rules[..50]}]), "/all", "too_many"),
    ] {
        assert_eq!(faults(rules.clone()), [(at.to_owned(), code)], "{rules}");
    }
}

#[test]
fn the_schemas_have_only_keywords_that_are_checked() {
    assert_eq!(unknown_keywords(&schema_of::<Targeting>()), []);
    assert_eq!(unknown_keywords(&schema_of::<Attributes>()), []);
}

#[test]
fn buckets_are_stable_and_even() {
    // Worked out with another implementation of SHA-256: these may never change, or every share of
    // devices would be drawn anew.
    let device = "device-1";
    assert_eq!((bucket("s", device), bucket("t", device)), (7624, 3256));
    let in_ten = (0..20_000)
        .filter(|n| bucket("seed", &format!("d{n}")) < 1000)
        .count();
    // 2,000 expected; the standard deviation is 42.
    assert!((1850..2150).contains(&in_ten), "{in_ten}");
}

proptest! {
    #[test]
    fn a_raise_keeps_all_who_were_in(
        device in "[a-z0-9]{1,20}", seed in "[a-z]{1,5}", low in 0u32..10_000, high in 0u32..=10_000,
    ) {
        prop_assume!(low <= high);
        let device: DeviceId = device.parse().unwrap();
        let facts = Facts { device_id: Some(&device), ..Facts::default() };
        let share = |buckets: u32| {
            matcher(json!([{"percent": f64::from(buckets) / 100.0, "seed": seed}])).matches(&facts)
        };
        prop_assert!(!share(low) || share(high));
        prop_assert_eq!(share(low), u32::from(bucket(&seed, &device)) < low);
    }
    /// Whoever tells less is never shown more: there is nothing to gain by keeping a fact back.
    #[test]
    fn forgetting_a_fact_makes_nothing_match(
        chosen in proptest::collection::vec((0..50_usize, any::<bool>()), 1..6), forgotten in 0_u32..1 << 19,
    ) {
        let [holding, failing] = table();
        let rules: Vec<Value> = holding.into_iter().chain(failing).collect();
        let rules: Vec<Value> = chosen
            .into_iter()
            .map(|(at, alternative)| {
                let rule = &rules[at % rules.len()];
                if alternative && rule.get("any").is_none() {
                    json!({"any": [rule, {"field": "carrier", "in": ["KT"]}]})
                } else {
                    rule.clone()
                }
            })
            .collect();
        let matcher = matcher(json!(rules));
        with_facts(|facts| {
            let fewer = without(facts, forgotten);
            prop_assert!(!matcher.matches(&fewer) || matcher.matches(facts), "{rules:?}");
            Ok(())
        })?;
    }
}

/// The facts but those whose bits are set.
fn without<'a>(facts: &Facts<'a>, forgotten: u32) -> Facts<'a> {
    let mut fewer = facts.clone();
    let mut bit = 0;
    macro_rules! forget {
        ($($fact:ident),*) => {$(
            if forgotten >> bit & 1 == 1 {
                fewer.$fact = None;
            }
            bit += 1;
        )*};
    }
    forget!(
        platform,
        store,
        app_version,
        build,
        os_version,
        country,
        locale,
        carrier,
        model,
        age,
        gender,
        interests,
        segments,
        keywords,
        hour,
        weekday,
        attributes,
        device_id,
        member
    );
    assert_eq!(bit, 19);
    fewer
}
