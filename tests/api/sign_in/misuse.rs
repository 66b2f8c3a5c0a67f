//! Bodies that the routes of identity do not take: each fault by its pointer, and nothing is changed.

use serde_json::{Value, json};
use tests::http1::{Request, Response};

use crate::{
    scenario::Scenario,
    sign_in::visitor::{GUEST, SIGN_IN, good, kept, phone, refused, sign_in},
};

const REFRESH: &str = "/v1/auth/refresh";
const SIGN_OUT: &str = "/v1/auth/sign-out";
const LINK: &str = "/v1/me/identities";
const RESOLVE: &str = "/v1/me/identities/resolve";

/// A member who calls.
struct Caller {
    scenario: Scenario,
    access_token: String,
}

impl Caller {
    fn start() -> Self {
        let scenario = Scenario::start();
        let guest = scenario.post(GUEST, &json!({"device": phone()})).json();
        let access_token = guest["access_token"].as_str().unwrap().to_owned();
        Self {
            scenario,
            access_token,
        }
    }

    fn post(&self, target: &str, body: &Value) -> Response {
        let request = Request::new("POST", target).bearer(&self.access_token);
        self.scenario.send(&request.json(body))
    }
}

/// A good body of each route, but for whether what it proves is true.
fn bodies() -> [(&'static str, Value); 6] {
    let proof = json!({
        "provider": "google", "id_token": "a.b.c", "access_token": "abc",
        "authorization_code": "abc", "challenge_id": "abc", "nonce": "abc", "device": phone(),
    });
    [
        (SIGN_IN, proof.clone()),
        (LINK, proof),
        (
            GUEST,
            json!({"guest_id": "a", "guest_secret": "b", "device": phone()}),
        ),
        (REFRESH, json!({"refresh_token": "abc"})),
        (SIGN_OUT, json!({"scope": "local"})),
        (
            RESOLVE,
            json!({"link_ticket": "abc", "choice": "use_other"}),
        ),
    ]
}

/// `body` with another value where `pointer` leads.
fn with(body: &Value, pointer: &str, value: Value) -> Value {
    let mut body = body.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body
}

fn without(body: &Value, name: &str) -> Value {
    let mut body = body.clone();
    body.as_object_mut().unwrap().remove(name);
    body
}

#[test]
fn each_fault_of_a_body_is_told_by_its_pointer_and_changes_nothing() {
    let caller = Caller::start();
    let before = kept(&caller.scenario);
    let mut tries = Vec::new();
    for (target, body) in bodies() {
        for name in ["surprise", "Provider", "__proto__"] {
            let pointer = format!("/{name}");
            tries.push((target, with(&body, &pointer, json!(1)), pointer));
        }
        let names: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        for name in names {
            let pointer = format!("/{name}");
            for wrong in [json!(7), json!(["a"]), json!(true)] {
                tries.push((target, with(&body, &pointer, wrong), pointer.clone()));
            }
        }
    }
    for (target, body) in bodies() {
        let required: &[&str] = match target {
            SIGN_IN => &["provider", "device"],
            LINK => &["provider"],
            GUEST => &["device"],
            REFRESH => &["refresh_token"],
            SIGN_OUT => &["scope"],
            _ => &["link_ticket", "choice"],
        };
        for name in required {
            tries.push((target, without(&body, name), format!("/{name}")));
            tries.push((
                target,
                with(&body, &format!("/{name}"), Value::Null),
                format!("/{name}"),
            ));
        }
    }
    let of = |target: &str| {
        bodies()
            .into_iter()
            .find(|(own, _)| *own == target)
            .unwrap()
            .1
    };
    for (target, pointer, value) in [
        (SIGN_IN, "/provider", json!("myspace")),
        (SIGN_IN, "/provider", json!("Google")),
        (SIGN_IN, "/id_token", json!("x".repeat(70_000))),
        (SIGN_IN, "/access_token", json!("x".repeat(4_097))),
        (SIGN_IN, "/authorization_code", json!("x".repeat(4_097))),
        (SIGN_IN, "/challenge_id", json!("x".repeat(257))),
        (SIGN_IN, "/nonce", json!("x".repeat(257))),
        (SIGN_IN, "/country", json!(410)),
        (SIGN_IN, "/under_14", json!("no")),
        (SIGN_IN, "/guardian_consent", json!(1)),
        (SIGN_IN, "/device/id", json!(["x"])),
        (SIGN_IN, "/device/lmt", json!("yes")),
        (SIGN_IN, "/device/platform", json!(7)),
        (SIGN_IN, "/device/store", json!(["app_store"])),
        (SIGN_IN, "/device/app_version", json!(1.2)),
        (SIGN_IN, "/device/build", json!("12")),
        (SIGN_IN, "/device/os_version", json!(17)),
        (SIGN_IN, "/device/model", json!({})),
        (SIGN_IN, "/device/locale", json!(true)),
        (SIGN_IN, "/device/surprise", json!(1)),
        (LINK, "/id_token", json!("x".repeat(70_000))),
        (LINK, "/provider", json!("myspace")),
        (LINK, "/device/surprise", json!(1)),
        (GUEST, "/guest_id", json!("")),
        (GUEST, "/guest_id", json!("x".repeat(256))),
        (GUEST, "/guest_id", json!("a b")),
        (GUEST, "/guest_secret", json!("x".repeat(129))),
        (GUEST, "/device/platform", json!(["ios"])),
        (GUEST, "/country", json!(82)),
        (REFRESH, "/refresh_token", json!("x".repeat(513))),
        (SIGN_OUT, "/scope", json!("everything")),
        (RESOLVE, "/choice", json!("both")),
        (RESOLVE, "/link_ticket", json!("x".repeat(129))),
    ] {
        tries.push((
            target,
            with(&of(target), pointer, value),
            pointer.to_owned(),
        ));
    }
    for (target, body, pointer) in tries {
        let answer = caller.post(target, &body);
        let what = format!(
            "{target} {}",
            body.to_string().chars().take(200).collect::<String>()
        );
        refused(&answer, 422, "validation_failed", &what);
        let document = answer.json();
        let errors = document["errors"].as_array().expect("errors");
        let told = errors.iter().any(|error| {
            error["pointer"]
                .as_str()
                .is_some_and(|told| told.starts_with(&pointer))
        });
        assert!(told, "{what}: {pointer}: {document}");
    }
    assert_eq!(kept(&caller.scenario), before);
}

#[test]
fn all_faults_of_a_body_are_told_at_once() {
    let scenario = Scenario::start();
    let answer = sign_in(
        &scenario,
        &json!({"provider": "myspace", "nonce": 7, "surprise": 1, "device": {"id": {}, "platform": 1}}),
    );
    refused(&answer, 422, "validation_failed", "many");
    let document = answer.json();
    let mut pointers: Vec<_> = document["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    pointers.sort_unstable();
    let expected = [
        "/device/id",
        "/device/platform",
        "/nonce",
        "/provider",
        "/surprise",
    ];
    assert_eq!(pointers, expected);
}

#[test]
fn a_proof_of_the_wrong_kind_is_asked_for_by_the_right_name() {
    let scenario = Scenario::start();
    for (proof, pointer) in [
        (("apple", "access_token"), "/id_token"),
        (("google", "access_token"), "/id_token"),
        (("line", "access_token"), "/id_token"),
        (("naver", "id_token"), "/access_token"),
    ] {
        let body = json!({"provider": proof.0, proof.1: "a.b.c", "device": phone()});
        let answer = sign_in(&scenario, &body);
        refused(&answer, 422, "validation_failed", &format!("{proof:?}"));
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{proof:?}");
    }
    for provider in [
        "apple", "google", "kakao", "naver", "facebook", "line", "guest",
    ] {
        let answer = sign_in(&scenario, &json!({"provider": provider, "device": phone()}));
        refused(&answer, 422, "validation_failed", provider);
    }
    assert_eq!(kept(&scenario), Vec::<Value>::new());
}

#[test]
fn only_a_body_of_json_is_read() {
    let scenario = Scenario::start();
    for target in [SIGN_IN, GUEST, REFRESH] {
        let send = |kind: &str, body: &str| {
            let request = Request::new("POST", target).header("content-type", kind);
            scenario.send(&request.body(body))
        };
        refused(
            &send("application/json", "{"),
            400,
            "malformed_json",
            target,
        );
        refused(&send("application/json", ""), 400, "malformed_json", target);
        refused(
            &send("application/json", "[]"),
            422,
            "validation_failed",
            target,
        );
        let form = send("application/x-www-form-urlencoded", "provider=google");
        refused(&form, 415, "unsupported_media_type", target);
        let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
        refused(
            &send("application/json", &deep),
            422,
            "body_too_deep",
            target,
        );
        let large = format!("{{\"id_token\":\"{}\"}}", "x".repeat(256 * 1024));
        refused(
            &send("application/json", &large),
            413,
            "body_too_large",
            target,
        );
        let twice = r#"{"device":{"id":"phone-a-example-01","platform":"ios"},"device":{"id":"b","platform":"ios"}}"#;
        refused(
            &send("application/json", twice),
            422,
            "validation_failed",
            target,
        );
    }
    assert_eq!(kept(&scenario), Vec::<Value>::new());
}

#[test]
fn what_is_the_members_own_is_for_nobody_without_a_token() {
    let scenario = Scenario::start();
    let proof = good(&scenario, ("google", "id_token"), "4711");
    for (target, body) in [
        (LINK, &proof),
        (RESOLVE, &json!({"link_ticket": "a", "choice": "use_other"})),
        (SIGN_OUT, &json!({"scope": "global"})),
    ] {
        refused(&scenario.post(target, body), 401, "token_missing", target);
    }
    assert_eq!(kept(&scenario), Vec::<Value>::new());
}
