//! The roll-up worker: sets the totals from the marks.
//!
//! Totals are set, never added to, so a run can be repeated at any time with the same end. A bucket
//! of marks is read until its tokens have expired.
#![forbid(unsafe_code)]

use std::time::Duration;

use aws::Pace;
use kit::{
    Faults, Function, Job, Vars,
    config::{ResourceName, Variable},
};
use serde::de::IgnoredAny;
use store::{
    Database, StoreError,
    edge::TokenLifetime,
    marks::{RollUp, Summary},
};

const NAME: &str = "roll-up";

/// Beyond a token's life: clocks differ, and a mark may be on its way.
const MARGIN: Duration = Duration::from_secs(120);

kit::settings! {
    /// What the worker needs.
    pub struct Settings {
        /// Where marks and totals are kept.
        marks_table: ResourceName = "MARKS_TABLE", example "madang-dev-marks";
        /// How long a tracking token counts.
        token_lifetime: TokenLifetime = "TRACKING_TOKEN_LIFETIME_S", default "3600";
    }
}

/// Every variable that the worker reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    Settings::VARIABLES,
];

struct Worker {
    roll_up: RollUp,
    horizon: Duration,
}

/// The worker.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, settings, aws) = aws::start(vars, NAME, Settings::read)?;
    let marks = Database::connect(&aws, Pace::NORMAL).table(&settings.marks_table.0);
    let worker = Worker {
        roll_up: RollUp::new(marks),
        horizon: settings.token_lifetime.0 + MARGIN,
    };
    Ok(kit::worker(
        NAME,
        runtime,
        worker,
        |worker, job| async move { worker.run(job).await },
    ))
}

impl Worker {
    async fn run(&self, job: Job<IgnoredAny>) -> Result<Summary, StoreError> {
        let run = self
            .roll_up
            .run(job.now, self.horizon, job.deadline)
            .await?;
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
