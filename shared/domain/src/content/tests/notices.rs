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
