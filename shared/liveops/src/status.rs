//! Whether the app may run now, and whether there is a newer one.

use std::sync::Arc;

use domain::{
    Instant,
    app_status::{self, Evaluation, Explanation, Published, Settings},
    content::{AppVersions, Kind, Maintenance, Testers},
};
use store::{
    edge::{SnapshotSource, Watched},
    published::{Snapshot, SnapshotUnavailable},
};

use crate::{Keeping, Visitor};

kit::settings! {
    /// What decides between two reasons not to come in.
    pub struct StatusSettings {
        /// Whether a required update is shown even while the app is closed.
        update_before_maintenance: bool = "UPDATE_BEFORE_MAINTENANCE", default "false";
    }
}

/// Reads what decides on the app's status.
#[derive(Debug)]
pub struct StatusReader {
    versions: Watched<AppVersions>,
    maintenance: Watched<Maintenance>,
    testers: Watched<Testers>,
    settings: Settings,
}

/// All that decides on the app's status, as it is published now.
#[derive(Debug)]
pub struct KnownStatus {
    versions: Arc<Snapshot<AppVersions>>,
    maintenance: Arc<Snapshot<Maintenance>>,
    testers: Arc<Snapshot<Testers>>,
    settings: Settings,
}

impl StatusReader {
    /// Readers that hold nothing yet.
    pub fn new(published: &SnapshotSource, settings: &StatusSettings) -> Self {
        Self {
            versions: published.reader(Kind::AppVersions, AppVersions::load),
            maintenance: published.reader(Kind::Maintenance, Maintenance::load),
            testers: published.reader(Kind::Testers, Testers::load),
            settings: Settings {
                update_before_maintenance: settings.update_before_maintenance,
            },
        }
    }

    /// What is published now.
    ///
    /// # Errors
    /// When any of it is not known.
    pub async fn known(&self, now: Instant) -> Result<KnownStatus, SnapshotUnavailable> {
        let (versions, maintenance, testers) = tokio::try_join!(
            self.versions.current(now),
            self.maintenance.current(now),
            self.testers.current(now),
        )?;
        Ok(KnownStatus {
            versions,
            maintenance,
            testers,
            settings: self.settings,
        })
    }
}

impl KnownStatus {
    /// Evaluates the visitor's status.
    pub fn evaluate(&self, visitor: &Visitor, now: Instant) -> Evaluation {
        app_status::evaluate(self.published(), visitor.caller(), self.settings, now)
    }

    /// Why it is so.
    pub fn explain(&self, visitor: &Visitor, now: Instant) -> Explanation<'_> {
        app_status::explain(self.published(), visitor.caller(), self.settings, now)
    }

    fn published(&self) -> Published<'_> {
        Published {
            versions: &self.versions.content,
            maintenance: &self.maintenance.content,
            testers: &self.testers.content,
        }
    }
}

impl From<&Evaluation> for Keeping {
    fn from(evaluation: &Evaluation) -> Self {
        match evaluation.personal {
            true => Self::Private,
            false => Self::Shared,
        }
    }
}
