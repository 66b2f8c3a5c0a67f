//! Transfer codes: how a guest moves to another phone.
//!
//! A code is 20 letters and digits (Crockford's base 32) that a person reads from one screen and
//! types on another. The first 6 find it among the stored ones; the other 14, 70 random bits, prove
//! it. Only a hash of the whole is stored.

use std::{fmt, str::FromStr, time::Duration};

use rand::Rng;

use crate::Instant;

/// A code, normalised: `fmt::Display` groups it as `0123A-…`, for people.
#[derive(Clone, PartialEq, Eq)]
pub struct TransferCode([u8; TransferCode::LENGTH]);

/// The text has another length, or letters and digits that no code has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a transfer code")]
pub struct TransferCodeError;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl TransferCode {
    /// How long a code is valid.
    pub const LIFETIME: Duration = Duration::from_secs(7 * 86_400);

    /// How many wrong codes are compared with one that begins in the same way.
    pub const TRIES: u32 = 10;

    const LENGTH: usize = 20;
    const HANDLE: usize = 6;
    const GROUP: usize = 5;

    /// Returns a new random code.
    pub fn new(rng: &mut impl Rng) -> Self {
        let mut bytes = [0; Self::LENGTH];
        rng.fill_bytes(&mut bytes);
        // 256 is a multiple of 32, so that every letter is as likely.
        Self(bytes.map(|byte| letter(usize::from(byte))))
    }

    /// Returns the first letters, by which a code is found. They prove nothing.
    pub fn handle(&self) -> String {
        self.text().chars().take(Self::HANDLE).collect()
    }

    /// Returns the whole code without groups, to be hashed.
    pub fn text(&self) -> String {
        self.0.iter().copied().map(char::from).collect()
    }

    /// Returns the time at which a code that is made at `now` expires.
    pub fn expires_at(now: Instant) -> Instant {
        now + Self::LIFETIME
    }
}

fn letter(index: usize) -> u8 {
    ALPHABET
        .get(index % ALPHABET.len())
        .copied()
        .unwrap_or(b'0')
}

impl fmt::Display for TransferCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.0.chunks(Self::GROUP).enumerate() {
            if index > 0 {
                f.write_str("-")?;
            }
            let group: String = group.iter().copied().map(char::from).collect();
            f.write_str(&group)?;
        }
        Ok(())
    }
}

impl fmt::Debug for TransferCode {
    /// The letters that prove it are never printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransferCode({}…)", self.handle())
    }
}

impl FromStr for TransferCode {
    type Err = TransferCodeError;

    /// Reads a code as people type it: in any case, with or without spaces and hyphens, with `O` for
    /// `0` and `I` or `L` for `1`.
    fn from_str(text: &str) -> Result<Self, TransferCodeError> {
        let mut code = [0; Self::LENGTH];
        let mut letters = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            });
        for place in &mut code {
            let letter = letters.next().and_then(|c| u8::try_from(c).ok());
            let known = letter.filter(|letter| ALPHABET.contains(letter));
            *place = known.ok_or(TransferCodeError)?;
        }
        match letters.next() {
            None => Ok(Self(code)),
            Some(_) => Err(TransferCodeError),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code: TransferCode = "0123A-BCDEF-GH1JK-00MNP".parse().unwrap();
        for typed in [
            "0123abcdefgh1jk00mnp",
            " o123A BCDEF ghijk oOmnp ",
            "O123A-BCDEF-GHLJK-00MNP",
        ] {
            assert_eq!(typed.parse(), Ok(code.clone()), "{typed}");
        }
        for other in [
            "",
            "0123A-BCDEF-GH1JK-00MN",
            "0123A-BCDEF-GH1JK-00MNPX",
            "0123A-BCDEF-GH1JK-00MNU",
            "0123A-BCDEF-GH1JK-00MN가",
        ] {
            assert_eq!(
                other.parse::<TransferCode>(),
                Err(TransferCodeError),
                "{other}"
            );
        }
        assert_eq!(code.handle(), "0123AB");
        assert_eq!(format!("{code:?}"), "TransferCode(0123AB…)");
    }

    proptest! {
        #[test]
        fn a_code_that_is_shown_is_read_back(seed: u64) {
            let code = TransferCode::new(&mut StdRng::seed_from_u64(seed));
            prop_assert_eq!(code.to_string().parse(), Ok(code.clone()));
            prop_assert!(code.text().starts_with(&code.handle()));
        }
    }
}
