//! CloudFormation's intrinsic functions, resolved to what they would give in an account that has
//! only this stack.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::TemplateError;

mod conditions;
mod references;

pub(super) use references::function_arn;
pub(crate) use references::secret_arn;

/// Names that refer to each other in a circle are found at this depth.
const MAX_DEPTH: usize = 64;

/// A template's parameters, conditions, mappings and resources, and what refers to them.
pub(super) struct Resolver {
    parameters: BTreeMap<String, Value>,
    conditions: Map<String, Value>,
    mappings: Map<String, Value>,
    resources: Map<String, Value>,
}

/// `None` is `AWS::NoValue`: the property is left out.
type Resolved = Result<Option<Value>, TemplateError>;

impl Resolver {
    pub(super) fn new(
        parameters: BTreeMap<String, Value>,
        conditions: Map<String, Value>,
        mappings: Map<String, Value>,
        resources: Map<String, Value>,
    ) -> Self {
        Self {
            parameters,
            conditions,
            mappings,
            resources,
        }
    }

    /// The resources of one type whose condition holds, as written: logical id and body.
    pub(super) fn resources_of<'a>(
        &'a self,
        kind: &'a str,
    ) -> impl Iterator<Item = Result<(&'a str, &'a Value), TemplateError>> {
        self.resources
            .iter()
            .filter(move |(_, body)| type_of(body) == kind)
            .filter_map(|(id, body)| match self.is_present(id, body) {
                Ok(true) => Some(Ok((id.as_str(), body))),
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            })
    }

    fn is_present(&self, id: &str, body: &Value) -> Result<bool, TemplateError> {
        match body.get("Condition") {
            None => Ok(true),
            Some(name) => self.condition(name, &format!("{id}.Condition"), 0),
        }
    }

    /// `value` with every intrinsic replaced. `place` (`Resource.Property`) is what an error names.
    pub(super) fn resolve(&self, value: &Value, place: &str) -> Resolved {
        self.at_depth(value, place, 0)
    }

    fn at_depth(&self, value: &Value, place: &str, depth: usize) -> Resolved {
        if depth > MAX_DEPTH {
            return Err(TemplateError::at(place, "refers to itself"));
        }
        match value {
            Value::Object(map) => match intrinsic(map) {
                Some((name, argument)) => self.call(name, argument, place, depth + 1),
                None => self.map(map, place, depth).map(Some),
            },
            Value::Array(items) => {
                let mut kept = Vec::with_capacity(items.len());
                for item in items {
                    kept.extend(self.at_depth(item, place, depth + 1)?);
                }
                Ok(Some(Value::Array(kept)))
            }
            scalar => Ok(Some(scalar.clone())),
        }
    }

    fn map(
        &self,
        map: &Map<String, Value>,
        place: &str,
        depth: usize,
    ) -> Result<Value, TemplateError> {
        let mut kept = Map::new();
        for (key, value) in map {
            if let Some(value) = self.at_depth(value, &format!("{place}.{key}"), depth + 1)? {
                kept.insert(key.clone(), value);
            }
        }
        Ok(Value::Object(kept))
    }

    fn call(&self, name: &str, argument: &Value, place: &str, depth: usize) -> Resolved {
        let fault = |problem: &str| TemplateError::at(place, format!("{name}: {problem}"));
        match name {
            "Ref" => {
                let target = argument.as_str().ok_or_else(|| fault("expects a name"))?;
                self.reference(target, place, depth)
            }
            "Fn::GetAtt" => {
                let (id, attribute) =
                    attribute_path(argument).ok_or_else(|| fault("expects Resource.Attribute"))?;
                self.attribute(&id, &attribute, place, depth)
                    .map(|text| Some(Value::String(text)))
            }
            "Fn::Sub" => self
                .substitute(argument, place, depth)
                .map(|text| Some(Value::String(text))),
            "Fn::If" => match argument.as_array().map(Vec::as_slice) {
                Some([condition, yes, no]) => {
                    let holds = self.condition(condition, place, depth)?;
                    self.at_depth(if holds { yes } else { no }, place, depth)
                }
                _ => Err(fault("expects a condition and two values")),
            },
            "Fn::Join" => match argument.as_array().map(Vec::as_slice) {
                Some([Value::String(separator), parts]) => {
                    let parts = self.at_depth(parts, place, depth)?;
                    let texts: Option<Vec<String>> = parts
                        .as_ref()
                        .and_then(Value::as_array)
                        .and_then(|parts| parts.iter().map(scalar_text).collect());
                    let texts = texts.ok_or_else(|| fault("expects a list of strings"))?;
                    Ok(Some(Value::String(texts.join(separator))))
                }
                _ => Err(fault("expects a separator and a list")),
            },
            "Fn::FindInMap" => {
                let keys = self.at_depth(argument, place, depth)?;
                let keys: Option<Vec<String>> = keys
                    .as_ref()
                    .and_then(Value::as_array)
                    .and_then(|keys| keys.iter().map(scalar_text).collect());
                match keys.as_deref() {
                    Some([map, first, second]) => self
                        .mappings
                        .get(map)
                        .and_then(|map| map.get(first)?.get(second))
                        .cloned()
                        .map(Some)
                        .ok_or_else(|| fault("no such entry in Mappings")),
                    _ => Err(fault("expects three keys")),
                }
            }
            "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" | "Condition" => {
                let whole = Value::Object(Map::from_iter([(name.to_owned(), argument.clone())]));
                self.condition(&whole, place, depth)
                    .map(|holds| Some(Value::Bool(holds)))
            }
            _ => Err(fault("is not supported by the local stack")),
        }
    }

    fn substitute(
        &self,
        argument: &Value,
        place: &str,
        depth: usize,
    ) -> Result<String, TemplateError> {
        let fault = |problem: String| TemplateError::at(place, format!("Fn::Sub: {problem}"));
        let empty = Map::new();
        let (text, own) = match argument {
            Value::String(text) => (text, &empty),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(text), Value::Object(own)] => (text, own),
                _ => return Err(fault("expects a string and a map".to_owned())),
            },
            _ => return Err(fault("expects a string".to_owned())),
        };
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| fault("a ${ is not closed".to_owned()))?;
            rest = after;
            if let Some(literal) = name.strip_prefix('!') {
                out.push_str("${");
                out.push_str(literal);
                out.push('}');
                continue;
            }
            let value = match (own.get(name), name.split_once('.')) {
                (Some(value), _) => self.at_depth(value, place, depth)?,
                (None, Some((id, attribute))) => {
                    Some(Value::String(self.attribute(id, attribute, place, depth)?))
                }
                (None, None) => self.reference(name, place, depth)?,
            };
            let value = value
                .as_ref()
                .and_then(scalar_text)
                .ok_or_else(|| fault(format!("{name} is not a string")))?;
            out.push_str(&value);
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// A scalar as CloudFormation writes it into a string; `None` for lists, maps and null.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

fn type_of(resource: &Value) -> &str {
    resource
        .get("Type")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A map of one key that names an intrinsic function, and its argument.
fn intrinsic(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = map.iter();
    match (entries.next(), entries.next()) {
        (Some((name, argument)), None)
            if name == "Ref"
                || name == "Condition" && argument.is_string()
                || name.starts_with("Fn::") =>
        {
            Some((name, argument))
        }
        _ => None,
    }
}

fn attribute_path(argument: &Value) -> Option<(String, String)> {
    match argument {
        Value::String(path) => path
            .split_once('.')
            .map(|(id, attribute)| (id.to_owned(), attribute.to_owned())),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(id), Value::String(attribute)] => Some((id.clone(), attribute.clone())),
            _ => None,
        },
        _ => None,
    }
}
