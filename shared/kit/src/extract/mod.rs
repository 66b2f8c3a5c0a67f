//! From the text of a request to the types a handler wants, or every fault at once.

use std::{collections::BTreeSet, marker::PhantomData};

use domain::{
    Fault, FaultCode, Rejection,
    validation::{self, MAX_FAULTS},
};
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub(crate) use self::query::{QueryPolicy, query_pairs};
use crate::problem::{Code, Problem};

mod query;

/// The largest body that a route takes, in bytes.
pub const BODY_LIMIT_BYTES: usize = 256 * 1024;

/// No parameters, or no body: whatever came is not looked at.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

/// The names that a type has, and those of them whose text stands for a number or a truth value,
/// taken from its schema.
#[derive(Debug, Default)]
pub struct Coercions {
    known: BTreeSet<String>,
    numbers: BTreeSet<String>,
    booleans: BTreeSet<String>,
}

/// Parameters of a path or a query.
pub trait Params: Sized + Send + 'static {
    /// Reads them from decoded pairs.
    fn read(pairs: Vec<(String, String)>, coercions: &Coercions) -> Result<Self, Vec<Fault>>;

    /// The schema of the whole, an object; `None` where there are no parameters.
    fn describe(generator: &mut SchemaGenerator) -> Option<Schema>;

    /// Which of them are numbers.
    fn coercions() -> Coercions {
        let schema = Self::describe(&mut SchemaGenerator::default());
        let mut coercions = Coercions::default();
        let properties = schema
            .as_ref()
            .and_then(|schema| schema.get("properties"))
            .and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            coercions.known.insert(name.clone());
            let kinds = type_names(property);
            if kinds
                .iter()
                .any(|kind| kind == "integer" || kind == "number")
            {
                coercions.numbers.insert(name.clone());
            } else if kinds.iter().any(|kind| kind == "boolean") {
                coercions.booleans.insert(name.clone());
            }
        }
        coercions
    }
}

impl Params for Nothing {
    fn read(pairs: Vec<(String, String)>, _: &Coercions) -> Result<Self, Vec<Fault>> {
        let unknown: Vec<Fault> = pairs
            .iter()
            .take(MAX_FAULTS)
            .map(|(name, _)| Fault::new(pointer(name), FaultCode::UnknownField, "is not known"))
            .collect();
        if unknown.is_empty() {
            Ok(Self)
        } else {
            Err(unknown)
        }
    }

    fn describe(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

impl<T> Params for T
where
    T: DeserializeOwned + JsonSchema + garde::Validate<Context = ()> + Send + 'static,
{
    fn read(pairs: Vec<(String, String)>, coercions: &Coercions) -> Result<Self, Vec<Fault>> {
        let mut object = Map::new();
        for (name, text) in pairs {
            let value = coercions.value(&name, text);
            let repeated = object.insert(name.clone(), value).is_some();
            if repeated && coercions.known.contains(&name) {
                let fault = Fault::new(
                    pointer(&name),
                    FaultCode::Duplicate,
                    "is given more than once",
                );
                return Err(vec![fault]);
            }
        }
        validation::parse_value(&Value::Object(object)).map_err(|rejection| match rejection {
            Rejection::Faults(faults) => faults,
            other => vec![Fault::new("", FaultCode::Invalid, other)],
        })
    }

    fn describe(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(T::json_schema(generator))
    }
}

/// The JSON pointer of a parameter.
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl Coercions {
    /// Whether the type has a parameter of this name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.known.contains(name)
    }

    fn value(&self, name: &str, text: String) -> Value {
        if self.numbers.contains(name)
            && let Ok(number) = serde_json::from_str::<serde_json::Number>(&text)
        {
            return Value::Number(number);
        }
        if self.booleans.contains(name) {
            match text.as_str() {
                "1" | "true" => return Value::Bool(true),
                "0" | "false" => return Value::Bool(false),
                _ => {}
            }
        }
        Value::String(text)
    }
}

fn type_names(property: &Value) -> Vec<String> {
    match property.get("type") {
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(|name| name.as_str().map(ToOwned::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// A request's body.
pub trait Incoming: Sized + Send + 'static {
    /// The media types it may come as; `None` where a body is not looked at.
    const MEDIA_TYPES: Option<&'static [&'static str]>;

    /// The media types that it may come as in a `PATCH`.
    const PATCH_MEDIA_TYPES: Option<&'static [&'static str]> = Self::MEDIA_TYPES;

    /// The media types that the OpenAPI document lists. Generators of clients stop at some that only
    /// browsers need, so the document names these in words.
    const DOCUMENTED_MEDIA_TYPES: Option<&'static [&'static str]> = Self::MEDIA_TYPES;

    /// What the OpenAPI document has to add about the body's forms.
    const NOTE: Option<&'static str> = None;

    /// Whether it must be there, where it is looked at.
    const REQUIRED: bool = true;

    /// Whether `Content-Encoding: gzip` is accepted.
    const INFLATES: bool = false;

    /// Parses it.
    fn read(bytes: &[u8]) -> Result<Self, Problem>;

    /// Its schema; `None` for text that has none.
    fn describe(generator: &mut SchemaGenerator) -> Option<Schema>;
}

impl Incoming for Nothing {
    const MEDIA_TYPES: Option<&'static [&'static str]> = None;

    fn read(_: &[u8]) -> Result<Self, Problem> {
        Ok(Self)
    }

    fn describe(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// A JSON body of a known type.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T> Incoming for Json<T>
where
    T: DeserializeOwned + JsonSchema + garde::Validate<Context = ()> + Send + 'static,
{
    const MEDIA_TYPES: Option<&'static [&'static str]> = Some(&["application/json"]);
    const PATCH_MEDIA_TYPES: Option<&'static [&'static str]> =
        Some(&["application/json", "application/merge-patch+json"]);

    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.is_empty() {
            return Err(Problem::new(Code::MalformedJson).detail("a body is needed"));
        }
        validation::parse(bytes).map(Self).map_err(Problem::from)
    }

    fn describe(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }
}

/// A JSON body of a known type that browsers may send with `navigator.sendBeacon`: as `text/plain`,
/// which needs no preflight across origins, and compressed.
#[derive(Debug)]
pub struct Beacon<T>(pub T);

impl<T> Incoming for Beacon<T>
where
    T: DeserializeOwned + JsonSchema + garde::Validate<Context = ()> + Send + 'static,
{
    const MEDIA_TYPES: Option<&'static [&'static str]> = Some(&["application/json", "text/plain"]);
    const DOCUMENTED_MEDIA_TYPES: Option<&'static [&'static str]> = Json::<T>::MEDIA_TYPES;
    const NOTE: Option<&'static str> = Some(
        "Also accepted as `text/plain`, which `navigator.sendBeacon` can send across origins, and with \
         `Content-Encoding: gzip`, of at most 256 KB once inflated.",
    );
    const INFLATES: bool = true;

    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        Json::read(bytes).map(|Json(body)| Self(body))
    }

    fn describe(generator: &mut SchemaGenerator) -> Option<Schema> {
        Json::<T>::describe(generator)
    }
}

/// A JSON body of a known type that may be left out.
#[derive(Debug)]
pub struct Optional<T>(pub Option<T>);

impl<T> Incoming for Optional<T>
where
    T: DeserializeOwned + JsonSchema + garde::Validate<Context = ()> + Send + 'static,
{
    const MEDIA_TYPES: Option<&'static [&'static str]> = Json::<T>::MEDIA_TYPES;
    const REQUIRED: bool = false;

    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        Json::read(bytes).map(|Json(body)| Self(Some(body)))
    }

    fn describe(generator: &mut SchemaGenerator) -> Option<Schema> {
        Json::<T>::describe(generator)
    }
}

/// A JSON body whose type depends on the path: the handler validates it. `T` is its schema.
#[derive(Debug)]
pub struct RawJson<T>(pub Vec<u8>, PhantomData<fn() -> T>);

impl<T: JsonSchema + 'static> Incoming for RawJson<T> {
    const MEDIA_TYPES: Option<&'static [&'static str]> = Some(&["application/json"]);

    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        Ok(Self(bytes.to_vec(), PhantomData))
    }

    fn describe(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }
}

/// Newline-delimited JSON.
#[derive(Debug)]
pub struct Ndjson(pub Vec<u8>);

impl Incoming for Ndjson {
    const MEDIA_TYPES: Option<&'static [&'static str]> = Some(&[
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
    ]);

    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        Ok(Self(bytes.to_vec()))
    }

    fn describe(_: &mut SchemaGenerator) -> Option<Schema> {
        Schema::try_from(serde_json::json!({"type": "string"})).ok()
    }
}

/// Fields as forms are posted, still encoded: the handler reads them.
#[derive(Debug)]
pub struct Form(pub String);

impl Incoming for Form {
    const MEDIA_TYPES: Option<&'static [&'static str]> =
        Some(&["application/x-www-form-urlencoded"]);

    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        std::str::from_utf8(bytes)
            .map(|text| Self(text.to_owned()))
            .map_err(|_| Problem::new(Code::ValidationFailed).detail("the form is not text"))
    }

    fn describe(_: &mut SchemaGenerator) -> Option<Schema> {
        Schema::try_from(serde_json::json!({"type": "object"})).ok()
    }
}

/// What a provider posts to a hook, as text: fields as forms are posted, or a security event token
/// (RFC 8417). The handler tells them apart by the request's `Content-Type`.
#[derive(Debug)]
pub struct FormOrSecurityEvent(pub String);

impl FormOrSecurityEvent {
    /// The media type of a security event token (RFC 8417, section 7.2).
    pub const SECURITY_EVENT: &'static str = "application/secevent+jwt";
}

impl Incoming for FormOrSecurityEvent {
    const MEDIA_TYPES: Option<&'static [&'static str]> =
        Some(&["application/x-www-form-urlencoded", Self::SECURITY_EVENT]);

    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        Form::read(bytes).map(|Form(text)| Self(text))
    }

    fn describe(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Malformed(message) => Self::new(Code::MalformedJson).detail(message),
            Rejection::TooDeep => Self::new(Code::BodyTooDeep),
            Rejection::Faults(faults) => Self::new(Code::ValidationFailed).errors(faults),
        }
    }
}

/// Refuses a body of the wrong media type; the type must be there whenever a body is.
pub(crate) fn check_media_type(
    sent: Option<&str>,
    taken: &'static [&'static str],
) -> Result<(), Problem> {
    let essence = sent
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    match essence {
        Some(essence) if taken.contains(&essence.as_str()) => Ok(()),
        _ => {
            Err(Problem::new(Code::UnsupportedMediaType)
                .detail(format!("send {}", taken.join(" or "))))
        }
    }
}

/// The status of a good answer, for those who declare it as a number.
pub(crate) fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_may_have_parameters_but_must_be_there() {
        let json = &["application/json"];
        assert!(check_media_type(Some("Application/JSON; charset=utf-8"), json).is_ok());
        for sent in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some(""),
        ] {
            let problem = check_media_type(sent, json).unwrap_err();
            assert_eq!(problem.code, Code::UnsupportedMediaType);
        }
    }
}
