//! Snapshots: newer ones looked for, stale ones served, damaged ones refused.

use std::{sync::Arc, time::Duration};

use domain::{
    Instant,
    content::{Kind, LoadError},
};
use kit::logging::{self, Output};
use serde_json::json;
use store::{
    Blobs, Reader, StoreError, Versions,
    edge::{SNAPSHOT_AGE, SnapshotSettings},
    published::{Freshness, Loader, Snapshot},
};

use crate::{
    harness::{Dynamo, Fault, NOON, Proxy, S3, TABLE, aws_at, table_at},
    publishing::Newsroom,
};

const KIND: Kind = Kind::Testers;

const FRESHNESS: Freshness = Freshness {
    refresh: Duration::from_secs(3),
    stale: Duration::from_secs(15),
    confirm: Duration::from_secs(30),
    age_limit: Duration::from_secs(86_400),
};

/// An artefact's text, for the sake of looking at it.
#[derive(Debug, Default)]
struct Text(String);

fn load(format: u16, artefact: &[u8]) -> Result<Text, LoadError> {
    match format {
        1 => Ok(Text(String::from_utf8_lossy(artefact).into_owned())),
        found => Err(LoadError::UnknownFormat { kind: KIND, found }),
    }
}

/// Takes longer than a request waits for the head.
fn load_slowly(format: u16, artefact: &[u8]) -> Result<Text, LoadError> {
    std::thread::sleep(Duration::from_millis(300));
    load(format, artefact)
}

/// A format that is before its time.
fn load_later(_: u16, artefact: &[u8]) -> Result<Text, LoadError> {
    load(2, artefact)
}

/// A newsroom, and a proxy between its readers and everything that they read.
struct World {
    dynamo: Dynamo,
    s3: S3,
    proxy: Proxy,
    news: Newsroom,
}

impl World {
    async fn new() -> Self {
        let (dynamo, s3) = (Dynamo::start().await, S3::start().await);
        let proxy = Proxy::before(&dynamo.endpoint, &s3.endpoint).await;
        let aws = aws_at(&dynamo.endpoint, Some(s3.endpoint.clone()));
        let news = Newsroom::new(dynamo.table(), Blobs::connect(&aws, "blobs"));
        Self {
            dynamo,
            s3,
            proxy,
            news,
        }
    }

    fn reader(&self) -> Reader<Text> {
        self.reader_with(load)
    }

    fn reader_with(&self, load: Loader<Text>) -> Reader<Text> {
        let aws = aws_at(&self.proxy.endpoint, Some(self.proxy.endpoint.clone()));
        Reader::new(
            KIND,
            table_at(&self.proxy.endpoint, aws::Pace::NORMAL),
            Blobs::connect(&aws, "blobs"),
            load,
            FRESHNESS,
        )
    }

    async fn publish(&mut self, range: &str, at: Instant) {
        self.news.draft("qa", &json!({"cidrs": [range]})).await;
        assert!(self.news.publish(at).await.version.is_some());
    }
}

fn after(seconds: u64) -> Instant {
    NOON + Duration::from_secs(seconds)
}

async fn current(reader: &Reader<Text>, now: Instant) -> Arc<Snapshot<Text>> {
    reader.current(now).await.unwrap()
}

/// Waits until a look that goes on beside has found `version`.
async fn until(reader: &Reader<Text>, version: u64) {
    while reader.version() != Some(version) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_kind_that_was_never_published_is_empty_not_unavailable() {
    let mut world = World::new().await;
    let reader = world.reader();
    assert_eq!((reader.version(), reader.age(NOON)), (None, None));
    let empty = current(&reader, NOON).await;
    assert_eq!(
        (empty.version, empty.published_at, empty.content.0.as_str()),
        (0, None, "")
    );
    world.publish("10.0.0.0/8", NOON).await;
    assert_eq!(
        current(&reader, after(3)).await.version,
        0,
        "served while the look goes on"
    );
    until(&reader, 1).await;
}

#[tokio::test]
async fn a_newer_version_is_found_beside_requests_by_one_look_at_a_time() {
    let mut world = World::new().await;
    world.publish("10.0.0.0/8", NOON).await;
    let reader = world.reader();
    let first = current(&reader, NOON).await;
    assert_eq!((first.version, first.published_at), (1, Some(NOON)));
    assert!(first.content.0.contains("10.0.0.0/8"));

    world.publish("10.1.0.0/16", after(1)).await;
    world.proxy.set(|_, _| Fault::None);
    for _ in 0..10 {
        assert_eq!(current(&reader, after(2)).await.version, 1);
    }
    assert_eq!(world.proxy.seen(), 0, "not due");
    let requests: Vec<_> = (0..50)
        .map(|_| {
            let reader = reader.clone();
            tokio::spawn(async move { reader.current(after(3)).await.unwrap().version })
        })
        .collect();
    for request in requests {
        assert!((1..=2).contains(&request.await.unwrap()));
    }
    until(&reader, 2).await;
    assert_eq!(current(&reader, after(4)).await.version, 2);
    assert_eq!(world.proxy.seen(), 2, "one look at the head, one artefact");
    assert_eq!(
        reader.age(after(5)),
        Some(Duration::from_secs(2)),
        "from when the look began"
    );
}

#[tokio::test]
async fn what_may_be_stale_is_looked_after_first() {
    let mut world = World::new().await;
    world.publish("10.0.0.0/8", NOON).await;
    let reader = world.reader();
    current(&reader, NOON).await;
    world.publish("10.1.0.0/16", NOON).await;
    // A frozen process wakes up: the look has a hundred milliseconds, which loopback does not take.
    reader.warm(after(4_000)).await;
    assert_eq!(current(&reader, after(4_000)).await.version, 2);
}

#[tokio::test]
async fn with_the_database_gone_or_hung_what_is_held_is_served_up_to_the_age_limit() {
    for fault in [Fault::Refuse, Fault::Hang] {
        let mut world = World::new().await;
        world.publish("10.0.0.0/8", NOON).await;
        let reader = world.reader();
        current(&reader, NOON).await;
        world.proxy.set(move |_, _| fault);
        for seconds in [3, 14, 16, 29, 31, 3_600, 86_400] {
            // Far less than the client's own patience with a hung database.
            let patience = Duration::from_secs(2);
            let served = tokio::time::timeout(patience, reader.current(after(seconds))).await;
            assert_eq!(
                served.unwrap().unwrap().version,
                1,
                "{fault:?} after {seconds}"
            );
        }
        assert!(reader.current(after(86_401)).await.is_err(), "{fault:?}");
        assert_eq!(reader.age(after(86_401)), Some(Duration::from_secs(86_401)));
        assert!(
            world.reader().current(NOON).await.is_err(),
            "nothing held, nothing to get"
        );

        world.proxy.set(|_, _| Fault::None);
        reader.warm(after(90_000)).await;
        assert_eq!(
            current(&reader, after(90_000)).await.version,
            1,
            "{fault:?} is over"
        );
    }
}

#[tokio::test]
async fn an_artefact_that_is_damaged_reaches_nobody() {
    let mut world = World::new().await;
    world.publish("10.0.0.0/8", NOON).await;
    let reader = world.reader();
    current(&reader, NOON).await;
    world.publish("10.1.0.0/16", NOON).await;
    world.s3.damage("0000000002/artefact-");

    reader.warm(after(3)).await;
    assert_eq!(
        current(&reader, after(3)).await.version,
        1,
        "what is held stays"
    );
    assert_eq!(
        reader.age(after(3)),
        Some(Duration::from_secs(3)),
        "and is not confirmed"
    );
    world.proxy.set(|_, _| Fault::None);
    reader.warm(after(6)).await;
    assert_eq!(
        world.proxy.seen(),
        1,
        "the head is looked at, the artefact is not fetched again"
    );

    let newcomer = world.reader();
    let fallback = current(&newcomer, after(6)).await;
    assert_eq!(
        fallback.version, 1,
        "who holds nothing takes the one before"
    );
    assert!(fallback.content.0.contains("10.0.0.0/8"));

    world.publish("10.2.0.0/16", after(9)).await;
    for reader in [reader, newcomer] {
        reader.warm(after(10)).await;
        assert_eq!(current(&reader, after(10)).await.version, 3);
    }
}

#[tokio::test]
async fn a_backup_that_brings_an_older_version_back_is_followed() {
    let mut world = World::new().await;
    world.publish("10.0.0.0/8", NOON).await;
    world.publish("10.1.0.0/16", NOON).await;
    let mut restored = World::new().await;
    restored.publish("10.9.0.0/16", NOON).await;
    let reader = world.reader();
    assert_eq!(current(&reader, NOON).await.version, 2);
    world
        .proxy
        .turn_to(&restored.dynamo.endpoint, &restored.s3.endpoint);
    reader.warm(after(3)).await;
    let followed = current(&reader, after(3)).await;
    assert_eq!(followed.version, 1);
    assert!(followed.content.0.contains("10.9.0.0/16"));
}

#[tokio::test]
async fn a_format_that_is_not_known_is_refused_like_damage() {
    let mut world = World::new().await;
    world.publish("10.0.0.0/8", NOON).await;
    assert!(world.reader_with(load_later).current(NOON).await.is_err());
    assert_eq!(current(&world.reader(), NOON).await.version, 1);
}

#[tokio::test]
async fn after_a_pause_the_head_is_confirmed_before_anything_is_served() {
    let mut world = World::new().await;
    world.publish("10.0.0.0/8", NOON).await;
    let reader = world.reader_with(load_slowly);
    current(&reader, NOON).await;
    world.publish("10.1.0.0/16", NOON).await;
    // The artefact takes longer to load than a request waits for the head.
    assert_eq!(current(&reader, after(29)).await.version, 1);
    until(&reader, 2).await;
    world.publish("10.2.0.0/16", NOON).await;
    let requests: Vec<_> = (0..5)
        .map(|_| {
            let reader = reader.clone();
            tokio::spawn(async move { reader.current(after(60)).await.unwrap().version })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap(), 3);
    }
}

#[tokio::test]
async fn a_look_from_before_a_pause_confirms_nothing_after_it() {
    let mut world = World::new().await;
    world.publish("10.0.0.0/8", NOON).await;
    let reader = world.reader();
    current(&reader, NOON).await;
    // It hangs, as in a process that is frozen with it.
    world.proxy.set(|_, _| Fault::Hang);
    assert_eq!(current(&reader, after(3)).await.version, 1);
    while world.proxy.seen() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    world.proxy.set(|_, _| Fault::None);
    world.publish("10.1.0.0/16", NOON).await;
    assert_eq!(current(&reader, after(63)).await.version, 2);
}

#[tokio::test]
async fn an_artefact_that_cannot_be_read_is_waited_for_once() {
    let mut world = World::new().await;
    world.publish("10.0.0.0/8", NOON).await;
    let reader = world.reader();
    current(&reader, NOON).await;
    world.publish("10.1.0.0/16", NOON).await;
    world.s3.refuse("0000000002/artefact-");
    assert_eq!(current(&reader, after(60)).await.version, 1);
    assert_eq!(current(&reader, after(63)).await.version, 1);
    assert_eq!(reader.age(after(63)), Some(Duration::from_secs(63)));
}

#[tokio::test]
async fn what_is_not_held_is_looked_for_once_a_second_and_not_for_long() {
    let mut world = World::new().await;
    world.publish("10.0.0.0/8", NOON).await;
    let reader = world.reader();
    current(&reader, NOON).await;
    world.publish("10.1.0.0/16", NOON).await;
    let version = async |now| reader.after_miss(now).await.unwrap().version;
    assert_eq!(version(NOON).await, 2, "though no look is due");
    world.publish("10.2.0.0/16", NOON).await;
    world.proxy.set(|_, _| Fault::None);
    assert_eq!(version(NOON + Duration::from_millis(999)).await, 2);
    assert_eq!(world.proxy.seen(), 0);
    assert_eq!(version(after(1)).await, 3);
    world.proxy.set(|_, _| Fault::Hang);
    let hung = tokio::time::timeout(Duration::from_secs(2), version(after(2))).await;
    assert_eq!(hung.unwrap(), 3);
}

#[tokio::test]
async fn what_is_confirmed_was_seen_to_be_the_newest_since() {
    let mut world = World::new().await;
    world.publish("10.0.0.0/8", NOON).await;
    let reader = world.reader();
    let version = async |now| reader.confirmed(now).await.map(|held| held.version);
    assert_eq!(version(NOON).await, Some(1));
    world.publish("10.1.0.0/16", NOON).await;
    assert_eq!(version(NOON).await, Some(2), "whenever it is asked for");
    world.proxy.set(|_, _| Fault::Refuse);
    assert_eq!(version(after(1)).await, None);
    assert_eq!(current(&reader, after(1)).await.version, 2);
}

#[tokio::test]
async fn an_age_is_told_once_it_says_something_of_the_source() {
    let mut world = World::new().await;
    world.publish("10.0.0.0/8", NOON).await;
    let reader = world.reader();
    current(&reader, NOON).await;
    assert_eq!(reader.settled_age(after(1)), Some(Duration::from_secs(1)));

    // Frozen for an hour, and the look that it woke up with is still on its way.
    world.proxy.set(|_, _| Fault::Hang);
    current(&reader, after(3_600)).await;
    assert_eq!(reader.settled_age(after(3_600)), None);

    world.proxy.set(|_, _| Fault::None);
    let reader = world.reader();
    current(&reader, NOON).await;
    world.proxy.set(|_, _| Fault::Refuse);
    reader.warm(after(600)).await;
    world.proxy.set(|_, _| Fault::Hang);
    current(&reader, after(700)).await;
    let age = reader.settled_age(after(700));
    assert_eq!(
        age,
        Some(Duration::from_secs(700)),
        "the look before failed"
    );
}

#[tokio::test]
async fn an_artefact_is_known_to_be_there_without_being_read() {
    let mut world = World::new().await;
    world.publish("10.0.0.0/8", NOON).await;
    let head = Versions::new(world.dynamo.table())
        .head(KIND)
        .await
        .unwrap();
    let artefact = head.unwrap().artefact;
    let blobs = world.news.blobs.clone();
    artefact.probe(KIND, &blobs).await.unwrap();
    let fault = |found: Result<(), StoreError>| match found {
        Err(StoreError::Corrupt { what, .. }) => what,
        found => panic!("{found:?}"),
    };
    world.s3.damage("/artefact-");
    assert_eq!(fault(artefact.probe(KIND, &blobs).await), "another size");
    world.s3.objects.lock().unwrap().clear();
    assert_eq!(fault(artefact.probe(KIND, &blobs).await), "missing");
    world.s3.refuse("/artefact-");
    let refused = artefact.probe(KIND, &blobs).await;
    assert!(!matches!(refused, Ok(()) | Err(StoreError::Corrupt { .. })));
}

#[tokio::test]
async fn whoever_reads_tells_the_age_of_what_it_serves_once_a_minute() {
    let mut world = World::new().await;
    world.publish("10.0.0.0/8", NOON).await;
    let vars = [("CONTENT_TABLE", TABLE), ("BLOBS_BUCKET", "blobs")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = SnapshotSettings::read(&vars.into_iter().collect()).unwrap();
    let aws = aws_at(&world.dynamo.endpoint, Some(world.s3.endpoint.clone()));
    let reader = settings.source(&aws).reader(KIND, load);

    let lines = Arc::default();
    let output = Output::Memory(Arc::clone(&lines));
    let subscriber = logging::subscriber(tracing::Level::INFO, output, kit::Clock::system());
    let _told = tracing::subscriber::set_default(subscriber);
    for seconds in [0, 1, 59, 60, 61] {
        reader.newest(after(seconds)).await.unwrap();
    }
    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    let told: Vec<serde_json::Value> = text
        .lines()
        .filter(|line| line.contains("\"_aws\""))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(told.len(), 2, "{text}");
    for line in told {
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metrics["Metrics"][0]["Name"], SNAPSHOT_AGE);
        assert_eq!(metrics["Dimensions"], json!([["stage", "service"]]));
        assert_eq!(line[SNAPSHOT_AGE], 0.0);
    }
}
