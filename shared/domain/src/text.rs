//! Text in several languages, and how one of them is chosen for a reader.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
};

use garde::{Path, Report, Validate};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::{
    Locale,
    define::BadText,
    locale::{LOCALE_PATTERN, LONGEST_LOCALE},
    validation::UniqueMap,
};

/// One thing in several languages, `default` among them: `{"default": …, "ko": …, "ko-KR": …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ByLocale<V>(BTreeMap<Box<str>, V>);

const DEFAULT: &str = "default";
const MOST_LOCALES: usize = 100;

impl<V> ByLocale<V> {
    /// Returns the value for a reader of these languages, the most preferred first: of each language the
    /// tag itself, then its CLDR parents (`ko-KR`, `ko`); then the next language; at last the default.
    /// `None` only of a map that was made without a default, which no author can do.
    pub fn choose<'l>(&self, languages: impl IntoIterator<Item = &'l Locale>) -> Option<&V> {
        languages
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
        let mut by_locale: BTreeMap<Box<str>, (V, bool)> = BTreeMap::new();
        for (written, value) in values {
            let (tag, renamed): (Box<str>, bool) = match &*written {
                DEFAULT => (DEFAULT.into(), false),
                _ => {
                    let locale: Locale = written.parse()?;
                    (locale.as_str().into(), !locale.is_spelled(&written))
                }
            };
            match by_locale.entry(tag) {
                Entry::Vacant(place) => {
                    place.insert((value, renamed));
                }
                // Authors wrote a deprecated code (`in`) besides its replacement (`id`), so that each
                // reader found one. Both mean the same language now: the replacement counts.
                Entry::Occupied(mut place) if place.get().1 != renamed => {
                    if !renamed {
                        place.insert((value, false));
                    }
                }
                Entry::Occupied(_) => return Err(bad("each language once")),
            }
        }
        if !by_locale.contains_key(DEFAULT) {
            return Err(bad("one under `default`"));
        }
        let values = by_locale.into_iter();
        Ok(Self(values.map(|(tag, (value, _))| (tag, value)).collect()))
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
    /// Returns the text for a reader of these languages, the most preferred first
    /// ([`ByLocale::choose`]).
    pub fn choose<'l>(&self, languages: impl IntoIterator<Item = &'l Locale>) -> &str {
        self.0.choose(languages).map_or("", |text| text)
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
        let told = "One text in several languages. For each language of the reader the exact tag is \
            tried, then its CLDR parents (`ko-KR`, `ko`); at last `default`.";
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
    fn the_nearest_language_is_chosen() {
        let texts: Localized =
            serde_json::from_str(r#"{"default":"d","ko":"k","ko-kr":"kr","zh-Hant":"z"}"#).unwrap();
        for (reader, text) in [
            (Some("ko-KR"), "kr"),
            (Some("ko-KP"), "k"),
            (Some("ko"), "k"),
            (Some("zh-Hant-TW"), "z"),
            (Some("zh-TW"), "z"),
            (Some("zh-MO"), "z"),
            (Some("zh"), "d"),
            (None, "d"),
        ] {
            assert_eq!(texts.choose(reader.map(locale).as_ref()), text);
        }
    }

    #[test]
    fn a_language_is_chosen_by_its_parents_then_the_next_of_the_list_and_at_last_the_default() {
        let texts: Localized = serde_json::from_str(
            r#"{"default":"d","en-001":"world","en":"us","pt-PT":"pt","zh-CN":"cn","zh-Hans":"hans",
                "in":"old","id":"new","no":"norsk","iw":"hebrew"}"#,
        )
        .unwrap();
        for (readers, text) in [
            (&["en-AU"] as &[_], "world"),
            (&["en-US"], "us"),
            (&["pt-AO"], "pt"),
            (&["pt-BR"], "d"),
            (&["pt-BR", "en-GB"], "world"),
            (&["fr", "de", "zh-Hans-CN"], "cn"),
            (&["zh-SG"], "hans"),
            (&["zh"], "hans"),
            (&["zh-TW"], "d"),
            (&["in-ID"], "new"),
            (&["nb-NO"], "norsk"),
            (&["he"], "hebrew"),
        ] {
            let readers: Vec<Locale> = readers.iter().map(|tag| locale(tag)).collect();
            assert_eq!(texts.choose(&readers), text, "{readers:?}");
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
