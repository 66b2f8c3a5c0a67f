//! The purge: members whose grace is over are forgotten, in steps that can each be run again.
//!
//! 1. [`begin_purge`](Members::begin_purge) closes the member for good: no sign-in, no refresh, no
//!    change, no coming back.
//! 2. [`remains`](Members::remains) returns what else is to be deleted elsewhere: identities, whose
//!    providers hold a link to the member, and devices of which other tables store something. For each
//!    of the former an entry of the [outbox](Members::enqueue_unlink) is stored, which outlives the member.
//! 3. [`purge_step`](Members::purge_step) for every one of [`PurgeStep::ALL`], in order. The last
//!    takes the member from those who are due; whatever was cut off before is found again there.
//!
//! A link ticket names members by their ids and lapses by itself within minutes; it is left alone.

use domain::{
    DeviceKey, Instant, RandomId,
    identity::{Ban, MemberId},
};

use super::{LinkedIdentity, Members, change::Tries, withdrawal::DueItem};
use crate::{
    Stamp, StoreError, keys,
    keys::Key,
    query::{Range, Read},
    table::string,
    transaction::Transaction,
};

/// Somebody who is to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The member.
    pub member: MemberId,
    /// When their grace ended.
    pub purge_at: Instant,
}

/// A member who is closed for good. Only [`Members::begin_purge`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purge {
    due: Due,
    pseudonym: RandomId,
}

/// What is left of a member while they are being forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// What they signed in with.
    pub identities: Vec<LinkedIdentity>,
    /// Where they signed in.
    pub devices: Vec<DeviceKey>,
    /// Their last ban, which outlives them while it holds.
    pub ban: Option<Ban>,
}

/// A part of what is kept of a member. Each can be purged again with the same end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeStep {
    /// Their sessions.
    Sessions,
    /// On which devices they were.
    Devices,
    /// What they signed in with.
    Identities,
    /// That they asked for their data.
    Exports,
    /// Which notices they have read.
    NoticesRead,
    /// The history of their consents.
    Consents,
    /// Security events of their sessions.
    SecurityEvents,
    /// Their transfer code.
    TransferCode,
    /// What they are called, and were lately.
    Nicknames,
    /// Everything else, except a tombstone without anything personal.
    Profile,
    /// That they are due.
    Due,
}

impl Purge {
    /// Who is being forgotten.
    pub const fn member(&self) -> MemberId {
        self.due.member
    }

    /// When their grace ended.
    pub(super) const fn purge_at(&self) -> Instant {
        self.due.purge_at
    }

    /// What stands for them from now on in what must be kept.
    pub const fn pseudonym(&self) -> RandomId {
        self.pseudonym
    }
}

impl PurgeStep {
    /// In the order in which they are to be taken.
    pub const ALL: &'static [Self] = &[
        Self::Sessions,
        Self::Devices,
        Self::Identities,
        Self::Exports,
        Self::NoticesRead,
        Self::Consents,
        Self::SecurityEvents,
        Self::TransferCode,
        Self::Nicknames,
        Self::Profile,
        Self::Due,
    ];
}

impl Members {
    /// Whose grace is over at `now`, the longest first, from behind `after` on.
    pub async fn due(
        &self,
        now: Instant,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let range = Range {
            after: after.map(|due| keys::withdrawal(due.purge_at, due.member).sk),
            // Moments in one format sort as text; after this one come its own members.
            between: Some(("0".to_owned(), format!("{now}$"))),
            ..Range::all(keys::WITHDRAWALS, Read::Consistent)
        };
        let (items, _) = self.table.query(&range, limit).await?;
        let due = |item| {
            let DueItem { member, purge_at } = self.table.decode(item)?;
            Ok(Due { member, purge_at })
        };
        items.into_iter().map(due).collect()
    }

    /// Closes a member who is due for good. The pseudonym that a run before gave them stands; `None`:
    /// they came back.
    pub async fn begin_purge(
        &self,
        due: &Due,
        pseudonym: RandomId,
        stamp: Stamp,
        now: Instant,
    ) -> Result<Option<Purge>, StoreError> {
        let purge = |pseudonym| Purge {
            due: *due,
            pseudonym,
        };
        let mut tries = Tries::default();
        loop {
            let Some(before) = self.kept(due.member).await? else {
                return Ok(None);
            };
            if let Some(pseudonym) = before.pseudonym {
                return Ok(Some(purge(pseudonym)));
            }
            let withdrawal = before.record.member.withdrawal;
            let is_due = withdrawal.is_some_and(|withdrawal| {
                withdrawal.purge_at == due.purge_at && due.purge_at <= now
            });
            if !is_due {
                return Ok(None);
            }
            tries.proceed()?;
            let mut after = before.clone();
            after.change_standing(stamp);
            // A sign-in after the grace has closed the member already, perhaps.
            after.record.member.withdrawn_at.get_or_insert(now);
            after.pseudonym = Some(pseudonym);
            let transaction = Transaction::new(&self.table);
            let transaction = self.put_standing(transaction, &before, &after)?;
            if tries.commit(&self.table, transaction, 1).await {
                return Ok(Some(purge(pseudonym)));
            }
        }
    }

    /// What is left of a member who is being forgotten, for whom others must be told.
    pub async fn remains(&self, purge: &Purge) -> Result<Remains, StoreError> {
        let member = purge.member();
        let kept = self.kept(member).await?;
        Ok(Remains {
            ban: kept.and_then(|kept| kept.record.member.ban),
            identities: self.identities(member).await?,
            devices: self.devices(member).await?,
        })
    }

    /// Purges that a member was on a device: what others keep of the device is no more. Devices are
    /// as many as somebody cared to name, so each is forgotten for good before the next.
    pub async fn purge_device(&self, purge: &Purge, device: DeviceKey) -> Result<(), StoreError> {
        let member = purge.member();
        let theirs = keys::member_device(member, device);
        let its = keys::device_member(device, member);
        self.table.delete_all(vec![its, theirs]).await
    }

    /// Purges a part of a member.
    pub async fn purge_step(&self, purge: &Purge, step: PurgeStep) -> Result<(), StoreError> {
        let member = purge.member();
        match step {
            PurgeStep::Sessions => self.purge_range(member, keys::SESSIONS).await,
            PurgeStep::Devices => {
                let devices = self.devices(member).await?;
                let of_devices = devices
                    .iter()
                    .map(|device| keys::device_member(*device, member));
                self.table.delete_all(of_devices.collect()).await?;
                self.purge_range(member, keys::MEMBER_DEVICES).await
            }
            PurgeStep::Identities => self.purge_identities(member).await,
            PurgeStep::Exports => self.purge_range(member, keys::EXPORTS).await,
            PurgeStep::NoticesRead => {
                let key = keys::notices_read(member);
                self.table.delete_all(vec![key]).await
            }
            PurgeStep::Consents => self.purge_range(member, keys::MEMBER_CONSENTS).await,
            PurgeStep::SecurityEvents => self.purge_range(member, keys::SECURITY_EVENTS).await,
            PurgeStep::TransferCode => self.purge_transfer_code(member).await,
            PurgeStep::Nicknames => self.purge_nicknames(member).await,
            PurgeStep::Profile => self.purge_profile(member).await,
            PurgeStep::Due => {
                let key = keys::withdrawal(purge.due.purge_at, member);
                self.table.delete_all(vec![key]).await
            }
        }
    }

    async fn purge_range(
        &self,
        member: MemberId,
        (least, greatest): (&str, &str),
    ) -> Result<(), StoreError> {
        let range = Range {
            between: Some((least.to_owned(), greatest.to_owned())),
            ..Range::all(keys::member(member), Read::Consistent)
        };
        self.table.delete_range(&range).await?;
        Ok(())
    }

    /// An identity is taken from the member last: its subject is needed to find whose it is.
    async fn purge_identities(&self, member: MemberId) -> Result<(), StoreError> {
        for identity in self.identities(member).await? {
            let key = keys::identity(identity.provider, &identity.subject);
            self.delete_own(&key, member).await?;
        }
        self.purge_range(member, keys::MEMBER_IDENTITIES).await
    }

    /// No name is held for somebody who was forgotten.
    async fn purge_nicknames(&self, member: MemberId) -> Result<(), StoreError> {
        let Some(kept) = self.kept(member).await? else {
            return Ok(());
        };
        let released = kept.released.into_iter().map(|released| released.key);
        for name in kept.nickname_key.into_iter().chain(released) {
            self.delete_own(&keys::nickname(&name), member).await?;
        }
        Ok(())
    }

    async fn purge_profile(&self, member: MemberId) -> Result<(), StoreError> {
        let Some(kept) = self.kept(member).await? else {
            return Ok(());
        };
        let tombstone = kept.tombstone();
        let transaction = Transaction::new(&self.table).put(tombstone.write(&self.table)?)?;
        let transaction = match tombstone.standing {
            Some(revision) => transaction.put(tombstone.write_standing(&self.table, revision)?)?,
            None => transaction,
        };
        transaction.commit().await
    }

    /// Deletes an item that is the member's, and leaves another's alone.
    pub(super) async fn delete_own(&self, key: &Key, member: MemberId) -> Result<(), StoreError> {
        let own = [(":member", string(member))];
        match self.table.delete_if(key, "member_id = :member", own).await {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }
}
