//! Which notices there are to read, and when.

use super::*;

fn listed(notices: &Notices, now: &str) -> Vec<String> {
    let visible = notices.visible(&Audience::default(), at(now));
    visible.map(|notice| notice.id.to_string()).collect()
}

#[test]
fn pinned_ones_come_first_then_the_greatest_priority_then_the_newest_then_the_id() {
    let notices = notices(&[
        ("g", json!({"priority": -5})),
        ("f", json!({})),
        ("e", json!({})),
        ("d", json!({"starts_at": "2026-01-01T00:00:00.001Z"})),
        ("c", json!({"priority": 5})),
        ("b", json!({"pinned": true, "priority": -9})),
        ("a", json!({"pinned": true})),
    ]);
    assert_eq!(listed(&notices, NOON), ["a", "b", "c", "d", "e", "f", "g"]);
}

#[test]
fn a_notice_is_there_from_its_first_moment_until_its_last_if_it_has_one() {
    let notices = notices(&[
        (
            "a",
            json!({"starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-03-02T00:00:00Z"}),
        ),
        ("b", json!({"starts_at": "2026-03-01T00:00:00.001Z"})),
    ]);
    for (now, there, boundary) in [
        (
            "2026-02-28T23:59:59.999Z",
            vec![],
            Some("2026-03-01T00:00:00.000Z"),
        ),
        (
            "2026-03-01T00:00:00.000Z",
            vec!["a"],
            Some("2026-03-01T00:00:00.001Z"),
        ),
        (
            "2026-03-01T00:00:00.001Z",
            vec!["b", "a"],
            Some("2026-03-02T00:00:00.000Z"),
        ),
        ("2026-03-02T00:00:00.000Z", vec!["b"], None),
    ] {
        assert_eq!(listed(&notices, now), there, "{now}");
        let found = notices.next_boundary(at(now)).map(|next| next.to_string());
        assert_eq!(found.as_deref(), boundary, "{now}");
    }
}

#[test]
fn one_that_is_not_for_an_audience_is_found_only_by_whoever_looks_for_it_anyhow() {
    let abroad = json!({"targeting": {"all": [{"field": "country", "in": ["JP"]}]}});
    let over = json!({"ends_at": "2026-02-01T00:00:00Z"});
    let notices = notices(&[("here", json!({})), ("abroad", abroad), ("over", over)]);
    let audience = Audience {
        country: Some(country("KR")),
        ..Audience::default()
    };
    for (name, seen, outcome) in [
        ("here", true, "selected"),
        ("abroad", false, "targeting.country"),
        ("over", false, "schedule"),
    ] {
        let id = id(name);
        assert_eq!(notices.get(&id, &audience, at(NOON)).is_some(), seen);
        assert!(notices.find(&id).is_some() && notices.contains(&id));
        let explained = notices.explain(&audience, at(NOON));
        let item = explained.iter().find(|item| *item.id == id).unwrap();
        assert_eq!(item.outcome.to_string(), outcome);
        let (notice, explained) = notices.explain_one(&id, &audience, at(NOON)).unwrap();
        assert_eq!((&notice.id, explained), (&id, *item));
    }
    assert!(notices.find(&id("none")).is_none() && !notices.contains(&id("none")));
}

#[test]
fn texts_are_handed_out_in_the_readers_language_as_they_were_written() {
    let text = "<script>alert(1)</script>\u{202e}𠮷🏯";
    let notices = notices(&[("n", json!({"body": {"default": "d", "ko": text}}))]);
    let notice = notices.find(&id("n")).unwrap();
    for (reader, title, body) in [
        (Some("ko-KR"), "안녕", text),
        (Some("fr"), "Hello", "d"),
        (None, "Hello", "d"),
    ] {
        let reader = reader.map(locale);
        assert_eq!(notice.title.choose(reader.as_ref()), title);
        assert_eq!(notice.body.choose(reader.as_ref()), body);
    }
}
