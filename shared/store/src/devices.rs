//! Devices: what targeting knows of a phone, what its user wants to see, and what it was shown. One
//! partition a device, read in one query.
//!
//! A profile and a content-config that nobody has put for [`DEVICE_RETENTION`] are forgotten; an app
//! that wants them kept puts them again now and then.
//!
//! Actions on the Devices table: GetItem, Query, PutItem, BatchWriteItem.

use std::time::Duration;

use domain::{
    DeviceId, DeviceKey, Instant,
    allocation::{ContentConfig, Profile, StoredContentConfig, StoredProfile},
    caps::{Count, Showings},
};
use serde::{Deserialize, Serialize};

use crate::{
    Stamp, StoreError, Table, keys,
    query::{Range, Read},
    table::{Item, Put, is_over, number, number_in, sort_key},
};

/// How long a profile and a content-config are kept after they were last put, and a counter that
/// never begins anew after it last moved.
pub const DEVICE_RETENTION: Duration = Duration::from_secs(400 * 24 * 3600);

/// Everything an allocation reads of a device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceRecord {
    /// The profile, if one was put.
    pub profile: Option<StoredProfile>,
    /// What its user wants to see, if that was put.
    pub config: Option<StoredContentConfig>,
    /// What it was shown.
    pub showings: Showings,
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

/// The same for the content-config.
#[derive(Serialize, Deserialize)]
struct ConfigItem {
    config: String,
    updated_at: Instant,
}

impl Devices {
    /// Takes the Devices table, over a client of the pace that its caller can wait for.
    pub fn new(devices: Table) -> Self {
        Self { table: devices }
    }

    /// A device's profile, as it was last put.
    pub async fn profile(
        &self,
        id: &DeviceId,
        now: Instant,
    ) -> Result<Option<StoredProfile>, StoreError> {
        self.profile_of(DeviceKey::of(id), now).await
    }

    /// The same, which may miss the last moments' changes: for what can do without.
    pub async fn recent_profile(
        &self,
        id: &DeviceId,
        now: Instant,
    ) -> Result<Option<StoredProfile>, StoreError> {
        self.read_profile(DeviceKey::of(id), Read::Eventual, now)
            .await
    }

    /// The same as [`Self::profile`], for whoever knows a device by its key only.
    pub async fn profile_of(
        &self,
        device: DeviceKey,
        now: Instant,
    ) -> Result<Option<StoredProfile>, StoreError> {
        self.read_profile(device, Read::Consistent, now).await
    }

    async fn read_profile(
        &self,
        device: DeviceKey,
        read: Read,
        now: Instant,
    ) -> Result<Option<StoredProfile>, StoreError> {
        let key = keys::device_profile(device);
        let item = self.table.get_item(&key, read).await?;
        let item = item.filter(|item| !is_over(item, now));
        item.map(|item| self.stored_profile(item)).transpose()
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
        let condition = "attribute_not_exists(pk) OR expires_at <= :now";
        let values = [(":now", number(now.as_seconds()))];
        match self.table.put_once(item, stamp, condition, values).await? {
            Put::Done => Ok(()),
            Put::Exists(_) => Err(self.table.conflict("PutItem")),
        }
    }

    /// What the device's user wants to see: what was last put, or the defaults.
    pub async fn content_config(
        &self,
        id: &DeviceId,
        now: Instant,
    ) -> Result<StoredContentConfig, StoreError> {
        self.content_config_of(DeviceKey::of(id), now).await
    }

    /// The same, for whoever knows a device by its key only.
    pub async fn content_config_of(
        &self,
        device: DeviceKey,
        now: Instant,
    ) -> Result<StoredContentConfig, StoreError> {
        let key = keys::device_content_config(device);
        let item = self.table.get_item(&key, Read::Consistent).await?;
        let item = item.filter(|item| !is_over(item, now));
        item.map_or_else(
            || Ok(StoredContentConfig::default()),
            |item| self.stored_config(item),
        )
    }

    /// Puts what the device's user wants to see, whatever was there before.
    pub async fn put_content_config(
        &self,
        id: &DeviceId,
        config: &ContentConfig,
        now: Instant,
    ) -> Result<(), StoreError> {
        let item = ConfigItem {
            config: self.json(config)?,
            updated_at: now,
        };
        let key = keys::device_content_config(DeviceKey::of(id));
        let item = self
            .table
            .encode_until(&key, &item, now + DEVICE_RETENTION)?;
        self.table.put(item).await?;
        Ok(())
    }

    /// Everything that an allocation at `now` looks at, in one eventually consistent query.
    pub async fn record(&self, id: &DeviceId, now: Instant) -> Result<DeviceRecord, StoreError> {
        let range = Range {
            between: Some(keys::device_record()),
            ..Range::all(keys::device(DeviceKey::of(id)), Read::Eventual)
        };
        let (items, _) = self.table.query(&range, usize::MAX).await?;
        let mut record = DeviceRecord::default();
        for item in items.into_iter().filter(|item| !is_over(item, now)) {
            match sort_key(&item).unwrap_or_default() {
                keys::PROFILE => record.profile = Some(self.stored_profile(item)?),
                keys::CONTENT_CONFIG => record.config = Some(self.stored_config(item)?),
                // A counter of a later release's caps means nothing to this one.
                other => {
                    if let Some(counter) = keys::cap_of(other) {
                        record.showings.insert(counter, count(&item));
                    }
                }
            }
        }
        Ok(record)
    }

    /// Erases the device's whole partition. `false`: there was nothing.
    ///
    /// An impression that is counted later begins its counters anew.
    pub async fn erase(&self, id: &DeviceId) -> Result<bool, StoreError> {
        self.erase_key(DeviceKey::of(id)).await
    }

    /// The same, for whoever knows a device by its key only.
    pub async fn erase_key(&self, device: DeviceKey) -> Result<bool, StoreError> {
        let range = Range::all(keys::device(device), Read::Consistent);
        self.table.delete_range(&range).await
    }

    fn profile_item(
        &self,
        id: &DeviceId,
        profile: &Profile,
        now: Instant,
    ) -> Result<Item, StoreError> {
        let item = ProfileItem {
            profile: self.json(profile)?,
            updated_at: now,
        };
        let key = keys::device_profile(DeviceKey::of(id));
        self.table.encode_until(&key, &item, now + DEVICE_RETENTION)
    }

    fn stored_profile(&self, item: Item) -> Result<StoredProfile, StoreError> {
        let item: ProfileItem = self.table.decode(item)?;
        Ok(StoredProfile {
            profile: self.read(&item.profile)?,
            updated_at: item.updated_at,
        })
    }

    fn stored_config(&self, item: Item) -> Result<StoredContentConfig, StoreError> {
        let item: ConfigItem = self.table.decode(item)?;
        Ok(StoredContentConfig {
            config: self.read(&item.config)?,
            updated_at: Some(item.updated_at),
        })
    }

    fn json(&self, value: &impl Serialize) -> Result<String, StoreError> {
        serde_json::to_string(value).map_err(|e| StoreError::corrupt(self.table.name(), e))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|e| StoreError::corrupt(self.table.name(), e))
    }
}

/// A counter as it lies in the table: the total is `n`, an hour or a minute `h` or `m` and the
/// minute since 1970 with which it begins.
pub(crate) mod counter {
    pub(crate) const TOTAL: &str = "n";

    pub(crate) fn hour(begin: u32) -> String {
        format!("h{begin}")
    }

    pub(crate) fn minute(begin: u32) -> String {
        format!("m{begin}")
    }
}

/// What a counter's item says.
pub(crate) fn count(item: &Item) -> Count {
    let named = |letter: char| {
        let of = item.keys().filter_map(move |name| {
            let begin = name.strip_prefix(letter)?.parse().ok()?;
            Some((begin, number_in(item, name)?))
        });
        of.collect()
    };
    Count {
        total: number_in(item, counter::TOTAL).unwrap_or(0),
        hours: named('h'),
        minutes: named('m'),
    }
}
