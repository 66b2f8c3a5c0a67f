//! One key that verifies: a JSON Web Key (RFC 7517) read into what the signature library wants.

use aws_lc_rs::{
    hmac,
    signature::{ParsedPublicKey, RsaPublicKeyComponents},
};
use serde_json::{Map, Value};

use crate::{
    Algorithm,
    algorithm::{Curve, Scheme},
    base64url, json,
    roca::is_roca,
};

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// A member is missing, or not of the type and spelling that RFC 7517 and 7518 give it.
    #[error("its member {0} is missing or malformed")]
    Member(&'static str),
    /// An RSA modulus outside of 2048 to 8192 bits.
    #[error("its modulus is not of 2048 to 8192 bits")]
    ModulusSize,
    /// An RSA exponent that is even, one, or longer than 32 bits.
    #[error("its exponent is not an odd number from 3 to 2^32")]
    Exponent,
    /// An RSA modulus that can be factored (CVE-2017-15361).
    #[error("its modulus was made by a broken generator")]
    Roca,
    /// Coordinates that are no point of the curve.
    #[error("its coordinates are no point of the curve")]
    Point,
}

/// A key and what it may be used for.
pub(crate) struct Key {
    pub(crate) kid: Option<String>,
    material: Material,
    allowed: Allowed,
}

enum Material {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    Ec(Curve, ParsedPublicKey),
    Secret(Vec<u8>),
    /// Not looked at, since the key is not for verifying.
    Unread,
}

/// Which algorithms the key itself allows: by `alg`, `use` and `key_ops`.
enum Allowed {
    Any,
    Only(Algorithm),
    Nothing,
}

impl Key {
    /// Reads a key. `Ok(None)` when its type or curve is none of ours.
    pub(crate) fn read(jwk: &Map<String, Value>) -> Result<Option<Self>, BadKey> {
        let kid = optional_text(jwk, "kid")?;
        let allowed = allowed(jwk)?;
        let material = match text(jwk, "kty")? {
            "RSA" | "EC" | "oct" if matches!(allowed, Allowed::Nothing) => Material::Unread,
            "RSA" => rsa(jwk)?,
            "EC" => match Curve::named(text(jwk, "crv")?) {
                Some(curve) => ec(jwk, curve)?,
                None => return Ok(None),
            },
            "oct" => Material::Secret(bytes(jwk, "k")?),
            _ => return Ok(None),
        };
        Ok(Some(Self {
            kid: kid.map(str::to_owned),
            material,
            allowed,
        }))
    }

    /// Whether the key may verify signatures of this algorithm.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        let is_allowed = match self.allowed {
            Allowed::Any => true,
            Allowed::Only(only) => only == algorithm,
            Allowed::Nothing => false,
        };
        is_allowed
            && match (&self.material, algorithm.scheme()) {
                (Material::Rsa(_), Scheme::Rsa(_)) => true,
                (Material::Ec(curve, _), Scheme::Ecdsa(wanted)) => *curve == wanted,
                // RFC 7518, section 3.2: no shorter than the hash's output.
                (Material::Secret(secret), Scheme::Hmac(hash)) => secret.len() >= hash.tag_len(),
                _ => false,
            }
    }

    /// Whether this key made the signature with this algorithm, which it must fit.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        let verified = match (&self.material, algorithm.scheme()) {
            (Material::Rsa(key), Scheme::Rsa(parameters)) => {
                key.verify(parameters, message, signature)
            }
            (Material::Ec(_, key), Scheme::Ecdsa(_)) => key.verify_sig(message, signature),
            (Material::Secret(secret), Scheme::Hmac(hash)) => {
                hmac::verify(&hmac::Key::new(hash, secret), message, signature)
            }
            _ => return false,
        };
        verified.is_ok()
    }
}

/// RFC 7518, section 6.3.1.
fn rsa(jwk: &Map<String, Value>) -> Result<Material, BadKey> {
    let (n, e) = (number(jwk, "n")?, number(jwk, "e")?);
    let leading_zeros = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !(2048..=8192).contains(&(n.len() * 8 - leading_zeros)) {
        return Err(BadKey::ModulusSize);
    }
    // Larger exponents are used by nobody, and a huge one would make each verification dear.
    let is_odd = e.last().is_some_and(|byte| byte % 2 == 1);
    if !is_odd || e.len() > 4 || e == [1] {
        return Err(BadKey::Exponent);
    }
    if is_roca(&n) {
        return Err(BadKey::Roca);
    }
    Ok(Material::Rsa(RsaPublicKeyComponents { n, e }))
}

/// RFC 7518, section 6.2.1: coordinates are as long as the curve's field, leading zeros included.
fn ec(jwk: &Map<String, Value>, curve: Curve) -> Result<Material, BadKey> {
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    for (name, coordinate) in [("x", &x), ("y", &y)] {
        if coordinate.len() != curve.coordinate_bytes() {
            return Err(BadKey::Member(name));
        }
    }
    // SEC 1, section 2.3.3: 4 is an uncompressed point.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    ParsedPublicKey::new(curve.verification(), point)
        .map(|key| Material::Ec(curve, key))
        .map_err(|_| BadKey::Point)
}

/// RFC 7517, sections 4.2 to 4.4.
fn allowed(jwk: &Map<String, Value>) -> Result<Allowed, BadKey> {
    let is_for_signatures = optional_text(jwk, "use")?.is_none_or(|purpose| purpose == "sig");
    let verifies = match jwk.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
        Some(_) => return Err(BadKey::Member("key_ops")),
    };
    let algorithm = optional_text(jwk, "alg")?.map(str::parse);
    Ok(match algorithm {
        _ if !is_for_signatures || !verifies => Allowed::Nothing,
        None => Allowed::Any,
        Some(Ok(algorithm)) => Allowed::Only(algorithm),
        Some(Err(_)) => Allowed::Nothing,
    })
}

fn optional_text<'a>(
    jwk: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, BadKey> {
    json::text(jwk, name).map_err(|_| BadKey::Member(name))
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, BadKey> {
    optional_text(jwk, name)?.ok_or(BadKey::Member(name))
}

fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, BadKey> {
    base64url::decode(text(jwk, name)?)
        .filter(|bytes| !bytes.is_empty())
        .ok_or(BadKey::Member(name))
}

/// A positive integer: big-endian, in as few bytes as it needs (`Base64urlUInt`, RFC 7518, section 2).
fn number(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, BadKey> {
    let bytes = bytes(jwk, name)?;
    match bytes.first() {
        Some(0) => Err(BadKey::Member(name)),
        _ => Ok(bytes),
    }
}
