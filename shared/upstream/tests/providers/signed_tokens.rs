//! Tokens that providers sign: the good one, and every bad one.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::identity::Provider;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use upstream::providers::{Identity, Proof, TokenFault};

use crate::{
    harness::{NONCE, NOW, SIGNING, World, access, claims_of, issuer_of, proof, token_fault, with},
    issuer::{Issuer, unsigned},
};

/// A token that is well made and says the wrong things.
fn wrongly_claimed(provider: Provider) -> Vec<(&'static str, Value, TokenFault)> {
    use TokenFault::{Audience, Expired, Invalid, Issuer, Nonce};
    let now = NOW.as_seconds();
    let claims = || claims_of(provider);
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let long = "x".repeat(256);
    vec![
        ("another app's", with(claims(), "aud", "another"), Audience),
        (
            "ours and another's",
            with(claims(), "aud", json!(["client", "another"])),
            Audience,
        ),
        ("nobody's", without("aud"), Audience),
        (
            "another issuer",
            with(claims(), "iss", "https://evil.example"),
            Issuer,
        ),
        ("expired", with(claims(), "exp", now - 60), Expired),
        ("too old", with(claims(), "iat", now - 3_661), Expired),
        ("not yet valid", with(claims(), "nbf", now + 61), Invalid),
        ("issued later", with(claims(), "iat", now + 61), Invalid),
        ("without an end", without("exp"), Invalid),
        ("without a start", without("iat"), Invalid),
        ("another nonce", with(claims(), "nonce", "another"), Nonce),
        ("an empty nonce", with(claims(), "nonce", ""), Nonce),
        ("without a nonce", without("nonce"), Nonce),
        (
            "an end in words",
            with(claims(), "exp", "tomorrow"),
            Invalid,
        ),
        (
            "an audience that is a number",
            with(claims(), "aud", 7),
            Invalid,
        ),
        (
            "a subject that is a number",
            with(claims(), "sub", 7),
            Invalid,
        ),
        ("without a subject", without("sub"), Invalid),
        ("an empty subject", with(claims(), "sub", ""), Invalid),
        (
            "a subject that is too long",
            with(claims(), "sub", long),
            Invalid,
        ),
        (
            "a subject that breaks lines",
            with(claims(), "sub", "a\nb"),
            Invalid,
        ),
    ]
}

/// Tokens that are refused without any key.
fn ill_made(provider: Provider, issuer: &Issuer, trap: &str) -> Vec<(&'static str, String)> {
    let claims = claims_of(provider);
    let good = issuer.token(&claims);
    let stranger = issuer_of(provider, &issuer.kid);
    let headed = |name: &str, value: Value| {
        let mut header = stranger.header();
        header[name] = value;
        stranger.signed(&header, &claims.to_string())
    };
    let keys = format!("{trap}/keys");
    let none = |algorithm: &str| {
        let header = json!({ "alg": algorithm, "kid": issuer.kid });
        format!("{}.", unsigned(&header, &claims.to_string()))
    };
    let other = match provider {
        Provider::Line => Issuer::rs256(&issuer.kid),
        _ => Issuer::es256(&issuer.kid),
    };
    let mut list = vec![
        ("another algorithm", other.token(&claims)),
        ("an algorithm of the family", headed("alg", json!("RS512"))),
        (
            "HS256 with the public key",
            issuer.signed_with_public_key(&claims),
        ),
        ("none", none("none")),
        ("None", none("None")),
        ("an embedded key", headed("jwk", stranger.jwk())),
        ("jku", headed("jku", json!(keys))),
        ("x5u", headed("x5u", json!(keys))),
        ("crit", headed("crit", json!(["exp"]))),
        ("a path in kid", headed("kid", json!("../../keys"))),
        ("a URL in kid", headed("kid", json!(keys))),
        ("a kid that is a number", headed("kid", json!(1))),
        ("oversized", format!("{good}{}", "A".repeat(20_000))),
        ("empty", String::new()),
        ("no token", "token".to_owned()),
        ("padded", format!("{good}=")),
        ("with a blank", format!("{good} ")),
    ];
    for end in [
        good.rfind('.').unwrap(),
        good.rfind('.').unwrap() + 1,
        good.len() - 5,
        20,
    ] {
        list.push(("truncated", good[..end].to_owned()));
    }
    list
}

#[tokio::test]
async fn a_good_token_of_each_provider_names_who_it_is() {
    let world = World::new().await;
    for (provider, path) in SIGNING {
        let issuer = issuer_of(provider, "k1");
        world.publish(path, &[&issuer]);
        let told = world
            .verify(provider, &proof(issuer.token(&claims_of(provider))))
            .await;
        let audience = claims_of(provider)["aud"].as_str().unwrap().to_owned();
        let expected = Identity {
            provider,
            subject: "somebody".parse().unwrap(),
            client_id: Some(audience),
            token: None,
        };
        assert_eq!(told, Ok(expected), "{provider}");
        assert_eq!(world.stand_in.calls(path), 1);
        for seconds in [-3_660, -3_600, 60] {
            let claims = with(claims_of(provider), "iat", NOW.as_seconds() + seconds);
            let told = world.verify(provider, &proof(issuer.token(&claims))).await;
            assert!(told.is_ok(), "{provider}, issued {seconds} s from now");
        }
    }
}

#[tokio::test]
async fn a_bad_token_of_any_provider_has_its_fault_and_nobody_is_asked_for_it() {
    for (provider, path) in SIGNING {
        let world = World::new().await;
        let issuer = issuer_of(provider, "k1");
        world.publish(path, &[&issuer]);
        let ill_made = ill_made(provider, &issuer, &world.trap.url);
        for (what, token) in &ill_made {
            let told = world.verify(provider, &proof(token.clone())).await;
            assert_eq!(told, token_fault(TokenFault::Invalid), "{provider}: {what}");
        }
        let wrongly_claimed = wrongly_claimed(provider);
        for (what, claims, fault) in &wrongly_claimed[..12] {
            if *fault == TokenFault::Nonce {
                continue;
            }
            let told = world.verify(provider, &proof(issuer.token(claims))).await;
            assert_eq!(told, token_fault(*fault), "{provider}, cold: {what}");
        }
        assert_eq!(world.stand_in.seen().len(), 0, "{provider}");

        // Once more with the keys at hand.
        let good = issuer.token(&claims_of(provider));
        assert!(world.verify(provider, &proof(good.clone())).await.is_ok());
        for (what, token) in &ill_made {
            let told = world.verify(provider, &proof(token.clone())).await;
            assert_eq!(told, token_fault(TokenFault::Invalid), "{provider}: {what}");
        }
        for (what, claims, fault) in &wrongly_claimed {
            let told = world.verify(provider, &proof(issuer.token(claims))).await;
            assert_eq!(told, token_fault(*fault), "{provider}: {what}");
        }
        let twice = claims_of(provider)
            .to_string()
            .replacen('{', "{\"sub\":\"me\",", 1);
        let twice = issuer.signed(&issuer.header(), &twice);
        let forged = issuer_of(provider, "k1").token(&claims_of(provider));
        let other = issuer.token(&with(claims_of(provider), "sub", "else"));
        let [header, _, signature] = good.split('.').collect::<Vec<_>>()[..] else {
            panic!("three parts")
        };
        let altered = format!("{header}.{}.{signature}", other.split('.').nth(1).unwrap());
        for (what, token) in [
            ("a member twice", twice),
            ("signed by another", forged),
            ("altered", altered),
        ] {
            let told = world.verify(provider, &proof(token)).await;
            assert_eq!(told, token_fault(TokenFault::Invalid), "{provider}: {what}");
        }
        assert_eq!(world.stand_in.seen().len(), 1, "{provider}: its keys");
        assert!(world.trap.seen().is_empty(), "{provider}");
    }
}

#[tokio::test]
async fn apple_may_hash_the_nonce_and_has_two_issuers_and_only_apple() {
    let world = World::new().await;
    let digest = Sha256::digest(NONCE);
    let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    for (provider, path) in SIGNING {
        let issuer = issuer_of(provider, "k1");
        world.publish(path, &[&issuer]);
        let token = issuer.token(&with(claims_of(provider), "nonce", sha256.clone()));
        let told = world.verify(provider, &proof(token)).await;
        assert_eq!(told.is_ok(), provider == Provider::Apple, "{provider}");
        if provider == Provider::Apple {
            let claims = with(claims_of(provider), "iss", "https://account.apple.com");
            assert!(
                world
                    .verify(provider, &proof(issuer.token(&claims)))
                    .await
                    .is_ok()
            );
        }
        if provider == Provider::Google {
            let claims = with(claims_of(provider), "iss", "accounts.google.com");
            assert!(
                world
                    .verify(provider, &proof(issuer.token(&claims)))
                    .await
                    .is_ok()
            );
        }
    }
}

#[tokio::test]
async fn google_without_a_nonce_of_ours_is_a_setting_and_takes_young_tokens_only() {
    let world = World::new().await;
    let allowing = crate::harness::providers(&world.stand_in, &[("GOOGLE_ALLOW_NO_NONCE", "true")]);
    let issuer = Issuer::rs256("k1");
    world.publish("/google/keys", &[&issuer]);
    assert!(allowing.allows_no_nonce(Provider::Google));
    assert!(!allowing.allows_no_nonce(Provider::Apple));
    assert!(!world.providers.allows_no_nonce(Provider::Google));
    let bare = |seconds: i64| {
        let claims = with(
            claims_of(Provider::Google),
            "iat",
            NOW.as_seconds() - seconds,
        );
        Proof::IdToken {
            token: issuer.token(&claims),
            nonce: None,
        }
    };
    let refused = world.verify(Provider::Google, &bare(0)).await;
    assert_eq!(refused, token_fault(TokenFault::Nonce));
    for (seconds, accepted) in [
        (-60, true),
        (0, true),
        (300, true),
        (301, false),
        (3_600, false),
    ] {
        let told = allowing.verify(Provider::Google, &bare(seconds), NOW).await;
        match accepted {
            true => assert!(told.is_ok(), "{seconds}: {told:?}"),
            false => assert_eq!(told, token_fault(TokenFault::Expired), "{seconds}"),
        }
    }
    // With a challenge of ours tokens of an hour are accepted as ever.
    let answering = proof(issuer.token(&with(
        claims_of(Provider::Google),
        "iat",
        NOW.as_seconds() - 3_600,
    )));
    let told = allowing.verify(Provider::Google, &answering, NOW).await;
    assert!(told.is_ok_and(|identity| identity.token.is_some()));
}

#[tokio::test]
async fn a_google_token_counts_once_by_its_id_or_its_signature() {
    let world = World::new().await;
    let allowing = crate::harness::providers(&world.stand_in, &[("GOOGLE_ALLOW_NO_NONCE", "true")]);
    let issuer = Issuer::rs256("k1");
    world.publish("/google/keys", &[&issuer]);
    let serial = async |claims: Value| {
        let proof = Proof::IdToken {
            token: issuer.token(&claims),
            nonce: None,
        };
        let told = allowing.verify(Provider::Google, &proof, NOW).await;
        told.unwrap().token.unwrap().serial
    };
    let claims = || claims_of(Provider::Google);
    let (one, other) = (with(claims(), "jti", "a"), with(claims(), "jti", "b"));
    assert_eq!(serial(one.clone()).await, serial(one.clone()).await);
    assert_ne!(serial(one.clone()).await, serial(other).await);
    let same_id = with(one.clone(), "email", "a@example.com");
    assert_eq!(
        serial(one).await,
        serial(same_id).await,
        "one id, two tokens"
    );
    assert_eq!(serial(claims()).await, serial(claims()).await);
    let another = with(claims(), "email", "a@example.com");
    assert_ne!(serial(claims()).await, serial(another).await);
}

/// A token that is signed with a secret.
fn hs256(secret: &str, claims: &Value) -> String {
    let text = unsigned(
        &json!({ "alg": "HS256", "typ": "JWT" }),
        &claims.to_string(),
    );
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let signature = mac.chain_update(&text).finalize().into_bytes();
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn lines_algorithm_follows_from_the_channel_and_never_from_the_token() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let world = World::new().await;
    world.stand_in.set_secret("line-secret", SECRET);
    let web = crate::harness::providers(
        &world.stand_in,
        &[
            ("LINE_CLIENT_IDS", "client,web"),
            ("LINE_WEB_CLIENT_ID", "web"),
            ("LINE_CHANNEL_SECRET", "line-secret"),
        ],
    );
    let issuer = Issuer::es256("k1");
    world.publish("/line/keys", &[&issuer]);
    let of_app = claims_of(Provider::Line);
    let of_web = with(claims_of(Provider::Line), "aud", "web");
    for (what, token, accepted) in [
        ("an app's", issuer.token(&of_app), true),
        ("the web's", hs256(SECRET, &of_web), true),
        ("HS256 for an app", hs256(SECRET, &of_app), false),
        ("ES256 for the web", issuer.token(&of_web), false),
        (
            "another secret",
            hs256(&SECRET.replace('0', "1"), &of_web),
            false,
        ),
        (
            "the public key as the secret",
            issuer.signed_with_public_key(&of_web),
            false,
        ),
        (
            "for both",
            hs256(
                SECRET,
                &with(of_web.clone(), "aud", json!(["web", "client"])),
            ),
            false,
        ),
        (
            "an old one",
            hs256(
                SECRET,
                &with(of_web.clone(), "iat", NOW.as_seconds() - 3_661),
            ),
            false,
        ),
        (
            "another nonce",
            hs256(SECRET, &with(of_web.clone(), "nonce", "another")),
            false,
        ),
        (
            "another issuer",
            hs256(SECRET, &with(of_web.clone(), "iss", "https://evil.example")),
            false,
        ),
    ] {
        let told = web.verify(Provider::Line, &proof(token), NOW).await;
        assert_eq!(told.is_ok(), accepted, "{what}: {told:?}");
    }
    // Without the secret the channel is none of ours.
    let told = world
        .verify(Provider::Line, &proof(hs256(SECRET, &of_web)))
        .await;
    assert_eq!(told, token_fault(TokenFault::Invalid));
}

#[tokio::test]
async fn a_provider_that_is_off_or_takes_another_proof_says_so_without_asking() {
    use upstream::ProviderError::{Disabled, ProofMissing};
    let world = World::new().await;
    let off = crate::harness::providers(
        &world.stand_in,
        &[
            ("APPLE_CLIENT_IDS", ""),
            ("GOOGLE_CLIENT_IDS", ""),
            ("KAKAO_CLIENT_IDS", ""),
            ("NAVER_CLIENT_IDS", ""),
            ("FACEBOOK_APP_ID", ""),
            ("LINE_CLIENT_IDS", ""),
        ],
    );
    for provider in Provider::ALL {
        for proof in [proof("a.b.c"), access("token")] {
            let told = off.verify(*provider, &proof, NOW).await;
            assert_eq!(told, Err(Disabled(*provider)));
        }
    }
    for provider in [Provider::Apple, Provider::Google, Provider::Line] {
        let told = world.verify(provider, &access("token")).await;
        assert_eq!(told, Err(ProofMissing("id_token")), "{provider}");
    }
    let told = world.verify(Provider::Naver, &proof("a.b.c")).await;
    assert_eq!(told, Err(ProofMissing("access_token")));
    let halves = crate::harness::providers(
        &world.stand_in,
        &[("KAKAO_APP_ID", ""), ("FACEBOOK_APP_SECRET", "")],
    );
    for provider in [Provider::Kakao, Provider::Facebook] {
        let told = halves.verify(provider, &access("token"), NOW).await;
        assert_eq!(told, Err(ProofMissing("id_token")), "{provider}");
    }
    assert!(world.stand_in.seen().is_empty());
}
