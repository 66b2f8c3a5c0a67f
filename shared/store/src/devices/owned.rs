//! Profiles and content-configs as they are read and erased: each owner's own, and the one that was put
//! last where allocations read it.

use std::fmt;

use domain::{
    DeviceId, DeviceKey, Instant,
    allocation::{StoredContentConfig, StoredProfile},
    identity::MemberId,
};
use kit::{Code, Principal, Problem};

use super::Devices;
use crate::{
    StoreError, keys,
    query::Read,
    table::{Item, is_over, string},
};

/// Whose a profile or a content-config is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceOwner {
    /// The member who put it from the app.
    Member(MemberId),
    /// The app, whose own systems put it with a service key.
    App,
}

/// The attribute that names an owner who is a member.
const MEMBER_ID: &str = "member_id";

impl DeviceOwner {
    /// Returns the owner of what a caller puts.
    ///
    /// # Errors
    /// 401 for a caller without a token or key.
    pub fn of(principal: &Principal) -> Result<Self, Problem> {
        match principal {
            Principal::Member { id, .. } => Ok(Self::Member(*id)),
            Principal::Service { .. } => Ok(Self::App),
            Principal::Anonymous => Err(Problem::new(Code::TokenMissing)),
        }
    }

    /// Returns the member, unless it is the app's.
    pub const fn member(self) -> Option<MemberId> {
        match self {
            Self::Member(member) => Some(member),
            Self::App => None,
        }
    }

    /// Returns the owner that an item names.
    pub(super) fn of_item(item: &Item) -> Self {
        let id = item.get(MEMBER_ID).and_then(|id| id.as_s().ok());
        let member = id.and_then(|id| id.parse().ok());
        member.map_or(Self::App, Self::Member)
    }

    /// Whether an item that was put last stands for what this owner put. The app reads a member's where
    /// it has put nothing.
    pub(super) fn finds(self, item: &Item) -> bool {
        self == Self::App || self == Self::of_item(item)
    }
}

impl fmt::Display for DeviceOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(member) => member.fmt(f),
            Self::App => f.write_str("app"),
        }
    }
}

impl Devices {
    /// Returns the profile that an owner put, the last write included. For the app: its own, or else the
    /// one that was put last; with the segments of the app's own systems. Nothing is stored of an id that
    /// many devices share.
    pub async fn profile(
        &self,
        id: &DeviceId,
        owner: DeviceOwner,
        now: Instant,
    ) -> Result<Option<StoredProfile>, StoreError> {
        if id.is_shared() {
            return Ok(None);
        }
        let device = DeviceKey::of(id);
        let found = self.find(device, keys::PROFILE, owner, now).await?;
        let Some(item) = found else {
            return Ok(None);
        };
        let put_by = DeviceOwner::of_item(&item);
        let mut stored = self.stored_profile(item)?;
        if owner == DeviceOwner::App {
            match self.segments(id, now).await? {
                Some(server) => stored.profile.segments = server.segments.segments,
                None if put_by != DeviceOwner::App => stored.profile.segments.clear(),
                None => {}
            }
        }
        Ok(Some(stored))
    }

    /// Returns what an owner wants to see: what they put, or the defaults.
    pub async fn content_config(
        &self,
        id: &DeviceId,
        owner: DeviceOwner,
        now: Instant,
    ) -> Result<StoredContentConfig, StoreError> {
        if id.is_shared() {
            return Ok(StoredContentConfig::default());
        }
        let device = DeviceKey::of(id);
        let found = self.find(device, keys::CONTENT_CONFIG, owner, now).await?;
        found.map_or_else(
            || Ok(StoredContentConfig::default()),
            |item| self.stored_config(item),
        )
    }

    /// Erases what a member put on a device, and nothing of others.
    pub async fn erase_own(&self, device: DeviceKey, member: MemberId) -> Result<(), StoreError> {
        // In this order: what another owner's put moves aside between the two is erased by the second.
        for sk in [keys::PROFILE, keys::CONTENT_CONFIG] {
            let key = keys::device_item(device, sk);
            let own = [(":member", string(member))];
            let deleted = self.table.delete_if(&key, "member_id = :member", own).await;
            match deleted {
                Err(error) if !error.is_conflict() => return Err(error),
                _ => {}
            }
        }
        let aside = [keys::PROFILE, keys::CONTENT_CONFIG]
            .map(|sk| keys::device_aside(device, DeviceOwner::Member(member), sk));
        self.table.delete_all(aside.into()).await
    }

    /// The item that an owner put under `sk`, or that moved aside.
    pub(super) async fn find(
        &self,
        device: DeviceKey,
        sk: &str,
        owner: DeviceOwner,
        now: Instant,
    ) -> Result<Option<Item>, StoreError> {
        let last = keys::device_item(device, sk);
        let last = self.table.get_item(&last, Read::Consistent).await?;
        let last = last.filter(|item| !is_over(item, now));
        if last
            .as_ref()
            .is_some_and(|item| DeviceOwner::of_item(item) == owner)
        {
            return Ok(last);
        }
        let aside = keys::device_aside(device, owner, sk);
        let aside = self.table.get_item(&aside, Read::Consistent).await?;
        let aside = aside.filter(|item| !is_over(item, now));
        Ok(aside.or(last.filter(|item| owner.finds(item))))
    }
}
