//! `GET /v1/launch`: each part as its own route says it, and each failing alone.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::{
    fault::{Fault, Rule},
    http1::Request,
};

use super::{
    banner, condition, good, notice, on, parameter, platform, profile, publish, segment, stack,
};
use crate::{
    people::{guest, refused, told, with_environment},
    scenario::{Scenario, eventually},
};

/// Something of everything.
fn furnished() -> Scenario {
    let scenario = stack();
    publish(
        &scenario,
        "banners",
        &[
            ("all", banner(json!({}))),
            ("gold", banner(json!({"targeting": segment("gold")}))),
            ("shop", banner(json!({"placement": "shop"}))),
        ],
    );
    publish(
        &scenario,
        "notices",
        &[
            ("all", notice(json!({}))),
            ("gold", notice(json!({"targeting": segment("gold")}))),
            ("ios", notice(json!({"targeting": platform("ios")}))),
        ],
    );
    let gold = json!({"field": "segments", "any_of": ["gold"]});
    let conditions = json!({"conditions": [condition("gold", gold, json!("gold"))]});
    publish(
        &scenario,
        "config",
        &[(
            "p",
            parameter("theme", "string", json!("plain"), conditions),
        )],
    );
    let version = json!({"platform": "ios", "store": "app_store", "latest": "2.0", "min": "1.5",
        "store_url": "https://apps.example/ours", "message": {"default": "Update", "ko": "업데이트"}});
    publish(&scenario, "app_versions", &[("ios", version)]);
    profile(
        &scenario,
        "phone-1-example-0001",
        &json!({"segments": ["gold"]}),
    );
    scenario
}

#[test]
fn every_part_is_what_its_own_route_says() {
    let scenario = furnished();
    let person = guest(&scenario, "phone-1-example-0001");
    let query = "platform=ios&version=1.0&locale=ko-KR";
    let ask =
        |path: &str, query: &str| {
            good(scenario.send(
                &on("phone-1-example-0001", &format!("{path}?{query}")).bearer(&person.access),
            ))
        };
    let launch = ask("/v1/launch", query);
    let status = ask("/v1/app/status", query);
    let mut expected = json!({
        "status": status["status"], "update": status["update"], "maintenance": null,
        "config": ask("/v1/config", query), "banners": ask("/v1/banners", query)["banners"],
        "unread": 3, "missing": [], "server_time": launch["server_time"],
    });
    assert_eq!(launch, expected);
    assert_eq!(launch["status"]["code"], 300);
    assert_eq!(launch["update"]["message"], "업데이트");
    assert_eq!(launch["config"]["values"]["theme"], "gold");
    assert!(launch["server_time"].is_string());

    let mark =
        Request::new("POST", "/v1/notices/gold/read").header("x-device-id", "phone-1-example-0001");
    let marked = person.send(&scenario, mark);
    assert_eq!(marked.status, 204);
    assert_eq!(ask("/v1/launch", query)["unread"], 2);
    let shop = ask("/v1/launch", &format!("{query}&placement=shop"));
    assert_eq!(super::ids(&shop["banners"]), ["shop"]);

    let anybody = good(scenario.get("/v1/launch?platform=ios&version=1.0&locale=ko-KR"));
    expected["unread"] = Value::Null;
    expected["config"]["values"]["theme"] = "plain".into();
    expected["server_time"] = anybody["server_time"].clone();
    expected["banners"].as_array_mut().unwrap().remove(1);
    assert_eq!(anybody, expected, "without a token nothing is missing");
    let decorated = scenario.get("/v1/launch?fbclid=1");
    assert_eq!(decorated.status, 200, "{}", decorated.text());
}

#[test]
fn a_bad_token_costs_the_members_part_alone() {
    let scenario = furnished();
    let person = guest(&scenario, "phone-1-example-0001");
    let ban = json!({"reason": "cheating", "message": {"default": "no"}});
    for (authorization, code) in [
        ("Bearer a.b.c".to_owned(), "token_invalid"),
        ("Basic eDp5".to_owned(), "token_invalid"),
        (format!("Bearer {}x", person.access), "token_invalid"),
    ] {
        let request = Request::get("/v1/launch").header("authorization", &authorization);
        let answer = scenario.send(&request);
        assert_eq!(
            answer.header("cache-control"),
            Some("no-store"),
            "{authorization}"
        );
        let launch = good(answer);
        let missing = json!([{"part": "unread", "code": code}]);
        assert_eq!(
            (&launch["missing"], &launch["unread"]),
            (&missing, &Value::Null)
        );
        assert_eq!(super::ids(&launch["banners"]), ["all", "shop"]);
    }
    let target = format!("/admin/v1/members/{}/ban", person.id);
    let banned = scenario.service_post(&target, &ban);
    assert_eq!(banned.status, 200, "{}", banned.text());
    eventually("the ban acts", || {
        let launch = good(person.get(&scenario, "/v1/launch"));
        let missing = json!([{"part": "unread", "code": "member_banned"}]);
        (launch["missing"] == missing).then_some(())
    });
}

#[test]
fn an_expired_token_is_told_as_such() {
    let scenario = with_environment(&[("ACCESS_TOKEN_LIFETIME_S", "1")]);
    let person = guest(&scenario, "phone-1-example-0001");
    std::thread::sleep(Duration::from_millis(1_500));
    let launch = good(person.get(&scenario, "/v1/launch"));
    let missing = json!([{"part": "unread", "code": "token_expired"}]);
    assert_eq!(launch["missing"], missing);
    assert_eq!(launch["config"], json!({"version": 0, "values": {}}));
}

#[test]
fn a_part_that_stalls_delays_the_answer_by_its_own_deadline_at_most() {
    let scenario = furnished();
    let person = guest(&scenario, "phone-1-example-0001");
    let whole = good(person.get(&scenario, "/v1/launch"));
    assert_eq!(whole["unread"], 1);
    let tables = &scenario.courtyard.description().tables;
    let members = Rule::from(Fault::Hang)
        .of("launch")
        .at(&tables["MembersTable"]);
    scenario.courtyard.database.inject(members).unwrap();
    for _ in 0..3 {
        let began = Instant::now();
        let launch = good(person.get(&scenario, "/v1/launch"));
        // Its deadline is 300 ms; the rest is for a busy machine.
        assert!(
            began.elapsed() < Duration::from_millis(1_500),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(launch["missing"].as_array().unwrap().len(), 1, "{launch}");
        assert_eq!(launch["missing"][0]["part"], "unread");
        assert_eq!(launch["banners"], whole["banners"]);
    }
    let began = Instant::now();
    let anybody = good(scenario.get("/v1/launch"));
    assert_eq!(anybody["missing"], json!([]));
    assert!(began.elapsed() < Duration::from_millis(1_000));
    scenario.courtyard.database.heal().unwrap();

    let profiles = Rule::from(Fault::Hang)
        .of("launch")
        .at(&tables["DevicesTable"]);
    scenario.courtyard.database.inject(profiles).unwrap();
    let began = Instant::now();
    let answer = scenario.send(&on("phone-1-example-0001", "/v1/launch"));
    assert!(
        began.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        answer.header("cache-control"),
        Some("no-store"),
        "it is not all of it"
    );
    let launch = good(answer);
    assert_eq!(super::ids(&launch["banners"]), ["all", "shop"]);
    assert_eq!(launch["config"]["values"]["theme"], "plain");
    scenario.courtyard.database.heal().unwrap();
    eventually("all of it is back", || {
        let launch = good(person.get(&scenario, "/v1/launch"));
        (launch["unread"] == 1).then_some(())
    });
}

#[test]
fn a_kind_that_cannot_be_read_is_missing_and_the_rest_is_there() {
    for (kind, part) in [
        ("config", "config"),
        ("banners", "banners"),
        ("testers", "status"),
    ] {
        let scenario = furnished();
        if kind == "testers" {
            let ours = json!({"device_ids": ["phone-9-example-0009"]});
            publish(&scenario, kind, &[("qa", ours)]);
        }
        // Nothing has asked for a launch yet, so that there is no version from before to serve.
        let damaged = damage_artefacts(&scenario, kind);
        assert_eq!(damaged, 1, "{kind}");
        let answer = scenario.get("/v1/launch?platform=ios&version=1.0");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{kind}");
        let launch = good(answer);
        let missing = json!([{"part": part, "code": "unavailable"}]);
        assert_eq!(launch["missing"], missing, "{kind}");
        for (member, of) in [
            ("status", "status"),
            ("update", "status"),
            ("config", "config"),
            ("banners", "banners"),
        ] {
            assert_eq!(
                launch[member].is_null(),
                of == part,
                "{kind}: {member}: {launch}"
            );
        }
        if part != "config" {
            assert_eq!(launch["config"]["values"]["theme"], "plain");
        }
        if part != "banners" {
            assert_eq!(super::ids(&launch["banners"]), ["all", "shop"]);
        }
        if part != "status" {
            assert_eq!(launch["status"]["code"], 300);
        }
    }
}

/// Writes over the compiled content of a kind, and says how many files that were.
fn damage_artefacts(scenario: &Scenario, kind: &str) -> usize {
    let mut folders = vec![scenario.courtyard.description().blobs.clone()];
    let mut damaged = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = path.to_str().unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if text.contains(&format!("/{kind}/")) && text.contains("/artefact-") {
                fs::write(&path, "damaged").unwrap();
                damaged += 1;
            }
        }
    }
    damaged
}

#[test]
fn where_nothing_that_is_published_can_be_read_there_is_no_answer() {
    let scenario = stack();
    let content = &scenario.courtyard.description().tables["ContentTable"];
    let rule = Rule::from(Fault::ServerError).of("launch").at(content);
    scenario.courtyard.database.inject(rule).unwrap();
    let nothing = scenario.get("/v1/launch");
    assert_eq!(told(&nothing), refused(503, "unavailable"));
    assert!(nothing.header("retry-after").is_some());
    scenario.courtyard.database.heal().unwrap();
    eventually("it answers", || {
        let launch = scenario.get("/v1/launch");
        (launch.status == 200).then_some(())
    });
}

#[test]
fn it_answers_during_maintenance_while_its_parts_routes_are_closed() {
    let scenario = furnished();
    let window = json!({"gate": "window", "starts_at": "2020-01-01T00:00:00Z",
        "ends_at": "2099-01-01T00:00:00Z", "message": {"default": "Back soon", "ko": "점검 중"}});
    publish(&scenario, "maintenance", &[("all", window)]);
    let launch = good(scenario.get("/v1/launch?locale=ko"));
    assert_eq!(launch["status"]["name"], "maintenance");
    assert_eq!(launch["maintenance"]["message"], "점검 중");
    assert_eq!(launch["config"]["values"]["theme"], "plain");
    for route in ["/v1/banners", "/v1/notices", "/v1/config"] {
        assert_eq!(
            told(&scenario.get(route)),
            refused(503, "maintenance"),
            "{route}"
        );
    }
    assert_eq!(good(scenario.get("/v1/app/status"))["status"]["code"], 303);
}
