//! Whether a token was signed by one of the keys that we trust.

use crate::{Algorithm, KeySet, base64url, header::Header, key::Key};

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A token whose signature is good. What it says is still to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The key's name, as the token gave it.
    pub kid: Option<String>,
    /// The token's type, as its header gives it (RFC 7515, section 4.1.9).
    pub typ: Option<String>,
    /// What was signed.
    pub payload: Vec<u8>,
}

impl Verified {
    /// Returns whether the token's type is `typ`. Case does not matter, and `application/` may stand
    /// before it (RFC 7515, section 4.1.9).
    pub fn is_of_type(&self, typ: &str) -> bool {
        self.typ.as_deref().is_some_and(|given| {
            let given = given.to_ascii_lowercase();
            let given = given.strip_prefix("application/").unwrap_or(&given);
            given.eq_ignore_ascii_case(typ)
        })
    }
}

/// Why a token is not believed. None of this is for whoever sent it, who learns one code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// More than [`MAX_TOKEN_BYTES`].
    #[error("the token is too large")]
    TooLarge,
    /// Not the compact serialization of a signed token, or claims that are none.
    #[error("{0}")]
    Malformed(&'static str),
    /// No algorithm, an unknown one, or one that is not allowed here.
    #[error("the algorithm is missing, unknown or not allowed")]
    Algorithm,
    /// A header that asks for what we never do.
    #[error("{0}")]
    Header(&'static str),
    /// No key of this name, or none at all: a fresh key set may have it.
    #[error("no key has the token's kid")]
    UnknownKey {
        /// The name that the token gave.
        kid: Option<String>,
    },
    /// A key that must not be used so: by its type, curve, size, `use`, `key_ops` or `alg`.
    #[error("the key is not for this algorithm or not for verifying")]
    KeyUse,
    /// The signature is not of this key over this token.
    #[error("the signature is wrong")]
    Signature,
}

/// Verifies a token in the compact serialization.
///
/// The algorithm must be one of `algorithms` and fit the key. What can be seen without a key is
/// refused before [`Refused::UnknownKey`], so a malformed token never makes anybody fetch keys.
///
/// # Errors
/// See [`Refused`].
pub fn verify(token: &str, keys: &KeySet, algorithms: &[Algorithm]) -> Result<Verified, Refused> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Refused::TooLarge);
    }
    let parts = Parts::of(token).ok_or(Refused::Malformed("the token has not three segments"))?;
    let header = decode(parts.header)?;
    let payload = decode(parts.payload)?;
    let signature = decode(parts.signature)?;
    let Header {
        algorithm,
        kid,
        typ,
    } = Header::read(&header, algorithms)?;
    if !algorithm.can_be_long(signature.len()) {
        return Err(Refused::Signature);
    }
    let key = choose(keys, kid.as_deref(), algorithm)?;
    match key.verifies(algorithm, parts.signed.as_bytes(), &signature) {
        true => Ok(Verified { kid, typ, payload }),
        false => Err(Refused::Signature),
    }
}

/// The segments of a token, still encoded.
struct Parts<'t> {
    header: &'t str,
    payload: &'t str,
    signature: &'t str,
    /// Header and payload with the dot between them: what the signature is over.
    signed: &'t str,
}

impl<'t> Parts<'t> {
    fn of(token: &'t str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        // A fourth segment would show as a dot in the payload.
        (!payload.contains('.')).then_some(Self {
            header,
            payload,
            signature,
            signed,
        })
    }
}

fn decode(segment: &str) -> Result<Vec<u8>, Refused> {
    if segment.is_empty() {
        return Err(Refused::Malformed("a segment of the token is empty"));
    }
    base64url::decode(segment).ok_or(Refused::Malformed(
        "a segment of the token is not base64url without padding",
    ))
}

/// The key that the token names; for a token that names none, the only one that fits.
fn choose<'k>(
    keys: &'k KeySet,
    kid: Option<&str>,
    algorithm: Algorithm,
) -> Result<&'k Key, Refused> {
    let Some(name) = kid else {
        let mut fitting = keys.fitting(algorithm);
        return match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(Refused::Header("the header names no key, and several fit")),
            (None, _) if keys.is_empty() => Err(Refused::UnknownKey { kid: None }),
            (None, _) => Err(Refused::KeyUse),
        };
    };
    let key = keys.named(name).ok_or_else(|| Refused::UnknownKey {
        kid: Some(name.to_owned()),
    })?;
    match key.fits(algorithm) {
        true => Ok(key),
        false => Err(Refused::KeyUse),
    }
}
