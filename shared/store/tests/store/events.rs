//! Events counted once, whatever happens to calls and answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use aws::Pace;
use domain::{
    Day, DeviceKey,
    events::{Counter, Event, REMEMBERED},
};
use store::{
    Events, StoreError,
    events::{EventCounts, Outcome},
};

use crate::{
    harness::{Dynamo, Fault, NOON, Proxy, Stamps, items, table_at},
    marks::listen,
};

const IMPRESSION: &str = "banners/spring impression";

/// An event of today, counted for an item (`banners/spring click`) or for a type.
fn event(id: &str, counter: &str) -> Event {
    let counter = match counter.split_once(' ') {
        Some((item, interaction)) => {
            Counter::Item(item.parse().unwrap(), interaction.parse().unwrap())
        }
        None => Counter::Type(counter.parse().unwrap()),
    };
    Event {
        id: id.parse().unwrap(),
        counter,
        day: Day::of(NOON),
        remembered_until: NOON + REMEMBERED,
    }
}

fn events(numbers: impl IntoIterator<Item = usize>, counter: &str) -> Vec<Event> {
    let numbers = numbers.into_iter();
    numbers
        .map(|number| event(&number.to_string(), counter))
        .collect()
}

fn phone() -> Option<DeviceKey> {
    Some(DeviceKey::of(&"phone-1".parse().unwrap()))
}

/// How many events of a call were counted and how many repeated.
async fn count(store: &Events, events: &[Event], stamps: &mut Stamps) -> (usize, usize) {
    let outcomes = store.count(events, phone(), stamps.next()).await.unwrap();
    assert_eq!(outcomes.len(), events.len());
    sorted(&outcomes)
}

fn sorted(outcomes: &[Outcome]) -> (usize, usize) {
    let counted = outcomes.iter().filter(|it| **it == Outcome::Counted);
    let counted = counted.count();
    (counted, outcomes.len() - counted)
}

/// Today's counts, as counters are written above.
async fn counts(dynamo: &Dynamo) -> BTreeMap<String, u64> {
    counts_of(dynamo, Day::of(NOON)).await
}

async fn counts_of(dynamo: &Dynamo, day: Day) -> BTreeMap<String, u64> {
    let counts = EventCounts::new(dynamo.table());
    let text = |counter| match counter {
        Counter::Item(item, interaction) => format!("{item} {interaction}"),
        Counter::Type(event_type) => event_type.to_string(),
    };
    let counts = counts.between(day, day).await.unwrap().into_iter();
    counts.map(|it| (text(it.counter), it.count)).collect()
}

fn expected(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let counts = counts.iter();
    counts
        .map(|(counter, count)| ((*counter).to_owned(), *count))
        .collect()
}

#[tokio::test]
async fn an_id_counts_once_for_its_device_whatever_else_is_told_of_it() {
    let dynamo = Dynamo::start().await;
    let store = Events::new(dynamo.table());
    let mut stamps = Stamps::new();
    let twice = [event("1", IMPRESSION), event("1", "banners/spring click")];
    let outcomes = store.count(&twice, phone(), stamps.next()).await.unwrap();
    assert_eq!(outcomes, [Outcome::Counted, Outcome::Repeated]);
    let mixed = [
        event("2", "click"),
        event("1", "level_up"),
        event("3", IMPRESSION),
    ];
    let outcomes = store.count(&mixed, phone(), stamps.next()).await.unwrap();
    assert_eq!(
        outcomes,
        [Outcome::Counted, Outcome::Repeated, Outcome::Counted]
    );
    assert_eq!(count(&store, &mixed, &mut stamps).await, (0, 3));

    let tablet = Some(DeviceKey::of(&"tablet-1".parse().unwrap()));
    for device in [tablet, None] {
        for outcome in [Outcome::Counted, Outcome::Repeated] {
            let told = [event("1", IMPRESSION)];
            let outcomes = store.count(&told, device, stamps.next()).await;
            assert_eq!(outcomes.unwrap(), [outcome], "{device:?}");
        }
    }
    assert_eq!(
        counts(&dynamo).await,
        expected(&[(IMPRESSION, 4), ("click", 1)])
    );
}

#[tokio::test]
async fn nothing_is_nothing() {
    let dynamo = Dynamo::start().await;
    let store = Events::new(dynamo.table());
    assert_eq!(count(&store, &[], &mut Stamps::new()).await, (0, 0));
    assert!(items(&dynamo).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_calls_at_once_with_the_same_events_each_event_counts_once() {
    let dynamo = Dynamo::start().await;
    let store = Events::new(dynamo.table());
    let mut stamps = Stamps::new();
    let calls: Vec<_> = (0..50)
        .map(|nth| {
            let (store, stamp) = (store.clone(), stamps.next());
            // No two calls in a row have the same five of the six.
            let numbers = (0..6).filter(move |number| *number != nth % 6);
            let events = events(numbers, IMPRESSION);
            tokio::spawn(async move { store.count(&events, phone(), stamp).await.unwrap() })
        })
        .collect();
    let mut counted = 0;
    for call in calls {
        counted += sorted(&call.await.unwrap()).0;
    }
    assert_eq!(counted, 6);
    assert_eq!(counts(&dynamo).await, expected(&[(IMPRESSION, 6)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_that_everybody_moves_is_spread_and_whole() {
    let dynamo = Dynamo::start().await;
    let store = Events::new(dynamo.table());
    let mut stamps = Stamps::new();
    let calls: Vec<_> = (0..100)
        .map(|nth| {
            let (store, stamp) = (store.clone(), stamps.next());
            let events = events([2 * nth, 2 * nth + 1], IMPRESSION);
            tokio::spawn(async move { store.count(&events, None, stamp).await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(sorted(&call.await.unwrap()), (2, 0));
    }
    assert_eq!(counts(&dynamo).await, expected(&[(IMPRESSION, 200)]));
    let written = items(&dynamo).await;
    let partitions = written.iter().map(|item| item["pk"].as_s().unwrap());
    let shards: BTreeSet<_> = partitions
        .filter(|pk| pk.starts_with("event-counts#"))
        .collect();
    assert!(shards.len() > 8, "{shards:?}");
}

#[tokio::test]
async fn counts_stay_and_ids_are_forgotten_in_time() {
    let dynamo = Dynamo::start().await;
    let store = Events::new(dynamo.table());
    let told = [event("1", IMPRESSION), event("2", "level_up")];
    count(&store, &told, &mut Stamps::new()).await;
    let written = items(&dynamo).await;
    assert_eq!(written.len(), 4, "two ids and two counts");
    let until = (NOON + REMEMBERED).as_seconds().to_string();
    for item in written {
        let is_id = item["pk"].as_s().unwrap().starts_with("event#");
        let expires_at = item.get("expires_at").map(|it| it.as_n().unwrap());
        assert_eq!(expires_at, is_id.then_some(&until), "{item:?}");
    }
}

#[tokio::test]
async fn events_of_one_count_are_one_transaction_and_many_are_several() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let store = Events::new(table_at(&proxy.endpoint, Pace::NORMAL));
    let mut stamps = Stamps::new();
    let heard = listen(&proxy);
    let alike = events(0..49, IMPRESSION);
    assert_eq!(count(&store, &alike, &mut stamps).await, (49, 0));
    {
        let heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 1);
        assert_eq!(heard[0].matches("\"event-counts#").count(), 1);
        assert!(heard[0].contains("\"49\""), "added at once");
    }
    heard.lock().unwrap().clear();
    // As different as a hundred events can be: each moves a count of its own.
    let different: Vec<Event> = (100..200)
        .map(|number| event(&number.to_string(), &format!("banners/b{number} click")))
        .collect();
    assert_eq!(count(&store, &different, &mut stamps).await, (100, 0));
    let heard = heard.lock().unwrap().clone();
    assert_eq!(heard.len(), 4);
    for transaction in heard {
        assert_eq!(transaction.matches("\"event#").count(), 25);
        assert_eq!(transaction.matches("\"event-counts#").count(), 25);
    }
    assert_eq!(counts(&dynamo).await.values().sum::<u64>(), 149);
}

#[tokio::test]
async fn events_whose_answers_were_all_lost_are_known_for_this_calls_own() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let store = Events::new(table_at(&proxy.endpoint, Pace::NORMAL));
    let mut stamps = Stamps::new();
    // As many as the client tries by itself too, so that its own memory does not help.
    for (nth, lost) in [1, 3].into_iter().enumerate() {
        proxy.set(move |nth, _| match nth < lost {
            true => Fault::LoseAnswer,
            false => Fault::None,
        });
        let some = events(3 * nth..3 * nth + 3, IMPRESSION);
        assert_eq!(count(&store, &some, &mut stamps).await, (3, 0), "{lost}");
    }
    // The first answer says what is there; those that are lost are of what is left.
    proxy.set(|nth, _| match nth {
        1..=3 => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let some = events([6, 0, 7], IMPRESSION);
    let outcomes = store.count(&some, phone(), stamps.next()).await.unwrap();
    let expectation = [Outcome::Counted, Outcome::Repeated, Outcome::Counted];
    assert_eq!((outcomes.as_slice(), proxy.seen()), (&expectation[..], 5));
    assert_eq!(counts(&dynamo).await, expected(&[(IMPRESSION, 8)]));
}

#[tokio::test]
async fn what_could_not_be_stored_is_an_error_and_sent_again_counts_once() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let store = Events::new(table_at(&proxy.endpoint, Pace::NORMAL));
    let mut stamps = Stamps::new();
    let many = events(0..100, IMPRESSION);
    // Three transactions; the last id is in one of them that never arrives.
    let lost = key_of(&many[99]).await;
    proxy.set(move |_, request| {
        let body = String::from_utf8_lossy(&request.body);
        match body.contains(&lost) {
            true => Fault::Refuse,
            false => Fault::None,
        }
    });
    let refused = store.count(&many, phone(), stamps.next()).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable { .. })),
        "{refused:?}"
    );
    proxy.set(|_, _| Fault::None);
    let (counted, repeated) = count(&store, &many, &mut stamps).await;
    assert_eq!(counted + repeated, 100);
    assert!(counted > 0, "the last was not there");
    assert_eq!(counts(&dynamo).await, expected(&[(IMPRESSION, 100)]));
    assert_eq!(count(&store, &many, &mut stamps).await, (0, 100));
}

/// The partition key of an event's id, from a database where nothing else was counted.
async fn key_of(event: &Event) -> String {
    let dynamo = Dynamo::start().await;
    let store = Events::new(dynamo.table());
    count(&store, std::slice::from_ref(event), &mut Stamps::new()).await;
    let written = items(&dynamo).await;
    let pks = written.iter().map(|item| item["pk"].as_s().unwrap());
    let mut ids = pks.filter(|pk| pk.starts_with("event#"));
    ids.next().unwrap().clone()
}

#[tokio::test]
async fn whoever_meets_another_transaction_goes_on_to_another_shard() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let store = Events::new(table_at(&proxy.endpoint, Pace::NORMAL));
    let shards = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&shards);
    proxy.set(move |nth, request| {
        let body = String::from_utf8_lossy(&request.body);
        let shard = body.split("event-counts#2026-03-01#").nth(1);
        seen.lock().unwrap().push(shard.unwrap()[..2].to_owned());
        match nth < 5 {
            true => Fault::Contend,
            false => Fault::None,
        }
    });
    let told = count(&store, &events(0..2, IMPRESSION), &mut Stamps::new()).await;
    assert_eq!(told, (2, 0));
    let shards = shards.lock().unwrap().clone();
    let different: BTreeSet<_> = shards.iter().collect();
    assert_eq!((shards.len(), different.len()), (6, 6), "{shards:?}");
    assert_eq!(counts(&dynamo).await, expected(&[(IMPRESSION, 2)]));
}
