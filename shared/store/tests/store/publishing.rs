//! Publications: one version each, wherever a worker dies.

use std::time::Duration;

use aws::{Pace, Service};
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use domain::{
    Id, Instant, RandomId,
    content::{Changes, Kind},
};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use store::{
    Blobs, Drafts, Publications, Publisher, StoreError, Table, Versions,
    blobs::BlobKey,
    drafts::Edit,
    published::{Compiler, FrozenItems, Goal, Origin, Publication, Request, SourceItem, State},
};

use crate::harness::{Dynamo, Fault, NOON, Proxy, S3, Stamps, TABLE, aws_at, table_at};

pub(crate) const KIND: Kind = Kind::Testers;

/// One attempt, so that a test counts what it meets.
const ONCE: Pace = Pace {
    attempts: 1,
    ..Pace::NORMAL
};

pub(crate) fn id(text: &str) -> Id {
    text.parse().unwrap()
}

pub(crate) fn testers(range: &str) -> Value {
    json!({"cidrs": [range]})
}

/// Everything that publishing needs, over one table and one bucket.
pub(crate) struct Newsroom {
    pub(crate) content: Table,
    pub(crate) blobs: Blobs,
    ids: StdRng,
    stamps: Stamps,
}

impl Newsroom {
    pub(crate) fn new(content: Table, blobs: Blobs) -> Self {
        Self {
            content,
            blobs,
            ids: StdRng::seed_from_u64(5),
            stamps: Stamps::new(),
        }
    }

    pub(crate) async fn draft(&mut self, item: &str, body: &Value) {
        let edit = Edit {
            body: &body.to_string(),
            author: "ann",
            etag: self.stamps.next(),
            at: NOON,
        };
        let drafts = Drafts::new(self.content.clone());
        drafts.overwrite(KIND, &id(item), edit).await.unwrap();
    }

    pub(crate) async fn request(&mut self, origin: Origin, at: Instant) -> Option<RandomId> {
        self.request_for(Goal::Publish, origin, at).await
    }

    async fn request_for(&mut self, goal: Goal, origin: Origin, at: Instant) -> Option<RandomId> {
        let id = RandomId::new(at, &mut self.ids);
        let request = Request {
            id,
            kind: KIND,
            goal,
            origin,
            note: "because".into(),
            author: "bob".into(),
            at,
        };
        let stored = self.publications().request(request).await.unwrap();
        stored.then_some(id)
    }

    pub(crate) async fn publish(&mut self, at: Instant) -> Publication {
        let id = self.request(Origin::Drafts, at).await.unwrap();
        self.publisher().run(KIND, id, at).await.unwrap().unwrap()
    }

    async fn validate(&mut self, at: Instant) -> Publication {
        let id = self.request_for(Goal::Validate, Origin::Drafts, at).await;
        let ended = self.publisher().run(KIND, id.unwrap(), at).await;
        ended.unwrap().unwrap()
    }

    pub(crate) fn publications(&self) -> Publications {
        Publications::new(self.content.clone())
    }

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::new(
            self.content.clone(),
            self.blobs.clone(),
            Compiler::default(),
        )
    }

    pub(crate) fn versions(&self) -> Versions {
        Versions::new(self.content.clone())
    }

    pub(crate) async fn version_count(&self, kind: Kind) -> usize {
        let page = self.versions().list(kind, None, 9).await.unwrap();
        page.items.len()
    }
}

pub(crate) async fn newsroom(dynamo: &Dynamo, s3: &S3) -> Newsroom {
    let blobs = Blobs::connect(
        &aws_at(&dynamo.endpoint, Some(s3.endpoint.clone())),
        "blobs",
    );
    Newsroom::new(dynamo.table(), blobs)
}

/// Reads all items of a source.
pub(crate) fn items(source: &FrozenItems) -> Vec<(Id, Value)> {
    let read = |item: SourceItem| (item.id, serde_json::from_str(item.json.get()).unwrap());
    source.items().map(|item| read(item.unwrap())).collect()
}

#[tokio::test]
async fn a_publish_makes_a_version_of_the_drafts_and_a_restore_of_an_older_version() {
    let (dynamo, s3) = (Dynamo::start().await, S3::start().await);
    let mut news = newsroom(&dynamo, &s3).await;
    news.draft("qa", &testers("10.0.0.0/8")).await;
    news.draft("lab", &testers("10.1.0.0/16")).await;
    let first = news.request(Origin::Drafts, NOON).await.unwrap();
    let waiting = news.publications().get(KIND, first).await.unwrap().unwrap();
    assert_eq!((waiting.state, waiting.version), (State::Running, None));
    assert_eq!(news.publications().pending().await.unwrap().len(), 1);

    let live = news
        .publisher()
        .run(KIND, first, NOON)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((live.state, live.version), (State::Live, Some(1)));
    assert_eq!(live.finished_at, Some(NOON));
    assert_eq!(news.publications().pending().await.unwrap(), []);
    let again = news
        .publisher()
        .run(KIND, first, NOON)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again, live, "run again, it is what it was");

    news.draft("qa", &testers("10.2.0.0/16")).await;
    news.draft("new", &testers("10.3.0.0/16")).await;
    assert_eq!(news.publish(NOON).await.version, Some(2));

    assert_eq!(
        news.request(Origin::Version(9), NOON).await,
        None,
        "there is no such version"
    );
    let restore = news.request(Origin::Version(1), NOON).await.unwrap();
    let restored = news
        .publisher()
        .run(KIND, restore, NOON)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(restored.version, Some(3));

    let source = async |number| {
        news.versions()
            .source(&news.blobs, KIND, number)
            .await
            .unwrap()
            .map(|source| items(&source))
    };
    let one = vec![
        (id("lab"), testers("10.1.0.0/16")),
        (id("qa"), testers("10.0.0.0/8")),
    ];
    assert_eq!(source(1).await, Some(one.clone()));
    assert_eq!(source(3).await, Some(one));
    assert_eq!(source(4).await, None);
    let drafts = Drafts::new(dynamo.table());
    let drafts = drafts.list(KIND, None, 10).await.unwrap().items;
    assert_eq!(drafts.len(), 3, "drafts stay as they are");

    let history = news.versions().list(KIND, None, 2).await.unwrap();
    let numbers: Vec<u64> = history
        .items
        .iter()
        .map(|version| version.version)
        .collect();
    assert_eq!(numbers, [3, 2]);
    assert_eq!(history.items[0].restored_from, Some(1));
    assert_eq!(history.items[0].author, "bob");
    assert_eq!(history.items[0].note, "because");
    let changes = |added, changed, removed| Changes {
        added,
        changed,
        removed,
    };
    assert_eq!(history.items[1].changes, changes(1, 1, 0));
    assert_eq!(history.items[0].changes, changes(0, 1, 1));
    let rest = news
        .versions()
        .list(KIND, history.next_cursor.as_deref(), 2)
        .await
        .unwrap();
    assert_eq!(rest.items[0].changes, changes(2, 0, 0));
    assert_eq!((rest.items.len(), rest.next_cursor), (1, None));

    let head = news.versions().head(KIND).await.unwrap().unwrap();
    assert_eq!((head.version, head.artefact.version), (3, 3));
    assert_eq!(head.previous, Some(history.items[1].artefact.clone()));
}

#[tokio::test]
async fn a_worker_killed_at_any_point_and_run_again_ends_the_same() {
    for last_breath in [Fault::Refuse, Fault::LoseAnswer] {
        let mut survived = false;
        for killed_at in 0..40 {
            let (dynamo, s3) = (Dynamo::start().await, S3::start().await);
            let mut news = newsroom(&dynamo, &s3).await;
            news.draft("qa", &testers("10.0.0.0/8")).await;
            news.publish(NOON).await;
            news.draft("qa", &testers("10.1.0.0/16")).await;
            let id = news.request(Origin::Drafts, NOON).await.unwrap();

            let proxy = Proxy::before(&dynamo.endpoint, &s3.endpoint).await;
            proxy.set(move |nth, _| match nth.cmp(&killed_at) {
                std::cmp::Ordering::Less => Fault::None,
                std::cmp::Ordering::Equal => last_breath,
                std::cmp::Ordering::Greater => Fault::Refuse,
            });
            let aws = aws_at(&proxy.endpoint, Some(proxy.endpoint.clone()));
            // The proxy refuses what the SDK would try again, at once.
            let mortal = Publisher::new(
                table_at(&proxy.endpoint, ONCE),
                Blobs::connect(&aws, "blobs"),
                Compiler::default(),
            );
            survived = mortal.run(KIND, id, NOON).await.is_ok();
            let between = news.versions().head(KIND).await.unwrap().unwrap();
            let source = news
                .versions()
                .source(&news.blobs, KIND, between.version)
                .await;
            assert!(source.unwrap().is_some(), "the head names what can be read");

            let ended = news.publisher().run(KIND, id, NOON).await.unwrap().unwrap();
            let told = format!("{last_breath:?} at {killed_at}");
            assert_eq!(
                (ended.state, ended.version),
                (State::Live, Some(2)),
                "{told}"
            );
            assert_eq!(
                news.versions().head(KIND).await.unwrap().unwrap().version,
                2,
                "{told}"
            );
            assert_eq!(news.version_count(KIND).await, 2);
            assert_eq!(news.publications().pending().await.unwrap(), [], "{told}");
            if survived {
                break;
            }
        }
        assert!(survived, "{last_breath:?}: every point was tried");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_at_once_make_one_version_of_each_publication() {
    let (dynamo, s3) = (Dynamo::start().await, S3::start().await);
    let mut news = newsroom(&dynamo, &s3).await;
    news.draft("qa", &testers("10.0.0.0/8")).await;
    let mut publications = Vec::new();
    for _ in 0..3 {
        publications.push(news.request(Origin::Drafts, NOON).await.unwrap());
    }
    let runs: Vec<_> = publications
        .iter()
        .cycle()
        .take(6)
        .map(|&id| {
            let publisher = news.publisher();
            tokio::spawn(async move { publisher.run(KIND, id, NOON).await })
        })
        .collect();
    for run in runs {
        // One that was always second gives up; the schedule runs what it left.
        if let Err(error) = run.await.unwrap() {
            assert!(error.is_conflict() || error.is_transient(), "{error}");
        }
    }
    let mut made = Vec::new();
    for id in publications {
        made.extend(
            news.publisher()
                .run(KIND, id, NOON)
                .await
                .unwrap()
                .unwrap()
                .version,
        );
    }
    made.sort_unstable();
    assert_eq!(made, [1, 2, 3]);
    assert_eq!(news.version_count(KIND).await, 3);
    assert_eq!(news.publications().pending().await.unwrap(), []);
}

#[tokio::test]
async fn one_item_of_a_large_source_is_read_from_its_chunk() {
    let (dynamo, s3) = (Dynamo::start().await, S3::start().await);
    let mut news = newsroom(&dynamo, &s3).await;
    for n in 0..60 {
        let ranges: Vec<String> = (0..1_000)
            .map(|host| format!("10.{n}.{}.{}/32", host / 250, host % 250))
            .collect();
        news.draft(&format!("group-{n:02}"), &json!({"cidrs": ranges}))
            .await;
    }
    assert_eq!(news.publish(NOON).await.version, Some(1));
    let version = news.versions().get(KIND, 1).await.unwrap().unwrap();
    let chunks = version.source_chunks.clone().unwrap();
    assert!(chunks.len() > 1, "{} chunks", chunks.len());
    assert_eq!(chunks.iter().map(|chunk| chunk.items).sum::<usize>(), 60);

    let mut read = Vec::new();
    for chunk in &chunks {
        let items = version.chunk_items(&news.blobs, KIND, chunk).await.unwrap();
        assert_eq!((&items[0].id, items.len()), (&chunk.first, chunk.items));
        read.extend(items.into_iter().map(|item| item.id));
    }
    let whole = version.frozen(&news.blobs, KIND).await.unwrap();
    let ids: Vec<Id> = items(&whole).into_iter().map(|(id, _)| id).collect();
    assert_eq!(read, ids);

    s3.damage("0000000001/source-");
    let damaged = version.chunk_items(&news.blobs, KIND, &chunks[0]).await;
    assert!(matches!(damaged, Err(StoreError::Corrupt { .. })));
}

#[tokio::test]
async fn a_source_of_an_earlier_release_is_read_and_compared() {
    let (dynamo, s3) = (Dynamo::start().await, S3::start().await);
    let mut news = newsroom(&dynamo, &s3).await;
    news.draft("qa", &testers("10.0.0.0/8")).await;
    news.draft("lab", &testers("10.1.0.0/16")).await;
    news.publish(NOON).await;
    // As it was written before: JSON lines, without an index.
    let lines = concat!(
        r#"{"id":"lab","item":{"cidrs":["10.1.0.0/16"]}}"#,
        "\n",
        r#"{"id":"qa","item":{"cidrs":["10.0.0.0/8"]}}"#,
        "\n",
    );
    let digest: [u8; 32] = Sha256::digest(lines.as_bytes()).into();
    let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = BlobKey::source(KIND, 1, &sha256);
    news.blobs.put(&key, lines.into()).await.unwrap();
    let aws = aws_at(&dynamo.endpoint, None);
    let client = Client::new(&aws.config(Service::DynamoDb, Pace::NORMAL));
    client
        .update_item()
        .table_name(TABLE)
        .key("pk", AttributeValue::S("version#testers".into()))
        .key("sk", AttributeValue::S("0000000001".into()))
        .update_expression("SET source_sha256 = :sha REMOVE source_chunks")
        .expression_attribute_values(":sha", AttributeValue::S(sha256))
        .send()
        .await
        .unwrap();

    let source = news.versions().source(&news.blobs, KIND, 1).await;
    assert_eq!(items(&source.unwrap().unwrap()).len(), 2);
    news.draft("qa", &testers("10.2.0.0/16")).await;
    assert_eq!(news.publish(NOON).await.version, Some(2));
    let second = news.versions().get(KIND, 2).await.unwrap().unwrap();
    let changed = Changes {
        changed: 1,
        ..Changes::default()
    };
    assert_eq!(second.changes, changed);
}

#[tokio::test]
async fn a_validation_finds_what_a_publication_would_and_makes_no_version() {
    let (dynamo, s3) = (Dynamo::start().await, S3::start().await);
    let mut news = newsroom(&dynamo, &s3).await;
    news.draft("qa", &testers("10.0.0.0/8")).await;
    let valid = news.validate(NOON).await;
    assert_eq!((valid.state, valid.version), (State::Valid, None));
    news.draft("bad", &json!({"colour": "red"})).await;
    let invalid = news.validate(NOON).await;
    assert_eq!(invalid.state, State::Failed);
    for item in crate::harness::items(&dynamo).await {
        let is_validation = item["pk"].as_s().unwrap().starts_with("publication#");
        let expires_at = item.get("expires_at").map(|at| at.as_n().unwrap().clone());
        let week = (NOON + Duration::from_secs(604_800)).as_seconds();
        let expected = is_validation.then(|| week.to_string());
        assert_eq!(expires_at, expected, "{item:?}");
    }
    assert_eq!(invalid.faults[0].item.as_deref(), Some("bad"));
    assert_eq!(news.publications().pending().await.unwrap(), []);
    assert_eq!(news.versions().head(KIND).await.unwrap(), None);
}
