//! Guests, and those who are too young to join alone.

use serde_json::{Value, json};

use crate::{
    scenario::Scenario,
    sign_in::visitor::{
        GUEST, PROOFS, answering, challenge, enter, good, issue, kept, members, phone, refused,
        sign_in,
    },
};

fn again(guest: &Value) -> Value {
    json!({
        "device": phone(), "guest_id": guest["guest_id"], "guest_secret": guest["guest_secret"],
    })
}

#[test]
fn a_guest_is_told_their_secret_once_and_known_by_it() {
    let scenario = Scenario::start();
    let first = scenario.post(GUEST, &json!({"device": phone()}));
    assert_eq!(first.status, 201, "{}", first.text());
    assert_eq!(first.header("cache-control"), Some("no-store"));
    let first = first.json();
    let secret = first["guest_secret"].as_str().unwrap().to_owned();
    assert!(secret.len() >= 43, "256 bits: {} characters", secret.len());
    for _ in 0..2 {
        let later = scenario.post(GUEST, &again(&first));
        assert_eq!(later.status, 200, "{}", later.text());
        let later = later.json();
        assert_eq!(later["member"]["id"], first["member"]["id"]);
        assert_eq!(later["guest_id"], first["guest_id"]);
        assert_eq!(later.get("guest_secret"), None);
    }
    let kept = Value::from(kept(&scenario)).to_string();
    assert!(!kept.contains(&secret), "the secret is kept as it is");
}

#[test]
fn nothing_but_id_and_secret_together_proves_a_guest() {
    let scenario = Scenario::start();
    let guest = scenario.post(GUEST, &json!({"device": phone()})).json();
    let other = scenario.post(GUEST, &json!({"device": phone()})).json();
    assert_ne!(
        guest["member"]["id"], other["member"]["id"],
        "a device id alone is nobody"
    );
    assert_eq!(members(&scenario), 2);

    let before = kept(&scenario);
    let secret = guest["guest_secret"].as_str().unwrap();
    let wrong = [
        "",
        "wrong",
        &secret[..42],
        &format!("{secret}A"),
        &secret.to_lowercase(),
        other["guest_secret"].as_str().unwrap(),
    ];
    for wrong in wrong.map(|wrong| json!(wrong)) {
        let body = json!({"device": phone(), "guest_id": guest["guest_id"], "guest_secret": wrong});
        refused(
            &scenario.post(GUEST, &body),
            401,
            "token_invalid",
            &wrong.to_string(),
        );
    }
    for nobody in ["nobody", "phone-1-example-0001", &"x".repeat(255)] {
        let body = json!({"device": phone(), "guest_id": nobody, "guest_secret": secret});
        refused(&scenario.post(GUEST, &body), 401, "token_invalid", nobody);
    }
    for (half, pointer) in [
        (
            json!({"device": phone(), "guest_id": guest["guest_id"]}),
            "/guest_secret",
        ),
        (
            json!({"device": phone(), "guest_secret": secret}),
            "/guest_id",
        ),
    ] {
        let answer = scenario.post(GUEST, &half);
        refused(&answer, 422, "validation_failed", pointer);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer);
    }
    assert_eq!(kept(&scenario), before);
}

#[test]
fn a_guest_does_not_get_in_by_the_way_of_others() {
    let scenario = Scenario::start();
    let guest = scenario.post(GUEST, &json!({"device": phone()})).json();
    let before = kept(&scenario);
    let tokens = issue(&scenario, "google", &json!({"sub": guest["guest_id"]}));
    for proof in ["id_token", "access_token"] {
        let body = json!({"provider": "guest", proof: tokens[proof], "device": phone()});
        let answer = sign_in(&scenario, &body);
        refused(&answer, 422, "validation_failed", proof);
        assert_eq!(answer.json()["errors"][0]["pointer"], "/provider");
    }
    assert_eq!(kept(&scenario), before);
}

#[test]
fn who_is_under_14_joins_once_a_guardian_agrees_and_leaves_no_trace_before() {
    let scenario = Scenario::start();
    let young = |mut body: Value, agreed: bool| {
        body["under_14"] = json!(true);
        if agreed {
            body["guardian_consent"] = json!(true);
        }
        body
    };
    for (nth, proof) in PROOFS.into_iter().enumerate() {
        let before = kept(&scenario);
        let body = good(&scenario, proof, &format!("{}", 1_000 + nth));
        let blocked = sign_in(&scenario, &young(body.clone(), false));
        refused(
            &blocked,
            403,
            "guardian_consent_required",
            &format!("{proof:?}"),
        );
        assert_eq!(kept(&scenario), before, "{proof:?}");
        // The challenge was not used up.
        let joined = enter(&scenario, &young(body, true));
        assert_eq!(joined["created"], true, "{proof:?}");
        let agreed_at = &joined["member"]["consents"]["guardian"];
        assert!(agreed_at.is_string(), "{joined}");
    }
    let before = kept(&scenario);
    let guest = json!({"device": phone()});
    let blocked = scenario.post(GUEST, &young(guest.clone(), false));
    refused(&blocked, 403, "guardian_consent_required", "guest");
    assert_eq!(kept(&scenario), before);
    let joined = scenario.post(GUEST, &young(guest, true));
    assert_eq!(joined.status, 201, "{}", joined.text());
    assert!(joined.json()["member"]["consents"]["guardian"].is_string());
}

#[test]
fn a_member_who_says_later_that_they_are_young_still_gets_in() {
    let scenario = Scenario::start();
    enter(&scenario, &good(&scenario, ("google", "id_token"), "4711"));
    let mut body = answering(&scenario, "google", &challenge(&scenario), &json!({}));
    body["under_14"] = json!(true);
    assert_eq!(sign_in(&scenario, &body).status, 200);
}
