//! Flows of single providers: tokens without a nonce, LINE on the web, Kakao's two tokens at once, and
//! Apple's single-use code.

use serde_json::{Value, json};
use tests::http1::Request;

use crate::{
    scenario::Scenario,
    sign_in::visitor::{
        answering, challenge, enter, good, issue, phone, refused, sandbox, sign_in, stack_with,
    },
};

/// A sign-in with a token that answers no challenge of ours; the members of `wish` bend it.
fn without_challenge(scenario: &Scenario, provider: &str, wish: &Value) -> Value {
    let tokens = issue(scenario, provider, wish);
    json!({"provider": provider, "id_token": tokens["id_token"], "device": phone()})
}

#[test]
fn google_without_our_nonce_is_refused_unless_a_setting_allows_it() {
    let scenario = Scenario::start();
    let body = without_challenge(&scenario, "google", &json!({"sub": "77"}));
    refused(&sign_in(&scenario, &body), 401, "token_nonce", "by default");

    let scenario = stack_with(&[("GOOGLE_ALLOW_NO_NONCE", "true")]);
    let now = now_s();
    let first = without_challenge(&scenario, "google", &json!({"sub": "77"}));
    assert_eq!(enter(&scenario, &first)["created"], true);
    refused(&sign_in(&scenario, &first), 401, "challenge_used", "again");
    // An SDK's own nonce is as good as none.
    let foreign = json!({"sub": "77", "nonce": "made-by-an-sdk", "claims": {"jti": "one"}});
    let foreign = without_challenge(&scenario, "google", &foreign);
    assert_eq!(enter(&scenario, &foreign)["created"], false);
    let same_id = json!({"sub": "77", "claims": {"jti": "one", "email": "a@example.com"}});
    let same_id = without_challenge(&scenario, "google", &same_id);
    refused(
        &sign_in(&scenario, &same_id),
        401,
        "challenge_used",
        "one jti",
    );
    for (seconds, accepted) in [(290, true), (330, false), (3_500, false)] {
        let wish = json!({"sub": "77", "claims": {"iat": now - seconds}});
        let answer = sign_in(&scenario, &without_challenge(&scenario, "google", &wish));
        match accepted {
            true => assert_eq!(answer.status, 200, "{}", answer.text()),
            false => refused(&answer, 401, "token_expired", "too old"),
        }
    }
    for provider in ["apple", "kakao", "facebook", "line"] {
        let body = without_challenge(&scenario, provider, &json!({"sub": "77"}));
        refused(&sign_in(&scenario, &body), 401, "token_nonce", provider);
    }
}

#[test]
fn a_token_that_answered_a_challenge_is_no_token_without_one_afterwards() {
    let scenario = stack_with(&[("GOOGLE_ALLOW_NO_NONCE", "true")]);
    let answered = good(&scenario, ("google", "id_token"), "77");
    enter(&scenario, &answered);
    let mut copy = answered.clone();
    copy.as_object_mut().unwrap().remove("challenge_id");
    refused(&sign_in(&scenario, &copy), 401, "challenge_used", "a copy");
    refused(
        &sign_in(&scenario, &answered),
        401,
        "challenge_used",
        "again",
    );
    // Nor does a token count for another challenge than it answers.
    let mut other = good(&scenario, ("google", "id_token"), "77");
    other["challenge_id"] = challenge(&scenario)["challenge_id"].clone();
    refused(&sign_in(&scenario, &other), 401, "token_nonce", "another");
}

#[test]
fn line_on_the_web_is_proved_by_the_channel_secret() {
    let scenario = Scenario::start();
    let web = |wish: Value| {
        let mut whole = json!({"sub": "U77", "aud": "3001"});
        for (name, value) in wish.as_object().unwrap() {
            whole[name] = value.clone();
        }
        answering(&scenario, "line", &challenge(&scenario), &whole)
    };
    let header = web(json!({}))["id_token"].as_str().unwrap().to_owned();
    assert!(
        header.starts_with("eyJhbGciOiJIUzI1NiIs"),
        "HS256: {header}"
    );
    let on_the_web = enter(&scenario, &web(json!({})));
    let in_the_app = enter(&scenario, &good(&scenario, ("line", "id_token"), "U77"));
    assert_eq!(on_the_web["member"]["id"], in_the_app["member"]["id"]);
    let old = json!({"claims": {"iat": now_s() - 3_700}});
    refused(&sign_in(&scenario, &web(old)), 401, "token_expired", "old");
    let foreign = json!({"claims": {"iss": "https://evil.example"}});
    refused(
        &sign_in(&scenario, &web(foreign)),
        401,
        "token_issuer",
        "iss",
    );
    // What the secret signed is for the web's channel only.
    let for_app = json!({"claims": {"aud": "3000"}});
    refused(
        &sign_in(&scenario, &web(for_app)),
        401,
        "token_invalid",
        "app",
    );
    // The same proof links, and withdraws.
    let google = enter(&scenario, &good(&scenario, ("google", "id_token"), "g"));
    let mut link = web(json!({"sub": "U78"}));
    link.as_object_mut().unwrap().remove("device");
    let request = Request::new("POST", "/v1/me/identities");
    let token = google["access_token"].as_str().unwrap();
    let linked = scenario.send(&request.bearer(token).json(&link));
    assert_eq!(linked.status, 201, "{}", linked.text());
    let mut proof = web(json!({"sub": "U78"}));
    proof.as_object_mut().unwrap().remove("device");
    let withdrawn = scenario.post("/v1/withdrawals", &proof);
    assert_eq!(withdrawn.status, 202, "{}", withdrawn.text());

    let es256 = json!({"claims": {"aud": "3001"}});
    let es256 = answering(&scenario, "line", &challenge(&scenario), &es256);
    refused(&sign_in(&scenario, &es256), 401, "token_invalid", "ES256");
}

#[test]
fn kakaos_access_token_proves_what_an_id_token_without_a_nonce_does_not() {
    let scenario = Scenario::start();
    let both = |wish: Value, challenge_id: Option<&Value>| {
        let tokens = issue(&scenario, "kakao", &wish);
        let mut body = json!({
            "provider": "kakao", "id_token": tokens["id_token"],
            "access_token": tokens["access_token"], "device": phone(),
        });
        if let Some(id) = challenge_id {
            body["challenge_id"] = id.clone();
        }
        body
    };
    let first = enter(&scenario, &both(json!({"sub": "77"}), None));
    let challenge = challenge(&scenario);
    let bare = both(json!({"sub": "77"}), Some(&challenge["challenge_id"]));
    let second = enter(&scenario, &bare);
    assert_eq!(first["member"]["id"], second["member"]["id"]);
    // The app's own access token, not another's.
    let foreign = both(json!({"sub": "77", "aud": "4000"}), None);
    refused(&sign_in(&scenario, &foreign), 401, "token_audience", "aud");
    let alone = without_challenge(&scenario, "kakao", &json!({"sub": "77"}));
    refused(
        &sign_in(&scenario, &alone),
        401,
        "token_nonce",
        "id token alone",
    );
}

/// The codes that Apple was given to exchange.
fn exchanged(scenario: &Scenario) -> Vec<Value> {
    let answer = sandbox(scenario, &Request::get("/apple/exchanged"));
    answer.json()["codes"].as_array().unwrap().clone()
}

#[test]
fn apples_code_is_spent_only_once_nothing_can_refuse_any_more() {
    let scenario = Scenario::start();
    let apple = |sub: &str| {
        let mut body = good(&scenario, ("apple", "id_token"), sub);
        body["authorization_code"] = sub.into();
        body
    };
    // A minor without a guardian, a used challenge, a banned member, a code for another provider.
    let mut minor = apple("minor");
    minor["under_14"] = true.into();
    let answer = sign_in(&scenario, &minor);
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(exchanged(&scenario).is_empty());

    let first = apple("77");
    let member = enter(&scenario, &first)["member"]["id"].clone();
    assert_eq!(exchanged(&scenario), ["77"]);
    refused(&sign_in(&scenario, &first), 401, "challenge_used", "again");
    assert_eq!(exchanged(&scenario).len(), 1);

    let ban = json!({"reason": "cheating", "message": {"default": "You are banned."}});
    let target = format!("/admin/v1/members/{}/ban", member.as_str().unwrap());
    assert_eq!(scenario.service_post(&target, &ban).status, 200);
    refused(
        &sign_in(&scenario, &apple("77")),
        403,
        "member_banned",
        "77",
    );
    let mut wrong = apple("78");
    wrong["nonce"] = "another".into();
    refused(&sign_in(&scenario, &wrong), 401, "token_nonce", "78");
    let mut google = good(&scenario, ("google", "id_token"), "79");
    google["authorization_code"] = "79".into();
    enter(&scenario, &google);
    assert_eq!(exchanged(&scenario).len(), 1);
}

#[test]
fn apples_code_is_not_spent_on_a_link_that_is_refused() {
    let scenario = Scenario::start();
    enter(&scenario, &good(&scenario, ("apple", "id_token"), "taken"));
    let google = enter(&scenario, &good(&scenario, ("google", "id_token"), "g"));
    let token = google["access_token"].as_str().unwrap();
    let link = |sub: &str| {
        let mut body = good(&scenario, ("apple", "id_token"), sub);
        body["authorization_code"] = sub.into();
        body.as_object_mut().unwrap().remove("device");
        let request = Request::new("POST", "/v1/me/identities").bearer(token);
        scenario.send(&request.json(&body))
    };
    refused(&link("taken"), 409, "identity_in_use", "another's");
    assert!(exchanged(&scenario).is_empty());
    assert_eq!(link("free").status, 201);
    assert_eq!(exchanged(&scenario), ["free"]);
    refused(&link("second"), 409, "provider_already_linked", "a second");
    assert_eq!(exchanged(&scenario).len(), 1);
}

fn now_s() -> i64 {
    kit::Clock::system().now().as_seconds()
}
