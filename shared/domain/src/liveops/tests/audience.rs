//! For whom a thing is: what an app says of itself, and what is stored of its device.

use super::*;
use crate::{Platform, Store};

/// Whether a banner of these rules is shown to an audience.
fn shown_to(audience: Audience<'_>, rules: &Value) -> bool {
    let banners = banners(&[("b", json!({"targeting": {"all": rules}}))]);
    let selection = Selection {
        placement: None,
        audience,
        now: at(NOON),
    };
    !banners.shown(&selection).is_empty()
}

#[test]
fn versions_are_compared_as_semantic_versions() {
    let gte = |version: &str| json!([{"field": "app_version", "gte": version}]);
    let lt = |version: &str| json!([{"field": "app_version", "lt": version}]);
    let only = |version: &str| json!([{"field": "app_version", "in": [version]}]);
    for (version, rules, shown) in [
        ("1.10", gte("1.9"), true),
        ("1.9", gte("1.10"), false),
        ("1.9", lt("1.10"), true),
        ("1", gte("1.0.0"), true),
        ("1.0", only("1.0.0"), true),
        ("2", gte("1.99.99"), true),
        // SemVer 2.0, section 11: a pre-release is below its release, and its parts are compared.
        ("2.0.0-rc.1", gte("2.0.0"), false),
        ("2.0.0-rc.1", lt("2.0.0"), true),
        ("2.0.0-rc.11", gte("2.0.0-rc.2"), true),
        ("2.0.0-beta", gte("2.0.0-alpha.9"), true),
        ("2.0.0+build.5", only("2.0.0"), true),
        ("1.2.3.4", gte("1.2.3.3"), true),
        ("v01.2", only("1.2"), true),
        // What has no leading number is not known, so no rule on it matches.
        ("one", lt("99"), false),
        ("", gte("0"), false),
        (
            "next",
            json!([{"field": "app_version", "not_in": ["1.0"]}]),
            false,
        ),
    ] {
        let audience = Audience {
            version: Some(version),
            os_version: Some(version),
            ..Audience::default()
        };
        assert_eq!(shown_to(audience, &rules), shown, "{version} {rules}");
        let of_os = rules.to_string().replace("app_version", "os_version");
        let of_os: Value = serde_json::from_str(&of_os).unwrap();
        assert_eq!(shown_to(audience, &of_os), shown, "{version} {of_os}");
    }
}

#[test]
fn a_store_says_the_platform_and_a_language_its_regions() {
    let korean = locale("ko-KR");
    let audience = Audience {
        store: Some(Store::Onestore),
        languages: std::slice::from_ref(&korean),
        ..Audience::default()
    };
    for (rules, shown) in [
        (json!([{"field": "platform", "in": ["android"]}]), true),
        (json!([{"field": "platform", "in": ["ios"]}]), false),
        (
            json!([{"field": "store", "in": ["onestore", "google_play"]}]),
            true,
        ),
        (json!([{"field": "locale", "in": ["ko"]}]), true),
        (json!([{"field": "locale", "in": ["ko-KP"]}]), false),
        (json!([{"field": "locale", "not_in": ["ko"]}]), false),
        (
            json!([{"any": [{"field": "platform", "in": ["ios"]}, {"field": "locale", "in": ["ko"]}]}]),
            true,
        ),
    ] {
        assert_eq!(shown_to(audience, &rules), shown, "{rules}");
    }
    let said = Audience {
        platform: Some(Platform::Web),
        ..audience
    };
    assert!(shown_to(
        said,
        &json!([{"field": "platform", "in": ["web"]}])
    ));
}

#[test]
fn what_is_stored_counts_where_the_request_says_nothing() {
    let stored = profile(json!({
        "country": "KR", "birth_year": 2008, "gender": "female", "interests": ["cats"],
        "segments": ["of the profile"], "attributes": {"level": 2, "clubs": ["red", "blue"]},
    }));
    let server = segments(json!({"segments": ["vip"], "server_attributes": {"level": 12}}));
    let phone = device("d-1");
    let audience = Audience {
        device_id: Some(&phone),
        profile: Some(&stored),
        segments: Some(&server),
        ..Audience::default()
    };
    for (rules, shown) in [
        (json!([{"field": "country", "in": ["KR"]}]), true),
        // Of a year of birth 17 is certain in 2026, and 18 is not.
        (json!([{"field": "age", "gte": 17}]), true),
        (json!([{"field": "age", "gte": 18}]), false),
        (json!([{"field": "gender", "in": ["female"]}]), true),
        (
            json!([{"field": "interests", "any_of": ["cats", "dogs"]}]),
            true,
        ),
        (json!([{"field": "segments", "none_of": ["vip"]}]), false),
        (json!([{"field": "segments", "any_of": ["vip"]}]), true),
        (
            json!([{"field": "segments", "any_of": ["of the profile"]}]),
            false,
        ),
        (
            json!([{"field": "attributes.level", "gte": 10, "lt": 13}]),
            true,
        ),
        (
            json!([{"field": "attributes.clubs", "all_of": ["red", "blue"]}]),
            true,
        ),
    ] {
        assert_eq!(shown_to(audience, &rules), shown, "{rules}");
        // Without it every one of them is false: what is not known does not match.
        let unknown = Audience {
            profile: None,
            segments: None,
            ..audience
        };
        assert!(!shown_to(unknown, &rules), "{rules}");
    }
    let abroad = Audience {
        country: Some(country("JP")),
        ..audience
    };
    assert!(shown_to(
        abroad,
        &json!([{"field": "country", "in": ["JP"]}])
    ));
}

#[test]
fn rules_on_what_is_not_known_here_match_nobody_whichever_way_they_ask() {
    let (phone, korean, stored) = (device("d-1"), locale("ko"), Profile::default());
    let audience = Audience {
        platform: Some(Platform::Ios),
        store: Some(Store::AppStore),
        version: Some("1.0"),
        os_version: Some("17.0"),
        country: Some(country("KR")),
        build: None,
        languages: std::slice::from_ref(&korean),
        device_id: Some(&phone),
        member: None,
        profile: Some(&stored),
        segments: None,
    };
    for rule in [
        json!({"field": "carrier", "in": ["SKT"]}),
        json!({"field": "carrier", "not_in": ["SKT"]}),
        json!({"field": "model", "not_in": ["SM-S901"]}),
        json!({"field": "keywords", "none_of": ["sports"]}),
        json!({"field": "hour", "gte": 0, "lt": 24}),
        json!({"field": "weekday", "not_in": ["mon"]}),
        json!({"field": "attributes.unknown", "not_in": ["x"]}),
        json!({"field": "age", "gte": 0}),
        json!({"field": "build", "gte": 0}),
        json!({"percent": 100, "seed": "s", "by": "member"}),
        json!({"percent": 100, "seed": "s", "by": "attributes.unknown"}),
    ] {
        assert!(!shown_to(audience, &json!([rule])), "{rule}");
        assert!(!shown_to(audience, &json!([{"any": [rule]}])), "{rule}");
    }
    assert!(shown_to(audience, &json!([])));
    let everybody = json!([{"percent": 100, "seed": "s"}]);
    assert!(shown_to(audience, &everybody));
    let nameless = Audience {
        device_id: None,
        ..audience
    };
    assert!(!shown_to(nameless, &everybody));
}

#[test]
fn a_profile_is_asked_for_only_where_it_could_change_an_answer() {
    let phone = device("d-1");
    let known = Audience {
        device_id: Some(&phone),
        country: Some(country("KR")),
        ..Audience::default()
    };
    let without_country = Audience {
        country: None,
        ..known
    };
    let nameless = Audience {
        device_id: None,
        ..without_country
    };
    for (rules, asked) in [
        (json!([]), [false, false, false]),
        (
            json!([{"field": "platform", "in": ["ios"]}]),
            [false, false, false],
        ),
        (json!([{"percent": 10, "seed": "s"}]), [false, false, false]),
        (
            json!([{"field": "country", "in": ["KR"]}]),
            [false, true, false],
        ),
        (json!([{"field": "age", "gte": 18}]), [true, true, false]),
        (json!([{"field": "age", "in": [18]}]), [true, true, false]),
        (
            json!([{"field": "gender", "in": ["male"]}]),
            [true, true, false],
        ),
        (
            json!([{"any": [{"field": "segments", "any_of": ["vip"]}]}]),
            [true, true, false],
        ),
        (
            json!([{"field": "interests", "any_of": ["cats"]}]),
            [true, true, false],
        ),
        (
            json!([{"field": "attributes.level", "gte": 1}]),
            [true, true, false],
        ),
    ] {
        let targeting = json!({"all": rules});
        let banners = banners(&[("a", json!({})), ("b", json!({"targeting": targeting}))]);
        let notices = notices(&[("a", json!({"targeting": targeting}))]);
        let config = config(&[json!({
            "key": "k", "type": "int", "default": 1,
            "conditions": [{"name": "c", "targeting": targeting, "value": 2}],
        })]);
        for (audience, asked) in [known, without_country, nameless].iter().zip(asked) {
            assert_eq!(banners.asks_profile(audience), asked, "{rules}");
            assert_eq!(notices.asks_profile(audience), asked, "{rules}");
            assert_eq!(config.asks_profile(audience), asked, "{rules}");
        }
    }
}
