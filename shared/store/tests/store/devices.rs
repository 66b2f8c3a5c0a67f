//! Devices: one partition each; profiles and content-configs by owner; erased whole, or a member's part.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    DeviceId, DeviceKey, Instant,
    allocation::{ContentConfig, DeviceSegments, Profile, StoredContentConfig},
    caps::Showings,
    identity::MemberId,
};
use serde_json::json;
use store::{
    Devices, Members, Stamp,
    devices::{
        DEVICE_RETENTION, DeviceExport, DeviceOwner, DeviceRecord, DeviceWriter, PutMode,
        PutOutcome,
    },
};

use crate::harness::{self, Dynamo, NOON, Proxy, Stamps, put_item, table_at};

const APP: DeviceOwner = DeviceOwner::App;

pub(crate) fn member(number: u8) -> MemberId {
    MemberId::from_bytes([number; 16])
}

pub(crate) fn owner(number: u8) -> DeviceOwner {
    DeviceOwner::Member(member(number))
}

pub(crate) fn of_member(
    number: u8,
    sk: &str,
    more: &[(&str, &str)],
) -> HashMap<String, AttributeValue> {
    let key = [
        ("pk", format!("member#{}", member(number))),
        ("sk", sk.to_owned()),
    ];
    let more = more.iter().map(|(name, text)| (*name, (*text).to_owned()));
    let pairs = key.into_iter().chain(more);
    pairs
        .map(|(name, text)| (name.to_owned(), AttributeValue::S(text)))
        .collect()
}

/// A writer for members who are there.
pub(crate) async fn writer(dynamo: &Dynamo) -> DeviceWriter {
    for number in 1..=5 {
        put_item(dynamo, of_member(number, "member", &[])).await;
    }
    let table = dynamo.table();
    DeviceWriter::new(Devices::new(table.clone()), Members::new(table))
}

pub(crate) fn assert_stored(put: Result<PutOutcome, store::StoreError>) {
    assert_eq!(put.unwrap(), PutOutcome::Stored);
}

async fn replace_profile(
    writer: &DeviceWriter,
    phone: &DeviceId,
    whose: DeviceOwner,
    interest: &str,
    stamp: Stamp,
) {
    let (profile, mode) = (profile(interest), PutMode::Replace);
    let put = writer.put_profile(phone, whose, &profile, mode, stamp, NOON);
    assert_stored(put.await);
}

async fn put_games_config(
    writer: &DeviceWriter,
    phone: &DeviceId,
    whose: DeviceOwner,
    stamp: Stamp,
) {
    let config = config("games");
    let put = writer.put_content_config(phone, whose, &config, stamp, NOON);
    assert_stored(put.await);
}

/// Everything in the partitions of devices.
pub(crate) async fn items(dynamo: &Dynamo) -> Vec<HashMap<String, AttributeValue>> {
    let mut items = harness::items(dynamo).await;
    items.retain(|item| item["pk"].as_s().unwrap().starts_with("device#"));
    items
}

pub(crate) fn profile(interest: &str) -> Profile {
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
    let writer = writer(&dynamo).await;
    let mut stamps = Stamps::new();
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    let other: DeviceId = "4F:9b:00:17:2c:55".parse().unwrap();

    assert_eq!(devices.profile(&phone, APP, NOON).await.unwrap(), None);
    assert_eq!(devices.record(&phone, NOON).await.unwrap().profile, None);
    assert!(!devices.erase(&phone).await.unwrap());

    replace_profile(&writer, &phone, APP, "travel", stamps.next()).await;
    assert_stored(
        writer
            .put_profile(
                &other,
                APP,
                &profile("food"),
                PutMode::Insert,
                stamps.next(),
                NOON,
            )
            .await,
    );
    let taken = writer
        .put_profile(
            &phone,
            APP,
            &profile("food"),
            PutMode::Insert,
            stamps.next(),
            NOON,
        )
        .await;
    assert_eq!(taken.unwrap(), PutOutcome::Exists);

    let stored = devices.profile(&phone, APP, NOON).await.unwrap().unwrap();
    assert_eq!(stored.profile, profile("travel"));
    assert_eq!(stored.updated_at, NOON);
    assert_eq!(
        devices.record(&phone, NOON).await.unwrap().profile,
        Some(stored)
    );

    assert!(devices.erase(&phone).await.unwrap());
    assert_eq!(devices.profile(&phone, APP, NOON).await.unwrap(), None);
    assert!(
        devices.profile(&other, APP, NOON).await.unwrap().is_some(),
        "another device's stays"
    );
}

#[tokio::test]
async fn of_twenty_that_insert_at_once_one_wins() {
    let dynamo = Dynamo::start().await;
    let writer = writer(&dynamo).await;
    let mut stamps = Stamps::new();
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    let tries: Vec<_> = (0..20)
        .map(|n| {
            let (writer, phone, stamp) = (writer.clone(), phone.clone(), stamps.next());
            tokio::spawn(async move {
                writer
                    .put_profile(
                        &phone,
                        APP,
                        &profile(&format!("i{n}")),
                        PutMode::Insert,
                        stamp,
                        NOON,
                    )
                    .await
            })
        })
        .collect();
    let mut won = 0;
    for tried in tries {
        match tried.await.unwrap().unwrap() {
            PutOutcome::Stored => won += 1,
            other => assert_eq!(other, PutOutcome::Exists),
        }
    }
    assert_eq!(won, 1);
}

pub(crate) fn config(category: &str) -> ContentConfig {
    serde_json::from_value(json!({"categories": {category: false}, "frequency": "less"})).unwrap()
}

#[tokio::test]
async fn a_content_config_is_the_defaults_until_it_is_put() {
    let dynamo = Dynamo::start().await;
    let mut stamps = Stamps::new();
    let devices = Devices::new(dynamo.table());
    let writer = writer(&dynamo).await;
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    let defaults = devices.content_config(&phone, APP, NOON).await.unwrap();
    assert_eq!(defaults, StoredContentConfig::default());
    assert_eq!(
        serde_json::to_value(&defaults).unwrap(),
        json!({"categories": {}, "frequency": "normal"})
    );
    put_games_config(&writer, &phone, APP, stamps.next()).await;
    let stored = devices.content_config(&phone, APP, NOON).await.unwrap();
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
    let mut stamps = Stamps::new();
    let devices = Devices::new(dynamo.table());
    let writer = writer(&dynamo).await;
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    replace_profile(&writer, &phone, APP, "travel", stamps.next()).await;
    put_games_config(&writer, &phone, APP, stamps.next()).await;
    let last = NOON + DEVICE_RETENTION - Duration::from_secs(1);
    assert!(devices.profile(&phone, APP, last).await.unwrap().is_some());
    let over = NOON + DEVICE_RETENTION;
    assert_eq!(devices.profile(&phone, APP, over).await.unwrap(), None);
    let defaults = StoredContentConfig::default();
    assert_eq!(
        devices.content_config(&phone, APP, over).await.unwrap(),
        defaults
    );
    let record = devices.record(&phone, over).await.unwrap();
    assert_eq!(record, DeviceRecord::default());
    assert_eq!(items(&dynamo).await.len(), 2);
    assert_stored(
        writer
            .put_profile(
                &phone,
                APP,
                &profile("food"),
                PutMode::Insert,
                stamps.next(),
                over,
            )
            .await,
    );
}

#[tokio::test]
async fn an_id_is_kept_nowhere() {
    let dynamo = Dynamo::start().await;
    let mut stamps = Stamps::new();
    let writer = writer(&dynamo).await;
    let phone: DeviceId = "4F:9a-secret-17-2c".parse().unwrap();
    replace_profile(&writer, &phone, APP, "travel", stamps.next()).await;
    put_games_config(&writer, &phone, APP, stamps.next()).await;
    let kept = format!("{:?}", items(&dynamo).await);
    assert!(!kept.contains("4F:9a"), "{kept}");
}

#[tokio::test]
async fn nothing_is_stored_under_an_id_that_many_devices_share() {
    let dynamo = Dynamo::start().await;
    let mut stamps = Stamps::new();
    let devices = Devices::new(dynamo.table());
    let writer = writer(&dynamo).await;
    for shared in [
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "n.a",
        "serial-unknown",
    ] {
        let shared: DeviceId = shared.parse().unwrap();
        for whose in [APP, owner(4)] {
            let profile = profile("travel");
            for mode in [PutMode::Replace, PutMode::Insert, PutMode::Insert] {
                let stamp = stamps.next();
                assert_stored(
                    writer
                        .put_profile(&shared, whose, &profile, mode, stamp, NOON)
                        .await,
                );
            }
            let (config, stamp) = (config("games"), stamps.next());
            assert_stored(
                writer
                    .put_content_config(&shared, whose, &config, stamp, NOON)
                    .await,
            );
            let found = devices.profile(&shared, whose, NOON).await.unwrap();
            assert_eq!(found, None, "{shared}");
            let found = devices.content_config(&shared, whose, NOON).await.unwrap();
            assert_eq!(found, StoredContentConfig::default(), "{shared}");
        }
        let vip = segments(&["vip"], json!({"tier": 2}));
        writer.put_segments(&shared, &vip, NOON).await.unwrap();
        assert_eq!(devices.segments(&shared, NOON).await.unwrap(), None);
    }
    let kept = items(&dynamo).await;
    assert!(kept.is_empty(), "{kept:?}");
}

#[tokio::test]
async fn a_device_is_read_in_one_query_and_only_what_belongs_to_its_record() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let devices = Devices::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    let pk = format!("device#{}", DeviceKey::of(&phone));
    for sk in [
        "aaa",
        "cap#",
        "cap#x01#lifetime",
        "cap#c01#2026-03-01@UTC",
        "profile2",
        "aside#app#profile",
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
    let mut stamps = Stamps::new();
    let devices = Devices::new(dynamo.table());
    let writer = writer(&dynamo).await;
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
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
    replace_profile(&writer, &phone, APP, "travel", stamps.next()).await;
    assert!(devices.erase(&phone).await.unwrap());
    assert!(items(&dynamo).await.is_empty());
    assert!(!devices.erase(&phone).await.unwrap());
}

fn segments(names: &[&str], attributes: serde_json::Value) -> DeviceSegments {
    serde_json::from_value(json!({"segments": names, "server_attributes": attributes})).unwrap()
}

fn interests(found: Option<domain::allocation::StoredProfile>) -> Option<String> {
    found.map(|stored| stored.profile.interests[0].to_string())
}

/// What an allocation reads: the profile's interest, the segments, whether there is a config.
async fn read(devices: &Devices, phone: &DeviceId) -> (Option<String>, Vec<String>, bool) {
    let record = devices.record(phone, NOON).await.unwrap();
    let segments = record.segments.map(|server| server.segments);
    (
        interests(record.profile),
        segments.iter().flatten().map(ToString::to_string).collect(),
        record.config.is_some(),
    )
}

#[tokio::test]
async fn each_owner_finds_their_own_and_allocations_what_was_put_last() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let writer = writer(&dynamo).await;
    let mut stamps = Stamps::new();
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    let own = async |whose| {
        let profile = devices.profile(&phone, whose, NOON).await.unwrap();
        let config = devices.content_config(&phone, whose, NOON).await.unwrap();
        (interests(profile), config.updated_at.is_some())
    };
    let put = async |whose, interest: &str, stamps: &mut Stamps| {
        let (one, other) = (stamps.next(), stamps.next());
        let profile = profile(interest);
        let put = writer.put_profile(&phone, whose, &profile, PutMode::Replace, one, NOON);
        assert_stored(put.await);
        let config = config("games");
        let put = writer.put_content_config(&phone, whose, &config, other, NOON);
        assert_stored(put.await);
    };
    let found = |interest: &str| (Some(interest.to_owned()), true);
    put(owner(1), "first", &mut stamps).await;
    assert_eq!(own(owner(2)).await, (None, false));
    assert_eq!(own(APP).await, found("first"), "the app reads it");
    put(owner(2), "second", &mut stamps).await;
    assert_eq!(own(owner(1)).await, found("first"));
    assert_eq!(own(owner(2)).await, found("second"));
    assert_eq!(read(&devices, &phone).await.0.unwrap(), "second");
    put(APP, "app", &mut stamps).await;
    put(owner(1), "third", &mut stamps).await;
    for (whose, interest) in [(owner(1), "third"), (owner(2), "second"), (APP, "app")] {
        assert_eq!(own(whose).await, found(interest), "{whose}");
    }
    assert_eq!(read(&devices, &phone).await.0.unwrap(), "third");

    // Three profiles and three content-configs, however often they took turns.
    assert_eq!(items(&dynamo).await.len(), 6);
    let key = DeviceKey::of(&phone);
    devices.erase_own(key, member(3)).await.unwrap();
    assert_eq!(items(&dynamo).await.len(), 6);
    devices.erase_own(key, member(2)).await.unwrap();
    assert_eq!(own(owner(2)).await, (None, false));
    devices.erase_own(key, member(1)).await.unwrap();
    assert_eq!(own(owner(1)).await, (None, false));
    assert_eq!(own(APP).await, found("app"));
    assert_eq!(read(&devices, &phone).await, (None, vec![], false));
}

#[tokio::test]
async fn an_owner_inserts_once_beside_the_others() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let writer = writer(&dynamo).await;
    let mut stamps = Stamps::new();
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    let mut insert = async |whose, interest: &str| {
        let (profile, stamp) = (profile(interest), stamps.next());
        let inserted = writer.put_profile(&phone, whose, &profile, PutMode::Insert, stamp, NOON);
        inserted.await.unwrap()
    };
    assert_eq!(insert(APP, "app").await, PutOutcome::Stored);
    assert_eq!(insert(owner(1), "first").await, PutOutcome::Stored);
    assert_eq!(insert(owner(2), "second").await, PutOutcome::Stored);
    for whose in [APP, owner(1), owner(2)] {
        let again = insert(whose, "again").await;
        assert_eq!(again, PutOutcome::Exists, "{whose}");
    }
    devices.erase(&phone).await.unwrap();
    assert_eq!(insert(owner(1), "first").await, PutOutcome::Stored);
    assert_eq!(
        insert(APP, "app").await,
        PutOutcome::Exists,
        "the app finds a member's"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_who_put_at_once_lose_nothing() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let writer = writer(&dynamo).await;
    let mut stamps = Stamps::new();
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    for round in 0..3 {
        let puts: Vec<_> = (1..=5)
            .map(|number| {
                let (writer, phone, stamp) = (writer.clone(), phone.clone(), stamps.next());
                let profile = profile(&format!("r{round}-m{number}"));
                tokio::spawn(async move {
                    let put = writer.put_profile(
                        &phone,
                        owner(number),
                        &profile,
                        PutMode::Replace,
                        stamp,
                        NOON,
                    );
                    put.await
                })
            })
            .collect();
        for put in puts {
            assert_stored(put.await.unwrap());
        }
        for number in 1..=5 {
            let found = devices.profile(&phone, owner(number), NOON).await.unwrap();
            assert_eq!(interests(found).unwrap(), format!("r{round}-m{number}"));
        }
        assert_eq!(items(&dynamo).await.len(), 5);
    }
}

#[tokio::test]
async fn segments_are_the_apps_whoever_puts_a_profile() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let writer = writer(&dynamo).await;
    let mut stamps = Stamps::new();
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    let in_segments = |names: &[&str], interest: &str| -> Profile {
        serde_json::from_value(json!({"segments": names, "interests": [interest]})).unwrap()
    };
    let mut put = async |whose, profile: Profile| {
        let stamp = stamps.next();
        let put = writer.put_profile(&phone, whose, &profile, PutMode::Replace, stamp, NOON);
        assert_stored(put.await);
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    put(owner(1), in_segments(&["whale"], "a")).await;
    assert_eq!(read(&devices, &phone).await.1, names(&[]));
    assert_eq!(devices.segments(&phone, NOON).await.unwrap(), None);

    // With a profile of the app's own, and without one.
    put(APP, in_segments(&["vip"], "b")).await;
    put(owner(1), in_segments(&["whale"], "c")).await;
    assert_eq!(read(&devices, &phone).await.1, names(&["vip"]));
    let seen = devices.profile(&phone, APP, NOON).await.unwrap().unwrap();
    assert_eq!(seen.profile, in_segments(&["vip"], "b"));
    put(APP, in_segments(&[], "d")).await;
    assert_eq!(read(&devices, &phone).await.1, names(&[]));

    // By themselves: a profile without segments leaves them, one with segments replaces them.
    let server = segments(&["gold"], json!({"plan": "pro"}));
    writer.put_segments(&phone, &server, NOON).await.unwrap();
    put(APP, in_segments(&[], "e")).await;
    let stored = devices.segments(&phone, NOON).await.unwrap().unwrap();
    assert_eq!((stored.segments, stored.updated_at), (server, NOON));
    put(APP, in_segments(&["new"], "f")).await;
    let stored = devices.segments(&phone, NOON).await.unwrap().unwrap();
    assert_eq!(stored.segments, segments(&["new"], json!({"plan": "pro"})));

    devices.delete_segments(&phone).await.unwrap();
    devices.delete_segments(&phone).await.unwrap();
    assert_eq!(devices.segments(&phone, NOON).await.unwrap(), None);
    assert!(
        devices
            .targeting(&phone, NOON)
            .await
            .unwrap()
            .profile
            .is_some()
    );
    let over = NOON + DEVICE_RETENTION;
    writer
        .put_segments(&phone, &segments(&["old"], json!({"a": 1})), NOON)
        .await
        .unwrap();
    assert_eq!(devices.segments(&phone, over).await.unwrap(), None);
    let (profile, stamp) = (in_segments(&["x"], "g"), Stamps::new().next());
    let put = writer.put_profile(&phone, APP, &profile, PutMode::Replace, stamp, over);
    assert_stored(put.await);
    let stored = devices.segments(&phone, over).await.unwrap().unwrap();
    assert_eq!(
        stored.segments,
        segments(&["x"], json!({})),
        "nothing that has expired comes back"
    );
}

/// A profile of a version without owners.
async fn put_without_owner(dynamo: &Dynamo, phone: &DeviceId, profile: &Profile, at: Instant) {
    let text = |text: String| AttributeValue::S(text);
    let expires_at = (at + DEVICE_RETENTION).as_seconds().to_string();
    let item = HashMap::from([
        (
            "pk".to_owned(),
            text(format!("device#{}", DeviceKey::of(phone))),
        ),
        ("sk".to_owned(), text("profile".to_owned())),
        (
            "profile".to_owned(),
            text(serde_json::to_string(profile).unwrap()),
        ),
        ("updated_at".to_owned(), text(at.to_string())),
        ("expires_at".to_owned(), AttributeValue::N(expires_at)),
    ]);
    put_item(dynamo, item).await;
}

#[tokio::test]
async fn a_profile_of_before_owners_is_the_apps_and_its_segments_count_until_it_is_replaced() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let writer = writer(&dynamo).await;
    let mut stamps = Stamps::new();
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    let old: Profile =
        serde_json::from_value(json!({"segments": ["vip"], "interests": ["old"]})).unwrap();
    put_without_owner(&dynamo, &phone, &old, NOON).await;
    let (interest, names, _) = read(&devices, &phone).await;
    assert_eq!(
        (interest.unwrap(), names),
        ("old".to_owned(), vec!["vip".to_owned()])
    );
    let targeting = devices.targeting(&phone, NOON).await.unwrap();
    assert_eq!(targeting.segments, Some(segments(&["vip"], json!({}))));
    assert_eq!(devices.profile(&phone, owner(1), NOON).await.unwrap(), None);
    let seen = devices.profile(&phone, APP, NOON).await.unwrap().unwrap();
    assert_eq!(seen.profile, old);

    let (new, stamp) = (profile("new"), stamps.next());
    let put = writer.put_profile(&phone, owner(1), &new, PutMode::Replace, stamp, NOON);
    assert_stored(put.await);
    let (interest, names, _) = read(&devices, &phone).await;
    assert_eq!((interest.unwrap(), names), ("new".to_owned(), vec![]));
    let seen = devices.profile(&phone, APP, NOON).await.unwrap().unwrap();
    assert_eq!(seen.profile, old, "it was moved aside");
}

async fn put_counter(dynamo: &Dynamo, phone: &DeviceId) {
    let text = |text: String| AttributeValue::S(text);
    let item = HashMap::from([
        (
            "pk".to_owned(),
            text(format!("device#{}", DeviceKey::of(phone))),
        ),
        ("sk".to_owned(), text("cap#c01#lifetime".to_owned())),
        ("n".to_owned(), AttributeValue::N("2".to_owned())),
    ]);
    put_item(dynamo, item).await;
}

#[tokio::test]
async fn an_export_has_what_a_member_owns_on_a_device_and_no_more() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let writer = writer(&dynamo).await;
    let mut stamps = Stamps::new();
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    let key = DeviceKey::of(&phone);
    let export = async |number, alone| {
        let export = devices.export(key, member(number), alone, NOON).await;
        let DeviceExport {
            profile,
            config,
            segments,
            counters,
        } = export.unwrap();
        let interest = interests(profile);
        (
            interest,
            config.is_some(),
            segments.is_some(),
            counters.len(),
        )
    };
    put_counter(&dynamo, &phone).await;
    let server = segments(&["gold"], json!({}));
    writer.put_segments(&phone, &server, NOON).await.unwrap();
    // Nobody has put anything.
    assert_eq!(export(1, true).await, (None, false, true, 1));
    assert_eq!(export(1, false).await, (None, false, false, 0));

    let (profile, config) = (profile("first"), config("games"));
    let put = writer.put_profile(
        &phone,
        owner(1),
        &profile,
        PutMode::Replace,
        stamps.next(),
        NOON,
    );
    assert_stored(put.await);
    let first = |is_present, counters| (Some("first".to_owned()), false, is_present, counters);
    assert_eq!(export(1, false).await, first(true, 1));
    assert_eq!(export(2, false).await, (None, false, false, 0));

    // Once another puts theirs, segments of before are nobody's, and those of since are that member's.
    let later = NOON + Duration::from_secs(1);
    let put = writer.put_content_config(&phone, owner(2), &config, stamps.next(), later);
    assert_stored(put.await);
    assert_eq!(export(1, false).await, first(false, 0));
    assert_eq!(export(2, false).await, (None, true, false, 1));
    writer.put_segments(&phone, &server, later).await.unwrap();
    assert_eq!(export(1, false).await, first(false, 0));
    assert_eq!(export(2, false).await, (None, true, true, 1));
}

#[tokio::test]
async fn a_member_who_is_forgotten_takes_what_is_theirs_whoever_came_later() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let writer = writer(&dynamo).await;
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    let key = DeviceKey::of(&phone);
    let later = NOON + Duration::from_secs(1);
    let left = async || {
        let mut left: Vec<_> = items(&dynamo)
            .await
            .iter()
            .map(|item| item["sk"].as_s().unwrap().clone())
            .collect();
        left.sort();
        left
    };
    let of_second = |sk: &str| format!("aside#{}#{sk}", member(2));
    // The first member, then the second; one of the two is forgotten.
    for (forgotten, is_later, expected) in [
        (
            1,
            Some(later),
            vec!["cap#c01#lifetime", "profile", "profile-server"],
        ),
        (2, None, vec!["content-config"]),
    ] {
        devices.erase(&phone).await.unwrap();
        let mut stamps = Stamps::new();
        put_counter(&dynamo, &phone).await;
        let (one, two, three) = (stamps.next(), stamps.next(), stamps.next());
        replace_profile(&writer, &phone, owner(1), "first", one).await;
        put_games_config(&writer, &phone, owner(1), two).await;
        assert_stored(
            writer
                .put_profile(
                    &phone,
                    owner(2),
                    &profile("second"),
                    PutMode::Replace,
                    three,
                    later,
                )
                .await,
        );
        let server = segments(&["gold"], json!({}));
        writer.put_segments(&phone, &server, later).await.unwrap();
        for _ in 0..2 {
            devices
                .forget(key, member(forgotten), is_later)
                .await
                .unwrap();
        }
        let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        if forgotten == 2 {
            expected.insert(0, format!("aside#{}#profile", member(1)));
        }
        assert_eq!(left().await, expected, "without {forgotten}");
        assert!(!left().await.contains(&of_second("profile")));
    }

    // What nobody owns goes with the last who signed in, and with one before them where it is older.
    for (is_later, kept) in [(None, 0), (Some(later), 1), (Some(NOON), 2)] {
        devices.erase(&phone).await.unwrap();
        put_counter(&dynamo, &phone).await;
        put_without_owner(&dynamo, &phone, &profile("old"), NOON).await;
        devices.forget(key, member(1), is_later).await.unwrap();
        assert_eq!(items(&dynamo).await.len(), kept, "{is_later:?}");
    }
}
