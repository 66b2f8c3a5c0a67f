//! Keys of HMAC-SHA-256 as they lie in a secret: the current one, and those before it.
//!
//! Who signs what under them says so in what is signed: a text is never believed to be another kind
//! of text because the key is the same.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

/// The key that signs, and those that signed before and are still believed: so a key can be replaced
/// without a token in flight becoming invalid.
#[derive(Debug, Clone)]
pub struct Keys {
    current: Key,
    previous: Vec<Key>,
}

/// One key. Its bytes are never shown.
#[derive(Clone)]
pub struct Key {
    id: u8,
    bytes: [u8; 32],
}

/// The secret does not hold keys. What it holds instead is not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// It is not the JSON that is expected.
    #[error(
        "the secret is not {{\"current\":{{\"id\":1,\"key\":\"<base64>\"}},\"previous\":[…]}} \
         (line {line}, column {column})"
    )]
    Malformed {
        /// Where reading stopped.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// A key is not 32 bytes in base64.
    #[error("key {0} is not 32 bytes in base64")]
    BadKey(u8),
    /// Two keys have one id.
    #[error("key {0} is there more than once")]
    Repeated(u8),
}

impl Keys {
    /// Reads the secret's text: `{"current":{"id":1,"key":"<base64 of 32 bytes>"},"previous":[…]}`,
    /// where `previous` may be absent and ids are from 0 to 255.
    ///
    /// # Errors
    /// [`BadKeys`] says what is wrong without telling anything of a key.
    pub fn parse(secret: &str) -> Result<Self, BadKeys> {
        #[derive(Deserialize)]
        struct Secret {
            current: Written,
            #[serde(default)]
            previous: Vec<Written>,
        }

        #[derive(Deserialize)]
        struct Written {
            id: u8,
            key: String,
        }

        let read = |written: Written| {
            let bytes = STANDARD.decode(written.key).ok();
            let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            bytes
                .map(|bytes| Key {
                    id: written.id,
                    bytes,
                })
                .ok_or(BadKeys::BadKey(written.id))
        };

        let Secret { current, previous } =
            serde_json::from_str(secret).map_err(|error| BadKeys::Malformed {
                line: error.line(),
                column: error.column(),
            })?;
        let current = read(current)?;
        let previous = previous
            .into_iter()
            .map(read)
            .collect::<Result<Vec<_>, _>>()?;
        let mut ids = std::collections::HashSet::from([current.id]);
        match previous.iter().find(|key| !ids.insert(key.id)) {
            Some(repeated) => Err(BadKeys::Repeated(repeated.id)),
            None => Ok(Self { current, previous }),
        }
    }

    /// The key that signs.
    pub fn current(&self) -> &Key {
        &self.current
    }

    /// The key of that id, where it is still believed.
    pub fn by_id(&self, id: u8) -> Option<&Key> {
        self.iter().find(|key| key.id == id)
    }

    /// Returns every key that is still believed, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

impl Key {
    /// Its id, 0 to 255.
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// HMAC-SHA-256 of `bytes` (RFC 2104), to be finished or to be compared in constant time.
    pub fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        // A key shorter than SHA-256's block is filled up with zeros (RFC 2104, section 2).
        let mut block = [0; 64];
        block
            .iter_mut()
            .zip(&self.bytes)
            .for_each(|(to, from)| *to = *from);
        Hmac::<Sha256>::new(&block.into()).chain_update(bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}
