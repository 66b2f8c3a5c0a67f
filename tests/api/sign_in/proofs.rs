//! Good proofs of every provider, and access tokens that are none.

use std::thread;

use serde_json::{Value, json};

use crate::{
    scenario::Scenario,
    sign_in::visitor::{
        PROOFS, answering, challenge, enter, found, good, issue, kept, members, phone, refused,
        sign_in,
    },
};

#[test]
fn whoever_a_provider_vouches_for_becomes_a_member_once_and_is_known_ever_after() {
    let scenario = Scenario::start();
    for (nth, proof) in PROOFS.into_iter().enumerate() {
        let subject = format!("{}", 1_000 + nth);
        let first = sign_in(&scenario, &good(&scenario, proof, &subject));
        assert_eq!(first.status, 201, "{proof:?}: {}", first.text());
        assert_eq!(first.header("cache-control"), Some("no-store"));
        let (first, again) = (
            first.json(),
            sign_in(&scenario, &good(&scenario, proof, &subject)),
        );
        assert_eq!(again.status, 200, "{proof:?}: {}", again.text());
        let again = again.json();
        assert_eq!(
            (&first["created"], &again["created"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(first["member"]["id"], again["member"]["id"], "{proof:?}");
        assert_ne!(first["session_id"], again["session_id"], "{proof:?}");
        assert_eq!(first["member"]["identities"][0]["provider"], proof.0);
        assert_eq!(first["token_type"], "Bearer");
        assert!(first["expires_in"].as_u64().is_some_and(|s| s <= 900));
        let text = first["access_token"].as_str().unwrap();
        assert!(text.len() <= 1_536, "{} bytes", text.len());
        assert_eq!(found(&scenario, proof.0, &subject).len(), 1, "{proof:?}");
    }
    assert_eq!(members(&scenario), PROOFS.len());
}

#[test]
fn the_two_proofs_of_a_provider_lead_to_one_member() {
    let scenario = Scenario::start();
    for provider in ["kakao", "facebook"] {
        let by = |proof| enter(&scenario, &good(&scenario, (provider, proof), "77"));
        let (signed, opaque) = (by("id_token"), by("access_token"));
        assert_eq!(signed["member"]["id"], opaque["member"]["id"], "{provider}");
        assert_eq!(opaque["created"], false, "{provider}");
    }
}

#[test]
fn what_apple_gives_for_a_code_is_kept_anew_each_time() {
    let scenario = Scenario::start();
    let sealed = || {
        let items = kept(&scenario);
        let tokens = items
            .iter()
            .filter_map(|item| item["provider_token"]["S"].as_str());
        tokens.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut seen = Vec::new();
    for created in [true, false] {
        let mut body = good(&scenario, ("apple", "id_token"), "77");
        body["authorization_code"] = json!("77");
        assert_eq!(enter(&scenario, &body)["created"], created);
        seen.extend(sealed());
    }
    assert_eq!(seen.len(), 2, "one at a time: {seen:?}");
    assert_ne!(seen[0], seen[1]);
    let mut used_up = good(&scenario, ("apple", "id_token"), "77");
    used_up["authorization_code"] = json!("somebody-else");
    assert_eq!(enter(&scenario, &used_up)["created"], false);
    assert_eq!(sealed(), seen[1..], "another's is not kept");
}

#[test]
fn the_same_name_at_two_providers_is_two_people() {
    let scenario = Scenario::start();
    let claims =
        json!({"sub": "77", "claims": {"email": "mina@example.com", "email_verified": true}});
    let ids: Vec<Value> = ["apple", "google", "kakao", "facebook", "line"]
        .into_iter()
        .map(|provider| {
            let body = answering(&scenario, provider, &challenge(&scenario), &claims);
            enter(&scenario, &body)["member"]["id"].clone()
        })
        .collect();
    for (nth, id) in ids.iter().enumerate() {
        assert!(!ids[..nth].contains(id), "{ids:?}");
    }
    let kept = Value::from(kept(&scenario)).to_string();
    assert!(!kept.contains("example.com"), "an e-mail address is kept");
}

#[test]
fn twenty_first_sign_ins_of_one_identity_at_once_make_one_member() {
    let scenario = Scenario::start();
    for proof in [("google", "id_token"), ("naver", "access_token")] {
        let before = members(&scenario);
        let bodies: Vec<Value> = (0..20).map(|_| good(&scenario, proof, "twin")).collect();
        let answers = thread::scope(|scope| {
            let threads: Vec<_> = bodies
                .iter()
                .map(|body| scope.spawn(|| sign_in(&scenario, body)))
                .collect();
            let answers = threads.into_iter().map(|thread| thread.join().unwrap());
            answers.collect::<Vec<_>>()
        });
        let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(
            (statuses[19], &statuses[..19]),
            (201, &[200; 19][..]),
            "{proof:?}"
        );
        let of = |name: fn(&Value) -> &Value| {
            let mut all: Vec<_> = answers
                .iter()
                .map(|a| name(&a.json()).to_string())
                .collect();
            all.sort();
            all.dedup();
            all.len()
        };
        assert_eq!(of(|answer| &answer["member"]["id"]), 1);
        assert_eq!(of(|answer| &answer["session_id"]), 20);
        assert_eq!(members(&scenario), before + 1);
        assert_eq!(found(&scenario, proof.0, "twin").len(), 1);
    }
}

#[test]
fn an_access_token_of_another_app_is_refused_whoever_it_names() {
    let scenario = Scenario::start();
    for provider in ["kakao", "naver", "facebook"] {
        let wish = json!({"sub": "4711", "aud": "999"});
        let token = &issue(&scenario, provider, &wish)["access_token"];
        let body = json!({"provider": provider, "access_token": token, "device": phone()});
        refused(&sign_in(&scenario, &body), 401, "token_audience", provider);
    }
    assert_eq!(kept(&scenario), Vec::<Value>::new());
}

#[test]
fn an_access_token_that_the_provider_did_not_give_is_refused() {
    let scenario = Scenario::start();
    for provider in ["kakao", "naver", "facebook"] {
        let others = issue(&scenario, "google", &json!({"sub": "4711"}));
        let others = others["access_token"].as_str().unwrap();
        let long = "x".repeat(4_096);
        let texts = [
            "",
            "no-token",
            others,
            "a b",
            "a\r\nx: y",
            "토큰",
            "\u{0}",
            "../../me",
            "a?b=c&d#e",
            &long,
        ];
        for token in texts {
            let body = json!({"provider": provider, "access_token": token, "device": phone()});
            refused(
                &sign_in(&scenario, &body),
                401,
                "token_invalid",
                &format!("{provider}: {token:?}"),
            );
        }
    }
    assert_eq!(kept(&scenario), Vec::<Value>::new());
}
