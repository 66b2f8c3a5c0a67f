//! What a member has read: each member's own, once, in one item, however much it is.

use std::{thread, time::Duration};

use domain::Instant;
use serde_json::{Value, json};
use tests::{
    fault::{Fault, Rule},
    http1::Request,
};

use super::{good, in_seconds, notice, profile, publish, segment, stack};
use crate::{
    people::{Guest, Person, at_once, guest, refused, told, with_environment},
    scenario::{Scenario, eventually},
    tracking::{aws, items},
};

fn mark(scenario: &Scenario, person: &Person, id: &str) -> u16 {
    let target = format!("/v1/notices/{id}/read");
    person.send(scenario, Request::new("POST", &target)).status
}

fn unread(scenario: &Scenario, person: &Person) -> Value {
    good(person.get(scenario, "/v1/notices/unread-count"))["unread"].clone()
}

/// The notices that a member has read, by the list.
fn read(scenario: &Scenario, person: &Person) -> Vec<String> {
    let mut read = Vec::new();
    let mut query = "limit=50".to_owned();
    loop {
        let page = good(person.get(scenario, &format!("/v1/notices?{query}")));
        for notice in page["notices"].as_array().unwrap() {
            if notice["read"].as_bool().expect("known of a member") {
                read.push(notice["id"].as_str().unwrap().to_owned());
            }
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("limit=50&cursor={cursor}"),
            None => return read,
        }
    }
}

#[test]
fn a_notice_is_read_once_by_each_member_apart() {
    let scenario = stack();
    publish(
        &scenario,
        "notices",
        &[
            ("a", notice(json!({}))),
            ("b", notice(json!({}))),
            ("over", notice(json!({"ends_at": "2021-01-01T00:00:00Z"}))),
            (
                "future",
                notice(json!({"starts_at": "2098-01-01T00:00:00Z"})),
            ),
        ],
    );
    let (guest, other) = (
        Guest::new(&scenario, "phone-1-example-0001"),
        guest(&scenario, "phone-2-example-0002"),
    );
    let person = &guest.person;
    assert_eq!(unread(&scenario, person), 2);
    for _ in 0..2 {
        assert_eq!(mark(&scenario, person, "a"), 204);
        assert_eq!(unread(&scenario, person), 1);
        assert_eq!(read(&scenario, person), ["a"]);
    }
    assert_eq!(unread(&scenario, &other), 2);
    assert!(read(&scenario, &other).is_empty());
    let one = good(person.get(&scenario, "/v1/notices/a"));
    assert_eq!(one["read"], true);
    for id in ["over", "future", "nothing"] {
        assert_eq!(mark(&scenario, person, id), 404, "{id}");
    }
    let nobodys = scenario.send(&Request::new("POST", "/v1/notices/a/read"));
    assert_eq!(told(&nobodys), refused(401, "token_missing"));
    let count = scenario.get("/v1/notices/unread-count");
    assert_eq!(good(count), json!({"unread": null}));

    let elsewhere = guest.on(&scenario, "phone-3-example-0003");
    assert_eq!(read(&scenario, &elsewhere), ["a"], "on all devices");
    let out = person.post(&scenario, "/v1/auth/sign-out", &json!({"scope": "local"}));
    assert!(matches!(out.status, 200 | 204), "{}", out.text());
    let back = guest.on(&scenario, "phone-1-example-0001");
    assert_eq!(read(&scenario, &back), ["a"]);

    let asked = back.post(&scenario, "/v1/me/exports", &json!({})).json();
    let export = format!("/v1/me/exports/{}", asked["export_id"].as_str().unwrap());
    let document = good(back.get(&scenario, &export));
    assert_eq!(document["notices_read"], json!({"ids": ["a"]}));
}

#[test]
fn what_is_not_shown_to_an_audience_cannot_be_marked() {
    let scenario = stack();
    let ios_only = json!({"targeting": {"all": [{"field": "platform", "in": ["ios"]}]}});
    publish(&scenario, "notices", &[("ios", notice(ios_only))]);
    let person = guest(&scenario, "phone-1-example-0001");
    for (query, header, status) in [
        ("", None, 404),
        ("", Some("android"), 404),
        ("?platform=android", None, 404),
        ("", Some("ios"), 204),
        ("?platform=ios&fbclid=1", None, 204),
    ] {
        let target = format!("/v1/notices/ios/read{query}");
        let mut request = Request::new("POST", &target);
        if let Some(platform) = header {
            request = request.header("x-app-platform", platform);
        }
        let marked = person.send(&scenario, request);
        assert_eq!(
            marked.status,
            status,
            "{query} {header:?}: {}",
            marked.text()
        );
    }
}

#[test]
fn a_notice_that_may_be_its_readers_is_not_missing_while_the_profile_cannot_be_read() {
    let scenario = stack();
    let gold = notice(json!({"targeting": segment("gold")}));
    publish(
        &scenario,
        "notices",
        &[("gold", gold), ("all", notice(json!({})))],
    );
    let device = "phone-6-example-0006";
    let person = guest(&scenario, device);
    profile(&scenario, device, &json!({"segments": ["gold"]}));
    let send = |method: &str, target: &str| {
        let request = Request::new(method, target).header("x-device-id", device);
        person.send(&scenario, request)
    };
    let tables = &scenario.courtyard.description().tables;
    let profiles = Rule::from(Fault::ServerError)
        .of("notices")
        .at(&tables["DevicesTable"]);
    scenario.courtyard.database.inject(profiles).unwrap();
    let marked = send("POST", "/v1/notices/gold/read");
    assert_eq!(told(&marked), refused(503, "unavailable"));
    assert!(marked.header("retry-after").is_some());
    let opened = send("GET", "/v1/notices/gold");
    assert_eq!(told(&opened), refused(503, "unavailable"));
    for (method, target) in [
        ("POST", "/v1/notices/nothing/read"),
        ("GET", "/v1/notices/nothing"),
    ] {
        assert_eq!(told(&send(method, target)), refused(404, "not_found"));
    }
    assert_eq!(send("POST", "/v1/notices/all/read").status, 204);
    scenario.courtyard.database.heal().unwrap();
    assert_eq!(send("POST", "/v1/notices/gold/read").status, 204);
    assert_eq!(send("GET", "/v1/notices/gold").status, 200);
}

/// A stack whose instances look for newer content when they have to, and hardly ever else.
fn slow_stack() -> Scenario {
    with_environment(&[("SNAPSHOT_REFRESH_S", "3600"), ("SNAPSHOT_STALE_S", "3600")])
}

#[test]
fn a_notice_that_was_just_published_is_found_by_who_was_told_of_it_elsewhere() {
    let scenario = slow_stack();
    publish(&scenario, "notices", &[("a", notice(json!({})))]);
    let person = guest(&scenario, "phone-1-example-0001");
    assert_eq!(unread(&scenario, &person), 1);
    publish(&scenario, "notices", &[("b", notice(json!({})))]);
    assert_eq!(mark(&scenario, &person, "b"), 204);
    // There is one such look a second.
    thread::sleep(Duration::from_millis(1_100));
    publish(&scenario, "notices", &[("c", notice(json!({})))]);
    assert_eq!(scenario.get("/v1/notices/c").status, 200);
}

#[test]
fn a_mark_outlasts_a_time_in_which_its_notice_is_not_known() {
    let scenario = stack();
    let names: Vec<String> = (0..40).map(|n| format!("n{n:02}")).collect();
    let dated = |n: usize| notice(json!({"starts_at": in_seconds(-864_000 + 3_600 * n as i64)}));
    let all: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, name)| (name.as_str(), dated(n)))
        .collect();
    publish(&scenario, "notices", &all);
    let person = guest(&scenario, "phone-1-example-0001");
    let put = json!({
        "TableName": scenario.courtyard.description().tables["MembersTable"],
        "Item": {
            "pk": {"S": format!("member#{}", person.id)}, "sk": {"S": "notices-read"},
            "marked": {"SS": ["unheard-of"]}, "watermark": {"N": "0"},
            "expires_at": {"N": "4102444800"},
        },
    });
    let endpoint = &scenario.courtyard.description().dynamodb_endpoint;
    aws(endpoint, "DynamoDB_20120810.PutItem", &put);
    // One stays unread. The watermark rises to the last one before it, whenever that happens.
    for name in names.iter().filter(|name| *name != "n20") {
        assert_eq!(mark(&scenario, &person, name), 204);
    }
    let member = format!("member#{}", person.id);
    let kept = eventually("it is made smaller", || {
        assert_eq!(mark(&scenario, &person, "n39"), 204);
        let kept = items(&scenario, "MembersTable", &member, "notices-read");
        (kept[0]["watermark"]["N"] != "0").then_some(kept)
    });
    let ids = kept[0]["marked"]["SS"].as_array().unwrap();
    let mut ids: Vec<&str> = ids.iter().map(|id| id.as_str().unwrap()).collect();
    ids.sort_unstable();
    let mut left: Vec<&str> = names[21..].iter().map(String::as_str).collect();
    left.push("unheard-of");
    assert_eq!(ids, left);
    let watermark = kept[0]["watermark"]["N"].as_str().unwrap();
    let watermark: i64 = watermark.parse().unwrap();
    let n19 = good(person.get(&scenario, "/v1/notices/n19"));
    let starts_at: Instant = n19["starts_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(watermark, starts_at.as_millis());
    assert_eq!(read(&scenario, &person).len(), names.len() - 1);
    assert_eq!(unread(&scenario, &person), 1);
}

#[test]
fn of_marks_at_once_none_is_lost() {
    let scenario = stack();
    let names: Vec<String> = (0..10).map(|n| format!("n{n}")).collect();
    let all: Vec<_> = names
        .iter()
        .map(|n| (n.as_str(), notice(json!({}))))
        .collect();
    publish(&scenario, "notices", &all);
    let person = guest(&scenario, "phone-1-example-0001");
    let marked = at_once(names.len(), |n| mark(&scenario, &person, &names[n]));
    assert!(marked.iter().all(|status| *status == 204), "{marked:?}");
    assert_eq!(read(&scenario, &person).len(), names.len());
    assert_eq!(unread(&scenario, &person), 0);
}

#[test]
fn what_is_kept_of_much_that_was_read_stays_small_and_says_the_same() {
    let scenario = stack();
    let names: Vec<String> = (0..45).map(|n| format!("n{n:02}")).collect();
    let dated = |n: usize| notice(json!({"starts_at": in_seconds(-864_000 + 3_600 * n as i64)}));
    let all: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, name)| (name.as_str(), dated(n)))
        .collect();
    publish(&scenario, "notices", &all);
    let person = guest(&scenario, "phone-1-example-0001");
    // All but one in the middle.
    for name in names.iter().filter(|name| *name != "n20") {
        assert_eq!(mark(&scenario, &person, name), 204);
    }
    let kept = items(
        &scenario,
        "MembersTable",
        &format!("member#{}", person.id),
        "notices-read",
    );
    assert_eq!(kept.len(), 1, "one item a member");
    let ids = kept[0]["marked"]["SS"].as_array().unwrap();
    assert_eq!(
        ids.len(),
        24,
        "those before the unread one need no ids: {ids:?}"
    );
    assert_ne!(kept[0]["watermark"]["N"], "0");
    assert_eq!(unread(&scenario, &person), 1);
    let read = read(&scenario, &person);
    assert_eq!(read.len(), 44);
    assert!(!read.contains(&"n20".to_owned()));
    assert_eq!(mark(&scenario, &person, "n20"), 204);
    assert_eq!(unread(&scenario, &person), 0);
}

#[test]
fn a_token_that_is_bad_is_refused_and_none_is_needed() {
    let scenario = stack();
    publish(&scenario, "notices", &[("a", notice(json!({})))]);
    for target in ["/v1/notices", "/v1/notices/a", "/v1/notices/unread-count"] {
        assert_eq!(scenario.get(target).status, 200);
        let bad = scenario.send(&Request::get(target).bearer("a.b.c"));
        assert_eq!(told(&bad), refused(401, "token_invalid"), "{target}");
        let bad = scenario.send(&Request::get(target).bearer("msk_a_b"));
        assert_eq!(told(&bad), refused(401, "service_key_invalid"), "{target}");
    }
}
