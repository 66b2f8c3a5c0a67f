//! Lists of words that names are compared with, whatever a name puts around, between, on or in
//! place of their letters: `gm_01`, `a.d.m.i.n`, `ádmin`, `4dm1n`.

use std::collections::BTreeSet;

use unicode_script::{Script, UnicodeScript};

use super::NicknameKey;

/// Words that a name is not, and that no word of it is.
#[derive(Debug, Default)]
pub(super) struct WordList(BTreeSet<String>);

/// Words that stand nowhere in a name.
#[derive(Debug, Default)]
pub(super) struct FragmentList(Vec<Vec<char>>);

/// A name as it can be read.
pub(super) struct Readings {
    /// Its letters and digits in one word; once more with `!` read as `i`; once more without digits.
    whole: Vec<String>,
    /// Its words. A word ends where its script does: `GM지훈`.
    words: Vec<String>,
}

/// A shorter word is compared as it is written only: `9m` is no `gm`.
const SHORTEST_LEET: usize = 4;

impl WordList {
    pub(super) fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self(
            words
                .into_iter()
                .map(bare_key)
                .filter(|key| !key.is_empty())
                .collect(),
        )
    }

    /// Whether the name, or a word of it, is one of these.
    pub(super) fn has_word_of(&self, name: &Readings) -> bool {
        let mut words = name.whole.iter().chain(&name.words);
        words.any(|word| without_digits(word).any(|word| self.has(word)))
    }

    /// Whether the whole name is one of these.
    pub(super) fn has_whole(&self, name: &Readings) -> bool {
        name.whole.iter().any(|word| self.has(word))
    }

    fn has(&self, word: &str) -> bool {
        let key = bare_key(word);
        self.0.contains(&key) || self.0.iter().any(|own| is_leet_of(&key, own))
    }
}

impl FragmentList {
    pub(super) fn of<'a>(fragments: impl IntoIterator<Item = &'a str>) -> Self {
        let keys = fragments
            .into_iter()
            .map(bare_key)
            .filter(|key| !key.is_empty());
        Self(keys.map(|key| key.chars().collect()).collect())
    }

    /// Whether the name has one of these anywhere.
    pub(super) fn occur_in(&self, name: &Readings) -> bool {
        name.whole.iter().any(|whole| {
            let key: Vec<char> = bare_key(whole).chars().collect();
            let occurs = |fragment: &Vec<char>| {
                key.windows(fragment.len())
                    .any(|part| part == fragment || are_leet_of(part, fragment))
            };
            self.0.iter().any(occurs)
        })
    }
}

impl Readings {
    /// Takes a name in compatibility form.
    pub(super) fn of(plain: &str) -> Self {
        let whole = |c: char| c.is_alphanumeric();
        let joined: String = plain.chars().filter(|c| whole(*c)).collect();
        let struck: String = plain
            .chars()
            .map(|c| if c == '!' { 'i' } else { c })
            .filter(|c| whole(*c))
            .collect();
        let letters: String = joined.chars().filter(|c| !c.is_ascii_digit()).collect();
        let without_marks = |word: &str| word.chars().filter(|c| whole(*c)).collect();
        let spaced = plain.split_whitespace().map(without_marks);
        Self {
            whole: vec![joined, struck, letters],
            words: words(plain).map(str::to_owned).chain(spaced).collect(),
        }
    }
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

/// A word with the digits at its ends, which may stand for letters (`0perator`), and without those
/// at either end.
fn without_digits(word: &str) -> impl Iterator<Item = &str> {
    let is_digit = |c: char| c.is_ascii_digit();
    [
        word,
        word.trim_start_matches(is_digit),
        word.trim_end_matches(is_digit),
        word.trim_matches(is_digit),
    ]
    .into_iter()
}

/// A key without the accents that hide a letter only from machines.
fn bare_key(text: &str) -> String {
    NicknameKey::of(text)
        .as_str()
        .chars()
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
        .collect()
}

fn is_leet_of(text: &str, word: &str) -> bool {
    let (text, word): (Vec<_>, Vec<_>) = (text.chars().collect(), word.chars().collect());
    are_leet_of(&text, &word)
}

/// Whether digits of `text` stand for letters of `word`, all else being equal.
fn are_leet_of(text: &[char], word: &[char]) -> bool {
    word.len() >= SHORTEST_LEET
        && text.len() == word.len()
        && text
            .iter()
            .zip(word)
            .all(|(c, letter)| c == letter || letters_of(*c).contains(letter))
}

/// The letters that a digit is written for. A key has `o` and `l` in place of `0` and `1` already.
const fn letters_of(digit: char) -> &'static [char] {
    match digit {
        '2' => &['z'],
        '3' => &['e'],
        '4' => &['a'],
        '5' => &['s'],
        '6' => &['b', 'g'],
        '7' => &['t', 'l'],
        '8' => &['b'],
        '9' => &['g', 'q'],
        _ => &[],
    }
}
