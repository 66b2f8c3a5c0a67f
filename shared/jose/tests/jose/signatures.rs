//! Whose signature it is, by which algorithm, and of which form.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use jose::{Algorithm, Refused, verify};
use serde_json::json;

use crate::{
    attacks::{ES256, es256, es256_without_keys},
    forge::{Key, P256, P384, RSA, encode, hmac_of, key_for, message, single},
};

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
    let der = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    let key = Key::Ec("P-256", pair);
    let token = format!("{message}.{}", encode(der));
    assert_eq!(
        verify(&token, &single(&key.jwk()), ES256),
        Err(Refused::Signature)
    );
}

#[test]
fn another_key_of_the_same_kind_does_not_verify() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let other = Key::Ec("P-256", pair);
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
