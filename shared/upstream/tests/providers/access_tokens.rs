//! Access tokens: Kakao's, Naver's and Facebook's, which must have been made for our app.

use domain::identity::Provider;
use serde_json::{Value, json};
use upstream::{
    ProviderError,
    providers::{Identity, TokenFault},
};

use crate::{
    harness::{NOW, World, access, after, is_unavailable, token_fault},
    stand_in::Reply,
};

const TAKING: [Provider; 3] = [Provider::Kakao, Provider::Naver, Provider::Facebook];

/// Where each provider tells of a token, and where of its user.
fn paths(provider: Provider) -> (&'static str, &'static str) {
    match provider {
        Provider::Kakao => ("/kakao/v1/user/access_token_info", "/kakao/v2/user/me"),
        Provider::Naver => ("/naver/v1/nid/verify", "/naver/v1/nid/me"),
        _ => ("/facebook/debug_token", "/facebook/me"),
    }
}

/// What each says of a good token and of its user.
fn good(provider: Provider) -> (Value, Value) {
    match provider {
        Provider::Kakao => (
            json!({ "id": 42, "expires_in": 7199, "app_id": 123 }),
            json!({ "id": 42, "kakao_account": { "email": "a@example.com" } }),
        ),
        Provider::Naver => (
            json!({ "resultcode": "00", "message": "success", "response": { "client_id": "client" } }),
            json!({ "resultcode": "00", "message": "success", "response": { "id": "42", "email": "a@example.com" } }),
        ),
        _ => (
            json!({ "data": { "app_id": "client", "is_valid": true, "user_id": "42", "expires_at": NOW.as_seconds() + 60 } }),
            json!({ "id": "42" }),
        ),
    }
}

async fn told(
    world: &World,
    provider: Provider,
    (info, user): (Value, Value),
) -> Result<Identity, ProviderError> {
    let (info_path, user_path) = paths(provider);
    world.stand_in.set(info_path, Reply::ok(info));
    world.stand_in.set(user_path, Reply::ok(user));
    world.verify(provider, &access("access-token")).await
}

#[tokio::test]
async fn a_good_access_token_names_who_it_is() {
    let world = World::new().await;
    for provider in TAKING {
        let identity = told(&world, provider, good(provider)).await.unwrap();
        assert_eq!(
            (identity.provider, identity.subject.as_str()),
            (provider, "42")
        );
    }
    for provider in [Provider::Kakao, Provider::Naver] {
        let (info, user) = paths(provider);
        for path in [info, user] {
            let seen = world.stand_in.last(path);
            assert_eq!(seen.header("authorization"), Some("Bearer access-token"));
            assert!(!seen.query.contains("access-token"));
        }
    }
    let (info, user) = paths(Provider::Facebook);
    assert_eq!(
        world.stand_in.last(info).query,
        "input_token=access-token&access_token=client%7Cfacebook-app-secret"
    );
    // HMAC-SHA256 of the token by the app's secret.
    let proof = "06f9d97837248390a7962de9387859651b19faf3a2b6d94b04faa00e8633b56d";
    assert_eq!(
        world.stand_in.last(user).query,
        format!("fields=id&access_token=access-token&appsecret_proof={proof}")
    );
}

#[tokio::test]
async fn a_token_of_another_app_is_told_so_and_its_user_is_not_asked_for() {
    let world = World::new().await;
    let kakao = json!({ "id": 42, "app_id": 124 });
    let naver = |response: Value| json!({ "resultcode": "00", "response": response });
    let facebook = |data: Value| json!({ "data": data });
    for (provider, info) in [
        (Provider::Kakao, kakao),
        (Provider::Naver, naver(json!({ "client_id": "another" }))),
        (Provider::Naver, naver(json!({}))),
        (
            Provider::Facebook,
            facebook(json!({ "app_id": "another", "is_valid": true, "user_id": "42" })),
        ),
        (
            Provider::Facebook,
            facebook(
                json!({ "is_valid": false, "error": { "code": 100, "message": "did not match" } }),
            ),
        ),
    ] {
        let (_, user) = good(provider);
        let told = told(&world, provider, (info, user)).await;
        assert_eq!(told, token_fault(TokenFault::Audience), "{provider}");
        assert_eq!(world.stand_in.calls(paths(provider).1), 0, "{provider}");
    }
}

#[tokio::test]
async fn a_token_that_the_provider_does_not_believe_is_invalid_or_expired() {
    let world = World::new().await;
    let facebook = |data: Value| json!({ "data": data });
    let over = NOW.as_seconds();
    for (provider, info, user, fault) in [
        (
            Provider::Kakao,
            None,
            Some(json!({ "id": 43 })),
            TokenFault::Invalid,
        ),
        (
            Provider::Naver,
            Some(json!({ "resultcode": "024", "message": "Authentication failed" })),
            None,
            TokenFault::Invalid,
        ),
        (
            Provider::Naver,
            None,
            Some(json!({ "resultcode": "024", "response": { "id": "42" } })),
            TokenFault::Invalid,
        ),
        (
            Provider::Facebook,
            None,
            Some(json!({ "id": "43" })),
            TokenFault::Invalid,
        ),
        (
            Provider::Facebook,
            Some(facebook(
                json!({ "app_id": "client", "is_valid": false, "user_id": "42" }),
            )),
            None,
            TokenFault::Invalid,
        ),
        (
            Provider::Facebook,
            Some(facebook(json!({ "is_valid": true, "user_id": "42" }))),
            None,
            TokenFault::Invalid,
        ),
        (
            Provider::Facebook,
            Some(facebook(json!({ "app_id": "client", "is_valid": true }))),
            None,
            TokenFault::Invalid,
        ),
        (
            Provider::Facebook,
            Some(facebook(
                json!({ "app_id": "client", "is_valid": true, "user_id": "42", "expires_at": over }),
            )),
            None,
            TokenFault::Expired,
        ),
        (
            Provider::Facebook,
            Some(facebook(
                json!({ "app_id": "client", "is_valid": false, "error": { "code": 190, "subcode": 463 } }),
            )),
            None,
            TokenFault::Expired,
        ),
    ] {
        let (good_info, good_user) = good(provider);
        let (info, user) = (info.unwrap_or(good_info), user.unwrap_or(good_user));
        let told = told(&world, provider, (info.clone(), user)).await;
        assert_eq!(told, token_fault(fault), "{provider}: {info}");
    }
}

#[tokio::test]
async fn a_refusal_is_the_tokens_fault_and_a_failure_the_providers() {
    for provider in TAKING {
        let world = World::new().await;
        let (info, user) = paths(provider);
        let (good_info, good_user) = good(provider);
        for path in [info, user] {
            world.stand_in.set(info, Reply::ok(&good_info));
            world.stand_in.set(user, Reply::ok(&good_user));
            // Refusals, however many, do not keep anybody from being asked.
            for status in [400, 401, 403, 400, 401, 403, 400, 401] {
                world
                    .stand_in
                    .set(path, Reply::Say(status, "{}".to_owned()));
                let told = world.verify(provider, &access("token")).await;
                assert_eq!(
                    told,
                    token_fault(TokenFault::Invalid),
                    "{provider} {status}"
                );
            }
            for reply in [
                Reply::Say(500, String::new()),
                Reply::Say(429, String::new()),
                Reply::ok("<html>"),
                Reply::Hang,
            ] {
                world.stand_in.set(path, reply);
                assert!(is_unavailable(
                    &world.verify(provider, &access("token")).await
                ));
            }
            world.stand_in.set(path, Reply::Say(404, "{}".to_owned()));
            assert!(is_unavailable(
                &world.verify(provider, &access("token")).await
            ));
        }
    }
}

#[tokio::test]
async fn trouble_that_a_provider_tells_in_a_400_is_not_the_tokens_fault() {
    let world = World::new().await;
    for (provider, body) in [
        (
            Provider::Kakao,
            json!({ "msg": "internal error", "code": -1 }),
        ),
        (
            Provider::Facebook,
            json!({ "error": { "code": 2, "message": "temporary" } }),
        ),
        (
            Provider::Facebook,
            json!({ "error": { "code": 17, "message": "too often" } }),
        ),
    ] {
        world
            .stand_in
            .set(paths(provider).0, Reply::Say(400, body.to_string()));
        assert!(is_unavailable(
            &world.verify(provider, &access("token")).await
        ));
    }
    let expired = json!({ "error": { "code": 190, "error_subcode": 463 } });
    world.stand_in.set(
        paths(Provider::Facebook).0,
        Reply::Say(400, expired.to_string()),
    );
    let told = world.verify(Provider::Facebook, &access("token")).await;
    assert_eq!(told, token_fault(TokenFault::Expired));
}

#[tokio::test]
async fn what_can_be_no_token_is_sent_to_nobody() {
    let world = World::new().await;
    let long = "x".repeat(4_097);
    for provider in TAKING {
        for token in ["", "a b", "a\r\nx-header: b", "토큰", &long] {
            let told = world.verify(provider, &access(token)).await;
            assert_eq!(told, token_fault(TokenFault::Invalid), "{provider}");
        }
    }
    assert!(world.stand_in.seen().is_empty());
}

#[tokio::test]
async fn a_provider_that_fails_again_and_again_is_left_alone_and_asked_again_in_time() {
    let world = World::new().await;
    let (info, _) = paths(Provider::Naver);
    world.stand_in.set(info, Reply::Say(500, String::new()));
    for _ in 0..20 {
        assert!(is_unavailable(
            &world.verify(Provider::Naver, &access("token")).await
        ));
    }
    assert_eq!(
        world.stand_in.calls(info),
        10,
        "five questions of two tries"
    );
    let (good_info, good_user) = good(Provider::Naver);
    world.stand_in.set(info, Reply::ok(good_info));
    world
        .stand_in
        .set(paths(Provider::Naver).1, Reply::ok(good_user));
    let healed = world
        .verify_at(Provider::Naver, &access("token"), after(10))
        .await;
    assert!(healed.is_ok(), "{healed:?}");
    assert_eq!(world.stand_in.calls(info), 11);
}

#[tokio::test]
async fn without_its_secret_facebook_cannot_be_asked() {
    let world = World::new().await;
    let broken = Reply::Say(500, "{}".to_owned());
    world.stand_in.set("secret:facebook-secret", broken);
    let told = world.verify(Provider::Facebook, &access("token")).await;
    assert!(is_unavailable(&told));
    assert_eq!(world.stand_in.calls(paths(Provider::Facebook).0), 0);
}
