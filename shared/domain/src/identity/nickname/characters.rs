//! Which characters a nickname may have, and where.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_security::GeneralSecurityProfile;
use unicode_segmentation::UnicodeSegmentation;

use super::emoji;

/// What may stand beside letters and digits. Nothing that means something in a link, in HTML or to
/// whoever mentions somebody.
const ORNAMENTS: &str = "_-.~!?·・〜♡♥★☆♪♬";

/// Thai and the Indic scripts put three on a letter; more only make a name run over its line.
const MOST_MARKS: usize = 3;

/// The marks of voiced kana, which are a character of their own in half width and after kana that
/// have no voiced form (`あ゙`).
const VOICING_MARKS: [char; 2] = ['\u{3099}', '\u{309a}'];

/// Whether a text in composed form (NFC) is made of what a nickname may be made of, and is not all
/// ornaments.
pub(super) fn are_accepted(text: &str) -> bool {
    // A space at an end or beside another leaves an empty word.
    let words_and_spaces = text.is_empty() || text.split(' ').all(|word| !word.is_empty());
    let mut clusters = text.graphemes(true).filter(|cluster| *cluster != " ");
    words_and_spaces
        && clusters
            .clone()
            .all(|cluster| is_written(cluster) || is_ornament(cluster) || emoji::is_one(cluster))
        && (text.is_empty() || clusters.any(|cluster| !is_ornament(cluster)))
}

fn is_ornament(cluster: &str) -> bool {
    // The full-width forms, too, which Japanese and Korean keyboards type.
    let mut chars = cluster.nfkc();
    matches!((chars.next(), chars.next()), (Some(c), None) if ORNAMENTS.contains(c))
}

/// Letters and digits with their marks. A cluster has more than one letter in Indic conjuncts and
/// in half-width kana.
fn is_written(cluster: &str) -> bool {
    let mut marks = 0;
    let mut last = None;
    cluster.chars().all(|c| {
        let is_mark = c.general_category_group() == GeneralCategoryGroup::Mark;
        marks = if is_mark { marks + 1 } else { 0 };
        let follows = !is_mark || last.is_some_and(|last| last != c);
        last = Some(c);
        follows && marks <= MOST_MARKS && (is_hangul_letter(c) || is_recommended(c))
    })
}

/// A single letter of today's Hangul as it is typed (`ㅋ`, or its half-width form). The fillers are
/// none, and the conjoining letters are left only where they make no syllable.
fn is_hangul_letter(c: char) -> bool {
    matches!(c, '\u{3131}'..='\u{3163}' | '\u{ffa1}'..='\u{ffdc}')
        && c.general_category() == GeneralCategory::OtherLetter
}

/// A letter, mark or digit all of whose plain form is recommended for names: no ancient scripts, no
/// phonetic letters, nothing invisible, nothing unassigned.
fn is_recommended(c: char) -> bool {
    matches!(
        c.general_category_group(),
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Mark | GeneralCategoryGroup::Number
    ) && std::iter::once(c).nfkc().all(|plain| {
        (plain.identifier_allowed() || VOICING_MARKS.contains(&plain))
            && matches!(
                plain.general_category_group(),
                GeneralCategoryGroup::Letter
                    | GeneralCategoryGroup::Mark
                    | GeneralCategoryGroup::Number
            )
    })
}
