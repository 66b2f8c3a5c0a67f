//! Signing keys: published, rotated in Secrets Manager's steps, and never missed by anybody.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use aws::{Aws, Endpoints, Keys, Pace, Settings};
use domain::{DeviceKey, RandomId};
use kit::Clock;
use serde_json::{Value, json};
use store::{Database, Issuer, PublishedKeys, SigningKeys, signing_keys::Grant};
use tests::http1::{self, Request, Response};
use upstream::{Secret, SecretsManager, secrets::Freshness};

use crate::{
    people::{Guest, with_environment},
    scenario::{Scenario, eventually},
};

const DEVICE: &str = "phone-1-example-0001";

fn secrets(scenario: &Scenario, operation: &str, input: &Value) -> Response {
    let request = Request::new("POST", "/")
        .header("x-amz-target", &format!("secretsmanager.{operation}"))
        .json(input);
    http1::send(&scenario.courtyard.description().secrets_endpoint, &request).unwrap()
}

const SECRET: &str = "madang/dev/signing-keys";

fn current_version(scenario: &Scenario) -> String {
    let described = secrets(scenario, "DescribeSecret", &json!({ "SecretId": SECRET })).json();
    let versions = described["VersionIdsToStages"].as_object().unwrap().clone();
    let current = |stages: &Value| stages.as_array().unwrap().contains(&json!("AWSCURRENT"));
    let found = versions.into_iter().find(|(_, stages)| current(stages));
    found.unwrap().0
}

/// Rotates, and waits until that is done.
fn rotate(scenario: &Scenario) {
    let begun = secrets(scenario, "RotateSecret", &json!({ "SecretId": SECRET }));
    assert_eq!(begun.status, 200, "{}", begun.text());
    let version = begun.json()["VersionId"].as_str().unwrap().to_owned();
    eventually("the rotation is done", || {
        (current_version(scenario) == version).then_some(())
    });
}

fn published(scenario: &Scenario) -> Vec<Value> {
    let answer = scenario.get("/.well-known/jwks.json");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["keys"].as_array().unwrap().clone()
}

/// What signs tokens, as a process of its own would.
struct Process {
    secret: Secret<SigningKeys>,
    issuer: Issuer,
}

impl Process {
    /// It believes the secret for `ttl`.
    fn start(scenario: &Scenario, ttl: Duration) -> Self {
        let description = scenario.courtyard.description();
        let aws = Aws::new(Settings {
            region: "ap-northeast-2".into(),
            credentials: Keys {
                access_key_id: "tests".into(),
                secret_access_key: "tests".into(),
                session_token: None,
            },
            endpoints: Endpoints {
                dynamodb: Some(description.dynamodb_endpoint.clone()),
                secrets_manager: Some(description.secrets_endpoint.clone()),
                ..Endpoints::default()
            },
            app_name: "tests".into(),
        })
        .unwrap();
        let members = Database::connect(&aws, Pace::NORMAL).table("madang-dev-members");
        let freshness = Freshness {
            ttl,
            stale_limit: Duration::from_secs(86_400),
        };
        Self {
            secret: SecretsManager::connect(&aws).secret(SECRET, freshness, SigningKeys::parse),
            issuer: Issuer::new(
                PublishedKeys::new(members),
                "madang".into(),
                "app".into(),
                Duration::from_secs(900),
            ),
        }
    }

    async fn token(&self) -> String {
        let now = Clock::system().now();
        let mut rng = kit::Random::system().rng();
        let keys = self.secret.get(now).await.unwrap();
        let grant = Grant {
            member: RandomId::new(now, &mut rng),
            session: RandomId::new(now, &mut rng),
            device: Some(DeviceKey::of(&DEVICE.parse().unwrap())),
        };
        let issued = self.issuer.issue(&keys, grant, now, &mut rng).await;
        issued.unwrap().token
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn ask(scenario: &Scenario, device: &str, token: &str) -> Response {
    let target = format!("/v1/devices/{device}/content-config");
    scenario.send(&Request::get(&target).bearer(token))
}

#[test]
fn a_member_reads_what_is_kept_of_their_own_device_and_of_no_other() {
    let scenario = Scenario::start();
    let process = Process::start(&scenario, Duration::from_secs(300));
    let token = runtime().block_on(process.token());
    let own = ask(&scenario, DEVICE, &token);
    assert_eq!(own.status, 200, "{}", own.text());
    assert_eq!(own.header("cache-control"), Some("no-store"));
    let other = ask(&scenario, "phone-2-example-0002", &token);
    assert_eq!(
        (other.status, &other.json()["code"]),
        (403, &json!("forbidden"))
    );
    let insert = |device: &str| {
        let body = json!({ "device_id": device });
        let request = Request::new("POST", "/v1/profiles").bearer(&token);
        scenario.send(&request.json(&body))
    };
    assert_eq!(insert("phone-2-example-0002").status, 403);
    // The token's member was never stored, and nothing is put for a member who is not there.
    let refused = insert(DEVICE);
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (401, &json!("token_invalid"))
    );
    let altered = ask(
        &scenario,
        DEVICE,
        &format!("{}x", token.trim_end_matches('A')),
    );
    assert_eq!(altered.json()["code"], "token_invalid");
    assert_eq!(altered.header("www-authenticate"), Some("Bearer"));
}

#[test]
fn the_keys_are_told_to_whoever_asks_and_may_be_kept_a_while() {
    let scenario = Scenario::start();
    assert_eq!(published(&scenario), Vec::<Value>::new());
    rotate(&scenario);
    let keys = eventually("the keys are read", || {
        let keys = published(&scenario);
        (!keys.is_empty()).then_some(keys)
    });
    assert_eq!(keys.len(), 3, "{keys:?}");
    for key in &keys {
        assert_eq!(
            (&key["kty"], &key["crv"], &key["use"], &key["alg"]),
            (
                &json!("EC"),
                &json!("P-256"),
                &json!("sig"),
                &json!("ES256")
            )
        );
        assert_eq!(key.get("d"), None);
    }
    let answer = scenario.get("/.well-known/jwks.json");
    assert_eq!(answer.header("cache-control"), Some("public, max-age=600"));
    let etag = answer.header("etag").unwrap().to_owned();
    let held = Request::get("/.well-known/jwks.json").header("if-none-match", &etag);
    assert_eq!(scenario.send(&held).status, 304);
}

#[test]
fn four_rotations_under_load_of_two_processes_fail_no_request() {
    let scenario = Scenario::start();
    // One takes a new secret up at once, the other goes on with the one that it has.
    let processes =
        [Duration::ZERO, Duration::from_secs(300)].map(|ttl| Process::start(&scenario, ttl));
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let rotating = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for process in &processes {
            let (scenario, rotating, asked) = (&scenario, &rotating, &asked);
            scope.spawn(move || {
                let runtime = runtime();
                let first = runtime.block_on(process.token());
                while rotating.load(Ordering::SeqCst) {
                    let fresh = runtime.block_on(process.token());
                    for token in [&first, &fresh] {
                        let answer = ask(scenario, DEVICE, token);
                        assert_eq!(answer.status, 200, "{}", answer.text());
                        asked.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        let before = current_version(&scenario);
        for _ in 0..4 {
            rotate(&scenario);
            std::thread::sleep(Duration::from_millis(500));
        }
        assert_ne!(current_version(&scenario), before);
        rotating.store(false, Ordering::SeqCst);
    });
    assert!(asked.into_inner() > 20);
}

#[test]
fn a_rotation_takes_steps_of_a_version_that_was_begun_and_each_as_often_as_it_likes() {
    let scenario = Scenario::start();
    let described = secrets(&scenario, "DescribeSecret", &json!({ "SecretId": SECRET })).json();
    let step = |version: &str, step: &str| {
        let event =
            json!({ "SecretId": described["ARN"], "ClientRequestToken": version, "Step": step });
        let courtyard = &scenario.courtyard;
        let answer = courtyard.invoke("key-rotation", event.to_string().as_bytes());
        answer.map(|answer| answer.json())
    };
    let refused = step("11111111-2222-3333-4444-555555555555", "createSecret").unwrap_err();
    assert!(refused.to_string().contains("is not staged"), "{refused}");
    let arn = described["ARN"].as_str().unwrap();
    let another = arn.replace("signing-keys", "auth-keys");
    let event = json!({ "SecretId": another, "ClientRequestToken": "v", "Step": "createSecret" });
    let courtyard = &scenario.courtyard;
    let refused = courtyard.invoke("key-rotation", event.to_string().as_bytes());
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("is not the secret"), "{refused}");
    rotate(&scenario);
    let (version, keys) = (current_version(&scenario), published(&scenario).len());
    for again in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        let done = step(&version, again).unwrap();
        assert!(done["kid"].is_string(), "{again}: {done}");
    }
    assert_eq!(current_version(&scenario), version);
    assert_eq!(published(&scenario).len(), keys);
}

/// Another stack on the same tables and secrets, as a second process would be.
fn beside(scenario: &Scenario) -> Scenario {
    let description = scenario.courtyard.description();
    with_environment(&[
        ("AWS_ENDPOINT_URL_DYNAMODB", &description.dynamodb_endpoint),
        (
            "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            &description.secrets_endpoint,
        ),
    ])
}

#[test]
fn members_of_two_stacks_notice_nothing_of_four_rotations() {
    let one = Scenario::start();
    let other = beside(&one);
    let owner = Guest::new(&one, DEVICE);
    let rotating = AtomicBool::new(true);
    let turns = std::thread::scope(|scope| {
        let members: Vec<_> = [(&one, &other), (&other, &one)]
            .into_iter()
            .map(|(here, there)| {
                let (owner, rotating) = (&owner, &rotating);
                scope.spawn(move || {
                    let mut member = owner.on(here, DEVICE);
                    let first = member.clone();
                    let mut turns = 0;
                    while rotating.load(Ordering::SeqCst) {
                        member = member.refreshed(here);
                        for (stack, token) in [(here, &member), (there, &member), (there, &first)] {
                            let me = token.get(stack, "/v1/me");
                            assert_eq!(me.status, 200, "{}", me.text());
                            let config = ask(stack, DEVICE, &token.access);
                            assert_eq!(config.status, 200, "{}", config.text());
                        }
                        assert!(!published(there).is_empty());
                        turns += 1;
                    }
                    turns
                })
            })
            .collect();
        let before = current_version(&one);
        for _ in 0..4 {
            rotate(&one);
            std::thread::sleep(Duration::from_millis(500));
        }
        assert_ne!(current_version(&one), before);
        rotating.store(false, Ordering::SeqCst);
        members
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<usize>>()
    });
    assert!(turns.iter().all(|turns| *turns > 4), "{turns:?}");
    // Whoever verifies elsewhere is told of every key that a token may be signed with.
    eventually("both tell all keys", || {
        let (here, there) = (published(&one), published(&other));
        (here.len() >= 3 && here == there).then_some(())
    });
    for stack in [&one, &other] {
        let answer = stack.get("/.well-known/jwks.json");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=600"));
    }
}
