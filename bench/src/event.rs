//! API Gateway events, payload format 2.0, as small as the real ones are.

use serde_json::{Value, json};

/// A request to a route.
pub(crate) struct Request<'a> {
    /// `GET` and the like.
    pub(crate) method: &'a str,
    /// The route as the template has it.
    pub(crate) route: &'a str,
    /// The path that was called.
    pub(crate) path: &'a str,
    /// The value of its one parameter, by the parameter's name.
    pub(crate) parameter: Option<(&'a str, &'a str)>,
    /// The service key or the access token of the caller.
    pub(crate) key: Option<&'a str>,
    /// The JSON document that was sent.
    pub(crate) body: Option<&'a Value>,
}

impl Request<'_> {
    /// The event that the gateway makes of it.
    pub(crate) fn event(&self) -> Vec<u8> {
        let Self {
            method,
            route,
            path,
            ..
        } = self;
        let mut headers = json!({
            "accept": "*/*",
            "accept-encoding": "gzip",
            "content-type": "application/json",
            "host": "bench.execute-api.ap-northeast-2.amazonaws.com",
            "user-agent": "Madang/3.1 (Android 15)",
            "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793",
            "x-forwarded-for": "203.0.113.9",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        });
        if let (Some(key), Some(headers)) = (self.key, headers.as_object_mut()) {
            headers.insert("authorization".to_owned(), json!(format!("Bearer {key}")));
        }
        let route_key = format!("{method} {route}");
        let mut event = json!({
            "version": "2.0",
            "routeKey": route_key,
            "rawPath": path,
            "rawQueryString": "",
            "headers": headers,
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "bench",
                "domainName": "bench.execute-api.ap-northeast-2.amazonaws.com",
                "domainPrefix": "bench",
                "http": {
                    "method": method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "203.0.113.9",
                    "userAgent": "Madang/3.1 (Android 15)",
                },
                "requestId": "JKJaXmPLvHcESHA=",
                "routeKey": route_key,
                "stage": "$default",
                "time": "01/Jan/2026:12:00:00 +0000",
                "timeEpoch": 1_767_268_800_000_u64,
            },
            "isBase64Encoded": false,
        });
        if let Some(event) = event.as_object_mut() {
            if let Some((name, value)) = self.parameter {
                event.insert("pathParameters".to_owned(), json!({ name: value }));
            }
            if let Some(body) = self.body {
                event.insert("body".to_owned(), json!(body.to_string()));
            }
        }
        event.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_carries_route_parameter_caller_and_body() {
        let body = json!({ "a": 1 });
        let request = Request {
            method: "PUT",
            route: "/v1/devices/{id}/profile",
            path: "/v1/devices/d1/profile",
            parameter: Some(("id", "d1")),
            key: Some("msk_x"),
            body: Some(&body),
        };
        let event: Value = serde_json::from_slice(&request.event()).unwrap();
        assert_eq!(event["routeKey"], "PUT /v1/devices/{id}/profile");
        assert_eq!(event["pathParameters"]["id"], "d1");
        assert_eq!(event["headers"]["authorization"], "Bearer msk_x");
        assert_eq!(event["body"], r#"{"a":1}"#);
    }
}
