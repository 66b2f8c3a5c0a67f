//! The product before a legacy origin: a team moves endpoint by endpoint.

use std::{
    io::{BufReader, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::json;
use tests::{
    courtyard::Courtyard,
    http1::{Request, Response, read_request, write_response},
};

use crate::scenario::{Scenario, device};

/// An old server that has a problem with everything, and remembers it.
struct Old {
    url: String,
    heard: Arc<Mutex<Vec<Request>>>,
}

impl Old {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = BufReader::new(stream);
                while let Ok(Some(request)) = read_request(&mut stream) {
                    kept.lock().unwrap().push(request);
                    let answer = Response::json_text(404, r#"{"detail":"Not found."}"#);
                    write_response(stream.get_mut(), &answer).unwrap();
                    stream.get_mut().flush().unwrap();
                }
            }
        });
        Self { url, heard }
    }

    fn heard(&self) -> Vec<Request> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

fn before(old: &Old) -> Scenario {
    let courtyard = Courtyard::start_with(|options| options.legacy_origin = Some(old.url.clone()));
    Scenario {
        courtyard: courtyard.unwrap(),
    }
}

#[test]
fn our_routes_are_answered_here_and_never_reach_the_old_server() {
    let old = Old::start();
    let scenario = before(&old);
    assert_eq!(scenario.get("/health").status, 200);
    assert_eq!(scenario.get("/health/ready").status, 200);
    assert_eq!(scenario.allocate("top", &device())["fallback"], true);
    assert_eq!(scenario.get("/v1/t/imp/forged").status, 404);
    assert_eq!(
        scenario
            .get("/v1/devices/phone-0-example-0000/profile")
            .status,
        401
    );
    let key = Request::get("/admin/v1/content/campaigns/items");
    assert_eq!(scenario.service(key).status, 200);
    let unknown = scenario.post("/v1/allocations", &json!({"unknown": 1}));
    assert_eq!(unknown.json()["code"], "validation_failed");
    assert!(old.heard().is_empty());
}

#[test]
fn everything_else_is_the_old_servers_to_answer() {
    let old = Old::start();
    let scenario = before(&old);
    for (method, target) in [
        ("GET", "/"),
        ("POST", "/api/v1/ads/?user=%ED%95%9C"),
        ("GET", "/health/"),
        // Ours, by another method.
        ("DELETE", "/health"),
        ("GET", "/v1/allocations"),
        ("PATCH", "/v1/devices/phone-0-example-0000/profile"),
    ] {
        let answer = scenario.send(&Request::new(method, target).body("{}"));
        assert_eq!(
            (answer.status, answer.json()),
            (404, json!({"detail": "Not found."})),
            "{method} {target}"
        );
        let heard = old.heard();
        let heard: Vec<_> = heard
            .iter()
            .map(|request| {
                (
                    request.method.as_str(),
                    request.target.as_str(),
                    &*request.body,
                )
            })
            .collect();
        assert_eq!(heard, [(method, target, &b"{}"[..])]);
    }
}

#[test]
fn what_a_client_claims_of_its_address_does_not_reach_the_old_server() {
    let old = Old::start();
    let scenario = before(&old);
    let claims = [
        "cf-connecting-ip",
        "cloudfront-viewer-address",
        "fastly-client-ip",
        "true-client-ip",
        "x-real-ip",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ];
    let sent = claims
        .iter()
        .fold(Request::get("/old"), |sent, name| {
            sent.header(name, "10.9.8.7")
        })
        .header("connection", "x-secret")
        .header("x-secret", "1")
        .header("host", "api.example")
        .bearer("token");
    scenario.send(&sent);
    let heard = old.heard().remove(0).headers;
    for name in claims.iter().chain(&["connection", "x-secret"]) {
        assert_eq!(heard.get(name), None, "{name}");
    }
    assert_eq!(heard.get("authorization"), Some("Bearer token"));
    assert_eq!(
        heard.get("forwarded"),
        Some("for=10.9.8.7, by=127.0.0.1;for=127.0.0.1;host=api.example;proto=http")
    );
}
