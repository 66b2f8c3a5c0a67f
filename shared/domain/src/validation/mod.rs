//! How all JSON that the product is given is read: once, into a type that is right, or refused with
//! every fault at its place.
//!
//! A type says what it accepts three times over, from one definition: `serde` reads it, `schemars`
//! describes it and `garde` holds the rules between its fields. What is right takes the fast way:
//! deserialize and validate. Only what is not is looked at again, with the type's own JSON Schema, so
//! that all faults are found at once and each carries the JSON pointer (RFC 6901) of its place. That
//! costs no more than the document is large: no more than [`MAX_FAULTS`] are looked for, lists that
//! are too long are not read to their ends, and long names are not repeated in full.
//!
//! Types read here use `deny_unknown_fields`, give maps as [`UniqueMap`] (or a type made of one), and
//! leave `flatten` alone, which does not go together with refusing unknown fields.

mod fault;
mod json;
mod objects;
mod place;
mod schema;

use std::collections::HashSet;

use garde::Validate;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use fault::{Fault, FaultCode, MAX_FAULTS};
pub use json::{JsonObject, JsonValue, UniqueMap};
pub use schema::UnknownKeyword;

use fault::Faults;
use objects::ObjectsOnly;
use place::Place;

/// How deep a document may nest: arrays and objects within each other, the outermost counted.
pub const MAX_DEPTH: usize = 32;

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It is not JSON (RFC 8259); the message says what and where.
    #[error("malformed JSON: {0}")]
    Malformed(String),
    /// It nests deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// It is JSON, and these things are wrong with it: at least one, at most [`MAX_FAULTS`], in the
    /// order of their pointers.
    #[error("{} faults", .0.len())]
    Faults(Vec<Fault>),
}

/// Reads a document as a `T`.
///
/// # Errors
/// A [`Rejection`] with everything that is wrong.
pub fn parse<T>(json: &[u8]) -> Result<T, Rejection>
where
    T: DeserializeOwned + JsonSchema + Validate<Context = ()>,
{
    parse_settled(json, |_| Vec::new())
}

/// Reads a document as a `T` whose authors may write some things in more ways than programs do.
/// A document that is no `T` as it stands is handed to `settle`, which puts those things in their
/// usual form and gives the faults of what has none; they are told in place of the schema's.
///
/// # Errors
/// A [`Rejection`] with everything that is wrong.
pub(crate) fn parse_settled<T>(
    json: &[u8],
    settle: impl FnOnce(&mut Value) -> Vec<Fault>,
) -> Result<T, Rejection>
where
    T: DeserializeOwned + JsonSchema + Validate<Context = ()>,
{
    if json::depth(json) > MAX_DEPTH {
        return Err(Rejection::TooDeep);
    }
    // Values of free form would keep the last of two members with one name, and say nothing.
    if !json::has_duplicates(json)
        && let Some(document) = at_once(json)
    {
        return Ok(document);
    }
    let (mut value, repeated) =
        json::read(json).map_err(|e| Rejection::Malformed(e.to_string()))?;
    let mut unsettled = settle(&mut value);
    if repeated.is_empty()
        && unsettled.is_empty()
        && let Some(document) = of_value(&value)
    {
        return Ok(document);
    }
    let mut faults = explain::<T>(&value, repeated.into_vec());
    // What does not belong there is told so, whatever its form.
    let is_unknown = |fault: &Fault, known: &Fault| {
        fault.pointer == known.pointer && fault.code == FaultCode::UnknownField
    };
    unsettled.retain(|known| !faults.iter().any(|fault| is_unknown(fault, known)));
    faults.retain(|fault| unsettled.iter().all(|known| known.pointer != fault.pointer));
    faults.extend(unsettled);
    Err(refused(faults))
}

/// Reads a value, already out of its text, as a `T`.
///
/// # Errors
/// [`Rejection::Faults`] with everything that is wrong.
pub fn parse_value<T>(value: &Value) -> Result<T, Rejection>
where
    T: DeserializeOwned + JsonSchema + Validate<Context = ()>,
{
    of_value(value).ok_or_else(|| refused(explain::<T>(value, Vec::new())))
}

/// The fast way for a document that is right.
fn at_once<T>(json: &[u8]) -> Option<T>
where
    T: DeserializeOwned + JsonSchema + Validate<Context = ()>,
{
    let opens_an_array = json.trim_ascii_start().starts_with(b"[");
    if opens_an_array && !takes_arrays::<T>() {
        return None;
    }
    let document = from_slice::<T>(json).ok()?;
    document.validate().is_ok().then_some(document)
}

/// The same for a value.
fn of_value<T>(value: &Value) -> Option<T>
where
    T: DeserializeOwned + JsonSchema + Validate<Context = ()>,
{
    if value.is_array() && !takes_arrays::<T>() {
        return None;
    }
    let document = T::deserialize(ObjectsOnly(value)).ok()?;
    document.validate().is_ok().then_some(document)
}

fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let document = T::deserialize(ObjectsOnly(&mut deserializer))?;
    deserializer.end()?;
    Ok(document)
}

/// Whether a `T` is written as an array. What serde derives for a tagged enum takes one whose first
/// element is the tag, which is no form of ours.
fn takes_arrays<T: JsonSchema>() -> bool {
    schema_of::<T>()
        .get("type")
        .is_some_and(|kind| kind == "array")
}

/// The outcome of a rule between fields: carries its faults, with pointers relative to the value the
/// rule stands on, through `garde` (which knows one message per rule) to whoever called [`parse`].
///
/// # Errors
/// When there is any fault.
pub fn rule(mut faults: Vec<Fault>) -> garde::Result {
    if faults.is_empty() {
        return Ok(());
    }
    faults.truncate(MAX_FAULTS);
    let carried = serde_json::to_string(&faults).unwrap_or_default();
    Err(garde::Error::new(format_args!("{CARRIED}{carried}")))
}

/// Marks a message of `garde` that carries faults as JSON.
const CARRIED: char = '\u{1}';

/// The JSON Schema of what is read as a `T` (draft 2020-12), with its definitions.
pub fn schema_of<T: JsonSchema>() -> Value {
    SchemaGenerator::new(SchemaSettings::draft2020_12().for_deserialize())
        .into_root_schema_for::<T>()
        .into()
}

/// Holds `value` against a JSON Schema and gives every fault, up to [`MAX_FAULTS`].
pub fn check_schema(schema: &Value, value: &Value) -> Vec<Fault> {
    schema::check(schema, value)
}

/// The keywords of `schema` that [`check_schema`] does not know, and would pass over.
pub fn unknown_keywords(schema: &Value) -> Vec<UnknownKeyword> {
    schema::unknown_keywords(schema)
}

/// Everything that is wrong with a value that was refused.
fn explain<T>(value: &Value, mut faults: Vec<Fault>) -> Vec<Fault>
where
    T: DeserializeOwned + JsonSchema + Validate<Context = ()>,
{
    faults.extend(schema::check(&schema_of::<T>(), value));
    match serde_path_to_error::deserialize::<_, T>(ObjectsOnly(value)) {
        Ok(document) => {
            let known: HashSet<String> = faults.iter().map(|fault| fault.pointer.clone()).collect();
            let report = document.validate().err();
            let ruled = report.iter().flat_map(garde::Report::iter);
            let ruled = ruled.flat_map(|(path, error)| carried_faults(&pointer_of(path), error));
            let ruled = ruled.filter(|fault| !known.contains(&fault.pointer));
            faults.extend(ruled.take(MAX_FAULTS));
        }
        Err(error) if faults.is_empty() => faults.push(fault_of(&error)),
        Err(_) => {}
    }
    faults
}

/// Faults as they are told: in order, each once, and not too many.
fn refused(mut faults: Vec<Fault>) -> Rejection {
    faults.sort();
    faults.dedup();
    faults.truncate(MAX_FAULTS);
    Rejection::Faults(faults)
}

/// What a rule found: the faults it carries, or its plain message.
fn carried_faults(at: &str, error: &garde::Error) -> Vec<Fault> {
    let carried = error.message().strip_prefix(CARRIED);
    match carried.and_then(|json| serde_json::from_str::<Vec<Fault>>(json).ok()) {
        Some(faults) => faults
            .into_iter()
            .map(|fault| Fault::new(format!("{at}{}", fault.pointer), fault.code, fault.message))
            .collect(),
        None => vec![Fault::new(at, FaultCode::Invalid, error.message())],
    }
}

fn pointer_of(path: &garde::Path) -> String {
    let parts = path.__iter().rev();
    parts.fold(String::new(), |pointer, (_, part)| match part.as_str() {
        "" => pointer,
        name => child(&pointer, name.strip_prefix("r#").unwrap_or(name)),
    })
}

/// What serde says, for the rare fault that a schema cannot express (`1.0` where an integer goes).
fn fault_of(error: &serde_path_to_error::Error<serde_json::Error>) -> Fault {
    use serde_path_to_error::Segment;
    let pointer = error
        .path()
        .iter()
        .fold(String::new(), |at, part| match part {
            Segment::Seq { index } => child(&at, &index.to_string()),
            Segment::Map { key } | Segment::Enum { variant: key } => child(&at, key),
            Segment::Unknown => at,
        });
    let message = error.inner().to_string();
    // A schema takes `1990.0` and `1e20` for whole numbers; the types behind it do not.
    if message.starts_with("invalid type: floating point") {
        let told = "must be a whole number, written without a fraction or an exponent";
        return Fault::new(pointer, FaultCode::WrongType, told);
    }
    let code = if message.starts_with("invalid type") {
        FaultCode::WrongType
    } else {
        FaultCode::Invalid
    };
    Fault::new(pointer, code, message)
}

/// The pointer of a member or element below `pointer` (RFC 6901, section 3: `~` and `/` escaped).
pub(crate) fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
pub(crate) mod oracle;
#[cfg(test)]
mod tests;
