//! Release binaries as Lambda runs them: under AWS's own runtime interface emulator, and frozen
//! between invocations as Lambda freezes an environment.
//!
//! Runs with `RELEASE_TESTS=1` and is skipped otherwise: the binaries take minutes to build
//! (`cargo build --release -p health -p device-profiles -p allocations -p app-status`).

use std::{
    collections::BTreeMap,
    env, fs,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::{Value, json};
use tests::{
    courtyard::Courtyard,
    fault::Fault,
    findings::Outcome,
    http1::{self, Request, Response},
    lambda::Lambda,
    project,
    skip::skipped,
};

/// How long the emulator may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Beyond the time after which a snapshot is looked after before it is served (`SNAPSHOT_STALE_S`
/// below): the freeze that matters.
const FROZEN: Duration = Duration::from_millis(2_500);

#[test]
fn binaries_answer_their_events_under_the_runtime_interface_emulator() -> Outcome {
    if !asked_for() {
        return Ok(());
    }
    let Some(emulator) = emulator()? else {
        skipped("the runtime interface emulator is not installed (make tools)");
        return Ok(());
    };
    let courtyard = Courtyard::start()?;
    for (folder, key) in [
        ("health", "commit"),
        ("allocations", "items"),
        ("device-profiles", "updated_at"),
    ] {
        let Some(binary) = binary(folder) else {
            continue;
        };
        let emulated = Emulated::start(&emulator, &binary, &variables(&courtyard, folder)?)?;
        let answer = emulated.invoke(&event(folder, &courtyard)?)?.json();
        let body = body_of(&answer)?;
        assert!(!body[key].is_null(), "{folder}: {body}");
    }
    Ok(())
}

#[test]
fn a_frozen_allocations_answers_from_memory_when_the_database_is_gone() -> Outcome {
    frozen_with_the_database_gone("allocations", |answer| {
        let campaigns = answer["items"].as_array().into_iter().flatten();
        campaigns.map(|item| item["campaign_id"].clone()).collect()
    })
}

#[test]
fn a_frozen_app_status_answers_from_memory_when_the_database_is_gone() -> Outcome {
    frozen_with_the_database_gone("app-status", |answer| {
        json!([answer["status"], answer["update"]["latest_version"]])
    })
}

/// Publishes, invokes, freezes, takes the database away in two ways, thaws, and wants the same
/// answer, read by `said`.
fn frozen_with_the_database_gone(folder: &str, said: fn(&Value) -> Value) -> Outcome {
    if !asked_for() {
        return Ok(());
    }
    let Some(binary) = binary(folder) else {
        return Ok(());
    };
    let courtyard = Courtyard::start()?;
    courtyard.publish("campaigns", &[("house", house_campaign())])?;
    courtyard.publish("app_versions", &[("ios", app_version())])?;
    let mut variables = variables(&courtyard, folder)?;
    variables.insert("SNAPSHOT_REFRESH_S".to_owned(), "1".to_owned());
    variables.insert("SNAPSHOT_STALE_S".to_owned(), "2".to_owned());
    let mut lambda = Lambda::start(&binary, &variables)?;
    let event = event(folder, &courtyard)?;
    let before = answer_of(&mut lambda, &event, said)?;
    assert!(
        before.as_array().is_some_and(|said| !said.is_empty()),
        "{before}"
    );
    for fault in [Fault::Refuse, Fault::Hang] {
        lambda.freeze()?;
        courtyard.database.inject(fault)?;
        courtyard.secrets.inject(fault)?;
        thread::sleep(FROZEN);
        lambda.thaw()?;
        for _ in 0..3 {
            assert_eq!(answer_of(&mut lambda, &event, said)?, before, "{fault:?}");
        }
        courtyard.database.heal()?;
        courtyard.secrets.heal()?;
        assert_eq!(answer_of(&mut lambda, &event, said)?, before, "healed");
    }
    Ok(())
}

fn answer_of(
    lambda: &mut Lambda,
    event: &Value,
    said: fn(&Value) -> Value,
) -> anyhow::Result<Value> {
    let invocation = lambda.invoke(event.to_string())?;
    let answer: Value = serde_json::from_slice(&invocation.payload)?;
    Ok(said(&body_of(&answer)?))
}

/// The document of a 200.
fn body_of(answer: &Value) -> anyhow::Result<Value> {
    let ok = answer.get("statusCode").and_then(Value::as_u64) == Some(200);
    let body = answer.get("body").and_then(Value::as_str).filter(|_| ok);
    Ok(serde_json::from_str(
        body.with_context(|| answer.to_string())?,
    )?)
}

fn asked_for() -> bool {
    let asked = env::var("RELEASE_TESTS").is_ok_and(|value| value == "1");
    if !asked {
        skipped("RELEASE_TESTS=1 runs the release binaries");
    }
    asked
}

/// The binary of a function, built by cargo-lambda for this machine or by cargo; the everyday build
/// where there is no release build, since freezing is the same for both.
fn binary(folder: &str) -> Option<PathBuf> {
    // `scripts/build` writes where template.yaml looks, wherever Cargo's own target directory is.
    let built = project::root().join("target/lambda-x86_64");
    let target = project::target();
    let found = [
        built.join(folder).join("bootstrap"),
        target.join("release").join(folder),
        target.join("debug").join(folder),
    ]
    .into_iter()
    .find(|path| path.exists());
    if found.is_none() {
        skipped(format!(
            "no binary of {folder} (cargo build --release -p {folder})"
        ));
    }
    found
}

/// AWS's runtime interface emulator, out of the SAM CLI in `.tools/`.
fn emulator() -> anyhow::Result<Option<PathBuf>> {
    let libraries = project::root().join(".tools/lib");
    if !libraries.exists() {
        return Ok(None);
    }
    for python in fs::read_dir(libraries)? {
        let path = python?
            .path()
            .join("site-packages/samcli/local/rapid/aws-lambda-rie-x86_64");
        if path.exists() && cfg!(target_arch = "x86_64") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn variables(courtyard: &Courtyard, folder: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let template = project::template()?;
    let function = template
        .functions
        .iter()
        .find(|function| function.folder == folder);
    let function = function.with_context(|| format!("the template has no function {folder}"))?;
    Ok(project::environment(function, &courtyard.services()))
}

/// The function's own event, with the stack's service key in it where it has one.
fn event(folder: &str, courtyard: &Courtyard) -> anyhow::Result<Value> {
    let mut event: Value = serde_json::from_str(&project::read(&format!("events/{folder}.json"))?)?;
    if let Some(header) = event.pointer_mut("/headers/authorization") {
        *header = json!(format!("Bearer {}", courtyard.description().service_key));
    }
    Ok(event)
}

fn house_campaign() -> Value {
    json!({
        "advertiser": "house", "name": "House", "house": true,
        "starts_at": "2020-01-01T00:00:00Z", "tier": 1, "weight": 1,
        "placements": ["lock_screen"], "types": ["image"],
        "consent": "not_required", "no_device": "serve", "caps": [],
        "pacing": "asap", "sampling": "weighted", "click_url": "https://example.com/",
        "creatives": [{"id": "one", "type": "image", "weight": 1, "assets": {"image": "https://example.com/one.png"}}],
    })
}

fn app_version() -> Value {
    json!({
        "platform": "ios", "store": "app_store", "latest": "2.4.1", "min": "2.0.0",
        "store_url": "https://apps.apple.com/app/id1", "message": {"default": "Update"},
    })
}

/// A binary under the emulator. Both end when this is dropped.
struct Emulated {
    emulator: Child,
    url: String,
}

impl Emulated {
    fn start(
        emulator: &PathBuf,
        binary: &PathBuf,
        variables: &BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let (front, runtime) = (free_port()?, free_port()?);
        let emulator = Command::new(emulator)
            .args([
                "--runtime-interface-emulator-address",
                &format!("127.0.0.1:{front}"),
            ])
            .args(["--runtime-api-address", &format!("127.0.0.1:{runtime}")])
            .arg(binary)
            .env_clear()
            .envs(variables)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let emulated = Self {
            emulator,
            url: format!("http://127.0.0.1:{front}"),
        };
        let until = Instant::now() + PATIENCE;
        while http1::Client::connect(&emulated.url).is_err() {
            anyhow::ensure!(Instant::now() < until, "the emulator does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(emulated)
    }

    fn invoke(&self, event: &Value) -> anyhow::Result<Response> {
        let path = "/2015-03-31/functions/function/invocations";
        Ok(http1::send(
            &self.url,
            &Request::new("POST", path).json(event),
        )?)
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        // SIGTERM, so that the emulator ends the function too.
        let pid = rustix::process::Pid::from_child(&self.emulator);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.emulator.wait();
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}
