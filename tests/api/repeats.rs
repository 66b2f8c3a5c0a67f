//! Sign-ins that are sent again because their response was lost: under an `Idempotency-Key` they give
//! the same session and member.

use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{
    leavers::stack,
    people::{Person, at_once, by, phone, proof, refused, told},
    scenario::Scenario,
    tracking::items,
};

const GUEST: &str = "/v1/auth/guest";
const SIGN_IN: &str = "/v1/auth/sign-in";

fn under(scenario: &Scenario, key: &str, target: &str, body: &Value) -> Response {
    let request = Request::new("POST", target).header("idempotency-key", key);
    scenario.send(&request.json(body))
}

fn members(scenario: &Scenario) -> usize {
    items(scenario, "MembersTable", "member#", "member").len()
}

/// What two responses must have in common.
fn same(first: &Response, second: &Response) {
    assert_eq!(second.status, first.status, "{}", second.text());
    let (first, again) = (first.json(), second.json());
    for name in [
        "session_id",
        "member",
        "created",
        "guest_id",
        "guest_secret",
        "refresh_token",
    ] {
        assert_eq!(again.get(name), first.get(name), "{name}");
    }
}

#[test]
fn a_guest_whose_response_was_lost_is_made_once_and_gets_the_same_secret() {
    let scenario = Scenario::start();
    let body = json!({ "device": phone("phone-1-example-0001") });
    let first = under(&scenario, "k-1", GUEST, &body);
    assert_eq!(first.status, 201, "{}", first.text());
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = under(&scenario, "k-1", GUEST, &body);
    same(&first, &again);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("cache-control"), Some("no-store"));
    assert_eq!(members(&scenario), 1);
    let person = Person::of(&again.json());
    assert_eq!(person.get(&scenario, "/v1/me").status, 200);

    let stored = json!(items(&scenario, "RequestsTable", "", "")).to_string();
    let first = first.json();
    for name in ["guest_secret", "access_token", "refresh_token", "guest_id"] {
        let secret = first[name].as_str().unwrap();
        assert!(!stored.contains(secret), "{name} is stored");
    }

    // What has happened since is seen: the pair is the live one, and an ended session stays ended.
    let refreshed = Person::of(&first).refreshed(&scenario);
    let later = under(&scenario, "k-1", GUEST, &body).json();
    assert_eq!(later["refresh_token"], refreshed.refresh.as_str());
    let out = person.post(&scenario, "/v1/auth/sign-out", &json!({ "scope": "local" }));
    assert_eq!(out.status, 204, "{}", out.text());
    let over = under(&scenario, "k-1", GUEST, &body);
    assert_eq!(told(&over), refused(401, "token_invalid"));
    assert_eq!(members(&scenario), 1);
}

#[test]
fn another_body_under_the_same_key_is_refused_and_another_key_is_another_request() {
    let scenario = Scenario::start();
    let body = json!({ "device": phone("phone-1-example-0001") });
    let first = under(&scenario, "k-1", GUEST, &body);
    assert_eq!(first.status, 201, "{}", first.text());
    let other = json!({ "device": phone("phone-2-example-0002") });
    let reused = under(&scenario, "k-1", GUEST, &other);
    assert_eq!(told(&reused), refused(422, "idempotency_key_reused"));
    for key in ["", &"k".repeat(256)] {
        let bad = under(&scenario, key, GUEST, &body);
        assert_eq!(told(&bad), refused(400, "invalid_header"), "{key}");
    }
    let second = under(&scenario, "k-2", GUEST, &body).json();
    assert_ne!(second["member"]["id"], first.json()["member"]["id"]);
    assert_eq!(members(&scenario), 2);

    // A guest who comes back is the same guest, in the same session.
    let back = json!({
        "device": phone("phone-1-example-0001"),
        "guest_id": second["guest_id"], "guest_secret": second["guest_secret"],
    });
    let (one, two) = (
        under(&scenario, "k-3", GUEST, &back),
        under(&scenario, "k-3", GUEST, &back),
    );
    assert_eq!(one.status, 200, "{}", one.text());
    same(&one, &two);
    assert_ne!(one.json()["session_id"], second["session_id"]);
}

#[test]
fn a_sign_in_whose_response_was_lost_does_not_find_its_challenge_used() {
    let scenario = Scenario::start();
    for (provider, status) in [("google", 201), ("google", 200), ("apple", 201)] {
        let mut body = proof(&scenario, provider, "4711", json!({}));
        body["device"] = phone("phone-1-example-0001");
        let key = body["challenge_id"].as_str().unwrap().to_owned();
        let first = under(&scenario, &key, SIGN_IN, &body);
        assert_eq!(first.status, status, "{provider}: {}", first.text());
        for _ in 0..2 {
            let again = under(&scenario, &key, SIGN_IN, &body);
            same(&first, &again);
            assert_eq!(again.header("idempotent-replayed"), Some("true"));
        }
        // Without the key it is a copy, as ever.
        let copy = scenario.post(SIGN_IN, &body);
        assert_eq!(told(&copy), refused(401, "challenge_used"), "{provider}");
        let other = under(&scenario, "another-key", SIGN_IN, &body);
        assert_eq!(told(&other), refused(401, "challenge_used"), "{provider}");
    }
    assert_eq!(members(&scenario), 2);
}

#[test]
fn of_many_at_once_under_one_key_one_signs_in_and_the_others_wait_or_get_the_same() {
    let scenario = Scenario::start();
    let body = json!({ "device": phone("phone-1-example-0001") });
    let answers = at_once(12, |_| under(&scenario, "k-1", GUEST, &body));
    let (done, waiting): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 201);
    for answer in waiting {
        assert_eq!(told(answer), refused(409, "idempotency_in_flight"));
        assert!(answer.header("retry-after").is_some());
    }
    for answer in &done {
        same(done[0], answer);
    }
    assert_eq!(members(&scenario), 1);
}

#[test]
fn a_request_that_was_refused_gives_its_key_back() {
    let scenario = Scenario::start();
    let young = |agreed: bool| json!({ "device": phone("phone-1-example-0001"), "under_14": true, "guardian_consent": agreed });
    let refusal = under(&scenario, "k-1", GUEST, &young(false));
    assert_eq!(told(&refusal), refused(403, "guardian_consent_required"));
    let joined = under(&scenario, "k-1", GUEST, &young(true));
    assert_eq!(joined.status, 201, "{}", joined.text());

    let mut body = proof(&scenario, "google", "4711", json!({}));
    body["device"] = phone("phone-1-example-0001");
    let mut bad = body.clone();
    bad["id_token"] = json!("a.b.c");
    let refusal = under(&scenario, "k-2", SIGN_IN, &bad);
    assert_eq!(told(&refusal), refused(401, "token_invalid"));
    let entered = under(&scenario, "k-2", SIGN_IN, &body);
    assert_eq!(entered.status, 201, "{}", entered.text());
}

#[test]
fn a_banned_member_is_refused_again_as_they_were_refused_first() {
    let scenario = stack(0);
    let person = by(&scenario, "google", "4711");
    let ban = json!({ "reason": "bots", "message": { "default": "Not you." } });
    let target = format!("/admin/v1/members/{}/ban", person.id);
    assert_eq!(scenario.service_post(&target, &ban).status, 200);
    // The member, and then their identity when they are gone.
    for is_gone in [false, true] {
        let mut body = proof(&scenario, "google", "4711", json!({}));
        body["device"] = phone("phone-1-example-0001");
        let key = format!("refused-{is_gone}");
        for nth in 0..3 {
            let answer = under(&scenario, &key, SIGN_IN, &body);
            let at = format!("gone: {is_gone}, time {nth}: {}", answer.text());
            assert_eq!(told(&answer), refused(403, "member_banned"), "{at}");
            assert_eq!(answer.json()["message"], "Not you.", "{at}");
            let replayed = (nth > 0).then_some("true");
            assert_eq!(answer.header("idempotent-replayed"), replayed, "{at}");
            let own_data = answer.json()["own_data"]["access_token"].clone();
            assert_eq!(own_data.is_string(), !is_gone, "{at}");
            if let Some(access) = own_data.as_str() {
                let export = Request::new("POST", "/v1/me/exports").bearer(access);
                let export = scenario.send(&export.json(&json!({})));
                assert_eq!(export.status, 202, "{}", export.text());
            }
        }
        let copy = scenario.post(SIGN_IN, &body);
        assert_eq!(told(&copy), refused(401, "challenge_used"));
        let stored = json!(items(&scenario, "RequestsTable", "", "")).to_string();
        assert!(!stored.contains("Not you."), "it is sealed");
        if !is_gone {
            let begun = person.post(&scenario, "/v1/me/withdrawal", &json!({}));
            assert_eq!(begun.status, 202, "{}", begun.text());
            scenario
                .courtyard
                .invoke("withdrawal-purge", b"{}")
                .unwrap();
        }
    }
}

#[test]
fn a_banned_guest_is_refused_again_as_they_were_refused_first() {
    let scenario = Scenario::start();
    let made = scenario.post(GUEST, &json!({ "device": phone("phone-1-example-0001") }));
    let made = made.json();
    let ban = json!({ "reason": "bots", "message": { "default": "Not you." } });
    let member = made["member"]["id"].as_str().unwrap();
    let target = format!("/admin/v1/members/{member}/ban");
    assert_eq!(scenario.service_post(&target, &ban).status, 200);
    let body = json!({
        "device": phone("phone-2-example-0002"),
        "guest_id": made["guest_id"], "guest_secret": made["guest_secret"],
    });
    for replayed in [None, Some("true")] {
        let answer = under(&scenario, "k-1", GUEST, &body);
        assert_eq!(told(&answer), refused(403, "member_banned"));
        assert_eq!(answer.json()["message"], "Not you.");
        assert!(answer.json()["own_data"]["access_token"].is_string());
        assert_eq!(answer.header("idempotent-replayed"), replayed);
    }
}
