//! A function's answer, payload format 2.0, as an HTTP response.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::http1::json;

/// The response, or `None` where the gateway would say that the function failed: no JSON, a status
/// or a header that HTTP does not have, a body that is not the base64 it claims to be.
pub(super) fn response(payload: &[u8]) -> Option<Response<Bytes>> {
    if !has_status(payload) {
        // Valid JSON without a status is a body of its own.
        serde_json::from_slice::<&RawValue>(payload).ok()?;
        return Some(json(StatusCode::OK, payload.to_vec()));
    }
    let answer: Answer = serde_json::from_slice(payload).ok()?;
    let text = answer.body.unwrap_or_default();
    let body = match answer.is_base64_encoded.unwrap_or(false) {
        true => STANDARD.decode(text).ok()?,
        false => text.into_bytes(),
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code)
        .ok()
        .filter(|status| !status.is_informational())?;
    let headers = response.headers_mut();
    for (name, value) in answer.headers.unwrap_or_default() {
        headers.append(HeaderName::try_from(name).ok()?, header_value(&value)?);
    }
    for (name, values) in answer.multi_value_headers.unwrap_or_default() {
        let name = HeaderName::try_from(name).ok()?;
        if headers.contains_key(&name) {
            continue;
        }
        for value in values {
            headers.append(name.clone(), header_value(&value)?);
        }
    }
    for cookie in answer.cookies.unwrap_or_default() {
        headers.append(header::SET_COOKIE, HeaderValue::try_from(cookie).ok()?);
    }
    if !response.body().is_empty() && !response.headers().contains_key(header::CONTENT_TYPE) {
        let plain = HeaderValue::from_static("text/plain;charset=UTF-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
    }
    Some(response)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    headers: Option<BTreeMap<String, Value>>,
    multi_value_headers: Option<BTreeMap<String, Vec<Value>>>,
    cookies: Option<Vec<String>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

fn has_status(payload: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status<'a> {
        #[serde(borrow)]
        status_code: Option<&'a RawValue>,
    }
    serde_json::from_slice::<Status<'_>>(payload).is_ok_and(|found| found.status_code.is_some())
}

fn header_value(value: &Value) -> Option<HeaderValue> {
    match value {
        Value::String(text) => HeaderValue::try_from(text).ok(),
        Value::Number(_) | Value::Bool(_) => HeaderValue::try_from(value.to_string()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(payload: &Value) -> Response<Bytes> {
        response(payload.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn status_headers_cookies_and_body_are_taken_over() {
        let got = answered(&serde_json::json!({
            "statusCode": 201,
            "headers": {"X-One": "1", "content-type": "application/json", "x-count": 7},
            "multiValueHeaders": {"x-one": ["other"], "x-two": ["a", "b"]},
            "cookies": ["a=1; Path=/", "b=2"],
            "body": "{}",
            "isBase64Encoded": false,
        }));
        assert_eq!(got.status(), 201);
        assert_eq!(got.headers()["x-one"], "1");
        assert_eq!(got.headers()["x-count"], "7");
        assert_eq!(got.headers().get_all("x-two").iter().count(), 2);
        assert_eq!(got.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(got.headers()["content-type"], "application/json");
        assert_eq!(&got.body()[..], b"{}");
    }

    #[test]
    fn base64_bodies_are_decoded() {
        let got = answered(
            &serde_json::json!({"statusCode": 200, "body": "AAH/", "isBase64Encoded": true}),
        );
        assert_eq!(&got.body()[..], &[0, 1, 255]);
        assert_eq!(got.headers()["content-type"], "text/plain;charset=UTF-8");
    }

    #[test]
    fn an_answer_without_a_status_is_json() {
        for text in [
            "{\"a\": 1}",
            "\"text\"",
            "[1, 2]",
            "null",
            "{\"statusCode\": null}",
        ] {
            let got = response(text.as_bytes()).unwrap();
            assert_eq!(got.status(), 200, "{text}");
            assert_eq!(got.headers()["content-type"], "application/json");
            assert_eq!(got.body(), text.as_bytes());
        }
    }

    #[test]
    fn what_http_does_not_have_is_a_function_error() {
        for text in [
            "",
            "{",
            "{\"statusCode\": \"x\"}",
            "{\"statusCode\": 99}",
            "{\"statusCode\": 101}",
            "{\"statusCode\": 200, \"headers\": {\"a b\": \"1\"}}",
            "{\"statusCode\": 200, \"headers\": {\"a\": \"1\\r\\nb: 2\"}}",
            "{\"statusCode\": 200, \"body\": \"%\", \"isBase64Encoded\": true}",
            "{\"statusCode\": 200, \"body\": {}}",
        ] {
            assert!(response(text.as_bytes()).is_none(), "{text}");
        }
    }
}
