//! Words that operators reserve and block beyond the built-in ones.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::{
    Nickname, NicknameFault,
    words::{FragmentList, Readings, WordList},
};

/// Operators' rules for nicknames.
#[derive(Debug)]
pub struct NicknameRules {
    reserved: WordList,
    blocked: FragmentList,
    starter_list: bool,
}

/// Words of the starter list that stand nowhere in a decent name.
const BLOCKED_FRAGMENTS: &[&str] = &[
    "asshole",
    "bitch",
    "childporn",
    "faggot",
    "fuck",
    "hitler",
    "motherf",
    "nigga",
    "nigger",
    "pedophile",
    "shithead",
    "whore",
    "개같은년",
    "개새기",
    "개새끼",
    "개색기",
    "개색끼",
    "걸레년",
    "느금마",
    "니미럴",
    "니애미",
    "니엄마",
    "병신",
    "븅신",
    "섹스",
    "시발놈",
    "시발년",
    "시팔놈",
    "씨발",
    "씨팔",
    "씹새끼",
    "씹창",
    "애미뒤진",
    "엠창",
    "좆",
    "지랄",
    "창녀",
    "창년",
    "후장",
    "ㅅㅂㄴ",
    "ㅆㅂ",
    "ㅈㄹ병",
    "히틀러",
];

/// Words of the starter list that are part of decent ones (`Scunthorpe`, `grape`, `감자지옥`), and so
/// are blocked as words only.
const BLOCKED_WORDS: &[&str] = &[
    "anal", "ass", "cock", "cum", "cunt", "dick", "nazi", "porn", "penis", "pussy", "rape",
    "rapist", "sex", "shit", "slut", "tits", "vagina", "걸레", "나치", "등신", "보지", "새끼",
    "시발", "시팔", "쌍년", "쌍놈", "야동", "자지", "ㅂㅅ", "ㅄ", "ㅅㅂ", "ㅈㄹ", "ㅗ",
];

static STARTER_FRAGMENTS: LazyLock<FragmentList> =
    LazyLock::new(|| FragmentList::of(BLOCKED_FRAGMENTS.iter().copied()));

static STARTER_WORDS: LazyLock<WordList> =
    LazyLock::new(|| WordList::of(BLOCKED_WORDS.iter().copied()));

impl Default for NicknameRules {
    /// The starter list, and nothing else.
    fn default() -> Self {
        Self::new([], [], true)
    }
}

impl NicknameRules {
    /// Reserves and blocks these words. The starter list blocks more, unless it is switched off.
    pub fn new<'a>(
        reserved: impl IntoIterator<Item = &'a str>,
        blocked: impl IntoIterator<Item = &'a str>,
        starter_list: bool,
    ) -> Self {
        Self {
            reserved: WordList::of(reserved),
            blocked: FragmentList::of(blocked),
            starter_list,
        }
    }

    /// Checks a name that the built-in rules accept.
    ///
    /// # Errors
    /// [`NicknameFault::Reserved`] where the name or a word of it is reserved;
    /// [`NicknameFault::Blocked`] where it has a blocked word anywhere.
    pub fn check(&self, nickname: &Nickname) -> Result<(), NicknameFault> {
        let plain: String = nickname.as_str().nfkc().collect();
        let name = Readings::of(&plain);
        if self.reserved.has_word_of(&name) {
            return Err(NicknameFault::Reserved);
        }
        let starter = self.starter_list
            && (STARTER_FRAGMENTS.occur_in(&name) || STARTER_WORDS.has_word_of(&name));
        match starter || self.blocked.occur_in(&name) {
            true => Err(NicknameFault::Blocked),
            false => Ok(()),
        }
    }
}
