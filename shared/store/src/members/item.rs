//! A member as they lie in the table.

use domain::{
    Country, Instant, Locale, RandomId,
    identity::{Ban, Consents, Member, MemberId, SessionsEnded, Withdrawal},
    targeting::Attributes,
};
use serde::{Deserialize, Serialize};

use super::MemberRecord;
use crate::{Stamp, StoreError, Table, keys, table::Item};

/// A member and all that is kept in their item.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) record: MemberRecord,
    /// The key of their nickname.
    pub(super) nickname_key: Option<String>,
    /// Nicknames that were theirs and that nobody else may take yet.
    pub(super) released: Vec<Released>,
    /// What stands for them in what must be kept after they were forgotten.
    pub(super) pseudonym: Option<RandomId>,
    /// Whose write this is.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withdrawal: Option<Withdrawal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withdrawn_at: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sessions_ended: Option<SessionsEnded>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ban: Option<Ban>,
}

impl Kept {
    pub(super) fn new(member: Member, stamp: Stamp) -> Self {
        Self {
            record: MemberRecord {
                member,
                nickname: None,
                nickname_changed_at: None,
                identities: 1,
            },
            nickname_key: None,
            released: Vec::new(),
            pseudonym: None,
            stamp,
        }
    }

    pub(super) fn id(&self) -> MemberId {
        self.record.member.id
    }

    pub(super) fn version(&self) -> u64 {
        self.record.member.version
    }

    /// The same, about to be changed by the write of that stamp.
    pub(super) fn next(&self, stamp: Stamp) -> Self {
        let mut next = self.clone();
        next.record.member.version += 1;
        next.stamp = stamp;
        next
    }

    /// What is left of a member who was forgotten.
    pub(super) fn tombstone(&self) -> Self {
        let left = Member {
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
        let mut tombstone = Self::new(left, self.stamp);
        tombstone.record.identities = 0;
        tombstone.pseudonym = self.pseudonym;
        tombstone
    }

    pub(super) fn read(table: &Table, id: MemberId, item: MemberItem) -> Result<Self, StoreError> {
        let profile = item.profile.as_deref().map(serde_json::from_str::<Profile>);
        let profile = profile
            .transpose()
            .map_err(|e| StoreError::corrupt(table.name(), e))?
            .unwrap_or_default();
        let member = Member {
            id,
            created_at: item.created_at,
            version: item.version,
            locale: profile.locale,
            country: profile.country,
            consents: profile.consents,
            under_14: profile.under_14,
            attributes: profile.attributes,
            ban: profile.ban,
            withdrawal: item.withdrawal,
            withdrawn_at: item.withdrawn_at,
            sessions_ended: item.sessions_ended,
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
            pseudonym: item.pseudonym,
            stamp: item.stamp,
        })
    }

    pub(super) fn write(&self, table: &Table) -> Result<Item, StoreError> {
        let kept = self.clone();
        let member = kept.record.member;
        let profile = Profile {
            locale: member.locale,
            country: member.country,
            consents: member.consents,
            under_14: member.under_14,
            attributes: member.attributes,
            ban: member.ban,
        };
        let profile = Some(profile).filter(|profile| *profile != Profile::default());
        let profile = profile.as_ref().map(serde_json::to_string).transpose();
        let profile = profile.map_err(|e| StoreError::corrupt(table.name(), e))?;
        let item = MemberItem {
            created_at: member.created_at,
            version: member.version,
            stamp: kept.stamp,
            identities: kept.record.identities,
            profile,
            nickname: kept.record.nickname,
            nickname_key: kept.nickname_key,
            nickname_changed_at: kept.record.nickname_changed_at,
            released: kept.released,
            withdrawal: member.withdrawal,
            withdrawn_at: member.withdrawn_at,
            sessions_ended: member.sessions_ended,
            pseudonym: kept.pseudonym,
        };
        table.encode(&keys::member_record(member.id), &item)
    }
}
