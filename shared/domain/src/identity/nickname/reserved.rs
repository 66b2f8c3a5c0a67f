//! Names that speak for the operator of the service, and names that programs write where there is no
//! name.

use std::sync::LazyLock;

use super::words::{FragmentList, Readings, WordList};

/// Reserved as the whole name and as a word of it.
const WORDS: &[&str] = &[
    "admin",
    "admins",
    "administrator",
    "administrators",
    "gamemaster",
    "gm",
    "helpdesk",
    "madang",
    "manager",
    "managers",
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
    "마당",
    "매니저",
    "매니져",
    "스태프",
    "시스템",
    "어드민",
    "영자",
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

/// Reserved as the whole name: a reader takes them for a missing value, and so do programs.
const PLACEHOLDERS: &[&str] = &[
    "anonymous",
    "deleted",
    "deleteduser",
    "false",
    "infinity",
    "nan",
    "nil",
    "none",
    "null",
    "nullptr",
    "objectobject",
    "true",
    "undefined",
    "unknown",
    "unknownuser",
    "void",
    "알수없음",
    "없음",
    "익명",
    "탈퇴한사용자",
    "탈퇴회원",
];

static RESERVED_WORDS: LazyLock<WordList> = LazyLock::new(|| WordList::of(WORDS.iter().copied()));

static RESERVED_PHRASES: LazyLock<FragmentList> =
    LazyLock::new(|| FragmentList::of(PHRASES.iter().copied()));

static RESERVED_PLACEHOLDERS: LazyLock<WordList> =
    LazyLock::new(|| WordList::of(PLACEHOLDERS.iter().copied()));

/// Whether a name is reserved in this product, whatever operators publish.
pub(super) fn is_reserved(name: &Readings) -> bool {
    RESERVED_WORDS.has_word_of(name)
        || RESERVED_PHRASES.occur_in(name)
        || RESERVED_PLACEHOLDERS.has_whole(name)
}
