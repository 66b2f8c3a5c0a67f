//! When letters of different scripts mislead whoever reads them (UTS 39, section 5).

use unicode_script::{Script, ScriptExtension, UnicodeScript};
use unicode_security::confusable_detection::skeleton;

/// Scripts that go together in one name: people here write `K팝Fan`, `太郎さん` and `나의の꿈`, and
/// what looks alike among these has one key.
const TOGETHER: [Script; 6] = [
    Script::Latin,
    Script::Hangul,
    Script::Han,
    Script::Hiragana,
    Script::Katakana,
    Script::Bopomofo,
];

/// Whether a name mixes other scripts, or is of another script with nothing in it but letters that
/// look like Latin ones: Cyrillic `НОРА` would be read `HOPA`, and a key, being without case, cannot
/// tell since its small letters look different.
pub(super) fn mislead(plain: &str) -> bool {
    !go_together(plain)
        && (ScriptExtension::for_str(plain).is_empty() || looks_like_basic_latin(plain))
}

fn go_together(plain: &str) -> bool {
    plain.chars().all(|c| {
        let scripts = c.script_extension();
        TOGETHER
            .iter()
            .any(|script| scripts.contains_script(*script))
    })
}

fn looks_like_basic_latin(plain: &str) -> bool {
    skeleton(plain)
        .filter(|c| c.is_alphabetic())
        .all(|letter| letter.is_ascii())
}
