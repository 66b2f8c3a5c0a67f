//! What is taken of events, and what they are counted under.

use serde_json::json;

use super::*;
use crate::{FaultCode, Rejection, validation};

fn now() -> Instant {
    "2026-03-01T00:30:00Z".parse().unwrap()
}

fn event(changes: Value) -> ClientEvent {
    let mut event = json!({
        "id": "4F:9a.b_c-d", "type": "impression", "target": "banners/spring",
        "at": "2026-03-01T00:29:00Z",
    });
    for (name, value) in changes.as_object().unwrap() {
        event[name] = value.clone();
    }
    validation::parse_value(&event).unwrap()
}

fn told(changes: Value) -> Result<Event, EventRefusal> {
    let spring: Item = "banners/spring".parse().unwrap();
    let rules: Item = "notices/rules".parse().unwrap();
    Event::told(
        &event(changes),
        |item| [&spring, &rules].contains(&item),
        |event_type| event_type.as_str().starts_with("level"),
        now(),
    )
}

/// As it stands in the table below: `banners/spring impression`, or a type alone.
fn counter(changes: Value) -> String {
    match told(changes).unwrap().counter {
        Counter::Item(item, interaction) => format!("{item} {interaction}"),
        Counter::Type(event_type) => event_type.to_string(),
    }
}

#[test]
fn what_happens_to_a_published_item_counts_for_it_and_everything_else_by_type() {
    for (event_type, target, counted) in [
        (
            "impression",
            Some("banners/spring"),
            "banners/spring impression",
        ),
        ("click", Some("banners/spring"), "banners/spring click"),
        (
            "dismissal",
            Some("notices/rules"),
            "notices/rules dismissal",
        ),
        ("impression", None, "impression"),
        ("impression", Some("banners/autumn"), "impression"),
        ("impression", Some("notices/spring"), "impression"),
        ("click", Some("banners/Spring"), "click"),
        ("click", Some("banners/"), "click"),
        ("click", Some("banners"), "click"),
        ("click", Some("screens/home/top"), "click"),
        ("click", Some("여행 => 제주"), "click"),
        ("level.up-2_x", Some("banners/spring"), "level.up-2_x"),
        ("other", None, "other"),
        ("purchase_done", None, "purchase_done"),
        ("made_up", None, "other"),
        ("made_up", Some("banners/spring"), "other"),
    ] {
        let changes = json!({"type": event_type, "target": target});
        assert_eq!(counter(changes), counted, "{event_type} of {target:?}");
    }
}

#[test]
fn a_value_that_is_not_legal_refuses_its_event() {
    use EventRefusal::{
        InTheFuture, InvalidAt, InvalidAttributes, InvalidId, InvalidTarget, InvalidType, TooOld,
    };
    let long = |length| "x".repeat(length);
    let deep = json!({"a": {"b": {"c": {"d": 1}}}});
    for (changes, refusal) in [
        (json!({"id": ""}), Some(InvalidId)),
        (json!({"id": long(64)}), None),
        (json!({"id": long(65)}), Some(InvalidId)),
        (json!({"id": "a b"}), Some(InvalidId)),
        (json!({"id": "a#b"}), Some(InvalidId)),
        (json!({"id": "é"}), Some(InvalidId)),
        (json!({"type": ""}), Some(InvalidType)),
        (json!({"type": "Click"}), Some(InvalidType)),
        (json!({"type": "1st"}), Some(InvalidType)),
        (json!({"type": "_x"}), Some(InvalidType)),
        (json!({"type": long(64)}), None),
        (json!({"type": long(65)}), Some(InvalidType)),
        (json!({"target": ""}), Some(InvalidTarget)),
        (json!({"target": "가".repeat(130)}), None),
        (json!({"target": long(131)}), Some(InvalidTarget)),
        (json!({"target": "a\u{0}b"}), Some(InvalidTarget)),
        (json!({"target": null, "attributes": null}), None),
        (json!({"attributes": {"a": {"b": {"c": 1}}}}), None),
        (json!({"attributes": {"a": [[[]]]}}), None),
        (
            json!({"attributes": {"a": [[[[]]]]}}),
            Some(InvalidAttributes),
        ),
        (json!({"attributes": {"x": deep}}), Some(InvalidAttributes)),
        (json!({"attributes": {"a": long(4096 - 8)}}), None),
        (
            json!({"attributes": {"a": long(4096 - 7)}}),
            Some(InvalidAttributes),
        ),
        (json!({"at": "2026-03-01T09:29:00+0900"}), None),
        (json!({"at": "2026-03-01 00:29Z"}), None),
        (json!({"at": "2026-03-01T00:29:00"}), Some(InvalidAt)),
        (json!({"at": "yesterday"}), Some(InvalidAt)),
        (json!({"at": "2026-01-30T00:30:00Z"}), None),
        (json!({"at": "2026-01-30T00:29:59.999Z"}), Some(TooOld)),
        (json!({"at": "1970-01-01T00:00:00Z"}), Some(TooOld)),
        (json!({"at": "2026-03-02T00:30:00Z"}), None),
        (json!({"at": "2026-03-02T00:30:00.001Z"}), Some(InTheFuture)),
        (json!({"at": "9999-12-30T00:00:00Z"}), Some(InTheFuture)),
        // The first of several.
        (
            json!({"id": "", "type": "", "at": "1970-01-01T00:00:00Z"}),
            Some(InvalidId),
        ),
    ] {
        assert_eq!(told(changes.clone()).err(), refusal, "{changes}");
    }
}

#[test]
fn what_no_event_of_ours_looks_like_refuses_the_body() {
    for (changes, pointer, code) in [
        (json!({"id": 7}), "/id", FaultCode::WrongType),
        (json!({"type": null}), "/type", FaultCode::WrongType),
        (json!({"target": {}}), "/target", FaultCode::WrongType),
        (json!({"at": 1_772_323_200}), "/at", FaultCode::WrongType),
        (
            json!({"attributes": []}),
            "/attributes",
            FaultCode::WrongType,
        ),
        (json!({"colour": "red"}), "/colour", FaultCode::UnknownField),
    ] {
        let mut told = json!({"id": "1", "type": "click", "at": "2026-03-01T00:29:00Z"});
        for (name, value) in changes.as_object().unwrap() {
            told[name] = value.clone();
        }
        let refused = validation::parse_value::<ClientEvent>(&told);
        let Err(Rejection::Faults(faults)) = refused else {
            panic!("{changes} was taken");
        };
        let found: Vec<_> = faults.iter().map(|it| (&*it.pointer, it.code)).collect();
        assert_eq!(found, [(pointer, code)], "{changes}");
    }
}

#[test]
fn an_event_counts_for_the_day_it_happened_on_and_never_for_one_to_come() {
    for (at, day) in [
        ("2026-03-01T00:29:00Z", "2026-03-01"),
        ("2026-02-28T23:59:59.999Z", "2026-02-28"),
        ("2026-03-01T08:59:59+09:00", "2026-02-28"),
        ("2026-02-01T12:00:00Z", "2026-02-01"),
        ("2026-03-01T23:00:00Z", "2026-03-01"),
        ("2026-03-02T00:10:00Z", "2026-03-01"),
    ] {
        let event = told(json!({ "at": at })).unwrap();
        assert_eq!(event.day.to_string(), day, "{at}");
    }
}

#[test]
fn an_id_is_remembered_for_longer_than_its_event_is_taken() {
    for at in [now() - OLDEST, now(), now() + FURTHEST_AHEAD] {
        let event = told(json!({ "at": at })).unwrap();
        let last_taken = at + OLDEST;
        let margin = Duration::from_secs(DAY_S);
        assert!(event.remembered_until >= last_taken + margin, "{at}");
        assert!(event.remembered_until >= now() + REMEMBERED, "{at}");
    }
}

#[test]
fn an_item_reads_what_it_writes() {
    for text in ["banners/spring", "notices/-_0"] {
        assert_eq!(text.parse::<Item>().unwrap().to_string(), text);
    }
    for bad in [
        "",
        "banners",
        "banners/",
        "Banners/a",
        "campaigns/a",
        "banners/a/b",
    ] {
        assert!(bad.parse::<Item>().is_err(), "{bad}");
    }
}

#[test]
fn built_in_types_are_types_and_in_order() {
    assert!(BUILT_IN.is_sorted());
    for text in BUILT_IN {
        assert!(text.parse::<EventType>().unwrap().is_built_in(), "{text}");
    }
    for interaction in Interaction::ALL {
        assert!(EventType::from(*interaction).is_built_in());
    }
    assert!(EventType::other().is_built_in());
    for text in ["clicks", "purchase_", "made_up"] {
        assert!(!text.parse::<EventType>().unwrap().is_built_in(), "{text}");
    }
}

#[test]
fn a_member_that_is_there_twice_is_a_fault_at_any_depth() {
    for (attributes, pointer) in [
        (r#"{"a": 1, "a": 2}"#, "/attributes/a"),
        (
            r#"{"a": [{"b": {"c": 1, "d": 2, "c": 3}}]}"#,
            "/attributes/a/0/b/c",
        ),
        (r#"{"a": 1, "\u0061": 2}"#, "/attributes/a"),
        (
            r#"{"a\"": 1, "b": {"a\"": 1}, "a\"": 1}"#,
            "/attributes/a\"",
        ),
    ] {
        let body = format!(
            r#"{{"id": "1", "type": "click", "at": "2026-03-01T00:29:00Z", "attributes": {attributes}}}"#
        );
        let Err(Rejection::Faults(faults)) = validation::parse::<ClientEvent>(body.as_bytes())
        else {
            panic!("{attributes} was taken");
        };
        let found: Vec<_> = faults.iter().map(|it| (&*it.pointer, it.code)).collect();
        assert_eq!(found, [(pointer, FaultCode::Duplicate)], "{attributes}");
    }
    let alike = r#"{"a": {"a": {"a": ["a", "a", {"a": "\"a\": 1"}]}}, "b": {"a": 1}}"#;
    let body = format!(
        r#"{{"id": "1", "type": "click", "at": "2026-03-01T00:29:00Z", "attributes": {alike}}}"#
    );
    assert!(validation::parse::<ClientEvent>(body.as_bytes()).is_ok());
}
