//! Bans and their limits: who is refused and for how long, and what a banned member can still do.

use domain::Instant;
use kit::Clock;
use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{
    leavers::stack,
    people::{Guest, Person, at_once, by, guest, phone, proof, refresh, refused, told},
    scenario::{Scenario, eventually},
};

fn ban(scenario: &Scenario, member: &str, body: &Value) -> Response {
    scenario.service_post(&format!("/admin/v1/members/{member}/ban"), body)
}

fn banned(scenario: &Scenario, member: &str) {
    let body = json!({ "reason": "cheating", "message": { "default": "Out", "ko": "안 돼요" } });
    let answer = ban(scenario, member, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn sign_in(scenario: &Scenario, provider: &str, sub: &str) -> Response {
    let mut body = proof(scenario, provider, sub, json!({}));
    body["device"] = phone(&format!("{sub}-phone-example-01"));
    scenario.post("/v1/auth/sign-in", &body)
}

fn purge(scenario: &Scenario) {
    scenario
        .courtyard
        .invoke("withdrawal-purge", b"{}")
        .expect("the purge runs");
}

fn with_token(answer: &Response, person: &Person) -> Person {
    let own_data = &answer.json()["own_data"];
    assert_eq!(own_data["token_type"], "Bearer", "{}", answer.text());
    assert!(own_data["expires_in"].as_u64().is_some_and(|s| s > 0));
    let access = own_data["access_token"].as_str().expect("a token");
    Person {
        access: access.to_owned(),
        ..person.clone()
    }
}

#[test]
fn a_banned_member_gets_their_export_and_withdraws_with_the_token_they_have() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    banned(&scenario, &person.id);
    for _ in 0..2 {
        let asked = person.post(&scenario, "/v1/me/exports", &json!({}));
        assert_eq!(asked.status, 202, "{}", asked.text());
        let id = asked.json()["export_id"].as_str().unwrap().to_owned();
        let document = person.get(&scenario, &format!("/v1/me/exports/{id}"));
        assert_eq!(document.status, 200, "{}", document.text());
        assert_eq!(document.json()["ban"]["message"]["ko"], "안 돼요");
        assert!(!document.text().contains("cheating"), "the reason is ours");
        // Once more when every verifier knows of the ban.
        eventually("the ban is known everywhere", || {
            let put =
                Request::new("PUT", "/v1/devices/phone-1-example-0001/profile").json(&json!({}));
            (person.send(&scenario, put).status == 403).then_some(())
        });
    }
    let begun = person.post(&scenario, "/v1/me/withdrawal", &json!({}));
    assert_eq!(begun.status, 202, "{}", begun.text());
    assert_eq!(begun.json()["status"], "withdrawal_pending");
    let stay = person.delete(&scenario, "/v1/me/withdrawal");
    assert_eq!(stay.status, 204, "{}", stay.text());
    let me = person.get(&scenario, "/v1/me");
    assert_eq!(told(&me), refused(403, "member_banned"));
}

#[test]
fn a_banned_member_whose_token_has_expired_is_refused_with_one_for_their_own_data_alone() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let known = by(&scenario, "google", "g-1");
    for person in [&owner.person, &known] {
        banned(&scenario, &person.id);
    }
    let by_secret = owner.try_on(&scenario, "phone-1-example-0001");
    let by_session = refresh(&scenario, &owner.person.refresh);
    let by_proof = sign_in(&scenario, "google", "g-1");
    // A refresh token may be stolen, and ends no account.
    assert_eq!(told(&by_session), refused(403, "member_banned"));
    assert_eq!(by_session.json().get("own_data"), None);
    for (answer, person) in [(&by_secret, &owner.person), (&by_proof, &known)] {
        assert_eq!(told(answer), refused(403, "member_banned"));
        assert_eq!(answer.json()["message"], "Out");
        let person = with_token(answer, person);
        let asked = person.post(&scenario, "/v1/me/exports", &json!({}));
        assert_eq!(asked.status, 202, "{}", asked.text());
        let id = asked.json()["export_id"].as_str().unwrap().to_owned();
        let document = person.get(&scenario, &format!("/v1/me/exports/{id}"));
        assert_eq!(document.status, 200, "{}", document.text());
        assert_eq!(document.json()["member"]["id"], person.id.as_str());
        for (method, target) in [
            ("GET", "/v1/me"),
            ("GET", "/v1/me/sessions"),
            ("POST", "/v1/auth/sign-out"),
            ("PUT", "/v1/devices/phone-1-example-0001/profile"),
            ("DELETE", "/v1/me/identities/google"),
        ] {
            let request = Request::new(method, target).json(&json!({}));
            let answer = person.send(&scenario, request);
            assert_eq!(
                told(&answer),
                refused(401, "token_audience"),
                "{method} {target}"
            );
        }
    }
    let last = with_token(&by_proof, &known);
    let begun = last.post(&scenario, "/v1/me/withdrawal", &json!({}));
    assert_eq!(begun.status, 202, "{}", begun.text());
}

#[test]
fn a_ban_outlives_withdrawal_for_guests_and_providers_and_can_be_lifted() {
    let scenario = stack(0);
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let known = by(&scenario, "google", "g-1");
    for person in [&owner.person, &known] {
        banned(&scenario, &person.id);
        let begun = person.post(&scenario, "/v1/me/withdrawal", &json!({}));
        assert_eq!(begun.status, 202, "{}", begun.text());
    }
    // The grace is over, and so it is with the members, before the purge and after it.
    for _ in 0..2 {
        for answer in [
            owner.try_on(&scenario, "phone-2-example-0002"),
            sign_in(&scenario, "google", "g-1"),
        ] {
            assert_eq!(told(&answer), refused(403, "member_banned"));
            assert_eq!(answer.json()["message"], "Out");
            assert_eq!(answer.json().get("own_data"), None, "nothing is left");
        }
        purge(&scenario);
    }
    // Nor is the identity of use to somebody else.
    let other = guest(&scenario, "phone-3-example-0003");
    let linked = proof(&scenario, "google", "g-1", json!({}));
    let linked = other.post(&scenario, "/v1/me/identities", &linked);
    assert_eq!(told(&linked), refused(403, "member_banned"));
    let stranger = by(&scenario, "google", "g-2");
    assert_eq!(stranger.get(&scenario, "/v1/me").status, 200);

    let lifted = scenario.service_post(
        &format!("/admin/v1/members/{}/unban", known.id),
        &json!({ "reason": "appeal" }),
    );
    assert_eq!(lifted.status, 200, "{}", lifted.text());
    assert_eq!(lifted.json()["status"], "withdrawn");
    let again = sign_in(&scenario, "google", "g-1");
    assert_eq!(again.status, 201, "{}", again.text());
    let still = owner.try_on(&scenario, "phone-2-example-0002");
    assert_eq!(told(&still), refused(403, "member_banned"));
}

#[test]
fn a_temporary_ban_outlives_withdrawal_until_its_end() {
    let scenario = stack(0);
    let person = by(&scenario, "google", "g-1");
    let ends_at: Instant = Clock::system().now() + std::time::Duration::from_secs(4);
    let body = json!({ "reason": "spam", "ends_at": ends_at });
    let answer = ban(&scenario, &person.id, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let begun = person.post(&scenario, "/v1/me/withdrawal", &json!({}));
    assert_eq!(begun.status, 202, "{}", begun.text());
    purge(&scenario);
    let refusal = sign_in(&scenario, "google", "g-1");
    assert_eq!(told(&refusal), refused(403, "member_banned"));
    assert_eq!(refusal.json()["ends_at"], json!(ends_at));
    let new = eventually("the ban lapses", || {
        let answer = sign_in(&scenario, "google", "g-1");
        (answer.status == 201).then_some(answer)
    });
    assert!(Clock::system().now() >= ends_at);
    assert_ne!(new.json()["member"]["id"], person.id.as_str());
}

#[test]
fn after_the_grace_a_member_is_gone_though_the_purge_has_not_run() {
    let scenario = stack(0);
    let person = by(&scenario, "google", "g-1");
    let guest = Guest::new(&scenario, "phone-1-example-0001");
    for who in [&person, &guest.person] {
        let begun = who.post(&scenario, "/v1/me/withdrawal", &json!({}));
        assert_eq!(begun.status, 202, "{}", begun.text());
        for (method, target) in [
            ("GET", "/v1/me"),
            ("DELETE", "/v1/me/withdrawal"),
            ("POST", "/v1/me/exports"),
        ] {
            let answer = who.send(&scenario, Request::new(method, target));
            assert_eq!(
                told(&answer),
                refused(401, "token_invalid"),
                "{method} {target}"
            );
        }
        let refreshed = refresh(&scenario, &who.refresh);
        assert_eq!(told(&refreshed), refused(401, "token_invalid"));
    }
    let back = guest.try_on(&scenario, "phone-1-example-0001");
    assert_eq!(told(&back), refused(401, "token_invalid"));
    let withdrawn = proof(&scenario, "google", "g-1", json!({}));
    let withdrawn = scenario.post("/v1/withdrawals", &withdrawn);
    assert_eq!(told(&withdrawn), refused(404, "not_found"));
    let new = sign_in(&scenario, "google", "g-1");
    assert_eq!(new.status, 201, "{}", new.text());
    let new = Person::of(&new.json());
    assert_ne!(new.id, person.id);
    purge(&scenario);
    assert_eq!(new.get(&scenario, "/v1/me").status, 200);
    let again = by(&scenario, "google", "g-1");
    assert_eq!(again.id, new.id);
}

#[test]
fn sixty_four_bans_sixteen_at_a_time_all_succeed_and_act() {
    let scenario = Scenario::start();
    let people: Vec<Person> = (0..64)
        .map(|nth| guest(&scenario, &format!("phone-{nth}-example-0001")))
        .collect();
    for some in people.chunks(16) {
        let answers = at_once(some.len(), |nth| {
            let person = &some[nth];
            ban(&scenario, &person.id, &json!({ "reason": "bots" }))
        });
        for answer in answers {
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    for person in &people {
        let me = person.get(&scenario, "/v1/me");
        assert_eq!(told(&me), refused(403, "member_banned"));
    }
    eventually("the bans are known everywhere", || {
        let all = people.iter().enumerate().all(|(nth, person)| {
            let target = format!("/v1/devices/phone-{nth}/profile");
            let put = Request::new("PUT", &target).json(&json!({}));
            person.send(&scenario, put).status == 403
        });
        all.then_some(())
    });
}

#[test]
fn a_bans_message_is_bounded_and_the_next_ban_succeeds_whatever_the_last_one_said() {
    let scenario = Scenario::start();
    let person = guest(&scenario, "phone-1-example-0001");
    let message = |languages: usize, characters: usize| -> Value {
        let tags = (1..languages).map(|n| format!("en-{n:03}"));
        let tags = tags.chain(["default".to_owned()]);
        Value::Object(
            tags.map(|tag| (tag, json!("금".repeat(characters))))
                .collect(),
        )
    };
    for (message, pointer) in [
        (message(21, 1), "/message"),
        (message(1, 2_001), "/message/default"),
    ] {
        let answer = ban(
            &scenario,
            &person.id,
            &json!({ "reason": "x", "message": message }),
        );
        assert_eq!(told(&answer), refused(422, "validation_failed"));
        let errors = answer.json()["errors"].clone();
        assert_eq!(errors[0]["pointer"], pointer, "{errors}");
    }
    for _ in 0..2 {
        let body = json!({ "reason": "금".repeat(500), "message": message(20, 2_000) });
        let answer = ban(&scenario, &person.id, &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let me = person.get(&scenario, "/v1/me");
    assert_eq!(told(&me), refused(403, "member_banned"));
}
