//! What members say of themselves: their profile, what they are called, what they agree to.
//!
//! A nickname is one member's by an item of its own, written in one transaction with theirs.

use std::time::Duration;

use domain::{
    Country, Fault, Instant, Locale,
    identity::{Consents, MarketingChange, MemberId, Nickname, NicknameKey},
    targeting::{Attributes, AttributesPatch},
};
use serde::{Deserialize, Serialize};

use super::{
    MemberRecord, Members,
    change::{Part, Plan, Tries},
    item::{Kept, Released},
};
use crate::{
    Stamp, StoreError, keys,
    query::Read,
    table::{EXPIRES_AT, is_over, number, string},
    transaction::Transaction,
};

/// A nickname is kept for so long before it can be changed.
pub const NICKNAME_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// One that was given up is held for so long for whoever had it.
pub const NICKNAME_HELD: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a member changes of their profile. What is `None` stays; what is `Some(None)` goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProfileChange {
    /// What they are called.
    pub nickname: Option<Option<Nickname>>,
    /// The language they read.
    pub locale: Option<Option<Locale>>,
    /// Where they are at home.
    pub country: Option<Option<Country>>,
    /// Whether they want to be told of offers.
    pub marketing: Option<MarketingChange>,
    /// What the app knows of them beside.
    pub attributes: Option<Option<AttributesPatch>>,
}

/// What came of changing a profile.
#[derive(Debug, Clone, PartialEq)]
pub enum Updating {
    /// It is changed.
    Updated(MemberRecord),
    /// It is of another version by now.
    VersionConflict(MemberRecord),
    /// The nickname cannot be changed before this moment.
    NicknameTooSoon(Instant),
    /// Somebody has that nickname, or it is held for somebody.
    NicknameTaken,
    /// The attributes would be too many or too large; the pointer is relative to them.
    AttributesRefused(Fault),
    /// There is no such member, or no more.
    NotThere,
}

/// Whether a nickname can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// It can be.
    Free,
    /// Somebody has it.
    Taken,
    /// Somebody had it, for whom it is held.
    Held,
}

/// Whose a nickname is; or was, where the item has a time-to-live.
#[derive(Serialize, Deserialize)]
struct Named {
    member_id: MemberId,
}

/// Nobody has the nickname, or `:member` may take it.
const FREE: &str = "attribute_not_exists(pk) OR expires_at <= :now OR member_id = :member";

impl Members {
    /// Whether `who` can have a nickname of that key.
    pub async fn nickname_available(
        &self,
        nickname: &NicknameKey,
        who: Option<MemberId>,
        now: Instant,
    ) -> Result<Availability, StoreError> {
        let key = keys::nickname(nickname.as_str());
        let item = self.table.get_item(&key, Read::Consistent).await?;
        let Some(item) = item.filter(|item| !is_over(item, now)) else {
            return Ok(Availability::Free);
        };
        let held = item.contains_key(EXPIRES_AT);
        let named: Named = self.table.decode(item)?;
        Ok(match held {
            _ if Some(named.member_id) == who => Availability::Free,
            true => Availability::Held,
            false => Availability::Taken,
        })
    }

    /// Changes the profile of a member whose version is `expected`. Without an expected version the
    /// change is applied to whatever is there, and retried while others change it at the same time.
    pub async fn update(
        &self,
        member: MemberId,
        expected: Option<u64>,
        change: &ProfileChange,
        stamp: Stamp,
        now: Instant,
    ) -> Result<Updating, StoreError> {
        let mut tries = match expected {
            Some(_) => Tries::default(),
            None => Tries::persistent(),
        };
        loop {
            let Some(before) = self.present(member).await? else {
                return Ok(Updating::NotThere);
            };
            if tries.any() && before.has_stamp(stamp) {
                return Ok(Updating::Updated(before.record));
            }
            if expected.is_some_and(|expected| before.version() != expected) {
                return Ok(Updating::VersionConflict(before.record));
            }
            let mut after = before.next(stamp);
            if let Err(fault) = change.apply(&mut after, now) {
                return Ok(Updating::AttributesRefused(fault));
            }
            let mut transaction = Transaction::new(&self.table);
            if let Some(nickname) = change.nickname_of(&before) {
                let changeable_at = before
                    .record
                    .nickname_changed_at
                    .map(|at| at + NICKNAME_KEPT);
                if let Some(at) = changeable_at.filter(|at| now < *at) {
                    return Ok(Updating::NicknameTooSoon(at));
                }
                if let Some(nickname) = nickname {
                    let key = nickname.key();
                    let available = self.nickname_available(&key, Some(member), now).await?;
                    if available != Availability::Free {
                        return Ok(Updating::NicknameTaken);
                    }
                }
                transaction = self.rename(transaction, &mut after, nickname, now)?;
            }
            tries.proceed()?;
            let consents = (&before.record.member, &after.record.member.consents);
            let transaction = self.record_consents(transaction, consents, now)?;
            let transaction = self.put_member(transaction, &before, &after)?;
            let own = transaction.len();
            if tries.commit(&self.table, transaction, own).await {
                return Ok(Updating::Updated(after.record));
            }
        }
    }

    /// Changes what a member agreed to, whatever their version. `None`: there is no such member, or
    /// no more.
    pub async fn agree(
        &self,
        member: MemberId,
        change: impl Fn(&mut Consents),
        stamp: Stamp,
        now: Instant,
    ) -> Result<Option<MemberRecord>, StoreError> {
        let plan = |before: &Kept, after: &mut Kept, transaction| {
            change(&mut after.record.member.consents);
            let consents = (&before.record.member, &after.record.member.consents);
            let transaction = self.record_consents(transaction, consents, now)?;
            Ok(Plan::Write(transaction, after.record.clone()))
        };
        self.change(member, Part::Profile, stamp, plan, Ok).await
    }

    /// Adds that a member takes a nickname and gives up the one they had.
    fn rename<'t>(
        &'t self,
        mut transaction: Transaction<'t>,
        member: &mut Kept,
        nickname: Option<&Nickname>,
        now: Instant,
    ) -> Result<Transaction<'t>, StoreError> {
        let id = member.id();
        let key = nickname.map(|nickname| nickname.key().as_str().to_owned());
        let given_up = member
            .nickname_key
            .take()
            .filter(|old| key.as_ref() != Some(old));
        member
            .released
            .retain(|released| now < released.held_until && key.as_ref() != Some(&released.key));
        if let Some(old) = given_up {
            let held_until = now + NICKNAME_HELD;
            let held = self.table.encode_until(
                &keys::nickname(&old),
                &Named { member_id: id },
                held_until,
            )?;
            transaction =
                transaction.put_if(held, "member_id = :member", [(":member", string(id))])?;
            let key = old;
            member.released.push(Released { key, held_until });
        }
        if let Some(key) = &key {
            let named = self
                .table
                .encode(&keys::nickname(key), &Named { member_id: id })?;
            let values = [(":member", string(id)), (":now", number(now.as_seconds()))];
            transaction = transaction.put_if(named, FREE, values)?;
        }
        member.nickname_key = key;
        member.record.nickname = nickname.map(ToString::to_string);
        member.record.nickname_changed_at = Some(now);
        Ok(transaction)
    }
}

impl ProfileChange {
    /// The nickname, where it is another than the member has.
    fn nickname_of(&self, before: &Kept) -> Option<Option<&Nickname>> {
        let nickname = self.nickname.as_ref()?.as_ref();
        let same = nickname.map(Nickname::as_str) == before.record.nickname.as_deref();
        (!same).then_some(nickname)
    }

    fn apply(&self, to: &mut Kept, now: Instant) -> Result<(), Fault> {
        let member = &mut to.record.member;
        if let Some(locale) = &self.locale {
            member.locale.clone_from(locale);
        }
        if let Some(country) = self.country {
            member.country = country;
        }
        if let Some(marketing) = self.marketing {
            let before = member.consents.marketing;
            member.consents.marketing = marketing.applied_to(before, now);
        }
        match &self.attributes {
            None => {}
            Some(None) => member.attributes = Attributes::default(),
            Some(Some(patch)) => member.attributes = patch.apply(&member.attributes)?,
        }
        Ok(())
    }
}
