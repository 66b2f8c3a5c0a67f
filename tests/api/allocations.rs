//! Allocations and their marks: from a published campaign to a number in the report.

use std::collections::HashMap;

use serde_json::{Value, json};
use tests::{
    fault::Fault,
    http1::{Request, Response},
};

use crate::scenario::{Scenario, campaign, campaign_with, device, eventually};

fn path(url: &Value) -> String {
    let url = url.as_str().expect("a URL");
    let at = url.find("/v1/").expect("a path");
    url[at..].to_owned()
}

fn ids(answer: &Value) -> Vec<&str> {
    let items = answer["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["campaign_id"].as_str().unwrap())
        .collect()
}

/// Publishes one campaign for `top`, and waits until it is given out.
fn show(scenario: &Scenario, id: &str, item: &Value) {
    scenario.create("campaigns", id, item);
    scenario.publish_live("campaigns", |s| {
        !ids(&s.allocate("top", &device())).is_empty()
    });
}

fn ask(scenario: &Scenario, body: &Value) -> Response {
    scenario.post("/v1/allocations", body)
}

#[test]
fn an_item_is_shown_seen_clicked_and_reported_once() {
    let scenario = Scenario::start();
    let paid = campaign_with(
        "top",
        json!({"budget": {"pricing": "cpm", "price_micros": 5_000_000}}),
    );
    show(&scenario, "shoes", &paid);
    let answer = scenario.allocate(
        "top",
        &json!({"platform": "ios", "id": "phone-1-example-0001"}),
    );
    assert_eq!(answer["fallback"], false);
    let item = &answer["items"][0];
    for (field, value) in [
        ("placement", json!("top")),
        ("slot", json!(0)),
        ("type", json!("banner")),
        ("campaign_id", json!("shoes")),
        ("creative_id", json!("only")),
        ("assets", json!({"title": "Hello"})),
    ] {
        assert_eq!(item[field], value, "{field}");
    }
    let base = &scenario.courtyard.description().base_url;
    assert!(
        item["impression_url"]
            .as_str()
            .unwrap()
            .starts_with(base.as_str()),
        "{item}"
    );
    assert!(path(&item["click_url"]).len() <= 256);

    let impression = path(&item["impression_url"]);
    for _ in 0..5 {
        assert_eq!(scenario.get(&impression).status, 204);
    }
    assert_eq!(
        scenario.send(&Request::new("POST", &impression)).status,
        204
    );
    let click = path(&item["click_url"]);
    let clicked = scenario.get(&click);
    assert_eq!(clicked.status, 302);
    assert_eq!(
        clicked.header("location"),
        Some("https://shop.example/landing")
    );
    assert_eq!(
        scenario
            .get(&format!("{click}?noredirect=1&utm_source=x"))
            .status,
        204
    );
    let conversion = click.replace("/clk/", "/cv/");
    assert_eq!(
        scenario.send(&Request::new("POST", &conversion)).status,
        204
    );

    for _ in 0..2 {
        scenario.courtyard.invoke("roll-up", b"{}").unwrap();
        let report = scenario
            .service_get("/admin/v1/reports/campaigns?group=campaign")
            .json();
        let row = &report["rows"][0];
        assert_eq!(row["campaign"], "shoes", "{report}");
        for (field, value) in [
            ("impressions", 1),
            ("clicks", 1),
            ("conversions", 1),
            ("spend_micros", 5_000),
        ] {
            assert_eq!(row[field], value, "{field}");
        }
        assert_eq!(row["ctr"], 1.0);
        assert!(report["as_of"].is_string());
    }
    let csv =
        scenario.service(Request::get("/admin/v1/reports/campaigns").header("accept", "text/csv"));
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(
        csv.text().lines().nth(1).unwrap().starts_with("shoes,"),
        "{}",
        csv.text()
    );
    let backwards = "/admin/v1/reports/campaigns?from=2026-02-02&to=2026-02-01";
    assert_eq!(
        scenario.service_get(backwards).json()["errors"][0]["pointer"],
        "/from"
    );
}

#[test]
fn no_more_is_billed_than_the_budget_and_the_report_says_what_came_after() {
    let scenario = Scenario::start();
    // 5,000 micros each: two fit, and a third by a micro not.
    let paid = campaign_with(
        "top",
        json!({
            "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
            "budget": {"pricing": "cpc", "price_micros": 5_000, "total": 14_999},
        }),
    );
    show(&scenario, "shoes", &paid);
    for _ in 0..5 {
        let answer = scenario.allocate("top", &device());
        let item = &answer["items"][0];
        assert_eq!(scenario.get(&path(&item["impression_url"])).status, 204);
        assert_eq!(scenario.get(&path(&item["click_url"])).status, 302);
    }
    scenario.courtyard.invoke("roll-up", b"{}").unwrap();
    for group in ["campaign", "creative", "placement", "day"] {
        let target = format!("/admin/v1/reports/campaigns?group={group}");
        let report = scenario.service_get(&target).json();
        let row = &report["rows"][0];
        for (field, value) in [
            ("impressions", 5),
            ("clicks", 2),
            ("over_cap", 3),
            ("flagged", 0),
            ("spend_micros", 10_000),
        ] {
            assert_eq!(row[field], value, "{field}: {report}");
        }
        let planned = matches!(group, "campaign" | "day");
        assert_eq!(row["plan_ratio"].is_f64(), planned, "{report}");
        for tallied in ["requests", "served", "fill", "capped"] {
            assert_eq!(row[tallied], Value::Null, "{tallied}: nothing was tallied");
        }
    }
    let csv =
        scenario.service(Request::get("/admin/v1/reports/campaigns").header("accept", "text/csv"));
    let header = "campaign,requests,served,impressions,clicks,conversions,ctr,spend_micros,\
        plan_ratio,fill,over_cap,flagged,capped";
    assert_eq!(csv.text().lines().next(), Some(header));
}

#[test]
fn a_mark_counts_once_however_many_send_it_at_once_or_lose_its_answer() {
    let scenario = Scenario::start();
    show(&scenario, "storm", &campaign("top"));
    let urls: Vec<_> = (0..3)
        .map(|_| path(&scenario.allocate("top", &device())["items"][0]["impression_url"]))
        .collect();
    let lost = tests::fault::Rule::from(Fault::DropAnswer)
        .of("track")
        .on("dynamodb:PutItem")
        .times(3);
    scenario.courtyard.database.inject(lost).unwrap();
    std::thread::scope(|threads| {
        for url in urls.iter().cycle().take(60) {
            threads.spawn(|| assert_eq!(scenario.get(url).status, 204));
        }
    });
    scenario.courtyard.invoke("roll-up", b"{}").unwrap();
    let report = scenario.service_get("/admin/v1/reports/campaigns").json();
    assert_eq!(report["rows"][0]["impressions"], 3, "{report}");
}

#[test]
fn a_mark_has_its_campaigns_name_however_new_the_campaign_is() {
    let scenario = Scenario::start();
    show(&scenario, "old", &campaign("top"));
    let seen = path(&scenario.allocate("top", &device())["items"][0]["impression_url"]);
    let new = campaign_with("top", json!({"tier": 1}));
    scenario.create("campaigns", "new", &new);
    scenario.publish_live("campaigns", |s| {
        // Keeps the snapshot that marks are named from from being looked after just in time.
        assert_eq!(s.get(&seen).status, 204);
        let answer = s.allocate("top", &device());
        let item = &answer["items"][0];
        let is_new = item["campaign_id"] == "new";
        is_new && s.get(&path(&item["impression_url"])).status == 204
    });
    scenario.courtyard.invoke("roll-up", b"{}").unwrap();
    let report = scenario.service_get("/admin/v1/reports/campaigns").json();
    let rows = report["rows"].as_array().unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|row| row["campaign"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["new", "old"], "{report}");
}

#[test]
fn forged_altered_and_foreign_tokens_are_refused() {
    let scenario = Scenario::start();
    show(&scenario, "real", &campaign("top"));
    let answer = scenario.allocate("top", &device());
    let good = path(&answer["items"][0]["impression_url"]);
    let token = good.rsplit('/').next().unwrap();
    let mut altered = token.to_owned().into_bytes();
    altered[20] = if altered[20] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    for bad in [
        altered.as_str(),
        &token[..token.len() - 1],
        &format!("{token}="),
        &format!("{token}A"),
        "x",
        "%00",
        "%2F%2F",
        "AAAA%23AAAA",
    ] {
        for kind in ["imp", "clk", "cv"] {
            let refused = scenario.get(&format!("/v1/t/{kind}/{bad}"));
            assert_eq!(
                (refused.status, &refused.json()["code"]),
                (404, &"tracking_token_invalid".into()),
                "{kind} {bad}"
            );
        }
    }
    assert_eq!(scenario.get(&good).status, 204);
}

#[test]
fn a_click_leads_on_although_its_campaign_was_taken_out() {
    let scenario = Scenario::start();
    show(&scenario, "gone", &campaign("top"));
    let click = path(&scenario.allocate("top", &device())["items"][0]["click_url"]);
    let item = "/admin/v1/content/campaigns/items/gone";
    let etag = scenario
        .service_get(item)
        .header("etag")
        .unwrap()
        .to_owned();
    let delete = Request::new("DELETE", item).header("if-match", &etag);
    assert_eq!(scenario.service(delete).status, 204);
    scenario.publish_live("campaigns", |s| {
        ids(&s.allocate("top", &device())).is_empty()
    });
    // Readers look for a newer version by themselves: this one may still hold the old.
    for _ in 0..2 {
        let clicked = scenario.get(&click);
        assert_eq!(clicked.status, 302, "{}", clicked.text());
        assert_eq!(
            clicked.header("location"),
            Some("https://shop.example/landing")
        );
        std::thread::sleep(std::time::Duration::from_secs(8));
    }
}

#[test]
fn an_expired_token_is_not_counted_but_its_click_still_leads_on() {
    let scenario = Scenario {
        courtyard: tests::courtyard::Courtyard::start_with(|options| {
            options
                .environment
                .insert("TRACKING_TOKEN_LIFETIME_S".into(), "1".into());
        })
        .unwrap(),
    };
    show(&scenario, "brief", &campaign("top"));
    let item = scenario.allocate("top", &device())["items"][0].clone();
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    assert_eq!(scenario.get(&path(&item["impression_url"])).status, 404);
    assert_eq!(scenario.get(&path(&item["click_url"])).status, 302);
    scenario.courtyard.invoke("roll-up", b"{}").unwrap();
    let report = scenario.service_get("/admin/v1/reports/campaigns").json();
    assert_eq!(report["rows"], json!([]));
}

#[test]
fn eligibility_reads_the_request_and_the_stored_profile() {
    let scenario = Scenario::start();
    let rule = |rule: Value| json!({"targeting": {"all": [rule]}});
    let cases = [
        (
            "platform",
            rule(json!({"field": "platform", "in": ["ios"]})),
        ),
        (
            "country",
            rule(json!({"field": "country", "in": ["KR", "JP"]})),
        ),
        (
            "version",
            rule(json!({"field": "app_version", "gte": "1.10", "lt": "2.0"})),
        ),
        (
            "interests",
            rule(json!({"field": "interests", "any_of": ["golf", "tennis"]})),
        ),
        (
            "segments",
            rule(json!({"field": "segments", "all_of": ["vip", "new"]})),
        ),
        (
            "none",
            rule(json!({"field": "segments", "none_of": ["churned"]})),
        ),
        (
            "attribute",
            rule(json!({"field": "attributes.plan", "in": ["pro"]})),
        ),
        (
            "not-in",
            rule(json!({"field": "attributes.plan", "not_in": ["free"]})),
        ),
        (
            "any",
            rule(
                json!({"any": [{"field": "country", "in": ["US"]}, {"field": "platform", "in": ["android"]}]}),
            ),
        ),
        ("nobody", rule(json!({"percent": 0, "seed": "s"}))),
        ("later", json!({"starts_at": "2099-01-01T00:00:00Z"})),
        ("over", json!({"ends_at": "2021-01-01T00:00:00Z"})),
        ("elsewhere", json!({"placements": ["bottom"]})),
        (
            "other-type",
            json!({"types": ["video"], "creatives": [{"id": "v", "type": "video", "weight": 1, "assets": {}}]}),
        ),
        ("consent", json!({"consent": "required"})),
        ("device", json!({"no_device": "skip"})),
    ];
    for (id, changes) in &cases {
        let mut all = changes.clone();
        all["tier"] = json!(1);
        scenario.create("campaigns", id, &campaign_with("top", all));
    }
    scenario.create("campaigns", "everyone", &campaign("top"));
    scenario.publish_live("campaigns", |s| {
        ids(&s.allocate("top", &device())).contains(&"platform")
    });
    let profile = json!({
        "country": "KR", "interests": ["golf"], "segments": ["vip", "new"], "attributes": {"plan": "pro"},
    });
    let put = Request::new("PUT", "/v1/devices/known-example-0001/profile").json(&profile);
    assert_eq!(scenario.service(put).status, 200);

    let eligible = |body: Value| {
        let mut body = body;
        body["placements"] = json!([{"id": "top", "count": 20, "types": ["banner"]}]);
        let answer = ask(&scenario, &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut found: Vec<_> = ids(&answer.json())
            .into_iter()
            .map(ToOwned::to_owned)
            .collect();
        found.sort();
        found
    };
    assert_eq!(
        eligible(json!({"device": {"platform": "ios"}})),
        ["everyone", "platform"]
    );
    assert_eq!(
        eligible(
            json!({"device": {"platform": "android", "id": "never-seen-example-01"}, "consent": true})
        ),
        ["any", "consent", "device", "everyone"]
    );
    assert_eq!(
        eligible(
            json!({"device": {"platform": "ios", "id": "known-example-0001", "app_version": "1.11"}})
        ),
        [
            "attribute",
            "country",
            "device",
            "everyone",
            "interests",
            "none",
            "not-in",
            "platform",
            "segments",
            "version"
        ]
    );
    assert_eq!(
        eligible(
            json!({"device": {"platform": "ios", "id": "known-example-0001", "country": "US"}, "interests": ["tennis"]})
        ),
        [
            "any",
            "attribute",
            "device",
            "everyone",
            "interests",
            "none",
            "not-in",
            "platform",
            "segments"
        ]
    );
    assert_eq!(
        eligible(json!({"device": {"platform": "ios"}, "exclude": {"campaigns": ["platform"]}})),
        ["everyone"]
    );
    assert!(
        eligible(json!({"device": {"platform": "ios"}, "exclude": {"advertisers": ["acme"]}}))
            .is_empty()
    );
    assert!(
        eligible(json!({"device": {"platform": "ios"}, "exclude": {"categories": ["shoes"]}}))
            .is_empty()
    );
}

#[test]
fn tiers_come_first_weights_share_and_house_items_are_last() {
    let scenario = Scenario::start();
    scenario.create(
        "campaigns",
        "top-tier",
        &campaign_with("a", json!({"tier": 1})),
    );
    scenario.create(
        "campaigns",
        "low-tier",
        &campaign_with("a", json!({"tier": 2, "weight": 10_000})),
    );
    scenario.create(
        "campaigns",
        "heavy",
        &campaign_with("b", json!({"weight": 3})),
    );
    scenario.create(
        "campaigns",
        "light",
        &campaign_with("b", json!({"weight": 1})),
    );
    for placement in ["a", "c"] {
        let house = campaign_with(placement, json!({"house": true}));
        scenario.create("campaigns", &format!("house-{placement}"), &house);
    }
    scenario.publish_live("campaigns", |s| {
        !ids(&s.allocate("a", &device())).is_empty()
    });

    let all = ask(
        &scenario,
        &json!({"placements": [{"id": "a", "count": 5}], "device": {"platform": "ios"}}),
    );
    assert_eq!(ids(&all.json()), ["top-tier", "low-tier", "house-a"]);
    assert_eq!(all.json()["fallback"], false);
    let house = scenario.allocate("c", &device());
    assert_eq!(
        (ids(&house), &house["fallback"]),
        (vec!["house-c"], &json!(true))
    );
    let nothing = scenario.allocate("nowhere", &device());
    assert_eq!(
        (ids(&nothing), &nothing["fallback"]),
        (vec![], &json!(true))
    );

    let mut counts: HashMap<String, u32> = HashMap::new();
    for _ in 0..400 {
        let answer = scenario.allocate("b", &device());
        *counts.entry(ids(&answer)[0].to_owned()).or_default() += 1;
    }
    // 300 expected; five standard deviations are 43.
    assert!((257..=343).contains(&counts["heavy"]), "{counts:?}");
}

#[test]
fn a_campaign_is_given_once_in_a_request() {
    let scenario = Scenario::start();
    let item = campaign_with("a", json!({"placements": ["a", "b"]}));
    scenario.create("campaigns", "one", &item);
    scenario.create("campaigns", "two", &item);
    scenario.publish_live("campaigns", |s| {
        !ids(&s.allocate("a", &device())).is_empty()
    });
    let answer = ask(
        &scenario,
        &json!({"placements": [{"id": "a", "count": 1}, {"id": "b", "count": 20}], "device": {"platform": "web"}}),
    );
    let mut found: Vec<_> = ids(&answer.json())
        .into_iter()
        .map(ToOwned::to_owned)
        .collect();
    found.sort();
    assert_eq!(found, ["one", "two"]);
}

#[test]
fn it_answers_from_memory_while_the_database_is_away() {
    let scenario = Scenario::start();
    scenario.create("campaigns", "anyone", &campaign("top"));
    scenario.create(
        "campaigns",
        "devices-only",
        &campaign_with("top", json!({"no_device": "skip"})),
    );
    scenario.publish_live("campaigns", |s| {
        ids(&s.allocate("top", &device())) == ["anyone"]
    });
    let known = json!({"platform": "ios", "id": "phone-1-example-0001"});
    let both = json!({"placements": [{"id": "top", "count": 5}], "device": known});
    assert_eq!(ids(&ask(&scenario, &both).json()).len(), 2);
    for fault in [
        Fault::Refuse,
        Fault::Hang,
        Fault::Throttle,
        Fault::ServerError,
    ] {
        scenario.courtyard.database.inject(fault).unwrap();
        for _ in 0..3 {
            let answer = ask(&scenario, &both);
            assert_eq!(answer.status, 200, "{fault:?}");
            assert_eq!(ids(&answer.json()), ["anyone"], "{fault:?}");
        }
        scenario.courtyard.database.heal().unwrap();
        eventually("the device is read again", || {
            (ids(&ask(&scenario, &both).json()).len() == 2).then_some(())
        });
    }
}

#[test]
fn without_any_snapshot_it_says_so() {
    let scenario = Scenario::start();
    scenario.courtyard.database.inject(Fault::Refuse).unwrap();
    let cold = ask(
        &scenario,
        &json!({"placements": [{"id": "a", "count": 1}], "device": {"platform": "ios"}}),
    );
    assert_eq!(
        (cold.status, &cold.json()["code"]),
        (503, &"unavailable".into())
    );
    assert!(cold.header("retry-after").is_some());
}

#[test]
fn tracking_urls_begin_with_the_configured_url_whatever_the_caller_calls_us() {
    let environment = [("PUBLIC_BASE_URL", "https://api.example.com/app/")];
    let scenario = crate::people::with_environment(&environment);
    scenario.create("campaigns", "a", &campaign("a"));
    scenario.publish_live("campaigns", |scenario| {
        scenario.allocate("a", &device())["items"][0].is_object()
    });
    let body = json!({"placements": [{"id": "a", "count": 1}], "device": device()});
    for host in ["evil.example", "api.example.com", "127.0.0.1"] {
        let request = Request::new("POST", "/v1/allocations")
            .header("host", host)
            .header("x-forwarded-host", "evil.example")
            .json(&body);
        let answer = scenario.send(&request);
        let item = answer.json()["items"][0].clone();
        for (name, path) in [("impression_url", "imp"), ("click_url", "clk")] {
            let url = item[name].as_str().unwrap();
            let expected = format!("https://api.example.com/app/v1/t/{path}/");
            assert!(url.starts_with(&expected), "{host}: {url}");
        }
    }
}
