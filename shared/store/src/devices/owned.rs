//! Profiles and content-configs: each owner's own, and the one that was put last where allocations read
//! it.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    DeviceId, DeviceKey, Instant,
    allocation::{ContentConfig, Profile, StoredContentConfig, StoredProfile},
    identity::MemberId,
};
use kit::{Code, Principal, Problem};

use super::{Devices, ROUNDS};
use crate::{
    Stamp, StoreError, keys,
    query::Read,
    table::{Item, STAMP, has_stamp, is_over, number, pause, set_stamp, string},
    transaction::Transaction,
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

/// Whether a put may replace what its owner put before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PutMode {
    Replace,
    Insert,
}

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
    fn finds(self, item: &Item) -> bool {
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

    /// Puts an owner's profile. Allocations read it from then on. A profile of an id that many devices
    /// share would be everybody's, so it is accepted and not stored; content settings and segments too.
    pub async fn put_profile(
        &self,
        id: &DeviceId,
        owner: DeviceOwner,
        profile: &Profile,
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        let put = self.write_profile(id, owner, profile, PutMode::Replace, stamp, now);
        put.await
    }

    /// Puts an owner's profile where [`Self::profile`] finds none; otherwise [`StoreError::Conflict`].
    pub async fn insert_profile(
        &self,
        id: &DeviceId,
        owner: DeviceOwner,
        profile: &Profile,
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        let put = self.write_profile(id, owner, profile, PutMode::Insert, stamp, now);
        put.await
    }

    async fn write_profile(
        &self,
        id: &DeviceId,
        owner: DeviceOwner,
        profile: &Profile,
        mode: PutMode,
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        if id.is_shared() {
            return Ok(());
        }
        let device = DeviceKey::of(id);
        let (own, segments) = match owner {
            DeviceOwner::Member(_) => (profile.clone(), None),
            DeviceOwner::App => {
                let mut own = profile.clone();
                let segments = std::mem::take(&mut own.segments);
                (own, Some(segments))
            }
        };
        let item = self.profile_item(device, owner, &own, now)?;
        self.put_owned(item, device, keys::PROFILE, owner, mode, stamp, now)
            .await?;
        match segments {
            Some(segments) => self.put_segments_of_profile(device, segments, now).await,
            None => Ok(()),
        }
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

    /// Puts what an owner wants to see. Allocations read it from then on.
    pub async fn put_content_config(
        &self,
        id: &DeviceId,
        owner: DeviceOwner,
        config: &ContentConfig,
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        if id.is_shared() {
            return Ok(());
        }
        let (device, sk) = (DeviceKey::of(id), keys::CONTENT_CONFIG);
        let item = self.config_item(device, owner, config, now)?;
        self.put_owned(item, device, sk, owner, PutMode::Replace, stamp, now)
            .await
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
    async fn find(
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

    /// Puts an owner's item, and moves another owner's aside that is there.
    #[expect(clippy::too_many_arguments, reason = "one call for all that is put")]
    async fn put_owned(
        &self,
        mut item: Item,
        device: DeviceKey,
        sk: &str,
        owner: DeviceOwner,
        mode: PutMode,
        stamp: Stamp,
        now: Instant,
    ) -> Result<(), StoreError> {
        set_stamp(&mut item, stamp);
        if mode == PutMode::Insert {
            let there = self.find(device, sk, owner, now).await?;
            if there.is_some() {
                return Err(self.table.conflict("PutItem"));
            }
        }
        let aside = keys::device_aside(device, owner, sk);
        let (condition, values) = replaceable(owner, mode, now);
        let mut round = 0;
        loop {
            let put = self
                .table
                .put_where(item.clone(), condition, values.clone());
            let error = match put.await {
                Ok(None) => return Ok(()),
                Ok(Some(there)) if has_stamp(&there, stamp) => return Ok(()),
                Ok(Some(there)) if mode == PutMode::Insert && owner.finds(&there) => {
                    return Err(self.table.conflict("PutItem"));
                }
                Ok(Some(there)) => {
                    let (unchanged, seen) = unchanged(&there);
                    let replaced = Transaction::new(&self.table)
                        .put_if(item.clone(), unchanged, seen)?
                        .put(moved_aside(there, device, sk))?
                        .delete(&aside)?
                        .commit();
                    match replaced.await {
                        Ok(()) => return Ok(()),
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            let met_another = error.is_conflict() || matches!(error, StoreError::Throttled { .. });
            if !met_another || round >= ROUNDS {
                return Err(error);
            }
            pause(round).await;
            round += 1;
        }
    }
}

type Condition = (&'static str, Vec<(&'static str, AttributeValue)>);

/// The condition under which a put replaces what is there without moving it aside.
fn replaceable(owner: DeviceOwner, mode: PutMode, now: Instant) -> Condition {
    let now = (":now", number(now.as_seconds()));
    match (mode, owner) {
        (PutMode::Insert, _) => ("attribute_not_exists(pk) OR expires_at <= :now", vec![now]),
        (PutMode::Replace, DeviceOwner::App) => (
            "attribute_not_exists(member_id) OR expires_at <= :now",
            vec![now],
        ),
        (PutMode::Replace, DeviceOwner::Member(member)) => (
            "attribute_not_exists(pk) OR member_id = :member OR expires_at <= :now",
            vec![now, (":member", string(member))],
        ),
    }
}

/// The condition that an item is as it was found.
fn unchanged(found: &Item) -> Condition {
    let seen = |name: &str| found.get(name).cloned().map(|value| (":seen", value));
    match seen(STAMP) {
        Some(stamp) => ("stamp = :seen", vec![stamp]),
        // Put by a version that did not stamp it.
        None => (
            "attribute_not_exists(stamp) AND updated_at = :seen",
            seen("updated_at").into_iter().collect(),
        ),
    }
}

/// The same item under its owner's key.
fn moved_aside(mut item: Item, device: DeviceKey, sk: &str) -> Item {
    let key = keys::device_aside(device, DeviceOwner::of_item(&item), sk);
    item.insert("sk".to_owned(), AttributeValue::S(key.sk));
    item
}
