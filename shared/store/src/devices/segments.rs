//! Segments and server attributes: what the app's own systems put.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    DeviceId, DeviceKey, Instant, Label,
    allocation::{DeviceSegments, StoredDeviceSegments},
    identity::MemberId,
};
use serde::{Deserialize, Serialize};

use super::{DEVICE_RETENTION, DeviceOwner, Devices, ROUNDS};
use crate::{
    StoreError, keys,
    query::{Range, Read},
    table::{Item, is_over, number, string},
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
        let device = DeviceKey::of(id);
        let about = self.present_owner(device, now).await?;
        let item = self.segments_item(device, segments, false, about, now)?;
        self.table.put(item).await?;
        Ok(())
    }

    /// Deletes segments and server attributes, if there are any.
    pub async fn delete_segments(&self, id: &DeviceId) -> Result<(), StoreError> {
        let key = keys::device_item(DeviceKey::of(id), keys::PROFILE_SERVER);
        self.table.delete_all(vec![key]).await
    }

    /// Puts the segments that the app's own systems put with a profile. Server attributes stay. No
    /// segments take away those that came with a profile, and none that were put by themselves.
    pub(super) async fn put_segments_of_profile(
        &self,
        device: DeviceKey,
        segments: Vec<Label>,
        now: Instant,
    ) -> Result<(), StoreError> {
        let key = keys::device_item(device, keys::PROFILE_SERVER);
        let about = self.present_owner(device, now).await?;
        let condition = match segments.is_empty() {
            true => "expires_at > :now AND from_profile = :yes",
            false => "expires_at > :now",
        };
        let mut update = "SET segments_json = :segments, from_profile = :yes, updated_at = :at, \
                          expires_at = :over"
            .to_owned();
        let mut values = vec![
            (":segments", string(self.json(&segments)?)),
            (":yes", AttributeValue::Bool(true)),
            (":at", string(now)),
            (":over", number((now + DEVICE_RETENTION).as_seconds())),
            (":now", number(now.as_seconds())),
        ];
        match about {
            Some(member) => {
                update.push_str(", member_id = :member");
                values.push((":member", string(member)));
            }
            None => update.push_str(" REMOVE member_id"),
        }
        let new = DeviceSegments {
            segments,
            ..DeviceSegments::default()
        };
        let item = self.segments_item(device, &new, true, about, now)?;
        let mut round = 0;
        loop {
            let updated = self
                .table
                .update(&key, &update, Some(condition), values.clone());
            match updated.await {
                Ok(_) => return Ok(()),
                Err(error) if !error.is_conflict() => return Err(error),
                Err(_) if new.segments.is_empty() => return Ok(()),
                Err(_) => {}
            }
            let vacant = "attribute_not_exists(pk) OR expires_at <= :now";
            let at = [(":now", number(now.as_seconds()))];
            if self
                .table
                .put_where(item.clone(), vacant, at)
                .await?
                .is_none()
            {
                return Ok(());
            }
            // Another put made it between the two.
            if round >= ROUNDS {
                return Err(self.table.conflict("PutItem"));
            }
            round += 1;
        }
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
