//! Which banners are shown, in which order and language, and when.

use super::*;

fn shown(banners: &Banners, placement: Option<&str>, now: &str) -> Vec<String> {
    let placement = placement.map(id);
    let selection = Selection {
        placement: placement.as_ref(),
        audience: Audience::default(),
        now: at(now),
    };
    let shown = banners.shown(&selection);
    shown.iter().map(|banner| banner.id.to_string()).collect()
}

#[test]
fn a_banner_is_there_from_its_first_moment_until_its_last() {
    let banners = banners(&[
        (
            "a",
            json!({"starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-03-02T00:00:00Z"}),
        ),
        (
            "b",
            json!({"starts_at": "2026-03-01T12:00:00Z", "ends_at": "2026-03-03T00:00:00Z"}),
        ),
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
            Some("2026-03-01T12:00:00.000Z"),
        ),
        (
            "2026-03-01T11:59:59.999Z",
            vec!["a"],
            Some("2026-03-01T12:00:00.000Z"),
        ),
        (
            "2026-03-01T12:00:00.000Z",
            vec!["b", "a"],
            Some("2026-03-02T00:00:00.000Z"),
        ),
        (
            "2026-03-01T23:59:59.999Z",
            vec!["b", "a"],
            Some("2026-03-02T00:00:00.000Z"),
        ),
        (
            "2026-03-02T00:00:00.000Z",
            vec!["b"],
            Some("2026-03-03T00:00:00.000Z"),
        ),
        ("2026-03-03T00:00:00.000Z", vec![], None),
    ] {
        assert_eq!(shown(&banners, None, now), there, "{now}");
        let found = banners.next_boundary(at(now)).map(|next| next.to_string());
        assert_eq!(found.as_deref(), boundary, "{now}");
    }
    for published in ["a", "b"] {
        assert!(banners.contains(&id(published)), "{published}");
    }
    assert!(!banners.contains(&id("c")));
}

#[test]
fn the_greatest_priority_comes_first_then_the_newest_then_the_id() {
    let banners = banners(&[
        ("e", json!({"priority": -1})),
        ("d", json!({})),
        ("c", json!({})),
        ("b", json!({"starts_at": "2026-02-01T00:00:00Z"})),
        ("a", json!({"priority": 7})),
        ("z", json!({"priority": i32::MAX, "placement": "shop"})),
    ]);
    assert_eq!(
        shown(&banners, Some("home"), NOON),
        ["a", "b", "c", "d", "e"]
    );
    assert_eq!(shown(&banners, Some("shop"), NOON), ["z"]);
    assert_eq!(shown(&banners, Some("nowhere"), NOON), [""; 0]);
    assert_eq!(shown(&banners, None, NOON), ["z", "a", "b", "c", "d", "e"]);
}

#[test]
fn picture_and_words_are_each_in_the_nearest_language() {
    let banners = banners(&[("b", json!({"click": {"type": "none"}}))]);
    for (reader, url, alt) in [
        (Some("ko-KR"), "k", "대세일"),
        (Some("ko-KP"), "k", "세일"),
        (Some("ko"), "k", "세일"),
        (Some("en-GB"), "d", "Sale"),
        (None, "d", "Sale"),
    ] {
        let reader = reader.map(locale);
        let audience = Audience {
            languages: reader.as_slice(),
            ..Audience::default()
        };
        let selection = Selection {
            placement: None,
            audience,
            now: at(NOON),
        };
        let shown = serde_json::to_value(banners.shown(&selection)).unwrap();
        let height = if url == "k" { 630 } else { 600 };
        let url = format!("https://cdn.example.com/{url}.png");
        let expected = json!([{
            "id": "b", "placement": "home", "image": {"url": url, "width": 1200, "height": height},
            "alt": alt, "click": {"type": "none", "value": null}, "frequency": "once",
            "ends_at": "2027-01-01T00:00:00.000Z",
        }]);
        assert_eq!(shown, expected, "{reader:?}");
    }
}

#[test]
fn clicks_are_handed_on_as_they_were_written() {
    for click in [
        json!({"type": "open_url", "value": "https://example.com/?a=b&c=%3Cd%3E"}),
        json!({"type": "payload", "value": {"b": 1, "a": [1.5, "</script>", "\u{202e}"]}}),
    ] {
        let banners = banners(&[("b", json!({"click": click}))]);
        let selection = Selection {
            placement: None,
            audience: Audience::default(),
            now: at(NOON),
        };
        let shown = banners.shown(&selection);
        assert_eq!(serde_json::to_value(shown[0].click).unwrap(), click);
    }
}

#[test]
fn every_banner_is_explained() {
    let rules = |rules: Value| json!({"targeting": {"all": rules}});
    let banners = banners(&[
        ("shown", json!({})),
        ("over", json!({"ends_at": "2026-02-01T00:00:00Z"})),
        ("elsewhere", json!({"placement": "shop"})),
        (
            "abroad",
            rules(
                json!([{"field": "platform", "in": ["ios"]}, {"field": "country", "in": ["JP"]}]),
            ),
        ),
        ("few", rules(json!([{"percent": 0, "seed": "s"}]))),
        (
            "either",
            rules(json!([{"any": [{"field": "age", "gte": 1}]}])),
        ),
        (
            "clubs",
            rules(json!([{"field": "attributes.club", "in": ["red"]}])),
        ),
    ]);
    let (home, phone) = (id("home"), device("d"));
    let audience = Audience {
        platform: Some(crate::Platform::Ios),
        device_id: Some(&phone),
        ..Audience::default()
    };
    let selection = Selection {
        placement: Some(&home),
        audience,
        now: at(NOON),
    };
    let explained = banners.explain(&selection);
    let explained: std::collections::BTreeMap<String, String> = explained
        .iter()
        .map(|item| (item.id.to_string(), item.outcome.to_string()))
        .collect();
    let expected = [
        ("abroad", "targeting.country"),
        ("clubs", "targeting.attributes.club"),
        ("either", "targeting.any"),
        ("elsewhere", "placement"),
        ("few", "targeting.percent"),
        ("over", "schedule"),
        ("shown", "selected"),
    ];
    let expected = expected.map(|(id, outcome)| (id.to_owned(), outcome.to_owned()));
    assert_eq!(explained, expected.into());
}
