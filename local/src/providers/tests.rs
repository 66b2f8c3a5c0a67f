//! The sandboxes answer as the providers do, for the users they made up.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::Instant;

use super::*;

fn providers() -> Providers {
    let folder = tempfile::tempdir().unwrap();
    let mut vault = Vault::open(folder.path().join("secrets.json"), &[]).unwrap();
    for name in [KAKAO_ADMIN_KEY, FACEBOOK_APP_SECRET, LINE_CHANNEL_SECRET] {
        let value = format!("{:0>32}", name.len());
        vault.create(name, name, value).unwrap();
    }
    let clock = Clock::manual(Instant::from_seconds(1_800_000_000)).0;
    Providers::new(clock, Arc::new(Mutex::new(vault)))
}

fn request(method: &str, target: &str, authorization: Option<&str>, body: &str) -> Request {
    let loopback = ([127, 0, 0, 1], 1).into();
    Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: authorization
            .map(|value| ("authorization".to_owned(), value.to_owned()))
            .into_iter()
            .collect(),
        body: body.to_owned().into(),
        peer: loopback,
        local: loopback,
    }
}

fn ask(
    providers: &Providers,
    method: &str,
    target: &str,
    authorization: &str,
    body: &str,
) -> Value {
    let authorization = Some(authorization).filter(|value| !value.is_empty());
    let answer = providers.answer(&request(method, target, authorization, body));
    answer.unwrap_or_else(|Refused(status, body)| panic!("{method} {target}: {status} {body}"))
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The claims of a token that one of the keys verifies.
fn verified(token: &str, keys: &Value) -> Value {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
    let keys = keys["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).unwrap();
    let part = |name: &str| decoded(key[name].as_str().unwrap());
    let signature = decoded(signature);
    match key["kty"].as_str().unwrap() {
        "RSA" => RsaPublicKeyComponents {
            n: part("n"),
            e: part("e"),
        }
        .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
        .unwrap(),
        _ => {
            let point = [&[4][..], &part("x"), &part("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed.as_bytes(), &signature)
                .unwrap();
        }
    }
    serde_json::from_slice(&decoded(claims)).unwrap()
}

#[test]
fn id_tokens_verify_under_the_published_keys_before_and_after_a_change_of_keys() {
    for (name, keys) in [
        ("apple", "/apple/auth/keys"),
        ("google", "/google/oauth2/v3/certs"),
        ("kakao", "/kakao/.well-known/jwks.json"),
        (
            "facebook",
            "/facebook-limited/.well-known/oauth/openid/jwks/",
        ),
        ("line", "/line/oauth2/v2.1/certs"),
    ] {
        let providers = providers();
        let issue = format!("/{name}/issue");
        let issued = ask(&providers, "POST", &issue, "", r#"{"sub":"1","nonce":"n"}"#);
        let token = issued["id_token"].as_str().unwrap().to_owned();
        ask(&providers, "POST", &format!("/{name}/rotate"), "", "");
        let keys = ask(&providers, "GET", keys, "", "");
        let claims = verified(&token, &keys);
        assert_eq!(
            (&claims["sub"], &claims["nonce"]),
            (&json!("1"), &json!("n")),
            "{name}"
        );
        let later = ask(&providers, "POST", &issue, "", r#"{"sub":"2"}"#);
        verified(later["id_token"].as_str().unwrap(), &keys);
    }
}

#[test]
fn claims_and_header_can_be_bent() {
    let providers = providers();
    let wish = r#"{"sub":"1","claims":{"exp":1,"iat":null},"header":{"kid":"../x"}}"#;
    let issued = ask(&providers, "POST", "/google/issue", "", wish);
    let mut parts = issued["id_token"].as_str().unwrap().split('.').map(decoded);
    let header: Value = serde_json::from_slice(&parts.next().unwrap()).unwrap();
    assert_eq!(header["kid"], "../x");
    let claims: Value = serde_json::from_slice(&parts.next().unwrap()).unwrap();
    assert_eq!((&claims["exp"], claims.get("iat")), (&json!(1), None));
}

#[test]
fn access_tokens_are_known_by_the_provider_that_gave_them_until_they_are_taken_back() {
    let providers = providers();
    let token = |name: &str, body: &str| {
        let issued = ask(&providers, "POST", &format!("/{name}/issue"), "", body);
        format!("Bearer {}", issued["access_token"].as_str().unwrap())
    };
    let kakao = token("kakao", r#"{"sub":"42"}"#);
    let info = "/kakao-api/v1/user/access_token_info";
    assert_eq!(ask(&providers, "GET", info, &kakao, "")["app_id"], 1000);
    assert_eq!(
        ask(&providers, "GET", "/kakao-api/v2/user/me", &kakao, "")["id"],
        42
    );
    let other = token("kakao", r#"{"sub":"42","aud":"77"}"#);
    assert_eq!(ask(&providers, "GET", info, &other, "")["app_id"], 77);
    let naver = token("naver", r#"{"sub":"n1"}"#);
    let refused = |authorization: &str| {
        let request = request("GET", info, Some(authorization), "");
        providers
            .answer(&request)
            .err()
            .map(|Refused(status, _)| status)
    };
    assert_eq!(refused(&naver), Some(StatusCode::UNAUTHORIZED));
    let verified = ask(
        &providers,
        "GET",
        "/naver/v1/nid/verify?info=true",
        &naver,
        "",
    );
    assert_eq!(verified["response"]["client_id"], "naver-client");

    let unlink = "/kakao-api/v1/user/unlink";
    ask(
        &providers,
        "POST",
        unlink,
        "KakaoAK k",
        "target_id_type=user_id&target_id=42",
    );
    assert_eq!(refused(&kakao), Some(StatusCode::UNAUTHORIZED));
    let again = request("POST", unlink, Some("KakaoAK k"), "target_id=42");
    assert_eq!(
        providers
            .answer(&again)
            .err()
            .map(|Refused(_, body)| body["code"].clone()),
        Some(json!(-101))
    );
    assert_eq!(
        ask(&providers, "GET", "/kakao/unlinked", "", "")["subjects"],
        json!(["42"])
    );
}

#[test]
fn facebook_answers_for_its_own_tokens_only() {
    let providers = providers();
    let issued = ask(&providers, "POST", "/facebook/issue", "", r#"{"sub":"9"}"#);
    let token = issued["access_token"].as_str().unwrap();
    let debug = |token: &str| {
        let target = format!("/facebook/debug_token?input_token={token}&access_token=2000%7Cs");
        ask(&providers, "GET", &target, "", "")["data"].clone()
    };
    assert_eq!(debug(token)["user_id"], "9");
    assert_eq!(debug("made-up")["is_valid"], false);
    let me = format!("/facebook/me?access_token={token}&appsecret_proof=p");
    assert_eq!(ask(&providers, "GET", &me, "", "")["id"], "9");
    ask(
        &providers,
        "DELETE",
        "/facebook/9/permissions?access_token=2000%7Cs",
        "",
        "",
    );
    assert_eq!(debug(token)["is_valid"], false);
}

#[test]
fn apple_exchanges_codes_revokes_and_notifies() {
    let providers = providers();
    let form = "client_id=com.example.app&client_secret=s&code=u1&grant_type=authorization_code";
    let exchanged = ask(&providers, "POST", "/apple/auth/token", "", form);
    let refresh = exchanged["refresh_token"].as_str().unwrap();
    let revoke = format!("client_id=com.example.app&client_secret=s&token={refresh}");
    for _ in 0..2 {
        ask(&providers, "POST", "/apple/auth/revoke", "", &revoke);
    }
    assert_eq!(
        ask(&providers, "GET", "/apple/unlinked", "", "")["subjects"],
        json!(["u1"])
    );
    let notice = r#"{"sub":"u1","type":"consent-revoked"}"#;
    let notified = ask(&providers, "POST", "/apple/notify", "", notice);
    let keys = ask(&providers, "GET", "/apple/auth/keys", "", "");
    let claims = verified(notified["payload"].as_str().unwrap(), &keys);
    let event: Value = serde_json::from_str(claims["events"].as_str().unwrap()).unwrap();
    assert_eq!(event["type"], "consent-revoked");
}

#[test]
fn what_providers_post_to_the_app_is_signed_with_what_both_sides_know() {
    let providers = providers();
    let hmac = |name: &str, message: &str| {
        let secret = providers.shared_secret(name).ok().unwrap();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, message.as_bytes()))
    };
    let wish = r#"{"sub":"U1","aud":"3001","nonce":"n"}"#;
    let issued = ask(&providers, "POST", "/line/issue", "", wish);
    let token = issued["id_token"].as_str().unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(signature, hmac(LINE_CHANNEL_SECRET, signed));

    let wish = r#"{"sub":"9"}"#;
    let request = ask(&providers, "POST", "/facebook/data-deletion", "", wish);
    let (signature, payload) = request["signed_request"]
        .as_str()
        .unwrap()
        .split_once('.')
        .unwrap();
    assert_eq!(signature, hmac(FACEBOOK_APP_SECRET, payload));
    let payload: Value = serde_json::from_slice(&decoded(payload)).unwrap();
    assert_eq!(payload["user_id"], "9");

    let wish = r#"{"sub":"42","referrer_type":"UNLINK_FROM_APPS"}"#;
    let notice = ask(&providers, "POST", "/kakao/unlink-notice", "", wish);
    let secret = providers.shared_secret(KAKAO_ADMIN_KEY).ok().unwrap();
    assert_eq!(notice["authorization"], format!("KakaoAK {secret}"));
    assert_eq!(
        notice["body"],
        "app_id=1000&user_id=42&referrer_type=UNLINK_FROM_APPS"
    );

    let uri = "https://schemas.kakao.com/events/oauth/user-unlinked";
    let wish = json!({"sub": "42", "type": uri}).to_string();
    let event = ask(&providers, "POST", "/kakao/notify", "", &wish);
    let keys = ask(&providers, "GET", "/kakao/.well-known/jwks.json", "", "");
    let claims = verified(event["body"].as_str().unwrap(), &keys);
    assert_eq!(claims["events"][uri]["subject"]["sub"], "42");
}
