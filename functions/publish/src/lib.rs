//! The publish worker: freezes drafts, compiles them and moves the head.
//!
//! `admin-content` calls it with one publication; every minute it is called without one and carries
//! out whatever was asked for and is not done, so that a lost call or a killed worker loses nothing.
#![forbid(unsafe_code)]

use aws::Pace;
use kit::{
    Faults, Function, Job, Vars,
    config::{ResourceName, Variable},
};
use serde::{Deserialize, Serialize};
use store::{
    Blobs, Database, Publications, Publisher, StoreError,
    published::{Compiler, Pending, State},
};

const NAME: &str = "publish";

kit::settings! {
    /// What the worker needs.
    pub struct Settings {
        /// Where drafts, versions and heads are kept.
        content_table: ResourceName = "CONTENT_TABLE", example "madang-dev-content";
        /// The bucket of frozen and compiled content.
        blobs_bucket: ResourceName = "BLOBS_BUCKET", example "madang-dev-blobs-000000000000";
    }
}

/// Every variable that the worker reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    Settings::VARIABLES,
];

struct Worker {
    publications: Publications,
    publisher: Publisher,
}

/// The worker.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, settings, aws) = aws::start(vars, NAME, Settings::read)?;
    let content = Database::connect(&aws, Pace::NORMAL).table(&settings.content_table.0);
    let blobs = Blobs::connect(&aws, &settings.blobs_bucket.0);
    let worker = Worker {
        publications: Publications::new(content.clone()),
        publisher: Publisher::new(content, blobs, Compiler::default()),
    };
    Ok(kit::worker(
        NAME,
        runtime,
        worker,
        |worker, job| async move { worker.run(job).await },
    ))
}

/// What it is called with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Event {
    /// This publication, at once.
    One(Pending),
    /// Whatever is pending: a schedule's event.
    Sweep(serde::de::IgnoredAny),
}

/// What came of the publications it ran.
#[derive(Debug, Default, Serialize)]
struct Summary {
    live: u32,
    failed: u32,
}

impl Worker {
    async fn run(&self, job: Job<Event>) -> Result<Summary, StoreError> {
        let pending = match job.event {
            Event::One(pending) => vec![pending],
            Event::Sweep(_) => self.publications.pending().await?,
        };
        let mut summary = Summary::default();
        for Pending { kind, id } in pending {
            let Some(publication) = self.publisher.run(kind, id, job.now).await? else {
                tracing::warn!(%kind, %id, "there is no such publication");
                continue;
            };
            match publication.state {
                State::Live => summary.live += 1,
                _ => summary.failed += 1,
            }
            tracing::info!(%kind, %id, version = publication.version, faults = publication.faults.len(), "publication ended");
        }
        Ok(summary)
    }
}
