//! What a provider gave us for later, kept so that whoever reads the table cannot use it.
//!
//! AES-256-GCM (NIST SP 800-38D) under a key that follows from one of the keyring's, so that it can
//! be replaced: `version (1) · id of the key (1) · nonce (12) · ciphertext and tag`. What it is bound
//! to is authenticated with it, so that it is no good in another member's place.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use domain::{
    identity::{Provider, Subject},
    keyring::{Key, Keys},
};
use hmac::Mac;
use rand::Rng;

const LABEL: &[u8] = b"madang sealed provider token\0";
const LAYOUT: u8 = 1;

/// Sealed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// What was sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsealed(pub Vec<u8>);

impl Sealed {
    /// What a provider's token is bound to: whom it is about.
    pub fn place(provider: Provider, subject: &Subject) -> String {
        format!("{provider}/{subject}")
    }

    /// Seals `plain` under the current key, bound to `place`. `None` when the library refuses.
    pub fn seal(keys: &Keys, place: &str, plain: &[u8], rng: &mut impl Rng) -> Option<Self> {
        let key = keys.current();
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let mut sealed = plain.to_vec();
        cipher(key)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                &mut sealed,
            )
            .ok()?;
        let head = [LAYOUT, key.id()].into_iter().chain(nonce);
        Some(Self(head.chain(sealed).collect()))
    }

    /// What was sealed for `place`. `None` where it was altered, was sealed for another place, or its
    /// key is gone.
    pub fn open(&self, keys: &Keys, place: &str) -> Option<Unsealed> {
        let [LAYOUT, key, rest @ ..] = &*self.0 else {
            return None;
        };
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let mut plain = sealed.to_vec();
        let length = cipher(keys.by_id(*key)?)?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place.as_bytes()),
                &mut plain,
            )
            .ok()?
            .len();
        plain.truncate(length);
        Some(Unsealed(plain))
    }
}

fn cipher(key: &Key) -> Option<LessSafeKey> {
    let derived = key.mac(LABEL).finalize().into_bytes();
    let unbound = UnboundKey::new(&AES_256_GCM, &derived).ok()?;
    Some(LessSafeKey::new(unbound))
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn keys(ids: &[u8]) -> Keys {
        // 32 bytes in base64.
        let key = |id: &u8| {
            let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
            serde_json::json!({ "id": id, "key": text })
        };
        let (current, previous) = ids.split_first().unwrap();
        let previous: Vec<_> = previous.iter().map(key).collect();
        let secret = serde_json::json!({ "current": key(current), "previous": previous });
        Keys::parse(&secret.to_string()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_and_while_its_key_is_kept() {
        let mut rng = StdRng::seed_from_u64(1);
        let sealed = Sealed::seal(&keys(&[1]), "apple/u1", b"r.token", &mut rng).unwrap();
        let opened = |keys: &Keys, place: &str| sealed.open(keys, place).map(|plain| plain.0);
        assert_eq!(opened(&keys(&[2, 1]), "apple/u1").unwrap(), b"r.token");
        assert_eq!(opened(&keys(&[2]), "apple/u1"), None);
        assert_eq!(opened(&keys(&[1]), "apple/u2"), None);
        assert!(!sealed.0.windows(7).any(|part| part == b"r.token"));
        for at in 0..sealed.0.len() {
            let mut altered = sealed.clone();
            altered.0[at] ^= 1;
            assert!(altered.open(&keys(&[1]), "apple/u1").is_none(), "byte {at}");
        }
    }
}
