//! `events/<function>.json`: one event per function, of the shape that it really gets, which the
//! local stack answers as it should.

use std::fs;

use anyhow::Context as _;
use kit::Code;
use local::template::Route;
use serde_json::{Value, json};
use tests::{
    courtyard::Courtyard,
    findings::{Findings, Outcome},
    http1::{self, Request},
    project,
};

/// Events whose right answer is a refusal: a token that nobody signed, a path that is nobody's.
const REFUSED: [(&str, Code); 2] = [
    ("fallback", Code::NotFound),
    ("track", Code::TrackingTokenInvalid),
];

/// A worker whose event is rightly answered with a failure: nobody began that rotation.
const NOT_BEGUN: &str = "key-rotation";

const SHAPE: &str = "events/health.json shows the shape (API Gateway payload format 2.0)";

#[test]
fn http_events_are_payload_2_0_of_a_route_of_their_function() -> Outcome {
    let mut findings = Findings::default();
    for function in project::template()?
        .functions
        .iter()
        .filter(|function| !function.routes.is_empty())
    {
        let event = event_of(&function.folder)?;
        for fault in faults_of(&event, &function.routes) {
            findings.note(format!("events/{}.json: {fault}", function.folder), SHAPE);
        }
    }
    findings.done()
}

#[test]
fn worker_events_are_what_their_schedule_sends() -> Outcome {
    let mut findings = Findings::default();
    for function in project::template()?
        .functions
        .iter()
        .filter(|function| function.routes.is_empty())
    {
        let event = event_of(&function.folder)?;
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let is_scheduled = text("source") == "aws.events"
            && text("detail-type") == "Scheduled Event"
            && event.get("detail").is_some_and(Value::is_object);
        findings.expect(
            function.schedules.is_empty() || is_scheduled,
            format!(
                "events/{}.json is not what EventBridge sends on a schedule",
                function.folder
            ),
            "events/roll-up.json shows the shape",
        );
    }
    findings.done()
}

#[test]
fn the_local_stack_answers_every_event() -> Outcome {
    let courtyard = Courtyard::start()?;
    let proofs = proofs(&courtyard)?;
    let mut findings = Findings::default();
    for function in &project::template()?.functions {
        let folder = &function.folder;
        let event = filled_in(&event_of(folder)?, &proofs);
        let answer = courtyard.invoke(folder, event.as_bytes());
        if folder == NOT_BEGUN {
            let why = answer.err().map(|error| error.to_string());
            findings.expect(
                why.is_some_and(|why| why.contains("is not staged for rotation")),
                format!("events/{folder}.json is not refused as a rotation that nobody began"),
                "correct the event, or the function",
            );
            continue;
        }
        let answer = answer?.json();
        if function.routes.is_empty() {
            continue;
        }
        let status = answer
            .get("statusCode")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let refused = REFUSED.iter().find(|(name, _)| name == folder);
        let right = match refused {
            Some((_, code)) => {
                status == u64::from(code.status()) && code_of(&answer) == code.as_str()
            }
            None => (200..400).contains(&status),
        };
        findings.expect(
            right,
            format!("events/{folder}.json is answered with {answer}"),
            "correct the event, or the function",
        );
    }
    findings.done()
}

fn event_of(folder: &str) -> anyhow::Result<Value> {
    let path = project::root().join(format!("events/{folder}.json"));
    let text = fs::read(&path).with_context(|| format!("events/{folder}.json cannot be read"))?;
    serde_json::from_slice(&text).with_context(|| format!("events/{folder}.json is not JSON"))
}

fn faults_of(event: &Value, routes: &[Route]) -> Vec<String> {
    let text = |pointer: &str| {
        event
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let mut faults = Vec::new();
    let mut expect = |holds: bool, fault: String| {
        if !holds {
            faults.push(fault);
        }
    };
    let key = text("/routeKey");
    let (method, raw_path) = (text("/requestContext/http/method"), text("/rawPath"));
    expect(
        text("/version") == "2.0",
        "version is not \"2.0\"".to_owned(),
    );
    expect(
        key == text("/requestContext/routeKey"),
        "the two routeKeys differ".to_owned(),
    );
    expect(
        text("/requestContext/http/path") == raw_path,
        "rawPath and http.path differ".to_owned(),
    );
    expect(
        event.get("rawQueryString").is_some_and(Value::is_string),
        "no rawQueryString".to_owned(),
    );
    expect(
        event.get("isBase64Encoded").is_some_and(Value::is_boolean),
        "no isBase64Encoded".to_owned(),
    );
    expect(
        !text("/requestContext/http/sourceIp").is_empty(),
        "no sourceIp".to_owned(),
    );
    expect(
        !text("/requestContext/requestId").is_empty(),
        "no requestId".to_owned(),
    );
    match routes.iter().find(|route| route.key() == key) {
        None => expect(false, format!("`{key}` is not a route of this function")),
        Some(route) if route.path == "$default" => {}
        Some(route) => {
            expect(route.method == method, format!("http.method is {method}"));
            let (path, named) = filled(&route.path, event);
            expect(
                path == raw_path,
                format!("rawPath is {raw_path}, its parameters make {path}"),
            );
            let given = event.get("pathParameters").and_then(Value::as_object);
            let given = given.map_or(0, serde_json::Map::len);
            expect(
                given == named,
                format!("{given} path parameters are given, {named} are named"),
            );
        }
    }
    faults
}

/// A route's path with the event's parameters in it, and how many it names.
fn filled(path: &str, event: &Value) -> (String, usize) {
    let mut named = 0;
    let parts: Vec<_> = path
        .split('/')
        .map(|part| {
            match part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'))
            {
                Some(name) => {
                    named += 1;
                    let value = event.pointer(&format!("/pathParameters/{name}"));
                    value.and_then(Value::as_str).unwrap_or_default()
                }
                None => part,
            }
        })
        .collect();
    (parts.join("/"), named)
}

/// What stands in events for keys and tokens, and this stack's own in its place.
type Proofs = Vec<(&'static str, String)>;

fn proofs(courtyard: &Courtyard) -> anyhow::Result<Proofs> {
    let stack = courtyard.description();
    let post = |path: &str, body: &Value| -> anyhow::Result<Value> {
        let request = Request::new("POST", path).json(body);
        Ok(courtyard.send(&request)?.json())
    };
    let sandbox = |path: &str, body: &Value| -> anyhow::Result<Value> {
        let request = Request::new("POST", path).json(body);
        Ok(http1::send(&stack.providers_url, &request)?.json())
    };
    let text = |document: &Value, name: &str| {
        let text = document.get(name).and_then(Value::as_str);
        let text = text.with_context(|| format!("no {name} in {document}"));
        text.map(str::to_owned)
    };
    let device = json!({"id": "3f0b6a52-6d0e-4c39-9a57-2f4e1d8c7b60", "platform": "ios"});
    let guest = post("/v1/auth/guest", &json!({ "device": device }))?;
    let challenge = post("/v1/auth/challenges", &json!({}))?;
    let wish = json!({"sub": "1001", "nonce": challenge.get("nonce")});
    let google = sandbox("/google/issue", &wish)?;
    let naver = sandbox("/naver/issue", &json!({"sub": "1002"}))?;
    let told = json!({"sub": "1003", "type": "consent-revoked"});
    let apple = sandbox("/apple/notify", &told)?;
    Ok(vec![
        ("(a service key)", stack.service_key.clone()),
        ("(an access token)", text(&guest, "access_token")?),
        ("(a refresh token)", text(&guest, "refresh_token")?),
        ("(a challenge)", text(&challenge, "challenge_id")?),
        ("(an id token)", text(&google, "id_token")?),
        ("(an access token of Naver)", text(&naver, "access_token")?),
        ("(a token that Apple signed)", text(&apple, "payload")?),
    ])
}

/// The event's text with proofs where it has placeholders for them.
fn filled_in(event: &Value, proofs: &Proofs) -> String {
    let filled =
        |text: String, (placeholder, proof): &(&str, String)| text.replace(placeholder, proof);
    proofs.iter().fold(event.to_string(), filled)
}

fn code_of(answer: &Value) -> String {
    let body = answer
        .get("body")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body.get("code")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn the_check_itself_sees_a_wrong_event() {
    let route = Route {
        method: "GET".to_owned(),
        path: "/v1/devices/{id}/profile".to_owned(),
    };
    let event = json!({"version": "2.0", "routeKey": "GET /v1/devices/{id}/profile", "rawPath": "/v1/devices/b/profile",
        "pathParameters": {"id": "a"}, "requestContext": {"http": {"method": "POST"}}});
    let faults = faults_of(&event, &[route]).join("\n");
    for expected in [
        "routeKeys differ",
        "http.method is POST",
        "its parameters make /v1/devices/a/profile",
        "no requestId",
    ] {
        assert!(faults.contains(expected), "{expected} is not in:\n{faults}");
    }
}
