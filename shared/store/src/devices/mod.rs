//! Devices: what targeting knows of a phone, what its user wants to see, and what it was shown. One
//! partition a device, read in one query.
//!
//! A profile and a content-config belong to the [`DeviceOwner`] who put them. The one that was put last
//! lies where allocations read it; its former owner's is moved aside in the same transaction, where only
//! that owner finds it. So a member who signs in on another's phone, or names another's device id,
//! neither reads nor overwrites what is there.
//!
//! Segments and server attributes are an item that only the app's own systems write. It names the member
//! who was the device's present owner at that time, because it is about them.
//!
//! Profiles, content-configs and segments expire after [`DEVICE_RETENTION`]; an app that needs them for
//! longer puts them again.
//!
//! Items of the versions before owners have no `member_id`, as those that a service key puts: they belong
//! to the app. Segments in such a profile count until it is replaced.
//!
//! Actions on the Devices table: reading GetItem, Query; putting GetItem, PutItem, DeleteItem, and for
//! segments Query, UpdateItem; erasing Query, DeleteItem, BatchWriteItem. Putting needs ConditionCheckItem
//! on the Members table.

mod of_member;
mod owned;
mod segments;
mod writer;

use std::time::Duration;

use domain::{
    DeviceId, DeviceKey, Instant,
    allocation::{
        ContentConfig, DeviceSegments, DeviceTargeting, Profile, StoredContentConfig, StoredProfile,
    },
    caps::{Count, Showings},
    identity::MemberId,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use self::{
    of_member::DeviceExport,
    owned::DeviceOwner,
    writer::{DeviceWriter, PutMode, PutOutcome},
};
use crate::{
    StoreError, Table, keys,
    query::{Range, Read},
    table::{Item, is_over, number_in, sort_key},
};

/// How long a profile, a content-config and segments are stored after they were last put, and a
/// lifetime counter after it last moved.
pub const DEVICE_RETENTION: Duration = Duration::from_secs(400 * 24 * 3600);

/// How often a write that met another one is tried again.
const ROUNDS: u32 = 8;

/// Everything an allocation reads of a device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceRecord {
    /// The profile that its present owner put.
    pub profile: Option<StoredProfile>,
    /// What the app's own systems put.
    pub segments: Option<DeviceSegments>,
    /// What its present owner wants to see.
    pub config: Option<StoredContentConfig>,
    /// What it was shown.
    pub showings: Showings,
}

/// The devices' partitions.
#[derive(Debug, Clone)]
pub struct Devices {
    table: Table,
}

/// A profile is stored as JSON text: it comes and goes as JSON, and attributes are free.
#[derive(Serialize, Deserialize)]
struct ProfileItem {
    profile: String,
    updated_at: Instant,
    /// The member who put it; absent for the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    member_id: Option<MemberId>,
}

/// The same for the content-config.
#[derive(Serialize, Deserialize)]
struct ConfigItem {
    config: String,
    updated_at: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    member_id: Option<MemberId>,
}

impl Devices {
    /// Takes the Devices table, over a client of the pace that its caller can wait for.
    pub fn new(devices: Table) -> Self {
        Self { table: devices }
    }

    /// Reads everything that an allocation at `now` looks at, in one eventually consistent query.
    pub async fn record(&self, id: &DeviceId, now: Instant) -> Result<DeviceRecord, StoreError> {
        self.read_range(keys::device_record(), id, now).await
    }

    /// Reads what targeting looks at, in one eventually consistent query.
    pub async fn targeting(
        &self,
        id: &DeviceId,
        now: Instant,
    ) -> Result<DeviceTargeting, StoreError> {
        let record = self.read_range(keys::device_targeting(), id, now).await?;
        Ok(DeviceTargeting {
            profile: record.profile.map(|stored| stored.profile),
            segments: record.segments,
        })
    }

    async fn read_range(
        &self,
        between: (String, String),
        id: &DeviceId,
        now: Instant,
    ) -> Result<DeviceRecord, StoreError> {
        let range = Range {
            between: Some(between),
            ..Range::all(keys::device(DeviceKey::of(id)), Read::Eventual)
        };
        let (items, _) = self.table.query(&range, usize::MAX).await?;
        let mut record = DeviceRecord::default();
        let mut before_owners = None;
        for item in items.into_iter().filter(|item| !is_over(item, now)) {
            match sort_key(&item).unwrap_or_default() {
                keys::PROFILE => {
                    let owner = DeviceOwner::of_item(&item);
                    let stored = self.stored_profile(item)?;
                    if owner == DeviceOwner::App {
                        before_owners = segments_of(&stored.profile);
                    }
                    record.profile = Some(stored);
                }
                keys::PROFILE_SERVER => {
                    record.segments = Some(self.stored_segments(item)?.segments)
                }
                keys::CONTENT_CONFIG => record.config = Some(self.stored_config(item)?),
                // A counter of a later release's caps means nothing to this one.
                other => {
                    if let Some(counter) = keys::cap_of(other) {
                        record.showings.insert(counter, count(&item));
                    }
                }
            }
        }
        record.segments = record.segments.or(before_owners);
        Ok(record)
    }

    /// Erases the device's whole partition. `false`: there was nothing.
    ///
    /// An impression that is counted later begins its counters anew.
    pub async fn erase(&self, id: &DeviceId) -> Result<bool, StoreError> {
        let range = Range::all(keys::device(DeviceKey::of(id)), Read::Consistent);
        self.table.delete_range(&range).await
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

    fn profile_item(
        &self,
        device: DeviceKey,
        owner: DeviceOwner,
        profile: &Profile,
        now: Instant,
    ) -> Result<Item, StoreError> {
        let item = ProfileItem {
            profile: self.json(profile)?,
            updated_at: now,
            member_id: owner.member(),
        };
        let key = keys::device_item(device, keys::PROFILE);
        self.table.encode_until(&key, &item, now + DEVICE_RETENTION)
    }

    fn config_item(
        &self,
        device: DeviceKey,
        owner: DeviceOwner,
        config: &ContentConfig,
        now: Instant,
    ) -> Result<Item, StoreError> {
        let item = ConfigItem {
            config: self.json(config)?,
            updated_at: now,
            member_id: owner.member(),
        };
        let key = keys::device_item(device, keys::CONTENT_CONFIG);
        self.table.encode_until(&key, &item, now + DEVICE_RETENTION)
    }

    fn json(&self, value: &impl Serialize) -> Result<String, StoreError> {
        serde_json::to_string(value).map_err(|e| StoreError::corrupt(self.table.name(), e))
    }

    fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|e| StoreError::corrupt(self.table.name(), e))
    }
}

/// Returns the segments of a profile that was put before they had an item of their own.
fn segments_of(profile: &Profile) -> Option<DeviceSegments> {
    (!profile.segments.is_empty()).then(|| DeviceSegments {
        segments: profile.segments.clone(),
        ..DeviceSegments::default()
    })
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
