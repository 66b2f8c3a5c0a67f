//! Probes: an answer or a failure in time.

use std::time::Duration;

use aws::Pace;
use store::{StoreError, probe};

use crate::harness::{Dynamo, Fault, Proxy, aws_at, table_at};

#[tokio::test]
async fn a_table_answers_is_missing_hangs_or_is_gone_and_each_is_told() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let table = table_at(&proxy.endpoint, Pace::PROBE);
    assert!(probe(&table).await.is_ok());

    let database = store::Database::connect(&aws_at(&dynamo.endpoint, None), Pace::PROBE);
    let missing = probe(&database.table("elsewhere")).await;
    assert!(
        matches!(missing, Err(StoreError::Refused { .. })),
        "{missing:?}"
    );

    proxy.set(|_, _| Fault::Refuse);
    let gone = probe(&table).await;
    assert!(
        matches!(gone, Err(StoreError::Unavailable { .. })),
        "{gone:?}"
    );

    proxy.set(|_, _| Fault::Hang);
    let bounded = tokio::time::timeout(Duration::from_secs(5), probe(&table)).await;
    let hung = bounded.expect("given up by the probe, not by the test");
    assert!(matches!(hung, Err(StoreError::TimedOut { .. })), "{hung:?}");
}
