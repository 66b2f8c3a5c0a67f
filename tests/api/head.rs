//! `HEAD` answers as `GET` does, without the body, and changes nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::scenario::{Scenario, campaign, device};

/// Headers that are the same for both methods: neither ids nor times.
fn lasting(answer: &Response) -> BTreeMap<String, String> {
    let passing = [
        "apigw-requestid",
        "content-length",
        "date",
        "ratelimit",
        "x-request-id",
        "x-trace-id",
        "x-amzn-trace-id",
    ];
    let headers = answer.headers.0.iter();
    headers
        .filter(|(name, _)| !passing.contains(&name.as_str()))
        .cloned()
        .collect()
}

#[test]
fn every_get_route_has_its_head() {
    let scenario = Scenario::start();
    let document = scenario.get("/openapi.json").json();
    let mut gets = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        if methods.get("get").is_none() {
            continue;
        }
        gets += 1;
        let target = path
            .replace("{kind}", "testers")
            .replace("{asset}", "start.js")
            .replace("{id}", "abc")
            .replace("{token}", "abc");
        let got = scenario.service(Request::get(&target));
        let head = scenario.service(Request::new("HEAD", &target));
        assert_eq!(head.status, got.status, "{target}: {}", got.text());
        assert!(head.body.is_empty(), "{target}");
        assert_eq!(lasting(&head), lasting(&got), "{target}");
    }
    assert!(gets > 25, "{gets}");
}

#[test]
fn a_head_that_is_refused_has_no_body_either() {
    let scenario = Scenario::start();
    for (target, status) in [
        ("/nothing", 404),
        ("/v1/allocations", 405),
        ("/v1/me", 401),
        ("/v1/notices?limit=0", 400),
        ("/v1/notices/A", 400),
    ] {
        let head = scenario.send(&Request::new("HEAD", target));
        assert_eq!((head.status, head.body.len()), (status, 0), "{target}");
        assert_eq!(
            head.header("content-type"),
            Some("application/problem+json"),
            "{target}"
        );
    }
    let post_only = scenario.send(&Request::new("HEAD", "/v1/allocations"));
    assert_eq!(post_only.header("allow"), Some("POST"));
}

#[test]
fn a_reader_that_has_the_representation_learns_so_by_head_too() {
    let scenario = Scenario::start();
    let target = "/v1/banners?placement=home";
    let tag = scenario.get(target).header("etag").map(str::to_owned);
    let tag = tag.expect("a tag");
    let head =
        |tag: &str| scenario.send(&Request::new("HEAD", target).header("if-none-match", tag));
    assert_eq!(head(&tag).status, 304);
    assert_eq!(head("\"other\"").status, 200);
}

#[test]
fn a_head_of_a_tracking_url_counts_nothing_and_a_click_is_led_on() {
    let scenario = Scenario::start();
    let capped = json!([{"scope": "campaign", "per": "lifetime", "max": 1}]);
    let mut item = campaign("a");
    item["caps"] = capped;
    scenario.create("campaigns", "a", &item);
    scenario.publish_live("campaigns", |scenario| {
        scenario.allocate("a", &device())["items"][0].is_object()
    });
    let device = json!({"platform": "ios", "id": "head-of-a-phone-0001"});
    let allocate = || scenario.allocate("a", &device)["items"][0].clone();
    let shown: Value = allocate();
    let path = |name: &str| {
        let url = shown[name].as_str().unwrap();
        url[url.find("/v1/").unwrap()..].to_owned()
    };
    let (imp, clk) = (path("impression_url"), path("click_url"));
    let cv = clk.replace("/clk/", "/cv/");
    let head = |target: &str| scenario.send(&Request::new("HEAD", target));
    for _ in 0..3 {
        assert_eq!(head(&imp).status, 204);
        assert_eq!(head(&cv).status, 204);
        assert_eq!(head(&format!("{clk}?noredirect=1")).status, 204);
        let click = head(&format!("{clk}?fbclid=decorated"));
        assert_eq!(click.status, 302);
        assert_eq!(
            click.header("location"),
            Some("https://shop.example/landing")
        );
    }
    assert_eq!(head(&imp.replace("/imp/", "/imp/x")).status, 404);
    assert_eq!(super::tracking::marks(&scenario).len(), 0);
    assert!(
        allocate().is_object(),
        "the cap of one impression is not used up"
    );
    assert_eq!(scenario.get(&imp).status, 204);
    assert_eq!(super::tracking::marks(&scenario).len(), 1);
    assert!(allocate().is_null());
}
