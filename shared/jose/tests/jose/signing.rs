//! Our own keys: kept, published under a name, and signed with.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use jose::{Algorithm, SigningError, SigningKey, verify};
use serde_json::json;

use crate::forge::{SECRET, single};

#[test]
fn neither_keys_nor_secrets_are_printed() {
    let secret = SECRET.jwk_with(json!({ "kid": "k" }));
    assert_eq!(format!("{:?}", single(&secret)), r#"{Some("k")}"#);
    let key = SigningKey::generate().unwrap();
    assert_eq!(format!("{key:?}"), "SigningKey { .. }");
    assert_eq!(format!("{:?}", key.to_pkcs8().unwrap()), "Pkcs8(…)");
}

#[test]
fn our_own_key_is_kept_and_signs_what_others_verify() {
    let key = SigningKey::generate().unwrap();
    let kept = SigningKey::from_pkcs8(key.to_pkcs8().unwrap().reveal()).unwrap();
    let kid = key.thumbprint();
    assert_eq!(kept.thumbprint(), kid);
    assert_eq!(kid.len(), 43);
    let jwk = kept.public_jwk(&kid);
    assert_eq!(
        [
            &jwk["kty"],
            &jwk["crv"],
            &jwk["use"],
            &jwk["alg"],
            &jwk["kid"]
        ],
        ["EC", "P-256", "sig", "ES256", kid.as_str()]
    );
    assert_eq!(jwk.as_object().unwrap().len(), 7);
    assert_eq!(
        jose::thumbprint(jwk.as_object().unwrap()),
        Some(kid.clone())
    );

    let token = key.sign(&kid, &json!({ "sub": "me" })).unwrap();
    let verified = verify(&token, &single(&jwk), &[Algorithm::Es256]).unwrap();
    assert_eq!(verified.payload, br#"{"sub":"me"}"#);
    assert_eq!(verified.kid, Some(kid));
}

#[test]
fn what_is_no_key_or_no_claims_is_not_signed_with() {
    let other = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let other = other.to_pkcs8v1().unwrap();
    for bytes in [b"".as_slice(), b"key", other.as_ref()] {
        assert_eq!(
            SigningKey::from_pkcs8(bytes).unwrap_err(),
            SigningError::Key
        );
    }
    let key = SigningKey::generate().unwrap();
    for claims in [json!([]), json!("{}"), json!(null)] {
        assert_eq!(key.sign("k", &claims).unwrap_err(), SigningError::Claims);
    }
}
