//! `?explain=1`: operators are told why, and nobody else.

use serde_json::{Value, json};
use tests::http1::Request;

use super::{
    ROUTES, banner, condition, good, notice, on, parameter, platform, profile, publish, segment,
    stack,
};
use crate::{
    admin_members::key_with,
    people::{guest, refused, told},
    scenario::Scenario,
};

fn explained(scenario: &Scenario, target: &str) -> Value {
    let answer = scenario.service(on("phone-1-example-0001", target));
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{target}");
    good(answer)
}

#[test]
fn only_operators_are_told_why() {
    let scenario = stack();
    let reader = key_with(&scenario, "reader", &["content:read"]);
    let other = key_with(&scenario, "other", &["content:write", "members:read"]);
    let person = guest(&scenario, "phone-1-example-0001");
    publish(&scenario, "notices", &[("n", notice(json!({})))]);
    let of_notices = ["/v1/notices/n", "/v1/notices/unread-count"];
    for route in ROUTES.into_iter().chain(of_notices) {
        let ask = || Request::get(&format!("{route}?explain=1"));
        let answer = scenario.send(&ask().bearer(&reader));
        assert_eq!(answer.status, 200, "{route}: {}", answer.text());
        assert!(answer.json().get("explain").is_some(), "{route}");
        let answer = scenario.send(&ask().bearer(&other));
        assert_eq!(told(&answer), refused(403, "forbidden"), "{route}");
        let nobody = scenario.send(&ask());
        assert_eq!(told(&nobody), refused(401, "token_missing"), "{route}");
        let unknown = scenario.send(&ask().bearer("msk_reader_nonsense"));
        assert_eq!(
            told(&unknown),
            refused(401, "service_key_invalid"),
            "{route}"
        );
        let member = person.send(&scenario, ask());
        assert_eq!(told(&member), refused(403, "forbidden"), "{route}");
        for quiet in [format!("{route}?explain=0"), route.to_owned()] {
            let answer = scenario.send(&Request::get(&quiet).bearer(&reader));
            assert_eq!(good(answer).get("explain"), None, "{quiet}");
        }
    }
}

#[test]
fn every_answer_says_what_became_of_all_that_is_published() {
    let scenario = stack();
    let over = json!({"ends_at": "2021-01-01T00:00:00Z"});
    publish(
        &scenario,
        "banners",
        &[
            ("elsewhere", banner(json!({"placement": "shop"}))),
            ("gold", banner(json!({"targeting": segment("gold")}))),
            ("ios", banner(json!({"targeting": platform("ios")}))),
            ("over", banner(over.clone())),
        ],
    );
    publish(
        &scenario,
        "notices",
        &[
            ("gold", notice(json!({"targeting": segment("gold")}))),
            ("silver", notice(json!({"targeting": segment("silver")}))),
            ("over", notice(over)),
        ],
    );
    let country = json!({"field": "country", "in": ["KR"]});
    let gold = json!({"field": "segments", "any_of": ["gold"]});
    let conditions = json!({"conditions": [
        condition("korea", country, json!(1)),
        condition("golden", gold.clone(), json!(2)),
        condition("golden-too", gold, json!(3)),
    ]});
    publish(
        &scenario,
        "config",
        &[
            ("p", parameter("size", "int", json!(0), conditions)),
            ("q", parameter("plain", "bool", json!(true), json!({}))),
        ],
    );
    let version = json!({"platform": "android", "store": "google_play", "latest": "2", "min": "1",
        "store_url": "https://apps.example/ours", "message": {"default": "Update"}});
    publish(&scenario, "app_versions", &[("play", version)]);
    let window = json!({"gate": "window", "starts_at": "2020-01-01T00:00:00Z",
        "ends_at": "2099-01-01T00:00:00Z", "platforms": ["web"], "message": {"default": "Closed"}});
    publish(
        &scenario,
        "maintenance",
        &[
            ("web", window),
            (
                "blocked",
                json!({"gate": "blocked_device", "device_id": "another"}),
            ),
        ],
    );
    publish(
        &scenario,
        "testers",
        &[("us", json!({"device_ids": ["phone-1-example-0001"]}))],
    );
    profile(
        &scenario,
        "phone-1-example-0001",
        &json!({"segments": ["gold"], "country": "JP"}),
    );

    let query = "platform=android&explain=1";
    let of_banners = json!([
        {"id": "elsewhere", "outcome": "placement"},
        {"id": "gold", "outcome": "selected"},
        {"id": "ios", "outcome": "targeting.platform"},
        {"id": "over", "outcome": "schedule"},
    ]);
    let home = format!("{query}&placement=home");
    let banners = explained(&scenario, &format!("/v1/banners?{home}"));
    assert_eq!(banners["explain"], of_banners);
    let of_notices = json!([
        {"id": "gold", "outcome": "selected"},
        {"id": "over", "outcome": "schedule"},
        {"id": "silver", "outcome": "targeting.segments"},
    ]);
    let notices = explained(&scenario, &format!("/v1/notices?{query}"));
    assert_eq!(notices["explain"], of_notices);
    let count = explained(&scenario, &format!("/v1/notices/unread-count?{query}"));
    assert_eq!(count, json!({"unread": null, "explain": of_notices}));
    for outcome in of_notices.as_array().unwrap() {
        let id = outcome["id"].as_str().unwrap();
        let target = format!("/v1/notices/{id}?platform=android");
        let told = explained(&scenario, &format!("{target}&explain=1"));
        let expected = json!({
            "id": id, "category": null, "pinned": false, "title": "A notice",
            "starts_at": "2020-01-01T00:00:00.000Z", "ends_at": told["ends_at"], "read": null,
            "body": "Some *news*", "link": null, "explain": outcome,
        });
        assert_eq!(told, expected);
        let unexplained = scenario.service(on("phone-1-example-0001", &target)).status;
        assert_eq!(unexplained, if id == "gold" { 200 } else { 404 }, "{id}");
    }
    let nothing = scenario.service(on(
        "phone-1-example-0001",
        &format!("/v1/notices/nothing?{query}"),
    ));
    assert_eq!(told(&nothing), refused(404, "not_found"));
    let of_config = json!({
        "plain": {"condition": null, "conditions": []},
        "size": {"condition": "golden", "conditions": [
            {"name": "korea", "outcome": "targeting.country"},
            {"name": "golden", "outcome": "selected"},
            {"name": "golden-too", "outcome": "shadowed"},
        ]},
    });
    let config = explained(&scenario, &format!("/v1/config?{query}"));
    assert_eq!(config["explain"], of_config);
    assert_eq!(config["values"]["size"], 2);
    let of_status = json!({
        "app_version": "play", "tester": true,
        "gates": [
            {"id": "blocked", "outcome": "targeting.device_id"},
            {"id": "web", "outcome": "targeting.platform"},
        ],
    });
    let status = explained(&scenario, &format!("/v1/app/status?{query}"));
    assert_eq!(status["explain"], of_status);
    let launch = explained(&scenario, &format!("/v1/launch?{home}"));
    let all = json!({"status": of_status, "config": of_config, "banners": of_banners,
        "notices": of_notices});
    assert_eq!(launch["explain"], all);
    assert_eq!(
        (&launch["unread"], &launch["missing"]),
        (&json!(null), &json!([]))
    );
}
