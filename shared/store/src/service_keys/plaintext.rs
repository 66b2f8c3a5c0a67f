//! A service key in full: made, read and shown.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::Id;
use rand::Rng;

use crate::blobs::sha256;

const PREFIX: &str = "msk_";

/// The length of 32 bytes in base64url.
const SECRET: usize = 43;

/// A key in full. It exists where it is made and with whom it is given to, and cannot be printed
/// by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Plaintext {
    id: Id,
    secret: String,
}

impl Plaintext {
    /// A new secret for the key called `id`.
    pub fn random(id: Id, rng: &mut impl Rng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self {
            id,
            secret: BASE64_URL_SAFE_NO_PAD.encode(bytes),
        }
    }

    /// Reads a presented key; `None` for whatever is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?;
        let (id, secret) = rest.split_at_checked(rest.len().checked_sub(SECRET)?)?;
        BASE64_URL_SAFE_NO_PAD.decode(secret).ok()?;
        Some(Self {
            id: id.strip_suffix('_')?.parse().ok()?,
            secret: secret.to_owned(),
        })
    }

    /// The key's id.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The text to hand over, once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id.as_str(), self.secret)
    }

    /// What is stored of the secret.
    pub(super) fn sha256(&self) -> String {
        sha256(self.secret.as_bytes())
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plaintext({})", self.id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written_whatever_its_id() {
        let mut rng = StdRng::seed_from_u64(7);
        for id in ["ci", "a_b", "a-b_", "_"] {
            let key = Plaintext::random(id.parse().unwrap(), &mut rng);
            assert_eq!(Plaintext::parse(&key.reveal()), Some(key));
        }
    }

    #[test]
    fn what_is_not_a_key_is_not_read() {
        let mut rng = StdRng::seed_from_u64(7);
        let key = Plaintext::random("ci".parse().unwrap(), &mut rng).reveal();
        let near = [
            String::new(),
            "msk_".to_owned(),
            key.replace("msk_", "MSK_"),
            key.replace("msk_ci_", "msk_"),
            key.replace("msk_ci_", "msk_CI_"),
            format!("{key}="),
            format!("{}é", &key[..key.len() - 1]),
            key[..key.len() - 1].to_owned(),
        ];
        for text in near {
            assert_eq!(Plaintext::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn a_key_does_not_print_its_secret() {
        let key = Plaintext::random("ci".parse().unwrap(), &mut StdRng::seed_from_u64(7));
        assert_eq!(format!("{key:?}"), "Plaintext(ci)");
    }
}
