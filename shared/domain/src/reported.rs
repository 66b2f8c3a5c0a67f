//! Values that a client reports about itself. A shipped app cannot be fixed, so a value that cannot be
//! read counts as absent and never refuses a request. Only a wrong JSON type is refused, because that
//! is a fault of the program and not of the phone.
//!
//! A field of such a value is an `Option` with `#[serde(default, deserialize_with = "reported::value")]`
//! and `#[schemars(with = "Option<String>")]`: its schema is any string, since every string is taken.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use crate::{Country, Locale, Platform, Store, Version, device_text};

/// A type that is read from what clients report.
pub trait ReportedValue: Sized {
    /// Reads a value in any spelling that is in use; `None` where it cannot be read or is empty.
    fn reported(text: &str) -> Option<Self>;
}

impl ReportedValue for Platform {
    fn reported(text: &str) -> Option<Self> {
        text.trim().to_ascii_lowercase().parse().ok()
    }
}

impl ReportedValue for Store {
    fn reported(text: &str) -> Option<Self> {
        text.trim().to_ascii_lowercase().parse().ok()
    }
}

impl ReportedValue for Country {
    fn reported(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
}

impl ReportedValue for Version {
    fn reported(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

/// The languages of a list with weights, the most preferred first.
impl ReportedValue for Vec<Locale> {
    fn reported(text: &str) -> Option<Self> {
        Some(Locale::list(text)).filter(|languages| !languages.is_empty())
    }
}

/// A free text, cleaned by [`device_text::clean`].
impl ReportedValue for String {
    fn reported(text: &str) -> Option<Self> {
        device_text::clean(text, device_text::LONGEST)
    }
}

/// Reads a build number: a whole number from 0 on.
pub fn build(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Deserializes a reported value: any string, or `null`.
///
/// # Errors
/// When the JSON type is another.
pub fn value<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: ReportedValue,
{
    let text = Option::<Text<T>>::deserialize(deserializer)?;
    Ok(text.and_then(|Text(value)| value))
}

/// Deserializes the first language of a reported list.
///
/// # Errors
/// When the JSON type is another than a string or `null`.
pub fn language<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Locale>, D::Error> {
    let languages: Option<Vec<Locale>> = value(deserializer)?;
    Ok(languages.and_then(|languages| languages.into_iter().next()))
}

/// Deserializes all languages of a reported list.
///
/// # Errors
/// When the JSON type is another than a string or `null`.
pub fn languages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Locale>, D::Error> {
    value(deserializer).map(Option::unwrap_or_default)
}

/// Deserializes the text of a reported version that can be read.
///
/// # Errors
/// When the JSON type is another than a string or `null`.
pub fn version_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let version: Option<Version> = value(deserializer)?;
    Ok(version.map(|version| version.to_string()))
}

/// Deserializes the text of a version as it was reported, whether it can be read or not, so that
/// unreadable ones can be counted.
///
/// # Errors
/// When the JSON type is another than a string or `null`.
pub fn any_version_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.trim().is_empty()))
}

/// Deserializes a build number from a JSON number; one that is no whole number from 0 on counts as
/// absent.
///
/// # Errors
/// When the JSON type is another than a number or `null`.
pub fn build_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct Number;

    impl Visitor<'_> for Number {
        type Value = Option<u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number")
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<Option<u64>, E> {
            Ok(Some(number))
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<Option<u64>, E> {
            Ok(u64::try_from(number).ok())
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<Option<u64>, E> {
            // Up to 2^53 every whole number has its own floating-point form.
            let whole = number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole and within bounds"
            )]
            let build = number as u64;
            Ok(whole.then_some(build))
        }
    }

    struct Build(Option<u64>);

    impl<'de> Deserialize<'de> for Build {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Number).map(Self)
        }
    }

    let build = Option::<Build>::deserialize(deserializer)?;
    Ok(build.and_then(|Build(build)| build))
}

/// Deserializes a build number from a query's text.
///
/// # Errors
/// When the JSON type is another than a string or `null`.
pub fn build_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref().and_then(build))
}

/// What a string was read as.
struct Text<T>(Option<T>);

impl<'de, T: ReportedValue> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText<T>(PhantomData<T>);

        impl<T: ReportedValue> Visitor<'_> for AnyText<T> {
            type Value = Text<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<T>, E> {
                Ok(Text(T::reported(text)))
            }
        }

        deserializer.deserialize_str(AnyText(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::DeviceId;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Client {
        #[serde(deserialize_with = "value")]
        platform: Option<Platform>,
        #[serde(deserialize_with = "value")]
        store: Option<Store>,
        #[serde(deserialize_with = "value")]
        country: Option<Country>,
        #[serde(deserialize_with = "languages")]
        locale: Vec<Locale>,
        #[serde(deserialize_with = "version_text")]
        app_version: Option<String>,
        #[serde(deserialize_with = "value")]
        model: Option<String>,
        #[serde(deserialize_with = "build_number")]
        build: Option<u64>,
        #[serde(deserialize_with = "value")]
        id: Option<DeviceId>,
    }

    fn read(client: Value) -> Result<Client, serde_json::Error> {
        serde_json::from_value(client)
    }

    #[test]
    fn what_cannot_be_read_counts_as_absent() {
        for member in [
            "platform",
            "store",
            "country",
            "locale",
            "app_version",
            "model",
            "id",
        ] {
            for text in ["", " ", "?", "\u{0}", "null"] {
                let read = read(json!({ member: text })).unwrap();
                let text_of_a_model = member == "model" && matches!(text, "?" | "null");
                assert!(
                    read == Client::default() || text_of_a_model,
                    "{member}: {text:?}"
                );
            }
            assert_eq!(read(json!({ member: null })).unwrap(), Client::default());
            for wrong in [json!(1), json!(true), json!(["ios"]), json!({})] {
                assert!(read(json!({ member: wrong })).is_err(), "{member}: {wrong}");
            }
        }
        for (member, text) in [
            ("platform", "windows"),
            ("store", "amazon"),
            ("country", "419"),
            ("country", "001"),
            ("country", "EA"),
            ("country", "KOR"),
            ("locale", "C.UTF-8"),
            ("app_version", "dev build"),
            ("model", "\u{202e}\u{0}"),
            ("id", "00000000-0000-0000-0000-000000000000"),
            ("id", "{4F9A0000-1111-2222-3333-444455556666}"),
            ("id", "일련번호-4F9A0000-1111-2222"),
            ("id", &"7".repeat(129)),
        ] {
            let read = read(json!({ member: text })).unwrap();
            assert_eq!(read, Client::default(), "{member}: {text}");
        }
    }

    #[test]
    fn a_free_text_is_cleaned() {
        for (text, cleaned) in [
            ("SM\u{202e}G991", "SMG991"),
            ("two\nlines", "two lines"),
            (&"x".repeat(1_000), &*"x".repeat(128)),
        ] {
            let read = read(json!({ "model": text })).unwrap();
            assert_eq!(read.model.as_deref(), Some(cleaned), "{text:?}");
        }
    }

    #[test]
    fn case_and_space_around_do_not_matter() {
        let read = read(json!({
            "platform": "iOS", "store": " Google_Play ", "country": "xk", "locale": "zh_TW_#Hant",
            "app_version": " v1.2 ", "model": " Pixel 9 ", "id": " 4F9A0000-1111-2222 ",
        }))
        .unwrap();
        assert_eq!(read.platform, Some(Platform::Ios));
        assert_eq!(read.store, Some(Store::GooglePlay));
        assert_eq!(read.country.unwrap().as_str(), "XK");
        assert_eq!(read.locale[0].as_str(), "zh-Hant-TW");
        assert_eq!(read.app_version.as_deref(), Some("v1.2"));
        assert_eq!(read.model.as_deref(), Some("Pixel 9"));
        assert_eq!(read.id.as_deref(), Some("4F9A0000-1111-2222"));
    }

    #[test]
    fn a_build_is_a_whole_number() {
        for (given, build) in [
            (json!(0), Some(0)),
            (json!(20261201_u64), Some(20_261_201)),
            (json!(u64::MAX), Some(u64::MAX)),
            (json!(12.0), Some(12)),
            (json!(1.5), None),
            (json!(-3), None),
            (json!(1e30), None),
            (json!(null), None),
        ] {
            assert_eq!(
                read(json!({ "build": given })).unwrap().build,
                build,
                "{given}"
            );
        }
        assert!(read(json!({ "build": "12" })).is_err());
        for (text, number) in [
            ("42", Some(42)),
            (" 42 ", Some(42)),
            ("4.2", None),
            ("", None),
        ] {
            assert_eq!(build(text), number, "{text}");
        }
    }
}
