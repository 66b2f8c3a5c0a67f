//! Which keys are accepted, and which of them is taken.

use jose::{Algorithm, BadKey, BadKeySet, KeySet, Refused, SigningKey, verify};
use serde_json::{Value, json};

use crate::forge::{P256, P384, RSA, SECRET, encode, single};

fn set(keys: &[Value]) -> Result<KeySet, BadKeySet> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn bad(why: BadKey) -> BadKeySet {
    BadKeySet::Key { index: 0, why }
}

#[test]
fn a_key_that_is_not_for_verifying_verifies_nothing() {
    for members in [
        json!({ "use": "enc" }),
        json!({ "use": "SIG" }),
        json!({ "use": "" }),
        json!({ "key_ops": [] }),
        json!({ "key_ops": ["sign"] }),
        json!({ "key_ops": ["encrypt", "verify "] }),
        json!({ "use": "enc", "key_ops": ["verify"] }),
        json!({ "alg": "ES384" }),
        json!({ "alg": "RS256" }),
        json!({ "alg": "ECDH-ES" }),
        json!({ "alg": "es256" }),
        json!({ "alg": "none" }),
    ] {
        let mut jwk = P256.jwk_with(members.clone());
        jwk["kid"] = "k".into();
        let named = P256.token(Algorithm::Es256, "k");
        let nameless = P256.token_with(Algorithm::Es256, r#"{"alg":"ES256"}"#);
        for token in [named, nameless] {
            let result = verify(&token, &single(&jwk), &Algorithm::ALL);
            assert_eq!(result, Err(Refused::KeyUse), "{members}");
        }
    }
}

#[test]
fn a_key_that_is_for_verifying_verifies() {
    for members in [
        json!({}),
        json!({ "use": "sig" }),
        json!({ "key_ops": ["verify"] }),
        json!({ "key_ops": ["sign", "verify"], "use": "sig", "alg": "ES256" }),
        json!({ "x5c": ["MIIB"], "x5t": "AA", "ext": true }),
    ] {
        let token = P256.token_with(Algorithm::Es256, r#"{"alg":"ES256"}"#);
        let keys = single(&P256.jwk_with(members.clone()));
        assert!(
            verify(&token, &keys, &[Algorithm::Es256]).is_ok(),
            "{members}"
        );
    }
}

#[test]
fn the_token_names_its_key_unless_only_one_fits() {
    let named = |kid: &str| P256.token(Algorithm::Es256, kid);
    let nameless = P256.token_with(Algorithm::Es256, r#"{"alg":"ES256"}"#);
    let other = SigningKey::generate().unwrap();
    let (one, two) = (
        P256.jwk_with(json!({ "kid": "one" })),
        other.public_jwk("two"),
    );
    let unknown = |kid: Option<&str>| {
        Err(Refused::UnknownKey {
            kid: kid.map(str::to_owned),
        })
    };
    let outcome = |token: &str, keys: &[Value]| {
        verify(token, &set(keys).unwrap(), &[Algorithm::Es256]).map(|_| ())
    };

    let both = [one.clone(), two.clone()];
    assert_eq!(outcome(&named("one"), &both), Ok(()));
    assert_eq!(outcome(&named("two"), &both), Err(Refused::Signature));
    assert_eq!(outcome(&named("three"), &both), unknown(Some("three")));
    assert_eq!(outcome(&named("One"), &both), unknown(Some("One")));
    assert!(matches!(outcome(&nameless, &both), Err(Refused::Header(_))));

    assert_eq!(outcome(&nameless, &[RSA.jwk(), one, P384.jwk()]), Ok(()));
    assert_eq!(outcome(&nameless, &[two]), Err(Refused::Signature));
    assert_eq!(outcome(&nameless, &[RSA.jwk()]), Err(Refused::KeyUse));
    assert_eq!(outcome(&nameless, &[]), unknown(None));
    assert_eq!(outcome(&named("one"), &[]), unknown(Some("one")));
    // A key without a name is not the one that the token names.
    assert_eq!(outcome(&named("one"), &[P256.jwk()]), unknown(Some("one")));
}

#[test]
fn a_set_is_all_public_or_all_secret() {
    let (secret, public) = (SECRET.jwk(), P256.jwk());
    let foreign = json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" });
    for mixed in [
        vec![secret.clone(), public.clone()],
        vec![RSA.jwk(), public.clone(), secret.clone()],
        vec![secret.clone(), foreign.clone()],
    ] {
        assert_eq!(set(&mixed).unwrap_err(), BadKeySet::Mixed);
    }
    assert!(set(&[secret.clone(), secret]).is_ok());
    assert!(set(&[RSA.jwk(), public, foreign]).is_ok());
}

#[test]
fn keys_of_unknown_kinds_are_left_out_of_a_set() {
    let keys = set(&[
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "a" }),
        json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "b" }),
        P256.jwk_with(json!({ "kid": "c" })),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "kid": "d" }),
        json!({ "kty": "RSA", "use": "enc", "n": "AA", "kid": "e" }),
    ])
    .unwrap();
    let known = ["a", "b", "c", "d", "e"].map(|kid| keys.contains(kid));
    assert_eq!(known, [false, false, true, false, true]);
    assert!(!keys.is_empty());
    assert!(set(&[json!({ "kty": "OKP" })]).unwrap().is_empty());
    let single = KeySet::of_jwk(br#"{"kty":"OKP"}"#);
    assert_eq!(single.unwrap_err(), BadKeySet::UnknownKind);
}

#[test]
fn two_keys_of_one_name_are_refused() {
    let twice = [
        P256.jwk_with(json!({ "kid": "k" })),
        RSA.jwk_with(json!({ "kid": "k" })),
    ];
    assert_eq!(set(&twice).unwrap_err(), BadKeySet::RepeatedKid);
}

#[test]
fn what_is_no_set_of_keys_is_refused() {
    for (text, why) in [
        ("", BadKeySet::NotAnObject),
        ("[]", BadKeySet::NotAnObject),
        ("<html>", BadKeySet::NotAnObject),
        (r#"{"keys":[],"keys":[]}"#, BadKeySet::NotAnObject),
        (
            r#"{"keys":[{"kty":"oct","k":"AA","k":"AA"}]}"#,
            BadKeySet::NotAnObject,
        ),
        ("{}", BadKeySet::NoKeys),
        (r#"{"keys":{}}"#, BadKeySet::NoKeys),
        (r#"{"keys":[1]}"#, BadKeySet::NoKeys),
        (r#"{"keys":[{}]}"#, bad(BadKey::Member("kty"))),
        (r#"{"keys":[{"kty":1}]}"#, bad(BadKey::Member("kty"))),
    ] {
        assert_eq!(KeySet::parse(text.as_bytes()).unwrap_err(), why, "{text}");
    }
}

/// 65537^128, big-endian: it is 2^16 + 1, squared seven times.
fn roca() -> Vec<u8> {
    let squared = |number: Vec<u32>| {
        let mut square = vec![0_u32; 2 * number.len()];
        for (place, digit) in number.iter().enumerate() {
            for (other_place, other) in number.iter().enumerate() {
                square[place + other_place] += digit * other;
            }
            for carry in 0..square.len() - 1 {
                square[carry + 1] += square[carry] >> 8;
                square[carry] &= 0xff;
            }
        }
        square
    };
    let number = (0..7).fold(vec![1, 0, 1], |number, _| squared(number));
    let bytes = number.into_iter().rev().map(|digit| digit as u8);
    bytes.skip_while(|byte| *byte == 0).collect()
}

#[test]
fn a_malformed_or_weak_key_is_refused() {
    let rsa = |n: &[u8], e: &[u8]| json!({ "kty": "RSA", "n": encode(n), "e": encode(e) });
    let modulus = [&[0xc0][..], &[0x55; 255]].concat();
    let mut short = modulus.clone();
    short[0] = 0x7f;
    let coordinate = |name: &str, value: Value| P256.jwk_with(json!({ name: value }));
    let zeros = encode([0; 32]);
    for (jwk, why) in [
        (rsa(&short, &[1, 0, 1]), BadKey::ModulusSize),
        (rsa(&modulus[..128], &[1, 0, 1]), BadKey::ModulusSize),
        (rsa(&[0xff; 1025], &[1, 0, 1]), BadKey::ModulusSize),
        (
            rsa(&[&[0], &modulus[..]].concat(), &[1, 0, 1]),
            BadKey::Member("n"),
        ),
        (rsa(&modulus, &[0, 1, 0, 1]), BadKey::Member("e")),
        (rsa(&modulus, &[]), BadKey::Member("e")),
        (rsa(&modulus, &[1]), BadKey::Exponent),
        (rsa(&modulus, &[2]), BadKey::Exponent),
        (rsa(&modulus, &[1, 0, 0]), BadKey::Exponent),
        (rsa(&modulus, &[1, 0, 0, 0, 1]), BadKey::Exponent),
        (rsa(&modulus, &modulus), BadKey::Exponent),
        // 65537^128, the plainest modulus of the ROCA family.
        (rsa(&roca(), &[1, 0, 1]), BadKey::Roca),
        (json!({ "kty": "RSA", "e": "AQAB" }), BadKey::Member("n")),
        (coordinate("x", json!(zeros)), BadKey::Point),
        (coordinate("y", json!(zeros)), BadKey::Point),
        (coordinate("x", json!(encode([1; 31]))), BadKey::Member("x")),
        (coordinate("y", json!(encode([0; 33]))), BadKey::Member("y")),
        (coordinate("y", json!(1)), BadKey::Member("y")),
        (coordinate("crv", json!("P-384")), BadKey::Member("x")),
        (coordinate("crv", json!(null)), BadKey::Member("crv")),
        (coordinate("kid", json!(7)), BadKey::Member("kid")),
        (coordinate("use", json!(["sig"])), BadKey::Member("use")),
        (
            coordinate("key_ops", json!("verify")),
            BadKey::Member("key_ops"),
        ),
        (coordinate("alg", json!(["ES256"])), BadKey::Member("alg")),
        (json!({ "kty": "oct", "k": "" }), BadKey::Member("k")),
        (json!({ "kty": "oct", "k": "AA==" }), BadKey::Member("k")),
        (json!({ "kty": "oct", "k": "AB" }), BadKey::Member("k")),
    ] {
        let single = KeySet::of_jwk(jwk.to_string().as_bytes());
        assert_eq!(single.unwrap_err(), bad(why), "{jwk}");
        assert_eq!(
            set(std::slice::from_ref(&jwk)).unwrap_err(),
            bad(why),
            "{jwk}"
        );
    }
}

#[test]
fn a_secret_is_at_least_as_long_as_its_hash() {
    for (algorithm, hash_bytes) in [
        (Algorithm::Hs256, 32),
        (Algorithm::Hs384, 48),
        (Algorithm::Hs512, 64),
    ] {
        for (length, fits) in [
            (1, false),
            (hash_bytes - 1, false),
            (hash_bytes, true),
            (200, true),
        ] {
            let key = crate::forge::Key::Secret(vec![7; length]);
            let token = key.token_with(algorithm, &json!({ "alg": algorithm.name() }).to_string());
            let result = verify(&token, &single(&key.jwk()), &[algorithm]);
            assert_eq!(result.is_ok(), fits, "{algorithm} with {length} bytes");
        }
    }
}
