//! What names that could be taken for each other have in common.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

/// The same for all nicknames that differ only in case, width, spaces, composition, what is
/// invisible, or letters that look alike. Not to be shown.
///
/// It is the text in compatibility form (NFKC), with case folded, without what is ignorable and
/// spaces, and with every character replaced by the one that stands for all that look like it (the
/// skeleton of UTS 39), until nothing changes any more. `i` and `l` are one: `I` is the former in
/// capitals and looks like the latter.
///
/// What Unicode says of normalization never changes for an assigned character, and others are in no
/// nickname; of look-alikes it may learn more with each version. So a key that is kept goes on being
/// used for the name it was made of (to release a name, say) and is not made anew; there is no
/// version within it, because two versions differ in few keys, and all others must go on colliding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NicknameKey(Box<str>);

/// A bound on the work; what nicknames are made of takes fewer.
const MOST_ROUNDS: usize = 6;

impl NicknameKey {
    /// Which edition of the rules and tables keys are made by: Unicode 18. Another one, which gives
    /// some names other keys, needs those that are kept to be looked through.
    pub const EDITION: u32 = 1;

    /// The key of any text, whether or not it may be a nickname.
    pub fn of(text: &str) -> Self {
        let mut key = round(text);
        for _ in 1..MOST_ROUNDS {
            let next = round(&key);
            if next == key {
                break;
            }
            key = next;
        }
        Self(key.into())
    }

    /// The key as text: letters in decomposed form, at most some hundred bytes for a nickname.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NicknameKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn round(text: &str) -> String {
    let folded: String = text.nfkc().flat_map(folded).nfkc().collect();
    skeleton(&folded)
        .filter(|c| !c.is_whitespace())
        .map(|c| if c == 'i' { 'l' } else { c })
        .collect()
}

/// A character without its case: small, then large, then small again, since some letters are two in
/// capitals only (`ß`) and some have two small forms (`σ`, `ς`).
fn folded(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}
