//! Devices: one partition each, erased whole.

use domain::{DeviceId, allocation::Profile};
use serde_json::json;
use store::Devices;

use crate::harness::{Dynamo, NOON, Stamps};

fn profile(interest: &str) -> Profile {
    serde_json::from_value(json!({
        "country": "KR",
        "interests": [interest],
        "attributes": {"level": 3, "vip": true, "plan": "gold", "games": ["go", "chess"]},
    }))
    .unwrap()
}

#[tokio::test]
async fn a_profile_is_put_read_back_inserted_once_and_erased() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let mut stamps = Stamps::new();
    let phone: DeviceId = "4F:9a".parse().unwrap();
    let other: DeviceId = "4F:9b".parse().unwrap();

    assert_eq!(devices.profile(&phone).await.unwrap(), None);
    assert_eq!(devices.record(&phone).await.unwrap().profile, None);
    assert!(!devices.erase(&phone).await.unwrap());

    devices
        .put_profile(&phone, &profile("travel"), NOON)
        .await
        .unwrap();
    devices
        .insert_profile(&other, &profile("food"), stamps.next(), NOON)
        .await
        .unwrap();
    let taken = devices
        .insert_profile(&phone, &profile("food"), stamps.next(), NOON)
        .await;
    assert!(taken.unwrap_err().is_conflict());

    let stored = devices.profile(&phone).await.unwrap().unwrap();
    assert_eq!(stored.profile, profile("travel"));
    assert_eq!(stored.updated_at, NOON);
    assert_eq!(devices.record(&phone).await.unwrap().profile, Some(stored));

    assert!(devices.erase(&phone).await.unwrap());
    assert_eq!(devices.profile(&phone).await.unwrap(), None);
    assert!(
        devices.profile(&other).await.unwrap().is_some(),
        "another device's stays"
    );
}

#[tokio::test]
async fn of_twenty_that_insert_at_once_one_wins() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let mut stamps = Stamps::new();
    let phone: DeviceId = "4F:9a".parse().unwrap();
    let tries: Vec<_> = (0..20)
        .map(|n| {
            let (devices, phone, stamp) = (devices.clone(), phone.clone(), stamps.next());
            tokio::spawn(async move {
                devices
                    .insert_profile(&phone, &profile(&format!("i{n}")), stamp, NOON)
                    .await
            })
        })
        .collect();
    let mut won = 0;
    for tried in tries {
        match tried.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => assert!(error.is_conflict(), "{error}"),
        }
    }
    assert_eq!(won, 1);
}
