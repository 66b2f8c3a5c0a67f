//! People who sign up with everything that can be kept of them, and the worker that forgets them.

use std::{collections::BTreeMap, env, process::Command, time::Duration};

use domain::{DeviceKey, identity::NicknameKey};
use kit::Clock;
use local::template::Template;
use serde_json::{Value, json};
use tests::{
    courtyard::Courtyard,
    http1::{self, Request, Response},
    project::{self, Services},
};

use crate::scenario::Scenario;

/// Somebody, as far as a test has to know.
pub struct Leaver {
    pub member: String,
    pub token: String,
    pub guest: Value,
    pub devices: Vec<String>,
    /// What names them at their providers.
    pub subjects: BTreeMap<&'static str, String>,
    /// Whatever must be found nowhere once they are forgotten.
    pub traces: Vec<String>,
}

/// A stack on which members who withdraw can come back for so many days.
pub fn stack(grace_days: u32) -> Scenario {
    let courtyard = Courtyard::start_with(|options| {
        let grace = ("WITHDRAWAL_GRACE_DAYS".to_owned(), grace_days.to_string());
        options.environment.extend([grace]);
    });
    Scenario {
        courtyard: courtyard.expect("the stack starts"),
    }
}

/// What a provider's sandbox answers.
pub fn sandbox(scenario: &Scenario, method: &str, target: &str, body: &Value) -> Value {
    let request = Request::new(method, target).json(body);
    let url = &scenario.courtyard.description().providers_url;
    let answer = http1::send(url, &request).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The tokens of a user at a provider.
pub fn tokens(scenario: &Scenario, provider: &str, sub: &str, nonce: Option<&str>) -> Value {
    let wish = json!({"sub": sub, "nonce": nonce});
    sandbox(scenario, "POST", &format!("/{provider}/issue"), &wish)
}

/// Those of whom a provider was told that they left.
pub fn unlinked(scenario: &Scenario, provider: &str) -> Vec<String> {
    let target = format!("/{provider}/unlinked");
    let told = sandbox(scenario, "GET", &target, &Value::Null);
    let subjects = told["subjects"].as_array().unwrap().iter();
    subjects.map(|sub| text(sub).to_owned()).collect()
}

/// A challenge, and Apple's proof that answers it.
pub fn apple_proof(scenario: &Scenario, sub: &str) -> Value {
    let challenge = scenario.post("/v1/auth/challenges", &json!({}));
    assert_eq!(challenge.status, 201, "{}", challenge.text());
    let challenge = challenge.json();
    let nonce = challenge["nonce"].as_str();
    json!({
        "provider": "apple",
        "id_token": tokens(scenario, "apple", sub, nonce)["id_token"],
        "challenge_id": challenge["challenge_id"],
    })
}

impl Leaver {
    /// Signs up as a guest on two devices, links what can be told of their leaving, and leaves traces
    /// wherever a member can.
    pub fn arrive(scenario: &Scenario, nth: usize) -> Self {
        let devices = [
            format!("phone-of-member-{nth:04}"),
            format!("tablet-of-member-{nth:04}"),
        ];
        let mut leaver = Self::guest(scenario, &devices[0]);
        let again = json!({
            "device": {"id": devices[1], "platform": "ios"},
            "guest_id": leaver.guest["guest_id"], "guest_secret": leaver.guest["guest_secret"],
        });
        let again = scenario.post("/v1/auth/guest", &again);
        assert_eq!(again.status, 200, "{}", again.text());
        leaver.remember(&again.json());
        leaver.use_device(&devices[1]);

        for (provider, sub) in [
            ("apple", format!("apple.user.{nth}")),
            ("kakao", format!("70000{nth:04}")),
            ("facebook", format!("90000{nth:04}")),
        ] {
            let mut proof = json!({"provider": provider});
            if provider == "apple" {
                proof = apple_proof(scenario, &sub);
                // The sandbox takes a user's name for their code.
                proof["authorization_code"] = sub.as_str().into();
            } else {
                proof["access_token"] =
                    tokens(scenario, provider, &sub, None)["access_token"].clone();
            }
            let linked = leaver.call(scenario, "POST", "/v1/me/identities", &proof);
            assert_eq!(linked.status, 201, "{provider}: {}", linked.text());
            leaver.traces.push(sub.clone());
            leaver.subjects.insert(provider, sub);
        }

        let nickname = format!("Minji{nth}ko");
        let patch = Request::new("PATCH", "/v1/me")
            .bearer(&leaver.token)
            .header("if-match", "*")
            .json(&json!({"nickname": nickname, "country": "KR", "attributes": {"clan": "owls"}}));
        let patched = scenario.send(&patch);
        assert_eq!(patched.status, 200, "{}", patched.text());
        leaver
            .traces
            .push(NicknameKey::of(&nickname).as_str().to_owned());
        leaver.traces.push(nickname);

        let exported = leaver.call(scenario, "POST", "/v1/me/exports", &json!({}));
        assert_eq!(exported.status, 202, "{}", exported.text());
        leaver.put_profile(scenario, &devices[0]);
        leaver
    }

    /// Signs up as a guest, and no more.
    pub fn guest(scenario: &Scenario, device: &str) -> Self {
        let body = json!({"device": {"id": device, "platform": "ios", "model": "iPhone16,2"}});
        let signed = scenario.post("/v1/auth/guest", &body);
        assert_eq!(signed.status, 201, "{}", signed.text());
        let guest = signed.json();
        let mut leaver = Self {
            member: text(&guest["member"]["id"]).to_owned(),
            token: text(&guest["access_token"]).to_owned(),
            guest: guest.clone(),
            devices: Vec::new(),
            subjects: BTreeMap::new(),
            traces: Vec::new(),
        };
        for secret in ["guest_id", "guest_secret"] {
            leaver.traces.push(text(&guest[secret]).to_owned());
        }
        leaver.remember(&guest);
        leaver.use_device(device);
        leaver
    }

    fn remember(&mut self, signed: &Value) {
        for secret in ["access_token", "refresh_token", "session_id"] {
            self.traces.push(text(&signed[secret]).to_owned());
        }
    }

    fn use_device(&mut self, device: &str) {
        let key = DeviceKey::of(&device.parse().unwrap());
        self.traces.extend([device.to_owned(), key.to_string()]);
        self.devices.push(device.to_owned());
    }

    pub fn put_profile(&self, scenario: &Scenario, device: &str) {
        let target = format!("/v1/devices/{device}/profile");
        let put = self.call(scenario, "PUT", &target, &json!({"segments": ["new"]}));
        assert_eq!(put.status, 200, "{}", put.text());
    }

    pub fn call(&self, scenario: &Scenario, method: &str, target: &str, body: &Value) -> Response {
        let request = Request::new(method, target).bearer(&self.token);
        scenario.send(&request.json(body))
    }

    pub fn withdraw(&self, scenario: &Scenario) {
        let asked = self.call(scenario, "POST", "/v1/me/withdrawal", &json!({}));
        assert_eq!(asked.status, 202, "{}", asked.text());
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// Where the worker finds what it calls.
pub struct Addresses {
    pub services: Services,
    pub providers: String,
}

/// Tells a process of this test binary that it is the worker, and how many milliseconds its run has;
/// 0 is enough for anything.
pub const IS_WORKER: &str = "PURGE_TEST_WORKER";

/// The worker as a process of its own, whose clock is so many days ahead.
pub fn worker(addresses: &Addresses, days_ahead: u32) -> Command {
    let parameters = [
        ("Stage", "dev"),
        ("AppleClientIds", "com.example.app"),
        ("AppleTeamId", "SANDBOX001"),
        ("AppleKeyId", "SANDBOXKEY"),
        ("KakaoClientIds", "kakao-app-key"),
        ("KakaoAppId", "1000"),
        ("FacebookAppId", "2000"),
    ];
    let origins = [
        ("AppleOrigin", "/apple"),
        ("KakaoApiOrigin", "/kakao-api"),
        ("FacebookGraphOrigin", "/facebook"),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let origins =
        origins.map(|(name, path)| (name.to_owned(), format!("{}{path}", addresses.providers)));
    let parameters: BTreeMap<_, _> = parameters.into_iter().chain(origins).collect();
    let template = Template::read(&project::root().join("template.yaml"), &parameters).unwrap();
    let mut functions = template.functions.iter();
    let function = functions
        .find(|function| function.folder == "withdrawal-purge")
        .expect("the worker");
    let hour = Duration::from_secs(3_600);
    let course = format!("{}@{}", days_ahead * 24 + 1, Clock::system().now() - hour);
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "purge::the_worker_as_a_process", "--nocapture"])
        .env_clear()
        .envs(project::environment(function, &addresses.services))
        .env("CLOCK_COURSE", course)
        .env(IS_WORKER, "0");
    command
}
