//! Tokens that must not be believed, each with why.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jose::{Algorithm, KeySet, MAX_TOKEN_BYTES, Refused, verify};
use serde_json::json;

use crate::forge::{P256, P384, RSA, SECRET, encode, hmac_of, key_for, message, single};

const ES256: &[Algorithm] = &[Algorithm::Es256];

/// What comes of a token that P-256's key should have signed under the name `k`.
fn es256(token: &str) -> Result<(), Refused> {
    let keys = single(&P256.jwk_with(json!({ "kid": "k" })));
    verify(token, &keys, ES256).map(|_| ())
}

/// The same without any key, which only changes what needs one.
fn es256_without_keys(token: &str) -> Result<(), Refused> {
    let none = KeySet::parse(br#"{"keys":[]}"#).unwrap();
    verify(token, &none, ES256).map(|_| ())
}

#[test]
fn every_algorithm_is_verified_with_its_own_key_and_with_no_other_algorithm() {
    for signed in Algorithm::ALL {
        let token = key_for(signed).token(signed, "k");
        for pinned in Algorithm::ALL {
            let key = key_for(pinned).jwk_with(json!({ "kid": "k", "alg": pinned.name() }));
            let result = verify(&token, &single(&key), &Algorithm::ALL);
            match signed == pinned {
                true => assert_eq!(result.unwrap().kid.unwrap(), "k", "{signed}"),
                false => assert_eq!(result, Err(Refused::KeyUse), "{signed} by {pinned}"),
            }
        }
    }
}

#[test]
fn an_algorithm_that_is_not_pinned_is_refused_even_if_the_key_would_do() {
    for (signed, pinned) in [
        (Algorithm::Rs512, Algorithm::Rs256),
        (Algorithm::Ps256, Algorithm::Rs256),
        (Algorithm::Hs512, Algorithm::Hs256),
        (Algorithm::Es384, Algorithm::Es256),
    ] {
        let key = key_for(signed);
        let token = key.token(signed, "k");
        let keys = single(&key.jwk_with(json!({ "kid": "k" })));
        assert_eq!(verify(&token, &keys, &[pinned]), Err(Refused::Algorithm));
        assert_eq!(verify(&token, &keys, &[]), Err(Refused::Algorithm));
    }
}

#[test]
fn a_signature_relabelled_as_another_algorithm_of_its_key_is_wrong() {
    for (made, named) in [
        (Algorithm::Rs256, Algorithm::Ps256),
        (Algorithm::Ps256, Algorithm::Rs256),
        (Algorithm::Rs256, Algorithm::Rs512),
        (Algorithm::Ps512, Algorithm::Ps384),
    ] {
        let token = RSA.token_with(made, &json!({ "alg": named.name() }).to_string());
        let result = verify(&token, &single(&RSA.jwk()), &Algorithm::ALL);
        assert_eq!(result, Err(Refused::Signature), "{made} as {named}");
    }
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
fn a_public_key_is_no_secret_for_hs256() {
    let everything = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Hs256];
    for key in [&RSA, &P256] {
        let jwk = key.jwk_with(json!({ "kid": "k" }));
        let secrets = [
            jwk.to_string(),
            key.jwk().to_string(),
            jwk.get("n")
                .or(jwk.get("x"))
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned(),
        ];
        let message = message(r#"{"alg":"HS256","kid":"k"}"#);
        for secret in secrets {
            let tag = hmac_of(Algorithm::Hs256, secret.as_bytes(), message.as_bytes());
            let token = format!("{message}.{}", encode(tag));
            let result = verify(&token, &single(&jwk), &everything);
            assert_eq!(result, Err(Refused::KeyUse));
        }
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
fn signatures_of_no_substance_and_of_another_form_are_wrong() {
    let message = message(r#"{"alg":"ES256","kid":"k"}"#);
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut one = [0; 32];
    one[31] = 1;
    let numbers = [[0; 32], one, order, [0xff; 32]];
    for r in numbers {
        for s in numbers {
            let token = format!("{message}.{}", encode([r, s].concat()));
            assert_eq!(es256(&token), Err(Refused::Signature));
        }
    }
    let good = P256.sign(Algorithm::Es256, message.as_bytes());
    let (r, s) = good.split_at(32);
    for bad in [
        [&good[..], &[0]].concat(),
        [&[0], &good[..]].concat(),
        [&[0], r, &[0], s].concat(),
        good[..63].to_vec(),
        [s, r].concat(),
        [&good[..], &good[..]].concat(),
        vec![0; 4096],
    ] {
        let token = format!("{message}.{}", encode(bad));
        assert_eq!(es256(&token), Err(Refused::Signature));
        assert_ne!(es256_without_keys(&token), Ok(()));
    }
}

#[test]
fn an_es256_signature_in_der_is_wrong() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let message = message(r#"{"alg":"ES256"}"#);
    let der = pair
        .sign(&aws_lc_rs::rand::SystemRandom::new(), message.as_bytes())
        .unwrap();
    let key = crate::forge::Key::Ec("P-256", pair);
    let token = format!("{message}.{}", encode(der));
    assert_eq!(
        verify(&token, &single(&key.jwk()), ES256),
        Err(Refused::Signature)
    );
}

#[test]
fn another_key_of_the_same_kind_does_not_verify() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let other = crate::forge::Key::Ec("P-256", pair);
    let keys = single(&other.jwk_with(json!({ "kid": "k" })));
    let token = P256.token(Algorithm::Es256, "k");
    assert_eq!(verify(&token, &keys, ES256), Err(Refused::Signature));
}

#[test]
fn es256_is_not_made_by_a_key_of_another_curve() {
    let token = P384.token_with(Algorithm::Es384, r#"{"alg":"ES256","kid":"k"}"#);
    let keys = single(&P384.jwk_with(json!({ "kid": "k" })));
    assert_eq!(verify(&token, &keys, ES256), Err(Refused::Signature));
    let token = P256.token(Algorithm::Es256, "k");
    assert_eq!(verify(&token, &keys, ES256), Err(Refused::KeyUse));
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
