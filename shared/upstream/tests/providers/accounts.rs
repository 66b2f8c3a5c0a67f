//! What providers tell of accounts, and how we let go of them.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::{
    Instant,
    identity::{Provider, Subject},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use upstream::{
    ProviderError,
    providers::{AccountEvent, AccountEventKind, Grant, Identity, TokenFault, Unlink, Unlinked},
};

use crate::{
    harness::{NOW, World, claims_of, is_unavailable, providers, with},
    issuer::{Issuer, key_set},
    stand_in::{Reply, Seen},
};

fn apples_event(kind: &str) -> Value {
    let event = json!({
        "type": kind, "sub": "somebody", "event_time": 1_799_999_990, "email": "a@example.com",
    });
    json!({
        "iss": "https://appleid.apple.com",
        "aud": "com.example.app",
        "iat": NOW.as_seconds() - 5,
        "jti": "event-1",
        "events": event.to_string(),
    })
}

#[tokio::test]
async fn apples_events_are_read_from_the_json_in_the_string() {
    let world = World::new().await;
    let issuer = Issuer::rs256("k1");
    world.publish("/apple/keys", &[&issuer]);
    for (name, kind) in [
        ("consent-revoked", AccountEventKind::SessionsRevoked),
        ("account-delete", AccountEventKind::AccountDeleted),
        ("account-deleted", AccountEventKind::AccountDeleted),
        ("email-enabled", AccountEventKind::Other),
        ("email-disabled", AccountEventKind::Other),
        ("something-new", AccountEventKind::Other),
    ] {
        let payload = issuer.token(&apples_event(name));
        let told = world.providers.apple_event(&payload, NOW).await;
        let expected = AccountEvent {
            provider: Provider::Apple,
            kind,
            subject: "somebody".parse().unwrap(),
            at: Instant::from_millis(1_799_999_990_999),
            id: Some("event-1".to_owned()),
        };
        assert_eq!(told, Ok(expected));
    }
}

#[tokio::test]
async fn an_event_that_is_not_apples_or_not_for_us_is_refused() {
    let world = World::new().await;
    let issuer = Issuer::rs256("k1");
    world.publish("/apple/keys", &[&issuer]);
    let event = || apples_event("account-delete");
    let now = NOW.as_seconds();
    for (claims, fault) in [
        (with(event(), "aud", "another"), TokenFault::Audience),
        (
            with(event(), "iss", "https://evil.example"),
            TokenFault::Issuer,
        ),
        (with(event(), "exp", now - 60), TokenFault::Expired),
        (with(event(), "iat", now - 3_661), TokenFault::Expired),
        (with(event(), "iat", now + 61), TokenFault::Invalid),
        (with(event(), "iat", Value::Null), TokenFault::Invalid),
        (
            with(event(), "events", json!({ "type": "account-delete" })),
            TokenFault::Invalid,
        ),
        (with(event(), "events", "{}"), TokenFault::Invalid),
        (with(event(), "events", "<html>"), TokenFault::Invalid),
    ] {
        let told = world
            .providers
            .apple_event(&issuer.token(&claims), NOW)
            .await;
        assert_eq!(told, Err(ProviderError::Token(fault)), "{claims}");
    }
    let forged = Issuer::rs256("k1").token(&event());
    let told = world.providers.apple_event(&forged, NOW).await;
    assert_eq!(told, Err(ProviderError::Token(TokenFault::Invalid)));
}

#[tokio::test]
async fn kakaos_events_are_proved_by_the_admin_key() {
    let world = World::new().await;
    let proof = "KakaoAK kakao-admin-key";
    for (form, kind) in [
        (
            "app_id=123&user_id=42&referrer_type=UNLINK_FROM_APPS",
            AccountEventKind::DeletionRequested,
        ),
        (
            "app_id=123&user_id=42&referrer_type=UNLINK_FROM_ADMIN",
            AccountEventKind::UnlinkedByProvider,
        ),
        (
            "app_id=123&user_id=42&referrer_type=INCOMPLETE_SIGN_UP",
            AccountEventKind::SignUpAbandoned,
        ),
        (
            "app_id=123&user_id=42&referrer_type=FORCED_ACCOUNT_DELETE",
            AccountEventKind::AccountDeleted,
        ),
        (
            "app_id=123&user_id=42&referrer_type=SOMETHING_NEW",
            AccountEventKind::SessionsRevoked,
        ),
        ("app_id=123&user_id=42", AccountEventKind::SessionsRevoked),
        (
            "app_id=123&user_id=42&referrer_type=ACCOUNT_DELETE",
            AccountEventKind::AccountDeleted,
        ),
    ] {
        let told = world.providers.kakao_event(proof, form, NOW).await.unwrap();
        assert_eq!(
            (told.kind, told.subject.as_str(), told.at),
            (kind, "42", NOW)
        );
    }
    let form = "app_id=123&user_id=42";
    for bad in [
        "",
        "KakaoAK",
        "KakaoAK kakao-admin-ke",
        "Bearer kakao-admin-key",
        "kakao-admin-key",
    ] {
        let told = world.providers.kakao_event(bad, form, NOW).await;
        assert_eq!(
            told,
            Err(ProviderError::Token(TokenFault::Invalid)),
            "{bad}"
        );
    }
    for (bad, fault) in [
        ("app_id=124&user_id=42", TokenFault::Audience),
        ("user_id=42", TokenFault::Invalid),
        ("app_id=123&user_id=", TokenFault::Invalid),
        ("", TokenFault::Invalid),
    ] {
        let told = world.providers.kakao_event(proof, bad, NOW).await;
        assert_eq!(told, Err(ProviderError::Token(fault)), "{bad}");
    }
}

/// A security event token of Kakao with these events.
fn kakaos_event(events: Value) -> Value {
    json!({
        "iss": "https://kauth.kakao.com", "aud": "client", "sub": "42", "jti": "event-1",
        "iat": NOW.as_seconds() - 5, "toe": NOW.as_seconds() - 7, "events": events,
    })
}

#[tokio::test]
async fn kakaos_security_events_are_read_by_the_last_part_of_their_names() {
    let world = World::new().await;
    let issuer = Issuer::rs256("k1");
    world.publish("/kakao/keys", &[&issuer]);
    let about = json!({"subject": {"subject_type": "iss-sub", "sub": "42"}});
    for (names, kind) in [
        (
            &["https://schemas.kakao.com/events/oauth/user-unlinked"][..],
            AccountEventKind::UnlinkedByProvider,
        ),
        (
            &["https://schemas.openid.net/secevent/risc/event-type/sessions-revoked"],
            AccountEventKind::SessionsRevoked,
        ),
        (
            &["https://schemas.openid.net/secevent/risc/event-type/account-disabled"],
            AccountEventKind::SessionsRevoked,
        ),
        (
            &["https://schemas.openid.net/secevent/risc/event-type/account-purged"],
            AccountEventKind::AccountDeleted,
        ),
        (
            &["https://schemas.kakao.com/events/kakao/user-profile-changed"],
            AccountEventKind::Other,
        ),
        (
            &[
                "https://schemas.kakao.com/events/kakao/user-profile-changed",
                "https://schemas.openid.net/secevent/oauth/event-type/tokens-revoked",
            ],
            AccountEventKind::SessionsRevoked,
        ),
    ] {
        let events: serde_json::Map<_, _> = names
            .iter()
            .map(|name| ((*name).to_owned(), about.clone()))
            .collect();
        let token = issuer.token(&kakaos_event(events.into()));
        let told = world.providers.kakao_security_event(&token, NOW).await;
        let expected = AccountEvent {
            provider: Provider::Kakao,
            kind,
            subject: subject("42"),
            at: Instant::end_of_second(NOW.as_seconds() - 7),
            id: Some("event-1".to_owned()),
        };
        assert_eq!(told, Ok(expected), "{names:?}");
    }
}

#[tokio::test]
async fn a_security_event_is_about_all_of_the_second_that_it_names_up_to_now() {
    let world = World::new().await;
    let issuer = Issuer::rs256("k1");
    world.publish("/kakao/keys", &[&issuer]);
    let (second, now) = (NOW.as_seconds(), NOW + Duration::from_millis(250));
    let name = "https://schemas.openid.net/secevent/risc/event-type/sessions-revoked";
    let event = |toe: Value, iat: i64| {
        let event = with(kakaos_event(json!({name: {}})), "iat", iat);
        with(event, "toe", toe)
    };
    for (what, claims, at_ms) in [
        (
            "a second ago",
            event(json!(second - 1), second),
            second * 1_000 - 1,
        ),
        ("this second", event(json!(second), second), now.as_millis()),
        (
            "a fraction",
            event(json!(second as f64 - 0.5), second),
            second * 1_000 - 500,
        ),
        (
            "a time to come",
            event(json!(second + 50), second),
            now.as_millis(),
        ),
        (
            "no time",
            event(Value::Null, second - 9),
            (second - 9) * 1_000 + 999,
        ),
        (
            "no number",
            event(json!("noon"), second - 9),
            (second - 9) * 1_000 + 999,
        ),
    ] {
        let token = issuer.token(&claims);
        let told = world.providers.kakao_security_event(&token, now).await;
        let at = told.map(|event| event.at.as_millis());
        assert_eq!(at, Ok(at_ms), "{what}");
    }
}

#[tokio::test]
async fn a_security_event_that_is_not_kakaos_or_none_is_refused() {
    let world = World::new().await;
    let issuer = Issuer::rs256("k1");
    world.publish("/kakao/keys", &[&issuer]);
    let name = "https://schemas.openid.net/secevent/risc/event-type/sessions-revoked";
    let event = || kakaos_event(json!({name: {}}));
    let now = NOW.as_seconds();
    let told = world
        .providers
        .kakao_security_event(&issuer.token(&event()), NOW)
        .await;
    assert!(told.is_ok(), "{told:?}");
    let other_subject = json!({name: {"subject": {"sub": "43"}}});
    for (claims, fault) in [
        (with(event(), "aud", "another"), TokenFault::Audience),
        (
            with(event(), "iss", "https://evil.example"),
            TokenFault::Issuer,
        ),
        (with(event(), "iat", now - 3_661), TokenFault::Expired),
        (with(event(), "iat", Value::Null), TokenFault::Invalid),
        (with(event(), "jti", Value::Null), TokenFault::Invalid),
        (with(event(), "events", json!({})), TokenFault::Invalid),
        (with(event(), "events", "{}"), TokenFault::Invalid),
        (with(event(), "events", other_subject), TokenFault::Invalid),
        (with(event(), "nonce", "n"), TokenFault::Invalid),
        (claims_of(Provider::Kakao), TokenFault::Invalid),
    ] {
        let token = issuer.token(&claims);
        let told = world.providers.kakao_security_event(&token, NOW).await;
        assert_eq!(told, Err(ProviderError::Token(fault)), "{claims}");
    }
    let forged = Issuer::rs256("k1").token(&event());
    let told = world.providers.kakao_security_event(&forged, NOW).await;
    assert_eq!(told, Err(ProviderError::Token(TokenFault::Invalid)));
}

/// A request that is signed with a secret, in Facebook's form.
fn signed_request(secret: &str, payload: &Value) -> String {
    let payload = BASE64_URL_SAFE_NO_PAD.encode(payload.to_string());
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let signature = mac.chain_update(&payload).finalize().into_bytes();
    format!("{}.{payload}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn facebooks_data_deletion_is_proved_by_the_apps_secret() {
    const SECRET: &str = "facebook-app-secret";
    let world = World::new().await;
    let now = NOW.as_seconds();
    let wish = || json!({"algorithm": "HMAC-SHA256", "issued_at": now, "user_id": "42"});
    let ask = async |request: String| world.providers.facebook_data_deletion(&request, NOW).await;
    let signed = signed_request(SECRET, &wish());
    let told = ask(signed.clone()).await.unwrap();
    assert_eq!(told.subject.as_str(), "42");
    assert_eq!(told.confirmation_code.len(), 32);
    assert_eq!(told.requested_by, NOW, "all of the second, up to now");
    assert_eq!(ask(signed.clone()).await, Ok(told.clone()), "a replay");
    let later = signed_request(SECRET, &with(wish(), "issued_at", now - 1));
    let later = ask(later).await.unwrap();
    assert_ne!(later.confirmation_code, told.confirmation_code);
    assert_eq!(later.requested_by, Instant::end_of_second(now - 1));
    let timeless = signed_request(SECRET, &with(wish(), "issued_at", Value::Null));
    assert_eq!(ask(timeless).await.unwrap().requested_by, NOW);
    let (signature, payload) = signed.split_once('.').unwrap();
    for (what, request, fault) in [
        (
            "another secret",
            signed_request("secret", &wish()),
            TokenFault::Invalid,
        ),
        (
            "no secret",
            signed_request("", &wish()),
            TokenFault::Invalid,
        ),
        (
            "another algorithm",
            signed_request(SECRET, &with(wish(), "algorithm", "none")),
            TokenFault::Invalid,
        ),
        (
            "a time to come",
            signed_request(SECRET, &with(wish(), "issued_at", now + 61)),
            TokenFault::Invalid,
        ),
        (
            "long ago",
            signed_request(SECRET, &with(wish(), "issued_at", 1_291_836_800)),
            TokenFault::Expired,
        ),
        (
            "nobody",
            signed_request(SECRET, &with(wish(), "user_id", Value::Null)),
            TokenFault::Invalid,
        ),
        (
            "the other way round",
            format!("{payload}.{signature}"),
            TokenFault::Invalid,
        ),
        ("no signature", format!(".{payload}"), TokenFault::Invalid),
        ("no payload", format!("{signature}."), TokenFault::Invalid),
        ("nothing", String::new(), TokenFault::Invalid),
    ] {
        let told = ask(request).await;
        assert_eq!(told, Err(ProviderError::Token(fault)), "{what}");
    }
    let off = providers(&world.stand_in, &[("FACEBOOK_APP_SECRET", "")]);
    let told = off.facebook_data_deletion(&signed, NOW).await;
    assert_eq!(told, Err(ProviderError::Disabled(Provider::Facebook)));
    world.stand_in.set_secret("empty", "");
    let empty = providers(&world.stand_in, &[("FACEBOOK_APP_SECRET", "empty")]);
    let forged = signed_request("", &wish());
    let told = empty.facebook_data_deletion(&forged, NOW).await;
    assert!(
        is_unavailable(&told.map(drop)),
        "an empty secret signs nothing"
    );
}

fn field(seen: &Seen, name: &str) -> String {
    let pairs = seen.body.split('&').filter_map(|pair| pair.split_once('='));
    let mut found = pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    found.next().unwrap().to_owned()
}

fn subject(text: &str) -> Subject {
    text.parse().unwrap()
}

fn grant() -> Grant {
    Grant {
        client_id: "com.example.web".to_owned(),
        refresh_token: "refresh".to_owned(),
    }
}

#[tokio::test]
async fn apples_grant_is_given_back_with_our_own_signature() {
    let world = World::new().await;
    let key = Issuer::es256("KEY");
    world.stand_in.set_secret("apple-secret", &key.pem());
    let grant = grant();
    let unlink = Unlink {
        subject: &subject("somebody"),
        grant: Some(&grant),
    };
    let over = r#"{"error": "invalid_grant"}"#.to_owned();
    for reply in [Reply::ok(""), Reply::Say(400, over)] {
        world.stand_in.set("/apple/revoke", reply);
        let told = world.providers.unlink(Provider::Apple, &unlink, NOW).await;
        assert_eq!(told, Ok(Unlinked::Done), "again is no error");
    }
    let seen = world.stand_in.last("/apple/revoke");
    assert_eq!(field(&seen, "client_id"), "com.example.web");
    assert_eq!(field(&seen, "token"), "refresh");
    let keys = jose::KeySet::parse(key_set(&[&key]).to_string().as_bytes()).unwrap();
    let secret = field(&seen, "client_secret");
    let verified = jose::verify(&secret, &keys, &[jose::Algorithm::Es256]).unwrap();
    assert_eq!(verified.kid.as_deref(), Some("KEY"));
    let said: Value = serde_json::from_slice(&verified.payload).unwrap();
    let now = NOW.as_seconds();
    assert_eq!(
        said,
        json!({
            "iss": "TEAM", "iat": now, "exp": now + 300, "sub": "com.example.web",
            "aud": "https://appleid.apple.com",
        })
    );

    let ours = r#"{"error": "invalid_client"}"#.to_owned();
    for reply in [
        Reply::Say(400, ours),
        Reply::Say(500, String::new()),
        Reply::HangUp,
    ] {
        world.stand_in.set("/apple/revoke", reply);
        let told = world.providers.unlink(Provider::Apple, &unlink, NOW).await;
        assert!(is_unavailable(&told), "{told:?}");
    }
    let nothing = Unlink {
        subject: &subject("somebody"),
        grant: None,
    };
    let told = world.providers.unlink(Provider::Apple, &nothing, NOW).await;
    assert_eq!(told, Ok(Unlinked::NotPossible));
}

#[tokio::test]
async fn an_authorization_code_is_exchanged_for_the_grant_of_its_own_user_only() {
    let world = World::new().await;
    let (apple, ours) = (Issuer::rs256("k1"), Issuer::es256("KEY"));
    world.publish("/apple/keys", &[&apple]);
    world.stand_in.set_secret("apple-secret", &ours.pem());
    let identity = Identity {
        provider: Provider::Apple,
        subject: "somebody".parse().unwrap(),
        client_id: Some("com.example.app".to_owned()),
        token: None,
    };
    let granted = |subject: &str| {
        let id_token = apple.token(&with(claims_of(Provider::Apple), "sub", subject));
        Reply::ok(json!({ "refresh_token": "refresh", "id_token": id_token, "access_token": "a" }))
    };
    let exchange = || world.providers.exchange_apple_code("code", &identity, NOW);

    world.stand_in.set("/apple/token", granted("somebody"));
    let grant = exchange().await.unwrap().unwrap();
    assert_eq!(grant.refresh_token, "refresh");
    assert_eq!(grant.client_id, "com.example.app");
    let seen = world.stand_in.last("/apple/token");
    assert_eq!(field(&seen, "code"), "code");
    assert_eq!(field(&seen, "grant_type"), "authorization_code");

    world.stand_in.set("/apple/token", granted("else"));
    assert!(exchange().await.is_err(), "somebody else's");
    let over = r#"{"error": "invalid_grant"}"#.to_owned();
    world.stand_in.set("/apple/token", Reply::Say(400, over));
    let told = exchange().await.err();
    assert_eq!(told, Some(ProviderError::Token(TokenFault::Invalid)));

    let keyless = providers(&world.stand_in, &[("APPLE_KEY_SECRET", "")]);
    let told = keyless.exchange_apple_code("code", &identity, NOW).await;
    assert!(told.is_ok_and(|grant| grant.is_none()));
}

#[tokio::test]
async fn kakao_and_facebook_let_go_by_our_own_key_as_often_as_they_are_asked() {
    let world = World::new().await;
    let unlink = Unlink {
        subject: &subject("42"),
        grant: None,
    };
    for (provider, path, already) in [
        (
            Provider::Kakao,
            "/kakao/v1/user/unlink",
            json!({ "code": -101, "msg": "NotRegistered" }),
        ),
        (
            Provider::Facebook,
            "/facebook/42/permissions",
            json!({ "error": { "code": 100 } }),
        ),
    ] {
        for reply in [Reply::ok("{}"), Reply::Say(400, already.to_string())] {
            world.stand_in.set(path, reply);
            let told = world.providers.unlink(provider, &unlink, NOW).await;
            assert_eq!(told, Ok(Unlinked::Done), "{provider}");
        }
        for reply in [
            Reply::Say(401, "{}".to_owned()),
            Reply::Say(503, "{}".to_owned()),
        ] {
            world.stand_in.set(path, reply);
            let told = world.providers.unlink(provider, &unlink, NOW).await;
            assert!(is_unavailable(&told), "{provider}");
        }
    }
    let seen = world.stand_in.last("/kakao/v1/user/unlink");
    assert_eq!(
        seen.header("authorization"),
        Some("KakaoAK kakao-admin-key")
    );
    assert_eq!(seen.body, "target_id_type=user_id&target_id=42");
    let seen = world.stand_in.last("/facebook/42/permissions");
    assert_eq!(seen.method, "DELETE");
    assert_eq!(seen.query, "access_token=client%7Cfacebook-app-secret");

    for provider in [
        Provider::Google,
        Provider::Naver,
        Provider::Line,
        Provider::Guest,
    ] {
        let told = world.providers.unlink(provider, &unlink, NOW).await;
        assert_eq!(told, Ok(Unlinked::NotPossible));
    }
    let elsewhere = Unlink {
        subject: &subject("../me"),
        grant: None,
    };
    let told = world
        .providers
        .unlink(Provider::Facebook, &elsewhere, NOW)
        .await;
    assert_eq!(told, Ok(Unlinked::NotPossible));
}
