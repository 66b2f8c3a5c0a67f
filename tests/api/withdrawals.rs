//! Leaving without the app: the page that says how, and the call that does it.

use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{
    leavers::{Leaver, apple_proof, sandbox, stack, tokens},
    people::{by, with_environment},
    scenario::Scenario,
};

const PATH: &str = "/v1/withdrawals";

fn page(scenario: &Scenario, languages: Option<&str>) -> Response {
    let mut request = Request::get("/withdrawal");
    if let Some(languages) = languages {
        request = request.header("accept-language", languages);
    }
    let answer = scenario.send(&request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

fn status(scenario: &Scenario, leaver: &Leaver) -> Value {
    let answer = leaver.call(scenario, "GET", "/v1/me", &json!({}));
    answer.json()["status"].clone()
}

fn code(answer: &Response) -> (u16, Value) {
    (answer.status, answer.json()["code"].clone())
}

#[test]
fn the_page_says_how_to_leave_in_the_readers_language_and_runs_nothing() {
    let scenario = stack(14);
    for (languages, language, words) in [
        (
            Some("ko-KR,ko;q=0.9,en;q=0.8"),
            "ko",
            ["회원 탈퇴", "14일", "5년"],
        ),
        (
            Some("en"),
            "en",
            ["Delete your account", "14 days", "5 years"],
        ),
        (Some("ja, ko;q=0.5"), "ko", ["회원 탈퇴", "14일", "5년"]),
        (None, "en", ["Delete your account", "14 days", "5 years"]),
    ] {
        let answer = page(&scenario, languages);
        let html = answer.text();
        let always = [
            "mailto:privacy@example.com",
            "Example App",
            "Example Developer",
        ];
        for word in words.into_iter().chain(always) {
            assert!(html.contains(word), "{languages:?}: {word}");
        }
        assert_eq!(answer.header("content-language"), Some(language));
        assert_eq!(answer.header("vary"), Some("accept-language"));
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(
            !policy.contains("unsafe") && !html.contains("<script"),
            "{policy}"
        );
    }
}

#[test]
fn the_page_names_app_and_developer_as_the_stores_do() {
    let scenario = with_environment(&[
        ("APP_NAME", "마당 <Courtyard>"),
        ("DEVELOPER_NAME", "Kim & Lee"),
    ]);
    for languages in [Some("ko"), Some("en")] {
        let answer = page(&scenario, languages);
        let html = answer.text();
        for name in ["마당 &lt;Courtyard&gt;", "Kim &amp; Lee"] {
            assert!(html.contains(name), "{languages:?}: {name}");
        }
        assert!(!html.contains("Example"), "{html}");
    }
}

#[test]
fn who_proves_who_they_are_is_withdrawn_without_signing_in() {
    let scenario = stack(30);
    let leaver = Leaver::arrive(&scenario, 1);
    let proof = apple_proof(&scenario, &leaver.subjects["apple"]);
    let asked = scenario.post(PATH, &proof);
    assert_eq!(asked.status, 202, "{}", asked.text());
    assert_eq!(asked.header("cache-control"), Some("no-store"));
    let told = asked.json();
    assert_eq!(told["status"], "withdrawal_pending");
    assert_eq!(status(&scenario, &leaver), "withdrawal_pending");

    // Other proofs find what was begun; the same one is used up.
    for provider in ["kakao", "facebook"] {
        let issued = tokens(&scenario, provider, &leaver.subjects[provider], None);
        let other = json!({"provider": provider, "access_token": issued["access_token"]});
        let again = scenario.post(PATH, &other);
        assert_eq!((again.status, &again.json()), (202, &told), "{provider}");
    }
    assert_eq!(
        code(&scenario.post(PATH, &proof)),
        (401, "challenge_used".into())
    );
    let stay = leaver.call(&scenario, "DELETE", "/v1/me/withdrawal", &json!({}));
    assert_eq!(stay.status, 204, "{}", stay.text());
    assert_eq!(
        code(&scenario.post(PATH, &proof)),
        (401, "challenge_used".into())
    );
    assert_eq!(status(&scenario, &leaver), "active", "who came back stays");
}

#[test]
fn an_id_token_that_is_too_large_is_a_bad_token_on_every_route_that_takes_one() {
    let scenario = stack(30);
    let person = by(&scenario, "google", "g-501");
    for length in [16_385, 40_000] {
        let proof = || {
            let mut proof = apple_proof(&scenario, "apple-501");
            proof["id_token"] = "x".repeat(length).into();
            proof
        };
        let mut sign_in = proof();
        sign_in["device"] = json!({"id": "phone-1-example-0501", "platform": "ios"});
        for answer in [
            scenario.post(PATH, &proof()),
            scenario.post("/v1/auth/sign-in", &sign_in),
            person.post(&scenario, "/v1/me/identities", &proof()),
        ] {
            assert_eq!(code(&answer), (401, "token_invalid".into()), "{length}");
        }
    }
}

#[test]
fn a_guest_is_withdrawn_by_their_secret_and_by_nothing_less() {
    let scenario = stack(30);
    let leaver = Leaver::guest(&scenario, "phone-1-example-0001");
    let (id, secret) = (&leaver.guest["guest_id"], &leaver.guest["guest_secret"]);
    for (body, status, refusal) in [
        (json!({"guest_id": id}), 422, "validation_failed"),
        (json!({"guest_secret": secret}), 422, "validation_failed"),
        (
            json!({"guest_id": id, "guest_secret": "x"}),
            401,
            "token_invalid",
        ),
        (
            json!({"guest_id": "nobody", "guest_secret": secret}),
            401,
            "token_invalid",
        ),
        (
            json!({"guest_id": id, "guest_secret": secret, "device": {}}),
            422,
            "validation_failed",
        ),
    ] {
        let mut body = body;
        body["provider"] = "guest".into();
        assert_eq!(
            code(&scenario.post(PATH, &body)),
            (status, refusal.into()),
            "{body}"
        );
    }
    assert_eq!(status(&scenario, &leaver), "active");
    let proof = json!({"provider": "guest", "guest_id": id, "guest_secret": secret});
    let asked = scenario.post(PATH, &proof);
    assert_eq!(asked.status, 202, "{}", asked.text());
    assert_eq!(status(&scenario, &leaver), "withdrawal_pending");
}

#[test]
fn only_who_proved_to_be_somebody_is_told_that_they_are_no_member() {
    let scenario = stack(30);
    let leaver = Leaver::arrive(&scenario, 1);
    let nobody = scenario.post(PATH, &apple_proof(&scenario, "apple.user.nobody"));
    assert_eq!(code(&nobody), (404, "not_found".into()));
    let mut unproven = apple_proof(&scenario, &leaver.subjects["apple"]);
    unproven["challenge_id"] = apple_proof(&scenario, "other")["challenge_id"].clone();
    assert_eq!(
        code(&scenario.post(PATH, &unproven)),
        (401, "token_nonce".into())
    );
    let foreign = sandbox(
        &scenario,
        "POST",
        "/kakao/issue",
        &json!({"sub": leaver.subjects["kakao"], "aud": "4000"}),
    );
    let foreign = json!({"provider": "kakao", "access_token": foreign["access_token"]});
    assert_eq!(
        code(&scenario.post(PATH, &foreign)),
        (401, "token_audience".into())
    );
    let bare = json!({"provider": "kakao"});
    assert_eq!(
        code(&scenario.post(PATH, &bare)),
        (422, "validation_failed".into())
    );
    assert_eq!(status(&scenario, &leaver), "active");
}

#[test]
fn a_banned_member_withdraws_here_too_and_stays_banned() {
    let scenario = stack(30);
    let leaver = Leaver::guest(&scenario, "phone-1-example-0001");
    let ban = json!({"reason": "cheating", "message": {"default": "You are banned."}});
    let target = format!("/admin/v1/members/{}/ban", leaver.member);
    let banned = scenario.service_post(&target, &ban);
    assert_eq!(banned.status, 200, "{}", banned.text());
    let proof = json!({
        "provider": "guest",
        "guest_id": leaver.guest["guest_id"], "guest_secret": leaver.guest["guest_secret"],
    });
    let asked = scenario.post(PATH, &proof);
    assert_eq!(asked.status, 202, "{}", asked.text());
    assert_eq!(asked.json()["status"], "withdrawal_pending");
    let me = leaver.call(&scenario, "GET", "/v1/me", &json!({}));
    assert_eq!(code(&me), (403, "member_banned".into()));
}
