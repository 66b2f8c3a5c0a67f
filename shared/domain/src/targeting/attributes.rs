//! Free attributes of a profile: what an app knows of its user beyond the fields we name.

use std::{collections::BTreeMap, ops::Deref};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::validation::UniqueMap;

/// The value of one attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
        let short = |text: &String| text.chars().count() <= LONGEST_TEXT;
        let good = attributes.len() <= MOST
            && attributes.iter().all(|(name, value)| {
                is_name(name)
                    && match value {
                        AttributeValue::Text(text) => short(text),
                        AttributeValue::List(texts) => {
                            texts.len() <= MOST && texts.iter().all(short)
                        }
                        AttributeValue::Bool(_) | AttributeValue::Number(_) => true,
                    }
            });
        if good {
            Ok(Self(attributes.into_inner()))
        } else {
            Err(D::Error::custom(
                "expected at most 100 attributes, named, short",
            ))
        }
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
