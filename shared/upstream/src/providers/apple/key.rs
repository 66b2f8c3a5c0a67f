//! The key by which we sign to Apple.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jose::SigningKey;

/// The private key of a `.p8` file that Apple gave out (PKCS #8 in PEM).
#[derive(Debug)]
pub struct AppleKey(pub(super) SigningKey);

/// The text is no such file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a private key for ES256 in PEM")]
pub struct BadAppleKey;

impl AppleKey {
    /// Reads the file.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(pem: &str) -> Result<Self, BadAppleKey> {
        let body = pem
            .trim()
            .strip_prefix("-----BEGIN PRIVATE KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PRIVATE KEY-----"))
            .ok_or(BadAppleKey)?;
        let body: String = body.split_whitespace().collect();
        let der = BASE64_STANDARD.decode(body).map_err(|_| BadAppleKey)?;
        let key = SigningKey::from_pkcs8(&der).map_err(|_| BadAppleKey)?;
        Ok(Self(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_pem_and_from_nothing_else() {
        let pkcs8 = SigningKey::generate().unwrap().to_pkcs8().unwrap();
        let body = BASE64_STANDARD.encode(pkcs8.reveal());
        let (first, second) = body.split_at(64);
        let pem = |label: &str| {
            format!("-----BEGIN {label}-----\n{first}\r\n{second}\n-----END {label}-----\n")
        };
        assert!(AppleKey::parse(&pem("PRIVATE KEY")).is_ok());
        for bad in [
            &*pem("EC PRIVATE KEY"),
            &body,
            "",
            "-----BEGIN PRIVATE KEY-----",
        ] {
            assert!(AppleKey::parse(bad).is_err(), "{bad}");
        }
    }
}
