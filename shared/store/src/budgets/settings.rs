//! Budgets as functions configure them.

use aws::{Aws, Pace};
use kit::config::{ResourceName, Seconds};

use super::{Budgets, Deliveries, DeliveryReader, Leases, Lives};
use crate::{Blobs, Database, Table, edge::SnapshotSettings};

kit::settings! {
    /// Where budgets are kept, and how long things live that use them up. Who gives out and who paces
    /// must be told the same.
    pub struct BudgetSettings {
        /// The table of accounts, leases and the delivery's head.
        budgets_table: ResourceName = "BUDGETS_TABLE", example "madang-dev-budgets";
        /// How long a tracking token of a campaign with a budget counts.
        token_lifetime: Seconds = "BUDGET_TOKEN_LIFETIME_S", default "300";
        /// For how long an instance may give out what it has leased.
        lease_lifetime: Seconds = "LEASE_LIFETIME_S", default "120";
        /// A newer delivery is looked for no more often than this.
        refresh: Seconds = "DELIVERY_REFRESH_S", default "10";
        /// A delivery that was made longer ago is not gone by.
        age_limit: Seconds = "DELIVERY_AGE_LIMIT_S", default "180";
    }
}

impl BudgetSettings {
    /// How long leases and the tokens under them live.
    pub fn lives(&self) -> Lives {
        Lives {
            lease: self.lease_lifetime.0,
            token: self.token_lifetime.0,
        }
    }

    /// Accounts and leases, for the worker.
    pub fn budgets(&self, aws: &Aws) -> Budgets {
        Budgets::new(self.table(aws))
    }

    /// Deliveries, for the worker.
    pub fn deliveries(&self, aws: &Aws, blobs: Blobs) -> Deliveries {
        Deliveries::new(self.table(aws), blobs)
    }

    /// The leases of an instance.
    pub fn leases(&self, aws: &Aws) -> Leases {
        Leases::new(self.budgets(aws), self.lives())
    }

    /// The delivery of an instance, which is served without confirmation as long as snapshots are.
    pub fn reader(&self, aws: &Aws, snapshots: &SnapshotSettings) -> DeliveryReader {
        let deliveries = self.deliveries(aws, snapshots.blobs(aws));
        DeliveryReader::new(deliveries, self.refresh.0, snapshots.confirm())
    }

    fn table(&self, aws: &Aws) -> Table {
        Database::connect(aws, Pace::NORMAL).table(&self.budgets_table.0)
    }
}
