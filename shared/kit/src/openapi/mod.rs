//! The OpenAPI 3.1 document, from what the functions say of their own routes.
//!
//! Nothing here is written by hand per route: paths, parameters, bodies, answers and refusals follow
//! from the endpoint's declaration and its types. `openapi.json` in the repository is this document.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    api::Operation,
    endpoint::{Caller, Endpoint, Idempotency, Method, Rate},
    extract,
    function::Function,
    middleware::GATE_HEADERS,
    problem::{self, Code, Document},
};

/// The document of all `functions`, its paths in alphabetical order.
pub fn document<'a>(functions: impl IntoIterator<Item = &'a Function>, version: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Document<'static>>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut used_tags = BTreeSet::new();
    for function in functions {
        for operation in function.operations(&mut generator) {
            if operation.endpoint.method == Method::Any {
                continue;
            }
            let method = operation.endpoint.method.as_str().to_ascii_lowercase();
            let path = operation.endpoint.path;
            used_tags.insert(tag(path));
            let described = describe(operation, &problem);
            paths.entry(path).or_default().insert(method, described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Madang",
            "version": version,
            "description": "The backend that stands in front of an app's own. Every GET has its HEAD, which this document does not list.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags(&used_tags),
        "paths": paths,
        "components": {
            "schemas": definitions(&mut generator),
            "securitySchemes": {
                "accessToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A member's access token, as sign-in and refresh give it.",
                },
                "serviceKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A service key, `msk_…`.",
                },
            },
        },
    })
}

/// What each tag is about. The contract tests hold this list to the tags that are used.
const TAGS: [(&str, &str); 16] = [
    (
        "admin",
        "Authoring, reports and members, for operators and service keys.",
    ),
    ("allocations", "Which campaigns a device sees now."),
    (
        "app",
        "Whether the app is in service, and whether it must be updated.",
    ),
    (
        "auth",
        "Signing in and out, guests, challenges, refresh tokens.",
    ),
    ("banners", "Pictures that an app shows in its places."),
    ("config", "Remote config and feature flags."),
    ("devices", "Profiles and content settings of devices."),
    ("events", "Client events, counted once each."),
    (
        "launch",
        "Everything that an app needs at its start, in one response.",
    ),
    (
        "me",
        "The member who calls: profile, identities, sessions, consents, exports, withdrawal.",
    ),
    ("nicknames", "Whether a nickname is free."),
    ("notices", "Notices, and which of them a member has read."),
    (
        "platform",
        "Health, documentation, keys, and calls of other systems.",
    ),
    ("profiles", "Inserting a device's profile."),
    ("t", "Tracking: impressions, clicks, conversions."),
    (
        "withdrawals",
        "Withdrawal without the app, by a provider's proof.",
    ),
];

/// The tags that operations use, each with its description where it has one.
fn tags(used: &BTreeSet<&str>) -> Vec<Value> {
    let described = |name: &&str| {
        let known = TAGS.iter().find(|(tag, _)| tag == name);
        match known {
            Some((_, description)) => json!({"name": name, "description": description}),
            None => json!({ "name": name }),
        }
    };
    used.iter().map(described).collect()
}

/// In alphabetical order, so that the document is the same whatever order the functions came in.
fn definitions(generator: &mut SchemaGenerator) -> BTreeMap<String, Value> {
    let mut definitions: BTreeMap<String, Value> =
        generator.take_definitions(true).into_iter().collect();
    definitions.values_mut().for_each(drop_null_defaults);
    definitions
}

/// Removes `default: null` from the properties of a schema: an optional member that is left out has no
/// value, and generators set members to such a default that do not take `null`.
fn drop_null_defaults(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                for property in properties.values_mut().filter_map(Value::as_object_mut) {
                    if property.get("default") == Some(&Value::Null) {
                        property.remove("default");
                    }
                }
            }
            object.values_mut().for_each(drop_null_defaults);
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(drop_null_defaults),
        _ => {}
    }
}

fn describe(operation: Operation, problem: &Schema) -> Value {
    let endpoint = operation.endpoint;
    let mut described = json!({
        "operationId": endpoint.operation,
        "summary": endpoint.summary,
        "tags": [tag(endpoint.path)],
        "responses": responses(&operation, problem),
    });
    let mut parameters = Vec::new();
    parameters.extend(parameters_of(operation.path.as_ref(), "path"));
    parameters.extend(parameters_of(operation.query.as_ref(), "query"));
    parameters.extend(header_parameters(&endpoint));
    if !parameters.is_empty() {
        set(&mut described, "parameters", Value::Array(parameters));
    }
    if let Some(body) = operation.body {
        let content: Map<String, Value> = body
            .media_types
            .iter()
            .map(|media_type| {
                let described = media(media_type, body.schema.as_ref());
                ((*media_type).to_owned(), described)
            })
            .collect();
        let mut request_body = json!({"required": body.required, "content": content});
        if let Some(note) = body.note {
            set(&mut request_body, "description", note.into());
        }
        set(&mut described, "requestBody", request_body);
    }
    match endpoint.caller {
        Caller::Public | Caller::Hook => set(&mut described, "security", json!([])),
        Caller::PublicOrOperator(_) if !endpoint.takes_token => {
            set(&mut described, "security", json!([{}, {"serviceKey": []}]));
        }
        Caller::PublicOrOperator(_) | Caller::PublicOrMember(_) => {
            let any = json!([{}, {"accessToken": []}, {"serviceKey": []}]);
            set(&mut described, "security", any);
        }
        Caller::Member => {
            set(&mut described, "security", json!([{"accessToken": []}]));
        }
        Caller::Device(_) => {
            let either = json!([{"accessToken": []}, {"serviceKey": []}]);
            set(&mut described, "security", either);
        }
        Caller::Operator(_) | Caller::Service(_) => {
            set(&mut described, "security", json!([{"serviceKey": []}]));
        }
    }
    described
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// `/v1/devices/{id}` belongs to `devices`; `/admin/v1/content` to `admin`.
fn tag(path: &str) -> &str {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    match (segments.next(), segments.next()) {
        (Some("v1"), Some(resource)) => resource,
        (Some("admin"), _) => "admin",
        _ => "platform",
    }
}

/// A body's media type. One without a schema is a text or a form: generators stop at a body that has none.
fn media(media_type: &str, schema: Option<&Schema>) -> Value {
    match schema {
        Some(schema) => json!({"schema": schema}),
        None if media_type == "application/x-www-form-urlencoded" => {
            json!({"schema": {"type": "object"}})
        }
        None => json!({"schema": {"type": "string"}}),
    }
}

/// One parameter per property of an object schema.
fn parameters_of(object: Option<&Schema>, place: &str) -> Vec<Value> {
    let properties = object
        .and_then(|schema| schema.get("properties"))
        .and_then(Value::as_object);
    let required: BTreeSet<&str> = object
        .and_then(|schema| schema.get("required"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| {
            let mut schema = without_null(schema.clone());
            let object = schema.as_object_mut();
            let description = object.and_then(|schema| {
                // `null` and a list are no values that a path or a query has.
                let default = schema.get("default");
                if default.is_some_and(|value| value.is_null() || value.is_array()) {
                    schema.remove("default");
                }
                schema.remove("description")
            });
            let mut parameter = json!({
                "name": name,
                "in": place,
                "required": place == "path" || required.contains(name.as_str()),
                "schema": schema,
            });
            if let Some(description) = description {
                set(&mut parameter, "description", description);
            }
            parameter
        })
        .collect()
}

/// A parameter's schema without `null`, which no path and no query can say.
fn without_null(mut schema: Value) -> Value {
    let Some(object) = schema.as_object_mut() else {
        return schema;
    };
    let is_null = |value: &Value| value == "null" || value.get("type") == Some(&json!("null"));
    for keyword in ["type", "anyOf", "enum"] {
        if let Some(Value::Array(alternatives)) = object.get_mut(keyword) {
            alternatives.retain(|value| !value.is_null() && !is_null(value));
        }
    }
    if let Some(Value::Array(types)) = object.get("type")
        && let [only] = types.as_slice()
    {
        let only = only.clone();
        object.insert("type".to_owned(), only);
    }
    if let Some(Value::Array(alternatives)) = object.get("anyOf")
        && let [Value::Object(only)] = alternatives.as_slice()
    {
        let only = only.clone();
        object.remove("anyOf");
        object.extend(only);
    }
    schema
}

/// Headers that are no parameters: OpenAPI ignores parameters of these names, and generators warn of
/// them. Media types and security schemes stand for them.
const NO_PARAMETERS: [&str; 3] = ["Accept", "Authorization", "Content-Type"];

/// What the endpoint declares, and what the stack in front of it reads. A response that may be 304 depends
/// on `If-None-Match`.
fn header_parameters(endpoint: &Endpoint) -> Vec<Value> {
    let key = match endpoint.idempotency {
        Idempotency::Key | Idempotency::KeyInHandler => Some("Idempotency-Key"),
        Idempotency::Natural => None,
    };
    let of_gate = match endpoint.closes_for_maintenance() {
        true => &GATE_HEADERS[..],
        false => &[],
    };
    let of_gate = of_gate.iter().copied().filter(|name| {
        let mut declared = endpoint.headers.iter();
        !declared.any(|header| header.eq_ignore_ascii_case(name))
    });
    let validator = endpoint.answers.contains(&304).then_some("If-None-Match");
    let is_parameter = |name: &&str| {
        let mut others = NO_PARAMETERS.iter();
        !others.any(|other| other.eq_ignore_ascii_case(name))
    };
    let declared = endpoint.headers.iter().copied().filter(is_parameter);
    declared
        .chain(validator)
        .chain(of_gate)
        .chain(key)
        .map(|name| {
            json!({"name": name, "in": "header", "required": false, "schema": {"type": "string"}})
        })
        .collect()
}

fn responses(operation: &Operation, problem: &Schema) -> Map<String, Value> {
    let mut responses = Map::new();
    for status in operation.endpoint.answers {
        let reason = extract::status(*status)
            .canonical_reason()
            .unwrap_or("Answer");
        let mut response = json!({"description": reason});
        let has_body = !matches!(status, 204 | 302 | 304);
        if has_body && !operation.answer.is_empty() {
            let content: Map<String, Value> = operation
                .answer
                .iter()
                .map(|(media_type, schema)| {
                    let described = media(media_type, schema.as_ref());
                    ((*media_type).to_owned(), described)
                })
                .collect();
            set(&mut response, "content", Value::Object(content));
        }
        responses.insert(status.to_string(), response);
    }
    let mut refusals: BTreeMap<u16, BTreeSet<&str>> = BTreeMap::new();
    for code in refusals_of(operation) {
        refusals
            .entry(code.status())
            .or_default()
            .insert(code.as_str());
    }
    for (status, codes) in refusals {
        let codes: Vec<_> = codes.into_iter().map(|code| format!("`{code}`")).collect();
        let response = json!({
            "description": codes.join(", "),
            "content": {problem::MEDIA_TYPE: {"schema": problem}},
        });
        responses.insert(status.to_string(), response);
    }
    responses
}

/// Everything the route can refuse: what it declares and what follows from the stack.
pub fn refusals_of(operation: &Operation) -> BTreeSet<Code> {
    let endpoint = &operation.endpoint;
    let mut codes: BTreeSet<Code> = endpoint.problems.iter().copied().collect();
    codes.extend([Code::InvalidQuery, Code::BodyTooLarge, Code::Internal]);
    if operation.path.is_some() {
        codes.insert(Code::InvalidPath);
    }
    if operation.body.is_some() {
        codes.extend([
            Code::MalformedJson,
            Code::UnsupportedMediaType,
            Code::ValidationFailed,
            Code::BodyTooDeep,
        ]);
    }
    codes.extend(refusals_of_callers(endpoint.caller));
    if endpoint.closes_for_maintenance() {
        codes.extend([Code::Maintenance, Code::Unavailable]);
    }
    if endpoint.rate != Rate::Unlimited {
        codes.insert(Code::RateLimited);
    }
    if endpoint.idempotency.takes_key() {
        codes.extend([
            Code::InvalidHeader,
            Code::IdempotencyInFlight,
            Code::IdempotencyKeyReused,
        ]);
    }
    codes
}

/// What whoever is not the caller that the route wants is told.
fn refusals_of_callers(caller: Caller) -> Vec<Code> {
    let any = [Code::TokenMissing, Code::TokenInvalid, Code::Unavailable];
    let member = [
        Code::TokenExpired,
        Code::TokenAudience,
        Code::TokenIssuer,
        Code::MemberBanned,
    ];
    let key = [Code::ServiceKeyInvalid, Code::Forbidden];
    match caller {
        Caller::Public | Caller::Hook => Vec::new(),
        Caller::Member => [&any[..], &member].concat(),
        Caller::Device(_) | Caller::Service(_) | Caller::PublicOrMember(_) => {
            [&any[..], &member, &key].concat()
        }
        Caller::PublicOrOperator(_) | Caller::Operator(_) => [&any[..], &key].concat(),
    }
}

#[cfg(test)]
mod tests;
