//! `GET /v1/notices` and `GET /v1/notices/{id}`, for anybody.

use serde_json::{Value, json};

use super::{good, ids, notice, notices, on, platform, profile, publish, segment, stack};
use crate::{
    people::{refused, told},
    scenario::eventually,
};

#[test]
fn notices_come_pinned_first_then_by_priority_then_the_newest_then_by_id() {
    let scenario = stack();
    let newer = "2021-01-01T00:00:00Z";
    publish(
        &scenario,
        "notices",
        &[
            ("b", notice(json!({}))),
            ("a", notice(json!({}))),
            ("newer", notice(json!({"starts_at": newer}))),
            ("urgent", notice(json!({"priority": 5}))),
            ("pinned", notice(json!({"pinned": true, "priority": -5}))),
            ("over", notice(json!({"ends_at": newer}))),
            (
                "future",
                notice(json!({"starts_at": "2098-01-01T00:00:00Z"})),
            ),
            ("ios", notice(json!({"targeting": platform("ios")}))),
            ("gold", notice(json!({"targeting": segment("gold")}))),
        ],
    );
    let everybodys = ["pinned", "urgent", "newer", "a", "b"];
    assert_eq!(notices(&scenario, ""), everybodys);
    let on_ios = ["pinned", "urgent", "newer", "a", "b", "ios"];
    assert_eq!(notices(&scenario, "platform=ios"), on_ios);
    profile(
        &scenario,
        "golden-example-0001",
        &json!({"segments": ["gold"]}),
    );
    let golden = good(scenario.send(&on("golden-example-0001", "/v1/notices")))["notices"].clone();
    assert_eq!(
        ids(&golden),
        ["pinned", "urgent", "newer", "a", "b", "gold"]
    );
    for (id, query, status) in [
        ("a", "", 200),
        ("ios", "", 404),
        ("ios", "platform=ios", 200),
        ("over", "", 404),
        ("future", "", 404),
        ("nothing", "", 404),
    ] {
        let answer = scenario.get(&format!("/v1/notices/{id}?{query}"));
        assert_eq!(answer.status, status, "{id} {query}");
    }
}

#[test]
fn a_notice_is_told_in_the_readers_language_and_lists_leave_the_body_out() {
    let scenario = stack();
    let localised = json!({
        "category": "event", "pinned": true, "ends_at": "2098-01-01T09:00:00+09:00",
        "title": {"default": "News", "ko": "소식"}, "body": {"default": "Hello", "ko": "안녕"},
        "link": "https://news.example/1",
    });
    publish(
        &scenario,
        "notices",
        &[("news", notice(localised)), ("plain", notice(json!({})))],
    );
    let summary = json!({
        "id": "news", "category": "event", "pinned": true, "title": "소식", "read": null,
        "starts_at": "2020-01-01T00:00:00.000Z", "ends_at": "2098-01-01T00:00:00.000Z",
    });
    let list = good(scenario.get("/v1/notices?locale=ko-KR"));
    assert_eq!(list["notices"][0], summary);
    assert_eq!(list.get("next_cursor"), None);
    let mut whole = summary;
    whole["body"] = "안녕".into();
    whole["link"] = "https://news.example/1".into();
    assert_eq!(good(scenario.get("/v1/notices/news?locale=ko-KR")), whole);
    let plain = good(scenario.get("/v1/notices/plain"));
    for name in ["category", "ends_at", "link", "read"] {
        assert_eq!(plain.get(name), Some(&Value::Null), "{name}");
    }
}

#[test]
fn pages_go_on_where_they_were_whatever_is_published_between_them() {
    let scenario = stack();
    let dated = |day: u32| notice(json!({"starts_at": format!("2020-01-{day:02}T00:00:00Z")}));
    let names: Vec<String> = (1..=7).map(|day| format!("n{day}")).collect();
    let items: Vec<_> = names
        .iter()
        .zip(1..)
        .map(|(name, day)| (name.as_str(), dated(day)))
        .collect();
    publish(&scenario, "notices", &items);
    let first = good(scenario.get("/v1/notices?limit=3"));
    assert_eq!(ids(&first["notices"]), ["n7", "n6", "n5"]);
    let cursor = first["next_cursor"].as_str().unwrap();

    publish(&scenario, "notices", &[("newest", dated(30))]);
    let remove = "/admin/v1/content/notices/items/n5";
    let etag = scenario
        .service_get(remove)
        .header("etag")
        .unwrap()
        .to_owned();
    let removed =
        scenario.service(tests::http1::Request::new("DELETE", remove).header("if-match", &etag));
    assert_eq!(removed.status, 204);
    scenario.publish("notices");
    eventually("the list has changed", || {
        let all = notices(&scenario, "");
        (all.len() == 7 && all[0] == "newest").then_some(())
    });
    let second = good(scenario.get(&format!("/v1/notices?limit=3&cursor={cursor}")));
    assert_eq!(ids(&second["notices"]), ["n4", "n3", "n2"]);
    let cursor = second["next_cursor"].as_str().unwrap();
    let last = good(scenario.get(&format!("/v1/notices?limit=3&cursor={cursor}")));
    assert_eq!(ids(&last["notices"]), ["n1"]);
    assert_eq!(last.get("next_cursor"), None);

    for (query, code) in [
        ("cursor=forged", "invalid_cursor"),
        ("cursor=", "invalid_cursor"),
        ("cursor=bm90aWNlcwo", "invalid_cursor"),
        ("limit=0", "invalid_query"),
        ("limit=51", "invalid_query"),
        ("limit=many", "invalid_query"),
    ] {
        let answer = scenario.get(&format!("/v1/notices?{query}"));
        assert_eq!(told(&answer), refused(400, code), "{query}");
    }
    assert_eq!(notices(&scenario, "limit=50").len(), 7);
}
