//! `GET /v1/banners`: in which order, in which words, and for whom.

use serde_json::json;
use tests::http1::Request;

use super::{banner, banners, good, ids, image, on, platform, profile, publish, segment, stack};
use crate::people::{refused, told};

#[test]
fn banners_come_by_priority_then_the_newest_then_by_id() {
    let scenario = stack();
    let newer = json!({"starts_at": "2021-01-01T00:00:00Z"});
    publish(
        &scenario,
        "banners",
        &[
            ("b", banner(json!({}))),
            ("a", banner(json!({}))),
            ("newer", banner(newer)),
            ("first", banner(json!({"priority": 7}))),
            ("last", banner(json!({"priority": -1}))),
            ("other", banner(json!({"placement": "shop"}))),
            ("over", banner(json!({"ends_at": "2021-01-01T00:00:00Z"}))),
            (
                "future",
                banner(json!({"starts_at": "2098-01-01T00:00:00Z"})),
            ),
        ],
    );
    let home = ["first", "newer", "a", "b", "last"];
    assert_eq!(banners(&scenario, "placement=home"), home);
    assert_eq!(banners(&scenario, "placement=shop"), ["other"]);
    assert!(banners(&scenario, "placement=nowhere").is_empty());
    let all = ["first", "newer", "a", "b", "other", "last"];
    assert_eq!(banners(&scenario, ""), all);
}

#[test]
fn pictures_and_words_are_in_the_readers_language() {
    let scenario = stack();
    let localised = json!({
        "images": {"default": image("any"), "ko": image("ko"), "ko-KP": image("kp")},
        "alt": {"default": "Sale", "ko": "세일", "ko-KP": "판매"},
        "click": {"type": "open_url", "value": "https://shop.example/sale"},
        "frequency": "hide_today", "ends_at": "2098-01-01T09:00:00+09:00",
    });
    publish(&scenario, "banners", &[("sale", banner(localised))]);
    for (query, language, picture, alt) in [
        ("locale=ko-KR", None, "ko", "세일"),
        ("locale=ko-KP", None, "kp", "판매"),
        ("locale=en", None, "any", "Sale"),
        ("", None, "any", "Sale"),
        ("", Some("ko-KR, en;q=0.5"), "ko", "세일"),
        ("locale=en", Some("ko-KR"), "any", "Sale"),
    ] {
        let mut request = Request::get(&format!("/v1/banners?{query}"));
        if let Some(language) = language {
            request = request.header("accept-language", language);
        }
        let answer = good(scenario.send(&request));
        let expected = json!({"banners": [{
            "id": "sale", "placement": "home", "image": image(picture), "alt": alt,
            "click": {"type": "open_url", "value": "https://shop.example/sale"},
            "frequency": "hide_today", "ends_at": "2098-01-01T00:00:00.000Z",
        }]});
        assert_eq!(answer, expected, "{query} {language:?}");
    }
}

#[test]
fn what_the_query_leaves_out_headers_say() {
    let scenario = stack();
    let rules = json!({"all": [
        {"field": "platform", "in": ["ios"]},
        {"field": "store", "in": ["app_store"]},
        {"field": "app_version", "gte": "1.10", "lt": "2"},
    ]});
    publish(
        &scenario,
        "banners",
        &[("ours", banner(json!({"targeting": rules})))],
    );
    let ask = |query: &str, headers: [&str; 3]| {
        let names = ["x-app-platform", "x-app-store", "x-app-version"];
        let request = Request::get(&format!("/v1/banners?{query}"));
        let request = names
            .iter()
            .zip(headers)
            .fold(request, |request, (name, value)| {
                request.header(name, value)
            });
        good(scenario.send(&request))["banners"][0]["id"] == "ours"
    };
    let us = ["ios", "app_store", "1.10"];
    assert!(ask("", us));
    assert!(ask("version=1.11", us));
    assert!(!ask("version=1.9", us));
    assert!(!ask("platform=android", us));
    assert!(!ask("", ["android", "google_play", "1.10"]));
    assert!(ask(
        "platform=ios&store=app_store&version=1.10.1",
        ["web", "web", "0"]
    ));
    assert!(ask("version=what", us), "the header's can be read");
    let unreadable = ["ios", "app_store", "beta"];
    assert!(
        !ask("version=what", unreadable),
        "no version matches no range"
    );

    let unknown = Request::get("/v1/banners").header("x-app-platform", "toaster");
    assert_eq!(scenario.send(&unknown).status, 200, "counts as absent");
    let overridden = Request::get("/v1/banners?platform=ios").header("x-app-platform", "toaster");
    assert_eq!(scenario.send(&overridden).status, 200);
    let unreadable = scenario.get("/v1/banners?platform=toaster");
    assert_eq!(unreadable.status, 200, "counts as absent");
    let misspelt = scenario.get("/v1/banners?placement=A%20B");
    assert_eq!(told(&misspelt), refused(400, "invalid_query"));
}

#[test]
fn what_is_stored_of_a_device_counts_for_that_device_alone() {
    let scenario = stack();
    let country = json!({"all": [{"field": "country", "in": ["KR"]}]});
    let adult = json!({"all": [{"field": "age", "gte": 18}]});
    let clock = json!({"all": [{"field": "hour", "in": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
        13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]}]});
    publish(
        &scenario,
        "banners",
        &[
            ("all", banner(json!({}))),
            ("adults", banner(json!({"targeting": adult}))),
            ("gold", banner(json!({"targeting": segment("gold")}))),
            ("korea", banner(json!({"targeting": country}))),
            ("ios", banner(json!({"targeting": platform("ios")}))),
            ("never", banner(json!({"targeting": clock}))),
        ],
    );
    let golden = json!({"country": "KR", "birth_year": 1990, "segments": ["gold"]});
    profile(&scenario, "golden-example-0001", &golden);
    profile(
        &scenario,
        "plain-example-00001",
        &json!({"country": "JP", "birth_year": 2020}),
    );
    let asked = |device: &str, query: &str| {
        let request = on(device, &format!("/v1/banners?{query}"));
        ids(&good(scenario.send(&request))["banners"])
    };
    assert_eq!(
        asked("golden-example-0001", ""),
        ["adults", "all", "gold", "korea"]
    );
    assert_eq!(
        asked("golden-example-0001", "country=US"),
        ["adults", "all", "gold"]
    );
    assert_eq!(
        asked("golden-example-0001", "platform=ios"),
        ["adults", "all", "gold", "ios", "korea"]
    );
    assert_eq!(asked("plain-example-00001", ""), ["all"]);
    assert_eq!(asked("plain-example-00001", "country=KR"), ["all", "korea"]);
    assert_eq!(asked("unheard-of", ""), ["all"]);
    assert_eq!(
        banners(&scenario, "country=KR&platform=ios"),
        ["all", "ios", "korea"]
    );
}
