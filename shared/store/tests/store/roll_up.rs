//! Roll-ups: totals that are set, whenever and however often, from what has arrived.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use domain::{Day, Instant, key_of, marks::Counts, tracking::Token};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use store::{
    Marks,
    marks::{Mark, Names, Outcome, RollUp, Totals},
};

use crate::{
    harness::{Dynamo, Fault, NOON, Proxy, Stamps, marks_over, put_item, raw, table_at},
    marks::{DEADLINE, impression, listen, roll_up, roll_up_killed_after, token, totals},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Counts an impression of a token of its own at `at`.
async fn see(marks: &Marks, stamps: &mut Stamps, request: u64, issued_at: Instant, at: Instant) {
    let token = token(request, "red", issued_at);
    let mark = Mark {
        at,
        ..impression(&token)
    };
    let outcome = marks.count(mark, stamps.next()).await.unwrap();
    assert_eq!(outcome, Outcome::Counted);
}

async fn impressions(dynamo: &Dynamo, day: Instant) -> u64 {
    let found = totals(dynamo, Day::of(day)).await;
    found.values().map(|counts| counts.impressions).sum()
}

async fn as_of(dynamo: &Dynamo) -> Option<Instant> {
    Totals::new(dynamo.table()).as_of().await.unwrap()
}

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
    let midnight = NOON + 12 * HOUR;
    for nth in 0..300u32 {
        // Over midnight, so that two days are touched; many are sent again.
        let at = midnight - 5 * MINUTE + Duration::from_secs(2) * nth;
        let issued_at = midnight - Duration::from_secs(rng.random_range(1..600));
        let token = token(u64::from(nth) / 2, "red", issued_at);
        let mark = Mark {
            names: Some(&names),
            at,
            ..impression(&token)
        };
        if marks.count(mark, stamps.next()).await.unwrap() == Outcome::Counted {
            expected.impressions += 1;
        }
        if nth % 60 == 0 {
            roll_up.run(at, &|_| None, DEADLINE).await.unwrap();
        }
    }
    // 1,000 micros a thousand impressions.
    expected.spend_thousandths = 1_000 * expected.impressions;

    let end = midnight + 6 * MINUTE;
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let roll_up = roll_up.clone();
            tokio::spawn(async move { roll_up.run(end, &|_| None, DEADLINE).await })
        })
        .collect();
    for run in runs {
        run.await.unwrap().unwrap();
    }
    let once = totals(&dynamo, Day::of(NOON)).await;
    let key = ("spring".to_owned(), "red".to_owned(), "home".to_owned());
    assert_eq!(once, BTreeMap::from([(key, expected)]));
    assert_eq!(as_of(&dynamo).await, Some(end));

    let again = roll_up.run(end, &|_| None, DEADLINE).await.unwrap();
    assert_eq!(again.totals_set, 0, "nothing to set that is not set");
    assert_eq!(totals(&dynamo, Day::of(NOON)).await, once);
}

#[tokio::test]
async fn a_minute_is_read_again_until_nothing_can_be_on_its_way_and_then_no_more() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    see(&marks, &mut stamps, 1, NOON, NOON).await;
    for minutes in 0..=4 {
        let found = roll_up(&dynamo, NOON + MINUTE * minutes).await;
        assert_eq!(found.buckets, 1, "{minutes} minutes later");
    }
    let found = roll_up(&dynamo, NOON + 5 * MINUTE).await;
    assert_eq!(found.buckets, 0);
    // Whoever comes later is entered later, however old the token.
    let later = NOON + 2 * HOUR;
    see(&marks, &mut stamps, 2, NOON, later).await;
    let found = roll_up(&dynamo, later).await;
    assert_eq!((found.buckets, found.marks), (1, 2));
    assert_eq!(impressions(&dynamo, NOON).await, 2);
}

#[tokio::test]
async fn a_mark_that_is_written_long_after_its_entry_is_found() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let slow = marks_over(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let mut stamps = Stamps::new();
    proxy.set(|_, request| {
        let body = String::from_utf8_lossy(&request.body);
        if body.contains("mark#") {
            Fault::Refuse
        } else {
            Fault::None
        }
    });
    let token = token(1, "red", NOON);
    let refused = slow.count(impression(&token), stamps.next()).await;
    assert!(refused.is_err());
    assert_eq!(roll_up(&dynamo, NOON + MINUTE).await.marks, 0);
    // The entry is there already and is not made again.
    proxy.set(|_, _| Fault::None);
    slow.count(impression(&token), stamps.next()).await.unwrap();
    assert_eq!(roll_up(&dynamo, NOON + 3 * MINUTE).await.marks, 1);
    assert_eq!(impressions(&dynamo, NOON).await, 1);
}

#[tokio::test]
async fn an_outage_of_hours_is_caught_up() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    roll_up(&dynamo, NOON).await;
    for minutes in 0..120 {
        let at = NOON + MINUTE * minutes;
        see(&marks, &mut stamps, minutes.into(), at, at + MINUTE).await;
    }
    let end = NOON + 2 * HOUR + 5 * MINUTE;
    let caught_up = roll_up(&dynamo, end).await;
    assert_eq!((caught_up.marks, caught_up.complete), (120, true));
    assert_eq!(impressions(&dynamo, NOON).await, 120);
    assert_eq!(as_of(&dynamo).await, Some(end));
}

#[tokio::test]
async fn a_first_run_finds_what_arrived_before_it_and_reads_no_empty_minute() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    see(&marks, &mut stamps, 1, NOON, NOON).await;
    see(&marks, &mut stamps, 2, NOON, NOON + 30 * HOUR).await;
    // What else is in the table makes no difference.
    raw::fill(&dynamo.endpoint, 2_100).await;
    let roll_up = RollUp::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    proxy.set(|_, _| Fault::None);
    let later = NOON + 71 * HOUR + 30 * MINUTE;
    let first = roll_up.run(later, &|_| None, DEADLINE).await.unwrap();
    assert!(first.complete);
    assert_eq!(impressions(&dynamo, NOON).await, 2);
    // 73 hours of the index, 7 minutes of twenty partitions each, the bucket twice, what is set.
    // Without the index it would be 86,400 for three days.
    let calls = proxy.seen();
    assert!(calls < 300, "{calls}");
    assert_eq!(as_of(&dynamo).await, Some(later));
}

#[tokio::test]
async fn minutes_that_a_version_without_the_index_wrote_are_read_one_by_one() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    see(&marks, &mut stamps, 1, NOON, NOON).await;
    let text = |text: String| raw::Value::S(text);
    let number = |number: u64| raw::Value::N(number.to_string());
    let minute = NOON.as_minutes();
    // That version was past the mark's own minute, and entered its bucket half an hour later again.
    put_item(
        &dynamo,
        HashMap::from([
            ("pk".to_owned(), text("roll-up".to_owned())),
            ("sk".to_owned(), text("state".to_owned())),
            ("done_before".to_owned(), number((minute + 1).into())),
        ]),
    )
    .await;
    let campaign = key_of("spring");
    let part = campaign % 16;
    put_item(
        &dynamo,
        HashMap::from([
            (
                "pk".to_owned(),
                text(format!("arrivals#{:010}#{part:02}", minute + 30)),
            ),
            (
                "sk".to_owned(),
                text(format!("{campaign:016x}#{minute:010}")),
            ),
            ("campaign".to_owned(), number(campaign)),
            ("minute".to_owned(), number(minute.into())),
        ]),
    )
    .await;
    let run = roll_up(&dynamo, NOON + 2 * HOUR).await;
    assert_eq!((run.marks, run.complete), (1, true));
}

#[tokio::test]
async fn the_newest_minutes_are_known_although_a_backlog_is_not_worked_off() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let marks = marks_over(dynamo.table());
    let roll_up = RollUp::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let mut stamps = Stamps::new();
    let end = NOON + 3 * HOUR;
    for request in 0..20 {
        let issued_at = NOON + MINUTE * u32::try_from(request).unwrap();
        see(&marks, &mut stamps, request, issued_at, issued_at).await;
    }
    for request in 20..27 {
        see(&marks, &mut stamps, request, end, end).await;
    }
    let stuck = format!("mark#{:016x}#{:010}#", key_of("spring"), NOON.as_minutes());
    proxy.set(move |_, request| {
        let is_stuck = String::from_utf8_lossy(&request.body).contains(&stuck);
        if is_stuck { Fault::Hang } else { Fault::None }
    });
    let soon = end + Duration::from_secs(7);
    let run = roll_up.run(end, &|_| None, soon).await.unwrap();
    assert!(!run.complete);
    assert_eq!(as_of(&dynamo).await, None);
    let known = Totals::new(dynamo.table()).delivered().await.unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!(
        (known[0].as_of, known[0].known_at),
        (Instant::default(), end)
    );
    assert_eq!(known[0].total.impressions, 7, "a budget of seven is spent");

    proxy.set(|_, _| Fault::None);
    assert!(
        roll_up
            .run(end, &|_| None, DEADLINE)
            .await
            .unwrap()
            .complete
    );
    let known = Totals::new(dynamo.table()).delivered().await.unwrap();
    assert_eq!((known[0].as_of, known[0].known_at), (end, end));
    assert_eq!(known[0].total.impressions, 27);
}

#[tokio::test]
async fn a_backlog_is_worked_off_over_as_many_runs_as_it_takes() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let marks = marks_over(dynamo.table());
    let roll_up = RollUp::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let mut stamps = Stamps::new();
    let issued = [NOON, NOON + HOUR, NOON + 2 * HOUR];
    for (request, issued_at) in (0..).zip(issued) {
        see(&marks, &mut stamps, request, issued_at, issued_at).await;
    }
    let end = NOON + 3 * HOUR;
    let key = |issued_at: Instant| {
        format!(
            "mark#{:016x}#{:010}#",
            key_of("spring"),
            issued_at.as_minutes()
        )
    };
    let (first, second) = (key(issued[0]), key(issued[1]));
    proxy.set(move |_, request| {
        let stuck = String::from_utf8_lossy(&request.body).contains(&second);
        if stuck { Fault::Hang } else { Fault::None }
    });
    // A run ends five seconds before its deadline, here before the call that hangs is given up.
    let soon = end + Duration::from_secs(7);
    let stopped = roll_up.run(end, &|_| None, soon).await.unwrap();
    assert_eq!((stopped.marks, stopped.complete), (1, false));
    assert_eq!(
        as_of(&dynamo).await,
        None,
        "not everything is in the totals"
    );

    let heard = listen(&proxy);
    let rest = roll_up.run(end, &|_| None, DEADLINE).await.unwrap();
    assert_eq!((rest.marks, rest.complete), (2, true));
    let again = heard
        .lock()
        .unwrap()
        .iter()
        .any(|body| body.contains(&first));
    assert!(!again, "what was finished is not read again");
    assert_eq!(impressions(&dynamo, NOON).await, 3);
    assert_eq!(as_of(&dynamo).await, Some(end));
}

#[tokio::test]
async fn a_run_that_is_killed_anywhere_is_made_up_for_by_the_next() {
    let expected = 40;
    let end = NOON + 10 * MINUTE;
    for writes in 0.. {
        let dynamo = Dynamo::start().await;
        let marks = marks_over(dynamo.table());
        let mut stamps = Stamps::new();
        for request in 0..expected {
            let issued_at = NOON + Duration::from_secs(7 * request);
            see(&marks, &mut stamps, request, issued_at, issued_at).await;
        }
        let ended = roll_up_killed_after(&dynamo, writes, end, &|_| None).await;
        assert!(roll_up(&dynamo, end + MINUTE).await.complete);
        assert_eq!(
            impressions(&dynamo, NOON).await,
            expected,
            "after {writes} writes"
        );
        let delivered = Totals::new(dynamo.table()).delivered().await.unwrap();
        assert_eq!(delivered[0].total.impressions, expected);
        if ended {
            assert!(writes > 8, "{writes}");
            break;
        }
    }
}

#[tokio::test]
async fn a_run_that_began_earlier_does_not_undo_a_later_one() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    let late = NOON + MINUTE;
    see(&marks, &mut stamps, 1, NOON, NOON).await;
    roll_up(&dynamo, late).await;
    see(&marks, &mut stamps, 2, NOON, NOON).await;
    roll_up(&dynamo, NOON).await;
    assert_eq!(
        impressions(&dynamo, NOON).await,
        1,
        "what the later run set stands"
    );
    assert_eq!(as_of(&dynamo).await, Some(late));
    roll_up(&dynamo, late).await;
    assert_eq!(impressions(&dynamo, NOON).await, 2);
}

#[tokio::test]
async fn fractions_of_a_micro_add_up_over_minutes_before_they_are_dropped() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
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
    roll_up(&dynamo, NOON + 10 * MINUTE).await;
    let found = totals(&dynamo, Day::of(NOON)).await;
    let spend: Vec<u64> = found.values().map(Counts::spend_micros).collect();
    assert_eq!(spend, [2]);
    let unnamed = format!("{:016x}", key_of("spring"));
    assert!(found.keys().all(|(campaign, ..)| *campaign == unnamed));
}

#[tokio::test]
async fn flagged_marks_and_repeats_are_told_apart_from_what_counts() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    for request in 0..6 {
        see(&marks, &mut stamps, request, NOON, NOON).await;
    }
    // Two of them look like nobody's, and one was sent again seven times.
    let marked = raw::keys(&dynamo.endpoint, "mark#").await;
    for key in &marked[..2] {
        raw::change(
            &dynamo.endpoint,
            key,
            "SET flagged = :value",
            raw::Value::Bool(true),
        )
        .await;
    }
    let seven = raw::Value::N("7".into());
    raw::change(&dynamo.endpoint, &marked[2], "SET repeats = :value", seven).await;
    roll_up(&dynamo, NOON).await;
    let found = totals(&dynamo, Day::of(NOON)).await;
    let expected = Counts {
        impressions: 4,
        spend_thousandths: 4_000,
        flagged: 9,
        ..Counts::default()
    };
    assert_eq!(found.into_values().collect::<Vec<_>>(), [expected]);
}
