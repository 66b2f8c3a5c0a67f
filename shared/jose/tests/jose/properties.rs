//! Rules that hold for whatever comes.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jose::{Algorithm, Claims, KeySet, SigningKey, verify};
use proptest::prelude::*;
use serde_json::json;

use crate::forge::{encode, key_for, single};

proptest! {
    #[test]
    fn no_bit_of_a_token_can_be_flipped(
        algorithm in prop::sample::select(&Algorithm::ALL[..]),
        segment in 0_usize..3,
        place in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let key = key_for(algorithm);
        let keys = single(&key.jwk_with(json!({ "kid": "k" })));
        let token = key.token(algorithm, "k");
        prop_assert!(verify(&token, &keys, &Algorithm::ALL).is_ok());
        let mut segments: Vec<Vec<u8>> = token
            .split('.')
            .map(|segment| BASE64_URL_SAFE_NO_PAD.decode(segment).unwrap())
            .collect();
        let bytes = &mut segments[segment];
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let flipped = segments.iter().map(encode).collect::<Vec<_>>().join(".");
        prop_assert!(verify(&flipped, &keys, &Algorithm::ALL).is_err());
    }

    #[test]
    fn no_character_of_a_token_can_be_changed(
        algorithm in prop::sample::select(&Algorithm::ALL[..]),
        place in any::<prop::sample::Index>(),
        other in any::<char>(),
    ) {
        let key = key_for(algorithm);
        let keys = single(&key.jwk_with(json!({ "kid": "k" })));
        let token = key.token(algorithm, "k");
        let place = place.index(token.len());
        prop_assume!(!token[place..].starts_with(other));
        let changed = format!("{}{other}{}", &token[..place], &token[place + 1..]);
        prop_assert!(verify(&changed, &keys, &Algorithm::ALL).is_err());
        prop_assert!(verify(&token[..place], &keys, &Algorithm::ALL).is_err());
    }

    #[test]
    fn whatever_is_signed_is_verified_and_read_back(
        kid in "[A-Za-z0-9_-]{1,43}",
        subject in ".{0,40}",
        number in any::<u32>(),
    ) {
        let key = SigningKey::generate().unwrap();
        let token = key.sign(&kid, &json!({ "sub": subject, "n": number })).unwrap();
        let verified = verify(&token, &single(&key.public_jwk(&kid)), &[Algorithm::Es256]).unwrap();
        prop_assert_eq!(verified.kid, Some(kid));
        let claims = Claims::parse(&verified.payload).unwrap();
        prop_assert_eq!(claims.text("sub"), Some(subject.as_str()));
        prop_assert_eq!(claims.value("n"), Some(&json!(number)));
    }

    #[test]
    fn nothing_that_is_not_ours_panics(
        token in ".*",
        header in prop::collection::vec(any::<u8>(), 0..64),
        bytes in prop::collection::vec(any::<u8>(), 0..256),
    ) {
        let keys = single(&key_for(Algorithm::Es256).jwk());
        prop_assert!(verify(&token, &keys, &Algorithm::ALL).is_err());
        let framed = format!("{}.{}.{}", encode(header), encode(&bytes), encode(&bytes));
        prop_assert!(verify(&framed, &keys, &Algorithm::ALL).is_err());
        let _ = Claims::parse(&bytes);
        let _ = KeySet::parse(&bytes);
        let _ = KeySet::of_jwk(&bytes);
        let _ = SigningKey::from_pkcs8(&bytes);
    }

    #[test]
    fn no_key_of_any_numbers_panics(
        kind in prop::sample::select(&["RSA", "EC", "oct"][..]),
        curve in prop::sample::select(&["P-256", "P-384", "P-521"][..]),
        one in prop::collection::vec(any::<u8>(), 0..300),
        other in prop::collection::vec(any::<u8>(), 0..70),
    ) {
        let jwk = json!({
            "kty": kind, "crv": curve, "kid": "k", "n": encode(&one), "e": encode(&other),
            "x": encode(&other), "y": encode(&other), "k": encode(&one),
        });
        if let Ok(keys) = KeySet::of_jwk(jwk.to_string().as_bytes()) {
            for algorithm in Algorithm::ALL {
                let token = key_for(algorithm).token(algorithm, "k");
                prop_assert!(verify(&token, &keys, &Algorithm::ALL).is_err());
            }
        }
    }
}
