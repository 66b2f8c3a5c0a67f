//! Live operations: status, banners, notices, remote config, and all of it at launch. What they share
//! is here: sample items, and a stack that looks for newer content every second.

mod banners;
mod boundaries;
mod caching;
mod explaining;
mod hostile;
mod launch;
mod notices;
mod outages;
mod reading;
mod remote_config;

use domain::Instant;
use kit::Clock;
use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{people::with_environment, scenario::Scenario};

/// The routes of what is published, each as an app asks for it.
const ROUTES: [&str; 5] = [
    "/v1/app/status",
    "/v1/banners",
    "/v1/config",
    "/v1/notices",
    "/v1/launch",
];

/// A stack that looks for newer content every second, so that publications are soon there and
/// outages soon outlast what is fresh.
fn stack() -> Scenario {
    with_environment(&[("SNAPSHOT_REFRESH_S", "1"), ("SNAPSHOT_STALE_S", "1")])
}

/// Publishes items of a kind. Readers that hold an older version have the newer within a second or
/// two; those that hold nothing have it at once.
fn publish(scenario: &Scenario, kind: &str, items: &[(&str, Value)]) {
    for (id, item) in items {
        scenario.create(kind, id, item);
    }
    let publication = scenario.publish(kind);
    assert_eq!(publication["state"], "live", "{publication}");
}

fn now() -> Instant {
    Clock::system().now()
}

/// So many seconds from now, or ago.
fn in_seconds(seconds: i64) -> String {
    Instant::from_millis(now().as_millis() + seconds * 1_000).to_string()
}

fn with(mut item: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().expect("an object") {
        item[name] = value.clone();
    }
    item
}

/// A banner that everybody sees in `home`, with these members others.
fn banner(changes: Value) -> Value {
    let banner = json!({
        "placement": "home", "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
        "priority": 0, "images": {"default": image("banner")}, "alt": {"default": "A banner"},
        "click": {"type": "none"}, "frequency": "always",
    });
    with(banner, changes)
}

fn image(name: &str) -> Value {
    json!({"url": format!("https://cdn.example/{name}.png"), "width": 640, "height": 100})
}

/// A notice that everybody can read, with these members others.
fn notice(changes: Value) -> Value {
    let notice = json!({
        "pinned": false, "priority": 0, "starts_at": "2020-01-01T00:00:00Z",
        "title": {"default": "A notice"}, "body": {"default": "Some *news*"},
    });
    with(notice, changes)
}

/// A parameter of remote config, with these members others.
fn parameter(key: &str, r#type: &str, default: Value, changes: Value) -> Value {
    let parameter = json!({"key": key, "type": r#type, "default": default, "conditions": []});
    with(parameter, changes)
}

fn condition(name: &str, rule: Value, value: Value) -> Value {
    json!({"name": name, "targeting": {"all": [rule]}, "value": value})
}

fn platform(name: &str) -> Value {
    json!({"all": [{"field": "platform", "in": [name]}]})
}

fn segment(name: &str) -> Value {
    json!({"all": [{"field": "segments", "any_of": [name]}]})
}

/// Puts a device's profile.
fn profile(scenario: &Scenario, device: &str, profile: &Value) {
    let target = format!("/v1/devices/{device}/profile");
    let put = scenario.service(Request::new("PUT", &target).json(profile));
    assert_eq!(put.status, 200, "{}", put.text());
}

fn on(device: &str, target: &str) -> Request {
    Request::get(target).header("x-device-id", device)
}

fn good(answer: Response) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The ids of a list of documents.
fn ids(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|item| item["id"].as_str().expect("an id").to_owned())
        .collect()
}

fn banners(scenario: &Scenario, query: &str) -> Vec<String> {
    ids(&good(scenario.get(&format!("/v1/banners?{query}")))["banners"])
}

fn notices(scenario: &Scenario, query: &str) -> Vec<String> {
    ids(&good(scenario.get(&format!("/v1/notices?{query}")))["notices"])
}
