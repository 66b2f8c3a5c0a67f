//! `openapi.json` is what the functions say of themselves, and a document that tools can use.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tests::{
    findings::{Findings, Outcome},
    source::Source,
};

use crate::{functions::built, generated};

const DECLARE: &str = "change the endpoint's declaration or its types, then UPDATE=1 cargo test -p tests --test contract";

/// The document of all functions, as `openapi.json` holds it.
pub(crate) fn document() -> anyhow::Result<Value> {
    let built = built()?;
    Ok(kit::openapi::document(
        built.values(),
        env!("CARGO_PKG_VERSION"),
    ))
}

/// Every operation: method, path, and what is said of it.
pub(crate) fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document.get("paths").and_then(Value::as_object);
    let mut operations = Vec::new();
    for (path, methods) in paths.into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            operations.push((method.to_uppercase(), path.clone(), operation));
        }
    }
    operations
}

#[test]
fn the_kept_document_is_what_the_code_says() -> Outcome {
    let text = serde_json::to_string_pretty(&document()?)?;
    generated("openapi.json", &(text + "\n"))
}

#[test]
fn it_is_openapi_3_1_with_every_reference_resolved() -> Outcome {
    let document = document()?;
    let mut findings = Findings::default();
    let version = document
        .get("openapi")
        .and_then(Value::as_str)
        .unwrap_or_default();
    findings.expect(
        version.starts_with("3.1."),
        format!("it is OpenAPI {version}"),
        "kit::openapi writes the version",
    );
    for reference in references(&document) {
        let found = reference
            .strip_prefix('#')
            .and_then(|pointer| document.pointer(pointer));
        findings.expect(
            found.is_some(),
            format!("{reference} leads nowhere"),
            DECLARE,
        );
    }
    let used: BTreeSet<_> = references(&document).into_iter().collect();
    let schemas = document
        .pointer("/components/schemas")
        .and_then(Value::as_object);
    for name in schemas.into_iter().flat_map(|schemas| schemas.keys()) {
        findings.expect(
            used.contains(&format!("#/components/schemas/{name}")),
            format!("the schema {name} is used by nothing"),
            DECLARE,
        );
    }
    findings.done()
}

#[test]
fn every_operation_is_named_once_and_fully_described() -> Outcome {
    let document = document()?;
    let mut findings = Findings::default();
    let mut named: BTreeMap<&str, String> = BTreeMap::new();
    for (method, path, operation) in operations(&document) {
        let here = format!("{method} {path}");
        let id = operation
            .get("operationId")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Some(other) = named.insert(id, here.clone()) {
            findings.note(format!("{here} and {other} are both `{id}`"), DECLARE);
        }
        let summary = operation
            .get("summary")
            .and_then(Value::as_str)
            .unwrap_or_default();
        findings.expect(
            !id.is_empty() && !summary.is_empty(),
            format!("{here} has no id or no summary"),
            DECLARE,
        );
        let inside: BTreeSet<&str> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let parameters = operation.get("parameters").and_then(Value::as_array);
        let parameters: Vec<&Value> = parameters.into_iter().flatten().collect();
        let declared: BTreeSet<&str> = parameters
            .iter()
            .filter(|parameter| parameter.get("in").and_then(Value::as_str) == Some("path"))
            .filter_map(|parameter| parameter.get("name")?.as_str())
            .collect();
        findings.expect(
            inside == declared,
            format!("{here}: its path has {inside:?}, its path type {declared:?}"),
            DECLARE,
        );
        for parameter in parameters {
            let whole = ["name", "in", "schema"]
                .iter()
                .all(|member| parameter.get(member).is_some());
            findings.expect(
                whole,
                format!("{here}: {parameter} is not a parameter"),
                DECLARE,
            );
        }
        let responses = operation.get("responses").and_then(Value::as_object);
        let statuses: Vec<u16> = responses
            .into_iter()
            .flatten()
            .filter_map(|(status, _)| status.parse().ok())
            .collect();
        findings.expect(
            statuses.iter().any(|status| *status < 400),
            format!("{here} has no good answer"),
            DECLARE,
        );
    }
    findings.done()
}

#[test]
fn a_request_takes_no_unknown_members() -> Outcome {
    let document = document()?;
    let mut findings = Findings::default();
    for (method, path, operation) in operations(&document) {
        // What others post to us may grow without anybody asking us.
        if path.starts_with("/hooks/") {
            continue;
        }
        let Some(body) = operation.get("requestBody") else {
            continue;
        };
        let mut open = Vec::new();
        open_objects(&document, body, &mut BTreeSet::new(), &mut open);
        for place in open {
            findings.note(
                format!("{method} {path}: an object of its body takes unknown members: {place}"),
                "put #[serde(deny_unknown_fields)] on the type, then UPDATE=1 cargo test -p tests --test contract",
            );
        }
    }
    findings.done()
}

/// Where two types have one name, the generator gives the second one a number.
#[test]
fn two_schemas_do_not_share_a_name() -> Outcome {
    let document = document()?;
    let schemas = document
        .pointer("/components/schemas")
        .and_then(Value::as_object);
    let names: BTreeSet<&str> = schemas
        .into_iter()
        .flat_map(|schemas| schemas.keys().map(String::as_str))
        .collect();
    let mut findings = Findings::default();
    for name in &names {
        let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
        findings.expect(
            base == *name || !names.contains(base),
            format!("two types are both `{base}`"),
            "rename one of them, or give it #[schemars(rename = …)]",
        );
    }
    let lower: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
    findings.expect(
        lower.len() == names.len(),
        "two schemas differ by case only",
        DECLARE,
    );
    findings.done()
}

#[test]
fn generators_of_clients_have_a_type_for_everything() -> Outcome {
    let document = document()?;
    let mut findings = Findings::default();
    visit(&document, "", &mut |value, at| {
        if value.get("type") == Some(&Value::from("null")) {
            findings.expect(
                at.contains("/anyOf/") || at.contains("/oneOf/"),
                format!("{at} is null and nothing else"),
                "leave the member out, or give it a type beside null",
            );
        }
        let listed = value.get("enum").and_then(Value::as_array);
        let words: Vec<String> = listed
            .into_iter()
            .flatten()
            .filter_map(|word| Some(word.as_str()?.to_lowercase()))
            .collect();
        let different: BTreeSet<&String> = words.iter().collect();
        findings.expect(
            different.len() == words.len(),
            format!("{at} lists a word twice, but for its case"),
            "list one of them; the parser may accept more",
        );
    });
    for (method, path, operation) in operations(&document) {
        let parameters = operation.get("parameters").map(Value::to_string);
        findings.expect(
            !parameters.is_some_and(|parameters| parameters.contains("\"null\"")),
            format!("{method} {path}: a parameter may be null"),
            "kit::openapi takes null out of parameters",
        );
    }
    findings.done()
}

#[test]
fn every_operation_has_its_security_and_a_tag_that_is_described() -> Outcome {
    let document = document()?;
    let tags = document.get("tags").and_then(Value::as_array);
    let described: BTreeSet<&str> = tags
        .into_iter()
        .flatten()
        .filter(|tag| tag.get("description").is_some())
        .filter_map(|tag| tag.get("name")?.as_str())
        .collect();
    let mut findings = Findings::default();
    for (method, path, operation) in operations(&document) {
        findings.expect(
            operation.get("security").is_some_and(Value::is_array),
            format!("{method} {path} does not say who may call"),
            "kit::openapi writes `security` from the endpoint's caller",
        );
        let tags = operation.get("tags").and_then(Value::as_array);
        for tag in tags.into_iter().flatten().filter_map(Value::as_str) {
            findings.expect(
                described.contains(tag),
                format!("{method} {path}: the tag {tag} has no description"),
                "add it to TAGS in shared/kit/src/openapi/mod.rs",
            );
        }
    }
    findings.done()
}

/// Visits a document's values with their places.
fn visit(value: &Value, at: &str, look: &mut impl FnMut(&Value, &str)) {
    look(value, at);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                visit(member, &format!("{at}/{name}"), look);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                visit(item, &format!("{at}/{index}"), look);
            }
        }
        _ => {}
    }
}

#[test]
fn browsers_of_allowed_origins_may_send_what_the_document_names() -> Outcome {
    let source = Source::read()?;
    let document = document()?;
    let api = source.of_type("AWS::Serverless::HttpApi").next();
    let cors = api
        .and_then(|(_, properties)| properties.pointer("/CorsConfiguration/Fn::If/1"))
        .ok_or_else(|| {
            anyhow::anyhow!("the HttpApi has no CorsConfiguration: !If [HasOrigins, …]")
        })?;
    let allowed = |name: &str| -> BTreeSet<String> {
        let listed = cors
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        listed
            .filter_map(|value| Some(value.as_str()?.to_lowercase()))
            .collect()
    };
    let (headers, methods) = (allowed("AllowHeaders"), allowed("AllowMethods"));
    let mut findings = Findings::default();
    // What every browser may send beside: traces, compressed events, the build of the app.
    for name in [
        "content-encoding",
        "traceparent",
        "tracestate",
        "x-app-build",
    ] {
        findings.expect(
            headers.contains(name),
            format!("a browser may not send {name}"),
            format!("in template.yaml, AllowHeaders: add {name}"),
        );
    }
    for (method, path, operation) in operations(&document) {
        findings.expect(
            methods.contains(&method.to_lowercase()),
            format!("{method} {path} cannot be called across origins"),
            format!("in template.yaml, AllowMethods: add {method}"),
        );
        let parameters = operation.get("parameters").and_then(Value::as_array);
        for parameter in parameters.into_iter().flatten() {
            let name = parameter
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_lowercase();
            let is_header = parameter.get("in").and_then(Value::as_str) == Some("header");
            // Browsers send these without asking.
            let simple = matches!(
                name.as_str(),
                "accept" | "accept-language" | "accept-encoding"
            );
            findings.expect(
                !is_header || simple || headers.contains(&name),
                format!("{method} {path} reads {name}, which a browser may not send"),
                format!("in template.yaml, AllowHeaders: add {name}"),
            );
        }
    }
    findings.done()
}

/// Every `$ref` in a document.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let own = members
                .get("$ref")
                .and_then(Value::as_str)
                .map(str::to_owned);
            own.into_iter()
                .chain(members.values().flat_map(references))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Objects that list their members and yet are open, references followed. An object that lists
/// none is a map or is validated by its kind.
fn open_objects(
    document: &Value,
    value: &Value,
    seen: &mut BTreeSet<String>,
    open: &mut Vec<String>,
) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str)
                && seen.insert(reference.to_owned())
                && let Some(target) = reference
                    .strip_prefix('#')
                    .and_then(|pointer| document.pointer(pointer))
            {
                open_objects(document, target, seen, open);
            }
            let lists = members.get("properties").is_some_and(Value::is_object);
            let closed = ["additionalProperties", "unevaluatedProperties"]
                .iter()
                // A schema of their own closes it too: it says which there may be.
                .any(|rule| {
                    matches!(
                        members.get(*rule),
                        Some(Value::Bool(false) | Value::Object(_))
                    )
                });
            if lists && members.contains_key("type") && !closed {
                let names = members.get("properties").and_then(Value::as_object);
                let names: Vec<_> = names
                    .into_iter()
                    .flat_map(|names| names.keys().cloned())
                    .collect();
                open.push(format!("{{{}}}", names.join(", ")));
            }
            for member in members.values() {
                open_objects(document, member, seen, open);
            }
        }
        Value::Array(items) => {
            for item in items {
                open_objects(document, item, seen, open);
            }
        }
        _ => {}
    }
}
