//! Every answer is one that the OpenAPI document tells of.
//!
//! The samples under `events/` are held to it by the contract tests; here the statuses that the
//! scenarios meet are compared as they are sent.

use serde_json::{Value, json};
use tests::http1::Request;

use crate::scenario::{Scenario, campaign};

#[test]
fn answers_and_refusals_are_in_the_document() {
    let scenario = Scenario::start();
    let document = scenario.get("/openapi.json").json();
    let item = "/admin/v1/content/campaigns/items/a";
    let key = scenario.courtyard.description().service_key.clone();
    let put = |target: &str| Request::new("PUT", target).bearer(&key);
    let calls = [
        ("/health", Request::get("/health")),
        (
            "/v1/app/status",
            Request::get("/v1/app/status?platform=ios"),
        ),
        ("/v1/app/status", Request::get("/v1/app/status?platform=x")),
        (
            "/v1/devices/{id}/profile",
            Request::get("/v1/devices/phone-0-example-0000/profile"),
        ),
        (
            "/v1/devices/{id}/profile",
            put("/v1/devices/phone-0-example-0000/profile").json(&json!({})),
        ),
        (
            "/v1/devices/{id}/profile",
            put("/v1/devices/a%00/profile").json(&json!({})),
        ),
        (
            "/v1/devices/{id}/profile",
            put("/v1/devices/phone-0-example-0000/profile").json(&json!({"x": 1})),
        ),
        (
            "/admin/v1/content/{kind}/items/{id}",
            put(item).json(&campaign("top")),
        ),
        (
            "/admin/v1/content/{kind}/items/{id}",
            put(item)
                .header("if-none-match", "*")
                .json(&campaign("top")),
        ),
        (
            "/admin/v1/content/{kind}/items/{id}",
            put(item)
                .header("if-none-match", "*")
                .json(&campaign("top")),
        ),
        (
            "/admin/v1/content/{kind}/items",
            Request::get("/admin/v1/content/nope/items").bearer(&key),
        ),
        ("/v1/t/imp/{token}", Request::get("/v1/t/imp/forged")),
        (
            "/admin/v1/reports/campaigns",
            Request::get("/admin/v1/reports/campaigns?group=day").bearer(&key),
        ),
        (
            "/v1/events",
            Request::new("POST", "/v1/events").json(&json!({"events": []})),
        ),
        (
            "/v1/events",
            Request::new("POST", "/v1/events").header("x-device-id", "not a device at all"),
        ),
        (
            "/admin/v1/reports/events",
            Request::get("/admin/v1/reports/events?group=type").bearer(&key),
        ),
        (
            "/admin/v1/reports/events",
            Request::get("/admin/v1/reports/events"),
        ),
    ];
    for (path, request) in calls {
        let answer = scenario.send(&request);
        let method = request.method.to_ascii_lowercase();
        let described: &Value =
            &document["paths"][path][&method]["responses"][answer.status.to_string()];
        assert!(
            described.is_object(),
            "{} {} answers {}",
            request.method,
            path,
            answer.status
        );
        if answer.status >= 400 && answer.status != 503 {
            let code = answer.json()["code"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let told = described["description"].as_str().unwrap();
            assert!(
                told.contains(&format!("`{code}`")),
                "{path}: {code} not in {told}"
            );
        }
    }
}
