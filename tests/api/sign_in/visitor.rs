//! What everybody here does: asks a sandbox for tokens, signs in, and looks what was kept of it.

use serde_json::{Value, json};
use tests::{
    courtyard::Courtyard,
    http1::{self, Request, Response},
};

use crate::scenario::Scenario;

pub(super) const SIGN_IN: &str = "/v1/auth/sign-in";
pub(super) const GUEST: &str = "/v1/auth/guest";

/// Providers with what their apps send.
pub(super) const PROOFS: [(&str, &str); 8] = [
    ("apple", "id_token"),
    ("google", "id_token"),
    ("kakao", "id_token"),
    ("kakao", "access_token"),
    ("naver", "access_token"),
    ("facebook", "id_token"),
    ("facebook", "access_token"),
    ("line", "id_token"),
];

/// Those who sign tokens, with whom their tokens are from and where their keys are.
pub(super) const SIGNING: [(&str, &str, &str); 5] = [
    ("apple", "https://appleid.apple.com", "/apple/auth/keys"),
    (
        "google",
        "https://accounts.google.com",
        "/google/oauth2/v3/certs",
    ),
    (
        "kakao",
        "https://kauth.kakao.com",
        "/kakao/.well-known/jwks.json",
    ),
    (
        "facebook",
        "https://www.facebook.com",
        "/facebook-limited/.well-known/oauth/openid/jwks/",
    ),
    ("line", "https://access.line.me", "/line/oauth2/v2.1/certs"),
];

/// A stack whose functions find these variables changed.
pub(super) fn stack_with(environment: &[(&str, &str)]) -> Scenario {
    let courtyard = Courtyard::start_with(|options| {
        let pairs = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        options.environment.extend(pairs);
    });
    let courtyard = courtyard.expect("the stack starts");
    Scenario { courtyard }
}

pub(super) fn phone() -> Value {
    json!({"id": "phone-1-example-0001", "platform": "ios"})
}

/// A sandbox's answer.
pub(super) fn sandbox(scenario: &Scenario, request: &Request) -> Response {
    http1::send(&scenario.courtyard.description().providers_url, request).expect("a sandbox")
}

/// The tokens that a provider gives for a wish.
pub(super) fn issue(scenario: &Scenario, provider: &str, wish: &Value) -> Value {
    let request = Request::new("POST", &format!("/{provider}/issue")).json(wish);
    let answer = sandbox(scenario, &request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The key set that a provider publishes.
pub(super) fn key_set(scenario: &Scenario, path: &str) -> Value {
    sandbox(scenario, &Request::get(path)).json()
}

/// A new challenge.
pub(super) fn challenge(scenario: &Scenario) -> Value {
    let answer = scenario.send(&Request::new("POST", "/v1/auth/challenges"));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

/// A sign-in with an id token that answers `challenge`; the members of `wish` bend it.
pub(super) fn answering(
    scenario: &Scenario,
    provider: &str,
    challenge: &Value,
    wish: &Value,
) -> Value {
    let mut whole = json!({"sub": "4711", "nonce": challenge["nonce"]});
    for (name, value) in wish.as_object().expect("an object") {
        whole[name] = value.clone();
    }
    let tokens = issue(scenario, provider, &whole);
    json!({
        "provider": provider, "id_token": tokens["id_token"],
        "challenge_id": challenge["challenge_id"], "device": phone(),
    })
}

/// A sign-in with a good proof.
pub(super) fn good(scenario: &Scenario, (provider, proof): (&str, &str), subject: &str) -> Value {
    if proof == "id_token" {
        let challenge = challenge(scenario);
        return answering(scenario, provider, &challenge, &json!({"sub": subject}));
    }
    let tokens = issue(scenario, provider, &json!({"sub": subject}));
    json!({"provider": provider, "access_token": tokens["access_token"], "device": phone()})
}

pub(super) fn sign_in(scenario: &Scenario, body: &Value) -> Response {
    scenario.post(SIGN_IN, body)
}

/// Signs in, which must succeed.
pub(super) fn enter(scenario: &Scenario, body: &Value) -> Value {
    let answer = sign_in(scenario, body);
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    answer.json()
}

/// Asserts a refusal.
pub(super) fn refused(answer: &Response, status: u16, code: &str, what: &str) {
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (status, Some(code)),
        "{what}: {}",
        answer.text()
    );
}

/// Everything in the Members table but what the stack keeps of its own keys.
pub(super) fn kept(scenario: &Scenario) -> Vec<Value> {
    let description = scenario.courtyard.description();
    let authorization = "AWS4-HMAC-SHA256 Credential=test/20260101/ap-northeast-2/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=0";
    let scan = json!({"TableName": description.tables["MembersTable"], "ConsistentRead": true});
    let request = Request::new("POST", "/")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "DynamoDB_20120810.Scan")
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", authorization)
        .body(scan.to_string());
    let answer = http1::send(&description.dynamodb_endpoint, &request).expect("a scan");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let found = answer.json();
    assert_eq!(found.get("LastEvaluatedKey"), None, "more than one page");
    let items = found["Items"].as_array().expect("items").iter();
    items
        .filter(|item| item["pk"]["S"] != "signing-keys")
        .cloned()
        .collect()
}

/// How many members there are.
pub(super) fn members(scenario: &Scenario) -> usize {
    let kept = kept(scenario);
    let members = kept.iter().filter(|item| item["sk"]["S"] == "member");
    members.count()
}

/// Who is found by an identity.
pub(super) fn found(scenario: &Scenario, provider: &str, subject: &str) -> Vec<Value> {
    let target = format!("/admin/v1/members?provider={provider}&subject={subject}");
    let answer = scenario.service_get(&target);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["members"].as_array().expect("a list").clone()
}
