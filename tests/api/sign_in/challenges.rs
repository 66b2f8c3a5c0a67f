//! Challenges: each is good for one sign-in, for ten minutes, and for the token that names its nonce.

use std::{fmt::Write as _, thread, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use domain::{identity::Challenge, keyring::Keys};
use kit::Clock;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::http1::{self, Request};

use crate::{
    scenario::Scenario,
    sign_in::visitor::{
        SIGNING, answering, challenge, enter, good, issue, kept, phone, refused, sign_in,
    },
};

/// The keys that sign challenges, as Secrets Manager has them.
fn keys(scenario: &Scenario) -> Keys {
    let request = Request::new("POST", "/")
        .header("x-amz-target", "secretsmanager.GetSecretValue")
        .json(&json!({"SecretId": "madang/dev/auth-keys"}));
    let answer = http1::send(&scenario.courtyard.description().secrets_endpoint, &request);
    let secret = answer.unwrap().json();
    Keys::parse(secret["SecretString"].as_str().unwrap()).unwrap()
}

/// A challenge that was made a while ago.
fn made_before(keys: &Keys, age: Duration) -> Value {
    let made_at = Clock::system().now() - age;
    let made = Challenge::new(keys, made_at, &mut kit::Random::system().rng());
    json!({"challenge_id": made.id, "nonce": made.nonce})
}

fn sha256_hex(nonce: &Value) -> String {
    let hash = Sha256::digest(nonce.as_str().unwrap());
    hash.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

#[test]
fn a_challenge_is_good_for_one_sign_in() {
    let scenario = Scenario::start();
    for (provider, ..) in SIGNING {
        let challenge = challenge(&scenario);
        let body = answering(&scenario, provider, &challenge, &json!({}));
        enter(&scenario, &body);
        let before = kept(&scenario);
        refused(&sign_in(&scenario, &body), 401, "challenge_used", provider);
        let others = answering(&scenario, provider, &challenge, &json!({"sub": "4712"}));
        refused(
            &sign_in(&scenario, &others),
            401,
            "challenge_used",
            provider,
        );
        assert_eq!(kept(&scenario), before, "{provider}");
    }
}

#[test]
fn of_many_who_answer_one_challenge_at_once_one_gets_in() {
    let scenario = Scenario::start();
    let challenge = challenge(&scenario);
    let bodies: Vec<Value> = (0..8)
        .map(|nth| {
            answering(
                &scenario,
                "google",
                &challenge,
                &json!({"sub": format!("u{nth}")}),
            )
        })
        .collect();
    let mut answers = thread::scope(|scope| {
        let threads: Vec<_> = bodies
            .iter()
            .map(|body| scope.spawn(|| sign_in(&scenario, body)))
            .collect();
        let answers = threads.into_iter().map(|thread| thread.join().unwrap());
        answers.collect::<Vec<_>>()
    });
    answers.sort_by_key(|answer| answer.status);
    assert_eq!(answers[0].status, 201, "{}", answers[0].text());
    for late in &answers[1..] {
        refused(late, 401, "challenge_used", "late");
    }
}

#[test]
fn a_challenge_lapses_after_ten_minutes() {
    let scenario = Scenario::start();
    let keys = keys(&scenario);
    let almost = made_before(&keys, Challenge::LIFETIME - Duration::from_secs(20));
    enter(
        &scenario,
        &answering(&scenario, "google", &almost, &json!({})),
    );
    let before = kept(&scenario);
    let lapsed = made_before(&keys, Challenge::LIFETIME);
    let late = answering(&scenario, "google", &lapsed, &json!({}));
    refused(&sign_in(&scenario, &late), 401, "challenge_used", "lapsed");
    assert_eq!(kept(&scenario), before);
}

#[test]
fn nobody_else_makes_challenges() {
    let scenario = Scenario::start();
    let honest = challenge(&scenario);
    let id = honest["challenge_id"].as_str().unwrap();
    let key = |key_id: u8| {
        let key = BASE64_STANDARD.encode([7; 32]);
        let secret = json!({"current": {"id": key_id, "key": key}});
        Keys::parse(&secret.to_string()).unwrap()
    };
    let ours = keys(&scenario).current().id();
    let altered = format!(
        "{}{}",
        if id.starts_with('A') { "B" } else { "A" },
        &id[1..]
    );
    let mut forged = vec![
        made_before(&key(ours), Duration::ZERO),
        made_before(&key(ours.wrapping_add(100)), Duration::ZERO),
    ];
    for id in [
        &altered,
        "",
        "x",
        &id[..id.len() - 1],
        honest["nonce"].as_str().unwrap(),
    ] {
        forged.push(json!({"challenge_id": id, "nonce": honest["nonce"]}));
    }
    for forged in forged {
        let body = answering(&scenario, "google", &forged, &json!({}));
        refused(
            &sign_in(&scenario, &body),
            401,
            "challenge_used",
            &forged.to_string(),
        );
    }
    assert_eq!(kept(&scenario), Vec::<Value>::new());
    enter(
        &scenario,
        &answering(&scenario, "google", &honest, &json!({})),
    );
}

#[test]
fn a_nonce_may_be_hashed_for_apple_and_for_nobody_else() {
    let scenario = Scenario::start();
    for (provider, ..) in SIGNING {
        let challenge = challenge(&scenario);
        let hash = sha256_hex(&challenge["nonce"]);
        let hashed = answering(&scenario, provider, &challenge, &json!({"nonce": hash}));
        let answer = sign_in(&scenario, &hashed);
        if provider == "apple" {
            assert_eq!(answer.status, 201, "{}", answer.text());
        } else {
            refused(&answer, 401, "token_nonce", provider);
        }
    }
    let upper = challenge(&scenario);
    let hash = sha256_hex(&upper["nonce"]).to_uppercase();
    let body = answering(&scenario, "apple", &upper, &json!({"nonce": hash}));
    refused(&sign_in(&scenario, &body), 401, "token_nonce", "upper case");
}

#[test]
fn an_app_may_tell_the_nonce_as_it_is_or_hashed() {
    let scenario = Scenario::start();
    for (provider, ..) in SIGNING {
        for hash in [false, true] {
            let challenge = challenge(&scenario);
            let mut body = answering(&scenario, provider, &challenge, &json!({}));
            body["nonce"] = match hash {
                true => json!(sha256_hex(&challenge["nonce"])),
                false => challenge["nonce"].clone(),
            };
            enter(&scenario, &body);
        }
    }
}

#[test]
fn apple_may_leave_the_nonce_out_where_it_says_that_it_cannot() {
    let scenario = Scenario::start();
    for (supported, entered) in [
        (json!(false), true),
        (json!("false"), true),
        (json!(true), false),
        (json!("true"), false),
        (Value::Null, false),
        (json!(0), false),
    ] {
        let claims = json!({"nonce": null, "nonce_supported": supported});
        let body = answering(
            &scenario,
            "apple",
            &challenge(&scenario),
            &json!({"claims": claims}),
        );
        let answer = sign_in(&scenario, &body);
        assert_eq!(
            matches!(answer.status, 200 | 201),
            entered,
            "{supported}: {}",
            answer.text()
        );
    }
}

#[test]
fn an_id_token_without_its_challenge_is_refused() {
    let scenario = Scenario::start();
    for (provider, ..) in SIGNING {
        let tokens = issue(
            &scenario,
            provider,
            &json!({"sub": "4711", "nonce": "mine"}),
        );
        let bare = json!({"provider": provider, "id_token": tokens["id_token"], "device": phone()});
        refused(&sign_in(&scenario, &bare), 401, "token_nonce", provider);
        let mut told = bare.clone();
        told["nonce"] = json!("mine");
        refused(&sign_in(&scenario, &told), 401, "token_nonce", provider);
        let mut with_access = bare;
        with_access["access_token"] = tokens["access_token"].clone();
        refused(
            &sign_in(&scenario, &with_access),
            401,
            "token_nonce",
            provider,
        );
    }
    assert_eq!(kept(&scenario), Vec::<Value>::new());
}

#[test]
fn a_token_answers_the_challenge_that_it_was_made_for_and_no_other() {
    let scenario = Scenario::start();
    for (provider, ..) in SIGNING {
        let (one, other) = (challenge(&scenario), challenge(&scenario));
        let mut body = answering(&scenario, provider, &one, &json!({}));
        body["challenge_id"] = other["challenge_id"].clone();
        refused(&sign_in(&scenario, &body), 401, "token_nonce", provider);
        body["challenge_id"] = one["challenge_id"].clone();
        body["nonce"] = other["nonce"].clone();
        refused(&sign_in(&scenario, &body), 401, "token_nonce", provider);
        // Neither was used up by that.
        body["nonce"] = one["nonce"].clone();
        enter(&scenario, &body);
        enter(
            &scenario,
            &answering(&scenario, provider, &other, &json!({})),
        );
    }
}

#[test]
fn a_challenge_that_comes_with_an_access_token_is_used_up_too() {
    let scenario = Scenario::start();
    let challenge = challenge(&scenario);
    let mut body = good(&scenario, ("naver", "access_token"), "u1");
    body["challenge_id"] = challenge["challenge_id"].clone();
    enter(&scenario, &body);
    refused(&sign_in(&scenario, &body), 401, "challenge_used", "again");
}
