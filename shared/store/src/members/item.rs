//! A member as they lie in the table: an item with what the member writes, and an item with their
//! standing.
//!
//! The standing (ban, pending withdrawal, ended sessions) is an item of its own because it must
//! always be possible to write it, however large the member's item is. Earlier versions stored it in
//! the member's item: that is read until the standing's item is written for the first time.

use domain::{
    Country, Instant, Locale, RandomId,
    identity::{Ban, Consents, Member, MemberId, SessionsEnded, Withdrawal},
    targeting::Attributes,
};
use serde::{Deserialize, Serialize};

use super::MemberRecord;
use crate::{Stamp, StoreError, Table, keys, table::Item};

/// A member and all that is kept in their items.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// The member's version counts the changes of both items.
    pub(super) record: MemberRecord,
    /// The key of their nickname.
    pub(super) nickname_key: Option<String>,
    /// Nicknames that were theirs and that nobody else may take yet.
    pub(super) released: Vec<Released>,
    /// What stands for them in what must be kept after they were forgotten.
    pub(super) pseudonym: Option<RandomId>,
    /// The last write of the member's item.
    pub(super) profile: Revision,
    /// The last write of the standing's item; `None` before the first one.
    pub(super) standing: Option<Revision>,
    /// What an earlier version stored of the standing in the member's item.
    legacy: Option<Standing>,
}

/// The state of an item: the number of its changes, and the last one's stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Revision {
    pub(super) version: u64,
    pub(super) stamp: Stamp,
}

/// A nickname that its owner gave up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Released {
    pub(super) key: String,
    pub(super) held_until: Instant,
}

/// Attributes are what conditions look at; the rest is JSON text.
#[derive(Serialize, Deserialize)]
pub(super) struct MemberItem {
    created_at: Instant,
    version: u64,
    stamp: Stamp,
    #[serde(default)]
    identities: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nickname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nickname_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nickname_changed_at: Option<Instant>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    released: Vec<Released>,
    /// Of an earlier version's member only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withdrawal: Option<Withdrawal>,
    /// Of a tombstone, and of an earlier version's member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withdrawn_at: Option<Instant>,
    /// Of an earlier version's member only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sessions_ended: Option<SessionsEnded>,
    /// Of a tombstone, and of an earlier version's member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pseudonym: Option<RandomId>,
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Profile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locale: Option<Locale>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    country: Option<Country>,
    #[serde(default)]
    consents: Consents,
    #[serde(default)]
    under_14: bool,
    #[serde(default)]
    attributes: Attributes,
    /// Of an earlier version's member only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ban: Option<Ban>,
}

/// The standing's item; the ban is JSON text.
#[derive(Serialize, Deserialize)]
pub(super) struct StandingItem {
    version: u64,
    stamp: Stamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ban: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withdrawal: Option<Withdrawal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withdrawn_at: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sessions_ended: Option<SessionsEnded>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pseudonym: Option<RandomId>,
}

/// What a standing says, whichever item it lies in.
#[derive(Debug, Clone, Default)]
struct Standing {
    ban: Option<Ban>,
    withdrawal: Option<Withdrawal>,
    withdrawn_at: Option<Instant>,
    sessions_ended: Option<SessionsEnded>,
    pseudonym: Option<RandomId>,
}

impl Kept {
    pub(super) fn new(member: Member, stamp: Stamp) -> Self {
        Self {
            profile: Revision {
                version: member.version,
                stamp,
            },
            record: MemberRecord {
                member,
                nickname: None,
                nickname_changed_at: None,
                identities: 1,
            },
            nickname_key: None,
            released: Vec::new(),
            pseudonym: None,
            standing: None,
            legacy: None,
        }
    }

    pub(super) fn id(&self) -> MemberId {
        self.record.member.id
    }

    /// Returns the member's version: the number of changes of both items.
    pub(super) fn version(&self) -> u64 {
        self.record.member.version
    }

    /// Whether the last write of one of the items has that stamp.
    pub(super) fn has_stamp(&self, stamp: Stamp) -> bool {
        self.profile.stamp == stamp || self.standing.is_some_and(|last| last.stamp == stamp)
    }

    /// The same, about to be changed by the write of that stamp: what the member writes.
    pub(super) fn next(&self, stamp: Stamp) -> Self {
        let mut next = self.clone();
        next.record.member.version += 1;
        next.profile = Revision {
            version: self.profile.version + 1,
            stamp,
        };
        next
    }

    /// Announces a change of the standing by the write of that stamp.
    pub(super) fn change_standing(&mut self, stamp: Stamp) {
        self.record.member.version += 1;
        self.standing = Some(Revision {
            version: self.standing.map_or(0, |last| last.version) + 1,
            stamp,
        });
    }

    /// Returns what remains of a purged member: both items, without anything personal.
    ///
    /// The standing's item stays because the two items are read at different moments. If it were
    /// deleted, a read of the member's item before the purge and of the standing after it would find a
    /// member who is neither closed nor banned, and the next write of the standing would revive them.
    pub(super) fn tombstone(&self) -> Self {
        let left = Member {
            version: self.profile.version + 1,
            locale: None,
            country: None,
            consents: Consents::default(),
            under_14: false,
            attributes: Attributes::default(),
            ban: None,
            withdrawal: None,
            sessions_ended: None,
            ..self.record.member.clone()
        };
        let legacy = Standing {
            withdrawn_at: left.withdrawn_at,
            pseudonym: self.pseudonym,
            ..Standing::default()
        };
        let stamp = self.profile.stamp;
        let mut tombstone = Self::new(left, stamp);
        tombstone.record.identities = 0;
        tombstone.pseudonym = self.pseudonym;
        tombstone.standing = self.standing;
        tombstone.change_standing(stamp);
        tombstone.legacy = Some(legacy);
        tombstone
    }

    pub(super) fn read(
        table: &Table,
        id: MemberId,
        item: MemberItem,
        standing: Option<StandingItem>,
    ) -> Result<Self, StoreError> {
        let profile = item.profile.as_deref().map(serde_json::from_str::<Profile>);
        let profile = profile
            .transpose()
            .map_err(|e| StoreError::corrupt(table.name(), e))?
            .unwrap_or_default();
        let revision = standing.as_ref().map(|item| Revision {
            version: item.version,
            stamp: item.stamp,
        });
        let (standing, legacy) = match standing {
            Some(item) => (Standing::read(table, item)?, None),
            None => {
                let legacy = Standing {
                    ban: profile.ban,
                    withdrawal: item.withdrawal,
                    withdrawn_at: item.withdrawn_at,
                    sessions_ended: item.sessions_ended,
                    pseudonym: item.pseudonym,
                };
                (legacy.clone(), Some(legacy))
            }
        };
        let member = Member {
            id,
            created_at: item.created_at,
            version: item.version + revision.map_or(0, |last| last.version),
            locale: profile.locale,
            country: profile.country,
            consents: profile.consents,
            under_14: profile.under_14,
            attributes: profile.attributes,
            ban: standing.ban,
            withdrawal: standing.withdrawal,
            withdrawn_at: standing.withdrawn_at,
            sessions_ended: standing.sessions_ended,
        };
        Ok(Self {
            record: MemberRecord {
                member,
                nickname: item.nickname,
                nickname_changed_at: item.nickname_changed_at,
                identities: item.identities,
            },
            nickname_key: item.nickname_key,
            released: item.released,
            pseudonym: standing.pseudonym,
            profile: Revision {
                version: item.version,
                stamp: item.stamp,
            },
            standing: revision,
            legacy,
        })
    }

    /// Returns the member's item. A standing that an earlier version stored in it stays in it while
    /// the standing has no item of its own.
    pub(super) fn write(&self, table: &Table) -> Result<Item, StoreError> {
        let kept = self.clone();
        let member = kept.record.member;
        let legacy = kept.legacy.unwrap_or_default();
        let profile = Profile {
            locale: member.locale,
            country: member.country,
            consents: member.consents,
            under_14: member.under_14,
            attributes: member.attributes,
            ban: legacy.ban,
        };
        let profile = Some(profile).filter(|profile| *profile != Profile::default());
        let profile = profile.as_ref().map(serde_json::to_string).transpose();
        let profile = profile.map_err(|e| StoreError::corrupt(table.name(), e))?;
        let item = MemberItem {
            created_at: member.created_at,
            version: kept.profile.version,
            stamp: kept.profile.stamp,
            identities: kept.record.identities,
            profile,
            nickname: kept.record.nickname,
            nickname_key: kept.nickname_key,
            nickname_changed_at: kept.record.nickname_changed_at,
            released: kept.released,
            withdrawal: legacy.withdrawal,
            withdrawn_at: legacy.withdrawn_at,
            sessions_ended: legacy.sessions_ended,
            pseudonym: legacy.pseudonym,
        };
        table.encode(&keys::member_record(member.id), &item)
    }

    /// Returns the standing's item, about to be written at `revision`.
    pub(super) fn write_standing(
        &self,
        table: &Table,
        revision: Revision,
    ) -> Result<Item, StoreError> {
        let member = &self.record.member;
        let ban = member.ban.as_ref().map(serde_json::to_string).transpose();
        let item = StandingItem {
            version: revision.version,
            stamp: revision.stamp,
            ban: ban.map_err(|e| StoreError::corrupt(table.name(), e))?,
            withdrawal: member.withdrawal,
            withdrawn_at: member.withdrawn_at,
            sessions_ended: member.sessions_ended,
            pseudonym: self.pseudonym,
        };
        table.encode(&keys::member_standing(member.id), &item)
    }
}

impl Standing {
    fn read(table: &Table, item: StandingItem) -> Result<Self, StoreError> {
        let ban = item.ban.as_deref().map(serde_json::from_str).transpose();
        Ok(Self {
            ban: ban.map_err(|e| StoreError::corrupt(table.name(), e))?,
            withdrawal: item.withdrawal,
            withdrawn_at: item.withdrawn_at,
            sessions_ended: item.sessions_ended,
            pseudonym: item.pseudonym,
        })
    }
}
