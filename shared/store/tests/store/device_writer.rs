//! Puts of members who are being purged, and of those whose answers were lost.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use domain::{
    DeviceId, DeviceKey,
    allocation::{DeviceSegments, Profile},
};
use serde_json::json;
use store::{
    Devices, Members,
    devices::{DeviceOwner, DeviceWriter, PutMode, PutOutcome},
};

use crate::{
    devices::{assert_stored, config, items, member, of_member, owner, profile, writer},
    harness::{Dynamo, Fault, NOON, Proxy, Stamps, put_item, table_at},
};

#[tokio::test]
async fn a_put_after_a_purge_has_erased_the_members_items_stores_nothing() {
    let dynamo = Dynamo::start().await;
    let devices = Devices::new(dynamo.table());
    let writer = writer(&dynamo).await;
    let mut stamps = Stamps::new();
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    let key = DeviceKey::of(&phone);
    let mut put = async |number, mode| {
        let (profile, stamp) = (profile("a"), stamps.next());
        let put = writer.put_profile(&phone, owner(number), &profile, mode, stamp, NOON);
        let profile = put.await.unwrap();
        let (config, stamp) = (config("games"), stamps.next());
        let put = writer.put_content_config(&phone, owner(number), &config, stamp, NOON);
        (profile, put.await.unwrap())
    };
    let stored = (PutOutcome::Stored, PutOutcome::Stored);
    let gone = (PutOutcome::OwnerGone, PutOutcome::OwnerGone);
    let closed_at = NOON.to_string();
    for (sk, when) in [("standing", "begun"), ("member", "ended")] {
        for number in [1, 2] {
            assert_eq!(put(number, PutMode::Replace).await, stored);
        }
        put_item(&dynamo, of_member(1, sk, &[("withdrawn_at", &closed_at)])).await;
        devices.forget(key, member(1), Some(NOON)).await.unwrap();
        assert_eq!(items(&dynamo).await.len(), 2, "the other's, {when}");
        for mode in [PutMode::Replace, PutMode::Insert] {
            assert_eq!(put(1, mode).await, gone, "{when}, {mode:?}");
        }
        assert_eq!(items(&dynamo).await.len(), 2, "{when}");
        devices.erase(&phone).await.unwrap();
        assert_eq!(
            put(1, PutMode::Replace).await,
            gone,
            "{when}, nothing there"
        );
        assert_eq!(items(&dynamo).await.len(), 0, "{when}");
        put_item(&dynamo, of_member(1, sk, &[])).await;
    }
    assert_eq!(put(9, PutMode::Replace).await, gone, "no such member");
}

#[tokio::test]
async fn a_first_put_whose_answer_was_lost_is_stored_once_and_the_next_is_a_single_write() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    writer(&dynamo).await;
    let table = table_at(&proxy.endpoint, aws::Pace::NORMAL);
    let writer = DeviceWriter::new(Devices::new(table.clone()), Members::new(table));
    let mut stamps = Stamps::new();
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    let transactions = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&transactions);
    proxy.set(move |_, request| {
        let is_transaction = request.asks_for("TransactWriteItems");
        match is_transaction && seen.fetch_add(1, Ordering::SeqCst) == 0 {
            true => Fault::LoseAnswer,
            false => Fault::None,
        }
    });
    let mut sofar = Vec::new();
    for interest in ["a", "b", "c"] {
        let (profile, stamp) = (profile(interest), stamps.next());
        let put = writer.put_profile(&phone, owner(1), &profile, PutMode::Replace, stamp, NOON);
        assert_stored(put.await);
        sofar.push(transactions.load(Ordering::SeqCst));
    }
    assert!(sofar[0] >= 1, "{sofar:?}");
    assert_eq!(sofar, [sofar[0]; 3]);
    assert_eq!(items(&dynamo).await.len(), 1);
}

#[tokio::test]
async fn segments_name_no_member_whose_purge_has_begun() {
    let dynamo = Dynamo::start().await;
    let writer = writer(&dynamo).await;
    let mut stamps = Stamps::new();
    let phone: DeviceId = "4F:9a:00:17:2c:55".parse().unwrap();
    let server: DeviceSegments =
        serde_json::from_value(json!({"segments": ["gold"], "server_attributes": {}})).unwrap();
    let with_segments: Profile = serde_json::from_value(json!({"segments": ["vip"]})).unwrap();
    let first = profile("a");
    let put = writer.put_profile(
        &phone,
        owner(1),
        &first,
        PutMode::Replace,
        stamps.next(),
        NOON,
    );
    assert_stored(put.await);
    let config = config("games");
    let put = writer.put_content_config(&phone, owner(1), &config, stamps.next(), NOON);
    assert_stored(put.await);
    let about = async || {
        let items = items(&dynamo).await;
        let found = items.into_iter().find(|item| {
            let sk = item["sk"].as_s();
            sk.is_ok_and(|sk| sk == "profile-server")
        });
        let found = found.expect("segments");
        let segments = found["segments_json"].as_s().unwrap().clone();
        (segments, found.contains_key("member_id"))
    };
    let gold = r#"["gold"]"#.to_owned();
    let vip = r#"["vip"]"#.to_owned();
    writer.put_segments(&phone, &server, NOON).await.unwrap();
    assert_eq!(about().await, (gold.clone(), true));

    // The purge has closed the member, and has not erased their content-config yet.
    let closed_at = NOON.to_string();
    put_item(
        &dynamo,
        of_member(1, "standing", &[("withdrawn_at", &closed_at)]),
    )
    .await;
    writer.put_segments(&phone, &server, NOON).await.unwrap();
    assert_eq!(about().await, (gold, false));
    let app = DeviceOwner::App;
    let put = writer.put_profile(
        &phone,
        app,
        &with_segments,
        PutMode::Replace,
        stamps.next(),
        NOON,
    );
    assert_stored(put.await);
    assert_eq!(about().await, (vip.clone(), false));
    let devices = Devices::new(dynamo.table());
    devices.delete_segments(&phone).await.unwrap();
    let put = writer.put_profile(
        &phone,
        app,
        &with_segments,
        PutMode::Replace,
        stamps.next(),
        NOON,
    );
    assert_stored(put.await);
    assert_eq!(about().await, (vip, false));
}
