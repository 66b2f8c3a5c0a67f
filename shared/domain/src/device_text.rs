//! Free text that an app reports about its device, such as its model.
//!
//! A shipped app cannot be changed, so such a text is never refused. It is shown to operators and
//! written into logs, so it is cleaned when it is read: nothing in it can start a new line, hide, or
//! reorder the text around it.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// The longest text, in characters.
pub(crate) const LONGEST: usize = 128;

/// Returns `text` on one line, without control and formatting characters (bidirectional overrides
/// among them), private and unassigned ones, and without space around it, cut off after `most`
/// characters. Returns `None` if nothing is left.
pub fn clean(text: &str, most: usize) -> Option<String> {
    let visible = text.chars().filter_map(|c| match c.general_category() {
        GeneralCategory::Control
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator
        | GeneralCategory::SpaceSeparator => Some(' '),
        GeneralCategory::Format
        | GeneralCategory::PrivateUse
        | GeneralCategory::Surrogate
        | GeneralCategory::Unassigned => None,
        _ => Some(c),
    });
    let visible: String = visible.collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    let cut: String = words.join(" ").chars().take(most).collect();
    let cut = cut.trim_end();
    (!cut.is_empty()).then(|| cut.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_hide_or_forge_a_line_is_removed() {
        for (text, cleaned) in [
            ("iPhone17,1", Some("iPhone17,1")),
            ("갤럭시 S24 울트라", Some("갤럭시 S24 울트라")),
            ("a\0b\nc\r\nd\te", Some("a b c d e")),
            ("a\u{2028}b\u{2029}c\u{85}d", Some("a b c d")),
            ("\u{202e}gnp.exe\u{202c}", Some("gnp.exe")),
            ("\u{2066}x\u{2069}\u{200f}\u{61c}y", Some("xy")),
            ("\u{feff}\u{200b}z\u{e000}", Some("z")),
            ("\u{1b}[31mred", Some("[31mred")),
            ("  Pixel \u{a0} 9  ", Some("Pixel 9")),
            ("\u{202e}\n ", None),
            ("", None),
        ] {
            assert_eq!(clean(text, 64).as_deref(), cleaned, "{text:?}");
        }
        assert_eq!(clean("ab cd", 3).as_deref(), Some("ab"));
    }

    proptest! {
        #[test]
        fn a_cleaned_text_is_short_visible_and_stays_as_it_is(text in any::<String>(), most in 1usize..200) {
            let Some(cleaned) = clean(&text, most) else { return Ok(()) };
            prop_assert!((1..=most).contains(&cleaned.chars().count()));
            prop_assert!(!cleaned.chars().any(|c| c.is_control()));
            prop_assert_eq!(clean(&cleaned, most), Some(cleaned.clone()));
        }
    }
}
