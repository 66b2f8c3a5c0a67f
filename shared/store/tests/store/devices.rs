//! Devices: one partition each, erased whole.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    DeviceId, DeviceKey,
    allocation::{ContentConfig, Profile, StoredContentConfig},
    caps::Showings,
};
use serde_json::json;
use store::{
    Devices,
    devices::{DEVICE_RETENTION, DeviceRecord},
};

use crate::harness::{Dynamo, NOON, Proxy, Stamps, items, put_item, table_at};

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

    assert_eq!(devices.profile(&phone, NOON).await.unwrap(), None);
    assert_eq!(devices.record(&phone, NOON).await.unwrap().profile, None);
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

    let stored = devices.profile(&phone, NOON).await.unwrap().unwrap();
    assert_eq!(stored.profile, profile("travel"));
    assert_eq!(stored.updated_at, NOON);
    assert_eq!(
        devices.record(&phone, NOON).await.unwrap().profile,
        Some(stored)
    );

    assert!(devices.erase(&phone).await.unwrap());
    assert_eq!(devices.profile(&phone, NOON).await.unwrap(), None);
    assert!(
        devices.profile(&other, NOON).await.unwrap().is_some(),
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

fn config(category: &str) -> ContentConfig {
    serde_json::from_value(json!({"categories": {category: false}, "frequency": "less"})).unwrap()
}

#[tokio::test]
async fn a_content_config_is_the_defaults_until_it_is_put() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let phone: DeviceId = "4F:9a".parse().unwrap();
    let defaults = devices.content_config(&phone, NOON).await.unwrap();
    assert_eq!(defaults, StoredContentConfig::default());
    assert_eq!(
        serde_json::to_value(&defaults).unwrap(),
        json!({"categories": {}, "frequency": "normal"})
    );
    devices
        .put_content_config(&phone, &config("games"), NOON)
        .await
        .unwrap();
    let stored = devices.content_config(&phone, NOON).await.unwrap();
    assert_eq!(
        (&stored.config, stored.updated_at),
        (&config("games"), Some(NOON))
    );
    let record = devices.record(&phone, NOON).await.unwrap();
    let expected = DeviceRecord {
        config: Some(stored),
        ..DeviceRecord::default()
    };
    assert_eq!(record, expected);
}

#[tokio::test]
async fn what_nobody_has_put_for_long_is_forgotten_though_it_is_still_there() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let phone: DeviceId = "4F:9a".parse().unwrap();
    devices
        .put_profile(&phone, &profile("travel"), NOON)
        .await
        .unwrap();
    devices
        .put_content_config(&phone, &config("games"), NOON)
        .await
        .unwrap();
    let last = NOON + DEVICE_RETENTION - Duration::from_secs(1);
    assert!(devices.profile(&phone, last).await.unwrap().is_some());
    let over = NOON + DEVICE_RETENTION;
    assert_eq!(devices.profile(&phone, over).await.unwrap(), None);
    let defaults = StoredContentConfig::default();
    assert_eq!(
        devices.content_config(&phone, over).await.unwrap(),
        defaults
    );
    let record = devices.record(&phone, over).await.unwrap();
    assert_eq!(record, DeviceRecord::default());
    assert_eq!(items(&dynamo).await.len(), 2);
    devices
        .insert_profile(&phone, &profile("food"), Stamps::new().next(), over)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_id_is_kept_nowhere() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let phone: DeviceId = "4F:9a-secret".parse().unwrap();
    devices
        .put_profile(&phone, &profile("travel"), NOON)
        .await
        .unwrap();
    devices
        .put_content_config(&phone, &config("games"), NOON)
        .await
        .unwrap();
    let kept = format!("{:?}", items(&dynamo).await);
    assert!(!kept.contains("4F:9a"), "{kept}");
}

#[tokio::test]
async fn a_device_is_read_in_one_query_and_only_what_belongs_to_its_record() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let devices = Devices::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let phone: DeviceId = "4F:9a".parse().unwrap();
    let pk = format!("device#{}", DeviceKey::of(&phone));
    for sk in [
        "aaa",
        "cap#",
        "cap#x01#lifetime",
        "cap#c01#2026-03-01@UTC",
        "profile2",
        "push-token",
    ] {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let number = AttributeValue::N("2".to_owned());
        let item = HashMap::from([
            ("pk".to_owned(), text(&pk)),
            ("sk".to_owned(), text(sk)),
            ("n".to_owned(), number),
        ]);
        put_item(&dynamo, item).await;
    }
    let mut showings = Showings::default();
    let counter = domain::caps::Counter {
        scope: domain::content::campaigns::CapScope::Campaign,
        key: 1,
        span: domain::caps::Span::Day("2026-03-01".parse().unwrap(), "UTC".into()),
    };
    let count = domain::caps::Count {
        total: 2,
        ..Default::default()
    };
    showings.insert(counter, count);
    let record = devices.record(&phone, NOON).await.unwrap();
    assert_eq!(record.showings, showings);
    assert_eq!(proxy.seen(), 1);
}

#[tokio::test]
async fn a_device_is_erased_whole_however_much_is_kept_of_it() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let phone: DeviceId = "4F:9a".parse().unwrap();
    let pk = format!("device#{}", DeviceKey::of(&phone));
    // More than the megabyte that one answer holds.
    for nth in 0..60 {
        let text = |text: String| AttributeValue::S(text);
        let item = HashMap::from([
            ("pk".to_owned(), text(pk.clone())),
            ("sk".to_owned(), text(format!("cap#c{nth:016x}#lifetime"))),
            ("padding".to_owned(), text("x".repeat(30_000))),
        ]);
        put_item(&dynamo, item).await;
    }
    devices
        .put_profile(&phone, &profile("travel"), NOON)
        .await
        .unwrap();
    assert!(devices.erase(&phone).await.unwrap());
    assert!(items(&dynamo).await.is_empty());
    assert!(!devices.erase(&phone).await.unwrap());
}
