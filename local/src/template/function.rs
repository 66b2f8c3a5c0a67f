//! Functions as the template declares them: environment, limits, routes and schedules.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    TemplateError,
    intrinsics::{Resolver, function_arn, scalar_text},
};

/// One `AWS::Serverless::Function`.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name in the template.
    pub logical_id: String,
    /// The folder under `functions/`, taken from the last part of `CodeUri`.
    pub folder: String,
    /// Its name as deployed.
    pub name: String,
    /// Its ARN in the local account.
    pub arn: String,
    /// `Environment.Variables`, resolved.
    pub environment: BTreeMap<String, String>,
    /// How long one invocation may take; Lambda's default is 3 s.
    pub timeout: Duration,
    /// `MemorySize`; Lambda's default is 128.
    pub memory_mb: i32,
    /// `Runtime`, if it is set.
    pub runtime: Option<String>,
    /// `Architectures`, as set.
    pub architectures: Vec<String>,
    /// `HttpApi` events.
    pub routes: Vec<Route>,
    /// `Schedule` and `ScheduleV2` events.
    pub schedules: Vec<Schedule>,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// An upper-case method, or `ANY`.
    pub method: String,
    /// A path with `{param}` and `{proxy+}` parts, or `$default`.
    pub path: String,
}

impl Route {
    /// API Gateway's route key, such as `GET /health` or `$default`.
    #[must_use]
    pub fn key(&self) -> String {
        match self.path.as_str() {
            "$default" => self.path.clone(),
            path => format!("{} {path}", self.method),
        }
    }
}

/// A schedule that invokes a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// `<function>-<event>`, for messages and the event's `resources`.
    pub name: String,
    /// `rate(…)` or `cron(…)`.
    pub expression: String,
    /// The event to send; EventBridge's own when absent.
    pub input: Option<Value>,
    /// False for `Enabled: false` and `State: DISABLED`.
    pub enabled: bool,
}

/// Every function whose condition holds, in the order of their logical ids.
pub(super) fn all(resolver: &Resolver, globals: &Value) -> Result<Vec<Function>, TemplateError> {
    resolver
        .resources_of("AWS::Serverless::Function")
        .map(|found| {
            let (id, body) = found?;
            one(resolver, globals, id, body)
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties {
    code_uri: String,
    #[serde(default)]
    environment: Environment,
    #[serde(default = "lambda_timeout")]
    timeout: Value,
    #[serde(default = "lambda_memory")]
    memory_size: Value,
    runtime: Option<String>,
    #[serde(default)]
    architectures: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Environment {
    variables: BTreeMap<String, Value>,
}

fn lambda_timeout() -> Value {
    Value::from(3)
}

fn lambda_memory() -> Value {
    Value::from(128)
}

fn one(
    resolver: &Resolver,
    globals: &Value,
    id: &str,
    body: &Value,
) -> Result<Function, TemplateError> {
    let own = body.get("Properties").cloned().unwrap_or(Value::Null);
    let merged = merge(globals.clone(), own);
    let wanted = [
        "CodeUri",
        "Environment",
        "Timeout",
        "MemorySize",
        "Runtime",
        "Architectures",
    ];
    let chosen: Map<String, Value> = wanted
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), merged.get(*key)?.clone())))
        .collect();
    let resolved = resolver.resolve(&chosen.into(), id)?.unwrap_or(Value::Null);
    let properties: Properties = serde_json::from_value(resolved)
        .map_err(|error| TemplateError::at(id, error.to_string()))?;
    let folder = properties
        .code_uri
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let environment = properties
        .environment
        .variables
        .iter()
        .map(|(name, value)| {
            let place = format!("{id}.Environment.Variables.{name}");
            let text = scalar_text(value)
                .ok_or_else(|| TemplateError::at(&place, "an environment variable is a string"))?;
            Ok((name.clone(), text))
        })
        .collect::<Result<_, TemplateError>>()?;
    let name = resolver.name_of(id, 0)?;
    let (routes, schedules) = events(resolver, id, merged.get("Events"))?;
    Ok(Function {
        logical_id: id.to_owned(),
        folder,
        arn: function_arn(&name),
        name,
        environment,
        timeout: Duration::from_secs(whole(&properties.timeout, &format!("{id}.Timeout"))?),
        memory_mb: whole(&properties.memory_size, &format!("{id}.MemorySize"))?,
        runtime: properties.runtime,
        architectures: properties.architectures,
        routes,
        schedules,
    })
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Event {
    #[serde(rename = "Type")]
    kind: String,
    properties: EventProperties,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct EventProperties {
    method: Option<String>,
    path: Option<String>,
    schedule: Option<String>,
    schedule_expression: Option<String>,
    input: Option<String>,
    enabled: Option<Value>,
    state: Option<String>,
}

fn events(
    resolver: &Resolver,
    id: &str,
    events: Option<&Value>,
) -> Result<(Vec<Route>, Vec<Schedule>), TemplateError> {
    let mut routes = Vec::new();
    let mut schedules = Vec::new();
    let declared = events.and_then(Value::as_object);
    for (name, event) in declared.into_iter().flatten() {
        let place = format!("{id}.Events.{name}");
        let resolved = resolver.resolve(event, &place)?.unwrap_or(Value::Null);
        let event: Event = serde_json::from_value(resolved)
            .map_err(|error| TemplateError::at(&place, error.to_string()))?;
        match event.kind.as_str() {
            "HttpApi" => routes.push(route(event.properties, &place)?),
            "Schedule" | "ScheduleV2" => {
                schedules.push(schedule(format!("{id}-{name}"), event.properties, &place)?);
            }
            other => {
                return Err(TemplateError::at(
                    &place,
                    format!("{other} events are not supported by the local stack"),
                ));
            }
        }
    }
    Ok((routes, schedules))
}

/// SAM makes a route without method and path the API's `$default`.
fn route(event: EventProperties, place: &str) -> Result<Route, TemplateError> {
    let path = event.path.unwrap_or_else(|| "$default".to_owned());
    if path != "$default" && !path.starts_with('/') {
        return Err(TemplateError::at(place, "a path starts with /"));
    }
    let method = event.method.unwrap_or_default().to_uppercase();
    let method = match method.as_str() {
        "" | "*" | "X-AMAZON-APIGATEWAY-ANY-METHOD" => "ANY".to_owned(),
        _ => method,
    };
    Ok(Route { method, path })
}

fn schedule(name: String, event: EventProperties, place: &str) -> Result<Schedule, TemplateError> {
    let expression = event
        .schedule
        .or(event.schedule_expression)
        .ok_or_else(|| TemplateError::at(place, "has no schedule expression"))?;
    let input = event
        .input
        .map(|text| {
            serde_json::from_str(&text)
                .map_err(|error| TemplateError::at(place, format!("Input is not JSON: {error}")))
        })
        .transpose()?;
    let switched_on = match &event.enabled {
        None => true,
        Some(value) => scalar_text(value).as_deref() != Some("false"),
    };
    Ok(Schedule {
        name,
        expression,
        input,
        enabled: switched_on && event.state.as_deref() != Some("DISABLED"),
    })
}

/// SAM's rule for `Globals`: maps are united, lists are joined, a function's own scalar wins.
fn merge(global: Value, own: Value) -> Value {
    if is_intrinsic(&global) || is_intrinsic(&own) {
        return if own.is_null() { global } else { own };
    }
    match (global, own) {
        (Value::Object(mut global), Value::Object(own)) => {
            for (key, value) in own {
                let merged = match global.remove(&key) {
                    Some(base) => merge(base, value),
                    None => value,
                };
                global.insert(key, merged);
            }
            Value::Object(global)
        }
        (Value::Array(mut global), Value::Array(own)) => {
            global.extend(own);
            Value::Array(global)
        }
        (global, Value::Null) => global,
        (_, own) => own,
    }
}

fn is_intrinsic(value: &Value) -> bool {
    value.as_object().is_some_and(|map| {
        map.len() == 1
            && map
                .keys()
                .all(|key| key == "Ref" || key.starts_with("Fn::"))
    })
}

/// A number that may come from a parameter, and so as text.
fn whole<T: std::str::FromStr>(value: &Value, place: &str) -> Result<T, TemplateError> {
    scalar_text(value)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| TemplateError::at(place, "expects a whole number"))
}
