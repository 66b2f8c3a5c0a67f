//! Operators' own rules for nicknames: reserved words, blocked words, and whether the built-in starter
//! list of blocked words counts.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Kind, LoadError,
    artefact::{Entry, load},
    set::Item,
};
use crate::{Fault, FaultCode, Id, identity::NicknameRules};

text_type! {
    /// A word that a nickname is compared with.
    pub struct NicknameWord {
        expected: "1 to 40 characters, none of them a control character",
        length: 1..=40,
        pattern: r"^[^\x00-\x1F\x7F]*$",
        accept: |text| text.chars().all(|c| c > '\u{1f}' && c != '\u{7f}'),
    }
}

/// Words that nicknames may not have. The items of a set count together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct NicknameRuleItem {
    /// Words that no nickname is and that no word of one is, as if they spoke for the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 2000))]
    pub reserved: Option<Vec<NicknameWord>>,
    /// Words that stand nowhere in a nickname.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 2000))]
    pub blocked: Option<Vec<NicknameWord>>,
    /// Whether the built-in list of blocked words in Korean and English counts; it does unless an item
    /// says otherwise. At most one item of a set has this member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starter_list: Option<bool>,
}

impl Item for NicknameRuleItem {
    fn faults_between(items: &[Entry<Self>]) -> Vec<(&Id, Fault)> {
        let lists = items.iter().flat_map(|entry| {
            [
                ("reserved", &entry.item.reserved),
                ("blocked", &entry.item.blocked),
            ]
            .map(|(name, words)| (&entry.id, name, words))
        });
        let empty = lists.flat_map(|(id, name, words)| {
            let words = words.iter().flatten().enumerate();
            let bare = words.filter(|(_, word)| !word.as_str().chars().any(char::is_alphanumeric));
            bare.map(move |(place, _)| {
                let message = "expected a word with a letter or a digit";
                let pointer = format!("/{name}/{place}");
                (id, Fault::new(pointer, FaultCode::BadFormat, message))
            })
        });
        let switches = items
            .iter()
            .filter(|entry| entry.item.starter_list.is_some());
        let repeated = switches.skip(1).map(|entry| {
            let message = "another item says already whether the starter list counts";
            let fault = Fault::new("/starter_list", FaultCode::Duplicate, message);
            (&entry.id, fault)
        });
        empty.chain(repeated).collect()
    }
}

impl NicknameRules {
    /// Loads an artefact.
    ///
    /// # Errors
    /// When the format is unknown or the bytes are not of it.
    pub fn load(format: u16, artefact: &[u8]) -> Result<Self, LoadError> {
        let items = load::<NicknameRuleItem>(Kind::NicknameRules, format, artefact)?;
        let items: Vec<NicknameRuleItem> = items.map(|(_, item)| item).collect();
        let starter_list = items.iter().find_map(|item| item.starter_list);
        let reserved = items.iter().filter_map(|item| item.reserved.as_deref());
        let blocked = items.iter().filter_map(|item| item.blocked.as_deref());
        Ok(Self::new(
            reserved.flatten().map(NicknameWord::as_str),
            blocked.flatten().map(NicknameWord::as_str),
            starter_list.unwrap_or(true),
        ))
    }
}
