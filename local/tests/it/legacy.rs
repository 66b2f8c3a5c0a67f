//! A legacy origin behind the gateway: a real server, which gets what no route takes, and whose
//! answers come back as they are.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use local::Stack;
use serde_json::json;
use tempfile::TempDir;

use crate::wire::{Reply, options, request, send};

/// As the product's template has it.
const TEMPLATE: &str = "
Parameters:
  LegacyOrigin: {Type: String, Default: ''}
Conditions:
  HasLegacyOrigin: !Not [!Equals [!Ref LegacyOrigin, '']]
  HasNoLegacyOrigin: !Equals [!Ref LegacyOrigin, '']
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefinitionBody:
        openapi: 3.0.1
        paths:
          $default:
            x-amazon-apigateway-any-method:
              isDefaultRoute: true
              x-amazon-apigateway-integration: !If
                - HasLegacyOrigin
                - type: http_proxy
                  httpMethod: ANY
                  uri: !Ref LegacyOrigin
                  timeoutInMillis: 20000
                  requestParameters:
                    overwrite:path: $request.path
                    remove:header.X-Trusted-Address: \"''\"
                - {type: aws_proxy, uri: !Sub '${Fallback.Arn}'}
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/echo
      Events:
        One: {Type: HttpApi, Properties: {Method: GET, Path: '/ours/{id}'}}
  Fallback:
    Type: AWS::Serverless::Function
    Condition: HasNoLegacyOrigin
    Properties: {CodeUri: target/lambda/fallback, Events: {Rest: {Type: HttpApi}}}
";

const TEN_MEGABYTES: usize = 10 * 1024 * 1024;

/// A request as the origin read it.
#[derive(Debug, Clone)]
struct Heard {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Heard {
    fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(own, _)| own == name);
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// A server that says the same bytes to every request, and then does what `end` says.
struct Legacy {
    url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

#[derive(Clone, Copy)]
enum End {
    Close,
    Silence,
}

impl Legacy {
    fn says(answer: impl Into<Vec<u8>>) -> Self {
        Self::says_and(answer, End::Close)
    }

    fn says_and(answer: impl Into<Vec<u8>>, end: End) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept) = (answer.into(), Arc::clone(&heard));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, kept) = (answer.clone(), Arc::clone(&kept));
                thread::spawn(move || {
                    let mut stream = stream;
                    if let Some(request) = read(&stream) {
                        kept.lock().unwrap().push(request);
                    }
                    // The gateway may have gone: that is its affair.
                    let _ = stream.write_all(&answer);
                    if let End::Silence = end {
                        let _ = stream.read(&mut [0]);
                    }
                });
            }
        });
        Self { url, heard }
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    fn last(&self) -> Heard {
        self.heard().pop().unwrap()
    }
}

fn read(stream: &TcpStream) -> Option<Heard> {
    let mut stream = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let first = line().filter(|line| !line.is_empty())?;
    let mut headers = Vec::new();
    while let Some(line) = line().filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut heard = Heard {
        line: first,
        headers,
        body: Vec::new(),
    };
    assert!(heard.values("transfer-encoding").is_empty(), "{heard:?}");
    let length = heard
        .values("content-length")
        .first()
        .map_or(0, |length| length.parse().unwrap());
    heard.body.resize(length, 0);
    stream.read_exact(&mut heard.body).ok()?;
    Some(heard)
}

async fn stack(legacy: &Legacy) -> (Stack, TempDir) {
    stack_to(&legacy.url).await
}

async fn stack_to(url: &str) -> (Stack, TempDir) {
    stack_of(TEMPLATE, url).await
}

/// A stack that waits for its origin no longer than half a second.
async fn impatient(legacy: &Legacy) -> (Stack, TempDir) {
    let template = TEMPLATE.replace("timeoutInMillis: 20000", "timeoutInMillis: 500");
    stack_of(&template, &legacy.url).await
}

async fn stack_of(template: &str, url: &str) -> (Stack, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder, template);
    options.legacy_origin = Some(url.to_owned());
    (Stack::start(options).await.unwrap(), folder)
}

async fn get(stack: &Stack, target: &str) -> Reply {
    request(stack.base_url(), "GET", target, &[], b"").await
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn what_no_route_takes_reaches_the_origin_as_it_was_sent() {
    let legacy = Legacy::says(OK);
    let (stack, _folder) = stack(&legacy).await;
    let table = [
        ("GET", "/", "/"),
        (
            "PATCH",
            "/old/%E2%82%AC/a%2Fb%20c?x=%26&x=2&flag&y=a+b",
            "/old/%E2%82%AC/a%2Fb%20c?x=%26&x=2&flag&y=a+b",
        ),
        ("GET", "//x/../y/./z//?", "//x/../y/./z//?"),
        ("OPTIONS", "/a?b[]=1&c={d}|e", "/a?b[]=1&c={d}|e"),
        ("PURGE", "/a;b=c/%zz%", "/a;b=c/%zz%"),
        // What a URI may not hold.
        ("GET", "/<a>?q=\"€\"#f", "/%3Ca%3E?q=%22%E2%82%AC%22%23f"),
        // A path of ours with another method, and nearly a path of ours.
        ("POST", "/ours/1", "/ours/1"),
        ("HEAD", "/ours/1", "/ours/1"),
        ("GET", "/ours/1/", "/ours/1/"),
        ("GET", "/ours/", "/ours/"),
        ("GET", "/ours%2F1", "/ours%2F1"),
    ];
    for (method, sent, expected) in table {
        let reply = request(stack.base_url(), method, sent, &[], b"").await;
        assert_eq!(reply.status, 200, "{method} {sent}");
        assert_eq!(legacy.last().line, format!("{method} {expected} HTTP/1.1"));
    }
    assert_eq!(legacy.heard().len(), table.len());
    stack.stop().await;
}

#[tokio::test]
async fn our_own_routes_never_reach_the_origin() {
    let legacy = Legacy::says(OK);
    let (stack, _folder) = stack(&legacy).await;
    for target in ["/ours/1", "/ours/a%2Fb?x", "/ours/.."] {
        let reply = get(&stack, target).await;
        assert_eq!(reply.json()["event"]["routeKey"], "GET /ours/{id}");
    }
    assert!(legacy.heard().is_empty());
    stack.stop().await;
}

#[tokio::test]
async fn without_an_origin_the_fallback_answers() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(options(&folder, TEMPLATE)).await.unwrap();
    let reply = get(&stack, "/old").await;
    assert_eq!((reply.status, &*reply.body), (404, &b"nothing here"[..]));
    stack.stop().await;
}

#[tokio::test]
async fn bodies_arrive_byte_for_byte() {
    let legacy = Legacy::says(OK);
    let (stack, _folder) = stack(&legacy).await;
    let every_byte: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for method in ["POST", "PUT", "DELETE", "GET"] {
        let typed = [("content-type", "application/octet-stream")];
        request(stack.base_url(), method, "/old", &typed, &every_byte).await;
        let heard = legacy.last();
        assert!(heard.body == every_byte, "{method}");
        assert_eq!(heard.values("content-length"), ["70000"]);
        assert_eq!(heard.values("content-type"), ["application/octet-stream"]);
    }
    let chunked = b"POST /old HTTP/1.1\r\nhost: h\r\nconnection: close\r\nexpect: 100-continue\r\n\
        transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n";
    send(stack.base_url(), chunked).await;
    let heard = legacy.last();
    assert_eq!(
        (heard.body.as_slice(), heard.values("content-length")),
        (&b"abcde"[..], vec!["5"])
    );
    for name in ["expect", "transfer-encoding", "x-trailer"] {
        assert!(heard.values(name).is_empty(), "{name}");
    }
    request(
        stack.base_url(),
        "POST",
        "/old",
        &[("content-length", "0")],
        b"",
    )
    .await;
    assert_eq!(legacy.last().values("content-length"), ["0"]);
    get(&stack, "/old").await;
    assert!(legacy.last().values("content-length").is_empty());

    let largest = vec![b'x'; TEN_MEGABYTES];
    let reply = request(stack.base_url(), "POST", "/old", &[], &largest).await;
    assert_eq!(
        (reply.status, legacy.last().body.len()),
        (200, TEN_MEGABYTES)
    );
    let seen = legacy.heard().len();
    let larger = vec![b'x'; TEN_MEGABYTES + 1];
    let reply = request(stack.base_url(), "POST", "/old", &[], &larger).await;
    assert_eq!((reply.status, legacy.heard().len()), (413, seen));
    stack.stop().await;
}

#[tokio::test]
async fn headers_of_the_connection_and_of_the_inside_do_not_reach_the_origin() {
    let legacy = Legacy::says(OK);
    let (stack, _folder) = stack(&legacy).await;
    let headers = [
        ("Host", "api.example"),
        ("Connection", "x-secret, Forwarded"),
        ("X-Secret", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authorization", "Basic eA=="),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("Upgrade", "websocket"),
        ("X-Trusted-Address", "10.0.0.1"),
        ("X-Forwarded-For", "10.0.0.2"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("Authorization", "Bearer t"),
        ("Cookie", "a=1; b=2"),
        ("X-Twice", "1"),
        ("X-Once", "한"),
        ("x-twice", "2"),
        (
            "X-Amzn-Trace-Id",
            "Root=1-00000000-000000000000000000000001",
        ),
        ("Via", "1.1 cdn"),
    ];
    request(stack.base_url(), "GET", "/old", &headers, b"").await;
    let heard = legacy.last();
    let mut expected = [
        ("authorization", vec!["Bearer t"]),
        ("cookie", vec!["a=1; b=2"]),
        (
            "forwarded",
            vec!["for=10.0.0.2, by=127.0.0.1;for=127.0.0.1;host=api.example;proto=http"],
        ),
        ("host", vec![legacy.url.trim_start_matches("http://")]),
        ("via", vec!["1.1 cdn", "HTTP/1.1 AmazonAPIGateway"]),
        (
            "x-amzn-trace-id",
            vec!["Root=1-00000000-000000000000000000000001"],
        ),
        ("x-once", vec!["한"]),
        ("x-twice", vec!["1", "2"]),
    ];
    for (name, values) in &mut expected {
        assert_eq!(&heard.values(name), values, "{name}");
    }
    let all: usize = expected.iter().map(|(_, values)| values.len()).sum();
    assert_eq!(heard.headers.len(), all, "{heard:?}");
    stack.stop().await;
}

#[tokio::test]
async fn answers_come_back_as_they_are() {
    let table = [
        ("404 Not Found", 404),
        ("405 Method Not Allowed", 405),
        ("302 Found", 302),
        ("301 Moved Permanently", 301),
        ("401 Unauthorized", 401),
        ("500 Internal Server Error", 500),
        ("503 Service Unavailable", 503),
        ("599 Own", 599),
    ];
    for (line, status) in table {
        let answer = format!(
            "HTTP/1.1 {line}\r\nLocation: http://127.0.0.1:9/elsewhere\r\nAllow: GET\r\n\
            Date: Tue, 01 Jan 2030 00:00:00 GMT\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\n\
            Content-Type: text/x-old\r\nX-Old: caf\u{e9}\r\nServer: old\r\n\
            Connection: close, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
            content-length: 4\r\n\r\n\u{0}\u{1}\u{2}\n"
        );
        let legacy = Legacy::says(answer);
        let (stack, _folder) = stack(&legacy).await;
        let reply = get(&stack, "/old").await;
        assert_eq!((reply.status, &*reply.body), (status, &b"\0\x01\x02\n"[..]));
        for (name, value) in [
            ("location", "http://127.0.0.1:9/elsewhere"),
            ("allow", "GET"),
            ("date", "Tue, 01 Jan 2030 00:00:00 GMT"),
            ("set-cookie", "a=1; Path=/|b=2"),
            ("content-type", "text/x-old"),
            ("x-old", "café"),
            ("server", "old"),
            ("connection", "close"),
        ] {
            assert_eq!(reply.headers[name], value, "{line}");
        }
        assert!(reply.headers.contains_key("apigw-requestid"));
        for hop in ["x-hop", "keep-alive"] {
            assert!(!reply.headers.contains_key(hop), "{hop}");
        }
        assert_eq!(
            legacy.heard().len(),
            1,
            "a redirect is the client's to follow"
        );
        stack.stop().await;
    }
}

#[tokio::test]
async fn whatever_frames_an_answer_it_arrives_whole() {
    let table = [
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nt: 1\r\n\r\n",
            200,
            "abcde",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end"),
        (
            "HTTP/1.0 200 OK\r\nX-Old: 1\r\n\r\nuntil the end",
            200,
            "until the end",
        ),
        ("HTTP/1.0 404\r\n\r\n", 404, ""),
        (
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 1\r\n\r\nx",
            201,
            "x",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        (
            "HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\ncontent-length: 9\r\n\r\n",
            304,
            "",
        ),
    ];
    for (answer, status, body) in table {
        let legacy = Legacy::says(answer);
        let (stack, _folder) = stack(&legacy).await;
        let reply = get(&stack, "/old").await;
        let text = String::from_utf8(reply.body).unwrap();
        assert_eq!((reply.status, text.as_str()), (status, body), "{answer}");
        assert!(!reply.headers.contains_key("transfer-encoding"));
        stack.stop().await;
    }
    let mut largest = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    largest.resize(largest.len() + TEN_MEGABYTES, 0xff);
    let legacy = Legacy::says(largest);
    let (stack, _folder) = stack(&legacy).await;
    assert_eq!(get(&stack, "/old").await.body.len(), TEN_MEGABYTES);
    stack.stop().await;
}

#[tokio::test]
async fn an_answer_to_head_says_how_long_its_body_would_be() {
    for (length, expected) in [("content-length: 1234\r\n", Some("1234")), ("", None)] {
        let legacy = Legacy::says(format!("HTTP/1.1 200 OK\r\nx-old: 1\r\n{length}\r\n"));
        let (stack, _folder) = stack(&legacy).await;
        let reply = request(stack.base_url(), "HEAD", "/old", &[], b"").await;
        let told = reply.headers.get("content-length").map(String::as_str);
        assert_eq!((reply.status, told, reply.body.len()), (200, expected, 0));
        assert_eq!(reply.headers["x-old"], "1");
        stack.stop().await;
    }
}

#[tokio::test]
async fn an_origin_that_fails_is_told_as_the_gateway_tells_it() {
    let (close, silence) = (End::Close, End::Silence);
    let mut too_large = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    too_large.resize(too_large.len() + TEN_MEGABYTES + 1, b'x');
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
    let table: [(&str, Vec<u8>, End, u16, &str); 9] = [
        ("closes", b"".to_vec(), close, 503, "Service Unavailable"),
        (
            "dies in its head",
            b"HTTP/1.1 200 OK\r\nx".to_vec(),
            close,
            503,
            "Service Unavailable",
        ),
        (
            "speaks something else",
            b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
            close,
            502,
            "Bad Gateway",
        ),
        (
            "changes the protocol",
            b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n".to_vec(),
            close,
            502,
            "Bad Gateway",
        ),
        ("dies midway", head.into(), close, 502, "Bad Gateway"),
        (
            "dies between chunks",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n".to_vec(),
            close,
            502,
            "Bad Gateway",
        ),
        ("says too much", too_large, close, 502, "Bad Gateway"),
        (
            "is silent",
            b"".to_vec(),
            silence,
            504,
            "Endpoint request timed out",
        ),
        (
            "falls silent midway",
            head.into(),
            silence,
            504,
            "Endpoint request timed out",
        ),
    ];
    for (what, answer, end, status, message) in table {
        let legacy = Legacy::says_and(answer, end);
        let (stack, _folder) = match end {
            End::Close => stack(&legacy).await,
            End::Silence => impatient(&legacy).await,
        };
        let reply = request(stack.base_url(), "POST", "/old", &[], b"pay").await;
        assert_eq!(
            (reply.status, reply.json()),
            (status, json!({ "message": message })),
            "{what}"
        );
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(
            legacy.heard().len(),
            1,
            "{what}: sent once, whatever came of it"
        );
        stack.stop().await;
    }
    // A port where nobody listens any more.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (stack, _folder) = stack_to(&format!("http://{nobody}")).await;
    let reply = get(&stack, "/old").await;
    assert_eq!(
        (reply.status, reply.json()),
        (503, json!({"message": "Service Unavailable"}))
    );
    stack.stop().await;
}

#[tokio::test]
async fn a_hanging_origin_holds_up_nothing_of_ours() {
    let legacy = Legacy::says_and("", End::Silence);
    let (stack, _folder) = impatient(&legacy).await;
    let timed = |target: &'static str| {
        let stack = &stack;
        async move { (get(stack, target).await.status, Instant::now()) }
    };
    let (old, ours) = tokio::join!(timed("/old"), timed("/ours/1"));
    assert_eq!((old.0, ours.0), (504, 200));
    assert!(ours.1 < old.1);
    stack.stop().await;
}

#[tokio::test]
async fn an_origin_that_is_none_is_refused_at_the_start() {
    let refusal = |origin: &str, template: &str| {
        let (folder, origin) = (tempfile::tempdir().unwrap(), origin.to_owned());
        let mut options = options(&folder, template);
        options.legacy_origin = Some(origin);
        async move {
            let refused = Stack::start(options).await.err();
            drop(folder);
            refused.map(|error| error.to_string()).unwrap_or_default()
        }
    };
    for origin in [
        "legacy.example",
        "http://legacy.example/base",
        "ftp://legacy.example",
        "http://:80",
    ] {
        let said = refusal(origin, TEMPLATE).await;
        let expected = format!("LEGACY_ORIGIN: {origin}: expected http:// or https://, a host");
        assert!(said.starts_with(&expected), "{said}");
    }
    let said = refusal("http://127.0.0.1:9", "Resources: {}").await;
    assert!(
        said.contains("no route that would use LegacyOrigin"),
        "{said}"
    );

    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder, TEMPLATE);
    options.port = free;
    options.legacy_origin = Some(format!("http://localhost:{free}"));
    let said = Stack::start(options).await.err().unwrap().to_string();
    assert!(said.contains("that is this stack itself"), "{said}");
}
