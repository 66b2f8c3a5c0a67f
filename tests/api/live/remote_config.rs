//! `GET /v1/config`: which value counts, and that a roll-out keeps whom it had.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::http1::Request;

use super::{condition, good, on, parameter, profile, publish, stack};
use crate::scenario::{Scenario, eventually};

#[test]
fn the_first_condition_that_matches_gives_the_value_and_else_the_default() {
    let scenario = stack();
    let nothing = good(scenario.get("/v1/config"));
    assert_eq!(nothing, json!({"version": 0, "values": {}}));
    let ios = json!({"field": "platform", "in": ["ios"]});
    let new = json!({"field": "app_version", "gte": "1.10"});
    let gold = json!({"field": "segments", "any_of": ["gold"]});
    let conditions = json!({"conditions": [
        condition("gold", gold, json!("gold")),
        condition("new", new, json!("new")),
        condition("ios", ios.clone(), json!("ios")),
    ]});
    let tree = json!({"a": [1, 2.50, {"b": null}], "c": "<script>alert(1)</script>"});
    publish(
        &scenario,
        "config",
        &[
            (
                "p1",
                parameter("greeting", "string", json!("hello"), conditions),
            ),
            (
                "p2",
                parameter(
                    "Flag_1",
                    "bool",
                    json!(false),
                    json!({"conditions": [
                condition("ios", ios, json!(true))]}),
                ),
            ),
            (
                "p3",
                parameter("limit", "int", json!(9_007_199_254_740_991_i64), json!({})),
            ),
            ("p4", parameter("share", "number", json!(0.25), json!({}))),
            ("p5", parameter("tree", "json", tree.clone(), json!({}))),
        ],
    );
    profile(
        &scenario,
        "golden-example-0001",
        &json!({"segments": ["gold"]}),
    );
    let everything = eventually("the parameters are there", || {
        let answer = good(scenario.get("/v1/config"));
        (answer["version"] == 1).then_some(answer)
    });
    let values = json!({"greeting": "hello", "Flag_1": false, "limit": 9_007_199_254_740_991_i64,
        "share": 0.25, "tree": tree});
    assert_eq!(everything["values"], values);
    let greeting = |request: Request| {
        let values = good(scenario.send(&request))["values"].clone();
        (values["greeting"].clone(), values["Flag_1"].clone())
    };
    for (device, query, expected, flag) in [
        (None, "platform=ios", "ios", true),
        (None, "platform=ios&version=1.9", "ios", true),
        (None, "platform=ios&version=1.10", "new", true),
        (None, "version=1.10.0-rc.1", "hello", false),
        (None, "version=2", "new", false),
        (
            Some("golden-example-0001"),
            "platform=ios&version=2",
            "gold",
            true,
        ),
        (Some("never-seen-example-01"), "platform=ios", "ios", true),
    ] {
        let target = format!("/v1/config?{query}");
        let request = device.map_or_else(|| Request::get(&target), |device| on(device, &target));
        assert_eq!(greeting(request), (json!(expected), json!(flag)), "{query}");
    }
    let decorated = scenario.get("/v1/config?placement=home");
    assert_eq!(decorated.status, 200, "{}", decorated.text());
}

fn rolled_out(percent: u32) -> Value {
    let rule = json!({"percent": percent, "seed": "new-checkout"});
    parameter(
        "new_checkout",
        "bool",
        json!(false),
        json!({"conditions": [
        condition("rollout", rule, json!(true))]}),
    )
}

fn who_has_it(scenario: &Scenario) -> BTreeSet<usize> {
    let has = |n: &usize| {
        let answer = good(scenario.send(&on(&format!("device-{n}-example-0001"), "/v1/config")));
        answer["values"]["new_checkout"] == true
    };
    (0..200).filter(has).collect()
}

#[test]
fn raising_a_roll_out_keeps_whom_it_had() {
    let scenario = stack();
    publish(&scenario, "config", &[("p", rolled_out(10))]);
    let first = who_has_it(&scenario);
    assert!((5..=40).contains(&first.len()), "{} of 200", first.len());
    let item = "/admin/v1/content/config/items/p";
    let etag = scenario
        .service_get(item)
        .header("etag")
        .unwrap()
        .to_owned();
    let raise = Request::new("PUT", item).header("if-match", &etag);
    let raised = scenario.service(raise.json(&rolled_out(50)));
    assert_eq!(raised.status, 200, "{}", raised.text());
    scenario.publish_live("config", |s| good(s.get("/v1/config"))["version"] == 2);
    let then = who_has_it(&scenario);
    assert!(first.is_subset(&then));
    assert!((70..=130).contains(&then.len()), "{} of 200", then.len());
    let nobody = good(scenario.get("/v1/config"));
    assert_eq!(
        nobody["values"]["new_checkout"], false,
        "without a device id"
    );
}
