//! `GET /v1/app/status`, from nothing published to the end of the service.

use serde_json::{Value, json};
use tests::{fault::Fault, http1::Request};

use crate::scenario::Scenario;

fn status(scenario: &Scenario, query: &str) -> Value {
    let answer = scenario.get(&format!("/v1/app/status?{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn code(scenario: &Scenario, query: &str) -> u64 {
    status(scenario, query)["status"]["code"].as_u64().unwrap()
}

fn version_item() -> Value {
    json!({
        "platform": "ios", "store": "app_store", "latest": "2.0.0", "min": "1.5",
        "min_os_version": "15", "store_url": "https://apps.example/ours",
        "message": {"default": "Please update", "ko": "업데이트해 주세요"},
    })
}

#[test]
fn versions_recommend_and_require() {
    let scenario = Scenario::start();
    assert_eq!(code(&scenario, "platform=ios&version=1.0"), 200);
    scenario.create("app_versions", "ios", &version_item());
    scenario.publish_live("app_versions", |s| {
        code(s, "platform=ios&version=1.0&os_version=17") == 300
    });
    for (query, expected) in [
        ("platform=ios&version=1.4.9&os_version=17.1", 300),
        ("platform=ios&version=1.10&os_version=17.1", 201),
        ("platform=ios&version=2.0.0", 200),
        ("platform=ios&version=2.1", 200),
        ("platform=ios&version=what", 200),
        ("platform=ios", 200),
        ("platform=android&version=0.1", 200),
        ("platform=ios&version=1.0&os_version=14.8", 201),
    ] {
        assert_eq!(code(&scenario, query), expected, "{query}");
    }
    let required = status(
        &scenario,
        "platform=ios&version=1.0&os_version=17&locale=ko-KR",
    );
    let update = &required["update"];
    assert_eq!(update["level"], "required");
    assert_eq!(update["message"], "업데이트해 주세요");
    assert_eq!(
        (&update["min_version"], &update["latest_version"]),
        (&json!("1.5"), &json!("2.0.0"))
    );
    assert_eq!(update["store_url"], "https://apps.example/ours");
    let by_headers = Request::get("/v1/app/status?os_version=17")
        .header("x-app-platform", "ios")
        .header("x-app-store", "app_store")
        .header("x-app-version", "1.0");
    assert_eq!(scenario.send(&by_headers).json()["status"]["code"], 300);
}

#[test]
fn gates_close_in_their_order_and_testers_pass() {
    let scenario = Scenario::start();
    let window = json!({
        "gate": "window", "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00+09:00",
        "message": {"default": "Back soon"}, "url": "https://status.example/",
    });
    let mut partial = window.clone();
    partial["platforms"] = json!(["android"]);
    scenario.create("maintenance", "partial", &partial);
    let blocked = json!({"gate": "blocked_device", "device_id": "bad-phone-example-01"});
    scenario.create("maintenance", "blocked", &blocked);
    scenario.create(
        "testers",
        "team",
        &json!({"device_ids": ["test-phone-example-01"]}),
    );
    assert_eq!(scenario.publish("testers")["state"], "live");
    scenario.publish_live("maintenance", |s| code(s, "platform=android") == 304);
    assert_eq!(code(&scenario, "platform=ios"), 200);
    let of = |device: &str, platform: &str| {
        let target = format!("/v1/app/status?platform={platform}");
        scenario.send(&Request::get(&target).header("x-device-id", device))
    };
    assert_eq!(
        of("bad-phone-example-01", "ios").json()["status"]["code"],
        301
    );
    assert_eq!(
        of("test-phone-example-01", "android").json()["status"]["code"],
        202
    );
    let private = of("test-phone-example-01", "android");
    assert!(
        private
            .header("cache-control")
            .unwrap()
            .starts_with("private")
    );

    scenario.create("maintenance", "all", &window);
    scenario.publish_live("maintenance", |s| code(s, "platform=ios") == 303);
    let closed = status(&scenario, "platform=ios");
    assert_eq!(closed["maintenance"]["message"], "Back soon");
    assert_eq!(closed["maintenance"]["ends_at"], "2098-12-31T15:00:00.000Z");

    let end = json!({"gate": "service_end", "at": "2021-01-01T00:00:00Z", "message": {"default": "Goodbye"}});
    scenario.create("maintenance", "end", &end);
    scenario.publish_live("maintenance", |s| code(s, "platform=ios") == 302);
}

#[test]
fn an_answer_has_a_tag_that_time_does_not_change() {
    let scenario = Scenario::start();
    let first = scenario.get("/v1/app/status?platform=ios");
    let tag = first.header("etag").unwrap().to_owned();
    assert!(first.header("cache-control").unwrap().contains("max-age="));
    std::thread::sleep(std::time::Duration::from_millis(20));
    let again = Request::get("/v1/app/status?platform=ios").header("if-none-match", &tag);
    let again = scenario.send(&again);
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), Some(tag.as_str()));
}

#[test]
fn it_answers_from_memory_while_the_database_is_away_and_not_without_memory() {
    let scenario = Scenario::start();
    scenario.courtyard.database.inject(Fault::Refuse).unwrap();
    let cold = scenario.get("/v1/app/status?platform=ios");
    assert_eq!(
        (cold.status, &cold.json()["code"]),
        (503, &"unavailable".into())
    );
    assert!(cold.header("retry-after").is_some());
    scenario.courtyard.database.heal().unwrap();

    scenario.create("app_versions", "ios", &version_item());
    scenario.publish_live("app_versions", |s| {
        s.get("/v1/app/status?platform=ios&version=1.0&os_version=17")
            .json()["status"]["code"]
            == 300
    });
    for fault in [
        Fault::Refuse,
        Fault::Hang,
        Fault::Throttle,
        Fault::ServerError,
    ] {
        scenario.courtyard.database.inject(fault).unwrap();
        for _ in 0..3 {
            assert_eq!(
                code(&scenario, "platform=ios&version=1.0&os_version=17"),
                300,
                "{fault:?}"
            );
        }
        scenario.courtyard.database.heal().unwrap();
    }
}
