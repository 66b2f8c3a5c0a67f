//! Security events of a member's sessions. They lie with the member, without the address of a caller,
//! expire after a year and are purged with the member.

use std::time::Duration;

use domain::{
    Instant, RandomId,
    identity::{MemberId, SecurityEvent},
};

use super::Members;
use crate::{
    StoreError, keys,
    query::{Range, Read},
    table::{ABSENT, is_over},
    transaction::Transaction,
};

/// How long an event is stored.
const RETENTION: Duration = Duration::from_secs(365 * 86_400);

impl Members {
    /// Adds an event of that id.
    pub fn record_security_event<'t>(
        &'t self,
        transaction: Transaction<'t>,
        member: MemberId,
        id: RandomId,
        event: &SecurityEvent,
    ) -> Result<Transaction<'t>, StoreError> {
        let key = keys::security_event(member, id);
        let item = self.table.encode_until(&key, event, event.at + RETENTION)?;
        transaction.put_if(item, ABSENT, [])
    }

    /// Returns the events of a member that have not expired at `now`, the oldest first.
    pub async fn security_events(
        &self,
        member: MemberId,
        now: Instant,
    ) -> Result<Vec<SecurityEvent>, StoreError> {
        let (least, greatest) = keys::SECURITY_EVENTS;
        let range = Range {
            between: Some((least.to_owned(), greatest.to_owned())),
            ..Range::all(keys::member(member), Read::Consistent)
        };
        let (items, _) = self.table.query(&range, usize::MAX).await?;
        let live = items.into_iter().filter(|item| !is_over(item, now));
        live.map(|item| self.table.decode(item)).collect()
    }
}
