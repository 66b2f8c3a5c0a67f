//! Another's reading of JSON Schema, for tests: the `jsonschema` crate. It takes formats, and with them
//! the widths of integers, for annotations, so they are left out of the comparison.

use schemars::JsonSchema;
use serde_json::Value;

use super::{check_schema, schema_of};

pub(crate) struct Oracle {
    schema: Value,
    validator: jsonschema::Validator,
}

impl Oracle {
    pub(crate) fn of<T: JsonSchema>() -> Self {
        let mut schema = schema_of::<T>();
        remove_formats(&mut schema);
        let validator = jsonschema::validator_for(&schema).unwrap();
        Self { schema, validator }
    }

    /// What the interpreter says, and what the other does.
    pub(crate) fn verdicts(&self, document: &Value) -> (bool, bool) {
        let ours = check_schema(&self.schema, document).is_empty();
        (ours, self.validator.is_valid(document))
    }
}

fn remove_formats(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("format").is_some_and(Value::is_string) {
                members.remove("format");
            }
            members.values_mut().for_each(remove_formats);
        }
        Value::Array(elements) => elements.iter_mut().for_each(remove_formats),
        _ => {}
    }
}
