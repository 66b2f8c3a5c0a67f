//! Text in several languages, and the language tags that choose among it.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr};

use garde::{Path, Report, Validate};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::{define::BadText, validation::UniqueMap};

/// A language tag (BCP 47, RFC 5646) in its usual case: `ko`, `ko-KR`, `zh-Hant-TW`. Underscores,
/// which Android writes, are read as hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locale(Box<str>);

const LOCALE_PATTERN: &str = "^[A-Za-z]{2,8}([_-][A-Za-z0-9]{1,8})*$";
const LONGEST_LOCALE: usize = 35;

impl Locale {
    /// The tag in its usual case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this tag is `other` or a more general form of it: `ko` covers `ko` and `ko-KR`, and
    /// `ko-KR` does not cover `ko` (basic filtering of RFC 4647, section 3.3.1).
    pub fn covers(&self, other: &Self) -> bool {
        other
            .0
            .strip_prefix(&*self.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// The tag, then ever more general forms of it: `ko-KR`, `ko`.
    pub(crate) fn forms(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(&*self.0), |tag| Some(tag.rsplit_once('-')?.0))
    }
}

impl FromStr for Locale {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let mut tag = String::with_capacity(text.len());
        let well_formed = text.len() <= LONGEST_LOCALE
            && text.split(['-', '_']).enumerate().all(|(place, part)| {
                if place > 0 {
                    tag.push('-');
                }
                push_in_usual_case(&mut tag, place, part);
                if place == 0 {
                    (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic())
                } else {
                    (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
                }
            });
        if well_formed {
            Ok(Self(tag.into()))
        } else {
            Err(BadText {
                expected: "a language tag such as ko or ko-KR",
            })
        }
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
        f.write_str(&self.0)
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

/// One thing in several languages, `default` among them: `{"default": …, "ko": …, "ko-KR": …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ByLocale<V>(BTreeMap<Box<str>, V>);

const DEFAULT: &str = "default";
const MOST_LOCALES: usize = 100;

impl<V> ByLocale<V> {
    /// What is there for a reader of `locale`: `ko-KR`, else `ko`, else the default. `None` only of
    /// what was made without a default, which no author can.
    pub fn choose(&self, locale: Option<&Locale>) -> Option<&V> {
        locale
            .into_iter()
            .flat_map(Locale::forms)
            .chain([DEFAULT])
            .find_map(|tag| self.0.get(tag))
    }

    /// Everything that is there, with its language or `default`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(tag, value)| (&**tag, value))
    }
}

impl<V> TryFrom<BTreeMap<String, V>> for ByLocale<V> {
    type Error = BadText;

    fn try_from(values: BTreeMap<String, V>) -> Result<Self, BadText> {
        let bad = |expected| BadText { expected };
        if values.len() > MOST_LOCALES {
            return Err(bad("at most 100 languages"));
        }
        let mut by_locale = BTreeMap::new();
        for (tag, value) in values {
            let tag = match &*tag {
                DEFAULT => tag.into(),
                _ => tag.parse::<Locale>()?.0,
            };
            if by_locale.insert(tag, value).is_some() {
                return Err(bad("each language once"));
            }
        }
        if !by_locale.contains_key(DEFAULT) {
            return Err(bad("one under `default`"));
        }
        Ok(Self(by_locale))
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for ByLocale<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values: UniqueMap<V> = UniqueMap::deserialize(deserializer)?;
        Self::try_from(values.into_inner()).map_err(D::Error::custom)
    }
}

impl<V: Validate<Context = ()>> Validate for ByLocale<V> {
    type Context = ();

    fn validate_into(&self, ctx: &(), mut path: &mut dyn FnMut() -> Path, report: &mut Report) {
        for (tag, value) in &self.0 {
            let mut path = garde::util::nested_path!(path, **tag);
            value.validate_into(ctx, &mut path, report);
        }
    }
}

impl<V: JsonSchema> JsonSchema for ByLocale<V> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}ByLocale", V::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        by_locale_schema(generator.subschema_for::<V>())
    }
}

fn by_locale_schema(value: Schema) -> Schema {
    json_schema!({
        "type": "object",
        "properties": { DEFAULT: value },
        "required": [DEFAULT],
        "additionalProperties": value,
        "propertyNames": { "maxLength": LONGEST_LOCALE, "pattern": LOCALE_PATTERN },
        "maxProperties": MOST_LOCALES,
    })
}

/// One text in several languages: `{"default": "…", "ko": "…", "ko-KR": "…"}`, each of at most
/// `LONGEST` characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Localized<const LONGEST: usize = USUAL_LENGTH>(ByLocale<Box<str>>);

/// How many characters a text has at most, where nothing else is said.
const USUAL_LENGTH: usize = 4000;

impl<const LONGEST: usize> Localized<LONGEST> {
    /// The text for a reader of `locale`: `ko-KR`, else `ko`, else the default.
    pub fn choose(&self, locale: Option<&Locale>) -> &str {
        self.0.choose(locale).map_or("", |text| text)
    }

    /// Returns the number of languages, the default included.
    pub(crate) fn languages(&self) -> usize {
        self.0.0.len()
    }

    /// Returns the same text as one that may be as long as texts usually are.
    pub(crate) fn widen(self) -> Localized {
        Localized(self.0)
    }

    /// The text for whoever reads none of its languages, alone.
    #[must_use]
    pub fn default_only(&self) -> Self {
        let only = self.0.0.get_key_value(DEFAULT);
        let only = only.map(|(tag, text)| (tag.clone(), text.clone()));
        Self(ByLocale(only.into_iter().collect()))
    }
}

impl Localized {
    /// Texts of our own, by language tags in their usual case, `default` among them.
    pub(crate) fn told(texts: impl IntoIterator<Item = (String, String)>) -> Self {
        let texts = texts.into_iter();
        let texts = texts.map(|(tag, text)| (tag.into(), text.into()));
        Self(ByLocale(texts.collect()))
    }
}

impl<const LONGEST: usize> TryFrom<BTreeMap<String, String>> for Localized<LONGEST> {
    type Error = BadText;

    fn try_from(texts: BTreeMap<String, String>) -> Result<Self, BadText> {
        let fits = |text: &String| (1..=LONGEST).contains(&text.chars().count());
        if !texts.values().all(fits) {
            let expected = "texts that are not empty and not too long";
            return Err(BadText { expected });
        }
        let texts = texts.into_iter();
        let texts: BTreeMap<String, Box<str>> =
            texts.map(|(tag, text)| (tag, text.into())).collect();
        ByLocale::try_from(texts).map(Self)
    }
}

impl<'de, const LONGEST: usize> Deserialize<'de> for Localized<LONGEST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts: UniqueMap<String> = UniqueMap::deserialize(deserializer)?;
        Self::try_from(texts.into_inner()).map_err(D::Error::custom)
    }
}

impl<const LONGEST: usize> JsonSchema for Localized<LONGEST> {
    fn schema_name() -> Cow<'static, str> {
        match LONGEST {
            USUAL_LENGTH => "Localized".into(),
            other => format!("LocalizedTo{other}").into(),
        }
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = json_schema!({ "type": "string", "minLength": 1, "maxLength": LONGEST });
        let mut schema = by_locale_schema(text);
        let told = "One text in several languages, chosen `ko-KR`, then `ko`, then `default`.";
        schema.insert("description".to_owned(), told.into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locale(tag: &str) -> Locale {
        tag.parse().unwrap()
    }

    #[test]
    fn tags_take_their_usual_case() {
        for (given, usual) in [
            ("KO", "ko"),
            ("ko_kr", "ko-KR"),
            ("zh-hANT-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("sl-ROZAJ", "sl-rozaj"),
        ] {
            assert_eq!(locale(given).as_str(), usual);
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
            &"en-a".repeat(20),
        ] {
            assert!(bad.parse::<Locale>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tag_covers_itself_and_its_region_forms() {
        for (general, special, covered) in [
            ("ko", "ko", true),
            ("ko", "ko-KR", true),
            ("zh-Hant", "zh-Hant-TW", true),
            ("ko-KR", "ko", false),
            ("ko", "kok", false),
            ("en-US", "en-GB", false),
        ] {
            assert_eq!(
                locale(general).covers(&locale(special)),
                covered,
                "{general} {special}"
            );
        }
    }

    #[test]
    fn the_nearest_language_is_chosen() {
        let texts: Localized =
            serde_json::from_str(r#"{"default":"d","ko":"k","ko-kr":"kr","zh-Hant":"z"}"#).unwrap();
        for (reader, text) in [
            (Some("ko-KR"), "kr"),
            (Some("ko-KP"), "k"),
            (Some("ko"), "k"),
            (Some("zh-Hant-TW"), "z"),
            (Some("zh"), "d"),
            (None, "d"),
        ] {
            assert_eq!(texts.choose(reader.map(locale).as_ref()), text);
        }
    }

    #[test]
    fn incomplete_or_ambiguous_texts_are_refused() {
        for bad in [
            r#"{}"#,
            r#"{"ko":"k"}"#,
            r#"{"default":""}"#,
            r#"{"default":"d","ko-KR":"a","ko-kr":"b"}"#,
            r#"{"default":"d","default":"e"}"#,
            r#"{"default":"d","1":"e"}"#,
            r#"{"default":1}"#,
        ] {
            assert!(serde_json::from_str::<Localized>(bad).is_err(), "{bad}");
        }
    }
}
