//! Marks counted once, and found by the roll-up.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::{
    Day, DeviceKey, Instant,
    content::campaigns::Pricing,
    key_of,
    marks::{Counts, MarkKind},
    tracking::Token,
};
use store::{
    StoreError,
    marks::{Mark, Outcome, Published, RollUp, Summary, Totals},
};
use tokio::sync::Notify;

use crate::harness::{Dynamo, Fault, NOON, Proxy, Stamps, marks_over, table_at};

/// A deadline that no run comes near.
pub(crate) const DEADLINE: Instant = Instant::from_millis(NOON.as_millis() + 40 * 24 * 3_600_000);

pub(crate) fn token(request: u64, creative: &str, issued_at: Instant) -> Token {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&request.to_be_bytes());
    Token {
        request: bytes,
        slot: 0,
        campaign: key_of("spring"),
        creative: key_of(creative),
        placement: key_of("home"),
        issue_minute: issued_at.as_minutes(),
        device: Some(DeviceKey::from_bytes([7; 16])),
        pricing: Some(Pricing::Cpm),
        price_micros: 1_000,
        lease: None,
        expires_at: issued_at + Duration::from_secs(3_600),
    }
}

pub(crate) fn impression(token: &Token) -> Mark<'_> {
    Mark {
        token,
        kind: MarkKind::Impression,
        names: None,
        charges: &[],
        conversions_after: None,
        flagged: false,
        at: NOON,
    }
}

/// Brings the totals up to `now`; no campaign is published.
pub(crate) async fn roll_up(dynamo: &Dynamo, now: Instant) -> Summary {
    let roll_up = RollUp::new(dynamo.table());
    roll_up.run(now, &|_| None, DEADLINE).await.unwrap()
}

/// Begins a run that is dropped once it has written so many items. Says whether it ended before.
pub(crate) async fn roll_up_killed_after(
    dynamo: &Dynamo,
    most_writes: usize,
    now: Instant,
    published: Published<'_>,
) -> bool {
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let enough = Arc::new(Notify::new());
    let told = Arc::clone(&enough);
    let mut writes = 0;
    proxy.set(move |_, request| {
        writes += usize::from(String::from_utf8_lossy(&request.raw).contains(".PutItem"));
        if writes > most_writes {
            told.notify_one();
            return Fault::Hang;
        }
        Fault::None
    });
    let roll_up = RollUp::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    tokio::select! {
        run = roll_up.run(now, published, DEADLINE) => run.unwrap().complete,
        () = enough.notified() => false,
    }
}

/// The day's totals, by what they are called.
pub(crate) async fn totals(
    dynamo: &Dynamo,
    day: Day,
) -> BTreeMap<(String, String, String), Counts> {
    let facts = Totals::new(dynamo.table()).between(day, day).await.unwrap();
    facts
        .totals
        .into_iter()
        .map(|total| {
            (
                (total.campaign, total.creative, total.placement),
                total.counts,
            )
        })
        .collect()
}

#[tokio::test]
async fn a_mark_sent_a_hundred_times_counts_once() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    let token = token(1, "red", NOON);
    let sent: Vec<_> = (0..100)
        .map(|_| {
            let (marks, stamp) = (marks.clone(), stamps.next());
            tokio::spawn(async move { marks.count(impression(&token), stamp).await.unwrap() })
        })
        .collect();
    let mut counted = 0;
    for outcome in sent {
        counted += usize::from(outcome.await.unwrap() == Outcome::Counted);
    }
    assert_eq!(counted, 1);
    let click = Mark {
        kind: MarkKind::Click,
        ..impression(&token)
    };
    assert_eq!(
        marks.count(click, stamps.next()).await.unwrap(),
        Outcome::Counted
    );

    let summary = roll_up(&dynamo, NOON).await;
    assert_eq!(
        (summary.buckets, summary.marks, summary.totals_set),
        (1, 2, 1)
    );
    let expected = Counts {
        impressions: 1,
        clicks: 1,
        spend_thousandths: 1_000,
        ..Counts::default()
    };
    let found = totals(&dynamo, Day::of(NOON)).await;
    assert_eq!(found.into_values().collect::<Vec<_>>(), [expected]);
}

/// What requests say, as they come.
pub(crate) fn listen(proxy: &Proxy) -> Arc<Mutex<Vec<String>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    proxy.set(move |_, request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        ears.lock().unwrap().push(body);
        Fault::None
    });
    heard
}

#[tokio::test]
async fn a_process_enters_a_bucket_once_in_each_minute_in_which_marks_arrive() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let marks = marks_over(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let mut stamps = Stamps::new();
    let heard = listen(&proxy);
    for nth in 0..60 {
        // Issued in two minutes, arriving in three, of five campaigns.
        let minute = |nth: u64| Duration::from_secs(60 * nth);
        let token = Token {
            campaign: 16 * (nth % 5) + nth % 5,
            ..token(nth, "red", NOON + minute(nth % 2))
        };
        let mark = Mark {
            at: NOON + minute(10 + nth % 3),
            ..impression(&token)
        };
        marks.count(mark, stamps.next()).await.unwrap();
    }
    let heard = heard.lock().unwrap().clone();
    let with = |part: &str| heard.iter().filter(|body| body.contains(part)).count();
    assert_eq!(with("\"arrivals#"), 2 * 3 * 5);
    assert_eq!(with("\"active-minutes#"), 3);
    assert_eq!(heard.len(), 3 + 2 * 3 * 5 + 60);
    let first = NOON.as_minutes() + 10;
    for part in 0..5 {
        let partition = format!("\"arrivals#{first:010}#{part:02}\"");
        assert_eq!(with(&partition), 2, "spread by campaign: {partition}");
    }

    let found = roll_up(&dynamo, NOON + Duration::from_secs(20 * 60)).await;
    assert_eq!((found.buckets, found.complete), (10, true));
}

#[tokio::test]
async fn a_mark_whose_answer_was_lost_counts_as_the_first() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let marks = marks_over(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let mut stamps = Stamps::new();
    let (first, second) = (token(8, "red", NOON), token(16, "red", NOON));
    marks
        .count(impression(&first), stamps.next())
        .await
        .unwrap();
    // Registered already: the first request is the mark itself.
    proxy.set(|nth, _| {
        if nth == 0 {
            Fault::LoseAnswer
        } else {
            Fault::None
        }
    });
    let outcome = marks
        .count(impression(&second), stamps.next())
        .await
        .unwrap();
    assert_eq!((outcome, proxy.seen()), (Outcome::Counted, 2));
}

#[tokio::test]
async fn a_mark_that_cannot_be_stored_is_an_error_and_may_be_sent_again() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let marks = marks_over(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let mut stamps = Stamps::new();
    let token = token(1, "red", NOON);
    for action in 0..2 {
        proxy.set(move |_, request| {
            let whole = String::from_utf8_lossy(&request.body);
            let meant = ["arrivals#", "mark#"][action];
            if whole.contains(meant) {
                Fault::Refuse
            } else {
                Fault::None
            }
        });
        let refused = marks.count(impression(&token), stamps.next()).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable { .. })),
            "{refused:?}"
        );
    }
    proxy.set(|_, _| Fault::None);
    let outcome = marks
        .count(impression(&token), stamps.next())
        .await
        .unwrap();
    assert_eq!(outcome, Outcome::Counted);
    let summary = roll_up(&dynamo, NOON).await;
    assert_eq!(summary.marks, 1, "found by the roll-up");
}
