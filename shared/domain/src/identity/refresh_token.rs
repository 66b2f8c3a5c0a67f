//! Refresh tokens: which session, and which turn of it.
//!
//! Nothing secret is kept of a token: it is signed, and the session's counter says whether it is the
//! live one. `mrt_`, then in base64url without padding (RFC 4648, section 5), big-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version of the layout: 1 |
//! | 1 | id of the key that signs |
//! | 16 · 16 | member, session |
//! | 8 | counter |
//! | 32 | HMAC-SHA-256 of the label and all before (RFC 2104) |

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::Mac;

use super::{MemberId, SessionId};
use crate::{RandomId, keyring::Keys};

/// What a refresh token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// Whose session.
    pub member: MemberId,
    /// Which session.
    pub session: SessionId,
    /// Which turn of it.
    pub counter: u64,
}

/// Why a text is not a refresh token of ours. Whatever the reason, nothing was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefreshTokenRefused {
    /// It names a key that is not here: newer than was read last, or none of ours.
    #[error("signed with key {0}, which is not known")]
    UnknownKey(u8),
    /// It is forged, altered, or no token at all.
    #[error("not a refresh token of ours")]
    Invalid,
}

const PREFIX: &str = "mrt_";
const LABEL: &[u8] = b"madang refresh token\0";
const LAYOUT: u8 = 1;
const SIGNATURE: usize = 32;

impl RefreshToken {
    /// The token's text, signed with the current key: the same text for the same turn.
    pub fn sign(&self, keys: &Keys) -> String {
        let key = keys.current();
        let mut bytes = vec![LAYOUT, key.id()];
        bytes.extend(self.member.as_bytes());
        bytes.extend(self.session.as_bytes());
        bytes.extend(self.counter.to_be_bytes());
        let signature = key.mac(LABEL).chain_update(&bytes).finalize();
        bytes.extend(signature.into_bytes());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a token that came back; the signature is compared in constant time.
    ///
    /// # Errors
    /// [`RefreshTokenRefused`].
    pub fn verify(keys: &Keys, text: &str) -> Result<Self, RefreshTokenRefused> {
        use RefreshTokenRefused::{Invalid, UnknownKey};
        let bytes = text
            .strip_prefix(PREFIX)
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
            .ok_or(Invalid)?;
        let (signed, signature) = bytes.split_last_chunk::<SIGNATURE>().ok_or(Invalid)?;
        let [LAYOUT, key, rest @ ..] = signed else {
            return Err(Invalid);
        };
        let (member, rest) = rest.split_first_chunk().ok_or(Invalid)?;
        let (session, rest) = rest.split_first_chunk().ok_or(Invalid)?;
        let counter = u64::from_be_bytes(rest.try_into().map_err(|_| Invalid)?);
        let key = keys.by_id(*key).ok_or(UnknownKey(*key))?;
        key.mac(LABEL)
            .chain_update(signed)
            .verify(signature.into())
            .map_err(|_| Invalid)?;
        Ok(Self {
            member: RandomId::from_bytes(*member),
            session: RandomId::from_bytes(*session),
            counter,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(ids: &[u8]) -> Keys {
        let key = |id: &u8| {
            let key = base64::engine::general_purpose::STANDARD.encode([*id; 32]);
            serde_json::json!({ "id": id, "key": key })
        };
        let (current, previous) = ids.split_first().unwrap();
        let previous: Vec<_> = previous.iter().map(key).collect();
        let secret = serde_json::json!({ "current": key(current), "previous": previous });
        Keys::parse(&secret.to_string()).unwrap()
    }

    fn token(counter: u64) -> RefreshToken {
        RefreshToken {
            member: RandomId::from_bytes([1; 16]),
            session: RandomId::from_bytes([2; 16]),
            counter,
        }
    }

    #[test]
    fn a_token_outlives_the_change_of_keys_and_not_the_loss_of_its_own() {
        let text = token(3).sign(&keys(&[1]));
        assert_eq!(RefreshToken::verify(&keys(&[2, 1]), &text), Ok(token(3)));
        assert_eq!(
            RefreshToken::verify(&keys(&[2]), &text),
            Err(RefreshTokenRefused::UnknownKey(1))
        );
    }

    #[test]
    fn what_another_label_signed_is_no_refresh_token() {
        let keys = keys(&[1]);
        let mut bytes = vec![LAYOUT, 1];
        bytes.extend([0; 40]);
        let mac = keys.current().mac(&bytes).finalize().into_bytes();
        bytes.extend(mac);
        let forged = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        assert_eq!(
            RefreshToken::verify(&keys, &forged),
            Err(RefreshTokenRefused::Invalid)
        );
    }

    proptest! {
        #[test]
        fn what_is_signed_is_read_back(counter: u64) {
            let keys = keys(&[1]);
            let text = token(counter).sign(&keys);
            prop_assert_eq!(RefreshToken::verify(&keys, &text), Ok(token(counter)));
        }

        #[test]
        fn no_altered_token_is_believed(at in 0usize..103, letter in "[A-Za-z0-9_-]") {
            let keys = keys(&[1]);
            let mut text = token(9).sign(&keys);
            let at = at.min(text.len() - 1);
            prop_assume!(text[at..=at] != letter);
            text.replace_range(at..=at, &letter);
            prop_assert!(RefreshToken::verify(&keys, &text).is_err());
        }

        #[test]
        fn no_text_at_all_breaks_the_reader(text in "\\PC{0,200}") {
            prop_assert!(RefreshToken::verify(&keys(&[1]), &text).is_err());
        }
    }
}
