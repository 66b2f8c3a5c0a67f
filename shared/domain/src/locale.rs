//! Language tags: as authors write them, and in the many ways in which phones and browsers spell them.
//!
//! A tag is canonicalised by CLDR's data (deprecated codes are replaced: `in` is `id`, `iw` is `he`),
//! and knows its CLDR parents, by which texts are chosen and rules match. The script is part of a
//! language's identity even where a tag leaves it out: `zh-TW` is `zh-Hant-TW`, whose parent is
//! `zh-Hant` and never `zh`.

use std::{borrow::Cow, fmt, str::FromStr};

use icu_locale::{
    LanguageIdentifier, LocaleCanonicalizer, LocaleExpander, LocaleFallbacker,
    subtags::{Language, Region, Script, Variant, language, region, script},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{Country, define::BadText, reported::ReportedValue};

/// A language tag (BCP 47, RFC 5646) in its canonical form and usual case: `ko`, `ko-KR`, `zh-Hant-TW`.
/// Underscores are read as hyphens. Extensions (`-u-ca-gregory`) are dropped, because no text and no
/// rule depends on them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locale {
    tag: Box<str>,
    /// The tag and its CLDR parents, the nearest first, separated by spaces: each with and without the
    /// script that it implies, since an author may write either.
    forms: Box<str>,
}

/// The tags that authors may write.
pub(crate) const LOCALE_PATTERN: &str = "^[A-Za-z]{2,8}([_-][A-Za-z0-9]{1,8})*$";
/// The longest tag that authors may write, in characters.
pub(crate) const LONGEST_LOCALE: usize = 35;

/// The longest tag that a client may report, in bytes: ICU's and Java's spellings have keywords.
const LONGEST_REPORTED: usize = 256;
/// The most languages of a list that count.
const MOST_LANGUAGES: usize = 16;
/// The most elements of a list that are read.
const MOST_RANGES: usize = 64;

impl Locale {
    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.tag
    }

    /// Whether this tag is `other` or one of its CLDR parents: `ko` covers `ko` and `ko-KR`, `zh-Hant`
    /// covers `zh-TW`, `en-001` covers `en-AU`; `zh` does not cover `zh-TW`.
    pub fn covers(&self, other: &Self) -> bool {
        other.forms().any(|form| *form == *self.tag)
    }

    /// The tag and its CLDR parents, the nearest first: `en-AU`, `en-001`, `en`. A form is followed by
    /// its other spelling, with or without the script that it implies.
    pub(crate) fn forms(&self) -> impl Iterator<Item = &str> {
        self.forms.split(' ')
    }

    /// Returns the languages of a list with weights (RFC 9110, section 12.5.4), the greatest weight
    /// first and of equals the first. What cannot be read is left out.
    pub fn list(text: &str) -> Vec<Self> {
        let ranges = text.split(',').take(MOST_RANGES);
        let mut weighted: Vec<(Self, f32)> = ranges
            .filter_map(|range| {
                let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
                let weight = weight(parameters);
                // A weight of zero, and no number at all, is "not acceptable".
                (weight > 0.0).then_some((Self::reported(tag)?, weight))
            })
            .collect();
        weighted.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let mut languages: Vec<Self> = Vec::with_capacity(weighted.len());
        for (language, _) in weighted {
            if languages.len() < MOST_LANGUAGES && !languages.contains(&language) {
                languages.push(language);
            }
        }
        languages
    }

    /// Whether an author's spelling of the tag is its canonical form, but for case and underscores.
    pub(crate) fn is_spelled(&self, text: &str) -> bool {
        text.replace('_', "-").eq_ignore_ascii_case(&self.tag)
    }

    fn of(id: &LanguageIdentifier) -> Self {
        let mut forms = Forms(vec![id.to_string()]);
        let fallbacker = LocaleFallbacker::new().for_config(Default::default());
        let mut parents = fallbacker.fallback_for(id.into());
        while !parents.get().is_unknown() {
            forms.add(parents.get().into_locale().id);
            parents.step();
        }
        Self {
            tag: id.to_string().into(),
            forms: forms.0.join(" ").into(),
        }
    }

    /// A well-formed tag that CLDR knows nothing of: it is compared as it is.
    fn unknown(text: &str) -> Self {
        let mut tag = String::with_capacity(text.len());
        for (place, part) in text.split(['-', '_']).enumerate() {
            if place > 0 {
                tag.push('-');
            }
            push_in_usual_case(&mut tag, place, part);
        }
        let forms: Vec<&str> =
            std::iter::successors(Some(&*tag), |tag| Some(tag.rsplit_once('-')?.0)).collect();
        Self {
            forms: forms.join(" ").into(),
            tag: tag.into(),
        }
    }
}

impl ReportedValue for Locale {
    /// Reads a tag in any spelling that is in use: BCP 47, Java's `toString()` (`zh_TW_#Hant`), ICU with
    /// keywords (`ko_KR@calendar=gregorian`), POSIX (`en_US.UTF-8`, `sr_RS@latin`).
    fn reported(text: &str) -> Option<Self> {
        if text.len() > LONGEST_REPORTED {
            return None;
        }
        let (text, modifiers) = text.trim().split_once('@').unwrap_or((text.trim(), ""));
        let (text, _codeset) = text.split_once('.').unwrap_or((text, ""));
        let mut id = identifier(text)?;
        match modifiers {
            "latin" => id.script = id.script.or(Some(script!("Latn"))),
            "cyrillic" => id.script = id.script.or(Some(script!("Cyrl"))),
            "devanagari" => id.script = id.script.or(Some(script!("Deva"))),
            _ => {}
        }
        Some(Self::of(&canonical(id)))
    }
}

impl FromStr for Locale {
    type Err = BadText;

    /// Reads what an author wrote: a well-formed tag.
    fn from_str(text: &str) -> Result<Self, BadText> {
        let well_formed = text.len() <= LONGEST_LOCALE
            && text.split(['-', '_']).enumerate().all(|(place, part)| {
                if place == 0 {
                    (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic())
                } else {
                    (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
                }
            });
        if !well_formed {
            return Err(BadText {
                expected: "a language tag such as ko or ko-KR",
            });
        }
        Ok(match identifier(text) {
            Some(id) => Self::of(&canonical(id)),
            None => Self::unknown(text),
        })
    }
}

/// Reads the subtags of a tag, whatever their order and separators: Java writes the script behind the
/// region, and marks it with `#`. `None` where the first subtag is no language.
fn identifier(text: &str) -> Option<LanguageIdentifier> {
    // Tags that are older than the rules.
    let text = match &*text.to_ascii_lowercase().replace('_', "-") {
        "zh-cht" => "zh-Hant",
        "zh-chs" => "zh-Hans",
        "no-no-ny" => "nn-NO",
        "zh-min-nan" => "nan",
        _ => text,
    };
    let mut subtags = text.split_inclusive(['-', '_']);
    let mut id = LanguageIdentifier::UNKNOWN;
    let first = subtags.next()?;
    id.language = language_of(first.trim_end_matches(['-', '_']))?;
    let mut variants: Vec<Variant> = Vec::new();
    let mut is_after_underscore = first.ends_with('_');
    for subtag in subtags {
        let has_underscore = std::mem::replace(&mut is_after_underscore, subtag.ends_with('_'));
        let subtag = subtag.trim_end_matches(['-', '_']);
        let subtag = subtag.strip_prefix('#').unwrap_or(subtag);
        let alpha_3 = (has_underscore && id.region.is_none())
            .then(|| Country::from_alpha_3(subtag))
            .flatten();
        if let Some(country) = alpha_3 {
            // No standard has regions of three letters, but apps write them (`en_USA`).
            id.region = Region::try_from_str(country.as_str()).ok();
            continue;
        }
        let bare = id.script.is_none() && id.region.is_none() && variants.is_empty();
        match subtag.len() {
            // Java leaves places empty.
            0 => {}
            // What follows is an extension.
            1 => break,
            3 if bare && subtag.bytes().all(|b| b.is_ascii_alphabetic()) => {
                // An extended language, which is a language of its own in the canonical form (RFC 5646,
                // section 4.5).
                id.language = language_of(subtag)?;
            }
            4 if id.script.is_none() && Script::try_from_str(subtag).is_ok() => {
                id.script = Script::try_from_str(subtag).ok();
            }
            2 | 3 if id.region.is_none() => id.region = Region::try_from_str(subtag).ok(),
            // Java has variants that are none here (`WIN`).
            _ => variants.extend(Variant::try_from_str(subtag)),
        }
    }
    variants.sort_unstable();
    variants.dedup();
    if variants.is_empty() {
        return Some(id);
    }
    let mut tag = id.to_string();
    for variant in variants {
        tag.push('-');
        tag.push_str(variant.as_str());
    }
    LanguageIdentifier::try_from_str(&tag).ok()
}

fn language_of(subtag: &str) -> Option<Language> {
    Language::try_from_str(subtag)
        .ok()
        .filter(|language| !language.is_unknown())
}

/// Replaces deprecated codes, and drops what says that something is not known.
fn canonical(mut id: LanguageIdentifier) -> LanguageIdentifier {
    id.script = id.script.filter(|known| *known != script!("Zzzz"));
    id.region = id.region.filter(|known| *known != region!("ZZ"));
    let mut locale = id.into();
    LocaleCanonicalizer::new_common().canonicalize(&mut locale);
    norwegian(locale.id)
}

/// CLDR has `no` for the macrolanguage and lets `nb` inherit from it; texts are written for `nb`.
fn norwegian(mut id: LanguageIdentifier) -> LanguageIdentifier {
    if id.language == language!("no") {
        id.language = language!("nb");
    }
    id
}

/// Forms of a tag, each once.
struct Forms(Vec<String>);

impl Forms {
    fn add(&mut self, form: LanguageIdentifier) {
        let form = norwegian(form);
        self.push(form.to_string());
        let mut likely = form.clone();
        LocaleExpander::new_common().maximize(&mut likely);
        if form.script.is_none() && likely.script.is_some() {
            let mut explicit = form.clone();
            explicit.script = likely.script;
            self.push(explicit.to_string());
        }
        // The parent of `zh-Hant-MO` is `zh-Hant-HK`, which is lost where the script is implied.
        if form.language == language!("zh") && form.region == Some(region!("MO")) {
            self.push("zh-HK".to_owned());
            self.push("zh-Hant-HK".to_owned());
        }
    }

    fn push(&mut self, form: String) {
        if !self.0.contains(&form) {
            self.0.push(form);
        }
    }
}

/// The weight of a range: 1 where none is written, 0 where it is no number.
fn weight(parameters: &str) -> f32 {
    let mut parameters = parameters
        .split(';')
        .filter_map(|text| text.split_once('='));
    match parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q")) {
        None => 1.0,
        Some((_, weight)) => weight.trim().parse().unwrap_or(0.0),
    }
}

/// RFC 5646, section 2.1.1: regions in capitals, scripts capitalised, everything else small.
fn push_in_usual_case(tag: &mut String, place: usize, part: &str) {
    for (at, letter) in part.chars().enumerate() {
        let capital = place > 0 && (part.len() == 2 || part.len() == 4 && at == 0);
        tag.push(if capital {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        });
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tag)
    }
}

impl fmt::Debug for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tag)
    }
}

text_in_json!(Locale);

impl JsonSchema for Locale {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Locale".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": LONGEST_LOCALE,
            "pattern": LOCALE_PATTERN,
            "examples": ["ko-KR"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locale(tag: &str) -> Locale {
        tag.parse().unwrap()
    }

    #[test]
    fn authors_tags_take_their_canonical_form() {
        for (given, canonical) in [
            ("KO", "ko"),
            ("ko_kr", "ko-KR"),
            ("zh-hANT-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("sl-ROZAJ", "sl-rozaj"),
            ("in", "id"),
            ("iw-IL", "he-IL"),
            ("no-NO", "nb-NO"),
            ("tl", "fil"),
            ("sh-BA", "sr-Latn-BA"),
            ("zh-yue-HK", "yue-HK"),
            ("ko-KR-u-ca-gregory", "ko-KR"),
            // CLDR has no such language.
            ("Klingon_qo", "klingon-QO"),
        ] {
            assert_eq!(locale(given).as_str(), canonical, "{given}");
        }
        for bad in [
            "",
            "k",
            "한국어",
            "ko-",
            "-KR",
            "1o",
            "ko KR",
            "en-abcdefghi",
            "ko_KR@calendar=gregorian",
            "en_US.UTF-8",
            &"en-a".repeat(20),
        ] {
            assert!(bad.parse::<Locale>().is_err(), "{bad}");
        }
    }

    #[test]
    fn reported_tags_are_read_in_every_spelling() {
        for (given, canonical) in [
            ("zh_TW_#Hant", "zh-Hant-TW"),
            ("zh__#Hans", "zh-Hans"),
            ("sr_ME_#Latn", "sr-Latn-ME"),
            ("th_TH_TH_#u-nu-thai", "th-TH"),
            ("ja_JP_JP_#u-ca-japanese", "ja-JP"),
            ("zh_TW_#Hant_x-java", "zh-Hant-TW"),
            ("no_NO_NY", "nn-NO"),
            ("en_US_POSIX", "en-US-posix"),
            ("ca_ES_VALENCIA", "ca-ES-valencia"),
            ("en_US_WIN", "en-US"),
            ("ko_KR@calendar=gregorian", "ko-KR"),
            ("de_DE@collation=phonebook;currency=EUR", "de-DE"),
            ("en_US.UTF-8", "en-US"),
            ("sr_RS.UTF-8@latin", "sr-Latn-RS"),
            ("ca_ES@euro", "ca-ES"),
            ("in_ID", "id-ID"),
            ("iw", "he"),
            ("zh-CHT", "zh-Hant"),
            ("zh-Hant_TW", "zh-Hant-TW"),
            ("en_150", "en-150"),
            ("ar_001", "ar-001"),
            (" pt-br ", "pt-BR"),
            ("EN-gb-oxendict", "en-GB-oxendict"),
            ("de-AT-1996-x-private", "de-AT-1996"),
            ("en_ZZ", "en"),
            ("en_USA", "en-US"),
            ("zh_CHN", "zh-CN"),
            ("zh_twn", "zh-TW"),
            ("zh_Hant_HKG", "zh-Hant-HK"),
            ("pt_BRA.UTF-8", "pt-BR"),
            ("zh_HKG_#Hant", "zh-Hant-HK"),
            ("zh-yue-HK", "yue-HK"),
            ("zh_yue_HK", "yue-HK"),
            ("de_AUT_DEU", "de-AT"),
        ] {
            let read = Locale::reported(given);
            assert_eq!(
                read.as_ref().map(Locale::as_str),
                Some(canonical),
                "{given}"
            );
        }
        for bad in [
            "",
            " ",
            "*",
            "C",
            "C.UTF-8",
            "POSIX",
            "root",
            "und",
            "_KR",
            "한국어",
            "1o",
            "ko KR",
            "\u{0}",
            "null",
            "english",
            "@calendar=gregorian",
            &"en-".repeat(200),
        ] {
            assert_eq!(Locale::reported(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_tag_covers_those_that_have_it_for_a_parent() {
        for (general, special, covered) in [
            ("ko", "ko", true),
            ("ko", "ko-KR", true),
            ("zh-Hant", "zh-Hant-TW", true),
            ("zh-Hant", "zh-TW", true),
            ("zh-Hant", "zh-MO", true),
            ("zh-HK", "zh-MO", true),
            ("zh-Hans", "zh-CN", true),
            ("zh-CN", "zh-Hans-CN", true),
            ("zh-Hant-HK", "zh-HK", true),
            ("zh", "zh-CN", true),
            ("zh", "zh-TW", false),
            ("zh-Hans", "zh-TW", false),
            ("en-001", "en-AU", true),
            ("en-001", "en-US", false),
            ("pt-PT", "pt-AO", true),
            ("pt-PT", "pt-BR", false),
            ("es-419", "es-MX", true),
            ("nb", "no-NO", true),
            ("no", "nb-NO", true),
            ("fil", "tl-PH", true),
            ("ko-KR", "ko", false),
            ("ko", "kok", false),
            ("en-US", "en-GB", false),
            ("sr", "sr-Latn-RS", false),
        ] {
            let covers = locale(general).covers(&locale(special));
            assert_eq!(covers, covered, "{general} {special}");
        }
    }

    #[test]
    fn a_list_is_ordered_by_its_weights_and_read_to_its_end() {
        for (list, languages) in [
            (
                "ko-KR,ko;q=0.9,en-US;q=0.8",
                &["ko-KR", "ko", "en-US"] as &[_],
            ),
            ("en;q=0.5, ja ; q=0.7", &["ja", "en"]),
            ("fr;Q=0.1,zh_TW_#Hant", &["zh-Hant-TW", "fr"]),
            ("ko, ja, ko", &["ko", "ja"]),
            ("*", &[]),
            ("!!, *;q=0.5, de;q=0.1", &["de"]),
            ("ko;q=0", &[]),
            ("ko;q=x, ja;q=0.1", &["ja"]),
            ("", &[]),
            ("ko_KR@calendar=gregorian", &["ko-KR"]),
        ] {
            let read = Locale::list(list);
            let read: Vec<&str> = read.iter().map(Locale::as_str).collect();
            assert_eq!(read, languages, "{list:?}");
        }
        let many = "aa,".repeat(10_000) + "ko";
        assert_eq!(Locale::list(&many).len(), 1);
    }
}
