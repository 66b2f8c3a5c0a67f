//! Budgets that impressions use up, over HTTP: given out to the last unit and no further.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::{courtyard::Courtyard, http1::Request};

use crate::scenario::{Scenario, campaign_with, device, eventually};

/// A stack in which one campaign for `top` has a budget of so many impressions.
fn limited(units: u64) -> Scenario {
    let scenario = Scenario::start();
    let budget = json!({"budget": {"pricing": "impressions", "total": units}});
    scenario.create("campaigns", "shoes", &campaign_with("top", budget));
    scenario.publish_live("campaigns", |s| {
        s.allocate("top", &device())["items"] != json!([])
    });
    scenario
}

fn path(url: &Value) -> String {
    let url = url.as_str().expect("a URL");
    let path = url.find("/v1/").expect("a path");
    url[path..].to_owned()
}

/// The campaign's row of the report, after a roll-up.
fn row(scenario: &Scenario) -> Value {
    scenario.courtyard.invoke("roll-up", b"{}").unwrap();
    let report = scenario.service_get("/admin/v1/reports/campaigns").json();
    report["rows"][0].clone()
}

#[test]
fn a_budget_is_given_out_to_the_last_impression_and_no_further() {
    const BUDGET: usize = 60;
    let scenario = limited(BUDGET as u64);
    let shown = AtomicUsize::new(0);
    let patience = Instant::now() + Duration::from_secs(60);
    thread::scope(|threads| {
        for nth in 0..6 {
            let (scenario, shown) = (&scenario, &shown);
            threads.spawn(move || {
                // Whoever meets a campaign whose lease is being taken goes without and asks again.
                let mut in_vain = 0;
                while in_vain < 40 && Instant::now() < patience {
                    let phone =
                        json!({"platform": "ios", "id": format!("phone-{nth}-example-0001")});
                    let answer = scenario.allocate("top", &phone);
                    let items = answer["items"].as_array().unwrap();
                    let Some(item) = items.first() else {
                        in_vain += 1;
                        thread::sleep(Duration::from_millis(5));
                        continue;
                    };
                    in_vain = 0;
                    shown.fetch_add(1, Ordering::SeqCst);
                    for _ in 0..2 {
                        let seen = scenario.get(&path(&item["impression_url"]));
                        assert_eq!(seen.status, 204);
                    }
                }
            });
        }
    });
    // What waiting for the campaign gave out before was never seen: it comes back when it lapses.
    let shown = shown.load(Ordering::SeqCst);
    assert!(shown <= BUDGET, "{shown} were given out");
    assert!(shown >= BUDGET - 5, "{shown} were given out");
    let row = row(&scenario);
    assert_eq!(row["impressions"], shown, "{row}");
    assert_eq!(row["over_cap"], 0, "{row}");
}

/// How many of so many allocations for `top` gave a campaign; what they give is clicked if it is to
/// be.
fn given(scenario: &Scenario, allocations: usize, is_clicked: bool) -> usize {
    let given = (0..allocations).filter_map(|nth| {
        let phone = json!({"platform": "ios", "id": format!("phone-{nth}-example-0001")});
        let item = scenario.allocate("top", &phone)["items"].get(0)?.clone();
        assert_eq!(scenario.get(&path(&item["impression_url"])).status, 204);
        if is_clicked {
            assert_eq!(scenario.get(&path(&item["click_url"])).status, 302);
        }
        Some(())
    });
    given.count()
}

#[test]
fn an_even_campaign_goes_out_at_its_plan_from_the_first_minute() {
    let scenario = Scenario::start();
    let now = domain::Instant::from_millis(now_ms());
    // Fifteen a minute.
    let even = json!({
        "pacing": "even", "starts_at": now, "ends_at": now + Duration::from_secs(2 * 3600),
        "budget": {"pricing": "impressions", "total": 1_800},
    });
    scenario.create("campaigns", "shoes", &campaign_with("top", even));
    scenario.publish_live("campaigns", |s| {
        s.allocate("top", &device())["items"] != json!([])
    });
    let begun = Instant::now();
    let given = given(&scenario, 400, false);
    let minutes = begun.elapsed().as_secs() / 60 + 1;
    let most = 45 * usize::try_from(minutes).unwrap();
    assert!(given >= 1 && given <= most, "{given} in {minutes} minutes");
}

#[test]
fn a_campaign_that_its_plan_holds_back_leaves_the_slot_to_lower_tiers() {
    let scenario = Scenario::start();
    let now = domain::Instant::from_millis(now_ms());
    for (id, units) in [("slow", 3), ("slower", 2)] {
        let paced = json!({
            "tier": 10, "pacing": "even",
            "starts_at": now, "ends_at": now + Duration::from_secs(24 * 3600),
            "budget": {"pricing": "impressions", "total": units},
        });
        scenario.create("campaigns", id, &campaign_with("top", paced));
    }
    let last = json!({"tier": 30, "budget": {"pricing": "impressions", "total": 5_000}});
    scenario.create("campaigns", "last", &campaign_with("top", last));
    scenario.publish_live("campaigns", |s| {
        s.allocate("top", &device())["items"] != json!([])
    });
    let given = given(&scenario, 60, false);
    assert!(given >= 50, "{given} of 60");
}

#[test]
fn a_budget_of_clicks_gives_few_away_when_every_item_is_clicked() {
    let scenario = Scenario::start();
    let clicks = json!({"budget": {"pricing": "cpc", "price_micros": 300, "total": 6_000}});
    scenario.create("campaigns", "shoes", &campaign_with("top", clicks));
    scenario.publish_live("campaigns", |s| {
        s.allocate("top", &device())["items"] != json!([])
    });
    // No roll-up has run, and none needs to.
    let given = given(&scenario, 200, true);
    assert!((20..=30).contains(&given), "{given} for 20");
    let row = row(&scenario);
    assert_eq!(
        (&row["clicks"], &row["spend_micros"]),
        (&json!(20), &json!(6_000))
    );
    assert_eq!(row["over_cap"], given - 20, "{row}");
}

#[test]
fn a_budget_that_cannot_be_spread_or_buys_nothing_is_refused() {
    let scenario = Scenario::start();
    for (changes, pointer, code) in [
        (
            json!({"pacing": "even", "budget": {"pricing": "impressions", "total": 9}}),
            "/ends_at",
            "required",
        ),
        (
            json!({"budget": {"pricing": "cpc", "price_micros": 31, "total": 30}}),
            "/budget/price_micros",
            "out_of_range",
        ),
        (
            json!({"budget": {"pricing": "cpa", "price_micros": 31, "daily": 30, "total": 90}}),
            "/budget/price_micros",
            "out_of_range",
        ),
    ] {
        let target = "/admin/v1/content/campaigns/items/shoes";
        let put = Request::new("PUT", target)
            .header("if-none-match", "*")
            .json(&campaign_with("top", changes));
        let refused = scenario.service(put);
        assert_eq!(refused.status, 422, "{}", refused.text());
        let error = &refused.json()["errors"][0];
        assert_eq!(error["pointer"], pointer, "{error}");
        assert_eq!(error["code"], code, "{error}");
    }
    let daily = json!({"pacing": "even", "budget": {"pricing": "impressions", "daily": 9}});
    scenario.create("campaigns", "shoes", &campaign_with("top", daily));
}

#[test]
fn a_flat_campaign_reports_what_of_its_price_is_due() {
    let scenario = Scenario::start();
    let now = domain::Instant::from_millis(now_ms());
    let hour = Duration::from_secs(3600);
    let flat = json!({
        "starts_at": now - hour, "ends_at": now + hour,
        "budget": {"pricing": "flat", "total": 7_200_000_000_u64},
    });
    scenario.create("campaigns", "shoes", &campaign_with("top", flat));
    scenario.publish_live("campaigns", |s| {
        s.allocate("top", &device())["items"] != json!([])
    });
    assert!(given(&scenario, 3, false) > 0);
    // Two million a second of the hour that is left, from the publication on.
    let spent = row(&scenario)["spend_micros"].as_u64().unwrap();
    assert!(spent > 0 && spent < 2_000_000 * 300, "{spent}");
    assert_eq!(row(&scenario)["plan_ratio"], Value::Null);
}

#[test]
fn tokens_of_a_campaign_with_a_budget_live_minutes() {
    let scenario = limited(1_000);
    let item = scenario.allocate("top", &device())["items"][0].clone();
    let expires_at: domain::Instant = item["expires_at"].as_str().unwrap().parse().unwrap();
    let soon = domain::Instant::from_millis(now_ms()) + Duration::from_secs(301);
    assert!(expires_at <= soon, "{expires_at}");
}

#[test]
fn operators_are_told_why_and_nobody_else_is() {
    let scenario = Scenario::start();
    let targeted = json!({"targeting": {"all": [{"field": "country", "in": ["KR"]}]}});
    let over = json!({"ends_at": "2021-01-01T00:00:00.000Z"});
    for (id, changes) in [
        ("shoes", json!({})),
        ("later", json!({"tier": 20})),
        ("korea", targeted),
        ("over", over),
    ] {
        scenario.create("campaigns", id, &campaign_with("top", changes));
    }
    scenario.publish_live("campaigns", |s| {
        s.allocate("top", &device())["items"] != json!([])
    });
    let asked = json!({
        "placements": [{"id": "top", "count": 1}],
        "device": {"platform": "ios", "country": "JP"},
    });
    let refused = scenario.post("/v1/allocations?explain=1", &asked);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["code"], "token_missing");

    let told = scenario
        .service_post("/v1/allocations?explain=1", &asked)
        .json();
    let expected = json!({
        "selected": 1, "lost_draw": 1, "targeting.country": 1, "schedule": 1,
    });
    assert_eq!(told["explain"]["counts"], expected);
    assert_eq!(told["explain"]["candidates"].as_array().unwrap().len(), 4);
    let one = scenario.service_post("/v1/allocations?explain=1&campaign_id=korea", &asked);
    let one = one.json();
    let expected = json!([{
        "campaign_id": "korea", "placement": "top", "tier": 10, "outcome": "targeting.country",
    }]);
    assert_eq!(one["explain"]["candidates"], expected);
    let silent = scenario.service_post("/v1/allocations", &asked).json();
    assert_eq!(silent["explain"], Value::Null);
}

#[test]
fn a_user_who_wants_less_is_shown_less() {
    let scenario = Scenario::start();
    scenario.create("campaigns", "shoes", &campaign_with("top", json!({})));
    let phone = json!({"platform": "ios", "id": "phone-1-example-0001"});
    scenario.publish_live("campaigns", |s| {
        s.allocate("top", &phone)["items"] != json!([])
    });
    let put = |config: Value| {
        let target = "/v1/devices/phone-1-example-0001/content-config";
        let put = scenario.service(tests::http1::Request::new("PUT", target).json(&config));
        assert_eq!(put.status, 200, "{}", put.text());
    };
    let is_shown = || scenario.allocate("top", &phone)["items"] != json!([]);
    put(json!({"categories": {"shoes": false}, "frequency": "normal"}));
    assert!(!is_shown());
    put(json!({"categories": {}, "frequency": "off"}));
    assert!(!is_shown());
    put(json!({"categories": {}, "frequency": "less"}));
    let shown = (0..100).filter(|_| is_shown()).count();
    assert!((20..=80).contains(&shown), "{shown} of 100");
    put(json!({"categories": {}, "frequency": "normal"}));
    eventually("it is shown again", || is_shown().then_some(()));
}

#[test]
fn what_was_asked_for_and_given_out_is_told_by_and_by() {
    // A minute a second: instances tell once a minute.
    let since = domain::Instant::from_millis(now_ms());
    let courtyard = Courtyard::start_with(|options| {
        options.course = Some(kit::clock::Course { speed: 60, since });
    });
    let scenario = Scenario {
        courtyard: courtyard.expect("the stack starts"),
    };
    let once = json!({"caps": [{"scope": "campaign", "per": "lifetime", "max": 1}]});
    scenario.create("campaigns", "shoes", &campaign_with("top", once));
    let phone = json!({"platform": "ios", "id": "phone-1-example-0001"});
    scenario.publish_live("campaigns", |s| {
        s.allocate("top", &phone)["items"] != json!([])
    });
    let item = scenario.allocate("top", &phone)["items"][0].clone();
    assert_eq!(scenario.get(&path(&item["impression_url"])).status, 204);
    let told = eventually("the report knows what was tallied", || {
        for _ in 0..20 {
            scenario.allocate("top", &phone);
        }
        scenario.courtyard.invoke("roll-up", b"{}").unwrap();
        let target = "/admin/v1/reports/campaigns?group=placement";
        let report = scenario.service_get(target).json();
        report["rows"]
            .as_array()?
            .iter()
            .find(|row| row["requests"].is_u64())
            .cloned()
    });
    assert_eq!(told["placement"], "top");
    let (requests, served) = (told["requests"].as_u64(), told["served"].as_u64());
    assert!(requests >= Some(50) && served >= Some(1), "{told}");
    assert!(served < requests, "the cap held it back: {told}");
    let row = row(&scenario);
    assert!(row["capped"].as_u64() >= Some(1), "{row}");
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_millis()).unwrap()
}
