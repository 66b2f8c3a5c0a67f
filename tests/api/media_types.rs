//! Media types and entity tags as clients and proxies write them.

use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{
    people::guest,
    scenario::{Scenario, campaign},
};

#[test]
fn a_patch_may_name_its_json_a_merge_patch() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-of-a-patcher-1");
    let patch = |media_type: &str, body: &Value| {
        let request = Request::new("PATCH", "/v1/me")
            .header("if-match", "*")
            .header("content-type", media_type)
            .body(body.to_string());
        person.send(&scenario, request)
    };
    for (media_type, locale) in [
        ("application/merge-patch+json", "ko-KR"),
        ("Application/Merge-Patch+JSON; charset=utf-8", "en"),
        ("application/json", "ja"),
    ] {
        let answer = patch(media_type, &json!({ "locale": locale }));
        assert_eq!(answer.status, 200, "{media_type}: {}", answer.text());
        assert_eq!(answer.json()["locale"], locale, "{media_type}");
    }
    for media_type in ["application/json-patch+json", "text/plain"] {
        let answer = patch(media_type, &json!({}));
        assert_eq!(answer.status, 415, "{media_type}");
        let detail = answer.json()["detail"].clone();
        let detail = detail.as_str().unwrap();
        assert!(detail.contains("merge-patch+json"), "{detail}");
    }
    // Other methods have no patches.
    let posted = Request::new("POST", "/v1/auth/guest")
        .header("content-type", "application/merge-patch+json")
        .body("{}");
    assert_eq!(scenario.send(&posted).status, 415);
}

#[test]
fn a_weak_tag_counts_where_the_tag_is_a_version() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-of-a-patcher-2");
    let patch = |tag: &str| {
        let request = Request::new("PATCH", "/v1/me").header("if-match", tag);
        person.send(&scenario, request.json(&json!({"locale": "ko"})))
    };
    let tag = person
        .get(&scenario, "/v1/me")
        .header("etag")
        .map(str::to_owned);
    let weak = format!("W/{}", tag.expect("a tag"));
    assert_eq!(patch(&weak).status, 200);
    assert_eq!(patch(&weak).status, 412, "another version by now");

    let target = "/admin/v1/content/campaigns/items/a";
    let created = scenario.create("campaigns", "a", &campaign("a"));
    let weak = |answer: &Response| format!("\"x\", W/{}", answer.header("etag").unwrap());
    let put = |tag: &str| {
        let request = Request::new("PUT", target).header("if-match", tag);
        scenario.service(request.json(&campaign("b")))
    };
    let first = weak(&created);
    let changed = put(&first);
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(put(&first).status, 412);
    let deletion = Request::new("DELETE", target).header("if-match", &weak(&changed));
    assert_eq!(scenario.service(deletion).status, 204);
}
