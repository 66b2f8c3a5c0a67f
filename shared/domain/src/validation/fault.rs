//! What is wrong with a document: one thing of it, and as many as are told.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many faults are told of one document at most.
pub const MAX_FAULTS: usize = 100;

/// How many bytes of a pointer or a message are told at most: both may repeat what was sent, so that
/// a refusal could otherwise be many times as large as what it refuses.
const LONGEST_TOLD: usize = 256;

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// Where, as a JSON pointer (RFC 6901); empty for the document as a whole.
    pub pointer: String,
    /// What kind of fault; stable.
    pub code: FaultCode,
    /// What is wrong, in English, for whoever wrote the document.
    pub message: String,
}

closed_set! {
    /// The kinds of faults; stable, to be acted on by programs.
    pub enum FaultCode {
        /// A member that must be there is not.
        Required = "required",
        /// A member that nothing is known of.
        UnknownField = "unknown_field",
        /// Another JSON type was expected.
        WrongType = "wrong_type",
        /// A number above or below its bounds.
        OutOfRange = "out_of_range",
        /// A string with too many characters.
        TooLong = "too_long",
        /// A string with too few characters.
        TooShort = "too_short",
        /// Too many elements or members.
        TooMany = "too_many",
        /// Too few elements or members.
        TooFew = "too_few",
        /// A value outside the closed list, or one that its neighbours forbid.
        NotAllowed = "not_allowed",
        /// A string without the form it should have.
        BadFormat = "bad_format",
        /// Something that must be there only once is there again.
        Duplicate = "duplicate",
        /// Something else; the message says what.
        Invalid = "invalid",
    }
}

impl Fault {
    /// A fault at `pointer`. A pointer or message of more than 256 bytes is cut, which an ellipsis
    /// at its end tells.
    pub fn new(pointer: impl fmt::Display, code: FaultCode, message: impl fmt::Display) -> Self {
        Self {
            pointer: told(pointer),
            code,
            message: told(message),
        }
    }
}

/// Writes out as much of a text as is told; no more of it is looked at.
fn told(text: impl fmt::Display) -> String {
    let mut told = Told(String::new());
    if fmt::write(&mut told, format_args!("{text}")).is_err() {
        // Half of an escape (`~0`, `~1`) would make it no pointer.
        if told.0.ends_with('~') {
            told.0.pop();
        }
        told.0.push('…');
    }
    told.0
}

/// A text that refuses to grow beyond what is told.
struct Told(String);

impl fmt::Write for Told {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST_TOLD.saturating_sub(self.0.len());
        let (fits, rest) = text.split_at(text.floor_char_boundary(room));
        self.0.push_str(fits);
        if rest.is_empty() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

/// The faults found so far: once they are as many as are told, no more are kept and looking on is
/// idle.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MAX_FAULTS
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Writes a fault out, if it is one of those that are told.
    pub(super) fn add(
        &mut self,
        at: impl fmt::Display,
        code: FaultCode,
        message: impl fmt::Display,
    ) {
        if !self.is_full() {
            self.0.push(Fault::new(at, code, message));
        }
    }

    pub(super) fn push(&mut self, fault: Fault) {
        if !self.is_full() {
            self.0.push(fault);
        }
    }

    pub(super) fn append(&mut self, more: Self) {
        more.0.into_iter().for_each(|fault| self.push(fault));
    }

    pub(super) fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters_and_between_escapes() {
        let kept = |text: &str| Fault::new(text, FaultCode::Invalid, text);
        let whole = "é".repeat(128);
        assert_eq!(kept(&whole).message, whole);
        assert_eq!(kept(&format!("{whole}x")).message, format!("{whole}…"));
        let odd = format!("x{whole}");
        assert_eq!(kept(&odd).pointer, format!("x{}…", "é".repeat(127)));
        let escape = format!("/{}~0", "a".repeat(254));
        assert_eq!(kept(&escape).pointer, format!("/{}…", "a".repeat(254)));
    }
}
