//! Conditions: which resources and which values there are.

use serde_json::Value;

use super::{MAX_DEPTH, Resolver, intrinsic, scalar_text};
use crate::template::TemplateError;

impl Resolver {
    /// Whether a condition holds: a name, or a condition function.
    pub(super) fn condition(
        &self,
        value: &Value,
        place: &str,
        depth: usize,
    ) -> Result<bool, TemplateError> {
        if depth > MAX_DEPTH {
            return Err(TemplateError::at(place, "a condition refers to itself"));
        }
        let fault = |problem: &str| TemplateError::at(place, problem.to_owned());
        let named = |name: &str| {
            let body = self
                .conditions
                .get(name)
                .ok_or_else(|| fault(&format!("no condition is called {name}")))?;
            self.condition(body, &format!("Conditions.{name}"), depth + 1)
        };
        let (name, argument) = match value {
            Value::String(name) => return named(name),
            Value::Object(map) => {
                intrinsic(map).ok_or_else(|| fault("a condition has one function"))?
            }
            _ => return Err(fault("not a condition")),
        };
        let items = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match (name, items) {
            ("Condition", _) => named(argument.as_str().unwrap_or_default()),
            ("Fn::Equals", [left, right]) => {
                let left = self.at_depth(left, place, depth + 1)?;
                let right = self.at_depth(right, place, depth + 1)?;
                Ok(match (&left, &right) {
                    (Some(left), Some(right)) => scalar_text(left) == scalar_text(right),
                    _ => left == right,
                })
            }
            ("Fn::Not", [one]) => Ok(!self.condition(one, place, depth + 1)?),
            ("Fn::And", [_, _, ..]) => items.iter().try_fold(true, |all, item| {
                Ok(all && self.condition(item, place, depth + 1)?)
            }),
            ("Fn::Or", [_, _, ..]) => items.iter().try_fold(false, |any, item| {
                Ok(any || self.condition(item, place, depth + 1)?)
            }),
            _ => Err(fault(&format!("{name} is not a condition"))),
        }
    }
}
