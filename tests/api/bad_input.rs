//! Bad input, route by route: each kind of it has its status, its code and, where it is the body,
//! its pointer; and nothing is changed by any of it.

use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::scenario::{Scenario, campaign};

/// A route that takes a JSON body, a good one, and what can be wrong with it.
struct Taker {
    method: &'static str,
    target: &'static str,
    precondition: bool,
    body: Value,
    /// A member of the wrong type: its pointer.
    wrong_type: (Value, &'static str),
    /// A body without a member that must be there: its pointer. Routes without one have none.
    missing: Option<(Value, &'static str)>,
}

fn takers() -> Vec<Taker> {
    let allocation =
        json!({"placements": [{"id": "a", "count": 1}], "device": {"platform": "ios"}});
    let mut no_weight = campaign("a");
    no_weight.as_object_mut().unwrap().remove("weight");
    let mut bad_weight = campaign("a");
    bad_weight["weight"] = "heavy".into();
    vec![
        Taker {
            method: "POST",
            target: "/v1/allocations",
            precondition: false,
            body: allocation.clone(),
            wrong_type: (
                json!({"placements": [{"id": "a", "count": "1"}], "device": {"platform": "ios"}}),
                "/placements/0/count",
            ),
            missing: Some((json!({"placements": [{"id": "a", "count": 1}]}), "/device")),
        },
        Taker {
            method: "POST",
            target: "/v1/events",
            precondition: false,
            body: json!({"events": [{"id": "1", "type": "click", "at": "2026-03-01T00:00:00Z"}]}),
            wrong_type: (
                json!({"events": [{"id": 1, "type": "click", "at": "2026-03-01T00:00:00Z"}]}),
                "/events/0/id",
            ),
            missing: Some((
                json!({"events": [{"id": "1", "type": "click"}]}),
                "/events/0/at",
            )),
        },
        Taker {
            method: "PUT",
            target: "/v1/devices/phone-0-example-0000/profile",
            precondition: false,
            body: json!({"segments": []}),
            wrong_type: (json!({"segments": "vip"}), "/segments"),
            missing: None,
        },
        Taker {
            method: "POST",
            target: "/v1/profiles",
            precondition: false,
            body: json!({"device_id": "other-phone-example-01"}),
            wrong_type: (json!({"device_id": 7}), "/device_id"),
            missing: Some((json!({"segments": []}), "/device_id")),
        },
        Taker {
            method: "PUT",
            target: "/admin/v1/content/campaigns/items/bad",
            precondition: true,
            body: campaign("a"),
            wrong_type: (bad_weight, "/weight"),
            missing: Some((no_weight, "/weight")),
        },
        Taker {
            method: "POST",
            target: "/admin/v1/content/testers/publish",
            precondition: false,
            body: json!({"note": "x"}),
            wrong_type: (json!({"note": 1}), "/note"),
            missing: None,
        },
    ]
}

impl Taker {
    fn request(&self) -> Request {
        let request = Request::new(self.method, self.target);
        if self.precondition {
            request.header("if-none-match", "*")
        } else {
            request
        }
    }

    fn send(&self, scenario: &Scenario, content_type: Option<&str>, body: &str) -> Response {
        let mut request = self.request().body(body);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        scenario.service(request)
    }
}

#[test]
fn each_fault_of_a_body_has_its_answer() {
    let scenario = Scenario::start();
    for taker in takers() {
        let json = Some("application/json");
        let expect =
            |what: &str, answer: Response, status: u16, code: &str, pointer: Option<&str>| {
                let document = answer.json();
                let place = format!(
                    "{} {}: {what}: {}",
                    taker.method,
                    taker.target,
                    answer.text()
                );
                assert_eq!(
                    (answer.status, document["code"].as_str()),
                    (status, Some(code)),
                    "{place}"
                );
                assert_eq!(
                    answer.header("content-type"),
                    Some("application/problem+json"),
                    "{place}"
                );
                assert_eq!(document["status"], status, "{place}");
                assert_eq!(
                    document["trace_id"].as_str().map(str::len),
                    Some(32),
                    "{place}"
                );
                if let Some(pointer) = pointer {
                    let errors = document["errors"].as_array().expect("errors");
                    assert!(
                        errors.iter().any(|error| error["pointer"] == pointer),
                        "{place}"
                    );
                }
            };
        let (wrong, pointer) = &taker.wrong_type;
        expect(
            "wrong type",
            taker.send(&scenario, json, &wrong.to_string()),
            422,
            "validation_failed",
            Some(pointer),
        );
        if let Some((missing, pointer)) = &taker.missing {
            expect(
                "missing",
                taker.send(&scenario, json, &missing.to_string()),
                422,
                "validation_failed",
                Some(pointer),
            );
        }
        let mut unknown = taker.body.clone();
        unknown["surprise"] = json!(1);
        expect(
            "unknown",
            taker.send(&scenario, json, &unknown.to_string()),
            422,
            "validation_failed",
            Some("/surprise"),
        );
        for body in ["{", "nothing", "{\"a\":1}}", "\u{0}"] {
            expect(
                "not JSON",
                taker.send(&scenario, json, body),
                400,
                "malformed_json",
                None,
            );
        }
        expect(
            "an array",
            taker.send(&scenario, json, "[]"),
            422,
            "validation_failed",
            Some(""),
        );
        let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
        expect(
            "too deep",
            taker.send(&scenario, json, &deep),
            422,
            "body_too_deep",
            None,
        );
        let large = format!("{{\"surprise\":\"{}\"}}", "x".repeat(256 * 1024));
        expect(
            "too large",
            taker.send(&scenario, json, &large),
            413,
            "body_too_large",
            None,
        );
        let good = taker.body.to_string();
        for content_type in [
            None,
            // Events are what beacons carry.
            Some("text/plain").filter(|_| taker.target != "/v1/events"),
            Some("application/x-www-form-urlencoded"),
            Some("application/xml"),
        ] {
            expect(
                "media type",
                taker.send(&scenario, content_type, &good),
                415,
                "unsupported_media_type",
                None,
            );
        }
        let repeated = good.replacen('{', "{\"surprise\":1,\"surprise\":2,", 1);
        expect(
            "repeated",
            taker.send(&scenario, json, &repeated),
            422,
            "validation_failed",
            Some("/surprise"),
        );
    }
    assert_eq!(
        scenario
            .service_get("/admin/v1/content/campaigns/items/bad")
            .status,
        404
    );
    assert_eq!(
        scenario
            .service_get("/v1/devices/phone-0-example-0000/profile")
            .status,
        404
    );
}

#[test]
fn good_bodies_are_taken_with_any_spelling_of_their_media_type() {
    let scenario = Scenario::start();
    for taker in takers() {
        let answer = taker.send(
            &scenario,
            Some("Application/JSON; charset=utf-8"),
            &taker.body.to_string(),
        );
        assert!(
            answer.status < 300,
            "{} {}: {}",
            taker.method,
            taker.target,
            answer.text()
        );
    }
}

#[test]
fn illegal_paths_are_refused_by_name() {
    let scenario = Scenario::start();
    for id in [
        "%00",
        "a%00b",
        "a%23b",
        "a%2Fb",
        "a%20b",
        "%EB%A7%88",
        "%ff",
        "%zz",
        "%",
        &"x".repeat(129),
    ] {
        let answer = scenario.service_get(&format!("/v1/devices/{id}/profile"));
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (400, Some("invalid_path")),
            "{id}"
        );
        assert_eq!(answer.json()["errors"][0]["pointer"], "/id", "{id}");
    }
    for id in ["A", "a.b", "a%00", "%2F", &"x".repeat(65)] {
        let answer = scenario.service_get(&format!("/admin/v1/content/campaigns/items/{id}"));
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (400, Some("invalid_path")),
            "{id}"
        );
    }
    let restore = "/admin/v1/content/campaigns/versions/one/restore";
    let answer = scenario.service(Request::new("POST", restore));
    assert_eq!(answer.json()["errors"][0]["pointer"], "/n");
}

#[test]
fn a_word_of_a_closed_set_is_told_with_all_the_others() {
    let scenario = Scenario::start();
    let answer = scenario.service_get("/admin/v1/content/campaigns/items?state=odd");
    assert_eq!(
        answer.json()["errors"][0]["message"],
        "must be one of draft, changed, live, removed"
    );
}

#[test]
fn illegal_queries_are_refused_where_they_count() {
    let scenario = Scenario::start();
    for target in [
        "/admin/v1/content/campaigns/items",
        "/admin/v1/content/campaigns/versions",
        "/admin/v1/reports/campaigns",
        "/admin/v1/reports/events",
    ] {
        for query in [
            "a=<", "a=>", "a=\"", "a=%", "a=%zz", "a=%ff", "a=%00", "%0a",
        ] {
            let answer = scenario.service_get(&format!("{target}?{query}"));
            assert_eq!(
                (answer.status, answer.json()["code"].as_str()),
                (400, Some("invalid_query")),
                "{target}?{query}: {}",
                answer.text()
            );
        }
    }
    for query in ["limit=%zz", "cursor=%C7%D1", "explain=%", "placement=a<"] {
        let route = match query.starts_with("placement") {
            true => "banners",
            false => "notices",
        };
        let answer = scenario.get(&format!("/v1/{route}?utm_term=50%off&{query}"));
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (400, Some("invalid_query")),
            "{query}"
        );
    }
    for (target, pointer) in [
        ("/v1/notices?limit=0", "/limit"),
        ("/v1/notices?limit=1&limit=2", "/limit"),
        ("/admin/v1/content/campaigns/items?surprise=1", "/surprise"),
        (
            "/admin/v1/content/campaigns/items/a?surprise=1",
            "/surprise",
        ),
        ("/admin/v1/content/campaigns/items?limit=0", "/limit"),
        ("/admin/v1/content/campaigns/items?limit=many", "/limit"),
        ("/admin/v1/content/campaigns/items?state=odd", "/state"),
        ("/admin/v1/reports/campaigns?group=galaxy", "/group"),
        ("/admin/v1/reports/campaigns?from=yesterday", "/from"),
        ("/admin/v1/reports/events?group=banner", "/group"),
        ("/admin/v1/reports/events?to=tomorrow", "/to"),
    ] {
        let answer = scenario.service_get(target);
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (400, Some("invalid_query")),
            "{target}"
        );
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{target}");
    }
}

#[test]
fn parameters_that_a_public_route_does_not_know_are_ignored() {
    let scenario = Scenario::start();
    for target in [
        "/health",
        "/docs",
        "/openapi.json",
        "/.well-known/jwks.json",
        "/v1/app/status?platform=ios",
        "/v1/launch?platform=ios",
        "/v1/banners?placement=home",
        "/v1/notices?limit=3",
        "/v1/config",
        "/withdrawal",
    ] {
        let sign = if target.contains('?') { '&' } else { '?' };
        let decorated = format!("{target}{sign}fbclid=IwAR0&utm_source=a&fbclid=again&_=17&%7Ex");
        let answer = scenario.get(&decorated);
        assert_eq!(answer.status, 200, "{decorated}: {}", answer.text());
        for undecodable in [
            "utm_term=50%off",
            "utm_content=%C7%D1%B1%DB",
            "a=<",
            "a=\"",
            "%zz=1",
            "%0a",
        ] {
            let decorated = format!("{target}{sign}{undecodable}");
            let answer = scenario.get(&decorated);
            assert_eq!(answer.status, 200, "{decorated}: {}", answer.text());
        }
    }
    let body = json!({"events": [{"id": "1", "type": "click", "at": "2026-03-01T00:00:00Z"}]});
    let events = scenario.post("/v1/events?gclid=1", &body);
    assert_eq!(events.status, 200, "{}", events.text());
    for (method, target) in [
        ("PUT", "/admin/v1/content/testers/items/a?surprise=1"),
        ("POST", "/admin/v1/content/testers/publish?surprise=1"),
    ] {
        let request = Request::new(method, target).header("if-none-match", "*");
        let answer = scenario.service(request.json(&json!({})));
        assert_eq!(answer.status, 400, "{target}");
        assert_eq!(
            answer.json()["errors"][0]["pointer"],
            "/surprise",
            "{target}"
        );
    }
}

#[test]
fn what_a_phone_says_of_itself_in_broken_text_counts_as_absent() {
    let scenario = Scenario::start();
    for query in [
        "locale=%ff",
        "model=%zz&tz=a<b",
        "country=KR&country=KR",
        "carrier=%00",
    ] {
        let target = format!("/v1/app/status?platform=ios&{query}");
        let answer = scenario.get(&target);
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    }
}

#[test]
fn an_odd_host_is_no_reason_to_fail() {
    let scenario = Scenario::start();
    for host in [
        "exa mple",
        "<\">",
        "a:b:c",
        "[",
        "%%%",
        "a/b?c#d",
        "localhost:99999",
        "localhost:abc",
        ":80",
        "[::1]:99999",
    ] {
        let answer = scenario.send(&Request::get("/health").header("host", host));
        assert!(
            matches!(answer.status, 200 | 400),
            "{host}: {}",
            answer.status
        );
        assert_eq!(scenario.get("/health").status, 200, "{host}");
    }
}

#[test]
fn a_device_id_that_cannot_be_read_counts_as_absent() {
    let scenario = Scenario::start();
    let long = "7".repeat(129);
    for id in [
        "not a device at all",
        "{3f2504e0-4f89-11d3-9a0c-0305e82c3301}",
        "{00000000-0000-0000-0000-000000000000}",
        "기기",
        &long,
    ] {
        for route in ["app/status", "launch", "banners", "notices", "config"] {
            let request = Request::get(&format!("/v1/{route}")).header("x-device-id", id);
            let answer = scenario.send(&request);
            assert_eq!(answer.status, 200, "{route} {id}: {}", answer.text());
        }
        let device = json!({"id": id, "platform": "ios"});
        scenario.allocate("top", &device);
        let guest = scenario.post("/v1/auth/guest", &json!({ "device": device }));
        assert_eq!(guest.status, 201, "{id}: {}", guest.text());
    }
    let wrong_type = json!({"device": {"id": 7}});
    let answer = scenario.post("/v1/auth/guest", &wrong_type);
    assert_eq!(answer.json()["errors"][0]["pointer"], "/device/id");
    // Where the id is the resource, a client waits for what is wrong with it.
    let inserted = json!({"device_id": "{3f2504e0-4f89-11d3-9a0c-0305e82c3301}"});
    let answer = scenario.service_post("/v1/profiles", &inserted);
    assert_eq!(answer.json()["errors"][0]["pointer"], "/device_id");
}
