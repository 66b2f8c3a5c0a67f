//! What operators may write, and what a set of it becomes.

mod authoring;
mod banners;
mod config;
mod damage;
mod notices;

use std::convert::Infallible;

use serde_json::{Value, json};

use super::*;
use crate::{
    Id, LinkSchemes, Rejection,
    validation::{oracle::Oracle, schema_of, unknown_keywords},
};

fn merged(mut base: Value, changes: Value) -> Value {
    base.as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    base
}

fn app_version(changes: Value) -> Value {
    let base = json!({
        "platform": "ios", "store": "app_store", "latest": "2.0", "min": "1.0",
        "store_url": "https://apps.apple.com/a", "message": {"default": "update"},
    });
    merged(base, changes)
}

fn window(changes: Value) -> Value {
    let base = json!({
        "gate": "window", "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-01-01T01:00:00Z",
        "message": {"default": "closed"},
    });
    merged(base, changes)
}

fn campaign(changes: Value) -> Value {
    let base = json!({
        "advertiser": "Acme Inc.", "name": "Spring", "categories": ["travel"],
        "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-02-01T00:00:00Z",
        "time_zone": "Asia/Seoul", "tier": 10, "weight": 100, "placements": ["top"],
        "types": ["banner"], "targeting": {"all": [{"field": "country", "in": ["KR"]}]},
        "consent": "not_required", "no_device": "serve",
        "caps": [{"scope": "campaign", "per": "day", "max": 3}],
        "budget": {"pricing": "cpm", "price_micros": 1_500_000, "daily": 1_500, "total": 15_000},
        "pacing": "even", "sampling": "thompson", "click_url": "https://example.com/?a=b",
        "creatives": [{"id": "c1", "type": "banner", "weight": 1, "assets": {"image": "https://a/b.png"}}],
        "house": false,
    });
    merged(base, changes)
}

fn banner(changes: Value) -> Value {
    let base = json!({
        "placement": "home", "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-02-01T00:00:00Z",
        "time_zone": "Asia/Seoul", "priority": 10,
        "images": {
            "default": {"url": "https://cdn.example.com/9f86d081.png", "width": 1200, "height": 600},
            "ko": {"url": "https://cdn.example.com/60303ae2.png", "width": 1200, "height": 630},
        },
        "alt": {"default": "Spring sale", "ko": "봄 세일"},
        "click": {"type": "open_url", "value": "https://example.com/spring"},
        "frequency": "always", "targeting": {"all": [{"field": "country", "in": ["KR"]}]},
    });
    merged(base, changes)
}

fn notice(changes: Value) -> Value {
    let base = json!({
        "category": "event", "pinned": false, "priority": 0,
        "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-02-01T00:00:00Z",
        "time_zone": "Asia/Seoul", "title": {"default": "Hello", "ko": "안녕하세요"},
        "body": {"default": "**Hello**"}, "link": "https://example.com/hello",
        "targeting": {"all": [{"field": "platform", "in": ["ios"]}]},
    });
    merged(base, changes)
}

fn parameter(changes: Value) -> Value {
    let base = json!({
        "key": "home.columns", "type": "int", "schema": {"minimum": 1, "maximum": 6}, "default": 2,
        "conditions": [
            {"name": "tablets", "targeting": {"all": [{"field": "model", "in": ["tablet"]}]}, "value": 4},
        ],
        "description": "How many columns the first page has.",
    });
    merged(base, changes)
}

fn nickname_rules(changes: Value) -> Value {
    merged(
        json!({"reserved": ["Courtyard Inc"], "blocked": ["heck"]}),
        changes,
    )
}

fn faults(kind: Kind, item: &Value) -> Vec<(String, &'static str)> {
    match check_item(kind, item.to_string().as_bytes()) {
        Ok(_) => Vec::new(),
        Err(Rejection::Faults(faults)) => faults
            .into_iter()
            .map(|f| (f.pointer, f.code.as_str()))
            .collect(),
        Err(other) => panic!("{other}"),
    }
}

/// A set of so many items, their ids in order: `i0000`, `i0001`, …
fn many(count: usize, item: impl Fn(usize) -> Value) -> Vec<(Id, Value)> {
    let items = (0..count).map(|n| (format!("i{n:04}").parse().unwrap(), item(n)));
    items.collect()
}

/// Which items are told that they are too many, and how. Nothing else is wrong with the set.
fn too_many(kind: Kind, items: &[(Id, Value)]) -> Vec<(String, String)> {
    let found = validate_set(kind, items).unwrap();
    let found = found.into_iter().map(|fault| {
        let told = (fault.pointer.as_str(), fault.code.as_str());
        assert_eq!(told, ("", "too_many"), "{}", fault.item);
        (fault.item.to_string(), fault.message)
    });
    found.collect()
}

/// How many of the first items make a set that can be published.
fn fitting(kind: Kind, items: &[(Id, Value)]) -> usize {
    let counts: Vec<usize> = (0..items.len()).collect();
    counts.partition_point(|count| validate_set(kind, &items[..=*count]).unwrap().is_empty())
}

#[test]
fn good_items_are_accepted() {
    for (kind, item) in [
        (
            Kind::AppVersions,
            app_version(json!({"min_os_version": "15.0"})),
        ),
        (
            Kind::Maintenance,
            window(
                json!({"time_zone": "Asia/Seoul", "platforms": ["ios"], "stores": ["app_store"], "url": "https://a.b"}),
            ),
        ),
        (
            Kind::Maintenance,
            json!({"gate": "blocked_device", "device_id": "d"}),
        ),
        (
            Kind::Maintenance,
            json!({"gate": "service_end", "at": "2030-01-01T00:00:00Z", "message": {"default": "bye"}}),
        ),
        (
            Kind::Testers,
            json!({"device_ids": ["a", "b"], "cidrs": ["198.51.100.0/24"]}),
        ),
        (Kind::Testers, json!({"cidrs": ["2001:db8::1"]})),
        (Kind::Campaigns, campaign(json!({}))),
        (
            Kind::Campaigns,
            campaign(json!({"house": true, "caps": [], "budget": null})),
        ),
        (Kind::Banners, banner(json!({}))),
        (Kind::Notices, notice(json!({}))),
        (Kind::Config, parameter(json!({}))),
        (Kind::NicknameRules, nickname_rules(json!({}))),
        (Kind::NicknameRules, json!({})),
        (Kind::EventTypes, json!({})),
        (
            Kind::EventTypes,
            json!({"type": "level.up-2", "description": "A level is done"}),
        ),
    ] {
        assert_eq!(faults(kind, &item), [], "{item}");
    }
}

#[test]
fn the_examples_of_the_documentation_are_accepted() {
    let document = include_str!("../../../../../docs/authoring.md");
    let examples = document.split("```json ").skip(1).map(|example| {
        let (kind, rest) = example.split_once('\n').unwrap();
        let (item, _) = rest.split_once("```").unwrap();
        (kind.parse().unwrap(), serde_json::from_str(item).unwrap())
    });
    let examples: Vec<(Kind, Value)> = examples.collect();
    let kinds: Vec<Kind> = examples.iter().map(|(kind, _)| *kind).collect();
    use Kind::{AppVersions, Banners, Campaigns, Config, EventTypes, NicknameRules, Notices};
    let documented = [
        Banners,
        Notices,
        Config,
        EventTypes,
        AppVersions,
        NicknameRules,
        Campaigns,
        Campaigns,
    ];
    assert_eq!(kinds, documented);
    for (kind, item) in examples {
        assert_eq!(faults(kind, &item), [], "{kind}");
    }
}

#[test]
fn faults_are_told_where_they_are() {
    use Kind::{AppVersions, Campaigns, Maintenance, Testers};
    for (kind, item, at, code) in [
        (
            AppVersions,
            app_version(json!({"store": "onestore"})),
            "/store",
            "not_allowed",
        ),
        (
            AppVersions,
            app_version(json!({"min": "2.0.1"})),
            "/min",
            "out_of_range",
        ),
        (
            AppVersions,
            app_version(json!({"latest": "two"})),
            "/latest",
            "bad_format",
        ),
        (
            AppVersions,
            app_version(json!({"store_url": "javascript:a"})),
            "/store_url",
            "bad_format",
        ),
        (
            AppVersions,
            app_version(json!({"message": {"ko": "k"}})),
            "/message/default",
            "required",
        ),
        (
            AppVersions,
            app_version(json!({"message": "update"})),
            "/message",
            "wrong_type",
        ),
        (
            Maintenance,
            window(json!({"ends_at": "2026-01-01T00:00:00Z"})),
            "/ends_at",
            "out_of_range",
        ),
        (
            Maintenance,
            window(json!({"time_zone": "Seoul"})),
            "/time_zone",
            "bad_format",
        ),
        (
            Maintenance,
            window(json!({"platforms": []})),
            "/platforms",
            "too_few",
        ),
        (
            Maintenance,
            window(json!({"platforms": ["tv"]})),
            "/platforms/0",
            "not_allowed",
        ),
        (
            Maintenance,
            window(json!({"device_id": "d"})),
            "/device_id",
            "unknown_field",
        ),
        (
            Maintenance,
            json!({"gate": "drawbridge"}),
            "/gate",
            "not_allowed",
        ),
        (Maintenance, json!({}), "/gate", "required"),
        (
            Maintenance,
            json!({"gate": "blocked_device"}),
            "/device_id",
            "required",
        ),
        (
            Testers,
            json!({"cidrs": ["198.51.100.0/33"]}),
            "/cidrs/0",
            "bad_format",
        ),
        (
            Testers,
            json!({"device_ids": [""]}),
            "/device_ids/0",
            "too_short",
        ),
        (
            Campaigns,
            campaign(json!({"ends_at": "2026-01-01T00:00:00Z"})),
            "/ends_at",
            "out_of_range",
        ),
        (
            Campaigns,
            campaign(json!({"tier": 0})),
            "/tier",
            "out_of_range",
        ),
        (
            Campaigns,
            campaign(json!({"tier": 101})),
            "/tier",
            "out_of_range",
        ),
        (
            Campaigns,
            campaign(json!({"weight": 10_001})),
            "/weight",
            "out_of_range",
        ),
        (
            Campaigns,
            campaign(json!({"weight": 1.5})),
            "/weight",
            "wrong_type",
        ),
        (
            Campaigns,
            campaign(json!({"placements": []})),
            "/placements",
            "too_few",
        ),
        (
            Campaigns,
            campaign(json!({"placements": ["a", "a"]})),
            "/placements/1",
            "duplicate",
        ),
        (
            Campaigns,
            campaign(json!({"placements": ["A"]})),
            "/placements/0",
            "bad_format",
        ),
        (
            Campaigns,
            campaign(json!({"types": ["video"]})),
            "/creatives/0/type",
            "not_allowed",
        ),
        (
            Campaigns,
            campaign(json!({"creatives": []})),
            "/creatives",
            "too_few",
        ),
        (
            Campaigns,
            campaign(json!({"click_url": "javascript:alert(1)"})),
            "/click_url",
            "bad_format",
        ),
        (
            Campaigns,
            campaign(json!({"consent": "maybe"})),
            "/consent",
            "not_allowed",
        ),
        (
            Campaigns,
            campaign(json!({"house": true, "caps": []})),
            "/budget",
            "not_allowed",
        ),
        (
            Campaigns,
            campaign(json!({"house": true, "budget": null})),
            "/caps",
            "not_allowed",
        ),
        (
            Campaigns,
            campaign(json!({"budget": {"pricing": "cpc"}})),
            "/budget/price_micros",
            "required",
        ),
        (
            Campaigns,
            campaign(json!({"budget": {"pricing": "flat", "daily": 2, "total": 1}})),
            "/budget/daily",
            "out_of_range",
        ),
        (
            Campaigns,
            campaign(json!({"budget": {"pricing": "flat", "total": 0}})),
            "/budget/total",
            "out_of_range",
        ),
        (
            Campaigns,
            campaign(
                json!({"caps": [{"scope": "campaign", "per": "day", "max": 1}, {"scope": "campaign", "per": "day", "max": 2}]}),
            ),
            "/caps/1",
            "duplicate",
        ),
        (
            Campaigns,
            campaign(json!({"targeting": {"all": [{"field": "shoe_size", "in": [1]}]}})),
            "/targeting/all/0/field",
            "not_allowed",
        ),
        (
            Campaigns,
            campaign(json!({"creatives": [
                {"id": "c", "type": "banner", "weight": 1, "assets": {}},
                {"id": "c", "type": "banner", "weight": 1, "assets": {}},
            ]})),
            "/creatives/1/id",
            "duplicate",
        ),
    ] {
        assert_eq!(faults(kind, &item), [(at.to_owned(), code)], "{item}");
    }
}

#[test]
fn every_required_field_is_required_and_nothing_unknown_is_let_in() {
    let required = |kind, full: Value, optional: &[&str]| {
        for name in full.as_object().unwrap().keys() {
            let mut item = full.clone();
            item.as_object_mut().unwrap().remove(name);
            let expected: Vec<(String, &str)> = match optional.contains(&name.as_str()) {
                true => Vec::new(),
                false => vec![(format!("/{name}"), "required")],
            };
            assert_eq!(faults(kind, &item), expected, "{name}");
        }
        let more = merged(full, json!({"surprise": 1}));
        assert_eq!(
            faults(kind, &more),
            [("/surprise".to_owned(), "unknown_field")]
        );
    };
    required(Kind::AppVersions, app_version(json!({})), &[]);
    required(Kind::Maintenance, window(json!({})), &[]);
    required(
        Kind::Banners,
        banner(json!({})),
        &["time_zone", "targeting"],
    );
    required(
        Kind::Notices,
        notice(json!({})),
        &["category", "ends_at", "time_zone", "link", "targeting"],
    );
    required(
        Kind::Config,
        parameter(json!({})),
        &["schema", "conditions", "description"],
    );
    required(
        Kind::NicknameRules,
        nickname_rules(json!({})),
        &["reserved", "blocked"],
    );
    required(
        Kind::Campaigns,
        campaign(json!({})),
        &[
            "categories",
            "ends_at",
            "time_zone",
            "targeting",
            "caps",
            "budget",
            "house",
        ],
    );
}

#[test]
fn an_item_comes_back_in_its_canonical_form() {
    let item = campaign(json!({
        "starts_at": "2026-01-01T09:00:00+09:00", "house": true, "caps": [], "budget": null,
        "targeting": null, "categories": null,
    }));
    let mut item = item;
    item.as_object_mut().unwrap().remove("time_zone");
    let canonical = check_item(Kind::Campaigns, item.to_string().as_bytes()).unwrap();
    assert_eq!(canonical["starts_at"], "2026-01-01T00:00:00.000Z");
    assert_eq!(canonical["time_zone"], "UTC");
    assert_eq!(canonical.get("budget"), None);
    assert_eq!(
        check_item(Kind::Campaigns, canonical.to_string().as_bytes()),
        Ok(canonical)
    );
}

fn set(items: &[(&str, Value)]) -> Vec<(Id, Value)> {
    items
        .iter()
        .map(|(id, item)| (id.parse().unwrap(), item.clone()))
        .collect()
}

#[test]
fn sets_are_held_against_the_rules_between_items() {
    let end =
        json!({"gate": "service_end", "at": "2030-01-01T00:00:00Z", "message": {"default": "bye"}});
    let blocked = json!({"gate": "blocked_device", "device_id": "d"});
    for (kind, items, expected) in [
        (
            Kind::AppVersions,
            set(&[("a", app_version(json!({}))), ("b", app_version(json!({})))]),
            Some(("b", "/store", "duplicate")),
        ),
        (
            Kind::Maintenance,
            set(&[("a", end.clone()), ("b", window(json!({}))), ("c", end)]),
            Some(("c", "/gate", "duplicate")),
        ),
        (
            Kind::Maintenance,
            set(&[("a", blocked.clone()), ("b", blocked)]),
            Some(("b", "/device_id", "duplicate")),
        ),
        (
            Kind::Campaigns,
            set(&[
                ("a", campaign(json!({}))),
                ("b", campaign(json!({"tier": 0}))),
            ]),
            Some(("b", "/tier", "out_of_range")),
        ),
        (
            Kind::Campaigns,
            set(&[("a", campaign(json!({}))), ("b", campaign(json!({})))]),
            None,
        ),
        (
            Kind::EventTypes,
            set(&[
                ("quiz_done", json!({})),
                ("b", json!({"type": "quiz_done"})),
            ]),
            Some(("quiz_done", "/type", "duplicate")),
        ),
        (
            Kind::EventTypes,
            set(&[("2nd", json!({}))]),
            Some(("2nd", "/type", "required")),
        ),
        (
            Kind::EventTypes,
            set(&[("2nd", json!({"type": "second"})), ("quiz_done", json!({}))]),
            None,
        ),
        (Kind::Testers, set(&[]), None),
        (
            Kind::NicknameRules,
            set(&[
                ("a", nickname_rules(json!({"starter_list": false}))),
                ("b", nickname_rules(json!({"starter_list": false}))),
            ]),
            Some(("b", "/starter_list", "duplicate")),
        ),
        (
            Kind::NicknameRules,
            set(&[
                ("a", nickname_rules(json!({"blocked": ["heck", "--"]}))),
                ("b", nickname_rules(json!({"starter_list": false}))),
            ]),
            Some(("a", "/blocked/1", "bad_format")),
        ),
    ] {
        let found = validate_set(kind, &items).unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|f| (&*f.item, &*f.pointer, f.code.as_str()))
            .collect();
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>());
        let faults = match compile(kind, &items) {
            Ok(_) => Vec::new(),
            Err(CompileError::Faults(faults)) => faults,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(faults, found);
    }
}

#[test]
fn a_budget_that_cannot_be_spread_or_buys_nothing_is_refused_of_authors_alone() {
    let id: Id = "a".parse().unwrap();
    for (changes, pointer, code) in [
        (
            json!({"budget": {"pricing": "cpc", "price_micros": 701, "total": 700}}),
            "/budget/price_micros",
            "out_of_range",
        ),
        (
            json!({"budget": {"pricing": "cpa", "price_micros": 9, "daily": 8, "total": 80}}),
            "/budget/price_micros",
            "out_of_range",
        ),
        (
            json!({"budget": {"pricing": "cpm", "price_micros": 8_001, "daily": 8}}),
            "/budget/price_micros",
            "out_of_range",
        ),
        (
            json!({"ends_at": null, "budget": {"pricing": "impressions", "total": 500}}),
            "/ends_at",
            "required",
        ),
    ] {
        let item = campaign(changes);
        let draft = item.to_string();
        let refused = check_draft(
            Kind::Campaigns,
            &id,
            draft.as_bytes(),
            &LinkSchemes::default(),
        );
        let Err(Rejection::Faults(faults)) = refused else {
            panic!("{item}");
        };
        let told: Vec<_> = faults
            .iter()
            .map(|f| (&*f.pointer, f.code.as_str()))
            .collect();
        assert_eq!(told, [(pointer, code)], "{item}");
        // Drafts of an earlier release can be published.
        assert_eq!(
            validate_set(Kind::Campaigns, &set(&[("a", item)])).unwrap(),
            []
        );
    }
}

#[test]
fn the_same_set_compiles_to_the_same_bytes() {
    let mut items = set(&[
        ("b", campaign(json!({}))),
        ("a", campaign(json!({"tier": 2}))),
    ]);
    let once = compile(Kind::Campaigns, &items).unwrap();
    items.reverse();
    assert_eq!(compile(Kind::Campaigns, &items).unwrap(), once);
}

#[test]
fn changes_between_versions_are_counted() {
    let before = set(&[("a", json!(1)), ("b", json!(1)), ("c", json!(1))]);
    let after = set(&[
        ("b", json!(1)),
        ("c", json!(2)),
        ("d", json!(1)),
        ("e", json!(1)),
    ]);
    let count = |before: &[(Id, Value)], after: &[(Id, Value)]| {
        let read = |items: &[(Id, Value)]| -> Vec<Result<_, Infallible>> {
            items.iter().cloned().map(Ok).collect()
        };
        changes(read(before), read(after)).unwrap()
    };
    assert_eq!(
        count(&before, &after),
        Changes {
            added: 2,
            changed: 1,
            removed: 1
        }
    );
    assert_eq!(count(&before, &before), Changes::default());
    assert_eq!(
        count(&[], &after),
        Changes {
            added: 4,
            ..Changes::default()
        }
    );
    assert_eq!(
        count(&before, &[]),
        Changes {
            removed: 3,
            ..Changes::default()
        }
    );
}

#[test]
fn the_schemas_have_only_keywords_that_are_checked() {
    for schema in [
        schema_of::<AppVersion>(),
        schema_of::<Gate>(),
        schema_of::<TestersItem>(),
        schema_of::<Campaign>(),
        schema_of::<Banner>(),
        schema_of::<Notice>(),
        schema_of::<Parameter>(),
        schema_of::<NicknameRuleItem>(),
    ] {
        assert_eq!(unknown_keywords(&schema), []);
    }
}

/// The pointers of a document and of everything in it.
fn places(document: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let mut below = |name: &str, value| places(value, &format!("{at}/{name}"), found);
    match document {
        Value::Object(members) => members.iter().for_each(|(name, value)| below(name, value)),
        Value::Array(elements) => {
            let elements = elements.iter().enumerate();
            elements.for_each(|(place, value)| below(&place.to_string(), value));
        }
        _ => {}
    }
}

#[test]
fn the_interpreter_agrees_with_another_on_every_kind() {
    let strange = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(7),
        json!(1e9),
        json!(0.5),
        json!(""),
        json!("x"),
        json!("X Y"),
        json!("a".repeat(5000)),
        json!("a".repeat(20_001)),
        json!([]),
        json!(["x"]),
        json!([[]]),
        json!(vec!["x"; 1001]),
        json!({}),
        json!({"x": 1}),
        json!({"default": "d"}),
    ];
    for (oracle, item) in [
        (
            Oracle::of::<AppVersion>(),
            app_version(json!({"min_os_version": "15"})),
        ),
        (
            Oracle::of::<Gate>(),
            window(json!({"platforms": ["ios"], "stores": ["web"]})),
        ),
        (
            Oracle::of::<TestersItem>(),
            json!({"device_ids": ["a"], "cidrs": ["::1"]}),
        ),
        (Oracle::of::<Campaign>(), campaign(json!({}))),
        (Oracle::of::<Banner>(), banner(json!({}))),
        (Oracle::of::<Notice>(), notice(json!({}))),
        (Oracle::of::<Parameter>(), parameter(json!({}))),
        (
            Oracle::of::<NicknameRuleItem>(),
            nickname_rules(json!({"starter_list": true})),
        ),
    ] {
        assert_eq!(oracle.verdicts(&item), (true, true));
        let mut pointers = Vec::new();
        places(&item, "", &mut pointers);
        for pointer in pointers {
            for value in &strange {
                let mut altered = item.clone();
                *altered.pointer_mut(&pointer).unwrap() = value.clone();
                let (ours, theirs) = oracle.verdicts(&altered);
                assert_eq!(ours, theirs, "{pointer} {value}");
            }
        }
    }
}

#[test]
fn kinds_are_known_by_name() {
    assert_eq!("app_versions".parse(), Ok(Kind::AppVersions));
    assert_eq!("config".parse(), Ok(Kind::Config));
    assert!("banner".parse::<Kind>().is_err());
}
