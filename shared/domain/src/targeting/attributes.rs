//! Free attributes of a profile: what an app knows of its user beyond the fields we name.

use std::{collections::BTreeMap, fmt, ops::Deref};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, SeqAccess, Visitor},
};
use serde_json::Number;

use crate::{Fault, FaultCode, validation::UniqueMap};

/// The value of one attribute.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text of at most 256 characters.
    Text(String),
    /// At most 100 texts of at most 256 characters each.
    List(Vec<String>),
}

/// Attributes by name; at most 100.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, AttributeValue>);

const MOST: usize = 100;
const LONGEST_NAME: usize = 64;
const LONGEST_TEXT: usize = 256;
const NAME: &str = "^[A-Za-z0-9_.-]*$";

/// Whether `name` can be the name of an attribute.
pub(super) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

impl Deref for Attributes {
    type Target = BTreeMap<String, AttributeValue>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let attributes: UniqueMap<AttributeValue> = UniqueMap::deserialize(deserializer)?;
        let good = attributes.len() <= MOST
            && attributes
                .iter()
                .all(|(name, value)| is_name(name) && value.is_short());
        if good {
            Ok(Self(attributes.into_inner()))
        } else {
            Err(D::Error::custom(
                "expected at most 100 attributes, named, short",
            ))
        }
    }
}

impl Attributes {
    /// Maximum size in sum, in bytes of JSON, where attributes share an item with other data.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// Returns the size of the attributes in bytes of compact JSON.
    pub fn size_bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |json| json.len())
    }
}

impl AttributeValue {
    /// Whether no text is longer, and no list has more texts, than a value may have.
    fn is_short(&self) -> bool {
        let short = |text: &String| text.chars().count() <= LONGEST_TEXT;
        match self {
            Self::Text(text) => short(text),
            Self::List(texts) => texts.len() <= MOST && texts.iter().all(short),
            Self::Bool(_) | Self::Number(_) => true,
        }
    }
}

impl<'de> Deserialize<'de> for AttributeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;

        impl<'de> Visitor<'de> for Value {
            type Value = AttributeValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, a boolean or a list of texts")
            }

            fn visit_bool<E>(self, value: bool) -> Result<AttributeValue, E> {
                Ok(AttributeValue::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<AttributeValue, E> {
                Ok(AttributeValue::Number(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<AttributeValue, E> {
                Ok(AttributeValue::Number(value.into()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<AttributeValue, E> {
                Number::from_f64(value)
                    .map(AttributeValue::Number)
                    .ok_or_else(|| E::custom("expected a finite number"))
            }

            fn visit_str<E>(self, text: &str) -> Result<AttributeValue, E> {
                Ok(AttributeValue::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut elements: A,
            ) -> Result<AttributeValue, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = elements.next_element()? {
                    texts.push(text);
                }
                Ok(AttributeValue::List(texts))
            }
        }

        deserializer.deserialize_any(Value)
    }
}

/// A JSON merge patch (RFC 7396) of attributes: a value replaces the attribute of that name, `null`
/// removes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AttributesPatch(BTreeMap<String, Option<AttributeValue>>);

/// Maximum number of members of a patch: it may replace all attributes by as many others.
const MAX_CHANGES: usize = 2 * MOST;

impl AttributesPatch {
    /// Returns the attributes after the patch.
    ///
    /// # Errors
    /// A fault, with a pointer relative to the attributes, when they would be too many or, in sum,
    /// too large. A patch that makes attributes smaller is always accepted, because those of an
    /// earlier version may be larger than the bound.
    pub fn apply(&self, before: &Attributes) -> Result<Attributes, Fault> {
        let mut merged = before.0.clone();
        for (name, value) in &self.0 {
            match value {
                Some(value) => drop(merged.insert(name.clone(), value.clone())),
                None => drop(merged.remove(name)),
            }
        }
        let merged = Attributes(merged);
        if merged.len() > MOST && merged.len() > before.len() {
            let message = format!("must be at most {MOST} attributes, got {}", merged.len());
            return Err(Fault::new("", FaultCode::TooMany, message));
        }
        let size = merged.size_bytes();
        if size > Attributes::MAX_BYTES && size >= before.size_bytes() {
            let most = Attributes::MAX_BYTES;
            let message = format!("must be at most {most} bytes of JSON in sum, got {size}");
            return Err(Fault::new("", FaultCode::TooLong, message));
        }
        Ok(merged)
    }
}

impl<'de> Deserialize<'de> for AttributesPatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let changes: UniqueMap<Option<AttributeValue>> = UniqueMap::deserialize(deserializer)?;
        let good = changes.len() <= MAX_CHANGES
            && changes.iter().all(|(name, value)| {
                is_name(name) && value.as_ref().is_none_or(AttributeValue::is_short)
            });
        if good {
            Ok(Self(changes.into_inner()))
        } else {
            Err(D::Error::custom(
                "expected at most 200 attributes, named, short",
            ))
        }
    }
}

impl JsonSchema for AttributesPatch {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AttributesPatch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = json_schema!({ "type": "string", "maxLength": LONGEST_TEXT });
        json_schema!({
            "description": "Attributes by name: a value replaces the attribute, `null` removes it. \
                After the change they are at most 100, and 16,384 bytes of JSON in sum.",
            "type": "object",
            "maxProperties": MAX_CHANGES,
            "propertyNames": { "minLength": 1, "maxLength": LONGEST_NAME, "pattern": NAME },
            "additionalProperties": {
                "anyOf": [
                    { "type": ["boolean", "null"] },
                    { "type": "number" },
                    text,
                    { "type": "array", "maxItems": MOST, "items": text },
                ],
            },
        })
    }
}

impl JsonSchema for Attributes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Attributes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = json_schema!({ "type": "string", "maxLength": LONGEST_TEXT });
        json_schema!({
            "description": "Free attributes: texts, numbers, booleans or lists of texts.",
            "type": "object",
            "maxProperties": MOST,
            "propertyNames": { "minLength": 1, "maxLength": LONGEST_NAME, "pattern": NAME },
            "additionalProperties": {
                "anyOf": [
                    { "type": "boolean" },
                    { "type": "number" },
                    text,
                    { "type": "array", "maxItems": MOST, "items": text },
                ],
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use garde::Validate;

    use super::*;
    use crate::{Rejection, validation};

    #[derive(Debug, Deserialize, JsonSchema, Validate)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[garde(skip)]
        attributes: AttributesPatch,
    }

    fn patch(json: &str) -> AttributesPatch {
        let body = format!(r#"{{"attributes":{json}}}"#);
        let body: Body = validation::parse(body.as_bytes()).unwrap();
        body.attributes
    }

    fn attributes(json: &str) -> Attributes {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_value_replaces_and_null_removes() {
        let before = attributes(r#"{"level":3,"plan":"pro","tags":["a"],"beta":true}"#);
        let after = patch(r#"{"level":4.5,"plan":null,"tags":[],"guild":"cats","none":null}"#);
        let expected = attributes(r#"{"beta":true,"guild":"cats","level":4.5,"tags":[]}"#);
        assert_eq!(after.apply(&before), Ok(expected));
    }

    #[test]
    fn every_fault_names_its_attribute_and_no_type_of_the_program() {
        let long = "x".repeat(257);
        for (json, pointer, code) in [
            (
                r#"{"deep":{"er":1}}"#,
                "/attributes/deep",
                FaultCode::WrongType,
            ),
            (
                r#"{"list":["a",1]}"#,
                "/attributes/list/1",
                FaultCode::WrongType,
            ),
            (
                r#"{"list":[["a"]]}"#,
                "/attributes/list/0",
                FaultCode::WrongType,
            ),
            (r#"{"a b":1}"#, "/attributes/a b", FaultCode::BadFormat),
            (
                r#"{"twice":1,"twice":2}"#,
                "/attributes/twice",
                FaultCode::Duplicate,
            ),
            (
                &format!(r#"{{"ok":1,"long":"{long}"}}"#),
                "/attributes/long",
                FaultCode::TooLong,
            ),
            (
                &format!(r#"{{"long":["{long}"]}}"#),
                "/attributes/long/0",
                FaultCode::TooLong,
            ),
            ("[]", "/attributes", FaultCode::WrongType),
        ] {
            let body = format!(r#"{{"attributes":{json}}}"#);
            let Err(Rejection::Faults(faults)) = validation::parse::<Body>(body.as_bytes()) else {
                panic!("{json}");
            };
            let [fault] = &faults[..] else {
                panic!("{json}: {faults:?}");
            };
            assert_eq!((&*fault.pointer, fault.code), (pointer, code), "{json}");
            for word in ["untagged", "enum", "Attribute", "variant"] {
                assert!(!fault.message.contains(word), "{}", fault.message);
            }
        }
    }

    #[test]
    fn attributes_are_bounded_in_sum_and_can_always_be_made_smaller() {
        let text = "x".repeat(250);
        let filled = |count: usize| {
            let named = (0..count).map(|n| format!(r#""a{n:02}":"{text}""#));
            let all: Vec<_> = named.collect();
            format!("{{{}}}", all.join(","))
        };
        let empty = Attributes::default();
        let fits = patch(&filled(63)).apply(&empty).unwrap();
        assert!(fits.size_bytes() <= Attributes::MAX_BYTES);
        let more = patch(&format!(r#"{{"b":"{text}"}}"#)).apply(&fits);
        assert_eq!(more.unwrap_err().code, FaultCode::TooLong);
        // An earlier version stored more.
        let old = attributes(&filled(90));
        assert!(old.size_bytes() > Attributes::MAX_BYTES);
        assert!(patch(r#"{"a00":null}"#).apply(&old).is_ok());
        assert!(patch(r#"{"b":1}"#).apply(&old).is_err());
        let many: Vec<_> = (0..101).map(|n| format!(r#""a{n}":1"#)).collect();
        let many = patch(&format!("{{{}}}", many.join(",")));
        assert_eq!(many.apply(&empty).unwrap_err().code, FaultCode::TooMany);
    }
}
