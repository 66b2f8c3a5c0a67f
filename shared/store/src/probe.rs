//! Readiness: does a table answer?
//!
//! Actions on the table: GetItem, which every function that may read a table may do anyway.

use std::time::Duration;

use serde::de::IgnoredAny;

use crate::{StoreError, Table, keys, query::Read};

/// The longest that a probe waits.
const LIMIT: Duration = Duration::from_millis(1_500);

/// Asks for an item that does not exist; within a second and a half there is a result. The table's
/// client should keep to [`aws::Pace::PROBE`], so that one failure is not hidden by a retry.
pub async fn probe(table: &Table) -> Result<(), StoreError> {
    let key = keys::probe();
    let answer = table.get::<IgnoredAny>(&key, Read::Eventual);
    match tokio::time::timeout(LIMIT, answer).await {
        Ok(answered) => answered.map(drop),
        Err(elapsed) => Err(StoreError::TimedOut {
            operation: "GetItem",
            place: table.name().to_owned(),
            source: Box::new(elapsed),
        }),
    }
}
