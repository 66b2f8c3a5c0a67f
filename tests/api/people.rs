//! Members as tests meet them: what they hold after signing in, and what they call with it.

use serde_json::{Value, json};
use tests::{
    courtyard::Courtyard,
    http1::{self, Request, Response},
};

use crate::{scenario::Scenario, tracking::items};

/// An id that nobody and nothing has.
pub const NOBODY: &str = "01jd0000000000000000000000";

/// A member who is signed in on a device.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: String,
    pub session: String,
    pub access: String,
    pub refresh: String,
}

/// How a guest comes back.
#[derive(Debug, Clone)]
pub struct Guest {
    pub person: Person,
    id: String,
    secret: String,
}

impl Person {
    /// What a sign-in or a switch to another member answered.
    pub fn of(answer: &Value) -> Self {
        let member = answer["member"]["id"].as_str().expect("a member");
        Self {
            id: member.to_owned(),
            ..Self::with_pair(member, answer)
        }
    }

    fn with_pair(id: &str, pair: &Value) -> Self {
        let text = |name: &str| pair[name].as_str().expect(name).to_owned();
        Self {
            id: id.to_owned(),
            session: text("session_id"),
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }

    /// The same session after a refresh with its last token.
    pub fn refreshed(&self, scenario: &Scenario) -> Self {
        let answer = refresh(scenario, &self.refresh);
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self::with_pair(&self.id, &answer.json())
    }

    pub fn send(&self, scenario: &Scenario, request: Request) -> Response {
        scenario.send(&request.bearer(&self.access))
    }

    pub fn get(&self, scenario: &Scenario, target: &str) -> Response {
        self.send(scenario, Request::get(target))
    }

    pub fn post(&self, scenario: &Scenario, target: &str, body: &Value) -> Response {
        self.send(scenario, Request::new("POST", target).json(body))
    }

    pub fn delete(&self, scenario: &Scenario, target: &str) -> Response {
        self.send(scenario, Request::new("DELETE", target))
    }

    /// `PATCH /v1/me`, whatever the member's version.
    pub fn patch(&self, scenario: &Scenario, body: &Value) -> Response {
        let patch = Request::new("PATCH", "/v1/me").header("if-match", "*");
        self.send(scenario, patch.json(body))
    }

    pub fn named(self, scenario: &Scenario, nickname: &str) -> Self {
        let answer = self.patch(scenario, &json!({ "nickname": nickname }));
        assert_eq!(answer.status, 200, "{nickname}: {}", answer.text());
        self
    }
}

impl Guest {
    /// Somebody new, on a device.
    pub fn new(scenario: &Scenario, device: &str) -> Self {
        let answer = scenario.post("/v1/auth/guest", &json!({ "device": phone(device) }));
        assert_eq!(answer.status, 201, "{}", answer.text());
        let answer = answer.json();
        let text = |name: &str| answer[name].as_str().expect(name).to_owned();
        Self {
            person: Person::of(&answer),
            id: text("guest_id"),
            secret: text("guest_secret"),
        }
    }

    /// Signs in once more.
    pub fn on(&self, scenario: &Scenario, device: &str) -> Person {
        let answer = self.try_on(scenario, device);
        assert_eq!(answer.status, 200, "{}", answer.text());
        Person::of(&answer.json())
    }

    pub fn try_on(&self, scenario: &Scenario, device: &str) -> Response {
        let body = json!({
            "device": phone(device), "guest_id": self.id, "guest_secret": self.secret,
        });
        scenario.post("/v1/auth/guest", &body)
    }
}

/// Somebody new, on a device.
pub fn guest(scenario: &Scenario, device: &str) -> Person {
    Guest::new(scenario, device).person
}

pub fn phone(device: &str) -> Value {
    json!({ "id": device, "platform": "ios" })
}

/// An id token of the sandbox for a made-up user, and the challenge that it answers.
pub fn proof(scenario: &Scenario, provider: &str, sub: &str, claims: Value) -> Value {
    let challenge = scenario.post("/v1/auth/challenges", &json!({}));
    assert_eq!(challenge.status, 201, "{}", challenge.text());
    let challenge = challenge.json();
    let wish = json!({ "sub": sub, "nonce": challenge["nonce"], "claims": claims });
    let issued = issued(scenario, provider, &wish);
    json!({
        "provider": provider,
        "id_token": issued["id_token"],
        "challenge_id": challenge["challenge_id"],
    })
}

/// The tokens that a provider's sandbox gives for a made-up user.
pub fn issued(scenario: &Scenario, provider: &str, wish: &Value) -> Value {
    let issue = Request::new("POST", &format!("/{provider}/issue")).json(wish);
    sandbox(scenario, &issue)
}

/// What the sandboxes of the providers answer.
pub fn sandbox(scenario: &Scenario, request: &Request) -> Value {
    let url = &scenario.courtyard.description().providers_url;
    let answer = http1::send(url, request).expect("the sandbox answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Signs in by a provider's word.
pub fn by(scenario: &Scenario, provider: &str, sub: &str) -> Person {
    Person::of(&by_with(scenario, provider, sub, json!({})))
}

/// The answer to a sign-in by a token with these claims beside.
pub fn by_with(scenario: &Scenario, provider: &str, sub: &str, claims: Value) -> Value {
    let mut body = proof(scenario, provider, sub, claims);
    body["device"] = phone(&format!("{sub}-phone-example-01"));
    let answer = scenario.post("/v1/auth/sign-in", &body);
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    answer.json()
}

pub fn refresh(scenario: &Scenario, token: &str) -> Response {
    scenario.post("/v1/auth/refresh", &json!({ "refresh_token": token }))
}

/// A problem by its status and code.
pub fn told(answer: &Response) -> (u16, String) {
    let code = answer.json()["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (answer.status, code)
}

/// `told` of a refusal, to compare with.
pub fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// The audit's records of an action.
pub fn audited(scenario: &Scenario, action: &str) -> Vec<Value> {
    let records = items(scenario, "OperatorsTable", "audit#", "").into_iter();
    let of = |record: &Value| record["action"]["S"] == action;
    records.filter(of).collect()
}

/// The events that are stored of a member's copied refresh tokens.
pub fn reused(scenario: &Scenario, member: &str) -> Vec<Value> {
    items(
        scenario,
        "MembersTable",
        &format!("member#{member}"),
        "security#",
    )
}

/// A stack whose functions find these variables.
pub fn with_environment(pairs: &[(&str, &str)]) -> Scenario {
    let courtyard = Courtyard::start_with(|options| {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        options.environment.extend(pairs);
    });
    Scenario {
        courtyard: courtyard.expect("the stack starts"),
    }
}

/// Does the same so often at once, each time with its number.
pub fn at_once<T: Send>(times: usize, action: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = std::sync::Barrier::new(times);
    std::thread::scope(|scope| {
        let run = |number| {
            let (action, barrier) = (&action, &barrier);
            scope.spawn(move || {
                barrier.wait();
                action(number)
            })
        };
        let threads: Vec<_> = (0..times).map(run).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}
