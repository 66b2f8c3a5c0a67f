//! Which versions of the app there are: the newest, and the oldest that still works.

use std::collections::HashSet;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Kind, LoadError,
    artefact::{Entry, load},
    set::Item,
};
use crate::{Fault, FaultCode, Id, Link, Localized, Platform, Store, Version, validation::rule};

/// The versions of the app in one store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[garde(custom(coherent))]
#[schemars(rename = "AppVersionItem")]
pub struct AppVersion {
    /// What the app runs on.
    pub platform: Platform,
    /// The store that carries it; one of the platform's.
    pub store: Store,
    /// The newest version: below it an update is recommended.
    pub latest: Version,
    /// The oldest version that still works: below it an update is required. Not above `latest`.
    pub min: Version,
    /// The oldest build that still works: below it an update is required, whatever the version is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_build: Option<u64>,
    /// The oldest operating system that `latest` runs on: below it no update is demanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_os_version: Option<Version>,
    /// Where to get the update.
    pub store_url: Link,
    /// What to tell the user.
    pub message: Localized,
}

fn coherent(item: &AppVersion, _: &()) -> garde::Result {
    let mut faults = Vec::new();
    if item.store.platform() != item.platform {
        let message = format!("{} has no apps for {}", item.store, item.platform);
        faults.push(Fault::new("/store", FaultCode::NotAllowed, message));
    }
    if item.min > item.latest {
        faults.push(Fault::new(
            "/min",
            FaultCode::OutOfRange,
            "must not be above latest",
        ));
    }
    rule(faults)
}

impl Item for AppVersion {
    fn links(&self) -> Vec<(String, &str)> {
        vec![("/store_url".to_owned(), self.store_url.as_str())]
    }

    fn faults_between(items: &[Entry<Self>]) -> Vec<(&Id, Fault)> {
        let mut stores = HashSet::new();
        let repeated = items
            .iter()
            .filter(|entry| !stores.insert(entry.item.store));
        let fault = || {
            Fault::new(
                "/store",
                FaultCode::Duplicate,
                "another item is for this store",
            )
        };
        repeated.map(|entry| (&entry.id, fault())).collect()
    }
}

/// The published versions of the app.
#[derive(Debug, Default)]
pub struct AppVersions(Vec<(Id, AppVersion)>);

impl AppVersions {
    /// Loads an artefact.
    ///
    /// # Errors
    /// When the format is unknown or the bytes are not of it.
    pub fn load(format: u16, artefact: &[u8]) -> Result<Self, LoadError> {
        let items = load(Kind::AppVersions, format, artefact)?;
        Ok(Self(items.collect()))
    }

    /// The versions that matter to an app: its store's. An app that does not name its store gets
    /// those of its platform, if that is in one store only; one that names no platform runs on its
    /// store's.
    pub fn of(&self, platform: Option<Platform>, store: Option<Store>) -> Option<&AppVersion> {
        let (_, item) = self.entry(platform, store)?;
        Some(item)
    }

    /// The same, with its id.
    pub(crate) fn entry(
        &self,
        platform: Option<Platform>,
        store: Option<Store>,
    ) -> Option<&(Id, AppVersion)> {
        let platform = platform.or(store.map(Store::platform))?;
        let mut here = self.0.iter().filter(|(_, item)| {
            item.platform == platform && store.is_none_or(|store| store == item.store)
        });
        here.next().filter(|_| here.next().is_none())
    }
}
