//! Transfer codes: a guest moves to another phone.

use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{
    identities::link,
    people::{Guest, NOBODY, Person, audited, by, phone, refresh, refused, told},
    scenario::Scenario,
    tracking::items,
};

const CREATE: &str = "/v1/me/transfer-code";
const TRANSFER: &str = "/v1/auth/transfer";

fn created(answer: &Response) -> String {
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.json()["expires_at"].is_string());
    answer.json()["code"].as_str().unwrap().to_owned()
}

fn present(scenario: &Scenario, code: &str, device: &str) -> Response {
    scenario.post(TRANSFER, &json!({ "code": code, "device": phone(device) }))
}

#[test]
fn a_guest_moves_to_another_phone_and_the_old_one_is_out() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let code = created(&owner.person.post(&scenario, CREATE, &json!({})));
    assert_eq!(code.len(), 23, "{code}");
    let stored = json!(items(&scenario, "MembersTable", "", "")).to_string();
    assert!(!stored.contains(&code) && !stored.contains(&code.replace('-', "")));

    let typed = code.replace('-', " ").to_lowercase();
    let moved = present(&scenario, &typed, "phone-2-example-0002");
    assert_eq!(moved.status, 200, "{}", moved.text());
    let moved = moved.json();
    assert_eq!(moved["created"], false);
    let person = Person::of(&moved);
    assert_eq!(person.id, owner.person.id);
    assert_eq!(person.get(&scenario, "/v1/me").status, 200);

    let old = &owner.person;
    assert_eq!(
        told(&old.get(&scenario, "/v1/me")),
        refused(401, "token_invalid")
    );
    assert_eq!(
        told(&refresh(&scenario, &old.refresh)),
        refused(401, "token_invalid")
    );
    let back = owner.try_on(&scenario, "phone-1-example-0001");
    assert_eq!(
        told(&back),
        refused(401, "token_invalid"),
        "the secret is another"
    );
    let again = json!({
        "device": phone("phone-2-example-0002"),
        "guest_id": moved["guest_id"], "guest_secret": moved["guest_secret"],
    });
    assert_eq!(scenario.post("/v1/auth/guest", &again).status, 200);
    let used = present(&scenario, &code, "phone-3-example-0003");
    assert_eq!(told(&used), refused(401, "transfer_code_invalid"));
}

#[test]
fn a_transfer_whose_response_was_lost_is_answered_again_under_its_key() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let code = created(&owner.person.post(&scenario, CREATE, &json!({})));
    let body = json!({ "code": code, "device": phone("phone-2-example-0002") });
    let send = || {
        let request = Request::new("POST", TRANSFER).header("idempotency-key", "k-1");
        scenario.send(&request.json(&body))
    };
    let (first, again) = (send(), send());
    assert_eq!((first.status, again.status), (200, 200), "{}", again.text());
    for name in ["session_id", "guest_id", "guest_secret", "refresh_token"] {
        assert_eq!(first.json()[name], again.json()[name], "{name}");
        assert!(first.json()[name].is_string(), "{name}");
    }
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
}

#[test]
fn a_transfer_whose_response_was_lost_is_answered_again_by_its_code_on_the_same_phone_only() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let code = created(&owner.person.post(&scenario, CREATE, &json!({})));
    let first = present(&scenario, &code, "phone-2-example-0002");
    assert_eq!(first.status, 200, "{}", first.text());
    let stored = json!(items(&scenario, "RequestsTable", "", "")).to_string();
    let secret = first.json()["guest_secret"].clone();
    for hidden in [&*code, &code.replace('-', ""), secret.as_str().unwrap()] {
        assert!(!stored.contains(hidden), "{stored}");
    }
    let again = present(&scenario, &code, "phone-2-example-0002");
    assert_eq!(again.status, 200, "{}", again.text());
    for name in ["session_id", "guest_id", "guest_secret", "refresh_token"] {
        assert_eq!(first.json()[name], again.json()[name], "{name}");
    }
    let elsewhere = present(&scenario, &code, "phone-1-example-0001");
    assert_eq!(told(&elsewhere), refused(401, "transfer_code_invalid"));
    let sessions = Person::of(&again.json()).get(&scenario, "/v1/me/sessions");
    assert_eq!(
        sessions.json()["sessions"].as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn a_transfer_is_given_again_however_the_code_is_written_and_not_without_a_device_id() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let code = created(&owner.person.post(&scenario, CREATE, &json!({})));
    let first = present(&scenario, &code, "phone-2-example-0002");
    assert_eq!(first.status, 200, "{}", first.text());
    let retyped = code.replace('-', "").to_lowercase();
    let mut device = phone("phone-2-example-0002");
    device["locale"] = json!("pt-BR");
    let body = json!({ "device": device, "code": retyped });
    let again = scenario.post(TRANSFER, &body);
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(first.json()["guest_secret"], again.json()["guest_secret"]);

    let owner = Guest::new(&scenario, "phone-3-example-0003");
    let code = created(&owner.person.post(&scenario, CREATE, &json!({})));
    let anonymous = json!({ "code": code, "device": {"platform": "ios"} });
    let first = scenario.post(TRANSFER, &anonymous);
    assert_eq!(first.status, 200, "{}", first.text());
    let again = scenario.post(TRANSFER, &anonymous);
    assert_eq!(told(&again), refused(401, "transfer_code_invalid"));
}

#[test]
fn a_code_is_worth_nothing_once_its_guest_has_linked_a_provider() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let code = created(&owner.person.post(&scenario, CREATE, &json!({})));
    let linked = link(&scenario, &owner.person, "google", "g-77");
    assert_eq!(linked.status, 201, "{}", linked.text());
    let answer = present(&scenario, &code, "phone-2-example-0002");
    assert_eq!(told(&answer), refused(401, "transfer_code_invalid"));
    assert_eq!(owner.person.get(&scenario, "/v1/me").status, 200);
    owner.on(&scenario, "phone-1-example-0001");
}

#[test]
fn a_code_that_is_no_code_or_was_tried_ten_times_is_refused_alike() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let code = created(&owner.person.post(&scenario, CREATE, &json!({})));
    let begins = &code[..7];
    let wrong = format!("{begins}{}", "0".repeat(14));
    for code in ["", "nonsense", "0000000000-0000000000", &"0".repeat(20)] {
        let answer = present(&scenario, code, "phone-2-example-0002");
        assert_eq!(
            told(&answer),
            refused(401, "transfer_code_invalid"),
            "{code}"
        );
    }
    for _ in 0..10 {
        let answer = present(&scenario, &wrong, "phone-2-example-0002");
        assert_eq!(told(&answer), refused(401, "transfer_code_invalid"));
    }
    let late = present(&scenario, &code, "phone-2-example-0002");
    assert_eq!(told(&late), refused(401, "transfer_code_invalid"));
    assert_eq!(owner.person.get(&scenario, "/v1/me").status, 200);
    // A new one works.
    let code = created(&owner.person.post(&scenario, CREATE, &json!({})));
    assert_eq!(
        present(&scenario, &code, "phone-2-example-0002").status,
        200
    );
}

#[test]
fn only_guests_have_codes_and_an_operator_may_issue_one_with_a_reason() {
    let scenario = Scenario::start();
    let known = by(&scenario, "google", "g-1");
    let answer = known.post(&scenario, CREATE, &json!({}));
    assert_eq!(told(&answer), refused(409, "guest_only"));

    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let issue = |id: &str, body: &Value| {
        scenario.service_post(&format!("/admin/v1/members/{id}/transfer-code"), body)
    };
    let reason = json!({ "reason": "lost phone; receipt of 3 March checked" });
    let first = created(&issue(&owner.person.id, &reason));
    let second = created(&issue(&owner.person.id, &reason));
    let replaced = present(&scenario, &first, "phone-2-example-0002");
    assert_eq!(told(&replaced), refused(401, "transfer_code_invalid"));
    assert_eq!(
        present(&scenario, &second, "phone-2-example-0002").status,
        200
    );
    for (id, body, refusal) in [
        (known.id.as_str(), &reason, refused(409, "guest_only")),
        (NOBODY, &reason, refused(404, "not_found")),
        (
            &owner.person.id,
            &json!({}),
            refused(422, "validation_failed"),
        ),
    ] {
        assert_eq!(told(&issue(id, body)), refusal);
    }
    let records = audited(&scenario, "member.transfer_code");
    assert_eq!(records.len(), 2, "{records:?}");
    let text = json!(records).to_string();
    assert!(text.contains("receipt of 3 March"), "{text}");
    for code in [first, second] {
        assert!(
            !text.contains(&code) && !text.contains(&code[..11]),
            "{text}"
        );
    }
    let member = owner.person.post(&scenario, CREATE, &json!({}));
    assert_eq!(
        told(&member),
        refused(401, "token_invalid"),
        "the old phone is out"
    );
}

#[test]
fn a_banned_guest_stays_banned_on_the_other_phone_and_keeps_the_code() {
    let scenario = Scenario::start();
    let owner = Guest::new(&scenario, "phone-1-example-0001");
    let code = created(&owner.person.post(&scenario, CREATE, &json!({})));
    let member = format!("/admin/v1/members/{}", owner.person.id);
    let ban = scenario.service_post(&format!("{member}/ban"), &json!({ "reason": "fraud" }));
    assert_eq!(ban.status, 200, "{}", ban.text());
    let answer = present(&scenario, &code, "phone-2-example-0002");
    assert_eq!(told(&answer), refused(403, "member_banned"));
    let lifted = scenario.service_post(&format!("{member}/unban"), &json!({ "reason": "appeal" }));
    assert_eq!(lifted.status, 200, "{}", lifted.text());
    assert_eq!(
        present(&scenario, &code, "phone-2-example-0002").status,
        200
    );
}
