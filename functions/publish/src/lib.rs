//! The publish worker: freezes drafts, compiles them and moves the head.
//!
//! `admin-content` calls it with one publication; every minute it is called without one and carries
//! out whatever was asked for and is not done, so that a lost call or a killed worker loses nothing.
#![forbid(unsafe_code)]

use aws::Pace;
use kit::{
    Faults, Function, Job, Vars,
    config::{ResourceName, Variable},
    problem::Chain,
};
use serde::{Deserialize, Serialize};
use store::{
    Blobs, Database, Publications, Publisher, StoreError,
    published::{Compiler, Pending, Publication, State},
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
    valid: u32,
    failed: u32,
}

impl Summary {
    fn add(&mut self, publication: &Publication) {
        let Publication {
            kind, id, version, ..
        } = publication;
        match publication.state {
            State::Live => self.live += 1,
            State::Valid => self.valid += 1,
            State::Running | State::Failed => self.failed += 1,
        }
        let faults = publication.faults.len();
        tracing::info!(%kind, %id, snapshot_version = version, faults, "publication ended");
    }
}

impl Worker {
    async fn run(&self, job: Job<Event>) -> Result<Summary, StoreError> {
        let pending = match job.event {
            Event::One(pending) => vec![pending],
            Event::Sweep(_) => self.publications.pending().await?,
        };
        let run = |Pending { kind, id }| self.publisher.run(kind, id, job.now);
        each(pending, run).await
    }
}

/// Runs one after the other. One that cannot be carried out now does not stop those after it; the
/// whole fails for it all the same, so that it shows, and is tried again.
async fn each<F>(pending: Vec<Pending>, run: impl Fn(Pending) -> F) -> Result<Summary, StoreError>
where
    F: Future<Output = Result<Option<Publication>, StoreError>>,
{
    let mut summary = Summary::default();
    let mut left = None;
    for publication in pending {
        let Pending { kind, id } = publication;
        match run(publication).await {
            Ok(Some(ended)) => summary.add(&ended),
            Ok(None) => tracing::warn!(%kind, %id, "there is no such publication"),
            Err(error) => {
                tracing::error!(%kind, %id, error = %Chain(&error), "publication left pending");
                left = Some(error);
            }
        }
    }
    left.map_or(Ok(summary), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use domain::{Instant, RandomId, content::Kind};

    use super::*;

    fn ended(Pending { kind, id }: Pending) -> Publication {
        Publication {
            id,
            kind,
            goal: store::published::Goal::Publish,
            origin: store::published::Origin::Drafts,
            note: String::new(),
            author: String::new(),
            requested_at: Instant::from_seconds(0),
            state: State::Live,
            version: Some(1),
            faults: Vec::new(),
            finished_at: None,
        }
    }

    #[tokio::test]
    async fn one_that_cannot_be_carried_out_does_not_stop_those_after_it() {
        let pending: Vec<Pending> = (0..3)
            .map(|nth| Pending {
                kind: Kind::Testers,
                id: RandomId::from_bytes([nth; 16]),
            })
            .collect();
        let seen = Mutex::new(Vec::new());
        let swept = each(pending.clone(), async |publication| {
            seen.lock().unwrap().push(publication);
            if publication == pending[0] {
                return Err(StoreError::BadCursor);
            }
            Ok(Some(ended(publication)))
        });
        assert!(matches!(swept.await, Err(StoreError::BadCursor)));
        assert_eq!(*seen.lock().unwrap(), pending);

        let fine = each(pending, async |publication| Ok(Some(ended(publication))));
        assert_eq!(fine.await.unwrap().live, 3);
    }
}
