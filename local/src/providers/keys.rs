//! The keys that sandboxes sign id tokens with: made when they are first wanted.

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::{self, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::tokens::merge;

/// A key pair and its name.
pub(super) struct Key {
    kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

/// The library could not do what it is for.
#[derive(Debug, thiserror::Error)]
#[error("the cryptographic library refused")]
pub(super) struct LibraryRefused;

impl From<aws_lc_rs::error::Unspecified> for LibraryRefused {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self
    }
}

impl Key {
    /// A 2,048-bit key for RS256.
    pub(super) fn rsa(kid: String) -> Result<Self, LibraryRefused> {
        let pair = Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048)?);
        Ok(Self { kid, pair })
    }

    /// A P-256 key for ES256.
    pub(super) fn ec(kid: String) -> Result<Self, LibraryRefused> {
        let pair = Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?);
        Ok(Self { kid, pair })
    }

    const fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
        }
    }

    /// The public half (RFC 7517).
    pub(super) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public: &rsa::PublicKey = pair.public_key();
                json!({
                    "kty": "RSA",
                    "n": text(public.modulus().big_endian_without_leading_zero()),
                    "e": text(public.exponent().big_endian_without_leading_zero()),
                })
            }
            Pair::Ec(pair) => {
                // 4, x, y: SEC 1, section 2.3.3.
                let point = pair.public_key().as_ref();
                let (x, y) = point.get(1..).unwrap_or_default().split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
            }
        };
        let named = [
            ("kid", self.kid.as_str()),
            ("use", "sig"),
            ("alg", self.algorithm()),
        ];
        let named = named.map(|(name, value)| (name.to_owned(), Value::from(value)));
        merge(&mut jwk, &named.into_iter().collect());
        jwk
    }

    /// `claims` as a signed token; members of `header` replace or add to its header.
    pub(super) fn sign(
        &self,
        header: &Map<String, Value>,
        claims: &Value,
    ) -> Result<String, LibraryRefused> {
        let mut head = json!({ "alg": self.algorithm(), "kid": self.kid, "typ": "JWT" });
        merge(&mut head, header);
        let signed = format!("{}.{}", text(head.to_string()), text(claims.to_string()));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    signed.as_bytes(),
                    &mut signature,
                )?;
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, signed.as_bytes())?.as_ref().to_vec(),
        };
        Ok(format!("{signed}.{}", text(signature)))
    }
}

/// `claims` as a token that is signed with a secret (HS256).
pub(super) fn sign_by_secret(secret: &str, header: &Map<String, Value>, claims: &Value) -> String {
    let mut head = json!({ "alg": "HS256", "typ": "JWT" });
    merge(&mut head, header);
    let signed = format!("{}.{}", text(head.to_string()), text(claims.to_string()));
    let signature = hmac_sha256(secret, &signed);
    format!("{signed}.{}", text(signature))
}

/// A payload in Facebook's form: the signature first, then what it is over.
pub(super) fn signed_request(secret: &str, payload: &Value) -> String {
    let payload = text(payload.to_string());
    let signature = text(hmac_sha256(secret, &payload));
    format!("{signature}.{payload}")
}

fn hmac_sha256(secret: &str, message: &str) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::sign(&key, message.as_bytes())
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
