//! A device's items that are a member's: for their export, and for forgetting them.
//!
//! The counters of caps, the app's items and segments that name no member go with the device's *present
//! owner*: the member who put something last; or, where no member has, one who signed in there.

use domain::{
    DeviceKey, Instant,
    allocation::{StoredContentConfig, StoredDeviceSegments, StoredProfile},
    caps::{Count, Counter},
    identity::MemberId,
};

use super::{DeviceOwner, Devices, count, segments::present_owner};
use crate::{
    StoreError, keys,
    query::{Range, Read},
    table::{Item, is_over, sort_key},
};

/// A device's items, as far as they are a member's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceExport {
    /// The profile that they put.
    pub profile: Option<StoredProfile>,
    /// The content-config that they put.
    pub config: Option<StoredContentConfig>,
    /// What the app's own systems put of them.
    pub segments: Option<StoredDeviceSegments>,
    /// What the device was shown, while they are its present owner.
    pub counters: Vec<(Counter, Count)>,
}

/// One item of a device, by what the purge needs to know of it.
enum Kind {
    /// A profile or a content-config; `true` where allocations read it.
    Put(DeviceOwner, bool),
    /// Segments, and whom they are about.
    Segments(Option<MemberId>),
    /// A counter, or something of a later version.
    Other,
}

impl Devices {
    /// Returns what a device's partition has of a member. `alone`: no other member has signed in there.
    pub async fn export(
        &self,
        device: DeviceKey,
        member: MemberId,
        alone: bool,
        now: Instant,
    ) -> Result<DeviceExport, StoreError> {
        let items = self.partition(device).await?;
        let live = || items.iter().filter(|item| !is_over(item, now));
        let owners = || {
            live().filter_map(|item| match kind(item) {
                Kind::Put(owner, _) => owner.member(),
                Kind::Segments(_) | Kind::Other => None,
            })
        };
        let is_present = match present_owner(live()) {
            Some(owner) => owner == member,
            None => alone,
        };
        // Of segments that name no member it is not known whom they are about, once there are several.
        let is_only_owner =
            owners().all(|owner| owner == member) && (alone || owners().next().is_some());
        let mut export = DeviceExport::default();
        for item in live() {
            let sk = sort_key(item).unwrap_or_default();
            match kind(item) {
                Kind::Put(DeviceOwner::Member(owner), is_last) if owner == member => {
                    let of_profile = sk.ends_with(keys::PROFILE);
                    // One that lies aside is older.
                    if of_profile && (is_last || export.profile.is_none()) {
                        export.profile = Some(self.stored_profile(item.clone())?);
                    } else if !of_profile && (is_last || export.config.is_none()) {
                        export.config = Some(self.stored_config(item.clone())?);
                    }
                }
                Kind::Segments(about) => {
                    let theirs = about.map_or(is_only_owner, |about| about == member);
                    if theirs {
                        export.segments = Some(self.stored_segments(item.clone())?);
                    }
                }
                Kind::Other if is_present => {
                    let counter = keys::cap_of(sk).map(|counter| (counter, count(item)));
                    export.counters.extend(counter);
                }
                Kind::Put(..) | Kind::Other => {}
            }
        }
        Ok(export)
    }

    /// Erases what a device's partition has of a member who is forgotten. `later`: when another member
    /// signed in there after them, the first who did.
    ///
    /// What they put goes in any case. What belongs to nobody in particular goes while they are the
    /// present owner, and where it is older than `later`: too much is erased rather than too little.
    /// Their own items go last, so that a run which was cut off decides the same again.
    pub async fn forget(
        &self,
        device: DeviceKey,
        member: MemberId,
        later: Option<Instant>,
    ) -> Result<(), StoreError> {
        let items = self.partition(device).await?;
        let is_present = match present_owner(items.iter()) {
            Some(owner) => owner == member,
            None => later.is_none(),
        };
        let is_older = |item: &Item| {
            let put = item.get("updated_at").and_then(|at| at.as_s().ok());
            later.is_some_and(|later| put.is_some_and(|at| **at < *later.to_string()))
        };
        let mut erased = Vec::new();
        for item in &items {
            let sk = sort_key(item).unwrap_or_default();
            let key = keys::device_item(device, sk);
            match kind(item) {
                Kind::Put(DeviceOwner::Member(_), _) => {}
                Kind::Put(DeviceOwner::App, is_last) if is_present || is_older(item) => {
                    if is_last {
                        self.delete_unowned(&key).await?;
                    } else {
                        erased.push(key);
                    }
                }
                Kind::Segments(Some(about)) if about == member => erased.push(key),
                Kind::Segments(None) if is_present || is_older(item) => erased.push(key),
                Kind::Other if is_present => erased.push(key),
                Kind::Put(..) | Kind::Segments(_) | Kind::Other => {}
            }
        }
        self.table.delete_all(erased).await?;
        self.erase_own(device, member).await
    }

    /// Deletes an item that no member owns, unless a member has put theirs meanwhile.
    async fn delete_unowned(&self, key: &keys::Key) -> Result<(), StoreError> {
        let unowned = "attribute_not_exists(member_id)";
        match self.table.delete_if(key, unowned, []).await {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }

    async fn partition(&self, device: DeviceKey) -> Result<Vec<Item>, StoreError> {
        let range = Range::all(keys::device(device), Read::Consistent);
        Ok(self.table.query(&range, usize::MAX).await?.0)
    }
}

fn kind(item: &Item) -> Kind {
    let owner = DeviceOwner::of_item(item);
    match sort_key(item).unwrap_or_default() {
        keys::PROFILE | keys::CONTENT_CONFIG => Kind::Put(owner, true),
        keys::PROFILE_SERVER => Kind::Segments(owner.member()),
        sk if keys::is_device_aside(sk) => Kind::Put(owner, false),
        _ => Kind::Other,
    }
}
