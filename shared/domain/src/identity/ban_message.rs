//! The message of a ban, bounded in sum so that every item that stores it stays small.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de::Error};

use crate::Localized;

/// Maximum number of characters of the message in one language.
const MAX_CHARACTERS: usize = 2_000;

/// Maximum number of languages, the default included.
const MAX_LANGUAGES: usize = 20;

/// The message of a ban as an operator writes it: at most 2,000 characters a language and 20
/// languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanMessage(Localized<MAX_CHARACTERS>);

impl From<BanMessage> for Localized {
    fn from(message: BanMessage) -> Self {
        message.0.widen()
    }
}

impl<'de> Deserialize<'de> for BanMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let message: Localized<MAX_CHARACTERS> = Localized::deserialize(deserializer)?;
        match message.languages() <= MAX_LANGUAGES {
            true => Ok(Self(message)),
            false => Err(D::Error::custom("expected at most 20 languages")),
        }
    }
}

impl JsonSchema for BanMessage {
    fn schema_name() -> Cow<'static, str> {
        "BanMessage".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Localized::<MAX_CHARACTERS>::json_schema(generator);
        schema.insert("maxProperties".to_owned(), MAX_LANGUAGES.into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn message(languages: usize, characters: usize) -> Result<BanMessage, serde_json::Error> {
        let text = "금".repeat(characters);
        let tags = (1..languages).map(|n| format!("en-{n:03}"));
        let texts: BTreeMap<_, _> = tags
            .chain(["default".to_owned()])
            .map(|tag| (tag, text.clone()))
            .collect();
        serde_json::from_str(&serde_json::to_string(&texts)?)
    }

    #[test]
    fn a_message_is_bounded_in_each_language_and_in_their_number() {
        assert!(message(20, 2_000).is_ok());
        assert!(message(21, 1).is_err());
        assert!(message(1, 2_001).is_err());
        assert!(message(1, 0).is_err());
    }
}
