//! Keys made fresh, and tokens with any header and any signature.

use std::sync::LazyLock;

use aws_lc_rs::{
    hmac,
    rand::{SystemRandom, fill},
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{self, EcdsaKeyPair, KeyPair as _, RsaEncoding},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jose::{Algorithm, KeySet};
use serde_json::{Value, json};

/// Both halves of a key, for one algorithm or, as with RSA, several.
pub(crate) enum Key {
    Rsa(Box<RsaKeyPair>),
    Ec(&'static str, EcdsaKeyPair),
    Secret(Vec<u8>),
}

/// One of each kind, made once: RSA keys take their time.
pub(crate) static RSA: LazyLock<Key> =
    LazyLock::new(|| Key::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())));
pub(crate) static P256: LazyLock<Key> = LazyLock::new(|| {
    Key::Ec(
        "P-256",
        EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
    )
});
pub(crate) static P384: LazyLock<Key> = LazyLock::new(|| {
    Key::Ec(
        "P-384",
        EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
    )
});
pub(crate) static P521: LazyLock<Key> = LazyLock::new(|| {
    Key::Ec(
        "P-521",
        EcdsaKeyPair::generate(&signature::ECDSA_P521_SHA512_FIXED_SIGNING).unwrap(),
    )
});
pub(crate) static SECRET: LazyLock<Key> = LazyLock::new(|| {
    let mut secret = vec![0; 64];
    fill(&mut secret).unwrap();
    Key::Secret(secret)
});

/// The key that an algorithm is signed with here.
pub(crate) fn key_for(algorithm: Algorithm) -> &'static Key {
    match algorithm {
        Algorithm::Es256 => &P256,
        Algorithm::Es384 => &P384,
        Algorithm::Es512 => &P521,
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => &SECRET,
        _ => &RSA,
    }
}

impl Key {
    /// The JWK of what verifies, with neither `kid` nor any restriction.
    pub(crate) fn jwk(&self) -> Value {
        match self {
            Self::Rsa(pair) => {
                // RSAPublicKey in DER: with 2048 bits and 65537 everything has its fixed place.
                let der = pair.public_key().as_ref();
                json!({ "kty": "RSA", "n": encode(&der[9..265]), "e": "AQAB" })
            }
            Self::Ec(curve, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) })
            }
            Self::Secret(secret) => json!({ "kty": "oct", "k": encode(secret) }),
        }
    }

    /// The JWK with more members.
    pub(crate) fn jwk_with(&self, members: Value) -> Value {
        let mut jwk = self.jwk();
        let object = jwk.as_object_mut().unwrap();
        object.extend(members.as_object().unwrap().clone());
        jwk
    }

    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
                    Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
                    Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
                    Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
                    _ => &signature::RSA_PSS_SHA512,
                };
                let mut signed = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signed)
                    .unwrap();
                signed
            }
            Self::Ec(_, pair) => {
                let signed = pair.sign(&SystemRandom::new(), message).unwrap();
                signed.as_ref().to_vec()
            }
            Self::Secret(secret) => hmac_of(algorithm, secret, message),
        }
    }

    /// A good token of this algorithm under this name.
    pub(crate) fn token(&self, algorithm: Algorithm, kid: &str) -> String {
        let header = json!({ "alg": algorithm.name(), "kid": kid });
        self.token_with(algorithm, &header.to_string())
    }

    /// A token whose signature is good, with any header.
    pub(crate) fn token_with(&self, algorithm: Algorithm, header: &str) -> String {
        let message = message(header);
        let signature = self.sign(algorithm, message.as_bytes());
        format!("{message}.{}", encode(signature))
    }
}

/// Header and payload, encoded.
pub(crate) fn message(header: &str) -> String {
    format!("{}.{}", encode(header), encode(PAYLOAD))
}

pub(crate) const PAYLOAD: &str = r#"{"iss":"https://issuer.example","sub":"1"}"#;

pub(crate) fn hmac_of(algorithm: Algorithm, secret: &[u8], message: &[u8]) -> Vec<u8> {
    let hash = match algorithm {
        Algorithm::Hs384 => hmac::HMAC_SHA384,
        Algorithm::Hs512 => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let tag = hmac::sign(&hmac::Key::new(hash, secret), message);
    tag.as_ref().to_vec()
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A key set of one JWK.
pub(crate) fn single(jwk: &Value) -> KeySet {
    KeySet::of_jwk(jwk.to_string().as_bytes()).unwrap()
}
