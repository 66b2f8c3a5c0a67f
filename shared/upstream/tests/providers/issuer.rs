//! Makes tokens: real ones with fresh keys, and every kind of bad one.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

/// A key pair with a name.
pub(crate) struct Issuer {
    pub(crate) kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
}

impl Issuer {
    pub(crate) fn rs256(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        Self {
            kid: kid.to_owned(),
            pair: Pair::Rsa(Box::new(pair)),
        }
    }

    pub(crate) fn es256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self {
            kid: kid.to_owned(),
            pair: Pair::Ec(pair),
        }
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
        }
    }

    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                // RSAPublicKey (RFC 8017, appendix A.1.1) of 2048 bits, whose exponent is 65537.
                let der = pair.public_key().as_ref();
                json!({ "kty": "RSA", "n": BASE64.encode(&der[9..265]), "e": "AQAB" })
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                let (x, y) = (BASE64.encode(x), BASE64.encode(y));
                json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
            }
        };
        jwk["kid"] = self.kid.clone().into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm().into();
        jwk
    }

    /// The key in PKCS #8, in PEM.
    pub(crate) fn pem(&self) -> String {
        let Pair::Ec(pair) = &self.pair else {
            panic!("only for ES256")
        };
        let der = pair.to_pkcs8v1().unwrap();
        let body = base64::prelude::BASE64_STANDARD.encode(der.as_ref());
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "alg": self.algorithm(), "kid": self.kid, "typ": "JWT" })
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.signed(&self.header(), &claims.to_string())
    }

    /// Signs whatever it is given.
    pub(crate) fn signed(&self, header: &Value, payload: &str) -> String {
        let text = unsigned(header, payload);
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let random = SystemRandom::new();
                pair.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
            Pair::Ec(pair) => {
                let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
                signature.as_ref().to_vec()
            }
        };
        format!("{text}.{}", BASE64.encode(signature))
    }

    /// A token whose secret is the public key: what a verifier that trusts `alg` takes for signed.
    pub(crate) fn signed_with_public_key(&self, claims: &Value) -> String {
        let header = json!({ "alg": "HS256", "kid": self.kid });
        let text = unsigned(&header, &claims.to_string());
        let public = match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
        };
        let mac = Hmac::<Sha256>::new_from_slice(&public).unwrap();
        let signature = mac.chain_update(&text).finalize().into_bytes();
        format!("{text}.{}", BASE64.encode(signature))
    }
}

pub(crate) fn key_set(issuers: &[&Issuer]) -> Value {
    let keys: Vec<_> = issuers.iter().map(|issuer| issuer.jwk()).collect();
    json!({ "keys": keys })
}

pub(crate) fn unsigned(header: &Value, payload: &str) -> String {
    let header = BASE64.encode(header.to_string());
    format!("{header}.{}", BASE64.encode(payload))
}
