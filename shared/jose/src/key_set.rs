//! The keys that somebody publishes (RFC 7517, section 5), or one secret of our own.

use std::{collections::BTreeSet, fmt};

use serde_json::{Map, Value};

use crate::{Algorithm, BadKey, json, key::Key};

/// Why a document is no set of keys that we would verify with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKeySet {
    /// Not one JSON object in which no name is there twice.
    #[error("the keys are not a JSON object, or repeat a member")]
    NotAnObject,
    /// No list of objects under `keys`.
    #[error("the key set has no list of keys")]
    NoKeys,
    /// A key of a kind that we know is malformed or weak.
    #[error("the key at {index}: {why}")]
    Key {
        /// Its place in the list, from zero.
        index: usize,
        /// What is wrong with it.
        why: BadKey,
    },
    /// A single key of a type or curve that we do not know.
    #[error("the key is of an unknown type or curve")]
    UnknownKind,
    /// Secrets beside public keys: whoever may see the public ones would know the secrets.
    #[error("the key set mixes secrets with public keys")]
    Mixed,
    /// Two keys of one name.
    #[error("the key set names two keys alike")]
    RepeatedKid,
}

/// Keys to verify with. Either all are public or all are secrets.
#[derive(Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

impl KeySet {
    /// Reads a JWK Set. Keys of types and curves that we do not know are left out, as RFC 7517,
    /// section 5, asks for.
    ///
    /// # Errors
    /// When it is malformed, ambiguous, mixed, or holds a weak key.
    pub fn parse(jwks: &[u8]) -> Result<Self, BadKeySet> {
        let set = json::object(jwks).ok_or(BadKeySet::NotAnObject)?;
        let Some(Value::Array(list)) = set.get("keys") else {
            return Err(BadKeySet::NoKeys);
        };
        let list: Vec<&Map<String, Value>> = list
            .iter()
            .map(|key| key.as_object().ok_or(BadKeySet::NoKeys))
            .collect::<Result<_, _>>()?;
        if list.iter().any(|key| is_secret(key)) && !list.iter().all(|key| is_secret(key)) {
            return Err(BadKeySet::Mixed);
        }
        let mut keys = Vec::with_capacity(list.len());
        let mut kids = BTreeSet::new();
        for (index, jwk) in list.into_iter().enumerate() {
            let key = Key::read(jwk).map_err(|why| BadKeySet::Key { index, why })?;
            let Some(key) = key else { continue };
            if let Some(kid) = &key.kid
                && !kids.insert(kid.clone())
            {
                return Err(BadKeySet::RepeatedKid);
            }
            keys.push(key);
        }
        Ok(Self { keys })
    }

    /// A set of the one key that this JWK is.
    ///
    /// # Errors
    /// When it is malformed, weak, or of a kind that we do not know.
    pub fn of_jwk(jwk: &[u8]) -> Result<Self, BadKeySet> {
        let jwk = json::object(jwk).ok_or(BadKeySet::NotAnObject)?;
        let key = Key::read(&jwk).map_err(|why| BadKeySet::Key { index: 0, why })?;
        let key = key.ok_or(BadKeySet::UnknownKind)?;
        Ok(Self { keys: vec![key] })
    }

    /// Whether there is a key of this name.
    pub fn contains(&self, kid: &str) -> bool {
        self.named(kid).is_some()
    }

    /// Whether there is no key that we could use.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn named(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid.as_deref() == Some(kid))
    }

    pub(crate) fn fitting(&self, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.fits(algorithm))
    }
}

impl fmt::Debug for KeySet {
    /// The keys' names only: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.keys.iter().map(|key| &key.kid))
            .finish()
    }
}

fn is_secret(jwk: &Map<String, Value>) -> bool {
    jwk.get("kty").is_some_and(|kind| kind == "oct")
}
