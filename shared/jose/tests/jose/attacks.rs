//! Tokens whose form or header is not to be believed, though most are signed well.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jose::{Algorithm, KeySet, MAX_TOKEN_BYTES, Refused, verify};
use serde_json::json;

use crate::forge::{P256, SECRET, encode, message, single};

pub(crate) const ES256: &[Algorithm] = &[Algorithm::Es256];

/// What comes of a token that P-256's key should have signed under the name `k`.
pub(crate) fn es256(token: &str) -> Result<(), Refused> {
    let keys = single(&P256.jwk_with(json!({ "kid": "k" })));
    verify(token, &keys, ES256).map(|_| ())
}

/// The same without any key, which only changes what needs one.
pub(crate) fn es256_without_keys(token: &str) -> Result<(), Refused> {
    let none = KeySet::parse(br#"{"keys":[]}"#).unwrap();
    verify(token, &none, ES256).map(|_| ())
}

#[test]
fn alg_none_is_refused_however_it_is_spelled() {
    for name in [
        "none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "ES521",
    ] {
        let header = json!({ "alg": name, "kid": "k" }).to_string();
        let signed = P256.token_with(Algorithm::Es256, &header);
        assert_eq!(es256(&signed), Err(Refused::Algorithm), "{name:?}");
        let bare = format!("{}.", message(&header));
        assert!(
            matches!(es256(&bare), Err(Refused::Malformed(_))),
            "{name:?}"
        );
    }
    for header in [
        r#"{"kid":"k"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":["ES256"]}"#,
        r#"{"ALG":"ES256"}"#,
    ] {
        let token = P256.token_with(Algorithm::Es256, header);
        assert_eq!(es256(&token), Err(Refused::Algorithm), "{header}");
    }
}

#[test]
fn a_header_that_brings_or_names_a_key_or_changes_the_reading_is_refused() {
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("jku", json!("https://attacker.example/keys")),
        ("x5u", json!("https://attacker.example/cert")),
        ("jwk", P256.jwk()),
        ("jwk", json!(null)),
        ("x5c", json!(["MIIB"])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
        ("typ", json!(1)),
        ("cty", json!({})),
    ] {
        let header = json!({ "alg": "ES256", "kid": "k", name: value }).to_string();
        let token = P256.token_with(Algorithm::Es256, &header);
        for result in [es256(&token), es256_without_keys(&token)] {
            assert!(
                matches!(result, Err(Refused::Header(_))),
                "{header}: {result:?}"
            );
        }
    }
}

#[test]
fn a_certificates_hash_a_type_and_unknown_members_are_ignored() {
    let header = r#"{ "typ": "JWT", "cty": "x", "x5t": "AA", "x5t#S256": "AA", "ver": [1], "kid": "k",
        "alg" : "ES256" }"#;
    assert_eq!(es256(&P256.token_with(Algorithm::Es256, header)), Ok(()));
}

#[test]
fn a_kid_is_a_short_name_and_no_path() {
    for kid in [
        json!(""),
        json!("../../dev/null"),
        json!("a..b"),
        json!("/etc/passwd"),
        json!("keys\\1"),
        json!("https://attacker.example"),
        json!("a\nb"),
        json!("a\u{0}"),
        json!("a\u{85}"),
        json!("k".repeat(256)),
        json!(1),
        json!(null),
        json!(["k"]),
    ] {
        let header = json!({ "alg": "ES256", "kid": kid }).to_string();
        let token = P256.token_with(Algorithm::Es256, &header);
        for result in [es256(&token), es256_without_keys(&token)] {
            assert!(
                matches!(result, Err(Refused::Header(_))),
                "{header}: {result:?}"
            );
        }
    }
    for kid in [
        "bilbo.baggins@hobbiton.example",
        &"한".repeat(255),
        "a+b=.c d",
    ] {
        let keys = single(&P256.jwk_with(json!({ "kid": kid })));
        let token = P256.token(Algorithm::Es256, kid);
        assert_eq!(verify(&token, &keys, ES256).unwrap().kid.unwrap(), kid);
    }
}

#[test]
fn a_token_is_three_segments_of_unpadded_base64url() {
    let good = P256.token(Algorithm::Es256, "k");
    assert_eq!(es256(&good), Ok(()));
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("a token has three segments")
    };
    let json = json!({
        "payload": payload, "protected": header, "signature": signature,
    });
    for bad in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        header.into(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        format!("{good}="),
        format!("{good}=="),
        format!("{header}=.{payload}.{signature}"),
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\n"),
        format!("{header}. {payload}.{signature}"),
        format!(
            "{header}.{payload}.{}\r\n{}",
            &signature[..4],
            &signature[4..]
        ),
        format!("{header}.{payload}.{}+{}", &signature[..4], &signature[5..]),
        format!("{header}.{payload}.{}/{}", &signature[..4], &signature[5..]),
        format!("{header}.{payload}?.{signature}"),
        format!("{header}\u{200b}.{payload}.{signature}"),
        format!("Bearer {good}"),
        json.to_string(),
    ] {
        for result in [es256(&bad), es256_without_keys(&bad)] {
            assert!(
                matches!(result, Err(Refused::Malformed(_))),
                "{bad}: {result:?}"
            );
        }
    }
}

#[test]
fn unused_bits_at_the_end_of_a_segment_must_be_zero() {
    // 64 bytes end in a character that carries four bits too many.
    let good = P256.token(Algorithm::Es256, "k");
    let (start, last) = good.split_at(good.len() - 1);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = alphabet
        .iter()
        .position(|c| [*c] == last.as_bytes())
        .unwrap();
    let same_bytes = alphabet[value & !0xf..].iter().take(16);
    for other in same_bytes.map(|c| char::from(*c)) {
        let is_the_one = last.starts_with(other);
        assert_eq!(
            es256(&format!("{start}{other}")).is_ok(),
            is_the_one,
            "{other}"
        );
    }
}

#[test]
fn a_header_is_one_json_object_that_repeats_no_member() {
    for header in [
        "",
        "null",
        "[]",
        "\"ES256\"",
        "{}{}",
        r#"{"alg":"ES256","kid":"k"} x"#,
        r#"{"alg":"ES256","kid":"k""#,
        r#"{"alg":"ES256","kid":"k",}"#,
        r#"{'alg':'ES256'}"#,
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"ES256","\u0061lg":"ES256"}"#,
        r#"{"alg":"ES256","kid":"x","kid":"k"}"#,
        r#"{"alg":"ES256","kid":"k","x":{"a":1,"a":1}}"#,
        r#"{"alg":"ES256","kid":"k","x":[{"a":[{"b":1,"b":2}]}]}"#,
        "\u{feff}{\"alg\":\"ES256\",\"kid\":\"k\"}",
        &format!(
            r#"{{"alg":"ES256","kid":"k","x":{}{}}}"#,
            "[".repeat(500),
            "]".repeat(500)
        ),
    ] {
        let token = P256.token_with(Algorithm::Es256, header);
        for result in [es256(&token), es256_without_keys(&token)] {
            assert!(
                matches!(result, Err(Refused::Malformed(_))),
                "{header}: {result:?}"
            );
        }
    }
}

#[test]
fn a_header_that_is_no_utf_8_is_refused() {
    let header = encode(b"{\"alg\":\"ES256\",\"kid\":\"k\",\"x\":\"\xff\"}");
    let token = format!("{header}.{}.{}", encode("{}"), encode([1; 64]));
    assert!(matches!(es256(&token), Err(Refused::Malformed(_))));
}

#[test]
fn what_is_too_large_is_refused_before_anything_else() {
    let long = "a".repeat(MAX_TOKEN_BYTES);
    assert!(matches!(es256(&long), Err(Refused::Malformed(_))));
    assert_eq!(es256(&format!("{long}a")), Err(Refused::TooLarge));
}

#[test]
fn standard_base64_is_not_base64url() {
    let message = message(r#"{"alg":"HS512","kid":"k"}"#);
    let keys = single(&SECRET.jwk_with(json!({ "kid": "k" })));
    let tag = SECRET.sign(Algorithm::Hs512, message.as_bytes());
    let token = format!("{message}.{}", BASE64_STANDARD.encode(tag));
    let result = verify(&token, &keys, &[Algorithm::Hs512]);
    assert!(matches!(result, Err(Refused::Malformed(_))));
}
