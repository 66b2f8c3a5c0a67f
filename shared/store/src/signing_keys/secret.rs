//! The secret itself: three generations of keys.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use domain::{Instant, identity::AccessClaims};
use jose::{SigningError, SigningKey};
use serde::{Deserialize, Serialize};

use super::PublicKey;

/// The keys that sign access tokens. Only who issues or rotates may read them.
#[derive(Debug, Clone)]
pub struct SigningKeys {
    /// Published already, and signs after the next rotation.
    next: Kept,
    /// Signs.
    current: Kept,
    /// Signed, and may still do so where the secret was read before the last rotation.
    previous: Vec<Kept>,
}

/// One key under its name, which is its thumbprint (RFC 7638).
#[derive(Clone)]
struct Kept {
    kid: String,
    key: Arc<SigningKey>,
    retired_at: Option<Instant>,
}

/// The secret does not hold signing keys. What it holds instead is not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSigningKeys {
    /// It is not the JSON that is expected.
    #[error(
        "the secret is not {{\"next\":{{\"kid\":…,\"pkcs8\":\"<base64>\"}},\"current\":…,\"previous\":[…]}} \
         (line {line}, column {column})"
    )]
    Malformed {
        /// Where reading stopped.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// A key is not a P-256 key in PKCS #8 in base64.
    #[error("key {0} is not a P-256 key in PKCS #8 in base64")]
    BadKey(String),
    /// Two keys have one name.
    #[error("key {0} is there more than once")]
    Repeated(String),
}

#[derive(Serialize, Deserialize)]
struct Secret {
    next: Written,
    current: Written,
    #[serde(default)]
    previous: Vec<Written>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    kid: String,
    pkcs8: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired_at: Option<Instant>,
}

impl SigningKeys {
    /// A first value: two new keys and none before them.
    ///
    /// # Errors
    /// When the library cannot make a key.
    pub fn first() -> Result<Self, SigningError> {
        Ok(Self {
            next: Kept::generate()?,
            current: Kept::generate()?,
            previous: Vec::new(),
        })
    }

    /// Reads the secret's text.
    ///
    /// # Errors
    /// [`BadSigningKeys`] says what is wrong without telling anything of a key but its name.
    pub fn parse(secret: &str) -> Result<Self, BadSigningKeys> {
        let secret: Secret =
            serde_json::from_str(secret).map_err(|error| BadSigningKeys::Malformed {
                line: error.line(),
                column: error.column(),
            })?;
        let keys = Self {
            next: Kept::read(secret.next)?,
            current: Kept::read(secret.current)?,
            previous: secret
                .previous
                .into_iter()
                .map(Kept::read)
                .collect::<Result<_, _>>()?,
        };
        let mut kids = BTreeSet::new();
        let repeated = keys
            .all()
            .map(|key| key.kid.clone())
            .find(|kid| !kids.insert(kid.clone()));
        match repeated {
            Some(repeated) => Err(BadSigningKeys::Repeated(repeated)),
            None => Ok(keys),
        }
    }

    /// The secret's text, to be kept.
    ///
    /// # Errors
    /// When the library cannot write a key.
    pub fn to_secret(&self) -> Result<String, SigningError> {
        let secret = Secret {
            next: self.next.write()?,
            current: self.current.write()?,
            previous: self
                .previous
                .iter()
                .map(Kept::write)
                .collect::<Result<_, _>>()?,
        };
        // Strings and lists: writing them cannot fail.
        Ok(serde_json::to_string(&secret).unwrap_or_default())
    }

    /// The keys after a rotation at `now`. Those that were retired `kept_for` ago or longer are left
    /// out.
    ///
    /// # Errors
    /// When the library cannot make a key.
    pub fn rotated(&self, now: Instant, kept_for: Duration) -> Result<Self, SigningError> {
        let retired = Kept {
            retired_at: Some(now),
            ..self.current.clone()
        };
        let still_needed = |key: &&Kept| key.retired_at.is_none_or(|at| now < at + kept_for);
        let before = self.previous.iter().filter(still_needed).cloned();
        Ok(Self {
            next: Kept::generate()?,
            current: self.next.clone(),
            previous: std::iter::once(retired).chain(before).collect(),
        })
    }

    /// The name of the key that signs.
    pub fn current_kid(&self) -> &str {
        &self.current.kid
    }

    /// The names of the keys that sign or will sign.
    pub fn kids_in_use(&self) -> [&str; 2] {
        [&self.current.kid, &self.next.kid]
    }

    /// The public halves of all of them.
    pub fn public(&self) -> Vec<PublicKey> {
        let public = |kept: &Kept| PublicKey {
            kid: kept.kid.clone(),
            jwk: kept.key.public_jwk(&kept.kid),
            retired_at: None,
        };
        self.all().map(public).collect()
    }

    /// Returns an access token with `claims`, signed with the current key.
    ///
    /// # Errors
    /// When the claims are no JSON object, or the library cannot sign.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, SigningError> {
        self.sign_as(AccessClaims::TYP, claims)
    }

    /// Returns a token of another type with `claims`, signed with the current key.
    ///
    /// # Errors
    /// As with [`sign`](Self::sign).
    pub fn sign_as(&self, typ: &str, claims: &impl Serialize) -> Result<String, SigningError> {
        self.current.key.sign_as(typ, &self.current.kid, claims)
    }

    /// The same, under each key that signs or will sign: for trying them.
    ///
    /// # Errors
    /// As with [`sign`](Self::sign).
    pub fn sign_with_each(&self, claims: &impl Serialize) -> Result<[String; 2], SigningError> {
        let sign = |kept: &Kept| kept.key.sign_as(AccessClaims::TYP, &kept.kid, claims);
        Ok([sign(&self.current)?, sign(&self.next)?])
    }

    fn all(&self) -> impl Iterator<Item = &Kept> {
        [&self.next, &self.current]
            .into_iter()
            .chain(&self.previous)
    }
}

impl Kept {
    fn generate() -> Result<Self, SigningError> {
        let key = SigningKey::generate()?;
        Ok(Self {
            kid: key.thumbprint(),
            key: Arc::new(key),
            retired_at: None,
        })
    }

    fn read(written: Written) -> Result<Self, BadSigningKeys> {
        let pkcs8 = BASE64_STANDARD.decode(&written.pkcs8).ok();
        let key = pkcs8.and_then(|der| SigningKey::from_pkcs8(&der).ok());
        let Some(key) = key else {
            return Err(BadSigningKeys::BadKey(written.kid));
        };
        Ok(Self {
            kid: written.kid,
            key: Arc::new(key),
            retired_at: written.retired_at,
        })
    }

    fn write(&self) -> Result<Written, SigningError> {
        Ok(Written {
            kid: self.kid.clone(),
            pkcs8: BASE64_STANDARD.encode(self.key.to_pkcs8()?.reveal()),
            retired_at: self.retired_at,
        })
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({})", self.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_seconds(1_800_000_000);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn kids(keys: &SigningKeys) -> Vec<String> {
        keys.all().map(|key| key.kid.clone()).collect()
    }

    #[test]
    fn a_rotation_shifts_and_keeps_what_may_still_be_used() {
        let first = SigningKeys::first().unwrap();
        let [current, next] = first.kids_in_use().map(str::to_owned);
        let second = first.rotated(NOW, DAY).unwrap();
        assert_eq!(second.current_kid(), next);
        assert_eq!(kids(&second)[1..], [next.clone(), current.clone()]);
        let within = second.rotated(NOW + DAY / 2, DAY).unwrap();
        assert_eq!(kids(&within)[2..], [next.clone(), current]);
        let after = second.rotated(NOW + DAY, DAY).unwrap();
        assert_eq!(kids(&after)[2..], [next]);
    }

    #[test]
    fn a_secret_is_read_as_it_is_written_and_does_not_print_its_keys() {
        let keys = SigningKeys::first().unwrap().rotated(NOW, DAY).unwrap();
        let text = keys.to_secret().unwrap();
        let read = SigningKeys::parse(&text).unwrap();
        assert_eq!(read.public(), keys.public());
        assert_eq!(read.to_secret().unwrap(), text);
        let pkcs8 = serde_json::from_str::<Secret>(&text).unwrap().current.pkcs8;
        assert!(!format!("{read:?}").contains(&pkcs8));
    }

    #[test]
    fn what_is_no_secret_of_keys_is_refused_without_quoting_it() {
        let keys = SigningKeys::first().unwrap();
        let mut twice: Secret = serde_json::from_str(&keys.to_secret().unwrap()).unwrap();
        twice.next.kid.clone_from(&twice.current.kid);
        let mut bad: Secret = serde_json::from_str(&keys.to_secret().unwrap()).unwrap();
        bad.next.pkcs8 = "c2VjcmV0".to_owned();
        for (text, refusal) in [
            (
                serde_json::to_string(&twice).unwrap(),
                BadSigningKeys::Repeated(twice.current.kid.clone()),
            ),
            (
                serde_json::to_string(&bad).unwrap(),
                BadSigningKeys::BadKey(bad.next.kid.clone()),
            ),
            (
                "{\"current\":".to_owned(),
                BadSigningKeys::Malformed {
                    line: 1,
                    column: 11,
                },
            ),
        ] {
            assert_eq!(SigningKeys::parse(&text).unwrap_err(), refusal);
        }
    }
}
