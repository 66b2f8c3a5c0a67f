//! Challenges: a nonce for a provider's id token, so that the token is good for one sign-in here.
//!
//! Nothing is kept when one is handed out: its id is signed, and its nonce follows from its id and
//! the key. That it was used is what is kept, until it would have lapsed anyway. The id is, in
//! base64url without padding (RFC 4648, section 5), big-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version of the layout: 1 |
//! | 1 | id of the key that signs |
//! | 16 | random, the time it was made first |
//! | 16 | HMAC-SHA-256 of the label and all before, its first 128 bits |

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::Mac;
use rand::Rng;
use sha2::{Digest as _, Sha256};

use crate::{Instant, RandomId, keyring::Keys};

/// A challenge that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// What tells it from others, for whoever keeps that it was used.
    pub serial: RandomId,
    /// Its id as the caller knows it.
    pub id: String,
    /// What the provider is asked to put into its token: 43 letters, digits, `-` and `_`.
    pub nonce: String,
    /// When it lapses.
    pub expires_at: Instant,
    /// The token that answers it, where that token itself must count once.
    pub token: Option<TokenUse>,
}

/// A provider's token that counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenUse {
    /// Follows from the token's id or signature.
    pub serial: RandomId,
    /// When the token is too old to be accepted.
    pub until: Instant,
}

/// Why a text is no challenge to go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeRefused {
    /// It names a key that is not here: newer than was read last, or none of ours.
    #[error("signed with key {0}, which is not known")]
    UnknownKey(u8),
    /// It is none of ours.
    #[error("not a challenge of ours")]
    Invalid,
    /// It was, and has lapsed.
    #[error("the challenge has lapsed")]
    Expired,
}

const LAYOUT: u8 = 1;
const SIGNATURE: usize = 16;
const ID_LABEL: &[u8] = b"madang challenge id\0";
const TOKEN_LABEL: &[u8] = b"madang token use\0";
const NONCE_LABEL: &[u8] = b"madang challenge nonce\0";

impl TokenUse {
    /// The serial of a token with that id, or of one without an id with that signature.
    pub fn serial_of(id: &str) -> RandomId {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(TOKEN_LABEL)
            .chain_update(id)
            .finalize()
            .into();
        RandomId::from_bytes(digest.first_chunk().copied().unwrap_or_default())
    }
}

impl Challenge {
    /// Stands for the challenge of a token that answers none of ours: the token counts once.
    pub fn of_token(token: TokenUse) -> Self {
        Self {
            serial: token.serial,
            id: String::new(),
            nonce: String::new(),
            expires_at: token.until,
            token: None,
        }
    }

    /// The serials that are used up with it, each with the time until which that must be known.
    pub fn uses(&self) -> impl Iterator<Item = (RandomId, Instant)> {
        let token = self.token.map(|token| (token.serial, token.until));
        std::iter::once((self.serial, self.expires_at)).chain(token)
    }

    /// How long one is good for.
    pub const LIFETIME: Duration = Duration::from_secs(600);

    /// A new one.
    pub fn new(keys: &Keys, now: Instant, rng: &mut impl Rng) -> Self {
        let key = keys.current();
        let serial = RandomId::new(now, rng);
        let mut bytes = vec![LAYOUT, key.id()];
        bytes.extend(serial.as_bytes());
        let signature = key.mac(ID_LABEL).chain_update(&bytes).finalize();
        let nonce = key.mac(NONCE_LABEL).chain_update(&bytes).finalize();
        bytes.extend(signature.into_bytes().iter().take(SIGNATURE));
        Self {
            serial,
            id: URL_SAFE_NO_PAD.encode(bytes),
            nonce: URL_SAFE_NO_PAD.encode(nonce.into_bytes()),
            expires_at: serial.made_at() + Self::LIFETIME,
            token: None,
        }
    }

    /// The challenge of that id, if it is ours and has not lapsed at `now`. Whether it was used is
    /// not known here.
    ///
    /// # Errors
    /// [`ChallengeRefused`].
    pub fn verify(keys: &Keys, id: &str, now: Instant) -> Result<Self, ChallengeRefused> {
        use ChallengeRefused::{Expired, Invalid, UnknownKey};
        let bytes = URL_SAFE_NO_PAD.decode(id).map_err(|_| Invalid)?;
        let (signed, signature) = bytes.split_last_chunk::<SIGNATURE>().ok_or(Invalid)?;
        let [LAYOUT, key, serial @ ..] = signed else {
            return Err(Invalid);
        };
        let serial = RandomId::from_bytes(serial.try_into().map_err(|_| Invalid)?);
        let key = keys.by_id(*key).ok_or(UnknownKey(*key))?;
        key.mac(ID_LABEL)
            .chain_update(signed)
            .verify_truncated_left(signature)
            .map_err(|_| Invalid)?;
        let expires_at = serial.made_at() + Self::LIFETIME;
        if now >= expires_at {
            return Err(Expired);
        }
        let nonce = key.mac(NONCE_LABEL).chain_update(signed).finalize();
        Ok(Self {
            serial,
            id: id.to_owned(),
            nonce: URL_SAFE_NO_PAD.encode(nonce.into_bytes()),
            expires_at,
            token: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const NOW: Instant = Instant::from_seconds(1_800_000_000);

    fn keys(id: u8) -> Keys {
        let key = STANDARD.encode([id; 32]);
        let secret = serde_json::json!({ "current": { "id": id, "key": key } });
        Keys::parse(&secret.to_string()).unwrap()
    }

    #[test]
    fn a_challenge_is_known_again_until_it_lapses() {
        let challenge = Challenge::new(&keys(1), NOW, &mut StdRng::seed_from_u64(1));
        assert_eq!(challenge.expires_at, NOW + Challenge::LIFETIME);
        assert_eq!(challenge.nonce.len(), 43);
        let last = Instant::from_millis(challenge.expires_at.as_millis() - 1);
        let found = Challenge::verify(&keys(1), &challenge.id, last);
        assert_eq!(found.as_ref(), Ok(&challenge));
        assert_eq!(
            Challenge::verify(&keys(1), &challenge.id, challenge.expires_at),
            Err(ChallengeRefused::Expired)
        );
    }

    #[test]
    fn no_challenge_but_ours_is_known() {
        let challenge = Challenge::new(&keys(1), NOW, &mut StdRng::seed_from_u64(1));
        assert_eq!(
            Challenge::verify(&keys(2), &challenge.id, NOW),
            Err(ChallengeRefused::UnknownKey(1))
        );
        for at in 0..challenge.id.len() {
            let mut altered = challenge.id.clone();
            let other = if &altered[at..=at] == "A" { "B" } else { "A" };
            altered.replace_range(at..=at, other);
            assert!(Challenge::verify(&keys(1), &altered, NOW).is_err(), "{at}");
        }
        for bad in ["", "x", &challenge.nonce] {
            assert_eq!(
                Challenge::verify(&keys(1), bad, NOW),
                Err(ChallengeRefused::Invalid)
            );
        }
    }
}
