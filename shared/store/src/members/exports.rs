//! Exports: everything that is kept of a member, for the member.

use domain::{
    DeviceKey, Instant, RandomId, ReadState,
    identity::{ConsentEvent, MemberId, SecurityEvent, Session},
};
use serde::{Deserialize, Serialize};

use super::{LinkedIdentity, MemberRecord, Members};
use crate::{
    StoreError, keys,
    query::{Range, Read},
    table::is_over,
    transaction::Transaction,
};

/// That a member asked for their data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// When.
    pub requested_at: Instant,
    /// Until when they can have it.
    pub good_until: Instant,
}

/// Everything that the Members table keeps of a member.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Who they are, what they agreed to and what they are called.
    pub member: MemberRecord,
    /// What they sign in with.
    pub identities: Vec<LinkedIdentity>,
    /// Their sessions, the newest first.
    pub sessions: Vec<Session>,
    /// Every device that they ever signed in on, for what other tables keep of it.
    pub devices: Vec<DeviceKey>,
    /// Which notices they have read.
    pub notices_read: ReadState,
    /// The history of their consents, the oldest first.
    pub consent_history: Vec<ConsentEvent>,
    /// Security events of their sessions, the oldest first.
    pub security_events: Vec<SecurityEvent>,
}

impl Members {
    /// Writes down that a member asks for their data. `false`: there is no such member, or no more.
    pub async fn request_export(
        &self,
        member: MemberId,
        id: RandomId,
        export: Export,
    ) -> Result<bool, StoreError> {
        let key = keys::export(member, id);
        let item = self.table.encode_until(&key, &export, export.good_until)?;
        let written = self
            .check_open(Transaction::new(&self.table), member)?
            .put(item)?
            .commit()
            .await;
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// That a member asked for their data, if they can still have it at `now`.
    pub async fn export(
        &self,
        member: MemberId,
        id: RandomId,
        now: Instant,
    ) -> Result<Option<Export>, StoreError> {
        let key = keys::export(member, id);
        let item = self.table.get_item(&key, Read::Consistent).await?;
        let item = item.filter(|item| !is_over(item, now));
        item.map(|item| self.table.decode(item)).transpose()
    }

    /// Everything that is kept of a member at `now`. `None`: there is no such member, or no more.
    pub async fn document(
        &self,
        member: MemberId,
        now: Instant,
    ) -> Result<Option<Document>, StoreError> {
        let Some(kept) = self.present(member).await? else {
            return Ok(None);
        };
        Ok(Some(Document {
            consent_history: self.consent_history(&kept.record.member).await?,
            security_events: self.security_events(member, now).await?,
            member: kept.record,
            identities: self.identities(member).await?,
            sessions: self.sessions(member, now).await?,
            devices: self.devices(member).await?,
            notices_read: self.read_state(member, now).await?,
        }))
    }

    /// Every device that a member signed in on.
    pub(super) async fn devices(&self, member: MemberId) -> Result<Vec<DeviceKey>, StoreError> {
        let (least, greatest) = keys::MEMBER_DEVICES;
        let range = Range {
            between: Some((least.to_owned(), greatest.to_owned())),
            ..Range::all(keys::member(member), Read::Consistent)
        };
        let found = self.table.sort_keys(&range).await?;
        let device = |sk: &String| sk.strip_prefix(least)?.parse().ok();
        Ok(found.iter().filter_map(device).collect())
    }
}
