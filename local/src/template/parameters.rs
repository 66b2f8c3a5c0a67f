//! Parameters: a template's defaults, a stage's values in `samconfig.toml`, the local stack's own.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{TemplateError, intrinsics::scalar_text};

/// The parameter overrides of one stage: `[<stage>.deploy.parameters] parameter_overrides`, a list
/// of `Name=value` or one string of them.
///
/// # Errors
/// The text is not TOML, or an override has no `=`.
pub(super) fn of_stage(
    samconfig: &str,
    stage: &str,
) -> Result<BTreeMap<String, String>, TemplateError> {
    let file: BTreeMap<String, toml::Value> = toml::from_str(samconfig)?;
    let Some(table) = file.get(stage) else {
        return Ok(BTreeMap::new());
    };
    let stage: Stage = table.clone().try_into()?;
    let pairs = match stage.deploy.parameters.parameter_overrides {
        Overrides::List(pairs) => pairs,
        Overrides::Line(line) => line.split_whitespace().map(str::to_owned).collect(),
    };
    pairs
        .iter()
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                TemplateError::at("samconfig.toml", format!("{pair}: expected Name=value"))
            })?;
            Ok((name.to_owned(), value.trim_matches('"').to_owned()))
        })
        .collect()
}

/// The value of every declared parameter.
///
/// # Errors
/// A parameter has neither a default nor a value, or the stage sets one that is not declared.
pub(super) fn values(
    declared: &Map<String, Value>,
    stage: &BTreeMap<String, String>,
    overrides: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, TemplateError> {
    if let Some(unknown) = stage.keys().find(|name| !declared.contains_key(*name)) {
        return Err(TemplateError::at(
            "samconfig.toml",
            format!("{unknown} is not a parameter of the template"),
        ));
    }
    declared
        .iter()
        .map(|(name, body)| {
            let text = overrides
                .get(name)
                .or_else(|| stage.get(name))
                .cloned()
                .or_else(|| body.get("Default").and_then(scalar_text))
                .ok_or_else(|| {
                    TemplateError::at(&format!("Parameters.{name}"), "has no value and no default")
                })?;
            Ok((name.clone(), typed(body, text)))
        })
        .collect()
}

fn typed(body: &Value, text: String) -> Value {
    match body.get("Type").and_then(Value::as_str) {
        Some("CommaDelimitedList") => text
            .split(',')
            .map(|item| Value::String(item.trim().to_owned()))
            .collect(),
        _ => Value::String(text),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Stage {
    deploy: Deploy,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Deploy {
    parameters: DeployParameters,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DeployParameters {
    parameter_overrides: Overrides,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Overrides {
    List(Vec<String>),
    Line(String),
}

impl Default for Overrides {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}
