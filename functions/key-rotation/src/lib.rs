//! The key-rotation worker: gives the secret of signing keys its next value, in the four steps in
//! which Secrets Manager asks for it (*AWS Secrets Manager User Guide*, "Rotation by Lambda
//! function").
//!
//! | Step | Here |
//! | --- | --- |
//! | `createSecret` | the key that was next becomes the one that signs, and a new next one is made |
//! | `setSecret` | the public halves of all of them are published |
//! | `testSecret` | what is signed with them is verified with what is published |
//! | `finishSecret` | the value becomes the current one, and the key before it is retired |
//!
//! Each step can be run again, and a rotation that was given up leaves nothing but a published key.
#![forbid(unsafe_code)]

mod steps;

use std::time::Duration;

use aws::Pace;
use kit::{
    Faults, Function, Job, Vars,
    config::{ResourceName, Variable},
};
use serde::{Deserialize, Serialize};
use store::{Database, PublishedKeys, edge::LONGEST_TOKEN};
use upstream::{SecretSettings, SecretVersions};

use self::steps::Rotation;
pub use self::steps::RotationError;

const NAME: &str = "key-rotation";

/// A key that is retired is kept for this much longer than anybody can need it, for clocks.
const SPARE: Duration = Duration::from_secs(600);

kit::settings! {
    /// What the worker needs.
    pub struct Settings {
        /// Where public signing keys are kept.
        members_table: ResourceName = "MEMBERS_TABLE", example "madang-dev-members";
        /// The secret with the keys that sign access tokens.
        signing_keys: ResourceName = "SIGNING_KEYS_SECRET", example "madang/dev/signing-keys";
    }
}

/// Every variable that the worker reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SecretSettings::VARIABLES,
    Settings::VARIABLES,
];

/// The worker.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, (secrets, settings), aws) = aws::start(vars, NAME, |vars| {
        Faults::both(SecretSettings::read(vars), Settings::read(vars))
    })?;
    let members = Database::connect(&aws, Pace::NORMAL).table(&settings.members_table.0);
    let rotation = Rotation {
        secret: SecretVersions::connect(&aws, &settings.signing_keys.0),
        published: PublishedKeys::new(members),
        // Whoever issues may sign with a secret that old, and what they sign is good for so long.
        kept_for: secrets.stale_limit.0 + LONGEST_TOKEN + SPARE,
    };
    Ok(kit::worker(
        NAME,
        runtime,
        rotation,
        |rotation, job| async move { run(&rotation, job).await },
    ))
}

/// What it is called with: Secrets Manager's event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    secret_id: String,
    /// The name of the version that is to be made.
    client_request_token: String,
    step: Step,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum Step {
    #[serde(rename = "createSecret")]
    Create,
    #[serde(rename = "setSecret")]
    Set,
    #[serde(rename = "testSecret")]
    Test,
    #[serde(rename = "finishSecret")]
    Finish,
}

/// What came of a step.
#[derive(Debug, Serialize)]
struct Done {
    /// The key that signs in the version that it was about.
    kid: Option<String>,
}

async fn run(rotation: &Rotation, job: Job<Event>) -> Result<Done, RotationError> {
    let Event {
        secret_id,
        client_request_token: version,
        step,
    } = job.event;
    let stages = rotation.stages(&secret_id, &version).await?;
    let now = job.now;
    let stamp = store::Stamp::random(&mut job.random.rng());
    let kid = match step {
        Step::Create => Some(rotation.create(&version, now).await?),
        Step::Set => Some(rotation.publish(&version, stamp).await?),
        Step::Test => rotation.test(&version, now).await?,
        Step::Finish => {
            let finished = rotation.finish(&version, &stages, stamp, now);
            Some(finished.await?)
        }
    };
    tracing::info!(?step, kid, "rotation step done");
    Ok(Done { kid })
}
