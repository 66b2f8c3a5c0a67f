//! Which names members may have, and which of them are one.

use std::{collections::HashMap, fmt::Write};

use proptest::prelude::*;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use super::*;

fn nickname(text: &str) -> Nickname {
    text.parse()
        .unwrap_or_else(|fault| panic!("{text} ({}): {fault}", text.escape_unicode()))
}

fn fault(text: &str) -> Option<NicknameFault> {
    text.parse::<Nickname>().err()
}

#[test]
fn names_that_people_expect_are_accepted_as_they_are_typed() {
    let mut surprises = Vec::new();
    for name in [
        "김철수",
        "귀여운고양이",
        "김 철수",
        "뷁뷁",
        "ㅋㅋㅋ",
        "철수ㅎㅎ",
        "ㅇㅅㅇ",
        "K팝Fan",
        "나의の꿈",
        "수학공식",
        "たろう",
        "タロウ",
        "太郎さん",
        "佐々木",
        "ラーメン",
        "あ゙あ゙",
        "ﾀﾛｳ",
        "ガンダム",
        "山田 太郎",
        "東京ボーイ",
        "王小明",
        "李大仁",
        "Anna",
        "José",
        "Zoë",
        "Łukasz",
        "Müller",
        "Straße",
        "Ngọc Ánh",
        "Nguyễn",
        "İbrahim",
        "Анна",
        "Дмитрий",
        "Юля",
        "Σωκράτης",
        "Ελένη",
        "สมชาย",
        "น้ำใส",
        "राजेश",
        "क्षत्रिय",
        "محمد",
        "דוד",
        "12345",
        "2nd",
        "x_x",
        "a.b",
        "a-b",
        "kim_cs.98",
        "_kim_",
        "★별★",
        "♡하트♡",
        "하이~",
        "안녕!?",
        "①②",
        "Ａｂｃ",
        "하이～",
        "gmail_fan",
        "모드",
        "model",
        "staffan",
        "🐱냥이",
        "🐱🐶",
        "👨‍👩‍👧아빠",
        "한국🇰🇷",
        "🇰🇷🇯🇵",
        "👍🏽굿",
        "1️⃣등",
        "❤️사랑",
        "♥사랑",
        "👩🏻‍❤️‍💋‍👨🏼xx",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿fan",
        "🏳️‍🌈xx",
        "👩‍🦰xx",
    ] {
        let shown: String = name.nfc().collect();
        let parsed = name.parse::<Nickname>();
        if parsed.as_ref().map(Nickname::as_str) != Ok(&shown) {
            surprises.push((name, parsed));
        }
    }
    assert_eq!(surprises, []);
    assert_eq!(nickname("山田\u{3000}太郎").as_str(), "山田 太郎");
    assert_eq!(
        nickname("\u{1100}\u{1161}\u{1102}\u{1161}").as_str(),
        "가나"
    );
}

#[test]
fn length_is_counted_as_people_count() {
    use NicknameFault::{TooLong, TooShort};
    for (text, expected) in [
        ("".to_owned(), Some(TooShort)),
        ("김".to_owned(), Some(TooShort)),
        ("e\u{301}".to_owned(), Some(TooShort)),
        ("👨‍👩‍👧‍👦".to_owned(), Some(TooShort)),
        ("김".repeat(20), None),
        ("김".repeat(21), Some(TooLong)),
        // 60 code points as they are sent, 60 bytes as they are kept.
        ("\u{1100}\u{1161}\u{11a8}".repeat(20), None),
        ("👨‍👩‍👧‍👦".repeat(4), None),
        ("👨‍👩‍👧‍👦".repeat(5), Some(TooLong)),
        ("e\u{301}".repeat(20), None),
        ("a".repeat(1_000_000), Some(TooLong)),
    ] {
        assert_eq!(fault(&text), expected, "{text:.60}");
    }
}

#[test]
fn characters_that_hide_harm_or_flood_are_refused() {
    for (text, what) in [
        (" ab", "a space first"),
        ("ab ", "a space last"),
        ("a  b", "two spaces"),
        ("a\u{a0}b", "a space that does not break"),
        ("a\u{2003}b", "a wide space"),
        ("a\tb", "a tab"),
        ("a\nb", "a line end"),
        ("a\r\nb", "a line end of two"),
        ("a\0b", "a zero"),
        ("a\u{85}b", "a control of Latin-1"),
        ("a\u{ad}b", "a soft hyphen"),
        ("a\u{200b}b", "a space of no width"),
        ("a\u{200d}b", "a joiner outside emoji"),
        ("김\u{200d}철수", "a joiner in Hangul"),
        ("🐱\u{200d}", "a joiner that joins nothing"),
        ("🐱\u{200d}a", "a joiner to a letter"),
        ("a\u{200c}b", "a non-joiner"),
        ("a\u{2060}b", "a word joiner"),
        ("a\u{feff}b", "a byte order mark"),
        ("a\u{202e}b", "a right-to-left override"),
        ("a\u{2066}b", "an isolate"),
        ("a\u{200f}b", "a right-to-left mark"),
        ("a\u{61c}b", "an Arabic letter mark"),
        ("a\u{34f}b", "a grapheme joiner"),
        ("a\u{115f}b", "a Hangul filler"),
        ("김\u{3164}철수", "a Hangul filler as typed"),
        ("김\u{ffa0}철수", "a Hangul filler of half width"),
        ("a\u{17b4}b", "an inherent vowel"),
        ("a\u{2800}b", "a blank Braille pattern"),
        ("a\u{e000}b", "private use"),
        ("a\u{f0000}b", "private use, another plane"),
        ("a\u{378}b", "unassigned"),
        ("a\u{ffff}b", "no character"),
        ("a\u{fffd}b", "a replacement character"),
        ("a\u{fe0f}b", "a variation selector on a letter"),
        ("♥\u{fe0e}ab", "a selector of text"),
        ("葛\u{e0100}城", "a selector of an ideograph"),
        ("1\u{fe0f}ab", "a selector on a digit"),
        ("a\u{e0061}b", "a tag on a letter"),
        ("🐱\u{e0061}\u{e007f}ab", "tags on what is no flag"),
        ("🇰ab", "half a flag"),
        ("🇿🇿ab", "the flag of no country"),
        ("🏽ab", "a skin tone by itself"),
        ("🐱🏽\u{200d}\u{200d}🐱ab", "two joiners"),
        (
            "🐱\u{200d}🐱\u{200d}🐱\u{200d}🐱\u{200d}🐱ab",
            "five joined",
        ),
        ("a\u{301}\u{302}\u{303}\u{304}\u{305}b", "a flood of marks"),
        ("ก็็็็", "a flood of marks in Thai"),
        ("q\u{301}\u{301}b", "a mark twice"),
        ("\u{301}ab", "a mark on nothing"),
        ("a \u{301}b", "a mark on a space"),
        ("_\u{301}ab", "a mark on an ornament"),
        ("a\u{20dd}b", "an enclosing mark"),
        (
            "\u{1100}\u{1100}a",
            "conjoining letters that make no syllable",
        ),
        ("___", "ornaments only"),
        ("★ ★", "ornaments only, with a space"),
        ("<b>", "markup"),
        ("a/b", "a path"),
        ("@kim", "a mention"),
        ("a\"b", "a quotation mark"),
        ("a\\b", "a backslash"),
        ("ᴀᴅᴍɪɴ", "small capitals"),
        ("ⓐⓑ", "circled letters"),
        ("㈜마당", "a letter in parentheses"),
        ("½½", "a fraction"),
        ("ꓮꓓꓟꓲꓠ", "Lisu"),
        ("ᎪᎠᎷ", "Cherokee"),
        ("𒀀𒀀", "cuneiform"),
    ] {
        assert_eq!(fault(text), Some(NicknameFault::CharacterRefused), "{what}");
    }
}

#[test]
fn letters_of_another_script_that_imitate_are_refused() {
    for text in [
        "аdmin",
        "pаypal",
        "Αlpha",
        "Aлекс",
        "ΑБВ",
        "김Юля",
        "たろうα",
        "раура",
        "НОРА",
        "ΝΙΚΟ",
        "AΣ",
        "aก",
        "한ا",
    ] {
        assert_eq!(fault(text), Some(NicknameFault::Confusable), "{text}");
    }
}

#[test]
fn names_that_speak_for_the_service_are_refused() {
    for text in [
        "admin",
        "ADMIN",
        "Ａｄｍｉｎ",
        "adm1n",
        "admln",
        "a.d.m.i.n",
        "a d m i n",
        "ádmin",
        "x_admin_x",
        "administrator2",
        "theadministrator",
        "gm",
        "GM",
        "gm_01",
        "GM01",
        "01gm",
        "gm kim",
        "GM지훈",
        "지훈GM",
        "🐱admin",
        "0perator",
        "off1cial",
        "staff-1",
        "support",
        "Madang",
        "𝐚𝐝𝐦𝐢𝐧",
        "운영자",
        "운영자1",
        "게임운영자님",
        "운 영 자",
        "관리자",
        "공식",
        "마당 공식",
        "공식 마당",
        "운영팀",
        "고객센터",
        "管理者",
        "運営",
        "運営チーム",
        "公式",
        "公式ｱｶｳﾝﾄ",
        "ｼｽﾃﾑ",
        "마당",
        "마 당",
        "ㅁㅏㄷㅏㅇ",
        "공식마당 마당",
        "매니저",
        "매니저1",
        "GM매니저",
        "영자",
        "운1영2자",
    ] {
        assert_eq!(fault(text), Some(NicknameFault::Reserved), "{text}");
    }
}

#[test]
fn digits_in_place_of_letters_do_not_free_a_reserved_name() {
    for text in [
        "4dm1n",
        "4DM1N",
        "4dmin",
        "4.d.m.1.n",
        "4dm1n5",
        "4dm1n99",
        "7h3 4dm1n",
        "adm!n",
        "5upp0rt",
        "5UPP0RT",
        "supp0r7",
        "0ff1c14l",
        "0FF1C14L",
        "off!cial",
        "m0d3r470r",
        "xx4dm1n157r470rxx",
        "5y573m",
        "57aff",
        "r007",
        "m4n4g3r",
        "m4d4n9",
    ] {
        assert_eq!(fault(text), Some(NicknameFault::Reserved), "{text}");
    }
    for text in [
        "9m",
        "6m",
        "1004",
        "12345",
        "4ever",
        "b4dminton",
        "s3xy",
        "2pac",
        "앞마당",
        "이영자",
        "7up",
    ] {
        assert_eq!(fault(text), None, "{text}");
    }
}

#[test]
fn what_reads_as_a_missing_value_is_no_name() {
    for text in [
        "null",
        "NULL",
        "Nu11",
        "n.u.l.l",
        "ｎｕｌｌ",
        "undefined",
        "undef1n3d",
        "Undefined",
        "none",
        "n0ne",
        "nil",
        "NaN",
        "true",
        "7rue",
        "false",
        "void",
        "object Object",
        "unknown",
        "알 수 없음",
        "탈퇴회원",
    ] {
        assert_eq!(fault(text), Some(NicknameFault::Reserved), "{text}");
    }
    for text in [
        "null pointer",
        "nullify",
        "True Love",
        "none of us",
        "Nilsson",
        "Nana",
        "voidwalker",
        "미지의 익명",
    ] {
        assert_eq!(fault(text), None, "{text}");
    }
}

#[test]
fn operators_reserve_and_block_more_by_words_and_their_look_alikes() {
    let rules = NicknameRules::new(["Hanok", "대감"], ["heck", "젠장"], true);
    for (text, expected) in [
        ("Hanok", Some(NicknameFault::Reserved)),
        ("h4n0k", Some(NicknameFault::Reserved)),
        ("h.a.n.o.k fan", Some(NicknameFault::Reserved)),
        ("hanok2", Some(NicknameFault::Reserved)),
        ("hanokia", None),
        ("대감", Some(NicknameFault::Reserved)),
        ("대감마님", None),
        ("heck", Some(NicknameFault::Blocked)),
        ("Checker", Some(NicknameFault::Blocked)),
        ("h3ck", Some(NicknameFault::Blocked)),
        ("what the h-e-c-k", Some(NicknameFault::Blocked)),
        ("아젠장맞을", Some(NicknameFault::Blocked)),
        ("젠1장", Some(NicknameFault::Blocked)),
        ("Courtier", None),
    ] {
        assert_eq!(rules.check(&nickname(text)).err(), expected, "{text}");
    }
}

#[test]
fn the_starter_list_blocks_rude_words_until_it_is_switched_off() {
    let (with, without) = (NicknameRules::default(), NicknameRules::new([], [], false));
    for text in [
        "fuckyou",
        "FUCK",
        "f.u.c.k",
        "5h17head",
        "b1tch",
        "시발",
        "씨1발",
        "개새끼야",
        "병신",
        "ㅅㅂ",
        "big cock",
    ] {
        let name = nickname(text);
        assert_eq!(with.check(&name), Err(NicknameFault::Blocked), "{text}");
        assert_eq!(without.check(&name), Ok(()), "{text}");
    }
    for text in [
        "Scunthorpe",
        "grape",
        "Hancock",
        "classic",
        "Essex",
        "Dickens",
        "감자지옥",
        "시발점",
        "다보지",
        "귀여운고양이",
        "analyst",
        "cumin",
    ] {
        assert_eq!(with.check(&nickname(text)), Ok(()), "{text}");
    }
}

#[test]
fn names_that_could_be_taken_for_each_other_have_one_key() {
    for names in [
        &[
            "Alice",
            "alice",
            "ALICE",
            "Ａｌｉｃｅ",
            "aIice",
            "a1ice",
            "al ice",
            "𝓐lice",
            "alicе",
        ][..],
        &[
            "김철수",
            "김 철수",
            "\u{1100}\u{1175}\u{11b7}철수",
            "김\u{200b}철수",
        ],
        &["ㅋㅋ", "\u{110f}\u{110f}", "ﾻﾻ"],
        &["가나", "ㄱㅏㄴㅏ", "ﾡￂﾤￂ"],
        &["タロウ", "ﾀﾛｳ", "タ口ウ"],
        &["ガンダム", "ｶﾞﾝﾀﾞﾑ", "カ\u{3099}ンタ\u{3099}ム"],
        &["エース", "工一ス"],
        &["Straße", "STRASSE", "strasse", "straẞe"],
        &["Σίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ"],
        &["José", "JOSÉ", "Jose\u{301}"],
        &["b00k", "book", "BOOK", "bооk"],
        &["modern", "modem", "rnodem"],
        &["①②", "12", "１２", "l2"],
        &["❤️사랑", "❤사랑"],
        &["👨‍👩‍👧xx", "👨👩👧xx"],
        &["하이~", "하이～", "하이〜"],
    ] {
        let keys: Vec<_> = names.iter().map(|name| NicknameKey::of(name)).collect();
        for (name, key) in names.iter().zip(&keys) {
            assert_eq!(Some(key), keys.first(), "{name}");
        }
    }
}

#[test]
fn names_that_differ_to_whoever_reads_them_have_different_keys() {
    let names = [
        "김철수",
        "김철우",
        "kim_cs",
        "kim.cs",
        "kim-cs",
        "kimcs",
        "José",
        "Jose",
        "たろう",
        "タロウ",
        "太郎",
        "はは",
        "ばば",
        "ぱぱ",
        "🐱냥이",
        "🐶냥이",
        "냥이",
        "👍🏽xx",
        "👍🏻xx",
        "🇰🇷xx",
        "🇯🇵xx",
        "1️⃣등",
        "1등",
        "Анна",
        "Anna",
        "ㅋㅋ",
        "ㅋㅋㅋ",
        "ㄱㄴ",
        "개나",
        "게나",
    ];
    let mut seen = HashMap::new();
    for name in names {
        assert_eq!(seen.insert(nickname(name).key(), name), None, "{name}");
    }
}

#[test]
fn every_syllable_of_hangul_has_a_key_of_its_own() {
    let mut seen = HashMap::new();
    for syllable in '가'..='힣' {
        let key = NicknameKey::of(syllable.encode_utf8(&mut [0; 4]));
        assert_eq!(seen.insert(key, syllable), None, "{syllable}");
    }
}

/// When this fails, a new toolchain or crate brought new tables (or a rule changed): keys that are
/// kept have to be looked through, and [`NicknameKey::EDITION`] raised.
#[test]
fn the_keys_of_this_edition_stay_as_they_are() {
    let mut digest = Sha256::new();
    for c in accepted() {
        let key = key(c);
        assert_eq!(NicknameKey::of(key.as_str()), key, "{c} is not stable");
        digest.update(format!("{c}{key}\n"));
    }
    let digest = digest.finalize().iter().fold(String::new(), |mut hex, b| {
        write!(hex, "{b:02x}").unwrap();
        hex
    });
    assert_eq!(
        (NicknameKey::EDITION, &*digest),
        (
            1,
            "d0abd47d52fc8c4884a54a543b363b5671e87f9887a8d6649cd5c4775110a11c"
        )
    );
}

#[test]
fn every_accepted_character_has_a_key_and_one_with_its_other_case() {
    for c in accepted() {
        let key = key(c);
        assert!(!key.as_str().is_empty(), "{c} {}", c.escape_unicode());
        for other in [c.to_lowercase().to_string(), c.to_uppercase().to_string()] {
            assert_eq!(NicknameKey::of(&other), key, "{c} {other}");
        }
    }
}

#[test]
fn a_nickname_is_a_string_in_json() {
    let name: Nickname = serde_json::from_str(r#""\uae40\ucca0\uc218""#).unwrap();
    assert_eq!(name.as_str(), "김철수");
    assert_eq!(serde_json::to_string(&name).unwrap(), r#""김철수""#);
    let refused = serde_json::from_str::<Nickname>(r#""운영자""#).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with(NicknameFault::Reserved.message())
    );
    for text in ["1", "null", r#""""#, r#"["ab"]"#] {
        assert!(serde_json::from_str::<Nickname>(text).is_err(), "{text}");
    }
}

/// Every character that may be somewhere in a nickname.
fn accepted() -> impl Iterator<Item = char> {
    ('\0'..=char::MAX).filter(|c| {
        characters::are_accepted(&format!("a{c}")) || characters::are_accepted(&c.to_string())
    })
}

fn key(c: char) -> NicknameKey {
    NicknameKey::of(c.encode_utf8(&mut [0; 4]))
}

/// Texts near what is accepted: letters, marks, emoji and what is invisible, of several scripts.
fn near_names() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => prop::char::range('가', '힣'),
        2 => prop::char::ranges(vec!['a'..='z', 'A'..='Z', '0'..='9'].into()),
        2 => prop::char::ranges(vec!['ぁ'..='ヿ', '一'..='龥', 'ㄱ'..='ㆎ', '\u{ff01}'..='\u{ffdc}'].into()),
        2 => prop::char::ranges(vec!['À'..='ɏ', 'Ͱ'..='ӿ', 'Ḁ'..='ỿ'].into()),
        1 => prop::sample::select("_-.~ \u{3000}\u{301}\u{200d}\u{fe0f}\u{20e3}🏽👨👩❤🇰🇷1".chars().collect::<Vec<_>>()),
        1 => prop::char::ranges(vec!['\u{1f300}'..='\u{1faff}', '\u{1100}'..='\u{11ff}'].into()),
    ];
    prop::collection::vec(character, 1..24).prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn any_text_is_accepted_or_refused_and_its_key_is_stable(text in any::<String>()) {
        let _either = fault(&text);
        let key = NicknameKey::of(&text);
        prop_assert_eq!(NicknameKey::of(key.as_str()), key);
    }

    #[test]
    fn what_is_accepted_is_accepted_again_as_it_is_shown(text in near_names()) {
        if let Ok(name) = text.parse::<Nickname>() {
            prop_assert!(name.as_str().len() <= LONGEST);
            prop_assert_eq!(&nickname(name.as_str()), &name);
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<Nickname>(&json).unwrap(), name);
        }
    }

    #[test]
    fn the_key_is_stable_and_blind_to_case_width_composition_and_spaces(text in near_names()) {
        let key = NicknameKey::of(&text);
        prop_assert_eq!(&NicknameKey::of(key.as_str()), &key);
        let composed: String = text.nfc().collect();
        let decomposed: String = text.nfd().collect();
        let plain: String = text.nfkc().collect();
        prop_assert_eq!(&NicknameKey::of(&composed), &key);
        prop_assert_eq!(&NicknameKey::of(&decomposed), &key);
        prop_assert_eq!(&NicknameKey::of(&plain), &key);
        prop_assert_eq!(&NicknameKey::of(&text.to_lowercase()), &key);
        prop_assert_eq!(&NicknameKey::of(&text.to_uppercase()), &key);
    }

    #[test]
    fn full_width_and_spaced_out_letters_have_the_key_of_plain_ones(text in "[!-~]{2,20}") {
        let wide: String = text
            .chars()
            .map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap())
            .collect();
        let spaced = text.replace("", " ");
        prop_assert_eq!(NicknameKey::of(&wide), NicknameKey::of(&text));
        prop_assert_eq!(NicknameKey::of(&spaced), NicknameKey::of(&text));
    }
}
