//! Our own keys: ES256, made here and kept as PKCS #8.

use std::fmt;

use aws_lc_rs::{
    pkcs8,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{Algorithm, algorithm::Curve, base64url, thumbprint};

/// Why a key cannot be read or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The bytes are no PKCS #8 document of a P-256 key.
    #[error("the key is no PKCS #8 document of a P-256 key")]
    Key,
    /// The claims are no JSON object.
    #[error("the claims are no JSON object")]
    Claims,
    /// The library could not make a key or a signature.
    #[error("the key or the signature could not be made")]
    Library,
}

/// A private key that signs tokens with ES256.
pub struct SigningKey {
    pair: EcdsaKeyPair,
}

impl SigningKey {
    /// Makes a key.
    ///
    /// # Errors
    /// When the library's random source fails.
    pub fn generate() -> Result<Self, SigningError> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map(|pair| Self { pair })
            .map_err(|_| SigningError::Library)
    }

    /// Reads a key that was kept.
    ///
    /// # Errors
    /// When the bytes are no such key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SigningError> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map(|pair| Self { pair })
            .map_err(|_| SigningError::Key)
    }

    /// The key, to be kept.
    ///
    /// # Errors
    /// When the library cannot write it.
    pub fn to_pkcs8(&self) -> Result<Pkcs8, SigningError> {
        self.pair
            .to_pkcs8v1()
            .map(Pkcs8)
            .map_err(|_| SigningError::Library)
    }

    /// The name that follows from the key itself: its RFC 7638 thumbprint.
    pub fn thumbprint(&self) -> String {
        thumbprint(&self.public_members()).unwrap_or_default()
    }

    /// The public half under this name, as others verify with it.
    pub fn public_jwk(&self, kid: &str) -> Value {
        let mut jwk = self.public_members();
        jwk.insert("kid".to_owned(), kid.into());
        jwk.insert("use".to_owned(), "sig".into());
        jwk.insert("alg".to_owned(), Algorithm::Es256.name().into());
        jwk.into()
    }

    /// A signed token in the compact serialization that says these claims and names its key `kid`.
    ///
    /// # Errors
    /// When the claims are no JSON object.
    pub fn sign(&self, kid: &str, claims: &impl Serialize) -> Result<String, SigningError> {
        self.sign_as("JWT", kid, claims)
    }

    /// Signs a token as [`sign`](Self::sign) does, with `typ` as the type in its header.
    ///
    /// # Errors
    /// When the claims are no JSON object.
    pub fn sign_as(
        &self,
        typ: &str,
        kid: &str,
        claims: &impl Serialize,
    ) -> Result<String, SigningError> {
        let claims = serde_json::to_vec(claims).map_err(|_| SigningError::Claims)?;
        if claims.first() != Some(&b'{') {
            return Err(SigningError::Claims);
        }
        let header = json!({ "alg": Algorithm::Es256.name(), "kid": kid, "typ": typ });
        let mut token = base64url::encode(header.to_string());
        token.push('.');
        token.push_str(&base64url::encode(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), token.as_bytes())
            .map_err(|_| SigningError::Library)?;
        token.push('.');
        token.push_str(&base64url::encode(signature));
        Ok(token)
    }

    /// What RFC 7518, section 6.2.1, gives of a public key.
    fn public_members(&self) -> Map<String, Value> {
        // SEC 1, section 2.3.3: a 4, then both coordinates.
        let point = self.pair.public_key().as_ref();
        let coordinates = point.get(1..).unwrap_or_default();
        let (x, y) = coordinates
            .split_at_checked(Curve::P256.coordinate_bytes())
            .unwrap_or_default();
        let members = [
            ("kty", "EC".to_owned()),
            ("crv", "P-256".to_owned()),
            ("x", base64url::encode(x)),
            ("y", base64url::encode(y)),
        ];
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

/// A private key in PKCS #8 (DER). It cannot be printed, and is wiped when dropped.
pub struct Pkcs8(pkcs8::Document);

impl Pkcs8 {
    /// The secret itself.
    pub fn reveal(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl fmt::Debug for Pkcs8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pkcs8(…)")
    }
}
