//! Who else signed in on a member's device.

use domain::{DeviceKey, Instant, identity::MemberId};
use serde::Deserialize;

use super::Members;
use crate::{
    StoreError, keys,
    query::{Range, Read},
    table::{is_over, sort_key},
};

/// How a member shares a device with others, as far as sessions of theirs there could still live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceSharing {
    /// Whether no other member signed in there.
    pub alone: bool,
    /// When others signed in there after the member last did, the first of those times.
    pub later: Option<Instant>,
}

#[derive(Deserialize)]
struct Seen {
    signed_in_at: Instant,
}

impl Members {
    /// Returns how a member shares a device with others at `now`.
    pub async fn device_sharing(
        &self,
        device: DeviceKey,
        member: MemberId,
        now: Instant,
    ) -> Result<DeviceSharing, StoreError> {
        let range = Range::all(keys::device(device), Read::Consistent);
        let (items, _) = self.table.query(&range, usize::MAX).await?;
        let mut others = Vec::new();
        for item in items {
            let other = sort_key(&item).and_then(keys::member_of);
            if other.is_some_and(|other| other != member) && !is_over(&item, now) {
                let Seen { signed_in_at } = self.table.decode(item)?;
                others.push(signed_in_at);
            }
        }
        let later = match others.is_empty() {
            true => None,
            false => {
                // The member's own entry outlives the one under the device.
                let key = keys::member_device(member, device);
                let own: Option<Seen> = self.table.get(&key, Read::Consistent).await?;
                let own = own.map(|seen| seen.signed_in_at);
                let after = others.iter().filter(|at| Some(**at) > own);
                after.min().copied()
            }
        };
        Ok(DeviceSharing {
            alone: others.is_empty(),
            later,
        })
    }
}
