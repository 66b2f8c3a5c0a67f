//! Devices: what targeting knows of a phone. One partition a device, read in one query.
//!
//! Actions on the Devices table: GetItem, Query, PutItem, BatchWriteItem.

use domain::{
    DeviceId, Instant,
    allocation::{Profile, StoredProfile},
};
use serde::{Deserialize, Serialize};

use crate::{
    Stamp, StoreError, Table,
    keys::{self, Key},
    query::{Range, Read},
    table::{ABSENT, Item, Put},
};

/// Everything an allocation reads of a device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceRecord {
    /// The profile, if one was ever put.
    pub profile: Option<StoredProfile>,
}

/// The devices' partitions.
#[derive(Debug, Clone)]
pub struct Devices {
    table: Table,
}

/// The profile is kept as JSON text: it comes and goes as JSON, and attributes are free.
#[derive(Serialize, Deserialize)]
struct ProfileItem {
    profile: String,
    updated_at: Instant,
}

#[derive(Deserialize)]
struct SortKey {
    sk: String,
}

impl Devices {
    /// Takes the Devices table, over a client of the pace that its caller can wait for.
    pub fn new(devices: Table) -> Self {
        Self { table: devices }
    }

    /// A device's profile, as it was last put.
    pub async fn profile(&self, id: &DeviceId) -> Result<Option<StoredProfile>, StoreError> {
        let key = keys::device_profile(id);
        let item: Option<ProfileItem> = self.table.get(&key, Read::Consistent).await?;
        item.map(|item| self.stored(item)).transpose()
    }

    /// Puts a profile, whatever was there before.
    pub async fn put_profile(
        &self,
        id: &DeviceId,
        profile: &Profile,
        now: Instant,
    ) -> Result<(), StoreError> {
        let item = self.profile_item(id, profile, now)?;
        self.table.put(item).await?;
        Ok(())
    }

    /// Puts a profile where none was; otherwise [`StoreError::Conflict`].
    pub async fn insert_profile(
        &self,
        id: &DeviceId,
        profile: &Profile,
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        let item = self.profile_item(id, profile, now)?;
        match self.table.put_once(item, stamp, ABSENT, []).await? {
            Put::Done => Ok(()),
            Put::Exists(_) => Err(self.table.conflict("PutItem")),
        }
    }

    /// Everything of a device in one eventually consistent query.
    pub async fn record(&self, id: &DeviceId) -> Result<DeviceRecord, StoreError> {
        let range = Range::all(keys::device(id), Read::Eventual);
        let (items, _) = self.table.query(&range, usize::MAX).await?;
        let mut record = DeviceRecord::default();
        for item in items {
            if sort_key(&item) == Some(keys::PROFILE) {
                record.profile = Some(self.stored(self.table.decode(item)?)?);
            }
        }
        Ok(record)
    }

    /// Erases the device's whole partition. `false`: there was nothing.
    pub async fn erase(&self, id: &DeviceId) -> Result<bool, StoreError> {
        let pk = keys::device(id);
        let range = Range::all(pk.clone(), Read::Consistent);
        let found: Vec<SortKey> = self.table.query_all(&range).await?;
        let keys: Vec<Key> = found
            .into_iter()
            .map(|SortKey { sk }| Key { pk: pk.clone(), sk })
            .collect();
        let any = !keys.is_empty();
        self.table.delete_all(keys).await?;
        Ok(any)
    }

    fn profile_item(
        &self,
        id: &DeviceId,
        profile: &Profile,
        now: Instant,
    ) -> Result<Item, StoreError> {
        let profile = serde_json::to_string(profile)
            .map_err(|e| StoreError::corrupt(self.table.name(), e))?;
        let item = ProfileItem {
            profile,
            updated_at: now,
        };
        self.table.encode(&keys::device_profile(id), &item)
    }

    fn stored(&self, item: ProfileItem) -> Result<StoredProfile, StoreError> {
        Ok(StoredProfile {
            profile: serde_json::from_str(&item.profile)
                .map_err(|e| StoreError::corrupt(self.table.name(), e))?,
            updated_at: item.updated_at,
        })
    }
}

fn sort_key(item: &Item) -> Option<&str> {
    item.get("sk")?.as_s().ok().map(String::as_str)
}
