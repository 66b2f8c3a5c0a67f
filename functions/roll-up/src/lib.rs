//! The roll-up worker: sets the totals from the marks, and bills them within the budgets of the
//! campaigns that are published.
//!
//! Totals are set, never added to, so a run can be repeated at any time with the same end.
#![forbid(unsafe_code)]

use aws::Pace;
use domain::{allocation::Snapshot, billing::Terms, content::Kind};
use kit::{
    Faults, Function, Job, Vars,
    config::{ResourceName, Variable},
};
use serde::de::IgnoredAny;
use store::{
    Database, StoreError,
    edge::{SnapshotSettings, Watched},
    marks::{RollUp, Summary},
    published::SnapshotUnavailable,
};

const NAME: &str = "roll-up";

kit::settings! {
    /// What the worker needs beside the snapshot.
    pub struct Settings {
        /// Where marks and totals are kept.
        marks_table: ResourceName = "MARKS_TABLE", example "madang-dev-marks";
    }
}

/// Every variable that the worker reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    Settings::VARIABLES,
];

struct Worker {
    roll_up: RollUp,
    campaigns: Watched<Snapshot>,
}

/// Why a run failed. The next one goes on.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Without budgets nothing is billed: it could be too much.
    #[error(transparent)]
    Budgets(#[from] SnapshotUnavailable),
}

/// The worker.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, (snapshots, settings), aws) = aws::start(vars, NAME, |vars| {
        Faults::both(SnapshotSettings::read(vars), Settings::read(vars))
    })?;
    let marks = Database::connect(&aws, Pace::NORMAL).table(&settings.marks_table.0);
    let worker = Worker {
        roll_up: RollUp::new(marks),
        campaigns: snapshots
            .source(&aws)
            .reader(Kind::Campaigns, Snapshot::load),
    };
    Ok(kit::worker(
        NAME,
        runtime,
        worker,
        |worker, job| async move { worker.run(job).await },
    ))
}

impl Worker {
    async fn run(&self, job: Job<IgnoredAny>) -> Result<Summary, Failed> {
        // The newest: a mark may be of a campaign that went live a moment ago.
        let campaigns = self.campaigns.newest(job.now).await;
        let campaigns = campaigns.ok_or(SnapshotUnavailable {
            kind: Kind::Campaigns,
        })?;
        let published = |key| {
            let campaign = campaigns.content.campaign_by_key(key)?;
            Some(Terms {
                published_at: campaigns.published_at,
                ..Terms::of(&campaign)?
            })
        };
        let run = self.roll_up.run(job.now, &published, job.deadline).await?;
        let Summary {
            buckets,
            marks,
            totals_set,
            complete,
        } = run;
        tracing::info!(buckets, marks, totals_set, complete, "rolled up");
        if !complete {
            tracing::warn!("the time was over before everything was read; the next run goes on");
        }
        Ok(run)
    }
}
