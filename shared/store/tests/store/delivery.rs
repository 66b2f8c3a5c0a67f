//! The delivery: published by one worker at a time, and read beside requests.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use aws::Pace;
use domain::{
    Instant,
    delivery::{Delivery, Throttle, Zone},
};
use store::{
    Blobs, StoreError,
    budgets::{Deliveries, DeliveryReader},
};

use crate::harness::{Dynamo, Fault, NOON, Proxy, Stamps, table_at};

const REFRESH: Duration = Duration::from_secs(10);
const CONFIRM: Duration = Duration::from_secs(30);

fn delivery(at: Instant, pass: f32) -> Delivery {
    let throttle = Throttle {
        pass,
        zone: Zone::Open,
    };
    Delivery {
        at,
        throttles: HashMap::from([(7, throttle)]),
        ..Delivery::default()
    }
}

fn blobs(dir: &Path) -> Blobs {
    Blobs::Files {
        dir: dir.to_owned(),
    }
}

fn after(seconds: u64) -> Instant {
    NOON + Duration::from_secs(seconds)
}

#[tokio::test]
async fn what_is_published_is_read_and_never_gives_way_to_something_older() {
    let (dynamo, dir) = (Dynamo::start().await, tempfile::tempdir().unwrap());
    let deliveries = Deliveries::new(dynamo.table(), blobs(dir.path()));
    assert_eq!(deliveries.latest().await.unwrap(), None);
    let newer = delivery(after(60), 0.5);
    deliveries.publish(&newer).await.unwrap();
    let older = deliveries.publish(&delivery(NOON, 0.9)).await;
    assert!(older.unwrap_err().is_conflict());
    assert_eq!(deliveries.latest().await.unwrap(), Some(newer));
}

#[tokio::test]
async fn one_in_which_nothing_changed_is_stored_again_before_the_bucket_forgets_it() {
    let (dynamo, dir) = (Dynamo::start().await, tempfile::tempdir().unwrap());
    let deliveries = Deliveries::new(dynamo.table(), blobs(dir.path()));
    let files = || std::fs::read_dir(dir.path().join("delivery")).unwrap();
    deliveries.publish(&delivery(NOON, 0.5)).await.unwrap();
    let blob = files().next().unwrap().unwrap().path();
    std::fs::remove_file(&blob).unwrap();
    let hours = |hours: u64| after(3600 * hours);
    deliveries.publish(&delivery(hours(1), 0.5)).await.unwrap();
    assert_eq!(files().count(), 0, "it would still be there");
    deliveries.publish(&delivery(hours(13), 0.5)).await.unwrap();
    assert!(blob.exists());
}

#[tokio::test]
async fn one_run_of_the_worker_has_the_turn_until_it_ends_it_or_must_be_over() {
    let (dynamo, dir) = (Dynamo::start().await, tempfile::tempdir().unwrap());
    let deliveries = Deliveries::new(dynamo.table(), blobs(dir.path()));
    let mut stamps = Stamps::new();
    let mut take = async |at: Instant| {
        let deadline = at + Duration::from_secs(60);
        deliveries
            .take_turn(stamps.next(), at, deadline)
            .await
            .unwrap()
    };
    let first = take(NOON).await.unwrap();
    assert!(take(after(60)).await.is_none());
    let second = take(after(61)).await.unwrap();
    deliveries.end_turn(first).await.unwrap();
    assert!(take(after(62)).await.is_none(), "it was not the first's");
    deliveries.end_turn(second).await.unwrap();
    assert!(take(after(63)).await.is_some());
}

#[tokio::test]
async fn after_a_pause_the_newest_delivery_is_waited_for_and_a_silent_database_is_not() {
    let (dynamo, dir) = (Dynamo::start().await, tempfile::tempdir().unwrap());
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let deliveries = Deliveries::new(dynamo.table(), blobs(dir.path()));
    let read = Deliveries::new(table_at(&proxy.endpoint, Pace::NORMAL), blobs(dir.path()));
    let reader = DeliveryReader::new(read, REFRESH, CONFIRM);
    let first = delivery(after(1), 0.5);
    deliveries.publish(&first).await.unwrap();
    assert_eq!(*reader.refreshed(after(2)).await, first);
    let second = delivery(after(61), 0.25);
    deliveries.publish(&second).await.unwrap();
    assert_eq!(*reader.current(after(62)).await, second);

    let third = delivery(after(121), 0.75);
    deliveries.publish(&third).await.unwrap();
    proxy.set(|_, _| Fault::Hang);
    let waited = tokio::time::timeout(Duration::from_secs(2), reader.current(after(122))).await;
    assert_eq!(*waited.unwrap(), second);
    // The look that hangs is one of before the pause.
    proxy.set(|_, _| Fault::None);
    assert_eq!(*reader.current(after(153)).await, third);
}

#[tokio::test]
async fn an_instance_looks_once_in_a_while_beside_its_requests_and_keeps_what_it_has() {
    let (dynamo, dir) = (Dynamo::start().await, tempfile::tempdir().unwrap());
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let deliveries = Deliveries::new(dynamo.table(), blobs(dir.path()));
    let read = Deliveries::new(table_at(&proxy.endpoint, Pace::NORMAL), blobs(dir.path()));
    let reader = DeliveryReader::new(read, REFRESH, CONFIRM);
    assert_eq!(*reader.held(NOON), Delivery::default());
    assert_eq!(*reader.current(NOON).await, Delivery::default());
    let before_the_first = [reader.held(NOON), reader.held(NOON)];
    assert!(
        Arc::ptr_eq(&before_the_first[0], &before_the_first[1]),
        "nothing that is made of it is made anew"
    );

    let first = delivery(after(1), 0.5);
    deliveries.publish(&first).await.unwrap();
    proxy.set(|_, _| Fault::None);
    for second in 1..10 {
        reader.current(after(second)).await;
    }
    assert_eq!(proxy.seen(), 0, "not so soon");
    assert_eq!(*reader.refreshed(after(10)).await, first);
    assert_eq!(proxy.seen(), 1);

    // Nothing changed but the moment.
    let same = delivery(after(61), 0.5);
    deliveries.publish(&same).await.unwrap();
    assert_eq!(*reader.refreshed(after(70)).await, same);

    // The database is away, and then a delivery is damaged.
    proxy.set(|_, _| Fault::Refuse);
    assert_eq!(*reader.refreshed(after(80)).await, same);
    proxy.set(|_, _| Fault::None);
    let next = delivery(after(121), 0.25);
    deliveries.publish(&next).await.unwrap();
    let blob = std::fs::read_dir(dir.path().join("delivery")).unwrap();
    for file in blob {
        let file = file.unwrap().path();
        let mut bytes = std::fs::read(&file).unwrap();
        bytes.reverse();
        std::fs::write(&file, bytes).unwrap();
    }
    assert_eq!(*reader.refreshed(after(130)).await, same);
    let refused = deliveries.latest().await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })));
}
