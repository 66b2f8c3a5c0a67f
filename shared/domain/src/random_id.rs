//! Ids that the system makes: random, and sorted by the time they were made.

use std::{fmt, str::FromStr};

use rand::Rng;

use crate::{Instant, define::BadText};

/// 128 bits: 48 of the time in milliseconds, then 80 random ones. Written as 26 letters and digits
/// (Crockford's base 32, in lower case), which sort as text in the order of their time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RandomId([u8; 16]);

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

impl RandomId {
    /// A new id, made at `now`.
    pub fn new(now: Instant, rng: &mut impl Rng) -> Self {
        let mut random = [0; 16];
        rng.fill_bytes(&mut random);
        let time = u128::from(now.as_millis().max(0).cast_unsigned()) << 80;
        Self((time | u128::from_be_bytes(random) >> 48).to_be_bytes())
    }

    /// From the bytes that [`as_bytes`](Self::as_bytes) gave.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, the time first.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The same random bits under another time.
    #[must_use]
    pub fn moved_to(self, at: Instant) -> Self {
        let time = u128::from(at.as_millis().max(0).cast_unsigned()) << 80;
        let random = u128::from_be_bytes(self.0) & ((1 << 80) - 1);
        Self((time | random).to_be_bytes())
    }

    /// When the id was made.
    pub fn made_at(&self) -> Instant {
        let millis = u128::from_be_bytes(self.0) >> 80;
        Instant::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for RandomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        (0..LENGTH).rev().try_for_each(|place| {
            let digit = usize::try_from((bits >> (5 * place)) & 31).unwrap_or(0);
            let letter = ALPHABET.get(digit).copied().unwrap_or(b'0');
            fmt::Write::write_char(f, char::from(letter))
        })
    }
}

impl fmt::Debug for RandomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RandomId {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let digit = |letter| ALPHABET.iter().position(|&known| known == letter);
        let read = || {
            let first = digit(text.bytes().next()?)?;
            if text.len() != LENGTH || first > 7 {
                return None;
            }
            text.bytes()
                .try_fold(0, |bits, letter| Some(bits << 5 | digit(letter)? as u128))
        };
        read().map(|bits| Self(bits.to_be_bytes())).ok_or(BadText {
            expected: "26 letters and digits",
        })
    }
}

text_in_json!(RandomId);

impl schemars::JsonSchema for RandomId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RandomId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-7][0-9a-hjkmnp-tv-z]{25}$",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn ids_sort_by_time_as_bytes_and_as_text() {
        let mut rng = StdRng::seed_from_u64(1);
        let ids: Vec<RandomId> = (0..100)
            .map(|ms| RandomId::new(Instant::from_millis(1_700_000_000_000 + ms), &mut rng))
            .collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().map(ToString::to_string).is_sorted());
        assert_eq!(ids[7].made_at().as_millis(), 1_700_000_000_007);
        let moved = ids[7].moved_to(ids[9].made_at());
        assert_eq!(moved.made_at(), ids[9].made_at());
        assert_eq!(moved.as_bytes()[6..], ids[7].as_bytes()[6..]);
    }

    #[test]
    fn a_second_spelling_of_an_id_is_refused() {
        let id = RandomId([255; 16]).to_string();
        assert_eq!(id.parse(), Ok(RandomId([255; 16])));
        for bad in [
            id.to_uppercase(),
            format!("8{}", &id[1..]),
            id[1..].to_owned(),
            String::new(),
        ] {
            assert!(bad.parse::<RandomId>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes: [u8; 16]) {
            let id = RandomId(bytes);
            prop_assert_eq!(id.to_string().parse::<RandomId>().unwrap(), id);
        }
    }
}
