//! The pacing worker: says every minute how much of each budget may go out.
//!
//! From the published campaigns, the totals and the accounts it makes a delivery, which every instance
//! reads: with which probability each campaign passes, which of them go out under leases, and what was
//! learned of creatives. It moves accounts between open and leased, and gives back lapsed leases. One
//! run at a time: no delivery calls a campaign open whose account is not.
#![forbid(unsafe_code)]

mod account;
mod known;
mod round;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws::Pace;
use domain::{allocation::Snapshot, content::Kind, delivery::Delivery, pacing::Passes};
use kit::{
    Faults, Function, Job, Vars,
    config::{ResourceName, Variable},
    problem::Chain,
};
use serde::{Serialize, de::IgnoredAny};
use store::{
    Budgets, Database, Stamp, StoreError,
    budgets::{BudgetSettings, Deliveries},
    edge::{SnapshotSettings, Watched},
    marks::Totals,
};

use crate::{known::Known, round::Round};

const NAME: &str = "pacing";

kit::settings! {
    /// What the worker needs beside the snapshot and the budgets.
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
    BudgetSettings::VARIABLES,
    Settings::VARIABLES,
];

struct Worker {
    campaigns: Watched<Snapshot>,
    totals: Totals,
    budgets: Budgets,
    deliveries: Deliveries,
    /// For how long units may be out openly that no count knows of, once the count is made.
    exposure: Duration,
    /// The probabilities of the last minutes. A worker that was started anew takes the last ones for
    /// constant.
    passes: Mutex<HashMap<u64, Passes>>,
}

/// The worker.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, ((snapshots, budgets), settings), aws) = aws::start(vars, NAME, |vars| {
        let shared = Faults::both(SnapshotSettings::read(vars), BudgetSettings::read(vars));
        Faults::both(shared, Settings::read(vars))
    })?;
    let marks = Database::connect(&aws, Pace::NORMAL).table(&settings.marks_table.0);
    let worker = Worker {
        campaigns: snapshots
            .source(&aws)
            .reader(Kind::Campaigns, Snapshot::load),
        totals: Totals::new(marks),
        budgets: budgets.budgets(&aws),
        deliveries: budgets.deliveries(&aws, snapshots.blobs(&aws)),
        exposure: budgets.age_limit.0 + budgets.token_lifetime.0,
        passes: Mutex::default(),
    };
    Ok(kit::worker(
        NAME,
        runtime,
        worker,
        |worker, job| async move { worker.run(job).await },
    ))
}

/// What a run came to.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Campaigns with a budget that ends.
    pub campaigns: usize,
    /// Of these, how many go out openly.
    pub open: usize,
    /// How many go out under leases only.
    pub exact: usize,
    /// How many have nothing left.
    pub spent: usize,
    /// Accounts that were opened, closed, or stocked.
    pub moved: usize,
    /// Leases that were given back.
    pub settled: usize,
    /// Units that were counted beside the accounts.
    pub drift: u64,
}

/// Why a run made no delivery.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A table or the bucket.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is published is not known.
    #[error("published campaigns cannot be read")]
    NoSnapshot,
}

impl Worker {
    async fn run(&self, job: Job<IgnoredAny>) -> Result<Option<Summary>, Failure> {
        let stamp = Stamp::random(&mut job.random.rng());
        let turn = self
            .deliveries
            .take_turn(stamp, job.now, job.deadline)
            .await?;
        let Some(turn) = turn else {
            tracing::info!("another run is under way");
            return Ok(None);
        };
        let paced = self.pace(&job).await;
        // If it stays, the next run waits for this one's deadline, no longer.
        if let Err(error) = self.deliveries.end_turn(turn).await {
            tracing::warn!(error = %Chain(&error), "the turn was not ended");
        }
        paced.map(Some)
    }

    async fn pace(&self, job: &Job<IgnoredAny>) -> Result<Summary, Failure> {
        let snapshot = self
            .campaigns
            .newest(job.now)
            .await
            .ok_or(Failure::NoSnapshot)?;
        let before = self.before().await?;
        // The totals before the accounts, and the accounts before their leases: what is compared
        // with the totals may know of more than they do, but never of less.
        let known = Known::read(&self.totals, job.now).await?;
        let accounts = self.budgets.accounts().await?;
        let passes = {
            let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *passes)
        };
        let round = Round {
            budgets: &self.budgets,
            totals: &self.totals,
            snapshot: &snapshot.content,
            before: &before,
            known: &known,
            accounts: &accounts,
            exposure: self.exposure,
            now: job.now,
            // The other half is for publishing.
            patience: job.deadline.since(job.now) / 2,
        };
        let (delivery, passes, mut summary) = round.paced(passes).await;
        *self.passes.lock().unwrap_or_else(PoisonError::into_inner) = passes;
        self.deliveries.publish(&delivery).await?;
        round.settle(&mut summary).await;
        let Summary {
            campaigns,
            open,
            exact,
            spent,
            moved,
            settled,
            drift,
        } = summary;
        tracing::info!(
            campaigns, open, exact, spent, moved, settled, drift, "paced"
        );
        Ok(summary)
    }

    /// The last delivery. One that is damaged is as good as none.
    async fn before(&self) -> Result<Delivery, StoreError> {
        match self.deliveries.latest().await {
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(error = %Chain(&error), "the last delivery is lost");
                Ok(Delivery::default())
            }
            latest => Ok(latest?.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests;
