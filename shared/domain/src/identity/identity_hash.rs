//! A keyed hash of an identity: recognises the identity without storing it.

use std::fmt;

use hmac::Mac;

use super::{Provider, Subject};
use crate::keyring::{Key, Keys};

/// Separates these hashes from everything else that the same key signs.
const LABEL: &[u8] = b"madang banned identity\0";

/// HMAC-SHA-256 of an identity, as 64 lower-case hexadecimal digits.
///
/// A ban outlives its member by it. Without the key the hash tells nothing, because a subject at a
/// provider may be short enough to be guessed. The identity of a guest includes the hash of their
/// secret, so that a guest id alone is not recognised.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdentityHash(String);

impl IdentityHash {
    /// Returns the hash to store, under the current key.
    pub fn current(
        keys: &Keys,
        provider: Provider,
        subject: &Subject,
        secret_sha256: Option<&str>,
    ) -> Self {
        Self::under(keys.current(), provider, subject, secret_sha256)
    }

    /// Returns the hashes to look for, one for each key of the ring, the current one first.
    pub fn all(
        keys: &Keys,
        provider: Provider,
        subject: &Subject,
        secret_sha256: Option<&str>,
    ) -> Vec<Self> {
        keys.iter()
            .map(|key| Self::under(key, provider, subject, secret_sha256))
            .collect()
    }

    fn under(
        key: &Key,
        provider: Provider,
        subject: &Subject,
        secret_sha256: Option<&str>,
    ) -> Self {
        // The provider's name and the hash have no zero byte, so that no two identities are written
        // alike.
        let mac = key
            .mac(LABEL)
            .chain_update(provider.as_str())
            .chain_update([0])
            .chain_update(secret_sha256.unwrap_or_default())
            .chain_update([0])
            .chain_update(subject.as_bytes());
        let digits = mac.finalize().into_bytes();
        Self(digits.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Display for IdentityHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(ids: &[u8]) -> Keys {
        let key = |id: &u8| {
            let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH".to_owned();
            let last = ['A', 'E', 'I'][usize::from(*id) % 3];
            serde_json::json!({ "id": id, "key": format!("{text}{last}8=") })
        };
        let (current, previous) = ids.split_first().unwrap();
        let previous: Vec<_> = previous.iter().map(key).collect();
        let secret = serde_json::json!({ "current": key(current), "previous": previous });
        Keys::parse(&secret.to_string()).unwrap()
    }

    #[test]
    fn an_identity_is_recognised_under_every_key_of_the_ring_and_no_other_identity_is() {
        let (ours, theirs): (Subject, Subject) = ("1234".parse().unwrap(), "1235".parse().unwrap());
        let stored = IdentityHash::current(&keys(&[1]), Provider::Kakao, &ours, None);
        let rotated = keys(&[2, 1]);
        let found = |provider, subject: &Subject, secret: Option<&str>| {
            IdentityHash::all(&rotated, provider, subject, secret).contains(&stored)
        };
        assert!(found(Provider::Kakao, &ours, None));
        assert!(!found(Provider::Kakao, &theirs, None));
        assert!(!found(Provider::Naver, &ours, None));
        assert!(!found(Provider::Kakao, &ours, Some("ab")));
        let text = stored.to_string();
        assert_eq!(text.len(), 64);
        assert!(!text.contains("1234"));
    }
}
