//! The event that a function is sent: payload format 2.0
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::routes::{Found, decode};
use crate::{
    http1::Request,
    identifier,
    template::{ACCOUNT, API_ID},
};

/// The event as JSON.
pub(super) fn event<T>(
    request: &Request,
    found: &Found<'_, T>,
    request_id: &str,
    trace: &str,
    now: Timestamp,
) -> Vec<u8> {
    let (path, query) = request.path_and_query();
    let path = decode(path);
    let domain = request.header("host").unwrap_or_default();
    let headers = headers(request, trace);
    let event = Event {
        version: "2.0",
        route_key: found.key,
        raw_path: &path,
        raw_query_string: query,
        cookies: cookies(request),
        query_string_parameters: query_parameters(query),
        path_parameters: Some(&found.parameters).filter(|parameters| !parameters.is_empty()),
        request_context: RequestContext {
            account_id: ACCOUNT,
            api_id: API_ID,
            domain_name: domain,
            domain_prefix: domain.split('.').next().unwrap_or_default(),
            http: Http {
                method: &request.method,
                path: &path,
                protocol: "HTTP/1.1",
                source_ip: request.peer.ip().to_string(),
                user_agent: headers.get("user-agent").map_or("", String::as_str),
            },
            request_id,
            route_key: found.key,
            stage: "$default",
            time: now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            time_epoch: now.as_millisecond(),
        },
        body: body(request),
        is_base64_encoded: !request.body.is_empty() && !is_text(request),
        headers: &headers,
    };
    // Strings, numbers and string-keyed maps: there is nothing that JSON could refuse.
    serde_json::to_vec(&event).unwrap_or_default()
}

/// The trace header that the client sent, or a new one.
pub(super) fn trace(request: &Request) -> String {
    request
        .header("x-amzn-trace-id")
        .filter(|value| value.contains("Root="))
        .map_or_else(identifier::trace, str::to_owned)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<&'a str>,
    headers: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_parameters: Option<&'a BTreeMap<&'a str, String>>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'a str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'a str,
    source_ip: String,
    user_agent: &'a str,
}

/// Headers that belong to the connection; cookies have a field of their own.
const NOT_PASSED_ON: [&str; 9] = [
    "connection",
    "cookie",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The request's headers, repeated ones joined by commas, with what the gateway adds.
fn headers(request: &Request, trace: &str) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    let passed_on = request
        .headers
        .iter()
        .filter(|(name, _)| !NOT_PASSED_ON.contains(&name.as_str()));
    for (name, value) in passed_on {
        headers
            .entry(name.clone())
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(value);
            })
            .or_insert_with(|| value.clone());
    }
    let peer = request.peer.ip().to_string();
    let forwarded = match headers.get("x-forwarded-for") {
        Some(earlier) => format!("{earlier}, {peer}"),
        None => peer,
    };
    headers.insert("x-forwarded-for".to_owned(), forwarded);
    headers.insert(
        "x-forwarded-port".to_owned(),
        request.local.port().to_string(),
    );
    headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    headers.insert("x-amzn-trace-id".to_owned(), trace.to_owned());
    if !request.body.is_empty() {
        headers.insert("content-length".to_owned(), request.body.len().to_string());
    }
    headers
}

fn cookies(request: &Request) -> Vec<&str> {
    request
        .headers
        .iter()
        .filter(|(name, _)| name == "cookie")
        .flat_map(|(_, value)| value.split(';'))
        .map(str::trim)
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

/// Decoded, repeated names joined by commas.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode_form(value);
        parameters
            .entry(decode_form(name))
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(&value);
            })
            .or_insert(value);
    }
    parameters
}

/// Like [`decode`], with `+` for a space.
fn decode_form(text: &str) -> String {
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => decoded.into_owned(),
        Err(_) => text.to_owned(),
    }
}

fn body(request: &Request) -> Option<String> {
    if request.body.is_empty() {
        return None;
    }
    match std::str::from_utf8(&request.body) {
        Ok(text) if is_text(request) => Some(text.to_owned()),
        _ => Some(STANDARD.encode(&request.body)),
    }
}

/// What the real gateway hands on as text, found by trying it: `text/*` and three media types;
/// forms, `+json` types and bodies without a type are base64
/// (<https://github.com/ministackorg/ministack/pull/766>).
fn is_text(request: &Request) -> bool {
    let media_type = request
        .header("content-type")
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .unwrap_or_default();
    let known = [
        "application/json",
        "application/javascript",
        "application/xml",
    ];
    let named = media_type.starts_with("text/") || known.contains(&media_type.as_str());
    named && std::str::from_utf8(&request.body).is_ok()
}
