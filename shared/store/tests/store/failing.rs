//! Publications that cannot be carried out: they fail, say why, and stand in nobody's way.

use std::collections::HashMap;

use aws::{Pace, Service};
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use domain::{
    FaultCode,
    content::{CompileError, SetFault},
};
use serde_json::json;
use store::{
    Publisher, StoreError,
    published::{ARTEFACT_LIMIT, Compiler, Origin, Publication, State},
};

use crate::{
    harness::{Dynamo, NOON, S3, TABLE, aws_at},
    publishing::{KIND, Newsroom, newsroom, testers},
};

#[tokio::test]
async fn drafts_at_fault_fail_the_publication_and_move_nothing() {
    let (dynamo, s3) = (Dynamo::start().await, S3::start().await);
    let mut news = newsroom(&dynamo, &s3).await;
    news.draft("qa", &testers("10.0.0.0/8")).await;
    assert_eq!(news.publish(NOON).await.version, Some(1));
    news.draft("bad", &json!({"cidrs": ["10.0.0.0/99"]})).await;
    news.draft("worse", &json!({"colour": "red"})).await;
    let failed = news.publish(NOON).await;
    assert_eq!((failed.state, failed.version), (State::Failed, None));
    let mut at_fault: Vec<_> = failed
        .faults
        .iter()
        .map(|fault| fault.item.clone())
        .collect();
    at_fault.dedup();
    assert_eq!(at_fault, [Some("bad".to_owned()), Some("worse".to_owned())]);
    assert_eq!(news.publications().pending().await.unwrap(), []);
    assert_eq!(
        news.versions().head(KIND).await.unwrap().unwrap().version,
        1
    );
    assert_eq!(news.version_count(KIND).await, 1);

    for n in 0..300 {
        news.draft(&format!("bad{n:03}"), &json!({"colour": "red"}))
            .await;
    }
    assert_eq!(news.publish(NOON).await.faults.len(), 100, "a bounded list");
}

#[tokio::test]
async fn a_source_that_was_damaged_is_not_published_again() {
    let (dynamo, s3) = (Dynamo::start().await, S3::start().await);
    let mut news = newsroom(&dynamo, &s3).await;
    news.draft("qa", &testers("10.0.0.0/8")).await;
    news.publish(NOON).await;
    s3.damage("0000000001/source-");
    let source = news.versions().source(&news.blobs, KIND, 1).await;
    assert!(matches!(source, Err(StoreError::Corrupt { .. })));
    let restore = news.request(Origin::Version(1), NOON).await.unwrap();
    let failed = news
        .publisher()
        .run(KIND, restore, NOON)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(failed.state, State::Failed);
    assert_eq!(failed.faults[0].code, "source_unreadable");
    assert_eq!(
        news.publish(NOON).await.version,
        Some(2),
        "the drafts can be, all the same"
    );
}

/// Runs a new publication of the drafts with rules of its own.
async fn publish_by(news: &mut Newsroom, compiler: Compiler) -> Publication {
    let id = news.request(Origin::Drafts, NOON).await.unwrap();
    let publisher = Publisher::new(news.content.clone(), news.blobs.clone(), compiler);
    publisher.run(KIND, id, NOON).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_no_reader_could_hold_and_what_breaks_the_rules_fails_and_moves_nothing() {
    let (dynamo, s3) = (Dynamo::start().await, S3::start().await);
    let mut news = newsroom(&dynamo, &s3).await;
    news.draft("qa", &testers("10.0.0.0/8")).await;
    let bulky = Compiler {
        compile: |_, _| Ok(vec![0; ARTEFACT_LIMIT + 1]),
        check: |_, _, _| Ok(()),
        ..Compiler::default()
    };
    let bounded = Compiler {
        compile: |_, _| Err(CompileError::TooLarge { limit_bytes: 9 }),
        ..Compiler::default()
    };
    let panicking = Compiler {
        compile: |_, _| panic!("on purpose"),
        ..Compiler::default()
    };
    for (compiler, code) in [
        (bulky, "artefact_too_large"),
        (bounded, "artefact_too_large"),
        (panicking, "compiler_broken"),
    ] {
        let failed = publish_by(&mut news, compiler).await;
        assert_eq!((failed.state, failed.version), (State::Failed, None));
        assert_eq!(failed.faults[0].code, code);
    }
    assert_eq!(news.publications().pending().await.unwrap(), []);
    assert_eq!(news.versions().head(KIND).await.unwrap(), None);
    assert_eq!(news.publish(NOON).await.version, Some(1));
}

#[tokio::test]
async fn however_long_faults_are_they_fit_into_the_publication() {
    let (dynamo, s3) = (Dynamo::start().await, S3::start().await);
    let mut news = newsroom(&dynamo, &s3).await;
    news.draft("qa", &testers("10.0.0.0/8")).await;
    let wordy = Compiler {
        compile: |_, items| {
            let first = items.items().next().unwrap().unwrap();
            let fault = || SetFault {
                item: first.id.clone(),
                pointer: format!("/{}", "가".repeat(100_000)),
                code: FaultCode::Invalid,
                message: "나".repeat(100_000),
            };
            Err(CompileError::Faults((0..200).map(|_| fault()).collect()))
        },
        ..Compiler::default()
    };
    let failed = publish_by(&mut news, wordy).await;
    assert_eq!((failed.state, failed.faults.len()), (State::Failed, 100));
    let fault = &failed.faults[99];
    assert!(fault.pointer.starts_with("/가") && fault.pointer.ends_with("가…"));
    assert!(fault.message.starts_with('나') && fault.message.ends_with("나…"));
    let size = serde_json::to_vec(&failed).unwrap().len();
    assert!(size < 100_000, "{size} bytes");
}

#[tokio::test]
async fn what_the_bucket_refuses_fails_the_publication_and_not_those_after_it() {
    let (dynamo, s3) = (Dynamo::start().await, S3::start().await);
    let mut news = newsroom(&dynamo, &s3).await;
    news.draft("qa", &testers("10.0.0.0/8")).await;
    news.publish(NOON).await;

    // Without the right to list, S3 does not tell what is missing from what is forbidden.
    s3.refuse("0000000001/source-");
    let restore = news.request(Origin::Version(1), NOON).await.unwrap();
    let run = news.publisher().run(KIND, restore, NOON).await;
    let failed = run.unwrap().unwrap();
    assert_eq!(failed.state, State::Failed);
    assert_eq!(failed.faults[0].code, "source_unreadable");
    let live = news.publish(NOON).await;
    assert_eq!(live.version, Some(2), "no matter what was live before");
    let history = news.versions().list(KIND, None, 1).await.unwrap();
    assert_eq!(history.items[0].changes.added, 1, "compared with nothing");

    s3.refuse("/testers/");
    let failed = news.publish(NOON).await;
    assert_eq!(failed.faults[0].code, "store_refused");
    assert!(!failed.faults[0].message.contains("arn:"), "no internals");
    assert_eq!(news.publications().pending().await.unwrap(), []);
}

#[tokio::test]
async fn a_pending_publication_of_a_later_release_is_left_for_it() {
    let (dynamo, s3) = (Dynamo::start().await, S3::start().await);
    let mut news = newsroom(&dynamo, &s3).await;
    let client =
        Client::new(&aws_at(&dynamo.endpoint, None).config(Service::DynamoDb, Pace::NORMAL));
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let item = HashMap::from([
        ("pk".to_owned(), text("pending")),
        ("sk".to_owned(), text("0#horoscopes")),
        ("kind".to_owned(), text("horoscopes")),
        ("id".to_owned(), text("0")),
    ]);
    let put = client.put_item().table_name(TABLE).set_item(Some(item));
    put.send().await.unwrap();
    let id = news.request(Origin::Drafts, NOON).await.unwrap();
    let pending = news.publications().pending().await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].kind, pending[0].id), (KIND, id));
}
