//! Cross-origin rules that API Gateway applies itself
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html>).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::{http1::Request, template::Cors};

/// The gateway's answer to a preflight; `None` if the request is not one.
pub(super) fn preflight(cors: &Cors, request: &Request) -> Option<Response<Bytes>> {
    let origin = request.header("origin")?;
    request.header("access-control-request-method")?;
    if request.method != "OPTIONS" {
        return None;
    }
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if allow_origin(cors, origin, response.headers_mut()) {
        let headers = response.headers_mut();
        list(
            headers,
            header::ACCESS_CONTROL_ALLOW_METHODS,
            &cors.allow_methods,
        );
        list(
            headers,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            &cors.allow_headers,
        );
        if let Some(seconds) = cors.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, seconds.into());
        }
    }
    Some(response)
}

/// Puts the configured headers in place of whatever the function said about origins.
pub(super) fn decorate(cors: &Cors, request: &Request, response: &mut Response<Bytes>) {
    let headers = response.headers_mut();
    for name in [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        header::ACCESS_CONTROL_ALLOW_METHODS,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        header::ACCESS_CONTROL_MAX_AGE,
    ] {
        headers.remove(name);
    }
    if let Some(origin) = request.header("origin")
        && allow_origin(cors, origin, headers)
    {
        list(
            headers,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            &cors.expose_headers,
        );
    }
}

fn allow_origin(cors: &Cors, origin: &str, headers: &mut HeaderMap) -> bool {
    let any = cors.allow_origins.iter().any(|allowed| allowed == "*");
    let named = cors
        .allow_origins
        .iter()
        .any(|allowed| match allowed.strip_suffix("://*") {
            Some(scheme) => origin
                .strip_prefix(scheme)
                .is_some_and(|rest| rest.starts_with("://")),
            None => allowed.eq_ignore_ascii_case(origin),
        });
    let value = match (any, named) {
        (true, _) => Ok(HeaderValue::from_static("*")),
        (false, true) => HeaderValue::try_from(origin),
        (false, false) => return false,
    };
    let Ok(value) = value else { return false };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
    if cors.allow_credentials {
        let yes = HeaderValue::from_static("true");
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    }
    true
}

fn list(headers: &mut HeaderMap, name: header::HeaderName, items: &[String]) {
    if items.is_empty() {
        return;
    }
    if let Ok(value) = HeaderValue::try_from(items.join(",")) {
        headers.insert(name, value);
    }
}
