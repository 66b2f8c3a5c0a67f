//! Marks counted once, and totals that are set.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Day, Instant,
    content::campaigns::Pricing,
    key_of,
    marks::{Counts, MarkKind},
    tracking::Token,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use store::{
    Marks, StoreError,
    marks::{Mark, Names, Outcome, RollUp, Totals},
};

use crate::harness::{Dynamo, Fault, NOON, Proxy, Stamps, table_at};

/// The longest life of a token, and a margin.
const HORIZON: Duration = Duration::from_secs(3_900);

fn token(request: u64, creative: &str, issued_at: Instant) -> Token {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&request.to_be_bytes());
    Token {
        request: bytes,
        slot: 0,
        campaign: key_of("spring"),
        creative: key_of(creative),
        placement: key_of("home"),
        issue_minute: issued_at.as_minutes(),
        device: Some(7),
        pricing: Some(Pricing::Cpm),
        price_micros: 1_000,
        lease: None,
        expires_at: issued_at + Duration::from_secs(3_600),
    }
}

fn impression(token: &Token) -> Mark<'_> {
    Mark {
        token,
        kind: MarkKind::Impression,
        names: None,
        at: NOON,
    }
}

/// The day's totals, by what they are called.
async fn totals(dynamo: &Dynamo, day: Day) -> BTreeMap<(String, String, String), Counts> {
    let totals = Totals::new(dynamo.table()).between(day, day).await.unwrap();
    totals
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
    let marks = Marks::new(dynamo.table());
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

    let summary = RollUp::new(dynamo.table())
        .run(NOON, HORIZON)
        .await
        .unwrap();
    assert_eq!(
        (summary.buckets, summary.marks, summary.totals_set),
        (1, 2, 1)
    );
    let expected = Counts {
        impressions: 1,
        clicks: 1,
        spend_micros: 1,
        ..Counts::default()
    };
    let found = totals(&dynamo, Day::of(NOON)).await;
    assert_eq!(found.into_values().collect::<Vec<_>>(), [expected]);
}

#[tokio::test]
async fn a_mark_whose_answer_was_lost_counts_as_the_first() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let marks = Marks::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
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
async fn a_roll_up_can_be_run_at_any_time_by_any_number_with_the_same_end() {
    let dynamo = Dynamo::start().await;
    let (marks, roll_up) = (Marks::new(dynamo.table()), RollUp::new(dynamo.table()));
    let mut stamps = Stamps::new();
    let mut rng = StdRng::seed_from_u64(11);
    let names = Names {
        campaign: "spring".parse().unwrap(),
        creative: "red".parse().unwrap(),
        placement: "home".parse().unwrap(),
    };
    let mut expected = Counts::default();
    for nth in 0..300 {
        // Over midnight, so that two days are touched; many are sent again.
        let issued_at = NOON + Duration::from_secs(12 * 3_600 - 600 + rng.random_range(0..600));
        let token = token(nth / 2, "red", issued_at);
        let mark = Mark {
            names: Some(&names),
            ..impression(&token)
        };
        if marks.count(mark, stamps.next()).await.unwrap() == Outcome::Counted {
            expected.impressions += 1;
        }
        if nth % 60 == 0 {
            roll_up
                .run(NOON + Duration::from_secs(12 * 3_600), HORIZON)
                .await
                .unwrap();
        }
    }
    // 1,000 micros a thousand impressions.
    expected.spend_micros = expected.impressions;

    let end = NOON + Duration::from_secs(12 * 3_600 + 60);
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let roll_up = roll_up.clone();
            tokio::spawn(async move { roll_up.run(end, HORIZON).await })
        })
        .collect();
    for run in runs {
        run.await.unwrap().unwrap();
    }
    let once = totals(&dynamo, Day::of(NOON)).await;
    let key = ("spring".to_owned(), "red".to_owned(), "home".to_owned());
    assert_eq!(once, BTreeMap::from([(key, expected)]));
    assert_eq!(
        Totals::new(dynamo.table()).as_of().await.unwrap(),
        Some(end)
    );

    let again = roll_up.run(end, HORIZON).await.unwrap();
    assert_eq!(again.totals_set, 0, "nothing to set that is not set");
    let from_the_start = roll_up.run_from(0, end + HORIZON).await.unwrap();
    assert_eq!(from_the_start.totals_set, 0);
    assert_eq!(totals(&dynamo, Day::of(NOON)).await, once);
}

#[tokio::test]
async fn what_is_closed_is_not_read_again_and_what_was_missed_is_caught_up() {
    let dynamo = Dynamo::start().await;
    let (marks, roll_up) = (Marks::new(dynamo.table()), RollUp::new(dynamo.table()));
    let mut stamps = Stamps::new();
    let later = NOON + Duration::from_secs(5 * 24 * 3_600);
    marks
        .count(impression(&token(1, "red", NOON)), stamps.next())
        .await
        .unwrap();
    marks
        .count(impression(&token(2, "red", later)), stamps.next())
        .await
        .unwrap();

    let first = roll_up.run(later, HORIZON).await.unwrap();
    assert_eq!(first.buckets, 2, "five days of silence are caught up");
    let second = roll_up.run(later, HORIZON).await.unwrap();
    assert_eq!(second.buckets, 1, "only what may still grow");
    marks
        .count(impression(&token(3, "red", later)), stamps.next())
        .await
        .unwrap();
    let closed = later + HORIZON + Duration::from_secs(60);
    let third = roll_up.run(closed, HORIZON).await.unwrap();
    assert_eq!(
        (third.marks, third.totals_set),
        (2, 1),
        "once more after it closed"
    );
    let fourth = roll_up.run(closed, HORIZON).await.unwrap();
    assert_eq!(fourth.buckets, 0);
    let counts: Vec<Counts> = totals(&dynamo, Day::of(later))
        .await
        .into_values()
        .collect();
    assert_eq!(counts[0].impressions, 2);
}

#[tokio::test]
async fn a_run_that_began_earlier_does_not_undo_a_later_one() {
    let dynamo = Dynamo::start().await;
    let (marks, roll_up) = (Marks::new(dynamo.table()), RollUp::new(dynamo.table()));
    let mut stamps = Stamps::new();
    let late = NOON + Duration::from_secs(60);
    let spend = async || {
        let totals = totals(&dynamo, Day::of(NOON)).await;
        totals
            .into_values()
            .map(|counts| counts.impressions)
            .sum::<u64>()
    };
    marks
        .count(impression(&token(1, "red", NOON)), stamps.next())
        .await
        .unwrap();
    roll_up.run(late, HORIZON).await.unwrap();
    marks
        .count(impression(&token(2, "red", NOON)), stamps.next())
        .await
        .unwrap();
    roll_up.run(NOON, HORIZON).await.unwrap();
    assert_eq!(spend().await, 1, "what the later run set stands");
    assert_eq!(
        Totals::new(dynamo.table()).as_of().await.unwrap(),
        Some(late)
    );
    roll_up.run(late, HORIZON).await.unwrap();
    assert_eq!(spend().await, 2);
}

#[tokio::test]
async fn fractions_of_a_micro_add_up_over_minutes_before_they_are_dropped() {
    let dynamo = Dynamo::start().await;
    let (marks, roll_up) = (Marks::new(dynamo.table()), RollUp::new(dynamo.table()));
    let mut stamps = Stamps::new();
    for nth in 0..5 {
        // 400 thousandths of a micro each, every one in a minute of its own.
        let issued_at = NOON + Duration::from_secs(60 * nth);
        let token = Token {
            price_micros: 400,
            ..token(nth, "red", issued_at)
        };
        marks
            .count(impression(&token), stamps.next())
            .await
            .unwrap();
    }
    roll_up
        .run(NOON + Duration::from_secs(600), HORIZON)
        .await
        .unwrap();
    let found = totals(&dynamo, Day::of(NOON)).await;
    let spend: Vec<u64> = found.values().map(|counts| counts.spend_micros).collect();
    assert_eq!(spend, [2]);
    let unnamed = format!("{:016x}", key_of("spring"));
    assert!(found.keys().all(|(campaign, ..)| *campaign == unnamed));
}

#[tokio::test]
async fn a_mark_that_cannot_be_stored_is_an_error_and_may_be_sent_again() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let marks = Marks::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let mut stamps = Stamps::new();
    let token = token(1, "red", NOON);
    for action in 0..3 {
        proxy.set(move |_, request| {
            let whole = String::from_utf8_lossy(&request.body);
            let meant = ["buckets#", "hours", "mark#"][action];
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
    let summary = RollUp::new(dynamo.table())
        .run(NOON, HORIZON)
        .await
        .unwrap();
    assert_eq!(summary.marks, 1, "found by the roll-up");
}
