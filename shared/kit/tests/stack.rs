//! The whole stack, as the gateway sees it: payload 2.0 events in, responses out.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, its helpers too"
)]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use domain::{DeviceKey, Instant, RandomId};
use garde::Validate;
use http::HeaderMap;
use kit::{
    Api, BoxFuture, Call, Caller, Code, Endpoint, Function, Method, Nothing, Principal, Problem,
    Rate, Reply, Runtime, Vars,
    call::Facts,
    extract::Json as Body,
    middleware::{Authority, Gate, Passed},
};
use lambda_runtime::Context;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Path {
    #[garde(length(chars, min = 1, max = 24))]
    id: String,
}

#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Query {
    #[garde(range(min = 1, max = 10))]
    limit: Option<u8>,
}

#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Sent {
    #[garde(length(chars, max = 5))]
    name: String,
    #[garde(range(min = 1, max = 3))]
    count: u8,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Echo {
    id: String,
    name: String,
    count: u8,
}

const PUT: Endpoint = Endpoint::new(Method::Put, "/things/{id}", "putThing", "Puts a thing");
const GET: Endpoint = Endpoint::new(Method::Get, "/things", "listThings", "Lists things");
const BROKEN: Endpoint =
    Endpoint::new(Method::Get, "/broken", "broken", "Panics").rate(Rate::Unlimited);

fn function(per_minute: &str) -> Function {
    let vars: Vars = [("STAGE", "dev"), ("RATE_LIMIT_ADDRESS_PER_MIN", per_minute)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
    let state = Arc::new(());
    Api::new("things", Runtime::read(&vars).unwrap())
        .route(
            PUT,
            &state,
            |_, call: Call<Path, Nothing, Body<Sent>>| async move {
                let Sent { name, count } = call.body.0;
                Ok(Reply::created(Echo {
                    id: call.path.id,
                    name,
                    count,
                })
                .etag("v1"))
            },
        )
        .route(
            GET,
            &state,
            |_, call: Call<Nothing, Query, Nothing>| async move {
                Ok(Reply::ok(json!({"limit": call.query.limit})).etag("list"))
            },
        )
        .route(
            BROKEN,
            &state,
            |_, _: Call<Nothing, Nothing, Nothing>| async move {
                if true {
                    panic!("a bug");
                }
                Ok::<_, Problem>(Reply::no_content())
            },
        )
        .build()
}

fn event(route_key: &str) -> Value {
    let (method, path) = route_key.split_once(' ').unwrap();
    json!({
        "version": "2.0", "routeKey": route_key, "rawPath": path, "rawQueryString": "",
        "headers": {"host": "api.example.com", "content-type": "application/json"},
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "api.example.com", "requestId": "r-1",
            "routeKey": route_key, "stage": "$default", "time": "t", "timeEpoch": 0,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"},
        },
        "isBase64Encoded": false,
    })
}

async fn send(function: &Function, event: Value) -> (u64, Value, Value) {
    let bytes = Bytes::from(event.to_string());
    let answer = Arc::clone(function)
        .invoke(bytes, Context::default())
        .await
        .unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let text = answer["body"].as_str().filter(|text| !text.is_empty());
    let body = text.map(|text| serde_json::from_str(text).unwrap());
    (
        answer["statusCode"].as_u64().unwrap(),
        body.unwrap_or(Value::Null),
        answer["headers"].clone(),
    )
}

fn put(body: Value) -> Value {
    let mut event = event("PUT /things/{id}");
    event["pathParameters"] = json!({"id": "a"});
    event["body"] = Value::String(body.to_string());
    event
}

#[tokio::test]
async fn a_good_request_reaches_its_handler_typed() {
    let (status, body, headers) =
        send(&function("60"), put(json!({"name": "x", "count": 2}))).await;
    assert_eq!(status, 201);
    assert_eq!(body, json!({"id": "a", "name": "x", "count": 2}));
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["etag"], "\"v1\"");
}

#[tokio::test]
async fn a_bad_body_is_told_all_its_faults_at_once() {
    let (status, body, headers) =
        send(&function("60"), put(json!({"name": "too long", "more": 1}))).await;
    assert_eq!(status, 422);
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(body["code"], "validation_failed");
    assert_eq!(body["trace_id"].as_str().unwrap().len(), 32);
    let faults: Vec<_> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| {
            (
                fault["pointer"].as_str().unwrap(),
                fault["code"].as_str().unwrap(),
            )
        })
        .collect();
    assert!(faults.contains(&("/count", "required")), "{faults:?}");
    assert!(faults.contains(&("/more", "unknown_field")), "{faults:?}");
    assert!(faults.contains(&("/name", "too_long")), "{faults:?}");
}

#[tokio::test]
async fn each_kind_of_bad_body_has_its_own_answer() {
    let function = function("600");
    let deep = "[".repeat(33) + &"]".repeat(33);
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(300_000));
    for (body, content_type, status, code) in [
        ("{", Some("application/json"), 400, "malformed_json"),
        ("", Some("application/json"), 400, "malformed_json"),
        (
            deep.as_str(),
            Some("application/json"),
            422,
            "body_too_deep",
        ),
        (
            large.as_str(),
            Some("application/json"),
            413,
            "body_too_large",
        ),
        ("{}", Some("text/plain"), 415, "unsupported_media_type"),
        ("{}", None, 415, "unsupported_media_type"),
    ] {
        let mut event = put(Value::Null);
        event["body"] = body.into();
        event["headers"]["content-type"] = content_type.into();
        if content_type.is_none() {
            event["headers"]
                .as_object_mut()
                .unwrap()
                .remove("content-type");
        }
        let (answered, document, _) = send(&function, event).await;
        assert_eq!((answered, document["code"].as_str()), (status, Some(code)));
    }
}

#[tokio::test]
async fn a_base64_body_is_read() {
    let mut event = put(Value::Null);
    event["body"] = "eyJuYW1lIjoieCIsImNvdW50IjoxfQ==".into();
    event["isBase64Encoded"] = true.into();
    assert_eq!(send(&function("60"), event).await.0, 201);
}

#[tokio::test]
async fn illegal_paths_queries_and_hosts_are_answered_not_panicked_at() {
    let function = function("600");
    for id in ["", "1234567890123456789012345"] {
        let mut event = put(json!({"name": "x", "count": 1}));
        event["pathParameters"]["id"] = id.into();
        let (status, body, _) = send(&function, event).await;
        assert_eq!(
            (status, &body["code"], &body["errors"][0]["pointer"]),
            (400, &json!("invalid_path"), &json!("/id"))
        );
    }
    for query in [
        "limit=<",
        "limit=\"",
        "limit=%zz",
        "limit=%ff",
        "limit=0",
        "limit=x",
        "limit=1&limit=2",
    ] {
        let mut event = event("GET /things");
        event["rawQueryString"] = query.into();
        let (status, body, _) = send(&function, event).await;
        assert_eq!(
            (status, &body["code"]),
            (400, &json!("invalid_query")),
            "{query}"
        );
    }
    for host in [
        "exa mple",
        "<>",
        "a:b:c",
        "[",
        "",
        "a/b?c#d",
        "\u{fffd}",
        "localhost:99999",
        "localhost:abc",
        ":80",
        "[::1]:99999",
        "a:-1",
    ] {
        let mut event = event("GET /things");
        event["headers"]["host"] = host.into();
        event["rawPath"] = "/things\u{0}<\"% %zz#?".into();
        event["headers"]["x-forwarded-proto"] = "ht tp".into();
        assert_eq!(send(&function, event).await.0, 200, "{host}");
    }
    let mut odd = event("GET /things");
    odd["requestContext"]["domainName"] = "not a domain".into();
    odd["headers"].as_object_mut().unwrap().remove("host");
    assert_eq!(send(&function, odd).await.0, 200);
}

#[tokio::test]
async fn a_panic_is_one_requests_500() {
    let function = function("60");
    let (status, body, _) = send(&function, event("GET /broken")).await;
    assert_eq!((status, &body["code"]), (500, &json!("internal")));
    assert_eq!(body["trace_id"].as_str().unwrap().len(), 32);
    assert!(!body.to_string().contains("a bug"));
    assert_eq!(send(&function, event("GET /things")).await.0, 200);
}

#[tokio::test]
async fn a_reader_that_holds_the_representation_is_told_so() {
    let mut event = event("GET /things");
    event["headers"]["if-none-match"] = "\"list\"".into();
    let (status, body, headers) = send(&function("60"), event).await;
    assert_eq!((status, body), (304, Value::Null));
    assert_eq!(headers["etag"], "\"list\"");
}

#[tokio::test]
async fn too_many_requests_of_an_address_are_refused_with_the_time_to_wait() {
    let function = function("2");
    for _ in 0..2 {
        assert_eq!(send(&function, event("GET /things")).await.0, 200);
    }
    let (status, body, headers) = send(&function, event("GET /things")).await;
    assert_eq!((status, &body["code"]), (429, &json!("rate_limited")));
    assert!(
        headers["retry-after"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            >= 1
    );
    assert!(headers["ratelimit"].as_str().unwrap().contains("r=0"));
    assert_eq!(send(&function, event("GET /broken")).await.0, 500);
}

#[tokio::test]
async fn a_trace_is_taken_up() {
    let mut event = put(json!({}));
    event["headers"]["traceparent"] =
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into();
    let (_, body, _) = send(&function("60"), event).await;
    assert_eq!(body["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(body["instance"], "urn:madang:request:r-1");
}

#[tokio::test]
async fn what_is_no_event_is_a_function_error() {
    let refused = function("60")
        .invoke(Bytes::from("{}"), Context::default())
        .await;
    assert_eq!(refused.unwrap_err().kind, "EventRefused");
}

/// Lets in whoever says the word.
struct Doorkeeper;

impl Gate for Doorkeeper {
    fn admit(
        &self,
        facts: &Facts,
        headers: &HeaderMap,
        _: &[u8],
    ) -> BoxFuture<Result<Passed, Problem>> {
        let known = headers.get("x-device-id").is_some_and(|id| id == "tester");
        let message = serde_json::from_value(json!({"default": "Closed", "ko": "점검"})).unwrap();
        let ends_at = facts.received_at + Duration::from_secs(60);
        let refusal = Problem::maintenance(message, ends_at, facts.received_at);
        let passed = Passed {
            next_boundary: Some(ends_at),
            as_tester: true,
        };
        Box::pin(std::future::ready(if known {
            Ok(passed)
        } else {
            Err(refusal)
        }))
    }
}

/// Believes whatever token says who it is: `<device>` or `banned`.
struct Gullible;

impl Authority for Gullible {
    fn service_key(&self, key: String) -> BoxFuture<Result<Option<Principal>, Problem>> {
        let scopes = vec!["things".to_owned()];
        let known = (key == "msk_known").then(|| Principal::Service {
            id: "ci".to_owned(),
            scopes,
        });
        Box::pin(std::future::ready(Ok(known)))
    }

    fn access_token(&self, token: String, _: Instant) -> BoxFuture<Result<Principal, Problem>> {
        let answer = match token.as_str() {
            "old" => Err(Problem::new(Code::TokenExpired)),
            "banned" => {
                let message = json!({"default": "Out", "ko": "차단됨"});
                Err(Problem::banned(
                    serde_json::from_value(message).unwrap(),
                    None,
                ))
            }
            device => Ok(Principal::Member {
                id: RandomId::from_bytes([1; 16]),
                session: RandomId::from_bytes([2; 16]),
                device: Some(DeviceKey::of(&device.parse().unwrap())),
            }),
        };
        Box::pin(std::future::ready(answer))
    }
}

fn guarded() -> Function {
    const ME: Endpoint =
        Endpoint::new(Method::Patch, "/me", "patchMe", "Me").caller(Caller::Member);
    const DEVICE: Endpoint = Endpoint::new(Method::Get, "/devices/{id}", "getDevice", "A device")
        .caller(Caller::Device("things"));
    const NEWS: Endpoint = Endpoint::new(Method::Get, "/news", "getNews", "What is new")
        .caller(Caller::PublicOrMember("news:read"));
    let vars: Vars = [("STAGE".to_owned(), "dev".to_owned())]
        .into_iter()
        .collect();
    let state = Arc::new(());
    Api::new("guarded", Runtime::read(&vars).unwrap())
        .authority(Arc::new(Gullible))
        .route(
            ME,
            &state,
            |_, call: Call<Nothing, Nothing, Nothing>| async move {
                call.principal.member()?;
                Ok(Reply::ok(json!({"who": call.principal.name()})))
            },
        )
        .route(
            DEVICE,
            &state,
            |_, call: Call<Path, Nothing, Nothing>| async move {
                Ok(Reply::ok(
                    json!({"who": call.principal.name(), "id": call.path.id}),
                ))
            },
        )
        .route(
            NEWS,
            &state,
            |_, call: Call<Nothing, Nothing, Nothing>| async move {
                Ok(Reply::ok(json!({"who": call.principal.name()})))
            },
        )
        .build()
}

async fn as_caller(route: &str, token: Option<&str>) -> (u64, Value, Value) {
    let mut event = event(route);
    if route.contains("{id}") {
        event["pathParameters"] = json!({"id": "phone-1-example-0001"});
    }
    event["headers"]["accept-language"] = "ko-KR,ko;q=0.9".into();
    if let Some(token) = token {
        event["headers"]["authorization"] = format!("Bearer {token}").into();
    }
    send(&guarded(), event).await
}

#[tokio::test]
async fn a_members_route_takes_access_tokens_only() {
    let (status, body, headers) = as_caller("PATCH /me", Some("phone-2-example-0002")).await;
    let member = RandomId::from_bytes([1; 16]);
    assert_eq!(
        (status, &body["who"]),
        (200, &json!(format!("member:{member}")))
    );
    assert_eq!(headers["cache-control"], "no-store");
    for (token, status, code) in [
        (None, 401, "token_missing"),
        (Some("old"), 401, "token_expired"),
        (Some("msk_known"), 401, "token_invalid"),
        (Some("banned"), 403, "member_banned"),
    ] {
        let (answered, body, headers) = as_caller("PATCH /me", token).await;
        assert_eq!((answered, body["code"].as_str()), (status, Some(code)));
        let challenged = headers["www-authenticate"] == "Bearer";
        assert_eq!(challenged, status == 401, "{code}");
        let told = (code == "member_banned").then_some("차단됨");
        assert_eq!(body["message"].as_str(), told);
    }
}

#[tokio::test]
async fn a_devices_route_takes_its_own_members_and_keys_with_the_scope() {
    for (token, status, code) in [
        ("phone-1-example-0001", 200, None),
        ("msk_known", 200, None),
        ("phone-2-example-0002", 403, Some("forbidden")),
        ("msk_other", 401, Some("service_key_invalid")),
    ] {
        let (answered, body, _) = as_caller("GET /devices/{id}", Some(token)).await;
        assert_eq!((answered, body["code"].as_str()), (status, code), "{token}");
    }
}

#[tokio::test]
async fn a_public_route_that_knows_members_takes_anyone_and_refuses_bad_tokens() {
    let member = format!("member:{}", RandomId::from_bytes([1; 16]));
    for (token, who) in [
        (None, "anonymous"),
        (Some("phone-1-example-0001"), member.as_str()),
        (Some("msk_known"), "service:ci"),
    ] {
        let (status, body, _) = as_caller("GET /news", token).await;
        assert_eq!((status, body["who"].as_str()), (200, Some(who)));
    }
    for (token, status, code) in [
        ("old", 401, "token_expired"),
        ("banned", 403, "member_banned"),
        ("msk_other", 401, "service_key_invalid"),
    ] {
        let (answered, body, _) = as_caller("GET /news", Some(token)).await;
        assert_eq!((answered, body["code"].as_str()), (status, Some(code)));
    }
}

#[tokio::test]
async fn a_gate_closes_the_routes_that_are_for_users_before_anybody_asks_who_calls() {
    const CLOSED: Endpoint =
        Endpoint::new(Method::Get, "/closed", "getClosed", "Closed").caller(Caller::Member);
    const OPEN: Endpoint =
        Endpoint::new(Method::Get, "/open", "getOpen", "Always there").during_maintenance();
    const ADMIN: Endpoint = Endpoint::new(Method::Get, "/admin", "getAdmin", "For operators")
        .caller(Caller::Operator("things"));
    let vars: Vars = [("STAGE".to_owned(), "dev".to_owned())]
        .into_iter()
        .collect();
    let state = Arc::new(());
    let answer = |_, _: Call<Nothing, Nothing, Nothing>| async { Ok(Reply::ok(json!({}))) };
    let function = Api::new("gated", Runtime::read(&vars).unwrap())
        .gate(Arc::new(Doorkeeper))
        .authority(Arc::new(Gullible))
        .route(CLOSED, &state, answer)
        .route(OPEN, &state, answer)
        .route(ADMIN, &state, answer)
        .build();
    assert!(function.has_gate());
    let at = |route: &str, device: &str| {
        let mut event = event(route);
        event["headers"]["x-device-id"] = device.into();
        event["headers"]["accept-language"] = "ko".into();
        event
    };
    let (status, body, headers) = send(&function, at("GET /closed", "anybody")).await;
    assert_eq!((status, &body["code"]), (503, &json!("maintenance")));
    assert_eq!(
        (&body["message"], &headers["retry-after"]),
        (&json!("점검"), &json!("60"))
    );
    for (query, told) in [
        ("locale=en", "Closed"),
        ("locale=ko-KR", "점검"),
        ("locale=!", "점검"),
    ] {
        let mut event = at("GET /closed", "anybody");
        event["rawQueryString"] = query.into();
        let (_, body, _) = send(&function, event).await;
        assert_eq!(body["message"], told, "{query}");
    }
    let (status, body, _) = send(&function, at("GET /closed", "tester")).await;
    assert_eq!((status, &body["code"]), (401, &json!("token_missing")));
    assert_eq!(send(&function, at("GET /open", "anybody")).await.0, 200);
    let mut operator = at("GET /admin", "anybody");
    operator["headers"]["authorization"] = "Bearer msk_known".into();
    assert_eq!(send(&function, operator).await.0, 200);
}
