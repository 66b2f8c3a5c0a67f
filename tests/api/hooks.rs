//! What providers tell of accounts, and that nobody else can.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::http1::{self, Request, Response};

use crate::{
    leavers::{Leaver, sandbox, stack, tokens},
    scenario::{Scenario, eventually},
};

const APPLE: &str = "/hooks/v1/apple/account";
const KAKAO: &str = "/hooks/v1/kakao/account";

/// Somebody who lost access has lost it everywhere within this time.
const REVOKED_WITHIN: Duration = Duration::from_secs(10);

/// What Apple would post of a user.
fn notification(scenario: &Scenario, sub: &str, kind: &str) -> Value {
    let event = json!({"sub": sub, "type": kind});
    sandbox(scenario, "POST", "/apple/notify", &event)
}

fn me(scenario: &Scenario, token: &str) -> Response {
    scenario.send(&Request::get("/v1/me").bearer(token))
}

fn status(scenario: &Scenario, leaver: &Leaver) -> Value {
    let answer = me(scenario, &leaver.token);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["status"].clone()
}

/// A token of the same guest's next session.
fn again(scenario: &Scenario, leaver: &Leaver) -> String {
    let body = json!({
        "device": {"id": leaver.devices[0], "platform": "ios"},
        "guest_id": leaver.guest["guest_id"], "guest_secret": leaver.guest["guest_secret"],
    });
    let signed = scenario.post("/v1/auth/guest", &body);
    assert_eq!(signed.status, 200, "{}", signed.text());
    signed.json()["access_token"].as_str().unwrap().to_owned()
}

/// A call that does not read the member, only whether their token was revoked.
fn device_call(scenario: &Scenario, leaver: &Leaver, token: &str) -> Response {
    let target = format!("/v1/devices/{}/content-config", leaver.devices[0]);
    scenario.send(&Request::get(&target).bearer(token))
}

fn assert_code(answer: &Response, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (status, Some(code)),
        "{}",
        answer.text()
    );
}

#[test]
fn who_takes_their_consent_back_at_apple_is_signed_out_everywhere_and_once() {
    let scenario = stack(30);
    let leaver = Leaver::arrive(&scenario, 1);
    assert_eq!(device_call(&scenario, &leaver, &leaver.token).status, 200);
    let told = notification(&scenario, &leaver.subjects["apple"], "consent-revoked");
    let revoked = scenario.post(APPLE, &told);
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    let since = Instant::now();
    assert_code(&me(&scenario, &leaver.token), 401, "token_invalid");
    let refresh = json!({"refresh_token": leaver.guest["refresh_token"]});
    assert_eq!(scenario.post("/v1/auth/refresh", &refresh).status, 401);
    eventually("the access token is good for nothing", || {
        let answer = device_call(&scenario, &leaver, &leaver.token);
        (answer.status == 401).then_some(())
    });
    assert!(since.elapsed() < REVOKED_WITHIN, "{:?}", since.elapsed());

    // Whoever signs in again is not signed out by the same notification.
    let token = again(&scenario, &leaver);
    for _ in 0..2 {
        assert_eq!(scenario.post(APPLE, &told).status, 200);
    }
    let answer = me(&scenario, &token);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["status"], "active");
    assert_eq!(device_call(&scenario, &leaver, &token).status, 200);
}

#[test]
fn an_account_that_apple_deleted_is_withdrawn_by_either_spelling_and_once() {
    let scenario = stack(30);
    for (nth, kind) in ["account-delete", "account-deleted"]
        .into_iter()
        .enumerate()
    {
        let leaver = Leaver::arrive(&scenario, nth);
        let told = notification(&scenario, &leaver.subjects["apple"], kind);
        assert_eq!(scenario.post(APPLE, &told).status, 200);
        assert_eq!(status(&scenario, &leaver), "withdrawal_pending", "{kind}");
        let purge_at = me(&scenario, &leaver.token).json()["purge_at"].clone();
        assert_eq!(scenario.post(APPLE, &told).status, 200);
        let still = me(&scenario, &leaver.token).json()["purge_at"].clone();
        assert_eq!(still, purge_at, "a replay does not put it off");

        let stay = leaver.call(&scenario, "DELETE", "/v1/me/withdrawal", &json!({}));
        assert_eq!(stay.status, 204, "{}", stay.text());
        assert_eq!(scenario.post(APPLE, &told).status, 200);
        assert_eq!(status(&scenario, &leaver), "active", "who came back stays");
    }
}

#[test]
fn apple_may_tell_of_whom_and_what_we_do_not_know() {
    let scenario = stack(30);
    let leaver = Leaver::arrive(&scenario, 1);
    let sub = &leaver.subjects["apple"];
    for (sub, kind) in [
        ("apple.user.nobody", "account-delete"),
        ("apple.user.nobody", "consent-revoked"),
        (sub, "email-disabled"),
        (sub, "email-enabled"),
        (sub, "something-new"),
    ] {
        let told = scenario.post(APPLE, &notification(&scenario, sub, kind));
        assert_eq!(told.status, 200, "{kind}: {}", told.text());
    }
    assert_eq!(status(&scenario, &leaver), "active");
}

#[test]
fn what_apple_did_not_sign_for_us_changes_nothing() {
    let scenario = stack(30);
    let leaver = Leaver::arrive(&scenario, 1);
    let sub = &leaver.subjects["apple"];
    let event = json!({"type": "account-delete", "sub": sub, "event_time": 1_700_000_000_000_u64});
    let event = event.to_string();
    // The sandbox signs whatever an id token is to say: here, what a notification says.
    let bent = |provider: &str, wish: Value| {
        let mut asked = json!({"sub": sub, "claims": {"events": event, "jti": "one"}});
        for (name, value) in wish.as_object().unwrap() {
            match name.as_str() {
                "claims" => {
                    for (claim, value) in value.as_object().unwrap() {
                        asked["claims"][claim] = value.clone();
                    }
                }
                _ => asked[name] = value.clone(),
            }
        }
        let issued = sandbox(&scenario, "POST", &format!("/{provider}/issue"), &asked);
        issued["id_token"].as_str().unwrap().to_owned()
    };
    let good = notification(&scenario, sub, "account-delete");
    let good = good["payload"].as_str().unwrap();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let altered = format!("{head}.{flipped}{}", &signature[1..]);
    let unsigned = format!("{head}.");
    for (why, payload, code) in [
        (
            "another app's",
            bent("apple", json!({"aud": "com.other.app"})),
            "token_audience",
        ),
        (
            "another issuer's",
            bent("apple", json!({"claims": {"iss": "https://evil.example"}})),
            "token_issuer",
        ),
        (
            "an expired one",
            bent(
                "apple",
                json!({"claims": {"iat": 1_700_000_000, "exp": 1_700_000_600}}),
            ),
            "token_expired",
        ),
        (
            "another provider's",
            bent(
                "google",
                json!({"aud": "com.example.app", "claims": {"iss": "https://appleid.apple.com"}}),
            ),
            "token_invalid",
        ),
        (
            "without an algorithm",
            bent("apple", json!({"header": {"alg": "none"}})),
            "token_invalid",
        ),
        (
            "with a key inside",
            bent("apple", json!({"header": {"jwk": {"kty": "RSA"}}})),
            "token_invalid",
        ),
        (
            "without an event",
            bent("apple", json!({"claims": {"events": null}})),
            "token_invalid",
        ),
        ("altered", altered, "token_invalid"),
        ("unsigned", unsigned, "token_invalid"),
        ("no token", "payload".to_owned(), "token_invalid"),
    ] {
        let refused = scenario.post(APPLE, &json!({"payload": payload}));
        assert_eq!(refused.status, 401, "{why}: {}", refused.text());
        assert_code(&refused, 401, code);
    }
    assert_eq!(scenario.post(APPLE, &json!({})).status, 422);
    assert_eq!(status(&scenario, &leaver), "active");
}

/// Our admin key at Kakao, which the stack made up.
fn admin_key(scenario: &Scenario) -> String {
    let request = Request::new("POST", "/")
        .header("x-amz-target", "secretsmanager.GetSecretValue")
        .json(&json!({"SecretId": "madang/dev/kakao-admin-key"}));
    let endpoint = &scenario.courtyard.description().secrets_endpoint;
    let answer = http1::send(endpoint, &request).unwrap().json();
    answer["SecretString"].as_str().unwrap().to_owned()
}

/// What Kakao posts, with this proof.
fn kakao(scenario: &Scenario, authorization: Option<&str>, form: &str) -> Response {
    let mut request = Request::new("POST", KAKAO)
        .header(
            "content-type",
            "application/x-www-form-urlencoded;charset=utf-8",
        )
        .body(form);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    scenario.send(&request)
}

#[test]
fn kakao_tells_of_accounts_by_our_admin_key() {
    let scenario = stack(30);
    let proof = format!("KakaoAK {}", admin_key(&scenario));
    let (unlinked, deleted) = (Leaver::arrive(&scenario, 1), Leaver::arrive(&scenario, 2));
    let form =
        |sub: &str, kind: &str| format!("app_id=1000&user_id={sub}&referrer_type={kind}&extra=1");

    let told = form(&unlinked.subjects["kakao"], "UNLINK_FROM_APPS");
    let answer = kakao(&scenario, Some(&proof), &told);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_code(&me(&scenario, &unlinked.token), 401, "token_invalid");

    let told = form(&deleted.subjects["kakao"], "ACCOUNT_DELETE");
    for _ in 0..2 {
        assert_eq!(kakao(&scenario, Some(&proof), &told).status, 200);
        assert_eq!(status(&scenario, &deleted), "withdrawal_pending");
    }

    let asked = Instant::now();
    let nobody = kakao(
        &scenario,
        Some(&proof),
        &form("1234567", "UNLINK_FROM_APPS"),
    );
    assert_eq!(nobody.status, 200, "{}", nobody.text());
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
}

#[test]
fn what_kakao_did_not_send_changes_nothing() {
    let scenario = stack(30);
    let key = admin_key(&scenario);
    let proof = format!("KakaoAK {key}");
    let leaver = Leaver::arrive(&scenario, 1);
    let form = format!(
        "app_id=1000&user_id={}&referrer_type=ACCOUNT_DELETE",
        leaver.subjects["kakao"]
    );
    for authorization in [
        None,
        Some(""),
        Some("KakaoAK "),
        Some("KakaoAK 0123456789abcdef0123456789abcdef"),
        Some(&*format!("KakaoAK {key}0")),
        Some(&*format!("Bearer {key}")),
        Some(&*key),
    ] {
        let refused = kakao(&scenario, authorization, &form);
        assert_code(&refused, 401, "token_invalid");
    }
    let foreign = kakao(&scenario, Some(&proof), &form.replace("1000", "1001"));
    assert_code(&foreign, 401, "token_audience");
    for broken in ["", "app_id=1000", "user_id=1", "app_id=x&user_id=1"] {
        assert_eq!(
            kakao(&scenario, Some(&proof), broken).status,
            401,
            "{broken}"
        );
    }
    let document = Request::new("POST", KAKAO)
        .header("authorization", &proof)
        .json(&json!({"app_id": 1000, "user_id": leaver.subjects["kakao"]}));
    assert_eq!(scenario.send(&document).status, 415);
    assert_eq!(status(&scenario, &leaver), "active");
    // A token of the user's is no proof of the provider's.
    let token = tokens(&scenario, "kakao", &leaver.subjects["kakao"], None);
    let token = format!("Bearer {}", token["access_token"].as_str().unwrap());
    assert_code(&kakao(&scenario, Some(&token), &form), 401, "token_invalid");
}
