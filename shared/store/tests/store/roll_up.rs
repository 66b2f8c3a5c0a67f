//! Roll-ups: totals that are set, whenever and however often, until nothing can come any more.

use std::{collections::BTreeMap, time::Duration};

use domain::{Day, Instant, key_of, marks::Counts, tracking::Token};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use store::marks::{Mark, Names, Outcome, RollUp, Totals};

use crate::{
    harness::{Dynamo, Fault, NOON, Proxy, Stamps, marks_over, table_at},
    marks::{DEADLINE, HORIZON, impression, listen, token, totals},
};

#[tokio::test]
async fn a_roll_up_can_be_run_at_any_time_by_any_number_with_the_same_end() {
    let dynamo = Dynamo::start().await;
    let (marks, roll_up) = (marks_over(dynamo.table()), RollUp::new(dynamo.table()));
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
                .run(NOON + Duration::from_secs(12 * 3_600), HORIZON, DEADLINE)
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
            tokio::spawn(async move { roll_up.run(end, HORIZON, DEADLINE).await })
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

    let again = roll_up.run(end, HORIZON, DEADLINE).await.unwrap();
    assert_eq!(again.totals_set, 0, "nothing to set that is not set");
    assert_eq!(totals(&dynamo, Day::of(NOON)).await, once);
}

#[tokio::test]
async fn what_is_closed_is_not_read_again_and_what_was_missed_is_caught_up() {
    let dynamo = Dynamo::start().await;
    let (marks, roll_up) = (marks_over(dynamo.table()), RollUp::new(dynamo.table()));
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

    let first = roll_up.run(later, HORIZON, DEADLINE).await.unwrap();
    assert_eq!(first.buckets, 2, "five days of silence are caught up");
    let second = roll_up.run(later, HORIZON, DEADLINE).await.unwrap();
    assert_eq!(second.buckets, 1, "only what may still grow");
    marks
        .count(impression(&token(3, "red", later)), stamps.next())
        .await
        .unwrap();
    let closed = later + HORIZON + Duration::from_secs(60);
    let third = roll_up.run(closed, HORIZON, DEADLINE).await.unwrap();
    assert_eq!(
        (third.marks, third.totals_set),
        (2, 1),
        "once more after it closed"
    );
    let fourth = roll_up.run(closed, HORIZON, DEADLINE).await.unwrap();
    assert_eq!(fourth.buckets, 0);
    let counts: Vec<Counts> = totals(&dynamo, Day::of(later))
        .await
        .into_values()
        .collect();
    assert_eq!(counts[0].impressions, 2);
}

#[tokio::test]
async fn a_shorter_life_of_tokens_closes_no_minute_that_older_tokens_may_still_reach() {
    let dynamo = Dynamo::start().await;
    let (marks, roll_up) = (marks_over(dynamo.table()), RollUp::new(dynamo.table()));
    let mut stamps = Stamps::new();
    let short = Duration::from_secs(180);
    let late = NOON + Duration::from_secs(3_500);
    roll_up.run(NOON, HORIZON, DEADLINE).await.unwrap();
    for at in [NOON + Duration::from_secs(60), late] {
        roll_up.run(at, short, DEADLINE).await.unwrap();
    }
    marks
        .count(impression(&token(1, "red", NOON)), stamps.next())
        .await
        .unwrap();
    let found = roll_up.run(late, short, DEADLINE).await.unwrap();
    assert_eq!((found.marks, found.totals_set), (1, 1));

    // None of the older tokens can be left.
    let end = late + Duration::from_secs(3 * 3_600);
    roll_up.run(end, short, DEADLINE).await.unwrap();
    marks
        .count(
            impression(&token(2, "red", end - HORIZON / 2)),
            stamps.next(),
        )
        .await
        .unwrap();
    let closed = roll_up.run(end, short, DEADLINE).await.unwrap();
    assert_eq!(closed.marks, 0);
}

#[tokio::test]
async fn a_backlog_is_worked_off_over_as_many_runs_as_it_takes() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let marks = marks_over(dynamo.table());
    let roll_up = RollUp::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let mut stamps = Stamps::new();
    let hour = Duration::from_secs(3_600);
    let issued = [NOON, NOON + hour, NOON + 2 * hour];
    for (request, issued_at) in (0..).zip(issued) {
        let token = token(request, "red", issued_at);
        marks
            .count(impression(&token), stamps.next())
            .await
            .unwrap();
    }
    let end = NOON + 24 * hour;
    let key = |issued_at: Instant| format!("#{:010}#", issued_at.as_minutes());
    let (first, second) = (key(issued[0]), key(issued[1]));
    proxy.set(move |_, request| {
        let stuck = String::from_utf8_lossy(&request.body).contains(&second);
        if stuck { Fault::Hang } else { Fault::None }
    });
    // A run ends five seconds before its deadline.
    let soon = end + Duration::from_secs(7);
    let stopped = roll_up.run(end, HORIZON, soon).await.unwrap();
    assert_eq!((stopped.marks, stopped.complete), (1, false));
    let all_in = Totals::new(dynamo.table()).as_of().await.unwrap();
    assert_eq!(all_in, None, "not everything is in the totals");

    let heard = listen(&proxy);
    let rest = roll_up.run(end, HORIZON, DEADLINE).await.unwrap();
    assert_eq!((rest.marks, rest.complete), (2, true));
    let again = heard
        .lock()
        .unwrap()
        .iter()
        .any(|body| body.contains(&first));
    assert!(!again, "what was closed is not read again");
    let found = totals(&dynamo, Day::of(NOON)).await;
    let seen: u64 = found.values().map(|counts| counts.impressions).sum();
    assert_eq!(seen, 3);
    assert_eq!(
        Totals::new(dynamo.table()).as_of().await.unwrap(),
        Some(end)
    );
}

#[tokio::test]
async fn a_run_that_began_earlier_does_not_undo_a_later_one() {
    let dynamo = Dynamo::start().await;
    let (marks, roll_up) = (marks_over(dynamo.table()), RollUp::new(dynamo.table()));
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
    roll_up.run(late, HORIZON, DEADLINE).await.unwrap();
    marks
        .count(impression(&token(2, "red", NOON)), stamps.next())
        .await
        .unwrap();
    roll_up.run(NOON, HORIZON, DEADLINE).await.unwrap();
    assert_eq!(spend().await, 1, "what the later run set stands");
    assert_eq!(
        Totals::new(dynamo.table()).as_of().await.unwrap(),
        Some(late)
    );
    roll_up.run(late, HORIZON, DEADLINE).await.unwrap();
    assert_eq!(spend().await, 2);
}

#[tokio::test]
async fn fractions_of_a_micro_add_up_over_minutes_before_they_are_dropped() {
    let dynamo = Dynamo::start().await;
    let (marks, roll_up) = (marks_over(dynamo.table()), RollUp::new(dynamo.table()));
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
        .run(NOON + Duration::from_secs(600), HORIZON, DEADLINE)
        .await
        .unwrap();
    let found = totals(&dynamo, Day::of(NOON)).await;
    let spend: Vec<u64> = found.values().map(|counts| counts.spend_micros).collect();
    assert_eq!(spend, [2]);
    let unnamed = format!("{:016x}", key_of("spring"));
    assert!(found.keys().all(|(campaign, ..)| *campaign == unnamed));
}
