//! Impressions and what they use up: caps of devices, and leases.

use std::{collections::HashMap, time::Duration};

use aws::Pace;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    DeviceId, DeviceKey, Instant, TimeZoneName,
    caps::{AdvertiserCaps, Charge, Shown, charges, creative_key},
    content::campaigns::{Cap, CapPeriod, CapScope},
    key_of,
    marks::MarkKind,
    tracking::Token,
};
use store::{
    Devices, Marks,
    marks::{Mark, Outcome},
};

use crate::{
    harness::{Dynamo, Fault, NOON, Proxy, Stamps, items, marks_over, put_item, table_at},
    marks::{impression, token},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn phone() -> DeviceId {
    "4F:9a".parse().unwrap()
}

/// A token of the phone.
fn phones(request: u64) -> Token {
    Token {
        device: Some(DeviceKey::of(&phone())),
        ..token(request, "red", NOON)
    }
}

fn cap(scope: CapScope, per: CapPeriod, max: u32) -> Cap {
    Cap { scope, per, max }
}

/// The charges of an impression of the campaign of all tokens.
fn charged(caps: &[Cap], now: Instant) -> Vec<Charge> {
    let shown = Shown {
        campaign: key_of("spring"),
        creative: key_of("red"),
        advertiser: key_of("acme"),
        caps,
        zone: &TimeZoneName::utc(),
        advertiser_caps: &AdvertiserCaps::default(),
    };
    charges(&shown, now)
}

/// Counts an impression that moves `charges`.
async fn count(marks: &Marks, token: &Token, charges: &[Charge], stamps: &mut Stamps) -> Outcome {
    let mark = Mark {
        charges,
        ..impression(token)
    };
    marks.count(mark, stamps.next()).await.unwrap()
}

/// How many more showings a cap of the campaign leaves the phone.
async fn left(dynamo: &Dynamo, caps: &[Cap], scope: CapScope, now: Instant) -> u32 {
    let key = match scope {
        CapScope::Creative => creative_key(key_of("spring"), key_of("red")),
        CapScope::Campaign => key_of("spring"),
        CapScope::Advertiser => key_of("acme"),
    };
    let record = Devices::new(dynamo.table()).record(&phone(), now).await;
    let showings = record.unwrap().showings;
    showings
        .left(caps, scope, key, &TimeZoneName::utc(), now)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_impressions_at_once_as_many_count_as_the_cap_allows() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    let caps = [cap(CapScope::Campaign, CapPeriod::Day, 3)];
    let charges = charged(&caps, NOON);
    let sent: Vec<_> = (0..200)
        .map(|request| {
            let (marks, charges, stamp) = (marks.clone(), charges.clone(), stamps.next());
            tokio::spawn(async move {
                let token = phones(request);
                let mark = Mark {
                    charges: &charges,
                    ..impression(&token)
                };
                marks.count(mark, stamp).await.unwrap()
            })
        })
        .collect();
    let mut outcomes: HashMap<String, usize> = HashMap::new();
    for outcome in sent {
        let outcome = format!("{:?}", outcome.await.unwrap());
        *outcomes.entry(outcome).or_default() += 1;
    }
    assert_eq!(
        outcomes,
        HashMap::from([("Counted".to_owned(), 3), ("OverCap".to_owned(), 197)])
    );
    let over = items(&dynamo).await;
    let over = over
        .iter()
        .filter(|item| item.get("over_cap") == Some(&AttributeValue::Bool(true)));
    assert_eq!(over.count(), 197);
    let four = [cap(CapScope::Campaign, CapPeriod::Day, 4)];
    assert_eq!(left(&dynamo, &caps, CapScope::Campaign, NOON).await, 0);
    assert_eq!(left(&dynamo, &four, CapScope::Campaign, NOON).await, 1);
}

#[tokio::test]
async fn an_impression_sent_again_and_again_moves_the_counters_once() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    let caps = [cap(CapScope::Creative, CapPeriod::Hour, 1)];
    let charges = charged(&caps, NOON);
    let first = count(&marks, &phones(1), &charges, &mut stamps).await;
    assert_eq!(first, Outcome::Counted);
    for _ in 0..5 {
        // At its end, and yet not over it.
        let again = count(&marks, &phones(1), &charges, &mut stamps).await;
        assert_eq!(again, Outcome::Repeated);
    }
    let over = count(&marks, &phones(2), &charges, &mut stamps).await;
    assert_eq!(over, Outcome::OverCap);
    let over = count(&marks, &phones(2), &charges, &mut stamps).await;
    assert_eq!(over, Outcome::Repeated, "kept once");
}

#[tokio::test]
async fn one_cap_at_its_end_moves_no_other_counter() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    let caps = [
        cap(CapScope::Creative, CapPeriod::Lifetime, 9),
        cap(CapScope::Creative, CapPeriod::Day, 9),
        cap(CapScope::Campaign, CapPeriod::Minute, 1),
    ];
    let charges = charged(&caps, NOON);
    for (request, expected) in [(1, Outcome::Counted), (2, Outcome::OverCap)] {
        let outcome = count(&marks, &phones(request), &charges, &mut stamps).await;
        assert_eq!(outcome, expected);
    }
    assert_eq!(left(&dynamo, &caps[..1], CapScope::Creative, NOON).await, 8);
    assert_eq!(left(&dynamo, &caps, CapScope::Creative, NOON).await, 8);
    let minute = NOON + Duration::from_secs(60);
    let outcome = count(&marks, &phones(3), &charged(&caps, minute), &mut stamps).await;
    assert_eq!(outcome, Outcome::Counted, "a minute later");
    assert_eq!(left(&dynamo, &caps, CapScope::Creative, minute).await, 7);
}

#[tokio::test]
async fn only_impressions_of_a_device_move_its_counters() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    let caps = [cap(CapScope::Campaign, CapPeriod::Day, 1)];
    let charges = charged(&caps, NOON);
    let token = phones(1);
    let nobodys = Token {
        device: None,
        ..phones(2)
    };
    let mark = Mark {
        charges: &charges,
        ..impression(&token)
    };
    for (mark, expected) in [
        (
            Mark {
                kind: MarkKind::Click,
                ..mark
            },
            Outcome::Counted,
        ),
        (
            Mark {
                kind: MarkKind::Conversion,
                ..mark
            },
            Outcome::Counted,
        ),
        (
            Mark {
                token: &nobodys,
                ..mark
            },
            Outcome::Counted,
        ),
        (
            Mark {
                flagged: true,
                ..mark
            },
            Outcome::Flagged,
        ),
    ] {
        let outcome = marks.count(mark, stamps.next()).await.unwrap();
        assert_eq!(outcome, expected, "{mark:?}");
        assert_eq!(left(&dynamo, &caps, CapScope::Campaign, NOON).await, 1);
    }
}

#[tokio::test]
async fn what_a_machine_sent_is_kept_once_and_stands_in_nobodys_way() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    let token = phones(1);
    let flagged = Mark {
        flagged: true,
        ..impression(&token)
    };
    for expected in [Outcome::Flagged, Outcome::Repeated] {
        let outcome = marks.count(flagged, stamps.next()).await.unwrap();
        assert_eq!(outcome, expected);
    }
    let outcome = count(&marks, &token, &[], &mut stamps).await;
    assert_eq!(outcome, Outcome::Counted);
}

#[tokio::test]
async fn a_counter_for_ever_that_nobody_moved_for_long_begins_anew() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    let caps = [
        cap(CapScope::Campaign, CapPeriod::Lifetime, 2),
        cap(CapScope::Creative, CapPeriod::Day, 9),
    ];
    for request in 0..2 {
        let outcome = count(&marks, &phones(request), &charged(&caps, NOON), &mut stamps).await;
        assert_eq!(outcome, Outcome::Counted);
    }
    // The table forgets late: the item is still there.
    let later = NOON + 401 * DAY;
    assert_eq!(left(&dynamo, &caps, CapScope::Campaign, later).await, 2);
    for (request, expected) in [
        (2, Outcome::Counted),
        (3, Outcome::Counted),
        (4, Outcome::OverCap),
    ] {
        let token = phones(request);
        let mark = Mark {
            charges: &charged(&caps, later),
            at: later,
            ..impression(&token)
        };
        assert_eq!(marks.count(mark, stamps.next()).await.unwrap(), expected);
    }
    assert_eq!(left(&dynamo, &caps, CapScope::Campaign, later).await, 0);
    assert_eq!(left(&dynamo, &caps, CapScope::Creative, later).await, 7);
}

fn is_transaction(request: &crate::harness::Request) -> bool {
    String::from_utf8_lossy(&request.body).contains("TransactItems")
}

#[tokio::test]
async fn an_impression_whose_answers_were_lost_is_the_one_that_counts() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let marks = marks_over(table_at(&proxy.endpoint, Pace::NORMAL));
    let mut stamps = Stamps::new();
    for (day, losses) in [(0, 1), (1, 3)] {
        let now = NOON + DAY * day;
        let caps = [cap(CapScope::Campaign, CapPeriod::Day, 1)];
        let charges = charged(&caps, now);
        let mut lost = 0;
        proxy.set(move |_, request| {
            if is_transaction(request) && lost < losses {
                lost += 1;
                Fault::LoseAnswer
            } else {
                Fault::None
            }
        });
        let token = phones(day.into());
        let mark = Mark {
            charges: &charges,
            at: now,
            ..impression(&token)
        };
        let outcome = marks.count(mark, stamps.next()).await.unwrap();
        assert_eq!(outcome, Outcome::Counted, "{losses} answers lost");
        let again = marks.count(mark, stamps.next()).await.unwrap();
        assert_eq!(again, Outcome::Repeated);
        let two = [cap(CapScope::Campaign, CapPeriod::Day, 2)];
        assert_eq!(left(&dynamo, &two, CapScope::Campaign, now).await, 1);
    }
}

#[tokio::test]
async fn an_impression_that_never_arrived_is_an_error_and_may_be_sent_again() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let marks = marks_over(table_at(&proxy.endpoint, Pace::NORMAL));
    let mut stamps = Stamps::new();
    let caps = [cap(CapScope::Campaign, CapPeriod::Day, 1)];
    let (token, charges) = (phones(1), charged(&caps, NOON));
    let mark = Mark {
        charges: &charges,
        ..impression(&token)
    };
    proxy.set(|_, request| match is_transaction(request) {
        true => Fault::Refuse,
        false => Fault::None,
    });
    let refused = marks.count(mark, stamps.next()).await.unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    proxy.set(|_, _| Fault::None);
    assert_eq!(left(&dynamo, &caps, CapScope::Campaign, NOON).await, 1);
    let outcome = marks.count(mark, stamps.next()).await.unwrap();
    assert_eq!(outcome, Outcome::Counted);
}

#[tokio::test]
async fn impressions_in_each_others_way_wait_for_their_turn_or_see_that_there_is_none() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let marks = marks_over(table_at(&proxy.endpoint, Pace::NORMAL));
    let mut stamps = Stamps::new();
    let caps = [
        cap(CapScope::Campaign, CapPeriod::Day, 9),
        cap(CapScope::Campaign, CapPeriod::Hour, 1),
    ];
    let charges = charged(&caps, NOON);
    let mut met = 0;
    proxy.set(move |_, request| {
        if is_transaction(request) && met < 3 {
            met += 1;
            Fault::Contend
        } else {
            Fault::None
        }
    });
    let turn = count(&marks, &phones(1), &charges, &mut stamps).await;
    assert_eq!(turn, Outcome::Counted);

    proxy.set(|_, request| match is_transaction(request) {
        true => Fault::Contend,
        false => Fault::None,
    });
    let none = count(&marks, &phones(2), &charges, &mut stamps).await;
    assert_eq!(none, Outcome::OverCap);
    assert_eq!(proxy.seen(), 3, "one attempt, one look, one write");
}

#[tokio::test]
async fn no_more_count_under_a_lease_than_it_has() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    let text = |text: String| AttributeValue::S(text);
    let number = |number: &str| AttributeValue::N(number.to_owned());
    let lease = HashMap::from([
        (
            "pk".to_owned(),
            text(format!("budget#{:016x}", key_of("spring"))),
        ),
        ("sk".to_owned(), text(format!("lease#{:016x}", 77))),
        ("chunk".to_owned(), number("2")),
        ("used".to_owned(), number("0")),
    ]);
    put_item(&dynamo, lease).await;
    let caps = [cap(CapScope::Campaign, CapPeriod::Day, 9)];
    for (request, lease, charges, expected) in [
        (1, 77, vec![], Outcome::Counted),
        (1, 77, vec![], Outcome::Repeated),
        (2, 77, charged(&caps, NOON), Outcome::Counted),
        (3, 77, charged(&caps, NOON), Outcome::OverCap),
        (4, 77, vec![], Outcome::OverCap),
        (5, 78, vec![], Outcome::OverCap),
    ] {
        let token = Token {
            lease: Some(lease),
            ..phones(request)
        };
        let outcome = count(&marks, &token, &charges, &mut stamps).await;
        assert_eq!(outcome, expected, "request {request}");
        let click = Mark {
            kind: MarkKind::Click,
            ..impression(&token)
        };
        marks.count(click, stamps.next()).await.unwrap();
    }
    let found = items(&dynamo).await;
    let used: Vec<_> = found.iter().filter_map(|item| item.get("used")).collect();
    assert_eq!(used, [&number("2")], "and no lease was made");
    assert_eq!(left(&dynamo, &caps, CapScope::Campaign, NOON).await, 8);
}

#[tokio::test]
async fn a_mark_knows_how_often_it_was_sent_again_up_to_a_hundred_times() {
    let dynamo = Dynamo::start().await;
    let marks = marks_over(dynamo.table());
    let mut stamps = Stamps::new();
    let token = phones(1);
    marks
        .note_repeat(&token, MarkKind::Impression)
        .await
        .unwrap();
    assert!(items(&dynamo).await.is_empty(), "nothing to be repeated");
    count(&marks, &token, &[], &mut stamps).await;
    for (times, noted) in [(2, "2"), (110, "100")] {
        for _ in 0..times {
            marks
                .note_repeat(&token, MarkKind::Impression)
                .await
                .unwrap();
        }
        let found = items(&dynamo).await;
        let repeats: Vec<_> = found
            .iter()
            .filter_map(|item| item.get("repeats"))
            .collect();
        assert_eq!(repeats, [&AttributeValue::N(noted.to_owned())]);
    }
}
