//! The history of consents: an item for each consent that was given or withdrawn, written in the
//! transaction of its change and never changed.

use domain::{
    Instant,
    identity::{ConsentEvent, Consents, Member},
};

use super::Members;
use crate::{
    StoreError, keys,
    query::{Range, Read},
    transaction::Transaction,
};

impl Members {
    /// Adds the events of a change of consents.
    pub(super) fn record_consents<'t>(
        &'t self,
        mut transaction: Transaction<'t>,
        (before, after): (&Member, &Consents),
        now: Instant,
    ) -> Result<Transaction<'t>, StoreError> {
        for event in before.consents.events_until(after, now) {
            let key = keys::member_consent(before.id, &event);
            transaction = transaction.put(self.table.encode(&key, &event)?)?;
        }
        Ok(transaction)
    }

    /// Returns the history of a member's consents, the oldest first. The events that gave what is in
    /// force are among it, though an earlier version recorded none.
    pub(super) async fn consent_history(
        &self,
        member: &Member,
    ) -> Result<Vec<ConsentEvent>, StoreError> {
        let (least, greatest) = keys::MEMBER_CONSENTS;
        let range = Range {
            between: Some((least.to_owned(), greatest.to_owned())),
            ..Range::all(keys::member(member.id), Read::Consistent)
        };
        let mut history: Vec<ConsentEvent> = self.table.query_all(&range).await?;
        let given = member.consents.given();
        history.extend(
            given
                .into_iter()
                .filter(|event| !history.contains(event))
                .collect::<Vec<_>>(),
        );
        history.sort();
        Ok(history)
    }
}
