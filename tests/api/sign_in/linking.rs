//! What proves a sign-in gives a member another identity, and what proves none gives none.

use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{
    scenario::Scenario,
    sign_in::visitor::{
        GUEST, PROOFS, SIGNING, answering, challenge, enter, good, issue, kept, phone, refused,
    },
};

fn guest(scenario: &Scenario) -> Value {
    let joined = scenario.post(GUEST, &json!({"device": phone()}));
    assert_eq!(joined.status, 201, "{}", joined.text());
    joined.json()
}

fn link(scenario: &Scenario, member: &Value, body: &Value) -> Response {
    let token = member["access_token"].as_str().unwrap();
    let request = Request::new("POST", "/v1/me/identities").bearer(token);
    scenario.send(&request.json(body))
}

#[test]
fn whatever_proves_a_sign_in_gives_a_guest_an_identity_to_come_back_with() {
    let scenario = Scenario::start();
    for (nth, proof) in PROOFS.into_iter().enumerate() {
        let (guest, subject) = (guest(&scenario), format!("{}", 1_000 + nth));
        let mut body = good(&scenario, proof, &subject);
        if proof.0 == "apple" {
            // The sandbox takes the user's name for their code.
            body["authorization_code"] = json!(subject);
        }
        let linked = link(&scenario, &guest, &body);
        assert_eq!(linked.status, 201, "{proof:?}: {}", linked.text());
        assert_eq!(linked.header("cache-control"), Some("no-store"));
        let back = enter(&scenario, &good(&scenario, proof, &subject));
        assert_eq!(back["created"], false, "{proof:?}");
        assert_eq!(back["member"]["id"], guest["member"]["id"], "{proof:?}");
    }
}

#[test]
fn what_proves_no_sign_in_links_nothing() {
    let scenario = Scenario::start();
    let member = guest(&scenario);
    for (provider, ..) in SIGNING {
        let challenge = challenge(&scenario);
        let before = kept(&scenario);
        for (wish, code) in [
            (json!({"aud": "another"}), "token_audience"),
            (
                json!({"claims": {"iss": "https://evil.example"}}),
                "token_issuer",
            ),
            (
                json!({"claims": {"exp": 1_000, "iat": 900}}),
                "token_expired",
            ),
            (json!({"nonce": "another"}), "token_nonce"),
            (json!({"header": {"crit": ["exp"]}}), "token_invalid"),
            (json!({"header": {"alg": "none"}}), "token_invalid"),
        ] {
            let body = answering(&scenario, provider, &challenge, &wish);
            refused(
                &link(&scenario, &member, &body),
                401,
                code,
                &format!("{provider}: {wish}"),
            );
        }
        let tokens = issue(&scenario, provider, &json!({"sub": "4711"}));
        let bare = json!({"provider": provider, "id_token": tokens["id_token"]});
        refused(
            &link(&scenario, &member, &bare),
            401,
            "token_nonce",
            provider,
        );
        let oversized = json!({
            "provider": provider, "challenge_id": challenge["challenge_id"],
            "id_token": format!("a.b.{}", "A".repeat(20_000)),
        });
        refused(
            &link(&scenario, &member, &oversized),
            401,
            "token_invalid",
            provider,
        );
        assert_eq!(kept(&scenario), before, "{provider}");
    }
    for provider in ["kakao", "naver", "facebook"] {
        let before = kept(&scenario);
        let token =
            &issue(&scenario, provider, &json!({"sub": "4711", "aud": "999"}))["access_token"];
        let body = json!({"provider": provider, "access_token": token});
        refused(
            &link(&scenario, &member, &body),
            401,
            "token_audience",
            provider,
        );
        assert_eq!(kept(&scenario), before, "{provider}");
    }
}

#[test]
fn a_challenge_that_signed_somebody_in_links_nothing_and_the_other_way_round() {
    let scenario = Scenario::start();
    let member = guest(&scenario);
    let used = good(&scenario, ("google", "id_token"), "4711");
    enter(&scenario, &used);
    refused(
        &link(&scenario, &member, &used),
        401,
        "challenge_used",
        "signed in with",
    );
    let linked = good(&scenario, ("line", "id_token"), "4712");
    assert_eq!(link(&scenario, &member, &linked).status, 201);
    let again = scenario.post("/v1/auth/sign-in", &linked);
    refused(&again, 401, "challenge_used", "linked with");
}
