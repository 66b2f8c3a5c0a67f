//! What is stored of the device that asks, where an answer depends on it.

use std::{sync::Arc, time::Duration};

use aws::{Aws, Pace};
use domain::{DeviceId, Instant, allocation::DeviceTargeting};
use kit::{config::ResourceName, problem::Chain};
use store::{Database, Devices};

/// How long an answer waits for it. Whoever is targeted by what is stored of them is not shown what
/// is for them meanwhile; everybody else does not notice.
const PATIENCE: Duration = Duration::from_millis(100);

kit::settings! {
    /// Where what is known of devices is kept.
    pub struct ProfileSettings {
        /// Where devices are kept.
        devices_table: ResourceName = "DEVICES_TABLE", example "madang-dev-devices";
    }
}

impl ProfileSettings {
    /// The way to profiles. Nothing is opened before the first read.
    pub fn profiles(&self, aws: &Aws) -> Profiles {
        let table = Database::connect(aws, Pace::HOT).table(&self.devices_table.0);
        Profiles(Devices::new(table))
    }
}

/// Reads profiles.
///
/// Action on the Devices table: Query.
#[derive(Debug, Clone)]
pub struct Profiles(Devices);

/// What a look at a device's profile has found.
#[derive(Debug, Clone)]
pub(crate) enum Look {
    /// This.
    Found(Arc<DeviceTargeting>),
    /// It could not be read now.
    Missed,
}

impl Profiles {
    pub(crate) async fn look(&self, device: &DeviceId, now: Instant) -> Look {
        let read = self.0.targeting(device, now);
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok(stored)) => Look::Found(Arc::new(stored)),
            Ok(Err(error)) => {
                tracing::warn!(error = %Chain(&error), "answered without the device's profile");
                Look::Missed
            }
            Err(_) => {
                tracing::warn!("answered without the device's profile, which was too late");
                Look::Missed
            }
        }
    }
}
