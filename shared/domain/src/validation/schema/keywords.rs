//! Which keywords the interpreter knows: a schema with another would be checked in part only, which a
//! test must find.

use regex_lite::Regex;
use serde_json::Value;

use crate::validation::child;

/// A keyword of a schema that the interpreter would pass over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKeyword {
    /// Where it stands, as a JSON pointer into the schema.
    pub pointer: String,
}

/// Keywords that say something to readers only.
const ANNOTATIONS: &[&str] = &[
    "$schema",
    "$defs",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// Keywords whose value is no schema.
const ASSERTIONS: &[&str] = &[
    "$ref",
    "type",
    "enum",
    "const",
    "required",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "pattern",
    "format",
];

/// Formats that are checked, or that only name the width of a number.
const FORMATS: &[&str] = &[
    "date-time",
    "date",
    "time-zone",
    "version",
    "cidr",
    "country",
    "http-url",
    "link",
    "click-url",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "uint",
    "int8",
    "int16",
    "int32",
    "int64",
    "int",
    "float",
    "double",
];

/// Every keyword of `schema` that the interpreter would pass over.
pub(in crate::validation) fn unknown_keywords(schema: &Value) -> Vec<UnknownKeyword> {
    let mut unknown = Vec::new();
    collect_unknown(schema, "", &mut unknown);
    unknown
}

fn collect_unknown(schema: &Value, at: &str, unknown: &mut Vec<UnknownKeyword>) {
    let Value::Object(schema) = schema else {
        return;
    };
    for (keyword, value) in schema {
        let at = child(at, keyword);
        match (keyword.as_str(), value) {
            ("$defs" | "properties" | "patternProperties", Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    collect_unknown(schema, &child(&at, name), unknown);
                }
            }
            ("oneOf" | "anyOf" | "allOf", Value::Array(schemas)) => {
                for (place, schema) in schemas.iter().enumerate() {
                    collect_unknown(schema, &child(&at, &place.to_string()), unknown);
                }
            }
            ("items" | "additionalProperties" | "propertyNames", schema) => {
                collect_unknown(schema, &at, unknown);
            }
            ("pattern", Value::String(pattern)) if Regex::new(pattern).is_ok() => {}
            ("format", Value::String(format)) if FORMATS.contains(&format.as_str()) => {}
            ("pattern" | "format", _) => unknown.push(UnknownKeyword { pointer: at }),
            (word, _) if ANNOTATIONS.contains(&word) || ASSERTIONS.contains(&word) => {}
            _ => unknown.push(UnknownKeyword { pointer: at }),
        }
    }
}
