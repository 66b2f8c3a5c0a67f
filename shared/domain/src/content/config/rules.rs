//! The rules between the fields of a parameter, and between the parameters of a set.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Condition, Parameter, ParameterKey, ValueType, schema::Declared};
use crate::{
    Fault, FaultCode, Id,
    content::{
        artefact::{self, Entry},
        limit::{Limit, size_bytes},
        set::Item,
    },
    validation::{JsonValue, rule},
};

/// How many parameters there may be.
const MOST_PARAMETERS: usize = 3000;
/// How many conditions there may be, those of all parameters together.
const MOST_CONDITIONS: usize = 2000;
/// How many bytes the artefact may have.
const LARGEST: usize = 1024 * 1024;
/// The greatest whole number below which all are kept exactly by who reads them as floating-point
/// numbers (RFC 8259, section 6).
const GREATEST_INT: u64 = 1 << 53;

pub(super) fn coherent(parameter: &Parameter, _: &()) -> garde::Result {
    let mut faults = Vec::new();
    let mut names = HashSet::new();
    for (at, condition) in parameter.conditions.iter().enumerate() {
        if !names.insert(&condition.name) {
            let at = format!("/conditions/{at}/name");
            let message = "another condition has this name";
            faults.push(Fault::new(at, FaultCode::Duplicate, message));
        }
    }
    let declared = parameter.schema.as_ref().map(Declared::read);
    let declared = match declared {
        Some(Ok(declared)) => Some(declared),
        Some(Err(of_schema)) => {
            faults.extend(of_schema.into_iter().map(|fault| below("/schema", fault)));
            None
        }
        None => None,
    };
    for (at, value) in values(parameter) {
        match (parameter.r#type.admits(&value), &declared) {
            (Err((code, message)), _) => faults.push(Fault::new(at, code, message)),
            (Ok(()), Some(declared)) => {
                let of_value = declared.faults(&value).into_iter();
                faults.extend(of_value.map(|fault| below(&at, fault)));
            }
            (Ok(()), None) => {}
        }
    }
    rule(faults)
}

/// A fault of a part, as one of the whole.
fn below(at: &str, fault: Fault) -> Fault {
    let pointer = format!("{at}{}", fault.pointer);
    Fault::new(pointer, fault.code, fault.message)
}

/// The values of a parameter, with their pointers.
fn values(parameter: &Parameter) -> impl Iterator<Item = (String, Value)> {
    let conditions = parameter.conditions.iter().enumerate();
    let conditions =
        conditions.map(|(at, condition)| (format!("/conditions/{at}/value"), &condition.value));
    [("/default".to_owned(), &parameter.default)]
        .into_iter()
        .chain(conditions)
        .map(|(at, value)| (at, value.to_value()))
}

impl ValueType {
    /// Whether a value is of this type.
    fn admits(self, value: &Value) -> Result<(), (FaultCode, &'static str)> {
        let (is_right, wanted) = match self {
            Self::Bool => (value.is_boolean(), "must be true or false"),
            Self::Int => match value {
                Value::Number(number) if number.is_f64() => (
                    false,
                    "must be a whole number, written without a fraction or an exponent",
                ),
                value => (value.is_number(), "must be a whole number"),
            },
            Self::Number => (value.is_number(), "must be a number"),
            Self::String => (value.is_string(), "must be a text"),
            Self::Json => (true, ""),
        };
        if !is_right {
            return Err((FaultCode::WrongType, wanted));
        }
        let size = value
            .as_i64()
            .map_or_else(|| value.as_u64(), |int| Some(int.unsigned_abs()));
        if self == Self::Int && size.is_none_or(|size| size > GREATEST_INT) {
            let message = "must be from -9007199254740992 to 9007199254740992";
            return Err((FaultCode::OutOfRange, message));
        }
        Ok(())
    }
}

/// What readers need of a parameter.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compiled {
    pub(crate) key: ParameterKey,
    pub(crate) default: JsonValue,
    pub(crate) conditions: Vec<Condition>,
}

impl From<Parameter> for Compiled {
    fn from(parameter: Parameter) -> Self {
        Self {
            key: parameter.key,
            default: parameter.default,
            conditions: parameter.conditions,
        }
    }
}

impl Item for Parameter {
    fn faults_between(items: &[Entry<Self>]) -> Vec<(&Id, Fault)> {
        let mut faults = Vec::new();
        let mut keys = HashMap::new();
        let mut parameters = Limit::new(
            "",
            MOST_PARAMETERS,
            "is beyond the 3,000 parameters that there may be",
        );
        let mut conditions = Limit::new(
            "/conditions",
            MOST_CONDITIONS,
            "goes beyond the 2,000 conditions that there may be in all parameters together",
        );
        let mut bytes = Limit::new(
            "",
            LARGEST,
            "goes beyond the 1,048,576 bytes that the compiled set may have",
        );
        for Entry { id, item } in items {
            let beyond = [
                parameters.add(1),
                conditions.add(item.conditions.len()),
                bytes.add(size_bytes(id, &Compiled::from(item.clone()))),
            ];
            faults.extend(beyond.into_iter().flatten().map(|fault| (id, fault)));
            if let Some(other) = keys.insert(&item.key, id) {
                let message = format!("the item {other} has this key");
                faults.push((id, Fault::new("/key", FaultCode::Duplicate, message)));
            }
        }
        faults
    }

    fn write(items: Vec<Entry<Self>>) -> Result<Vec<u8>, serde_json::Error> {
        let compiled = items.into_iter().map(|Entry { id, item }| Entry {
            id,
            item: Compiled::from(item),
        });
        artefact::write(compiled.collect())
    }
}
