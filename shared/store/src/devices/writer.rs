//! Putting profiles and content-configs.
//!
//! What a member puts is erased by their purge, while their access token is accepted for some minutes more.
//! A put that makes an item is therefore a transaction that requires the member to be there and not closed;
//! one that replaces the member's own item needs no such check, because the purge closes the member before it
//! erases the item.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    DeviceId, DeviceKey, Instant,
    allocation::{ContentConfig, Profile},
    identity::MemberId,
};
use kit::{Code, Problem};

use super::{DeviceOwner, Devices, ROUNDS};
use crate::{
    Members, Stamp, StoreError, keys,
    query::Read,
    table::{ABSENT, Item, STAMP, has_stamp, is_over, number, pause, set_stamp, string},
    transaction::{Attempt, Transaction},
};

/// Puts what devices' owners say.
#[derive(Debug, Clone)]
pub struct DeviceWriter {
    pub(super) devices: Devices,
    pub(super) members: Members,
}

/// Whether a put may replace what its owner put before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutMode {
    /// It may.
    Replace,
    /// It may not: [`PutOutcome::Exists`].
    Insert,
}

/// The outcome of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PutOutcome {
    /// It is stored, and allocations read it from then on.
    Stored,
    /// The owner finds one, which an insertion does not replace.
    Exists,
    /// The member is deleted, or their purge has begun. Nothing is stored.
    OwnerGone,
}

/// Where and for whom something is put.
#[derive(Clone, Copy)]
struct Place {
    device: DeviceKey,
    sk: &'static str,
    owner: DeviceOwner,
    mode: PutMode,
    stamp: Stamp,
    now: Instant,
}

impl PutOutcome {
    /// Returns the refusal of a put that has stored nothing.
    ///
    /// # Errors
    /// 409 `profile_exists`; 401 `token_invalid` where the member is gone.
    pub fn accepted(self) -> Result<(), Problem> {
        match self {
            Self::Stored => Ok(()),
            Self::Exists => Err(Problem::new(Code::ProfileExists)),
            Self::OwnerGone => {
                Err(Problem::new(Code::TokenInvalid).detail("the member is no more"))
            }
        }
    }
}

impl DeviceWriter {
    /// Takes the devices, and the members who own what is put.
    pub const fn new(devices: Devices, members: Members) -> Self {
        Self { devices, members }
    }

    /// Puts an owner's profile; an insertion only where [`Devices::profile`] finds none. A profile of an id
    /// that many devices share would be everybody's, so it is accepted and not stored; content settings and
    /// segments too.
    pub async fn put_profile(
        &self,
        id: &DeviceId,
        owner: DeviceOwner,
        profile: &Profile,
        mode: PutMode,
        stamp: Stamp,
        now: Instant,
    ) -> Result<PutOutcome, StoreError> {
        if id.is_shared() {
            return Ok(PutOutcome::Stored);
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
        let item = self.devices.profile_item(device, owner, &own, now)?;
        let place = Place {
            device,
            sk: keys::PROFILE,
            owner,
            mode,
            stamp,
            now,
        };
        let outcome = self.put(item, place).await?;
        if let (PutOutcome::Stored, Some(segments)) = (outcome, segments) {
            self.put_segments_of_profile(device, segments, now).await?;
        }
        Ok(outcome)
    }

    /// Puts what an owner wants to see.
    pub async fn put_content_config(
        &self,
        id: &DeviceId,
        owner: DeviceOwner,
        config: &ContentConfig,
        stamp: Stamp,
        now: Instant,
    ) -> Result<PutOutcome, StoreError> {
        if id.is_shared() {
            return Ok(PutOutcome::Stored);
        }
        let device = DeviceKey::of(id);
        let item = self.devices.config_item(device, owner, config, now)?;
        let place = Place {
            device,
            sk: keys::CONTENT_CONFIG,
            owner,
            mode: PutMode::Replace,
            stamp,
            now,
        };
        self.put(item, place).await
    }

    /// Puts an owner's item, and moves another owner's aside that is there.
    async fn put(&self, mut item: Item, place: Place) -> Result<PutOutcome, StoreError> {
        set_stamp(&mut item, place.stamp);
        if place.mode == PutMode::Insert {
            let (device, sk) = (place.device, place.sk);
            let found = self.devices.find(device, sk, place.owner, place.now);
            if found.await?.is_some() {
                return Ok(PutOutcome::Exists);
            }
        }
        let mut round = 0;
        loop {
            let error = match self.try_put(&item, place).await {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => self.devices.table.conflict("TransactWriteItems"),
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

    /// `None`: another write was in the way.
    async fn try_put(&self, item: &Item, place: Place) -> Result<Option<PutOutcome>, StoreError> {
        let there = match self.put_own(item, place).await? {
            None => return Ok(Some(PutOutcome::Stored)),
            Some(there) => there,
        };
        let is_there = !there.is_empty() && !is_over(&there, place.now);
        if has_stamp(&there, place.stamp) {
            return Ok(Some(PutOutcome::Stored));
        }
        if place.mode == PutMode::Insert && is_there && place.owner.finds(&there) {
            return Ok(Some(PutOutcome::Exists));
        }
        self.take_over(item, there, place).await
    }

    /// Puts an item with one write where that needs no look at anything else. Otherwise returns what is
    /// there, which may be nothing: an empty item.
    async fn put_own(&self, item: &Item, place: Place) -> Result<Option<Item>, StoreError> {
        let table = &self.devices.table;
        let (condition, values) = match (place.owner, place.mode) {
            (DeviceOwner::App, mode) => of_app(mode, place.now),
            (DeviceOwner::Member(member), PutMode::Replace) => of_member(member),
            (DeviceOwner::Member(_), PutMode::Insert) => {
                let key = keys::device_item(place.device, place.sk);
                let there = table.get_item(&key, Read::Consistent).await?;
                return Ok(Some(there.unwrap_or_default()));
            }
        };
        match table.put_where(item.clone(), condition, values).await {
            Err(error) if error.is_conflict() => Ok(Some(Item::new())),
            put => put,
        }
    }

    /// Puts an item in the place of `there`, which is moved aside where it is another owner's.
    async fn take_over(
        &self,
        item: &Item,
        there: Item,
        place: Place,
    ) -> Result<Option<PutOutcome>, StoreError> {
        let Place {
            device, sk, owner, ..
        } = place;
        let (condition, seen) = unchanged(&there);
        let aside = keys::device_aside(device, owner, sk);
        let transaction = Transaction::new(&self.devices.table)
            .put_if(item.clone(), condition, seen)?
            .delete(&aside)?;
        let is_others = !there.is_empty() && DeviceOwner::of_item(&there) != owner;
        let transaction = match is_others && !is_over(&there, place.now) {
            true => transaction.put(moved_aside(there, device, sk))?,
            false => transaction,
        };
        let own = transaction.len();
        let transaction = match owner.member() {
            Some(member) => self.members.check_open(transaction, member)?,
            None => transaction,
        };
        Ok(match transaction.attempt().await? {
            Attempt::Done => Some(PutOutcome::Stored),
            Attempt::Refused(found) => {
                let is_gone = found.iter().skip(own).any(Option::is_some);
                is_gone.then_some(PutOutcome::OwnerGone)
            }
        })
    }
}

type Condition = (&'static str, Vec<(&'static str, AttributeValue)>);

/// The condition under which a put of the app needs one write: there is nothing that would have to be
/// moved aside.
fn of_app(mode: PutMode, now: Instant) -> Condition {
    let now = (":now", number(now.as_seconds()));
    let condition = match mode {
        PutMode::Insert => "attribute_not_exists(pk) OR expires_at <= :now",
        PutMode::Replace => "attribute_not_exists(member_id) OR expires_at <= :now",
    };
    (condition, vec![now])
}

/// The same for a put of a member: their own item is there, so that their purge has not erased it.
fn of_member(member: MemberId) -> Condition {
    ("member_id = :member", vec![(":member", string(member))])
}

/// The condition that an item is as it was found.
fn unchanged(found: &Item) -> Condition {
    if found.is_empty() {
        return (ABSENT, Vec::new());
    }
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
