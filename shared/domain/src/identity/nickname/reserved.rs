//! Names that speak for the operator of the service.

use std::{collections::BTreeSet, sync::LazyLock};

use unicode_script::{Script, UnicodeScript};

use super::NicknameKey;

/// Reserved as the whole name and as a word of it. A word ends where its script does: `GM지훈`.
const WORDS: &[&str] = &[
    "admin",
    "admins",
    "administrator",
    "administrators",
    "gamemaster",
    "gm",
    "helpdesk",
    "madang",
    "mod",
    "moderator",
    "moderators",
    "mods",
    "official",
    "operator",
    "operators",
    "root",
    "staff",
    "support",
    "sysop",
    "system",
    "webmaster",
    "공식",
    "공지",
    "공지사항",
    "관리팀",
    "스태프",
    "시스템",
    "어드민",
    "지엠",
    "公式",
    "公告",
    "官方",
    "客服",
    "システム",
    "スタッフ",
    "サポート",
];

/// Reserved wherever they stand: Korean and Japanese put words together without a space.
const PHRASES: &[&str] = &[
    "administrator",
    "moderator",
    "고객센터",
    "고객지원",
    "공식계정",
    "관리자",
    "운영자",
    "운영진",
    "운영팀",
    "管理人",
    "管理员",
    "管理員",
    "管理者",
    "運営",
    "公式アカウント",
];

static WORD_KEYS: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| WORDS.iter().map(|word| bare_key(word)).collect());

static PHRASE_KEYS: LazyLock<Vec<String>> =
    LazyLock::new(|| PHRASES.iter().map(|phrase| bare_key(phrase)).collect());

/// Whether a name in compatibility form is reserved, with whatever stands around, between and on
/// its letters: `gm_01`, `a.d.m.i.n`, `ádmin`.
pub(super) fn is_reserved(plain: &str) -> bool {
    let joined: String = plain.chars().filter(|c| c.is_alphanumeric()).collect();
    let joined_key = bare_key(&joined);
    is_reserved_word(&joined)
        || words(plain).any(is_reserved_word)
        || PHRASE_KEYS
            .iter()
            .any(|phrase| joined_key.contains(&**phrase))
}

/// Runs of letters and digits, the Latin ones and all others by themselves.
fn words(plain: &str) -> impl Iterator<Item = &str> {
    let latin = plain.split(|c: char| !c.is_alphanumeric() || !is_latin(c));
    let other = plain.split(|c: char| !c.is_alphanumeric() || is_latin(c));
    latin.chain(other)
}

fn is_latin(c: char) -> bool {
    c.is_ascii() || c.script() == Script::Latin
}

/// Compared with digits at its ends, which may stand for letters (`0perator`), and without.
fn is_reserved_word(word: &str) -> bool {
    let without_digits = word.trim_matches(|c: char| c.is_ascii_digit());
    [word, without_digits]
        .into_iter()
        .any(|word| WORD_KEYS.contains(&bare_key(word)))
}

/// A key without the accents that hide a letter only from machines.
fn bare_key(text: &str) -> String {
    NicknameKey::of(text)
        .as_str()
        .chars()
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
        .collect()
}
