//! What a caller is told of a document that is wrong, and that the interpreter agrees with another.

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{oracle::Oracle, *};
use crate::{
    Country, HttpUrl, Id, Instant, Label, Localized, Platform, TimeZoneName, Version,
    allocation::Profile,
};

/// One of everything.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(custom(starts_before_it_ends))]
struct Order {
    #[garde(skip)]
    id: Id,
    #[garde(range(min = 1, max = 20))]
    count: u8,
    #[garde(range(min = 0.0, max = 100.0))]
    share: Option<f64>,
    #[serde(default)]
    #[garde(length(min = 1, max = 3))]
    labels: Option<Vec<Label>>,
    #[garde(length(min = 1), dive)]
    lines: Vec<Line>,
    #[serde(default)]
    #[garde(skip)]
    names: UniqueMap<Localized>,
    #[garde(skip)]
    r#type: Option<Platform>,
    #[garde(skip)]
    country: Option<Country>,
    #[garde(skip)]
    link: Option<HttpUrl>,
    #[garde(skip)]
    zone: Option<TimeZoneName>,
    #[garde(skip)]
    version: Option<Version>,
    #[garde(skip)]
    starts_at: Option<Instant>,
    #[garde(skip)]
    ends_at: Option<Instant>,
    #[garde(skip)]
    extras: Option<JsonObject>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
    Text(Text),
    Number(Whole),
}

impl Validate for Line {
    type Context = ();

    fn validate_into(
        &self,
        ctx: &(),
        path: &mut dyn FnMut() -> garde::Path,
        report: &mut garde::Report,
    ) {
        match self {
            Self::Text(text) => text.validate_into(ctx, path, report),
            Self::Number(number) => number.validate_into(ctx, path, report),
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Text {
    #[garde(length(chars, min = 1, max = 5))]
    text: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[garde(range(min = -5, max = 5))]
    number: i64,
}

fn starts_before_it_ends(order: &Order, _: &()) -> garde::Result {
    let mut faults = Vec::new();
    if let (Some(start), Some(end)) = (order.starts_at, order.ends_at)
        && end <= start
    {
        faults.push(Fault::new(
            "/ends_at",
            FaultCode::Invalid,
            "must be after starts_at",
        ));
    }
    rule(faults)
}

fn good() -> Value {
    json!({
        "id": "a", "count": 1, "lines": [{"kind": "text", "text": "hi"}, {"kind": "number", "number": 5}],
        "names": {"x": {"default": "d", "ko": "k"}}, "type": "ios", "country": "kr", "share": 12.5,
        "link": "https://example.com/", "zone": "Asia/Seoul", "version": "1.10", "labels": ["여행"],
        "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-01-01T00:00:01Z", "extras": {"a": [1]},
    })
}

/// What is wrong with the good document when `pointer` holds `value` instead.
fn faults_with(pointer: &str, value: Value) -> Vec<(String, &'static str)> {
    let mut document = good();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            members.insert(name.to_owned(), value);
        }
        Value::Array(elements) => elements[name.parse::<usize>().unwrap()] = value,
        other => panic!("nothing below {other}"),
    }
    faults_of(&document.to_string())
}

fn faults_of(json: &str) -> Vec<(String, &'static str)> {
    match parse::<Order>(json.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(Rejection::Faults(faults)) => faults
            .into_iter()
            .map(|f| (f.pointer, f.code.as_str()))
            .collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn what_is_right_is_read() {
    let order: Order = parse(good().to_string().as_bytes()).unwrap();
    assert_eq!(order.country.unwrap().as_str(), "KR");
    assert_eq!(parse_value::<Order>(&good()).unwrap().count, 1);
}

#[test]
fn each_fault_has_its_code_and_its_pointer() {
    let too_deep_text = "x".repeat(2100);
    for (pointer, value, at, code) in [
        ("/id", json!("A"), "/id", "bad_format"),
        ("/id", json!("x".repeat(65)), "/id", "too_long"),
        ("/id", json!(""), "/id", "too_short"),
        ("/id", json!(7), "/id", "wrong_type"),
        ("/id", json!(null), "/id", "wrong_type"),
        ("/count", json!(0), "/count", "out_of_range"),
        ("/count", json!(21), "/count", "out_of_range"),
        ("/count", json!(-1), "/count", "out_of_range"),
        ("/count", json!(1e30), "/count", "out_of_range"),
        ("/count", json!(1.5), "/count", "wrong_type"),
        ("/count", json!(1.0), "/count", "wrong_type"),
        ("/count", json!("1"), "/count", "wrong_type"),
        ("/share", json!(100.5), "/share", "out_of_range"),
        ("/labels", json!([]), "/labels", "too_few"),
        (
            "/labels",
            json!(["a", "b", "c", "d"]),
            "/labels",
            "too_many",
        ),
        ("/labels", json!(["a", ""]), "/labels/1", "too_short"),
        ("/labels", json!({}), "/labels", "wrong_type"),
        ("/lines", json!([]), "/lines", "too_few"),
        (
            "/lines/0",
            json!({"kind": "text"}),
            "/lines/0/text",
            "required",
        ),
        (
            "/lines/0",
            json!({"text": "hi"}),
            "/lines/0/kind",
            "required",
        ),
        (
            "/lines/0",
            json!({"kind": "verse"}),
            "/lines/0/kind",
            "not_allowed",
        ),
        ("/lines/0", json!("text"), "/lines/0", "wrong_type"),
        (
            "/lines/0",
            json!({"kind": "text", "text": "hihihi"}),
            "/lines/0/text",
            "too_long",
        ),
        (
            "/lines/1",
            json!({"kind": "number", "number": 6}),
            "/lines/1/number",
            "out_of_range",
        ),
        (
            "/lines/1",
            json!({"kind": "number", "number": 1, "a": 1}),
            "/lines/1/a",
            "unknown_field",
        ),
        (
            "/names/x",
            json!({"ko": "k"}),
            "/names/x/default",
            "required",
        ),
        (
            "/names/x",
            json!({"default": "d", "1": "k"}),
            "/names/x/1",
            "bad_format",
        ),
        ("/type", json!("IOS"), "/type", "not_allowed"),
        ("/country", json!("ZZ"), "/country", "not_allowed"),
        ("/link", json!("ftp://a"), "/link", "bad_format"),
        (
            "/link",
            json!(format!("https://a/{too_deep_text}")),
            "/link",
            "too_long",
        ),
        ("/zone", json!("Mars/Olympus"), "/zone", "bad_format"),
        ("/version", json!("next"), "/version", "bad_format"),
        ("/ends_at", json!("2026-01-01"), "/ends_at", "bad_format"),
        (
            "/ends_at",
            json!("2025-01-01T00:00:00Z"),
            "/ends_at",
            "invalid",
        ),
        ("/extras", json!([]), "/extras", "wrong_type"),
        ("/~a/b", json!(1), "/~0a~1b", "unknown_field"),
    ] {
        let found = match pointer {
            "/~a/b" => {
                let mut document = good();
                document["~a/b"] = value;
                faults_of(&document.to_string())
            }
            _ => faults_with(pointer, value.clone()),
        };
        assert_eq!(found, [(at.to_owned(), code)], "{pointer}");
    }
}

#[test]
fn all_faults_are_told_at_once_those_of_rules_included() {
    let found = faults_of(
        r#"{"count": 21, "lines": [{"kind":"text","text":""}], "starts_at": "x", "more": 1}"#,
    );
    let expected = [
        ("/count", "out_of_range"),
        ("/id", "required"),
        ("/lines/0/text", "too_short"),
        ("/more", "unknown_field"),
        ("/starts_at", "bad_format"),
    ];
    assert_eq!(found, expected.map(|(at, code)| (at.to_owned(), code)));

    let mut document = good();
    document["count"] = json!(21);
    document["ends_at"] = document["starts_at"].clone();
    let expected = [("/count", "out_of_range"), ("/ends_at", "invalid")];
    assert_eq!(
        faults_of(&document.to_string()),
        expected.map(|(at, code)| (at.to_owned(), code))
    );
}

#[test]
fn a_member_twice_is_a_fault_at_any_depth() {
    let twice = good()
        .to_string()
        .replacen(r#""count":1"#, r#""count":1,"count":1"#, 1);
    assert_eq!(faults_of(&twice), [("/count".to_owned(), "duplicate")]);
    let in_map = good()
        .to_string()
        .replacen(r#""ko":"k""#, r#""ko":"k","ko":"k""#, 1);
    assert_eq!(
        faults_of(&in_map),
        [("/names/x/ko".to_owned(), "duplicate")]
    );
    let in_object = good()
        .to_string()
        .replacen(r#""a":[1]"#, r#""a":[{"b":1,"b":2}]"#, 1);
    assert_eq!(
        faults_of(&in_object),
        [("/extras/a/0/b".to_owned(), "duplicate")]
    );
    let in_tagged = good()
        .to_string()
        .replacen(r#""text":"hi""#, r#""text":"hi","text":"ho""#, 1);
    assert_eq!(
        faults_of(&in_tagged),
        [("/lines/0/text".to_owned(), "duplicate")]
    );
}

#[test]
fn what_is_not_json_is_malformed() {
    for bad in [
        &b""[..],
        b"{",
        b"{\"id\":NaN}",
        b"{\"id\":\"\xff\"}",
        b"{\"id\":\"\\ud800\"}",
        b"{} {}",
        b"{\"id\":'a'}",
        b"{\"id\":1e999}",
        b"{,}",
        b"[1,]",
        b"\xef\xbb\xbf{}",
    ] {
        let rejection = parse::<Order>(bad).unwrap_err();
        assert!(
            matches!(rejection, Rejection::Malformed(_)),
            "{bad:?}: {rejection}"
        );
    }
}

#[test]
fn depth_is_limited_before_anything_is_built() {
    let nested = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert_eq!(parse::<Order>(&nested(33)), Err(Rejection::TooDeep));
    assert_eq!(
        parse::<Order>(&vec![b'['; 1_000_000]),
        Err(Rejection::TooDeep)
    );
    assert!(matches!(
        parse::<Order>(&nested(32)),
        Err(Rejection::Faults(_))
    ));
}

#[test]
fn the_number_of_faults_told_is_bounded() {
    let members: BTreeMap<String, u8> = (0..1000).map(|n| (format!("x{n}"), 1)).collect();
    let found = faults_of(&serde_json::to_string(&members).unwrap());
    assert_eq!(found.len(), MAX_FAULTS);
}

/// A body may have a quarter of a megabyte: being told what is wrong with it must not be dear either.
#[test]
fn a_large_wrong_document_is_explained_like_a_small_one() {
    let mut document = good();
    document["labels"] = json!(vec!["\u{7}"; 20_000]);
    document["lines"] = json!(vec![json!({"kind": "text", "text": ""}); 10_000]);
    let found = faults_of(&document.to_string());
    assert_eq!(found.len(), MAX_FAULTS);
    assert_eq!(found[0], ("/labels".to_owned(), "too_many"));
}

/// Bodies of up to a quarter of a megabyte that name a long place, or one thing, as often as they can.
#[test]
fn a_refusal_is_no_larger_than_is_worth_telling() {
    let long = "k".repeat(131_000);
    let often = format!(r#"{}"a":1"#, r#""a":1,"#.repeat(19_999));
    let twice: Vec<String> = (0..200).map(|n| format!(r#""{n}":1,"{n}":1"#)).collect();
    let zeros = vec!["0"; 60_000].join(",");
    let texts = vec![r#""""#; 40_000].join(",");
    let lines = vec!["{}"; 40_000].join(",");
    for body in [
        format!(r#"{{"{long}":{{{often}}}}}"#),
        format!(r#"{{"attributes":{{"{long}":[{zeros}]}}}}"#),
        format!(r#"{{"{long}":{{{}}}}}"#, twice.join(",")),
        format!(r#"{{"labels":[{texts}],"lines":[{lines}]}}"#),
        format!(r#"{{"interests":[{texts}],"segments":[{lines}]}}"#),
    ] {
        for refused in [
            parse::<Order>(body.as_bytes()).unwrap_err(),
            parse::<Profile>(body.as_bytes()).unwrap_err(),
        ] {
            let Rejection::Faults(faults) = refused else {
                panic!("{refused}");
            };
            assert!((1..=MAX_FAULTS).contains(&faults.len()));
            let lengths = faults.iter().map(|f| f.pointer.len().max(f.message.len()));
            assert!(lengths.max() <= Some(256 + '…'.len_utf8()));
            assert!(serde_json::to_vec(&faults).unwrap().len() < 40_000);
        }
    }
}

#[test]
fn elements_and_members_beyond_the_maximum_are_not_looked_at() {
    let elements = json!(["", "ok", "ok", "", ""]);
    assert_eq!(
        faults_with("/labels", elements),
        [
            ("/labels".to_owned(), "too_many"),
            ("/labels/0".to_owned(), "too_short")
        ]
    );
    let schema = json!({"type": "object", "maxProperties": 1, "additionalProperties": false});
    let pointers: Vec<String> = check_schema(&schema, &json!({"a": 1, "b": 2}))
        .into_iter()
        .map(|fault| fault.pointer)
        .collect();
    assert_eq!(pointers, ["", "/a"]);
    let endless = json!({"items": {"type": "string"}, "uniqueItems": true});
    let found = check_schema(&endless, &json!(vec![0; 1000]));
    assert_eq!(found.len(), MAX_FAULTS);
}

/// What is said twice does not crowd out what else is wrong.
#[test]
fn repetitions_are_told_beside_other_faults() {
    let often = r#""a":1,"#.repeat(1000);
    let found = faults_of(&format!(r#"{{"x":{{{often}"a":1}},"id":7}}"#));
    for fault in [
        ("/x/a".to_owned(), "duplicate"),
        ("/x".to_owned(), "unknown_field"),
        ("/id".to_owned(), "wrong_type"),
    ] {
        assert!(found.contains(&fault), "{found:?}");
    }
}

#[test]
fn the_schema_has_only_keywords_that_are_checked() {
    assert_eq!(unknown_keywords(&schema_of::<Order>()), []);
    let strange = json!({"properties": {"a": {"multipleOf": 2}}, "not": {}, "format": "email"});
    let pointers: Vec<String> = unknown_keywords(&strange)
        .into_iter()
        .map(|k| k.pointer)
        .collect();
    assert_eq!(pointers, ["/format", "/not", "/properties/a/multipleOf"]);
}

/// Values near enough to an order to get past its first checks, and often to be one.
fn nearly_an_order() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-10i64..300).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e3..1e3).prop_map(Value::from),
        "[a-zA-Z_.-]{0,7}".prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "id",
        "count",
        "share",
        "labels",
        "lines",
        "names",
        "type",
        "country",
        "link",
        "zone",
        "version",
        "starts_at",
        "ends_at",
        "extras",
        "other",
        "names/x",
        "lines/0",
        "lines/1",
        "lines/0/text",
        "lines/0/kind",
        "lines/1/number",
        "labels/0",
        "names/x/ko",
        "names/x/default",
    ]);
    let value = prop_oneof![
        3 => scalar.clone(),
        1 => prop::collection::vec(scalar.clone(), 0..5).prop_map(Value::from),
        1 => prop::collection::btree_map("[a-z]{1,3}", scalar, 0..3)
            .prop_map(|map| serde_json::to_value(map).unwrap()),
    ];
    prop::collection::vec((names, prop::option::of(value)), 0..3).prop_map(|edits| {
        let mut document = good();
        for (pointer, value) in edits {
            let pointer = format!("/{pointer}");
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            match (document.pointer_mut(parent), value) {
                (Some(Value::Object(members)), Some(value)) => {
                    members.insert(name.to_owned(), value);
                }
                (Some(Value::Object(members)), None) => {
                    members.remove(name);
                }
                (Some(Value::Array(elements)), Some(value)) => {
                    let place = name.parse::<usize>().ok();
                    if let Some(element) = place.and_then(|place| elements.get_mut(place)) {
                        *element = value;
                    }
                }
                _ => {}
            }
        }
        document
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_interpreter_agrees_with_another(document in nearly_an_order()) {
        static ORACLE: LazyLock<Oracle> = LazyLock::new(Oracle::of::<Order>);
        let (ours, theirs) = ORACLE.verdicts(&document);
        prop_assert_eq!(ours, theirs);
    }

    /// Whatever is refused is explained.
    #[test]
    fn a_refusal_has_at_least_one_fault(document in nearly_an_order()) {
        match parse::<Order>(document.to_string().as_bytes()) {
            Ok(order) => prop_assert_eq!(parse_value::<Order>(&document).unwrap(), order),
            Err(Rejection::Faults(faults)) => prop_assert!(!faults.is_empty()),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn an_array_is_no_object_at_any_depth() {
    for (json, pointer) in [(r#"[]"#, ""), (r#"{"interests":[]}"#, "/interests")] {
        let Err(Rejection::Faults(faults)) = parse::<User>(json.as_bytes()) else {
            panic!("{json} was taken");
        };
        let fault = faults.iter().find(|fault| fault.pointer == pointer);
        assert_eq!(
            fault.map(|fault| fault.code),
            Some(FaultCode::WrongType),
            "{json}: {faults:?}"
        );
    }
    assert!(parse::<Line>(br#"["text", {"text": "a"}]"#).is_err());
    assert!(parse::<Line>(br#"["text", "a"]"#).is_err());
    assert!(parse_value::<Line>(&serde_json::json!(["text", "a"])).is_err());
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct User {
    #[garde(dive)]
    interests: Text,
}
