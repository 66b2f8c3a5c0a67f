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

    let launch = ok(
        &scenario,
        "/v1/launch?platform=ios&store=app_store&version=2.4.0&locale=ko-KR&country=KR",
    );
    assert_eq!(launch["status"]["code"], 200, "{launch}");
    assert_eq!(launch["missing"], json!([]));
    assert_eq!(launch["config"]["values"]["daily_step_goal"], 7000);
    let home = ok(
        &scenario,
        "/v1/banners?placement=home_top&platform=ios&version=2.4.0&locale=ko-KR",
    );
    let shown = ids(&home["banners"]);
    assert_eq!(shown, ["lantern-walk", "new-maps", "first-steps"]);
    assert_eq!(home["banners"][0]["alt"], "토요일 등불 산책");
    let config = ok(&scenario, "/v1/config?platform=web&locale=en");
    assert_eq!(config["values"]["feed_page_size"], 40);
    assert_eq!(config["values"]["feature.night_mode"], false);
    let first = |version: &str| {
        let target = format!("/v1/notices?platform=ios&version={version}&locale=ko");
        let notices = ok(&scenario, &target)["notices"].clone();
        assert!(!ids(&notices).contains(&"clean-up-day"), "{notices}");
        notices[0]["title"].as_str().unwrap().to_owned()
    };
    assert_eq!(first("1.9.0"), "1 버전 지원이 곧 끝나요");
    assert_eq!(first("2.4.0"), "동네에 오신 걸 환영해요");

    let device = json!({"id": "my-phone-example-01", "platform": "android", "locale": "ko-KR", "country": "KR"});
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

fn ids(list: &Value) -> Vec<&str> {
    let items = list.as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap()).collect()
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
