//! Tallies: what instances tell they gave out, each counted once.

use std::time::Duration;

use domain::{Day, Id, Instant, key_of, reports::Facts};
use store::{
    Tallies,
    marks::{RollUp, Totals},
};

use crate::{
    harness::{Dynamo, Fault, NOON, Proxy, Stamps, raw, table_at},
    marks::{DEADLINE, roll_up},
};

const MINUTE: Duration = Duration::from_secs(60);

fn home() -> Id {
    "home".parse().unwrap()
}

/// An allocation of two slots of `home`, of which one was filled.
fn allocate(tallies: &Tallies, now: Instant) {
    tallies.request(key_of("home"), Some(&home()), 2, now);
    tallies.served(key_of("spring"), key_of("red"), key_of("home"));
}

async fn facts(dynamo: &Dynamo) -> Facts {
    let day = Day::of(NOON);
    Totals::new(dynamo.table()).between(day, day).await.unwrap()
}

#[tokio::test]
async fn an_instance_tells_now_and_then_and_only_what_is_worth_it() {
    let dynamo = Dynamo::start().await;
    let tallies = Tallies::new(dynamo.table());
    let mut stamps = Stamps::new();
    assert!(!tallies.due(NOON));
    allocate(&tallies, NOON);
    assert!(!tallies.due(NOON + MINUTE * 9));
    assert!(tallies.due(NOON + MINUTE * 10), "it is kept for long");
    for _ in 1..50 {
        allocate(&tallies, NOON);
    }
    assert!(!tallies.due(NOON + MINUTE / 2));
    assert!(tallies.due(NOON + MINUTE));
    tallies.flush(NOON + MINUTE, stamps.next()).await.unwrap();
    assert!(!tallies.due(NOON + MINUTE * 60), "there is nothing to tell");
    tallies.flush(NOON + MINUTE, stamps.next()).await.unwrap();
    let written = raw::keys(&dynamo.endpoint, "tallies#").await;
    assert_eq!(written.len(), 1);
}

#[tokio::test]
async fn what_instances_tell_is_in_the_report_once_however_often_it_is_rolled_up() {
    let dynamo = Dynamo::start().await;
    let mut stamps = Stamps::new();
    for minutes in 0..8 {
        let at = NOON + MINUTE * minutes;
        for _ in 0..2 {
            let tallies = Tallies::new(dynamo.table());
            allocate(&tallies, at);
            tallies.capped(key_of("spring"));
            tallies.flush(at, stamps.next()).await.unwrap();
        }
        for _ in 0..2 {
            roll_up(&dynamo, at).await;
        }
    }
    for later in [8, 10, 20, 80] {
        roll_up(&dynamo, NOON + MINUTE * later).await;
        let facts = facts(&dynamo).await;
        assert_eq!(facts.placements.len(), 1);
        let home = &facts.placements[0];
        assert_eq!(home.placement, "home");
        assert_eq!((home.requests, home.served), (32, 16));
        assert_eq!(facts.capped[0].capped, 16);
        assert_eq!(facts.totals.len(), 1);
        assert_eq!(facts.totals[0].served, Some(16));
        assert_eq!(facts.totals[0].counts.impressions, 0);
    }
}

#[tokio::test]
async fn what_was_given_out_and_never_seen_is_called_by_its_name() {
    let dynamo = Dynamo::start().await;
    let tallies = Tallies::new(dynamo.table());
    allocate(&tallies, NOON);
    tallies.flush(NOON, Stamps::new().next()).await.unwrap();
    let terms = domain::billing::Terms {
        id: "spring".parse().unwrap(),
        creatives: vec!["red".parse().unwrap()],
        starts_at: NOON,
        ends_at: None,
        time_zone: domain::TimeZoneName::utc(),
        published_at: None,
        budget: None,
        sampling: domain::content::campaigns::Sampling::Weighted,
    };
    RollUp::new(dynamo.table())
        .run(NOON, &|_| Some(terms.clone()), DEADLINE)
        .await
        .unwrap();
    let facts = facts(&dynamo).await;
    let total = &facts.totals[0];
    let called = (&*total.campaign, &*total.creative, &*total.placement);
    assert_eq!(called, ("spring", "red", "home"));
    assert!(facts.terms.contains_key("spring"));
}

#[tokio::test]
async fn a_tally_whose_answer_was_lost_is_told_once() {
    for fault in [Fault::LoseAnswer, Fault::Refuse] {
        let dynamo = Dynamo::start().await;
        let proxy = Proxy::start(&dynamo.endpoint).await;
        let tallies = Tallies::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
        let mut stamps = Stamps::new();
        allocate(&tallies, NOON);
        proxy.set(move |_, _| fault);
        let lost = tallies.flush(NOON, stamps.next()).await;
        assert!(lost.is_err());
        proxy.set(|_, _| Fault::None);
        let later = NOON + MINUTE;
        allocate(&tallies, later);
        tallies.flush(later, stamps.next()).await.unwrap();
        roll_up(&dynamo, later).await;
        let facts = facts(&dynamo).await;
        assert_eq!(facts.placements[0].requests, 4, "{fault:?}");
    }
}

#[tokio::test]
async fn traffic_is_told_by_the_hour_of_past_days() {
    let dynamo = Dynamo::start().await;
    let tallies = Tallies::new(dynamo.table());
    let mut stamps = Stamps::new();
    for hours in [10, 11, 11, 12] {
        let at = NOON + MINUTE * 60 * hours;
        allocate(&tallies, at);
        tallies.flush(at, stamps.next()).await.unwrap();
    }
    roll_up(&dynamo, NOON + MINUTE * 60 * 13).await;
    let today = Day::of(NOON).plus_days(2);
    let totals = Totals::new(dynamo.table());
    let traffic = totals.traffic(today, 3).await.unwrap();
    let mut first = [0; 24];
    (first[22], first[23]) = (2, 4);
    let mut second = [0; 24];
    second[0] = 2;
    assert_eq!(traffic, [[0; 24], first, second]);
}
