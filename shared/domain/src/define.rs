//! How the crate's text types are defined: parsed once at the edge, then known to be right.
//!
//! [`closed_set!`] makes an enum whose values are words, [`text_type!`] a string that obeys a rule.
//! Both read and write as JSON strings and describe themselves as a JSON Schema, so the rule, the
//! parser and the documentation cannot drift apart.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::de::{Deserializer, Error, Visitor};

/// A text that does not obey the rule of the type it was meant for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct BadText {
    /// What the type accepts, in words.
    pub expected: &'static str,
}

/// Deserializes a string through `FromStr`, without an intermediate allocation.
pub(crate) fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    struct Text<T>(PhantomData<T>);

    impl<T> Visitor<'_> for Text<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text(PhantomData))
}

/// Gives a type with `Display` and `FromStr` its JSON form: a string.
macro_rules! text_in_json {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::define::from_text(deserializer)
            }
        }
    };
}

/// An enum whose values are words of a closed list.
macro_rules! closed_set {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $word:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $( $(#[$variant_meta])* $variant, )+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// The word that stands for the value in JSON, queries and headers.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::define::BadText;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $( $word => Ok(Self::$variant), )+
                    _ => Err($crate::define::BadText {
                        expected: concat!("one of", $( " `", $word, "`", )+),
                    }),
                }
            }
        }

        text_in_json!($name);

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_id() -> std::borrow::Cow<'static, str> {
                concat!(module_path!(), "::", stringify!($name)).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$( $word, )+] })
            }
        }
    };
}

/// A string that obeys a rule: a length in characters, and a predicate on its text that says the
/// same as `pattern` (which is for whoever reads the schema).
macro_rules! text_type {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            expected: $expected:literal,
            length: $min:literal..=$max:literal,
            pattern: $pattern:literal,
            accept: $accept:expr,
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name(Box<str>);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether the text obeys the rule.
            pub fn accepts(text: &str) -> bool {
                let accept: fn(&str) -> bool = $accept;
                ($min..=$max).contains(&text.chars().count()) && accept(text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::define::BadText;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if Self::accepts(text) {
                    Ok(Self(text.into()))
                } else {
                    Err($crate::define::BadText { expected: $expected })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::define::BadText;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                if Self::accepts(&text) {
                    Ok(Self(text.into_boxed_str()))
                } else {
                    Err($crate::define::BadText { expected: $expected })
                }
            }
        }

        text_in_json!($name);

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_id() -> std::borrow::Cow<'static, str> {
                concat!(module_path!(), "::", stringify!($name)).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "minLength": $min,
                    "maxLength": $max,
                    "pattern": $pattern,
                })
            }
        }
    };
}
