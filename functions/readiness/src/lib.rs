//! `GET /health/ready`: does everything that the product depends on answer?
//!
//! Every dependency is asked at the same time and within 1.2 seconds, so that there is an
//! answer within two whatever hangs.
#![forbid(unsafe_code)]

use std::{future::Future, sync::Arc, time::Duration};

use aws::Pace;
use domain::{Instant, content::Kind, tracking::Keys};
use futures_util::future::{BoxFuture, join_all};
use kit::{
    Call, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::{ResourceName, Variable},
    problem::Chain,
    reply::Json,
};
use schemars::JsonSchema;
use serde::Serialize;
use store::{Blobs, Database, Table, Versions};
use tokio::time;
use upstream::{Secret, unkept};

const NAME: &str = "readiness";

/// The longest that a dependency is waited for.
const PATIENCE: Duration = Duration::from_millis(1_200);

const GET: Endpoint = Endpoint::new(
    Method::Get,
    "/health/ready",
    "getReadiness",
    "Whether everything that the product depends on answers",
)
.answers(&[200, 503])
.during_maintenance();

kit::settings! {
    /// What is asked.
    pub struct Settings {
        /// Where published content is kept.
        content_table: ResourceName = "CONTENT_TABLE", example "madang-dev-content";
        /// The bucket of compiled content.
        blobs_bucket: ResourceName = "BLOBS_BUCKET", example "madang-dev-blobs-000000000000";
        /// Where members are kept.
        members_table: ResourceName = "MEMBERS_TABLE", example "madang-dev-members";
        /// Where service keys are kept.
        operators_table: ResourceName = "OPERATORS_TABLE", example "madang-dev-operators";
        /// Where devices are kept.
        devices_table: ResourceName = "DEVICES_TABLE", example "madang-dev-devices";
        /// Where marks are kept.
        marks_table: ResourceName = "MARKS_TABLE", example "madang-dev-marks";
        /// Where accounts and leases of budgets are kept.
        budgets_table: ResourceName = "BUDGETS_TABLE", example "madang-dev-budgets";
        /// Where calls and idempotency keys are kept.
        requests_table: ResourceName = "REQUESTS_TABLE", example "madang-dev-requests";
        /// The secret with the keys that sign tracking tokens.
        tracking_keys: ResourceName = "TRACKING_KEYS_SECRET", example "madang/dev/tracking-keys";
        /// The secret with the keys that sign refresh tokens and challenges.
        auth_keys: ResourceName = "AUTH_KEYS_SECRET", example "madang/dev/auth-keys";
    }
}

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    Settings::VARIABLES,
];

struct Dependencies {
    tables: Vec<Table>,
    versions: Versions,
    blobs: Blobs,
    secrets: [Secret<Keys>; 2],
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, settings, aws) = aws::start(vars, NAME, Settings::read)?;
    let database = Database::connect(&aws, Pace::PROBE);
    let names = [
        &settings.content_table,
        &settings.members_table,
        &settings.operators_table,
        &settings.devices_table,
        &settings.marks_table,
        &settings.budgets_table,
        &settings.requests_table,
    ];
    let dependencies = Arc::new(Dependencies {
        tables: names.map(|name| database.table(&name.0)).into(),
        versions: Versions::new(database.table(&settings.content_table.0)),
        blobs: Blobs::connect(&aws, &settings.blobs_bucket.0),
        secrets: [&settings.tracking_keys, &settings.auth_keys]
            .map(|name| unkept(&aws, &name.0, Keys::parse)),
    });
    Ok(kit::Api::new(NAME, runtime)
        .route(GET, &dependencies, get)
        .build())
}

/// What `GET /health/ready` says.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Readiness {
    /// `ok`, or `unavailable` when one dependency fails.
    status: &'static str,
    /// One entry per dependency.
    dependencies: Vec<Dependency>,
}

/// One dependency.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Dependency {
    /// A table's or a secret's name, or `published/` and a kind.
    name: String,
    /// `ok` or `failed`.
    status: &'static str,
    /// How long its answer, or its failure, took.
    latency_ms: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The newest published version; 0 where nothing was published yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// Seconds since it was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_s: Option<u64>,
}

async fn get(
    dependencies: Arc<Dependencies>,
    call: Call<Nothing, Nothing, Nothing>,
) -> Result<Reply<Json<Readiness>>, Problem> {
    let now = call.now();
    let mut asked: Vec<BoxFuture<'_, Dependency>> = Vec::new();
    for table in &dependencies.tables {
        asked.push(Box::pin(ask(table.name().to_owned(), async {
            store::probe(table).await.map(|()| Published::default())
        })));
    }
    for secret in &dependencies.secrets {
        // A secret may be configured by its ARN, which ends in its name.
        let name = secret.name().rsplit(':').next().unwrap_or_default();
        asked.push(Box::pin(ask(name.to_owned(), async {
            secret.get(now).await.map(|_| Published::default())
        })));
    }
    for kind in Kind::ALL {
        let name = format!("published/{kind}");
        asked.push(Box::pin(ask(name, dependencies.published(*kind, now))));
    }
    let dependencies = join_all(asked).await;
    let ready = dependencies
        .iter()
        .all(|dependency| dependency.status == "ok");
    let status = if ready { "ok" } else { "unavailable" };
    let document = Readiness {
        status,
        dependencies,
    };
    Ok(match ready {
        true => Reply::ok(document),
        false => Reply::not_ready(document),
    }
    .cache_control("no-store"))
}

/// What is known of a kind's newest version.
#[derive(Default)]
struct Published {
    version: Option<u64>,
    age_s: Option<u64>,
}

impl Dependencies {
    async fn published(&self, kind: Kind, now: Instant) -> Result<Published, store::StoreError> {
        let head = self.versions.head(kind).await?;
        // A head alone serves nobody who starts now.
        if let Some(head) = &head {
            head.artefact.probe(kind, &self.blobs).await?;
        }
        Ok(Published {
            version: Some(head.as_ref().map_or(0, |head| head.version)),
            age_s: head.map(|head| now.since(head.published_at).as_secs()),
        })
    }
}

/// Asks one dependency and times the answer.
async fn ask<E: std::error::Error + 'static>(
    name: String,
    question: impl Future<Output = Result<Published, E>>,
) -> Dependency {
    let started = time::Instant::now();
    let answer = time::timeout(PATIENCE, question).await;
    let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (reason, published) = match answer {
        Ok(Ok(published)) => (None, published),
        Ok(Err(error)) => {
            tracing::warn!(dependency = name, error = %Chain(&error), "not ready");
            (Some("does not answer as it should"), Published::default())
        }
        Err(_) => (Some("does not answer in time"), Published::default()),
    };
    Dependency {
        name,
        status: if reason.is_none() { "ok" } else { "failed" },
        latency_ms,
        reason,
        version: published.version,
        age_s: published.age_s,
    }
}
