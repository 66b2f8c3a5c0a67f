//! A key's name made of the key itself (RFC 7638).

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};

use crate::base64url;

/// The SHA-256 thumbprint of a JWK, in base64url. Nothing when it lacks a member that its type needs.
pub fn thumbprint(jwk: &Map<String, Value>) -> Option<String> {
    // Section 3.2: what each type needs, in the order of the names.
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "RSA" => &["e", "kty", "n"],
        "oct" => &["k", "kty"],
        _ => return None,
    };
    let members = names
        .iter()
        .map(|name| {
            Some(format!(
                "\"{name}\":{}",
                Value::from(jwk.get(*name)?.as_str()?)
            ))
        })
        .collect::<Option<Vec<_>>>()?;
    let canonical = format!("{{{}}}", members.join(","));
    Some(base64url::encode(digest(&SHA256, canonical.as_bytes())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7638, section 3.1.
    #[test]
    fn the_thumbprint_of_the_rfc_is_reproduced() {
        let jwk = json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29",
        });
        let jwk = jwk.as_object().unwrap();
        assert_eq!(
            thumbprint(jwk).unwrap(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn what_is_no_whole_key_has_no_thumbprint() {
        for jwk in [
            json!({}),
            json!({ "kty": "EC", "crv": "P-256", "x": "AA" }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" }),
            json!({ "kty": "oct", "k": 1 }),
        ] {
            assert_eq!(thumbprint(jwk.as_object().unwrap()), None, "{jwk}");
        }
    }
}
