//! What members call themselves, and when two names are one.
//!
//! A [`Nickname`] is shown as it was typed, in composed form (NFC; the compatibility form would
//! turn `ㅋㅋ` and `①` into something else). Whether it is free is asked by its [`NicknameKey`],
//! which is one for all names that look or sound the same to whoever meets them. What a key cannot
//! bring together is refused.

mod characters;
mod emoji;
mod key;
mod reserved;
mod rules;
mod scripts;
mod words;

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

pub use key::NicknameKey;
pub use rules::NicknameRules;

use words::Readings;

/// A name that a member may have: 2 to 20 characters as people count them (grapheme clusters), of
/// at most 100 bytes.
///
/// Letters, marks and digits that Unicode recommends for names (UTS 39, General Security Profile),
/// single Hangul letters, emoji, some punctuation and ornaments, and single spaces inside. The
/// ideographic space, which Japanese keyboards type, is read as a space.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nickname(Box<str>);

const SHORTEST: usize = 2;
const MOST_CLUSTERS: usize = 20;
/// Characters (code points) as they are sent, and bytes as they are kept.
const LONGEST: usize = 100;

closed_set! {
    /// Why a text is no nickname.
    pub enum NicknameFault {
        /// Fewer than 2 characters.
        TooShort = "too_short",
        /// More than 20 characters, or more than 100 bytes.
        TooLong = "too_long",
        /// A character that names may not have, or not there: a control or invisible character,
        /// a symbol, a space at an end or beside another, too many marks on one letter.
        CharacterRefused = "character_refused",
        /// A name that speaks for the operator of the service, or that is read as a missing value.
        Reserved = "reserved",
        /// A name with a word that operators block.
        Blocked = "blocked",
        /// Letters of different scripts, or of one that all look like those of another.
        Confusable = "confusable",
    }
}

impl NicknameFault {
    /// What is wrong, in English, for whoever wrote the request.
    pub const fn message(self) -> &'static str {
        match self {
            Self::TooShort => "expected a nickname of at least 2 characters",
            Self::TooLong => "expected a nickname of at most 20 characters and 100 bytes",
            Self::CharacterRefused => "expected a nickname of letters, digits, emoji and `_-.~!?`",
            Self::Reserved => {
                "expected a nickname that neither speaks for the service nor reads as a missing value"
            }
            Self::Blocked => "expected a nickname without a blocked word",
            Self::Confusable => "expected a nickname that does not imitate another script",
        }
    }
}

impl std::error::Error for NicknameFault {}

impl Nickname {
    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it has in common with every name that could be taken for it.
    pub fn key(&self) -> NicknameKey {
        NicknameKey::of(&self.0)
    }
}

impl FromStr for Nickname {
    type Err = NicknameFault;

    fn from_str(text: &str) -> Result<Self, NicknameFault> {
        // Before anything is made of it: what follows takes time in proportion.
        if text.chars().nth(LONGEST).is_some() {
            return Err(NicknameFault::TooLong);
        }
        let shown: String = text.nfc().map(usual_space).collect();
        if !characters::are_accepted(&shown) {
            return Err(NicknameFault::CharacterRefused);
        }
        let clusters = shown.graphemes(true).count();
        if clusters < SHORTEST {
            return Err(NicknameFault::TooShort);
        }
        if clusters > MOST_CLUSTERS || shown.len() > LONGEST {
            return Err(NicknameFault::TooLong);
        }
        let plain: String = shown.nfkc().collect();
        if scripts::mislead(&plain) {
            return Err(NicknameFault::Confusable);
        }
        if reserved::is_reserved(&Readings::of(&plain)) {
            return Err(NicknameFault::Reserved);
        }
        Ok(Self(shown.into()))
    }
}

const fn usual_space(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        _ => c,
    }
}

impl fmt::Display for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Nickname {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Nickname {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: Cow<'_, str> = Deserialize::deserialize(deserializer)?;
        text.parse()
            .map_err(|fault: NicknameFault| D::Error::custom(fault.message()))
    }
}

impl JsonSchema for Nickname {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Nickname".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": SHORTEST,
            "maxLength": LONGEST,
            "examples": ["귀여운고양이"],
        })
    }
}

#[cfg(test)]
mod tests;
