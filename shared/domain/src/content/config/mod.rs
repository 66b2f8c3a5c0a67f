//! Remote config: parameters that an app is set by from afar, each with its conditions.

mod rules;
mod schema;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Label, targeting::Targeting, validation::JsonValue};
pub(crate) use rules::Compiled;
use rules::coherent;

/// A parameter: the value of the first condition that matches, else the default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[garde(custom(coherent))]
#[schemars(rename = "ConfigItem")]
pub struct Parameter {
    /// What the app knows it by; unique in the set.
    pub key: ParameterKey,
    /// What its values are.
    pub r#type: ValueType,
    /// A JSON Schema (draft 2020-12) that every value obeys. It refers to its own `$defs` only, and
    /// not in circles; `format` in it is a remark. At most 16 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<JsonValue>,
    /// The value for whom no condition matches.
    pub default: JsonValue,
    /// Other values, for some.
    #[serde(default)]
    #[garde(dive)]
    pub conditions: Vec<Condition>,
    /// What operators should know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = 2000))]
    pub description: Option<String>,
}

/// A value for some.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[schemars(rename = "ConfigCondition")]
pub struct Condition {
    /// What operators call it; unique in its parameter.
    pub name: Label,
    /// For whom.
    #[garde(dive)]
    pub targeting: Targeting,
    /// The value.
    pub value: JsonValue,
}

text_type! {
    /// The key of a parameter of remote config.
    pub struct ParameterKey {
        expected: "a letter or `_`, then letters, digits, `_`, `.` and `-`, at most 256 in all",
        length: 1..=256,
        pattern: "^[A-Za-z_][A-Za-z0-9_.-]*$",
        accept: |text| {
            text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        },
    }
}

closed_set! {
    /// What the values of a parameter are.
    pub enum ValueType {
        /// `true` or `false`.
        Bool = "bool",
        /// A whole number that every JSON reader keeps exactly: from −2⁵³ to 2⁵³.
        Int = "int",
        /// A number.
        Number = "number",
        /// A text.
        String = "string",
        /// Any JSON.
        Json = "json",
    }
}
