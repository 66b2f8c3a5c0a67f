//! What a notice may be: text is data, whatever is in it.

use super::*;

#[test]
fn texts_are_kept_as_they_were_written() {
    for text in [
        "<script>alert('x')</script><img src=x onerror=alert(1)>",
        "[click](javascript:alert(1)) `{{constructor.constructor('x')()}}`",
        "\u{202e}txet detrever\u{202c} \u{2066}isolated\u{2069}",
        "🏯👨‍👩‍👧‍👦 𠮷野家 e\u{301} é",
        "\u{0}\u{1}\u{7f}\u{feff}\u{fffe}\r\n\t",
        "'; DROP TABLE notices; -- ${jndi:ldap://x} %s %n",
        " leading and trailing ",
    ] {
        let item =
            notice(json!({"title": {"default": text}, "body": {"default": text, "ko": text}}));
        let canonical = check_item(Kind::Notices, item.to_string().as_bytes()).unwrap();
        assert_eq!(canonical["title"]["default"], text);
        assert_eq!(canonical["body"]["ko"], text);
    }
}

#[test]
fn texts_are_counted_in_characters_and_refused_where_they_are_too_long() {
    let long = |count: usize| "🏯".repeat(count);
    for (changes, at, code) in [
        (
            json!({"title": {"default": long(10_000)}}),
            "/title/default",
            "too_long",
        ),
        (
            json!({"title": {"default": "t", "ko": long(301)}}),
            "/title/ko",
            "too_long",
        ),
        (
            json!({"body": {"default": long(20_001)}}),
            "/body/default",
            "too_long",
        ),
        (
            json!({"title": {"default": ""}}),
            "/title/default",
            "too_short",
        ),
        (json!({"title": {"ko": "t"}}), "/title/default", "required"),
        (json!({"title": "t"}), "/title", "wrong_type"),
        (json!({"category": "a\u{0}b"}), "/category", "bad_format"),
        (
            json!({"link": "javascript:alert(1)"}),
            "/link",
            "bad_format",
        ),
        (json!({"pinned": "yes"}), "/pinned", "wrong_type"),
        (
            json!({"ends_at": "2025-12-31T23:59:59Z"}),
            "/ends_at",
            "out_of_range",
        ),
        (
            json!({"targeting": {"all": [{"field": "app_version", "gte": "one"}]}}),
            "/targeting/all/0/gte",
            "not_allowed",
        ),
    ] {
        let item = notice(changes);
        assert_eq!(faults(Kind::Notices, &item), [(at.to_owned(), code)]);
    }
    let item = notice(json!({"title": {"default": long(300)}, "body": {"default": long(20_000)}}));
    assert_eq!(faults(Kind::Notices, &item), []);
}

#[test]
fn sets_of_notices_are_bounded() {
    let small = many(1001, |_| notice(json!({})));
    assert_eq!(validate_set(Kind::Notices, &small[..1000]).unwrap(), []);
    let beyond = "is beyond the 1,000 notices that there may be";
    assert_eq!(
        too_many(Kind::Notices, &small),
        [("i1000".to_owned(), beyond.to_owned())]
    );

    let large = many(250, |_| {
        notice(json!({"body": {"default": "b".repeat(20_000)}}))
    });
    let fits = fitting(Kind::Notices, &large);
    let artefact = compile(Kind::Notices, &large[..fits]).unwrap();
    assert!((4_170_000..=4_194_304).contains(&artefact.len()));
    let first = format!("i{fits:04}");
    let beyond = "goes beyond the 4,194,304 bytes that the compiled set may have";
    assert_eq!(
        too_many(Kind::Notices, &large),
        [(first, beyond.to_owned())]
    );
}
