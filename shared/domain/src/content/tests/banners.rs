//! What a banner may be.

use super::*;
use crate::liveops::Banners;

#[test]
fn every_click_has_what_it_needs_and_no_more() {
    for click in [
        json!({"type": "open_url", "value": "https://example.com/"}),
        json!({"type": "payload", "value": {"screen": "shop", "tab": [1, 2.5, null]}}),
        json!({"type": "payload", "value": "shop"}),
        json!({"type": "payload", "value": null}),
        json!({"type": "payload", "value": "x".repeat(4094)}),
        json!({"type": "none", "value": null}),
    ] {
        let item = banner(json!({"click": click}));
        let canonical = check_item(Kind::Banners, item.to_string().as_bytes()).unwrap();
        assert_eq!(canonical["click"], click);
    }
    for (click, at, code) in [
        (json!({"type": "open_url"}), "/click/value", "required"),
        (json!({"type": "payload"}), "/click/value", "required"),
        (
            json!({"type": "none", "value": 1}),
            "/click/value",
            "wrong_type",
        ),
        (
            json!({"type": "none", "value": {}}),
            "/click/value",
            "wrong_type",
        ),
        (
            json!({"type": "none", "url": null}),
            "/click/url",
            "unknown_field",
        ),
        (
            json!({"type": "open_url", "value": "javascript:alert(1)"}),
            "/click/value",
            "bad_format",
        ),
        (
            json!({"type": "open_url", "value": "/shop"}),
            "/click/value",
            "bad_format",
        ),
        (
            json!({"type": "payload", "value": "x".repeat(4095)}),
            "/click/value",
            "too_long",
        ),
        (json!({"type": "close"}), "/click/type", "not_allowed"),
        (json!({"value": 1}), "/click/type", "required"),
        (json!("none"), "/click", "wrong_type"),
    ] {
        let item = banner(json!({"click": click}));
        assert_eq!(
            faults(Kind::Banners, &item),
            [(at.to_owned(), code)],
            "{click}"
        );
    }
}

#[test]
fn a_click_that_does_nothing_may_leave_its_value_out() {
    let item = banner(json!({"click": {"type": "none"}}));
    let canonical = check_item(Kind::Banners, item.to_string().as_bytes()).unwrap();
    assert_eq!(canonical["click"], json!({"type": "none", "value": null}));
    // Versions that were published without it stay readable.
    let artefact = compile(Kind::Banners, &set(&[("a", item)])).unwrap();
    let artefact = String::from_utf8(artefact).unwrap();
    let without = artefact.replace(r#""type":"none","value":null"#, r#""type":"none""#);
    assert_ne!(without, artefact);
    assert!(Banners::load(1, without.as_bytes()).is_ok());
}

#[test]
fn faults_of_banners_are_told_where_they_are() {
    let image = |width: i64| json!({"url": "https://a.example/b.png", "width": width, "height": 1});
    for (changes, at, code) in [
        (json!({"placement": "Home"}), "/placement", "bad_format"),
        (
            json!({"ends_at": "2026-01-01T00:00:00Z"}),
            "/ends_at",
            "out_of_range",
        ),
        (json!({"ends_at": null}), "/ends_at", "wrong_type"),
        (
            json!({"priority": 1_i64 << 31}),
            "/priority",
            "out_of_range",
        ),
        (json!({"priority": 0.5}), "/priority", "wrong_type"),
        (json!({"images": {}}), "/images/default", "required"),
        (
            json!({"images": {"ko": image(1)}}),
            "/images/default",
            "required",
        ),
        (
            json!({"images": {"default": image(1), "한국어": image(1)}}),
            "/images/한국어",
            "bad_format",
        ),
        (
            json!({"images": {"default": image(0)}}),
            "/images/default/width",
            "out_of_range",
        ),
        (
            json!({"images": {"default": image(16_385)}}),
            "/images/default/width",
            "out_of_range",
        ),
        (
            json!({"images": {"default": image(-1)}}),
            "/images/default/width",
            "out_of_range",
        ),
        (
            json!({"images": {"default": {"url": "data:image/png,", "width": 1, "height": 1}}}),
            "/images/default/url",
            "bad_format",
        ),
        (
            json!({"images": {"default": image(1), "ko": image(2)}}),
            "/images/ko/url",
            "not_allowed",
        ),
        (json!({"alt": {"default": ""}}), "/alt/default", "too_short"),
        (
            json!({"alt": {"default": "a".repeat(4001)}}),
            "/alt/default",
            "too_long",
        ),
        (json!({"frequency": "daily"}), "/frequency", "not_allowed"),
        (
            json!({"targeting": {"all": [{"field": "mood", "in": ["good"]}]}}),
            "/targeting/all/0/field",
            "not_allowed",
        ),
        (
            json!({"targeting": {"all": [{"percent": 101, "seed": "s"}]}}),
            "/targeting/all/0/percent",
            "out_of_range",
        ),
        (json!({"time_zone": "KST"}), "/time_zone", "bad_format"),
    ] {
        let item = banner(changes);
        assert_eq!(
            faults(Kind::Banners, &item),
            [(at.to_owned(), code)],
            "{item}"
        );
    }
    for width in [1, 16_384] {
        let item = banner(json!({"images": {"default": image(width)}}));
        assert_eq!(faults(Kind::Banners, &item), []);
    }
}

#[test]
fn a_picture_has_one_size_in_the_whole_set() {
    let with = |width: u32| {
        banner(json!({"images": {"default": {
            "url": "https://a.example/b.png", "width": width, "height": 600,
        }}}))
    };
    assert_eq!(
        validate_set(Kind::Banners, &set(&[("a", with(1)), ("b", with(1))])).unwrap(),
        []
    );
    let found = validate_set(Kind::Banners, &set(&[("a", with(1)), ("b", with(2))])).unwrap();
    let told = found
        .iter()
        .map(|f| (&*f.item, &*f.pointer, f.code.as_str()));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [("b", "/images/default/url", "not_allowed")]
    );
    assert!(found[0].message.contains("1 × 600"), "{}", found[0].message);
}

#[test]
fn sets_of_banners_are_bounded() {
    let small = many(1001, |_| banner(json!({})));
    assert_eq!(validate_set(Kind::Banners, &small[..1000]).unwrap(), []);
    let beyond = "is beyond the 1,000 banners that there may be";
    assert_eq!(
        too_many(Kind::Banners, &small),
        [("i1000".to_owned(), beyond.to_owned())]
    );

    let text = "a".repeat(4000);
    let large = many(400, |_| {
        banner(json!({"alt": {"default": &text}, "click": {"type": "payload", "value": &text}}))
    });
    let fits = fitting(Kind::Banners, &large);
    let artefact = compile(Kind::Banners, &large[..fits]).unwrap();
    assert!((1_560_000..=1_572_864).contains(&artefact.len()));
    let first = format!("i{fits:04}");
    let beyond = "goes beyond the 1,572,864 bytes that the compiled set may have";
    assert_eq!(
        too_many(Kind::Banners, &large),
        [(first, beyond.to_owned())]
    );
}
