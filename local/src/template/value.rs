//! A template's YAML as JSON, with every short form (`!Sub`) written out in its long one (`Fn::Sub`).

use serde_json::{Map, Value as Json};
use serde_norway::Value as Yaml;

use super::TemplateError;

/// Reads a template's text.
///
/// # Errors
/// The text is not YAML, or holds something that JSON cannot say (a key that is no scalar, a
/// number that is not finite).
pub(super) fn parse(text: &str) -> Result<Json, TemplateError> {
    let yaml: Yaml = serde_norway::from_str(text)?;
    to_json(yaml)
}

fn to_json(yaml: Yaml) -> Result<Json, TemplateError> {
    Ok(match yaml {
        Yaml::Null => Json::Null,
        Yaml::Bool(value) => Json::Bool(value),
        Yaml::String(value) => Json::String(value),
        Yaml::Number(number) => serde_json::to_value(number)
            .map_err(|error| TemplateError::at("template", error.to_string()))?,
        Yaml::Sequence(items) => {
            Json::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(entries) => entries
            .into_iter()
            .map(|(key, value)| Ok((key_text(key)?, to_json(value)?)))
            .collect::<Result<Map<_, _>, TemplateError>>()?
            .into(),
        Yaml::Tagged(tagged) => {
            let name = tagged.tag.to_string();
            let value = to_json(tagged.value)?;
            Json::Object(Map::from_iter([(long_form(&name), value)]))
        }
    })
}

fn key_text(key: Yaml) -> Result<String, TemplateError> {
    match key {
        Yaml::String(text) => Ok(text),
        Yaml::Number(number) => Ok(number.to_string()),
        Yaml::Bool(value) => Ok(value.to_string()),
        other => Err(TemplateError::at(
            "template",
            format!("a key is not a scalar: {other:?}"),
        )),
    }
}

/// `!Ref` and `!Condition` stand alone; every other intrinsic has the prefix `Fn::`.
fn long_form(tag: &str) -> String {
    match tag.trim_start_matches('!') {
        name @ ("Ref" | "Condition") => name.to_owned(),
        name => format!("Fn::{name}"),
    }
}
