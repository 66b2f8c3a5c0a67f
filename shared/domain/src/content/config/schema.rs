//! The JSON Schema (draft 2020-12) that an operator declares for the values of a parameter.
//!
//! It comes from outside, so what it costs is bounded before it is used: it is small, knows no
//! keyword that would be passed over, refers to its own `$defs` only and never in circles, is not
//! large when all references are written out, and has no pattern that could be slow (they are matched
//! in linear time, without look-around and back-references). Nothing is fetched. `format` is a remark,
//! as the draft has it.

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use crate::{
    Fault, FaultCode,
    validation::{JsonValue, MAX_FAULTS, child},
};

/// How many bytes a schema may have.
const LARGEST: usize = 16 * 1024;
/// How many schemas it may be when every reference is replaced by what it refers to.
const MOST_SCHEMAS: usize = 1000;
/// How deep these may be within each other.
const DEEPEST: usize = 64;
/// How many patterns it may have.
const MOST_PATTERNS: usize = 50;
/// How many bytes a pattern may be once compiled.
const LARGEST_PATTERN: usize = 256 * 1024;

/// The only draft that `$schema` may name.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Where references lead.
const DEFINITIONS: &str = "#/$defs/";

/// Keywords whose value is a schema.
const ONE: &[&str] = &[
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "not",
    "if",
    "then",
    "else",
];
/// Keywords whose value is a list of schemas.
const LISTS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value is schemas by name.
const MAPS: &[&str] = &[
    "properties",
    "patternProperties",
    "dependentSchemas",
    "$defs",
];
/// All others.
const OTHERS: &[&str] = &[
    "$schema",
    "$ref",
    "$comment",
    "title",
    "description",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "examples",
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxContains",
    "minContains",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "format",
];

/// A declared schema that is right.
pub(super) struct Declared(Validator);

impl Declared {
    /// Reads a schema.
    ///
    /// # Errors
    /// Every fault, with pointers relative to the schema.
    pub(super) fn read(schema: &JsonValue) -> Result<Self, Vec<Fault>> {
        if schema.size_bytes() > LARGEST {
            let message = "must have at most 16,384 bytes of JSON";
            return Err(vec![Fault::new("", FaultCode::TooLong, message)]);
        }
        let schema = schema.to_value();
        if !schema.is_object() && !schema.is_boolean() {
            let message = "must be a JSON Schema: an object, true or false";
            return Err(vec![Fault::new("", FaultCode::WrongType, message)]);
        }
        let meta = jsonschema::draft202012::meta::validator();
        let mut faults: Vec<Fault> = meta
            .iter_errors(&schema)
            .take(MAX_FAULTS)
            .map(|error| told(&error))
            .collect();
        if faults.is_empty() {
            faults = keyword_faults(&schema);
        }
        if faults.is_empty() {
            faults = Expansion::new(&schema).faults();
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let patterns = PatternOptions::regex().size_limit(LARGEST_PATTERN);
        let built = jsonschema::draft202012::options()
            .offline()
            .with_pattern_options(patterns)
            .build(&schema);
        built.map(Self).map_err(|error| vec![told(&error)])
    }

    /// What is wrong with a value, with pointers relative to it.
    pub(super) fn faults(&self, value: &Value) -> Vec<Fault> {
        let errors = self.0.iter_errors(value).take(MAX_FAULTS);
        errors.map(|error| told(&error)).collect()
    }
}

fn told(error: &jsonschema::ValidationError<'_>) -> Fault {
    let at = error.instance_path().as_str();
    Fault::new(at, FaultCode::Invalid, error.masked_with("the value"))
}

/// The schemas right below a schema, with the keywords (and names) that lead to them.
fn below<'s>(schema: &'s Map<String, Value>) -> impl Iterator<Item = (String, &'s Value)> {
    schema.iter().flat_map(|(keyword, value)| {
        let at = child("", keyword);
        let found: Vec<(String, &'s Value)> = match value {
            value if ONE.contains(&keyword.as_str()) => vec![(at, value)],
            Value::Array(schemas) if LISTS.contains(&keyword.as_str()) => {
                let schemas = schemas.iter().enumerate();
                schemas
                    .map(|(place, schema)| (child(&at, &place.to_string()), schema))
                    .collect()
            }
            Value::Object(schemas) if MAPS.contains(&keyword.as_str()) => schemas
                .iter()
                .map(|(name, schema)| (child(&at, name), schema))
                .collect(),
            _ => Vec::new(),
        };
        found
    })
}

/// What is wrong with the keywords of a schema and of all in it.
fn keyword_faults(schema: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut patterns = 0;
    let mut rest = vec![(String::new(), schema)];
    while let Some((at, schema)) = rest.pop() {
        let Value::Object(schema) = schema else {
            continue;
        };
        for (keyword, value) in schema {
            let at = child(&at, keyword);
            let fault = match (keyword.as_str(), value) {
                ("$schema", value) if value != DRAFT => Some(format!("must be {DRAFT}")),
                ("$ref", value) => {
                    let local = value.as_str().and_then(definition).is_some();
                    (!local).then(|| {
                        "must be #/$defs/ and one name of letters, digits, _, . and -".to_owned()
                    })
                }
                (known, _)
                    if [ONE, LISTS, MAPS, OTHERS]
                        .iter()
                        .any(|l| l.contains(&known)) =>
                {
                    None
                }
                (remark, _) if remark.starts_with("x-") => None,
                _ => Some("is not a keyword that is known here".to_owned()),
            };
            if let Some(message) = fault {
                faults.push(Fault::new(at, FaultCode::NotAllowed, message));
            }
            patterns += match (keyword.as_str(), value) {
                ("pattern", _) => 1,
                ("patternProperties", Value::Object(schemas)) => schemas.len(),
                _ => 0,
            };
        }
        rest.extend(below(schema).map(|(place, schema)| (format!("{at}{place}"), schema)));
    }
    if patterns > MOST_PATTERNS {
        let message = "must have at most 50 patterns";
        faults.push(Fault::new("", FaultCode::TooMany, message));
    }
    faults.truncate(MAX_FAULTS);
    faults
}

/// The name of the definition that a reference leads to.
fn definition(reference: &str) -> Option<&str> {
    let name = reference.strip_prefix(DEFINITIONS)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    (!name.is_empty() && name.bytes().all(plain)).then_some(name)
}

/// A schema with every reference replaced by what it refers to, as far as it is counted.
struct Expansion<'s> {
    root: &'s Value,
    /// The definitions that are being written out.
    open: Vec<&'s str>,
    schemas: usize,
}

impl<'s> Expansion<'s> {
    fn new(root: &'s Value) -> Self {
        Self {
            root,
            open: Vec::new(),
            schemas: 0,
        }
    }

    /// What is wrong with the schema, or with a definition that it does not use.
    fn faults(mut self) -> Vec<Fault> {
        let names = self.root.get("$defs").and_then(Value::as_object);
        let counted = self.count(self.root, "", 0).and_then(|()| {
            names.into_iter().flatten().try_for_each(|(name, schema)| {
                self.schemas = 0;
                self.open = vec![name];
                self.count(schema, &child("/$defs", name), 0)
            })
        });
        counted.err().into_iter().collect()
    }

    /// Counts a schema and all below it, and stops where it is clear that there are too many.
    fn count(&mut self, schema: &'s Value, at: &str, depth: usize) -> Result<(), Fault> {
        self.schemas += 1;
        if self.schemas > MOST_SCHEMAS || depth > DEEPEST {
            let message = "is too large with its references written out: at most 1,000 schemas, \
                64 within each other";
            return Err(Fault::new("", FaultCode::TooMany, message));
        }
        let Value::Object(schema) = schema else {
            return Ok(());
        };
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let at = child(at, "$ref");
            self.follow(reference, &at, depth)?;
        }
        let used = below(schema).filter(|(place, _)| !place.starts_with("/$defs/"));
        for (place, schema) in used {
            self.count(schema, &format!("{at}{place}"), depth + 1)?;
        }
        Ok(())
    }

    fn follow(&mut self, reference: &'s str, at: &str, depth: usize) -> Result<(), Fault> {
        let name = definition(reference).unwrap_or_default();
        let target = self.root.get("$defs").and_then(|known| known.get(name));
        let Some(target) = target else {
            let message = format!("there is no definition {name}");
            return Err(Fault::new(at, FaultCode::NotAllowed, message));
        };
        if self.open.contains(&name) {
            let message = format!("leads back to the definition {name} that it is part of");
            return Err(Fault::new(at, FaultCode::NotAllowed, message));
        }
        self.open.push(name);
        let place = format!("/$defs/{name}");
        self.count(target, &place, depth + 1)?;
        self.open.pop();
        Ok(())
    }
}
