//! What providers tell of accounts, and that nobody else can.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::http1::{self, Request, Response};

use crate::{
    leavers::{Leaver, apple_proof, sandbox, stack, tokens},
    people::{Person, by, with_environment},
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
fn an_account_that_apple_deleted_withdraws_a_member_of_apple_alone_by_either_spelling_and_once() {
    let scenario = stack(30);
    for kind in ["account-delete", "account-deleted"] {
        let person = by(&scenario, "apple", &format!("apple.only.{kind}"));
        let told = notification(&scenario, &format!("apple.only.{kind}"), kind);
        assert_eq!(scenario.post(APPLE, &told).status, 200);
        let pending = person.get(&scenario, "/v1/me").json();
        assert_eq!(pending["status"], "withdrawal_pending", "{kind}");
        assert_eq!(scenario.post(APPLE, &told).status, 200);
        let still = person.get(&scenario, "/v1/me").json();
        assert_eq!(
            still["purge_at"], pending["purge_at"],
            "a replay does not put it off"
        );

        let stay = person.delete(&scenario, "/v1/me/withdrawal");
        assert_eq!(stay.status, 204, "{}", stay.text());
        assert_eq!(scenario.post(APPLE, &told).status, 200);
        let after = person.get(&scenario, "/v1/me").json();
        assert_eq!(after["status"], "active", "who came back stays");
    }
}

#[test]
fn an_account_that_apple_deleted_is_unlinked_from_a_member_with_other_identities() {
    let scenario = stack(30);
    let leaver = Leaver::arrive(&scenario, 1);
    let told = notification(&scenario, &leaver.subjects["apple"], "account-delete");
    for _ in 0..2 {
        assert_eq!(scenario.post(APPLE, &told).status, 200);
        let member = me(&scenario, &leaver.token).json();
        assert_eq!(member["status"], "active");
        assert_eq!(linked(&member), ["facebook", "guest", "kakao"]);
    }
    // Who links Apple again is not unlinked by the same notification.
    let proof = apple_proof(&scenario, &leaver.subjects["apple"]);
    let again = leaver.call(&scenario, "POST", "/v1/me/identities", &proof);
    assert_eq!(again.status, 201, "{}", again.text());
    assert_eq!(scenario.post(APPLE, &told).status, 200);
    let member = me(&scenario, &leaver.token).json();
    assert_eq!(linked(&member), ["apple", "facebook", "guest", "kakao"]);
}

/// What a member signs in with, by name.
fn linked(member: &Value) -> Vec<String> {
    let identities = member["identities"].as_array().unwrap().iter();
    let mut names: Vec<_> = identities
        .map(|identity| identity["provider"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
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

/// Kakao's notice of why a user was unlinked.
fn notice(scenario: &Scenario, sub: &str, why: &str) -> Response {
    let wish = json!({"sub": sub, "referrer_type": why});
    let notice = sandbox(scenario, "POST", "/kakao/unlink-notice", &wish);
    let proof = notice["authorization"].as_str();
    kakao(scenario, proof, notice["body"].as_str().unwrap())
}

#[test]
fn who_has_kakao_delete_everything_is_withdrawn_if_kakao_is_all_they_have() {
    let scenario = stack(30);
    for (sub, why) in [
        ("71", "UNLINK_FROM_APPS"),
        ("72", "ACCOUNT_DELETE"),
        ("73", "FORCED_ACCOUNT_DELETE"),
    ] {
        let person = by(&scenario, "kakao", sub);
        let mut purge_at = Value::Null;
        for nth in 0..2 {
            assert_eq!(notice(&scenario, sub, why).status, 200);
            let member = person.get(&scenario, "/v1/me").json();
            assert_eq!(member["status"], "withdrawal_pending", "{why}");
            assert!(nth == 0 || member["purge_at"] == purge_at, "{why}");
            purge_at = member["purge_at"].clone();
        }
        let stay = person.delete(&scenario, "/v1/me/withdrawal");
        assert_eq!(stay.status, 204, "{}", stay.text());
    }
    for (nth, why) in ["UNLINK_FROM_APPS", "ACCOUNT_DELETE"]
        .into_iter()
        .enumerate()
    {
        unlinks_one_of_many(&scenario, nth, why);
    }
}

/// A notice about a member with other identities takes Kakao from them, and nothing else.
fn unlinks_one_of_many(scenario: &Scenario, nth: usize, why: &str) {
    let leaver = Leaver::arrive(scenario, nth);
    let sent = notice(scenario, &leaver.subjects["kakao"], why);
    assert_eq!(sent.status, 200, "{why}");
    let member = me(scenario, &leaver.token).json();
    assert_eq!(member["status"], "active", "{why}");
    assert_eq!(linked(&member), ["apple", "facebook", "guest"], "{why}");
}

#[test]
fn a_notice_that_kakao_sends_again_leaves_what_was_linked_since() {
    let scenario = stack(30);
    let again = |leaver: &Leaver| {
        let token = tokens(&scenario, "kakao", &leaver.subjects["kakao"], None);
        let proof = json!({"provider": "kakao", "access_token": token["access_token"]});
        let linked = leaver.call(&scenario, "POST", "/v1/me/identities", &proof);
        assert_eq!(linked.status, 201, "{}", linked.text());
    };
    let all = ["apple", "facebook", "guest", "kakao"];
    for (nth, by_the_member) in [false, true].into_iter().enumerate() {
        let leaver = Leaver::arrive(&scenario, nth);
        let sub = &leaver.subjects["kakao"];
        if by_the_member {
            let gone = leaver.call(&scenario, "DELETE", "/v1/me/identities/kakao", &Value::Null);
            assert_eq!(gone.status, 204, "{}", gone.text());
        }
        assert_eq!(notice(&scenario, sub, "UNLINK_FROM_APPS").status, 200);
        let member = me(&scenario, &leaver.token).json();
        assert_eq!(linked(&member), ["apple", "facebook", "guest"]);
        again(&leaver);
        assert_eq!(notice(&scenario, sub, "UNLINK_FROM_APPS").status, 200);
        let member = me(&scenario, &leaver.token).json();
        assert_eq!(linked(&member), all, "by the member: {by_the_member}");
    }
}

#[test]
fn an_event_from_before_a_link_neither_unlinks_nor_signs_out() {
    const PURGED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-purged";
    const REVOKED: &str = "https://schemas.openid.net/secevent/risc/event-type/tokens-revoked";
    const UNLINKED: &str = "https://schemas.kakao.com/events/oauth/user-unlinked";
    let scenario = stack(30);
    let leaver = Leaver::arrive(&scenario, 1);
    let alone = by(&scenario, "kakao", "471147");
    let early = kit::Clock::system().now().as_seconds() - 1_200;
    for uri in [PURGED, REVOKED, UNLINKED] {
        for (sub, times) in [
            (&*leaver.subjects["kakao"], json!({"toe": early})),
            ("471147", json!({"toe": early})),
            ("471147", json!({"toe": null, "iat": early})),
        ] {
            let mut claims = times;
            claims["jti"] = format!("late-{uri}-{sub}-{claims}").into();
            let token = event_about(&scenario, sub, uri, claims);
            assert_eq!(security_event(&scenario, &token).status, 202, "{uri}");
        }
        let member = me(&scenario, &leaver.token).json();
        assert_eq!(
            linked(&member),
            ["apple", "facebook", "guest", "kakao"],
            "{uri}"
        );
        let member = alone.get(&scenario, "/v1/me");
        assert_eq!(member.status, 200, "{uri}: {}", member.text());
        assert_eq!(member.json()["status"], "active", "{uri}");
    }
    // One of now does.
    let token = event_about(&scenario, "471147", PURGED, json!({}));
    assert_eq!(security_event(&scenario, &token).status, 202);
    let member = alone.get(&scenario, "/v1/me").json();
    assert_eq!(member["status"], "withdrawal_pending");
}

#[test]
fn what_kakao_unlinks_itself_never_deletes_a_member() {
    let scenario = stack(30);
    for (nth, why) in ["UNLINK_FROM_ADMIN", "INCOMPLETE_SIGN_UP"]
        .into_iter()
        .enumerate()
    {
        unlinks_one_of_many(&scenario, nth, why);
        // The only identity stays, and must be proved anew.
        let sub = format!("8{nth}");
        let person = by(&scenario, "kakao", &sub);
        assert_eq!(notice(&scenario, &sub, why).status, 200);
        assert_code(&me(&scenario, &person.access), 401, "token_invalid");
        let again = by(&scenario, "kakao", &sub);
        assert_eq!(
            again.id, person.id,
            "{why}: they come back to their account"
        );
        let member = again.get(&scenario, "/v1/me").json();
        assert_eq!(member["status"], "active", "{why}");
    }
}

#[test]
fn no_provider_frees_an_identity_of_a_banned_member() {
    let scenario = stack(30);
    let leaver = Leaver::arrive(&scenario, 1);
    let ban = json!({"reason": "cheating", "message": {"default": "You are banned."}});
    let target = format!("/admin/v1/members/{}/ban", leaver.member);
    assert_eq!(scenario.service_post(&target, &ban).status, 200);
    let sub = &leaver.subjects["kakao"];
    for why in ["UNLINK_FROM_APPS", "ACCOUNT_DELETE", "UNLINK_FROM_ADMIN"] {
        assert_eq!(notice(&scenario, sub, why).status, 200);
    }
    let told = notification(&scenario, &leaver.subjects["apple"], "account-delete");
    assert_eq!(scenario.post(APPLE, &told).status, 200);
    for (provider, proof) in [
        (
            "kakao",
            json!({"access_token": tokens(&scenario, "kakao", sub, None)["access_token"]}),
        ),
        ("apple", apple_proof(&scenario, &leaver.subjects["apple"])),
    ] {
        let mut body = proof;
        body["provider"] = provider.into();
        body["device"] = json!({"id": "new-phone-example-01", "platform": "ios"});
        let refused = scenario.post("/v1/auth/sign-in", &body);
        assert_code(&refused, 403, "member_banned");
    }
}

/// How somebody has a provider tell us to delete everything.
type Deletion = fn(&Scenario, &Leaver) -> Response;

#[test]
fn who_has_everything_deleted_while_banned_is_withdrawn_and_the_ban_stays() {
    let scenario = stack(0);
    let delete: [(&str, Deletion); 3] = [
        ("facebook", |scenario, leaver| {
            let form = deletion_form(scenario, &leaver.subjects["facebook"], json!({}));
            let answer = data_deletion(scenario, &form);
            let page = state_page(scenario, &answer);
            assert!(page.contains("The data is deleted"), "{page}");
            answer
        }),
        ("kakao", |scenario, leaver| {
            notice(scenario, &leaver.subjects["kakao"], "UNLINK_FROM_APPS")
        }),
        ("apple", |scenario, leaver| {
            let told = notification(scenario, &leaver.subjects["apple"], "account-delete");
            scenario.post(APPLE, &told)
        }),
    ];
    for (nth, (provider, delete)) in delete.into_iter().enumerate() {
        let leaver = Leaver::arrive(&scenario, nth);
        let ban = json!({"reason": "bots", "message": {"default": "Not you."}});
        let target = format!("/admin/v1/members/{}/ban", leaver.member);
        assert_eq!(scenario.service_post(&target, &ban).status, 200);
        for _ in 0..2 {
            let answer = delete(&scenario, &leaver);
            assert_eq!(answer.status, 200, "{provider}: {}", answer.text());
        }
        let view = format!("/admin/v1/members/{}", leaver.member);
        let view = scenario.service_get(&view).json();
        assert_eq!(view["member"]["status"], "withdrawn", "{provider}: {view}");
        scenario
            .courtyard
            .invoke("withdrawal-purge", b"{}")
            .unwrap();
        let sub = &leaver.subjects["kakao"];
        let body = json!({
            "provider": "kakao",
            "access_token": tokens(&scenario, "kakao", sub, None)["access_token"],
            "device": {"id": "new-phone-example-01", "platform": "ios"},
        });
        let refused = scenario.post("/v1/auth/sign-in", &body);
        assert_code(&refused, 403, "member_banned");
        assert_eq!(refused.json()["message"], "Not you.", "{provider}");
    }
}

#[test]
fn settings_make_a_reaction_gentler() {
    let scenario = with_environment(&[
        ("KAKAO_ON_UNLINK_FROM_APPS", "unlink"),
        ("KAKAO_ON_ACCOUNT_DELETE", "sign_out"),
        ("KAKAO_ON_UNLINK_FROM_ADMIN", "ignore"),
    ]);
    let leaver = Leaver::arrive(&scenario, 1);
    let sub = &leaver.subjects["kakao"];
    let all = ["apple", "facebook", "guest", "kakao"];
    assert_eq!(notice(&scenario, sub, "UNLINK_FROM_ADMIN").status, 200);
    assert_eq!(linked(&me(&scenario, &leaver.token).json()), all);
    assert_eq!(notice(&scenario, sub, "ACCOUNT_DELETE").status, 200);
    assert_code(&me(&scenario, &leaver.token), 401, "token_invalid");
    let token = again(&scenario, &leaver);
    assert_eq!(linked(&me(&scenario, &token).json()), all);
    assert_eq!(notice(&scenario, sub, "UNLINK_FROM_APPS").status, 200);
    let member = me(&scenario, &token).json();
    assert_eq!(
        (linked(&member).len(), &member["status"]),
        (3, &json!("active"))
    );

    let alone = by(&scenario, "kakao", "9");
    assert_eq!(notice(&scenario, "9", "UNLINK_FROM_APPS").status, 200);
    assert_code(&me(&scenario, &alone.access), 401, "token_invalid");
    assert_eq!(by(&scenario, "kakao", "9").id, alone.id);
}

#[test]
fn kakao_is_answered_in_time_about_users_whom_nobody_knows() {
    let scenario = stack(30);
    let asked = Instant::now();
    let nobody = notice(&scenario, "1234567", "UNLINK_FROM_APPS");
    assert_eq!(nobody.status, 200, "{}", nobody.text());
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
}

/// Posts a security event token as Kakao does.
fn security_event(scenario: &Scenario, token: &str) -> Response {
    let request = Request::new("POST", KAKAO)
        .header("content-type", "application/secevent+jwt")
        .body(token);
    scenario.send(&request)
}

fn event_about(scenario: &Scenario, sub: &str, uri: &str, claims: Value) -> String {
    let wish = json!({"sub": sub, "type": uri, "claims": claims});
    let made = sandbox(scenario, "POST", "/kakao/notify", &wish);
    made["body"].as_str().unwrap().to_owned()
}

#[test]
fn kakaos_security_events_act_once() {
    const REVOKED: &str = "https://schemas.openid.net/secevent/risc/event-type/sessions-revoked";
    const UNLINKED: &str = "https://schemas.kakao.com/events/oauth/user-unlinked";
    const CHANGED: &str = "https://schemas.kakao.com/events/kakao/user-profile-changed";
    let scenario = stack(30);
    let leaver = Leaver::arrive(&scenario, 1);
    let sub = &leaver.subjects["kakao"];
    let changed = event_about(&scenario, sub, CHANGED, json!({}));
    assert_eq!(security_event(&scenario, &changed).status, 202);
    assert_eq!(status(&scenario, &leaver), "active");

    let revoked = event_about(&scenario, sub, REVOKED, json!({}));
    let answer = security_event(&scenario, &revoked);
    assert_eq!((answer.status, &*answer.text()), (202, ""));
    assert_code(&me(&scenario, &leaver.token), 401, "token_invalid");
    let token = again(&scenario, &leaver);
    for _ in 0..2 {
        assert_eq!(security_event(&scenario, &revoked).status, 202);
    }
    assert_eq!(me(&scenario, &token).status, 200, "a replay");

    let unlinked = event_about(&scenario, sub, UNLINKED, json!({}));
    for _ in 0..2 {
        assert_eq!(security_event(&scenario, &unlinked).status, 202);
        let member = me(&scenario, &token).json();
        assert_eq!(linked(&member), ["apple", "facebook", "guest"]);
    }
    let nobody = event_about(&scenario, "1234567", REVOKED, json!({}));
    assert_eq!(security_event(&scenario, &nobody).status, 202);

    for (claims, code) in [
        (json!({"aud": "another"}), "token_audience"),
        (json!({"iss": "https://evil.example"}), "token_issuer"),
        (json!({"iat": 1_700_000_000}), "token_expired"),
        (json!({"events": null}), "token_invalid"),
        (json!({"jti": null}), "token_invalid"),
    ] {
        let token = event_about(&scenario, sub, REVOKED, claims);
        assert_code(&security_event(&scenario, &token), 401, code);
    }
    let id_token = tokens(&scenario, "kakao", sub, None)["id_token"].clone();
    let id_token = id_token.as_str().unwrap();
    assert_code(&security_event(&scenario, id_token), 401, "token_invalid");
    assert_code(&security_event(&scenario, "a.b.c"), 401, "token_invalid");
    assert_code(&security_event(&scenario, ""), 401, "token_invalid");
    assert_eq!(me(&scenario, &token).status, 200);
}

const DATA_DELETION: &str = "/hooks/v1/facebook/data-deletion";

fn data_deletion(scenario: &Scenario, form: &str) -> Response {
    let request = Request::new("POST", DATA_DELETION)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    scenario.send(&request)
}

/// Facebook's request for a user.
fn deletion_form(scenario: &Scenario, sub: &str, claims: Value) -> String {
    let wish = json!({"sub": sub, "claims": claims});
    let made = sandbox(scenario, "POST", "/facebook/data-deletion", &wish);
    made["body"].as_str().unwrap().to_owned()
}

/// The page that an answer names, in English.
fn state_page(scenario: &Scenario, answer: &Response) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    let (url, code) = (
        answer["url"].as_str().unwrap(),
        answer["confirmation_code"].as_str().unwrap(),
    );
    let base = &scenario.courtyard.description().base_url;
    let target = url.strip_prefix(&**base).unwrap();
    let page = scenario.get(target);
    assert_eq!(page.status, 200, "{}", page.text());
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let html = page.text().to_owned();
    assert!(
        html.contains(code) && html.contains("Example App"),
        "{html}"
    );
    html
}

#[test]
fn facebooks_data_deletion_has_a_page_that_follows_it_to_the_end() {
    let scenario = stack(0);
    // With other identities Facebook is unlinked, and the rest stays.
    let leaver = Leaver::arrive(&scenario, 1);
    let form = deletion_form(&scenario, &leaver.subjects["facebook"], json!({}));
    let answer = data_deletion(&scenario, &form);
    assert!(state_page(&scenario, &answer).contains("The account stays"));
    let member = me(&scenario, &leaver.token).json();
    assert_eq!(linked(&member), ["apple", "guest", "kakao"]);
    let again = data_deletion(&scenario, &form);
    assert_eq!(again.json(), answer.json(), "the same request again");

    let nobody = deletion_form(&scenario, "123454321", json!({}));
    let nobody = data_deletion(&scenario, &nobody);
    assert!(state_page(&scenario, &nobody).contains("Nothing was stored"));

    // Who has nothing else is withdrawn, and purged once the grace is over.
    let scenario = stack(30);
    let alone = by_access_token(&scenario, "facebook", "55");
    let form = deletion_form(&scenario, "55", json!({}));
    let answer = data_deletion(&scenario, &form);
    assert!(state_page(&scenario, &answer).contains("is deleted on"));
    let member = alone.get(&scenario, "/v1/me").json();
    assert_eq!(member["status"], "withdrawal_pending");
    let stay = alone.delete(&scenario, "/v1/me/withdrawal");
    assert_eq!(stay.status, 204, "{}", stay.text());
    assert!(state_page(&scenario, &answer).contains("cancelled"));
    assert_eq!(data_deletion(&scenario, &form).json(), answer.json());
    let member = alone.get(&scenario, "/v1/me").json();
    assert_eq!(member["status"], "active", "a replay changes nothing");

    let scenario = stack(0);
    by_access_token(&scenario, "facebook", "55");
    let form = deletion_form(&scenario, "55", json!({}));
    let answer = data_deletion(&scenario, &form);
    scenario
        .courtyard
        .invoke("withdrawal-purge", b"{}")
        .unwrap();
    assert!(state_page(&scenario, &answer).contains("The data is deleted"));
}

/// A member who signed in by an access token.
fn by_access_token(scenario: &Scenario, provider: &str, sub: &str) -> Person {
    let issued = tokens(scenario, provider, sub, None);
    let body = json!({
        "provider": provider, "access_token": issued["access_token"],
        "device": {"id": format!("{sub}-phone-example-01"), "platform": "ios"},
    });
    let signed = scenario.post("/v1/auth/sign-in", &body);
    assert_eq!(signed.status, 201, "{}", signed.text());
    Person::of(&signed.json())
}

#[test]
fn what_facebook_did_not_sign_deletes_nothing() {
    let scenario = stack(30);
    let person = by_access_token(&scenario, "facebook", "55");
    let good = deletion_form(&scenario, "55", json!({}));
    let (head, payload) = good.split_once('.').unwrap();
    let other = deletion_form(&scenario, "56", json!({}));
    let (_, others) = other.split_once('.').unwrap();
    for form in [
        format!("{head}.{others}"),
        format!("signed_request=.{payload}"),
        format!("signed_request={payload}"),
        "signed_request=".to_owned(),
        deletion_form(&scenario, "55", json!({"algorithm": "none"})),
        deletion_form(&scenario, "55", json!({"user_id": null})),
    ] {
        assert_code(&data_deletion(&scenario, &form), 401, "token_invalid");
    }
    assert_code(&data_deletion(&scenario, ""), 422, "validation_failed");
    assert_code(&data_deletion(&scenario, "x=1"), 422, "validation_failed");
    let document = scenario.post(DATA_DELETION, &json!({"signed_request": "a.b"}));
    assert_eq!(document.status, 415, "{}", document.text());
    let unknown = scenario.get("/withdrawal/requests/0123456789abcdef0123456789abcdef");
    assert_code(&unknown, 404, "not_found");
    let member = person.get(&scenario, "/v1/me").json();
    assert_eq!(member["status"], "active");
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
    for broken in [
        "",
        "app_id=1000",
        "user_id=1",
        "app_id=x&user_id=1",
        "a.b.c",
    ] {
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
