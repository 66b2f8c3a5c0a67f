//! Segments and server attributes: what the app's own systems put.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    DeviceId, DeviceKey, Instant, Label,
    allocation::{DeviceSegments, StoredDeviceSegments},
    identity::MemberId,
};
use serde::{Deserialize, Serialize};

use super::{DEVICE_RETENTION, DeviceOwner, DeviceWriter, Devices, ROUNDS};
use crate::{
    StoreError, keys,
    query::{Range, Read},
    table::{Item, is_over, number, pause, string},
    transaction::{Attempt, Transaction},
};

/// Both as JSON text, as profiles are. (`segments` is a reserved word of DynamoDB.)
#[derive(Serialize, Deserialize)]
struct SegmentsItem {
    segments_json: String,
    attributes_json: String,
    /// Whether the segments came with a profile, so that one without segments takes them away.
    from_profile: bool,
    updated_at: Instant,
    /// The member whom they are about, where a member had put something on the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    member_id: Option<MemberId>,
}

/// The outcome of a write of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteOutcome {
    Done,
    /// Its condition did not hold.
    Refused,
    /// The purge of the member whom they are about has begun.
    MemberGone,
}

impl Devices {
    /// Returns what the app's own systems put, the last write included.
    pub async fn segments(
        &self,
        id: &DeviceId,
        now: Instant,
    ) -> Result<Option<StoredDeviceSegments>, StoreError> {
        if id.is_shared() {
            return Ok(None);
        }
        let key = keys::device_item(DeviceKey::of(id), keys::PROFILE_SERVER);
        let item = self.table.get_item(&key, Read::Consistent).await?;
        let item = item.filter(|item| !is_over(item, now));
        item.map(|item| self.stored_segments(item)).transpose()
    }

    /// Deletes segments and server attributes, if there are any.
    pub async fn delete_segments(&self, id: &DeviceId) -> Result<(), StoreError> {
        let key = keys::device_item(DeviceKey::of(id), keys::PROFILE_SERVER);
        self.table.delete_all(vec![key]).await
    }

    pub(super) fn stored_segments(&self, item: Item) -> Result<StoredDeviceSegments, StoreError> {
        let item: SegmentsItem = self.table.decode(item)?;
        Ok(StoredDeviceSegments {
            segments: DeviceSegments {
                segments: self.read(&item.segments_json)?,
                server_attributes: self.read(&item.attributes_json)?,
            },
            updated_at: item.updated_at,
        })
    }

    fn segments_item(
        &self,
        device: DeviceKey,
        segments: &DeviceSegments,
        from_profile: bool,
        about: Option<MemberId>,
        now: Instant,
    ) -> Result<Item, StoreError> {
        let item = SegmentsItem {
            segments_json: self.json(&segments.segments)?,
            attributes_json: self.json(&segments.server_attributes)?,
            from_profile,
            updated_at: now,
            member_id: about,
        };
        let key = keys::device_item(device, keys::PROFILE_SERVER);
        self.table.encode_until(&key, &item, now + DEVICE_RETENTION)
    }

    /// Returns the member who put something on the device last, the last write included.
    async fn present_owner(
        &self,
        device: DeviceKey,
        now: Instant,
    ) -> Result<Option<MemberId>, StoreError> {
        let range = Range {
            between: Some(keys::device_owned()),
            ..Range::all(keys::device(device), Read::Consistent)
        };
        let (items, _) = self.table.query(&range, usize::MAX).await?;
        let live = items.iter().filter(|item| !is_over(item, now));
        Ok(present_owner(live))
    }
}

impl DeviceWriter {
    /// Puts segments and server attributes, and replaces those that were there.
    pub async fn put_segments(
        &self,
        id: &DeviceId,
        segments: &DeviceSegments,
        now: Instant,
    ) -> Result<(), StoreError> {
        if id.is_shared() {
            return Ok(());
        }
        let (device, devices) = (DeviceKey::of(id), &self.devices);
        if let Some(member) = devices.present_owner(device, now).await? {
            let item = devices.segments_item(device, segments, false, Some(member), now)?;
            let put = || Transaction::new(&devices.table).put(item.clone());
            if self.commit_about(member, put).await? == WriteOutcome::Done {
                return Ok(());
            }
        }
        let item = devices.segments_item(device, segments, false, None, now)?;
        devices.table.put(item).await?;
        Ok(())
    }

    /// Puts the segments that the app's own systems put with a profile. Server attributes stay. No
    /// segments take away those that came with a profile, and none that were put by themselves.
    pub(super) async fn put_segments_of_profile(
        &self,
        device: DeviceKey,
        segments: Vec<Label>,
        now: Instant,
    ) -> Result<(), StoreError> {
        let new = DeviceSegments {
            segments,
            ..DeviceSegments::default()
        };
        let mut about = self.devices.present_owner(device, now).await?;
        for _ in 0..=ROUNDS {
            let mut written = self.update_segments(device, &new, about, now).await?;
            if written == WriteOutcome::Refused && !new.segments.is_empty() {
                // Another put may make it between the two.
                written = self.insert_segments(device, &new, about, now).await?;
            }
            match written {
                WriteOutcome::Refused if !new.segments.is_empty() => {}
                WriteOutcome::Done | WriteOutcome::Refused => return Ok(()),
                WriteOutcome::MemberGone => about = None,
            }
        }
        Err(self.devices.table.conflict("PutItem"))
    }

    /// Writes the segments of an item that is there.
    async fn update_segments(
        &self,
        device: DeviceKey,
        new: &DeviceSegments,
        about: Option<MemberId>,
        now: Instant,
    ) -> Result<WriteOutcome, StoreError> {
        let table = &self.devices.table;
        let key = keys::device_item(device, keys::PROFILE_SERVER);
        let condition = match new.segments.is_empty() {
            true => "expires_at > :now AND from_profile = :yes",
            false => "expires_at > :now",
        };
        let update = "SET segments_json = :segments, from_profile = :yes, updated_at = :at, \
                      expires_at = :over";
        let mut values = vec![
            (":segments", string(self.devices.json(&new.segments)?)),
            (":yes", AttributeValue::Bool(true)),
            (":at", string(now)),
            (":over", number((now + DEVICE_RETENTION).as_seconds())),
            (":now", number(now.as_seconds())),
        ];
        let Some(member) = about else {
            let update = format!("{update} REMOVE member_id");
            return WriteOutcome::of(table.update(&key, &update, Some(condition), values).await);
        };
        let update = format!("{update}, member_id = :member");
        values.push((":member", string(member)));
        let write = || Transaction::new(table).update_if(&key, &update, condition, values.clone());
        self.commit_about(member, write).await
    }

    /// Makes an item with segments where there is none.
    async fn insert_segments(
        &self,
        device: DeviceKey,
        new: &DeviceSegments,
        about: Option<MemberId>,
        now: Instant,
    ) -> Result<WriteOutcome, StoreError> {
        let table = &self.devices.table;
        let item = self.devices.segments_item(device, new, true, about, now)?;
        let vacant = "attribute_not_exists(pk) OR expires_at <= :now";
        let at = || [(":now", number(now.as_seconds()))];
        match about {
            None => WriteOutcome::of(table.put_if(item, vacant, at()).await),
            Some(member) => {
                let write = || Transaction::new(table).put_if(item.clone(), vacant, at());
                self.commit_about(member, write).await
            }
        }
    }

    /// Commits a write that names the member whom segments are about, unless their purge has begun: it
    /// may have looked for such segments already.
    async fn commit_about<'t>(
        &'t self,
        member: MemberId,
        write: impl Fn() -> Result<Transaction<'t>, StoreError>,
    ) -> Result<WriteOutcome, StoreError> {
        let mut round = 0;
        loop {
            let transaction = write()?;
            let own = transaction.len();
            let transaction = self.members.check_open(transaction, member)?;
            return Ok(match transaction.attempt().await {
                Ok(Attempt::Done) => WriteOutcome::Done,
                Ok(Attempt::Refused(found)) => match found.iter().skip(own).any(Option::is_some) {
                    true => WriteOutcome::MemberGone,
                    false => WriteOutcome::Refused,
                },
                Err(StoreError::Throttled { .. }) if round < ROUNDS => {
                    pause(round).await;
                    round += 1;
                    continue;
                }
                Err(error) => return Err(error),
            });
        }
    }
}

impl WriteOutcome {
    fn of<T>(written: Result<T, StoreError>) -> Result<Self, StoreError> {
        match written {
            Ok(_) => Ok(Self::Done),
            Err(error) if error.is_conflict() => Ok(Self::Refused),
            Err(error) => Err(error),
        }
    }
}

/// Returns the member who put last of what lies where allocations read it.
pub(super) fn present_owner<'i>(items: impl Iterator<Item = &'i Item>) -> Option<MemberId> {
    let owned = items.filter_map(|item| {
        let sk = item.get("sk")?.as_s().ok()?;
        let is_owned = sk == keys::PROFILE || sk == keys::CONTENT_CONFIG;
        let member = DeviceOwner::of_item(item).member().filter(|_| is_owned)?;
        // Moments in one format sort as text.
        Some((item.get("updated_at")?.as_s().ok()?, member))
    });
    owned.max().map(|(_, member)| member)
}
