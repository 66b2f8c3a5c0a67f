//! `SEED=1`: the demo app of the local stack, as a newcomer finds it.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::Instant;
use local::demo_app::{self, Seeded};
use serde_json::{Value, json};

use crate::scenario::Scenario;

#[test]
fn a_seeded_stack_answers_as_a_living_app_does() {
    let scenario = Scenario::start();
    let seeded = seed(&scenario);
    assert!(seeded.added.iter().all(|(_, count)| *count > 0), "{seeded}");

    let status = ok(
        &scenario,
        "/v1/app/status?platform=ios&store=app_store&version=2.1.0&locale=ko-KR",
    );
    assert_eq!(status["status"]["name"], "update_recommended", "{status}");
    assert_eq!(status["maintenance"], Value::Null);
    let old = ok(
        &scenario,
        "/v1/app/status?platform=android&store=google_play&version=1.4&os_version=14",
    );
    assert_eq!(old["update"]["level"], "required");

    let device =
        json!({"id": "my-phone", "platform": "android", "locale": "ko-KR", "country": "KR"});
    let asked = json!({
        "placements": [{"id": "lock_screen", "count": 2}, {"id": "feed", "count": 1}],
        "device": device,
        "consent": true,
    });
    let answer = scenario.post("/v1/allocations", &asked);
    assert_eq!(answer.json()["items"].as_array().unwrap().len(), 3);
}

#[test]
fn seeding_again_changes_nothing_that_is_there() {
    let scenario = Scenario::start();
    seed(&scenario);
    let before = scenario.service_get("/admin/v1/content/campaigns/items");
    let versions = scenario.service_get("/admin/v1/content/campaigns/versions");
    let again = seed(&scenario);
    assert!(again.added.iter().all(|(_, count)| *count == 0), "{again}");
    assert!(
        again
            .to_string()
            .starts_with("the demo app was there already\n")
    );
    let after = scenario.service_get("/admin/v1/content/campaigns/items");
    assert_eq!(after.json(), before.json());
    let still = scenario.service_get("/admin/v1/content/campaigns/versions");
    assert_eq!(still.json(), versions.json());
}

fn seed(scenario: &Scenario) -> Seeded {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Instant::from_seconds(now.as_secs().try_into().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(demo_app::seed(scenario.courtyard.description(), now))
        .unwrap()
}

fn ok(scenario: &Scenario, target: &str) -> Value {
    let answer = scenario.get(target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    answer.json()
}
