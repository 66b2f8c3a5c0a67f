//! Readiness: does a table answer, and how fast?
//!
//! Actions on the table: GetItem, which every function that may read a table may do anyway.

use std::time::Duration;

use serde::de::IgnoredAny;

use crate::{StoreError, Table, keys, query::Read};

/// The longest that a probe waits.
const LIMIT: Duration = Duration::from_millis(1_500);

/// What a probe found.
#[derive(Debug)]
pub struct Probe {
    /// How long the answer or the failure took.
    pub latency: Duration,
    /// Whether there was an answer.
    pub outcome: Result<(), StoreError>,
}

/// Asks for an item that does not exist; within a second and a half there is a result. The table's
/// client should keep to [`aws::Pace::PROBE`], so that one failure is not hidden by a retry.
pub async fn probe(table: &Table) -> Probe {
    let started = tokio::time::Instant::now();
    let key = keys::probe();
    let answer = table.get::<IgnoredAny>(&key, Read::Eventual);
    let outcome = match tokio::time::timeout(LIMIT, answer).await {
        Ok(answered) => answered.map(drop),
        Err(elapsed) => Err(StoreError::TimedOut {
            operation: "GetItem",
            place: table.name().to_owned(),
            source: Box::new(elapsed),
        }),
    };
    Probe {
        latency: started.elapsed(),
        outcome,
    }
}
