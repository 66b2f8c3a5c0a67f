//! One write, named: how a writer recognises its own hand in what it reads back.

use std::{fmt, str::FromStr};

use rand::{Rng, RngExt};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A random 64-bit name of one write, 16 lower-case hexadecimal digits as text.
///
/// A conditional write can report failure on its own success: the answer is lost, the SDK tries
/// again, and the second try meets the first. Every item that must be written once therefore
/// carries its writer's stamp. A draft's stamp is its entity tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp(u64);

impl Stamp {
    /// A stamp for a write that is about to happen.
    pub fn random(rng: &mut impl Rng) -> Self {
        Self(rng.random())
    }

    pub(crate) fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The text is not 16 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a stamp")]
pub struct NotAStamp;

impl FromStr for Stamp {
    type Err = NotAStamp;

    fn from_str(text: &str) -> Result<Self, NotAStamp> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 16 || !digits {
            return Err(NotAStamp);
        }
        u64::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| NotAStamp)
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_has_exactly_one_spelling() {
        let stamp = Stamp(0xab);
        assert_eq!(stamp.to_string(), "00000000000000ab");
        assert_eq!("00000000000000ab".parse(), Ok(stamp));
        for other in [
            "",
            "ab",
            "00000000000000AB",
            "+0000000000000ab",
            "000000000000000ab",
        ] {
            assert_eq!(other.parse::<Stamp>(), Err(NotAStamp), "{other}");
        }
    }
}
