//! Counters of calls in fixed windows.

use std::time::Duration;

use store::{Rates, rate::Decision};

use crate::harness::{Dynamo, NOON};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn hits_are_counted_per_scope_and_window() {
    let dynamo = Dynamo::start().await;
    let rates = Rates::new(dynamo.table());
    let now = NOON + Duration::from_secs(20);
    for (nth, remaining) in [(1, 1), (2, 0), (3, 0)] {
        let expected = Decision {
            allowed: nth <= 2,
            remaining,
            reset: Duration::from_secs(40),
        };
        assert_eq!(
            rates.hit("address#10.0.0.1", 2, MINUTE, now).await.unwrap(),
            expected
        );
    }
    assert!(
        rates
            .hit("address#10.0.0.2", 2, MINUTE, now)
            .await
            .unwrap()
            .allowed
    );
    assert!(
        rates
            .hit("address#10.0.0.1", 2, MINUTE, NOON + MINUTE)
            .await
            .unwrap()
            .allowed
    );
}

#[tokio::test]
async fn of_fifty_at_once_just_as_many_are_allowed_as_the_limit_says() {
    let dynamo = Dynamo::start().await;
    let rates = Rates::new(dynamo.table());
    let hits: Vec<_> = (0..50)
        .map(|_| {
            let rates = rates.clone();
            tokio::spawn(async move { rates.hit("x", 30, MINUTE, NOON).await.unwrap().allowed })
        })
        .collect();
    let mut allowed = 0;
    for hit in hits {
        allowed += usize::from(hit.await.unwrap());
    }
    assert_eq!(allowed, 30);
}
