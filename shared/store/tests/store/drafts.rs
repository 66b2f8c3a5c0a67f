//! Drafts: one conditional write per change.

use domain::{Id, content::Kind};
use store::{
    Drafts, Stamp, StoreError,
    drafts::{BODY_LIMIT, Edit},
    published::Freezer,
};

use crate::harness::{Dynamo, Fault, NOON, Proxy, Stamps, table_at};

const KIND: Kind = Kind::Testers;

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

fn edit(body: &str, etag: Stamp) -> Edit<'_> {
    Edit {
        body,
        author: "ann",
        etag,
        at: NOON,
    }
}

#[tokio::test]
async fn a_draft_is_created_changed_and_removed_under_its_entity_tag() {
    let dynamo = Dynamo::start().await;
    let drafts = Drafts::new(dynamo.table());
    let mut stamps = Stamps::new();
    let (first, second, third) = (stamps.next(), stamps.next(), stamps.next());
    let item = id("qa");

    assert_eq!(drafts.get(KIND, &item).await.unwrap(), None);
    let early = drafts.update(KIND, &item, first, edit("{}", second)).await;
    assert!(early.unwrap_err().is_conflict(), "nothing to change yet");

    drafts
        .create(KIND, &item, edit("{\"a\":1}", first))
        .await
        .unwrap();
    let stored = drafts.get(KIND, &item).await.unwrap().unwrap();
    assert_eq!(stored.id, item);
    assert_eq!(stored.body, "{\"a\":1}");
    assert_eq!(stored.author, "ann");
    assert_eq!(stored.updated_at, NOON);
    assert_eq!(stored.etag, first);

    let again = drafts.create(KIND, &item, edit("{}", second)).await;
    assert!(again.unwrap_err().is_conflict());
    drafts
        .update(KIND, &item, first, edit("{\"a\":2}", second))
        .await
        .unwrap();
    let late = drafts
        .update(KIND, &item, first, edit("{\"a\":3}", third))
        .await;
    assert!(late.unwrap_err().is_conflict());
    assert_eq!(drafts.get(KIND, &item).await.unwrap().unwrap().etag, second);

    assert!(
        drafts
            .delete(KIND, &item, first)
            .await
            .unwrap_err()
            .is_conflict()
    );
    assert!(drafts.delete(KIND, &item, second).await.unwrap());
    assert!(!drafts.delete(KIND, &item, second).await.unwrap());

    assert!(
        !drafts
            .overwrite(KIND, &item, edit("1", first))
            .await
            .unwrap()
    );
    assert!(
        drafts
            .overwrite(KIND, &item, edit("2", second))
            .await
            .unwrap()
    );
    assert_eq!(drafts.get(KIND, &item).await.unwrap().unwrap().body, "2");
}

#[tokio::test]
async fn of_twenty_that_create_at_once_one_wins() {
    let dynamo = Dynamo::start().await;
    let drafts = Drafts::new(dynamo.table());
    let mut stamps = Stamps::new();
    let tries = (0..20).map(|_| {
        let (drafts, stamp) = (drafts.clone(), stamps.next());
        tokio::spawn(async move {
            let created = drafts.create(KIND, &id("qa"), edit("{}", stamp)).await;
            created.map(|()| stamp)
        })
    });
    let mut winners = Vec::new();
    for ended in tries.collect::<Vec<_>>() {
        match ended.await.unwrap() {
            Ok(stamp) => winners.push(stamp),
            Err(error) => assert!(error.is_conflict(), "{error}"),
        }
    }
    assert_eq!(winners.len(), 1);
    let stored = drafts.get(KIND, &id("qa")).await.unwrap().unwrap();
    assert_eq!(stored.etag, winners[0]);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_for_its_own() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let drafts = Drafts::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let mut stamps = Stamps::new();
    let (first, second) = (stamps.next(), stamps.next());
    let lose_the_first = |nth, _: &_| {
        if nth == 0 {
            Fault::LoseAnswer
        } else {
            Fault::None
        }
    };

    proxy.set(lose_the_first);
    drafts
        .create(KIND, &id("qa"), edit("1", first))
        .await
        .unwrap();
    assert_eq!(proxy.seen(), 2, "tried again");
    proxy.set(lose_the_first);
    drafts
        .update(KIND, &id("qa"), first, edit("2", second))
        .await
        .unwrap();
    assert_eq!(proxy.seen(), 2, "tried again");
    assert_eq!(
        drafts.get(KIND, &id("qa")).await.unwrap().unwrap().body,
        "2"
    );
    proxy.set(lose_the_first);
    assert!(!drafts.delete(KIND, &id("qa"), second).await.unwrap());
    assert_eq!(drafts.get(KIND, &id("qa")).await.unwrap(), None);
}

#[tokio::test]
async fn pages_go_through_a_kind_in_order_and_through_it_alone() {
    let dynamo = Dynamo::start().await;
    let drafts = Drafts::new(dynamo.table());
    let mut stamps = Stamps::new();
    for n in 0..7 {
        let stamp = stamps.next();
        drafts
            .create(KIND, &id(&format!("t{n}")), edit("{}", stamp))
            .await
            .unwrap();
        drafts
            .create(Kind::Campaigns, &id(&format!("c{n}")), edit("{}", stamp))
            .await
            .unwrap();
    }
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = drafts.list(KIND, cursor.as_deref(), 3).await.unwrap();
        sizes.push(page.items.len());
        seen.extend(
            page.items
                .into_iter()
                .map(|draft| draft.id.as_str().to_owned()),
        );
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [3, 3, 1]);
    assert_eq!(seen, ["t0", "t1", "t2", "t3", "t4", "t5", "t6"]);
    let whole = drafts.list(KIND, None, 7).await.unwrap();
    assert_eq!((whole.items.len(), whole.next_cursor), (7, None));

    let foreign = drafts
        .list(Kind::Campaigns, None, 1)
        .await
        .unwrap()
        .next_cursor;
    for cursor in [foreign.as_deref(), Some(""), Some("t3"), Some("%")] {
        let refused = drafts.list(KIND, cursor, 3).await;
        assert!(matches!(refused, Err(StoreError::BadCursor)), "{cursor:?}");
    }
}

#[tokio::test]
async fn all_drafts_are_read_however_many_answers_they_take() {
    let dynamo = Dynamo::start().await;
    let drafts = Drafts::new(dynamo.table());
    let mut stamps = Stamps::new();
    let body = format!("\"{}\"", "x".repeat(200_000));
    for n in 0..11 {
        let edit = edit(&body, stamps.next());
        drafts
            .create(KIND, &id(&format!("big{n:02}")), edit)
            .await
            .unwrap();
    }
    let mut freezer = Freezer::default();
    let all = drafts.freeze(KIND, &mut freezer, usize::MAX).await.unwrap();
    let frozen = freezer.finish().unwrap();
    assert_eq!(
        (all, frozen.len()),
        (true, 11),
        "more than the megabyte that one answer holds"
    );
    assert!(frozen.items().all(|item| item.unwrap().json.get() == body));

    let mut freezer = Freezer::default();
    let some = drafts.freeze(KIND, &mut freezer, 1_000).await.unwrap();
    assert!(!some, "more than the limit");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let dynamo = Dynamo::start().await;
    let drafts = Drafts::new(dynamo.table());
    let mut stamps = Stamps::new();
    let body = "x".repeat(BODY_LIMIT);
    drafts
        .create(KIND, &id("fits"), edit(&body, stamps.next()))
        .await
        .unwrap();
    let body = body + "x";
    let refused = drafts
        .create(KIND, &id("not"), edit(&body, stamps.next()))
        .await;
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
}

/// Every fourth call meets a transaction, and the first ones several in a row.
fn contended(nth: usize) -> Fault {
    match nth < 3 || nth.is_multiple_of(4) {
        true => Fault::Contend,
        false => Fault::None,
    }
}

#[tokio::test]
async fn a_write_of_one_item_is_sent_again_after_a_transaction_in_its_way() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let drafts = Drafts::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let mut stamps = Stamps::new();
    for number in 0..6 {
        proxy.set(|nth, _| contended(nth));
        let item = id(&format!("qa-{number}"));
        let (first, second) = (stamps.next(), stamps.next());
        drafts.create(KIND, &item, edit("{}", first)).await.unwrap();
        let again = drafts.create(KIND, &item, edit("{}", second)).await;
        assert!(again.unwrap_err().is_conflict(), "another draft is there");
        proxy.set(|nth, _| contended(nth));
        drafts
            .update(KIND, &item, first, edit("{\"a\":1}", second))
            .await
            .unwrap();
        proxy.set(|nth, _| contended(nth));
        assert!(
            drafts
                .overwrite(KIND, &item, edit("2", first))
                .await
                .unwrap()
        );
        proxy.set(|nth, _| contended(nth));
        assert!(drafts.delete(KIND, &item, first).await.unwrap());
    }
}

#[tokio::test]
async fn a_write_gives_up_on_transactions_that_do_not_end() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    proxy.set(|_, _| Fault::Contend);
    let drafts = Drafts::new(table_at(&proxy.endpoint, aws::Pace::HOT));
    let (item, etag) = (id("qa"), Stamps::new().next());
    let refused = drafts.create(KIND, &item, edit("{}", etag)).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, StoreError::Throttled { .. }), "{refused}");
    let direct = Drafts::new(dynamo.table());
    assert_eq!(direct.get(KIND, &item).await.unwrap(), None);
}
