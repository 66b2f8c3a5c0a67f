//! What API Gateway does with requests and answers.

use local::Stack;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    functions::PERMITS,
    wire::{options, request, send, stack},
};

const TEMPLATE: &str = "
Resources:
  Api: {Type: AWS::Serverless::HttpApi}
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/echo
      FunctionName: test-echo
      MemorySize: 512
      Events:
        One: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: ANY, Path: '/v1/things/{id}'}}
        Two: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /echo}}
        Three: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: POST, Path: /echo}}
        Four: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: HEAD, Path: /echo}}
  Fallback:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: target/lambda/fallback, Events: {Rest: {Type: HttpApi}}}
  Fails:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/fails
      Events: {One: {Type: HttpApi, Properties: {Method: GET, Path: /fails}}}
  Panics:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/panics
      Events: {One: {Type: HttpApi, Properties: {Method: GET, Path: /panics}}}
  Sleeps:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/sleeps
      Timeout: 1
      Events: {One: {Type: HttpApi, Properties: {Method: GET, Path: /sleeps}}}
  Waits:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/waits
      Timeout: 29
      Events: {One: {Type: HttpApi, Properties: {Method: GET, Path: /waits}}}
";

#[tokio::test]
async fn an_event_says_what_the_client_sent() {
    let (stack, _folder) = stack(TEMPLATE).await;
    let headers = [
        ("Host", "a<b>.example c"),
        ("X-Twice", "1"),
        ("x-twice", "2"),
        ("Cookie", "a=1; b=2"),
        ("User-Agent", "test"),
        ("X-Forwarded-For", "192.0.2.7"),
        (
            "X-Amzn-Trace-Id",
            "Root=1-00000000-000000000000000000000001",
        ),
    ];
    let target = "/v1/things/a%2Fb%23c%00?x=<\"1\">&y=a+b&x=%32&flag";
    let reply = request(stack.base_url(), "PUT", target, &headers, b"").await;
    let answer = reply.json();
    let event = &answer["event"];
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["routeKey"], "ANY /v1/things/{id}");
    assert_eq!(event["rawPath"], "/v1/things/a/b#c\0");
    assert_eq!(event["rawQueryString"], "x=<\"1\">&y=a+b&x=%32&flag");
    assert_eq!(event["pathParameters"], json!({"id": "a/b#c\0"}));
    assert_eq!(
        event["queryStringParameters"],
        json!({"x": "<\"1\">,2", "y": "a b", "flag": ""})
    );
    assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
    assert_eq!(event["isBase64Encoded"], false);
    assert!(event.get("body").is_none());
    let got = &event["headers"];
    assert_eq!(got["host"], "a<b>.example c");
    assert_eq!(got["x-twice"], "1,2");
    assert_eq!(got["x-forwarded-for"], "192.0.2.7, 127.0.0.1");
    assert_eq!(got["x-forwarded-proto"], "http");
    assert_eq!(
        got["x-amzn-trace-id"],
        "Root=1-00000000-000000000000000000000001"
    );
    assert!(got.get("cookie").is_none() && got.get("connection").is_none());
    let context = &event["requestContext"];
    assert_eq!(context["http"]["method"], "PUT");
    assert_eq!(context["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(context["http"]["userAgent"], "test");
    assert_eq!(context["stage"], "$default");
    assert_eq!(context["requestId"], reply.headers["apigw-requestid"]);
    assert!(context["timeEpoch"].as_i64().unwrap() > 1_700_000_000_000);
    let time = context["time"].as_str().unwrap();
    assert_eq!(time.len(), "12/Mar/2020:19:03:58 +0000".len(), "{time}");

    let lambda = &answer["context"];
    assert_eq!(lambda["request_id"].as_str().unwrap().len(), 36);
    assert!(lambda["deadline"].as_u64().unwrap() > context["timeEpoch"].as_u64().unwrap());
    assert_eq!(
        lambda["invoked_function_arn"],
        "arn:aws:lambda:ap-northeast-2:000000000000:function:test-echo"
    );
    assert_eq!(lambda["xray_trace_id"], got["x-amzn-trace-id"]);
    assert_eq!(lambda["env_config"]["memory"], 512);
    stack.stop().await;
}

#[tokio::test]
async fn bodies_are_text_only_where_the_gateway_knows_them_as_text() {
    let (stack, _folder) = stack(TEMPLATE).await;
    let table: [(&str, &[u8], Value, bool); 8] = [
        ("application/json", b"{}", json!("{}"), false),
        (
            "Text/Plain; charset=utf-8",
            b"\xed\x95\x9c",
            json!("한"),
            false,
        ),
        ("application/xml", b"<a/>", json!("<a/>"), false),
        (
            "application/x-www-form-urlencoded",
            b"a=1",
            json!("YT0x"),
            true,
        ),
        ("application/problem+json", b"{}", json!("e30="), true),
        ("application/octet-stream", b"\xff\x00", json!("/wA="), true),
        ("text/plain", b"\xff\x00", json!("/wA="), true),
        ("", b"{}", json!("e30="), true),
    ];
    for (media_type, body, expected, encoded) in table {
        let headers = [("content-type", media_type)];
        let headers = if media_type.is_empty() {
            &[][..]
        } else {
            &headers[..]
        };
        let reply = request(stack.base_url(), "POST", "/echo", headers, body).await;
        let event = &reply.json()["event"];
        assert_eq!(event["body"], expected, "{media_type}");
        assert_eq!(event["isBase64Encoded"], encoded, "{media_type}");
        assert_eq!(event["headers"]["content-length"], body.len().to_string());
    }
    let chunked =
        b"POST /echo HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-type: text/plain\r\n\
        transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let event = &send(stack.base_url(), chunked).await.json()["event"];
    assert_eq!(event["body"], "abcde");
    assert_eq!(event["headers"]["content-length"], "5");
    assert!(event["headers"].get("transfer-encoding").is_none());
    stack.stop().await;
}

#[tokio::test]
async fn answers_become_responses() {
    let (stack, _folder) = stack(TEMPLATE).await;
    let base = stack.base_url();
    let cookies = request(base, "GET", "/echo?as=cookies", &[], b"").await;
    assert_eq!(cookies.headers["set-cookie"], "a=1|b=2");
    assert_eq!(cookies.headers["content-type"], "text/plain;charset=UTF-8");
    assert!(cookies.headers.contains_key("date"));
    let bytes = request(base, "GET", "/echo?as=bytes", &[], b"").await;
    assert_eq!(bytes.body, [255, 0, 1]);
    let plain = request(base, "GET", "/echo?as=plain", &[], b"").await;
    assert_eq!(
        (plain.status, plain.json()),
        (200, json!({"said": "nothing of a status"}))
    );
    assert_eq!(plain.headers["content-type"], "application/json");
    let head = request(base, "HEAD", "/echo?as=bytes", &[], b"").await;
    assert_eq!(
        (head.headers["content-length"].as_str(), head.body.len()),
        ("3", 0)
    );
    let default = request(base, "GET", "/v1/things/", &[], b"").await;
    assert_eq!(
        (default.status, default.body.as_slice()),
        (404, &b"nothing here"[..])
    );
    stack.stop().await;
}

#[tokio::test]
async fn the_gateway_has_errors_of_its_own() {
    let (stack, _folder) = stack(TEMPLATE).await;
    let base = stack.base_url();
    let large = "x".repeat(10_300);
    let table = [
        ("/fails", None, 500, "Internal Server Error"),
        ("/panics", None, 500, "Internal Server Error"),
        ("/echo?as=nonsense", None, 500, "Internal Server Error"),
        ("/sleeps", None, 503, "Service Unavailable"),
        (
            "/echo",
            Some(("x-large", large.as_str())),
            431,
            "Request Header Fields Too Large",
        ),
    ];
    for (target, header, status, message) in table {
        let headers: Vec<_> = header.into_iter().collect();
        let reply = request(base, "GET", target, &headers, b"").await;
        assert_eq!(
            (reply.status, reply.json()),
            (status, json!({ "message": message })),
            "{target}"
        );
        assert_eq!(reply.headers["content-type"], "application/json");
    }
    let below = "x".repeat(10_000);
    let fits = request(base, "GET", "/echo", &[("x-large", &below)], b"").await;
    assert_eq!(fits.status, 200);
    stack.stop().await;
}

#[tokio::test]
async fn what_the_stage_does_not_let_through_reaches_no_function() {
    let settings = "{Type: AWS::Serverless::HttpApi, Properties: {DefaultRouteSettings: \
        {ThrottlingRateLimit: 0.001, ThrottlingBurstLimit: !Ref BurstLimit}}}";
    let template = TEMPLATE.replace("{Type: AWS::Serverless::HttpApi}", settings);
    let folder = tempfile::tempdir().unwrap();
    let text = format!("Parameters: {{BurstLimit: {{Type: Number, Default: 50}}}}\n{template}");
    let mut options = options(&folder, &text);
    options.parameters = [("BurstLimit".to_owned(), "3".to_owned())].into();
    let stack = Stack::start(options).await.unwrap();
    let mut answered = Vec::new();
    for target in ["/echo", "/nowhere", "/fails", "/echo", "/fails"] {
        let reply = request(stack.base_url(), "GET", target, &[], b"").await;
        answered.push(reply.status);
        if reply.status == 429 {
            assert_eq!(reply.body, br#"{"message":"Too Many Requests"}"#);
            assert_eq!(reply.headers["content-type"], "application/json");
            assert!(reply.headers.contains_key("apigw-requestid"));
        }
    }
    assert_eq!(answered, [200, 404, 500, 429, 429]);
    stack.stop().await;
}

#[tokio::test]
async fn what_cannot_be_carried_is_refused_early() {
    let (stack, _folder) = stack(TEMPLATE).await;
    let url = stack.base_url().to_owned();
    // As many run at once whatever the rate is. None of them is completed, so no more are carried.
    let (carried, shed) = (256, 120);
    let mut calls = JoinSet::new();
    for _ in 0..carried + shed {
        let url = url.clone();
        calls.spawn(async move { request(&url, "GET", "/waits", &[], b"").await });
    }
    for _ in 0..shed {
        let reply = calls.join_next().await.unwrap().unwrap();
        assert_eq!(reply.status, 503);
        assert_eq!(reply.headers["content-type"], "application/problem+json");
        let problem = reply.json();
        assert_eq!(problem["code"], "overloaded");
        assert_eq!(problem["trace_id"].as_str().unwrap().len(), 32);
        assert_eq!(reply.headers["retry-after"], "1");
    }
    PERMITS.add_permits(carried);
    while let Some(reply) = calls.join_next().await {
        assert_eq!(reply.unwrap().status, 204);
    }
    let after = request(&url, "GET", "/echo", &[], b"").await;
    assert_eq!(after.status, 200);
    stack.stop().await;
}

#[tokio::test]
async fn a_body_over_ten_megabytes_is_refused_while_it_is_sent() {
    let (stack, _folder) = stack(TEMPLATE).await;
    let reply = request(
        stack.base_url(),
        "POST",
        "/echo",
        &[],
        &vec![b'x'; 10 * 1024 * 1024 + 1],
    )
    .await;
    assert_eq!(
        (reply.status, reply.json()),
        (413, json!({"message": "Request Entity Too Large"}))
    );
    stack.stop().await;
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let (stack, _folder) = stack(TEMPLATE).await;
    let address = stack.base_url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).await.unwrap();
    for _ in 0..3 {
        stream
            .write_all(b"GET /panics HTTP/1.1\r\nhost: h\r\n\r\n")
            .await
            .unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"{\"message\":\"Internal Server Error\"}") {
            let read = stream.read_buf(&mut heard).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&heard));
        }
    }
    stack.stop().await;
}

#[tokio::test]
async fn cross_origin_rules_of_the_template_are_the_gateways() {
    let rules = "{Type: AWS::Serverless::HttpApi, Properties: {CorsConfiguration: \
        {AllowOrigins: ['https://a.example'], AllowMethods: [GET, PUT], AllowHeaders: [x-a], MaxAge: 60}}}";
    let template = TEMPLATE.replace("{Type: AWS::Serverless::HttpApi}", rules);
    let (stack, _folder) = stack(&template).await;
    let preflight = |origin: &'static str| {
        let headers = [("origin", origin), ("access-control-request-method", "PUT")];
        async move { request(stack.base_url(), "OPTIONS", "/v1/things/a", &headers, b"").await }
    };
    let allowed = preflight("https://a.example").await;
    assert_eq!(allowed.status, 204);
    assert_eq!(
        allowed.headers["access-control-allow-origin"],
        "https://a.example"
    );
    assert_eq!(allowed.headers["access-control-allow-methods"], "GET,PUT");
    assert_eq!(allowed.headers["access-control-max-age"], "60");
}

#[tokio::test]
async fn without_cross_origin_rules_a_preflight_is_a_request_like_any_other() {
    let (stack, _folder) = stack(TEMPLATE).await;
    let headers = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "PUT"),
    ];
    let reply = request(stack.base_url(), "OPTIONS", "/v1/things/a", &headers, b"").await;
    assert_eq!(
        reply.json()["event"]["requestContext"]["http"]["method"],
        "OPTIONS"
    );
    assert!(!reply.headers.contains_key("access-control-allow-origin"));
    stack.stop().await;
}

#[tokio::test]
async fn the_page_at_the_root_is_the_local_stacks_alone_and_only_where_it_is_wanted() {
    let (plain, folder) = stack(TEMPLATE).await;
    let without = request(plain.base_url(), "GET", "/", &[], b"").await;
    plain.stop().await;

    let mut with_page = options(&folder, TEMPLATE);
    with_page.home = Some(local::Home { seeded: true });
    let stack = Stack::start(with_page).await.unwrap();
    let page = request(stack.base_url(), "GET", "/", &[], b"").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let text = String::from_utf8(page.body).unwrap();
    let base = stack.base_url();
    for part in [
        format!("href=\"{base}/docs\""),
        format!("href=\"{base}/health\""),
        format!("href=\"{}/\"", stack.description().providers_url),
        format!("href=\"{base}/v1/launch?platform=ios&amp;"),
        "SEED=1".to_owned(),
    ] {
        assert!(text.contains(&part), "{part} is not in {text}");
    }
    assert!(!text.contains(&stack.description().service_key));
    let posted = request(stack.base_url(), "POST", "/", &[], b"").await;
    assert_eq!(posted.status, without.status, "other methods go on");
    stack.stop().await;
}
