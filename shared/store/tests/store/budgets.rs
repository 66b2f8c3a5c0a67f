//! Budgets: whatever instances do, no more is counted than the budget allows.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws::{Pace, Service};
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use domain::{
    Day, Instant, TimeZoneName,
    content::campaigns::{Budget, Pricing},
    marks::MarkKind,
    pacing::{Spread, Terms, Used},
    tracking::Token,
};
use store::{
    Budgets, StoreError,
    budgets::{Account, Lease, Leases, Lives, Phase, Refusal, Taken},
    marks::{Mark, Outcome},
};
use tokio::task::JoinSet;

use crate::{
    harness::{Dynamo, Fault, NOON, Proxy, Stamps, TABLE, aws_at, marks_over, table_at},
    marks::{impression, token},
};

pub(crate) const CAMPAIGN: u64 = 0xc0ffee;

pub(crate) const LIVES: Lives = Lives {
    lease: Duration::from_secs(120),
    token: Duration::from_secs(300),
};

/// A lease that is taken now can be given back after this.
pub(crate) const LAPSE: Duration = Duration::from_secs(120 + 300 + 60);

pub(crate) fn terms(daily: Option<u64>, total: Option<u64>) -> Terms {
    let budget = Budget {
        pricing: Pricing::Impressions,
        price_micros: None,
        daily,
        total,
    };
    Terms::of(CAMPAIGN, &budget, &TimeZoneName::utc()).unwrap()
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// What tracking does to a lease in its transaction: one more is used where that is within the chunk.
pub(crate) struct Marks(Client);

impl Marks {
    fn of(dynamo: &Dynamo) -> Self {
        Self::at(&dynamo.endpoint)
    }

    pub(crate) fn at(endpoint: &str) -> Self {
        let aws = aws_at(endpoint, None);
        Self(Client::new(&aws.config(Service::DynamoDb, Pace::NORMAL)))
    }

    /// Whether the mark counts.
    pub(crate) async fn count(&self, lease: u64) -> bool {
        let text = |text: String| AttributeValue::S(text);
        let counted = self
            .0
            .update_item()
            .table_name(TABLE)
            .key("pk", text(format!("budget#{CAMPAIGN:016x}")))
            .key("sk", text(format!("lease#{lease:016x}")))
            .update_expression("ADD used :one")
            .condition_expression("attribute_exists(pk) AND used < chunk")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .send()
            .await;
        match counted {
            Ok(_) => true,
            Err(error) => {
                let error = error.into_service_error();
                assert!(error.is_conditional_check_failed_exception(), "{error}");
                false
            }
        }
    }
}

async fn lease(budgets: &Budgets, terms: &Terms, wanted: u32, id: u64, now: Instant) -> Lease {
    match budgets.take(terms, wanted, id, LIVES, now).await.unwrap() {
        Taken::Lease(lease) => lease,
        Taken::Refused(refusal) => panic!("{refusal:?}"),
    }
}

async fn refusal(budgets: &Budgets, terms: &Terms, now: Instant) -> Refusal {
    match budgets.take(terms, 1, 999, LIVES, now).await.unwrap() {
        Taken::Lease(lease) => panic!("{lease:?}"),
        Taken::Refused(refusal) => refusal,
    }
}

async fn account(budgets: &Budgets) -> Account {
    budgets.account(CAMPAIGN).await.unwrap().unwrap()
}

/// `(reserved, counted)` in all and of the day.
fn sums(account: &Account) -> [(u64, u64); 2] {
    [
        (account.reserved, account.counted),
        (account.day_reserved, account.day_counted),
    ]
}

/// Gives everything back that has lapsed.
pub(crate) async fn settle_all(budgets: &Budgets, now: Instant) {
    for lease in budgets.leases(CAMPAIGN).await.unwrap() {
        if lease.has_lapsed(now) {
            budgets.settle(&lease).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_lease_is_a_small_part_of_what_is_left_and_lapses_after_its_last_token() {
    let dynamo = Dynamo::start().await;
    let budgets = Budgets::new(dynamo.table());
    let terms = terms(None, Some(1_000));
    assert!(budgets.account(CAMPAIGN).await.unwrap().is_none());
    let first = lease(&budgets, &terms, 100, 1, NOON).await;
    assert_eq!((first.chunk, first.used), (62, 0));
    assert_eq!(first.serve_until, NOON + minutes(2));
    assert_eq!(first.lapses_at, NOON + minutes(7));
    assert!(!first.has_lapsed(NOON + minutes(7)));
    assert!(first.has_lapsed(NOON + LAPSE));
    let second = lease(&budgets, &terms, 3, 2, NOON).await;
    assert_eq!(second.chunk, 3, "no more than is asked for");
    let account = account(&budgets).await;
    assert_eq!((account.phase, account.live()), (Phase::Leasing, 65));
    assert_eq!(budgets.leases(CAMPAIGN).await.unwrap(), [first, second]);
}

#[tokio::test]
async fn leases_of_a_spread_budget_keep_to_its_plan_over_all_instances() {
    let dynamo = Dynamo::start().await;
    // Ten a minute.
    let terms = terms(None, Some(2_400)).spread_over(Spread {
        starts_at: NOON,
        ends_at: Some(NOON + minutes(240)),
    });
    let mut by_minute = [0; 10];
    let mut ids = 0;
    for second in (0..600).step_by(3) {
        let now = NOON + Duration::from_secs(second);
        // Eight instances want much more at once.
        let mut takers = JoinSet::new();
        for _ in 0..8 {
            ids += 1;
            let (budgets, terms, id) = (Budgets::new(dynamo.table()), terms.clone(), ids);
            takers.spawn(async move { budgets.take(&terms, 500, id, LIVES, now).await.unwrap() });
        }
        for taken in takers.join_all().await {
            match taken {
                Taken::Lease(lease) => {
                    assert!(lease.serve_until <= now + minutes(1));
                    by_minute[usize::try_from(second / 60).unwrap()] += lease.chunk;
                }
                Taken::Refused(Refusal::Paced(next)) => {
                    assert!(next > now && next < now + Duration::from_secs(20));
                }
                Taken::Refused(other) => panic!("{other:?}"),
            }
        }
    }
    // With what the minute before may still bring, at most three times the plan.
    let pairs = by_minute.windows(2).map(|pair| pair[0] + pair[1]);
    assert!(pairs.max().unwrap() <= 30, "{by_minute:?}");
    assert!(by_minute.iter().sum::<u64>() >= 100, "{by_minute:?}");
}

#[tokio::test]
async fn no_more_clicks_are_given_away_than_the_slack_where_every_token_brings_one() {
    let dynamo = Dynamo::start().await;
    let budgets = Budgets::new(dynamo.table());
    let terms = Terms {
        pricing: Pricing::Cpc,
        price_micros: 7,
        ..terms(None, Some(50))
    };
    let leases = Leases::new(budgets.clone(), LIVES);
    let mut given_out = 0;
    for id in 0..500 {
        if let Some(taking) = leases.want(&terms, id, NOON) {
            taking.landed_within(Duration::from_secs(20)).await;
        }
        given_out += u64::from(leases.take(CAMPAIGN, NOON).is_some());
    }
    assert_eq!(given_out, 60, "fifty, and ten of slack");
    assert_eq!(refusal(&budgets, &terms, NOON).await, Refusal::Spent);
}

#[tokio::test]
async fn a_lease_of_clicks_has_as_many_tokens_as_its_units_are_worth() {
    let dynamo = Dynamo::start().await;
    let (budgets, marks) = (Budgets::new(dynamo.table()), marks_over(dynamo.table()));
    let terms = Terms {
        pricing: Pricing::Cpc,
        price_micros: 7,
        ..terms(None, Some(400))
    };
    let first = lease(&budgets, &terms, 40, 1, NOON).await;
    assert_eq!((first.chunk, first.tokens()), (40, 40), "nothing is known");
    let read = account(&budgets).await;
    budgets.set_tokens_per_unit(&read, 25).await.unwrap();
    let second = lease(&budgets, &terms, 40, 2, NOON).await;
    assert_eq!((second.chunk, second.tokens()), (2, 50));
    // What the first one's tokens are worth now.
    let unneeded = first.dispensable(first.tokens(), 25);
    let tokens = first.tokens();
    budgets.give_back(&first, unneeded, tokens).await.unwrap();
    assert_eq!(account(&budgets).await.live(), 2 + 2);
    let revalued = budgets.leases(CAMPAIGN).await.unwrap().swap_remove(0);
    assert_eq!((revalued.id, revalued.chunk), (first.id, 2));
    assert_eq!(revalued.tokens(), 40, "all of its tokens may be out");

    // Clicks count up to its tokens, impressions and conversions leave it alone.
    let mut stamps = Stamps::new();
    let mut outcomes = Vec::new();
    for nth in 0..51 {
        let token = Token {
            campaign: CAMPAIGN,
            pricing: Some(Pricing::Cpc),
            lease: Some(2),
            ..token(nth, "red", NOON)
        };
        for kind in [MarkKind::Impression, MarkKind::Conversion, MarkKind::Click] {
            let mark = Mark {
                kind,
                ..impression(&token)
            };
            let outcome = marks.count(mark, stamps.next()).await.unwrap();
            if kind == MarkKind::Click {
                outcomes.push(outcome);
            } else {
                assert_eq!(outcome, Outcome::Counted);
            }
        }
    }
    let (last, others) = outcomes.split_last().unwrap();
    assert!(others.iter().all(|outcome| *outcome == Outcome::Counted));
    assert_eq!(*last, Outcome::OverCap);
    // So they do under the one that was revalued, as it was before it had fewer units.
    for nth in 100..107 {
        let token = Token {
            campaign: CAMPAIGN,
            pricing: Some(Pricing::Cpc),
            lease: Some(1),
            ..token(nth, "red", NOON)
        };
        let click = Mark {
            kind: MarkKind::Click,
            ..impression(&token)
        };
        let outcome = marks.count(click, stamps.next()).await.unwrap();
        assert_eq!(outcome, Outcome::Counted, "click {nth}");
    }
    settle_all(&budgets, NOON + LAPSE).await;
    let settled = account(&budgets).await;
    assert_eq!(
        sums(&settled),
        [(57, 57), (57, 57)],
        "more than were expected"
    );
}

#[tokio::test]
async fn where_thousands_of_campaigns_want_a_lease_a_few_a_second_get_one() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let leases = Leases::new(Budgets::new(table_at(&proxy.endpoint, Pace::NORMAL)), LIVES);
    let (mut taken, mut served) = ([0; 4], 0);
    proxy.set(|_, _| Fault::None);
    // Eighty seconds of a hundred requests a second, each of which draws another campaign first.
    for request in 0..8_000u64 {
        let span = usize::try_from(request / 2_000).unwrap();
        let now = NOON + Duration::from_millis(10 * request);
        let drawn = Terms {
            campaign: request * 7 % 10_000,
            ..terms(None, Some(1_000))
        };
        if let Some(taking) = leases.want(&drawn, request, now) {
            taking.landed_within(Duration::from_secs(20)).await;
            taken[span] += 1;
        }
        // It is served by one of which tokens are in hand, which is topped up.
        let in_hand = leases.in_hand(now);
        let mut in_hand: Vec<u64> = in_hand.iter().copied().collect();
        in_hand.sort_unstable();
        let Some(campaign) = in_hand.get(usize::try_from(request).unwrap() % in_hand.len().max(1))
        else {
            continue;
        };
        served += u64::from(leases.take(*campaign, now).is_some());
        let used = Terms {
            campaign: *campaign,
            ..terms(None, Some(1_000))
        };
        if let Some(taking) = leases.want(&used, (1 << 32) | request, now) {
            taking.landed_within(Duration::from_secs(20)).await;
            taken[span] += 1;
        }
    }
    // Four a hundred requests at first, then three: each is of 32 tokens at least, and one a second is
    // of a new campaign.
    assert!(taken[0] <= 80, "{taken:?} leases by 2,000 requests");
    assert!(taken[3] <= 68, "{taken:?} leases by 2,000 requests");
    assert!(served >= 7_990, "{served}");
    let taken: usize = taken.iter().sum();
    assert!(proxy.seen() <= 2 * taken, "{} calls", proxy.seen());
}

#[tokio::test]
async fn campaigns_that_are_refused_do_not_keep_another_from_its_lease() {
    let dynamo = Dynamo::start().await;
    let budgets = Budgets::new(dynamo.table());
    let leases = Leases::new(budgets.clone(), LIVES);
    // One in six minutes each, which another instance has already.
    let paced = |campaign| {
        let terms = Terms {
            campaign,
            ..terms(None, Some(30))
        };
        terms.spread_over(Spread {
            starts_at: NOON,
            ends_at: Some(NOON + minutes(180)),
        })
    };
    for campaign in 100..130 {
        let terms = paced(campaign);
        lease(&budgets, &terms, 5, campaign, NOON).await;
    }
    for campaign in 100..130 {
        let taking = leases.want(&paced(campaign), campaign, NOON);
        let taking = taking.expect("an attempt that is refused leaves room for the next");
        taking.landed_within(Duration::from_secs(20)).await;
    }
    assert!(leases.in_hand(NOON).is_empty());
    let taking = leases.want(&terms(None, Some(70)), 7, NOON).unwrap();
    taking.landed_within(Duration::from_secs(20)).await;
    assert!(leases.in_hand(NOON).contains(&CAMPAIGN));

    // They are left alone until the plan has room for another, or another plan is published.
    for second in (0..120).step_by(9) {
        let now = NOON + Duration::from_secs(second);
        assert!(leases.want(&paced(100), 200, now).is_none(), "{second} s");
    }
    let raised = Terms {
        total: Some(31),
        ..paced(100)
    };
    assert!(leases.want(&raised, 201, NOON).is_some());
}

#[tokio::test]
async fn refused_new_campaigns_do_not_keep_a_served_one_from_its_next_lease() {
    let dynamo = Dynamo::start().await;
    let budgets = Budgets::new(dynamo.table());
    let leases = Leases::new(budgets.clone(), LIVES);
    let served = terms(None, Some(1_000));
    let within = Duration::from_secs(20);
    let first = leases.want(&served, 1, NOON).unwrap();
    first.landed_within(within).await;
    assert!(leases.in_hand(NOON).contains(&CAMPAIGN));
    // Spent by another instance: each is refused.
    let spent = |campaign| Terms {
        campaign,
        ..terms(None, Some(1))
    };
    let mut refused = 0;
    for campaign in 200..300 {
        lease(&budgets, &spent(campaign), 1, campaign, NOON).await;
        if let Some(taking) = leases.want(&spent(campaign), campaign, NOON) {
            taking.landed_within(within).await;
            refused += 1;
        }
    }
    assert!((50..100).contains(&refused), "{refused} attempts");
    while leases.take(CAMPAIGN, NOON).is_some() {}
    let next = leases.want(&served, 2, NOON);
    next.expect("its next lease").landed_within(within).await;
    assert!(leases.take(CAMPAIGN, NOON).is_some());
}

#[tokio::test]
async fn what_is_given_back_is_free_again_and_what_was_used_is_counted() {
    let dynamo = Dynamo::start().await;
    let (budgets, marks) = (Budgets::new(dynamo.table()), Marks::of(&dynamo));
    let terms = terms(None, Some(10));
    for id in 1..=10 {
        assert_eq!(lease(&budgets, &terms, 50, id, NOON).await.chunk, 1);
    }
    assert_eq!(refusal(&budgets, &terms, NOON).await, Refusal::Spent);
    for id in [1, 2, 3] {
        assert!(marks.count(id).await);
        assert!(!marks.count(id).await, "more than the lease has");
    }
    settle_all(&budgets, NOON + minutes(1)).await;
    assert_eq!(account(&budgets).await.live(), 10, "nothing has lapsed");
    settle_all(&budgets, NOON + LAPSE).await;
    assert_eq!(sums(&account(&budgets).await), [(3, 3), (3, 3)]);
    assert!(!marks.count(4).await, "a lease that is gone counts nothing");
    assert_eq!(lease(&budgets, &terms, 50, 11, NOON + LAPSE).await.chunk, 1);
}

#[tokio::test]
async fn two_who_give_a_lease_back_give_it_back_once() {
    let dynamo = Dynamo::start().await;
    let (budgets, marks) = (Budgets::new(dynamo.table()), Marks::of(&dynamo));
    let terms = terms(None, Some(6_400));
    for id in 1..=20 {
        lease(&budgets, &terms, 10, id, NOON).await;
        assert!(marks.count(id).await);
    }
    let leases = budgets.leases(CAMPAIGN).await.unwrap();
    let mut settlers = JoinSet::new();
    for lease in [leases.clone(), leases].concat() {
        let budgets = budgets.clone();
        settlers.spawn(async move { budgets.settle(&lease).await.unwrap() });
    }
    let settled = settlers.join_all().await;
    assert_eq!(settled.iter().filter(|by_this| **by_this).count(), 20);
    assert_eq!(sums(&account(&budgets).await), [(20, 20), (20, 20)]);
}

#[tokio::test]
async fn a_mark_that_comes_while_its_lease_is_given_back_counts_or_does_not_and_nothing_between() {
    let dynamo = Dynamo::start().await;
    let (budgets, marks) = (Budgets::new(dynamo.table()), Arc::new(Marks::of(&dynamo)));
    let terms = terms(None, Some(64_000));
    let mut counted = 0;
    for id in 1..=25 {
        let stale = lease(&budgets, &terms, 10, id, NOON).await;
        let late = {
            let marks = Arc::clone(&marks);
            tokio::spawn(async move {
                let mut counted = 0;
                for _ in 0..3 {
                    counted += u64::from(marks.count(id).await);
                }
                counted
            })
        };
        if id % 2 == 0 {
            tokio::task::yield_now().await;
        }
        // What is known of the lease is already old.
        assert!(budgets.settle(&stale).await.unwrap());
        counted += late.await.unwrap();
        let account = account(&budgets).await;
        assert_eq!(sums(&account), [(counted, counted); 2], "lease {id}");
    }
    assert!(budgets.leases(CAMPAIGN).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_day_begins_anew_at_the_midnight_of_its_zone_and_leases_end_there() {
    let dynamo = Dynamo::start().await;
    let (budgets, marks) = (Budgets::new(dynamo.table()), Marks::of(&dynamo));
    let terms = Terms {
        zone: "Asia/Seoul".parse().unwrap(),
        ..terms(Some(2), Some(100))
    };
    let midnight: Instant = "2026-03-01T15:00:00Z".parse().unwrap();
    let before = midnight - Duration::from_secs(30);
    let old = lease(&budgets, &terms, 9, 1, before).await;
    assert_eq!(old.serve_until, midnight);
    assert_eq!(old.on_day.to_string(), "2026-03-01");
    lease(&budgets, &terms, 9, 2, before).await;
    assert_eq!(refusal(&budgets, &terms, before).await, Refusal::Spent);
    for id in [3, 4] {
        lease(&budgets, &terms, 9, id, midnight).await;
    }
    assert_eq!(refusal(&budgets, &terms, midnight).await, Refusal::Spent);
    // A clock that is behind gets nothing of either day.
    assert_eq!(refusal(&budgets, &terms, before).await, Refusal::Elsewhen);
    assert_eq!(sums(&account(&budgets).await), [(4, 0), (2, 0)]);
    // Yesterday's leases are given back to the whole, and leave today alone.
    assert!(marks.count(1).await);
    settle_all(&budgets, midnight + LAPSE - Duration::from_secs(30)).await;
    assert_eq!(sums(&account(&budgets).await), [(3, 1), (2, 0)]);
    assert_eq!(refusal(&budgets, &terms, midnight).await, Refusal::Spent);
}

#[tokio::test]
async fn many_who_turn_the_day_at_once_reserve_no_more_than_it_has() {
    let dynamo = Dynamo::start().await;
    let budgets = Budgets::new(dynamo.table());
    let terms = terms(Some(5), None);
    lease(&budgets, &terms, 1, 1_000, NOON).await;
    let tomorrow = NOON + minutes(24 * 60);
    let mut takers = JoinSet::new();
    for id in 1..=12 {
        let (budgets, terms) = (budgets.clone(), terms.clone());
        takers.spawn(async move { budgets.take(&terms, 3, id, LIVES, tomorrow).await });
    }
    let taken = takers.join_all().await;
    let leases = taken
        .into_iter()
        .filter(|taken| matches!(taken, Ok(Taken::Lease(_))));
    assert_eq!(leases.count(), 5);
    let account = account(&budgets).await;
    assert_eq!((account.day_reserved, account.reserved), (5, 6));
    assert_eq!(account.on_day, Day::of(tomorrow));
}

#[tokio::test]
async fn a_limit_that_is_cut_below_what_is_reserved_ends_it_until_it_is_raised() {
    let dynamo = Dynamo::start().await;
    let budgets = Budgets::new(dynamo.table());
    for id in 1..=4 {
        lease(&budgets, &terms(None, Some(640)), 10, id, NOON).await;
    }
    let reserved = account(&budgets).await.reserved;
    assert!(reserved > 20);
    let cut = terms(None, Some(20));
    assert_eq!(refusal(&budgets, &cut, NOON).await, Refusal::Spent);
    let raised = terms(None, Some(reserved + 2));
    lease(&budgets, &raised, 10, 5, NOON).await;
    lease(&budgets, &raised, 10, 6, NOON).await;
    assert_eq!(refusal(&budgets, &raised, NOON).await, Refusal::Spent);
}

#[tokio::test]
async fn a_lost_answer_takes_one_lease_and_gives_one_back() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let budgets = Budgets::new(table_at(&proxy.endpoint, Pace::NORMAL));
    let terms = terms(None, Some(640));
    // Every transaction arrives, and none of its answers does.
    proxy.set(|_, request| {
        if String::from_utf8_lossy(&request.raw).contains("TransactWriteItems") {
            Fault::LoseAnswer
        } else {
            Fault::None
        }
    });
    let taken = lease(&budgets, &terms, 10, 7, NOON).await;
    assert_eq!(taken.chunk, 10);
    assert_eq!(sums(&account(&budgets).await), [(10, 0), (10, 0)]);
    // Whether it was this call's doing cannot be told any more; that it is done can.
    assert!(!budgets.settle(&taken).await.unwrap());
    assert_eq!(sums(&account(&budgets).await), [(0, 0), (0, 0)]);

    proxy.set(|_, _| Fault::Refuse);
    let failed = budgets.take(&terms, 1, 8, LIVES, NOON).await;
    assert!(failed.unwrap_err().is_transient(), "nothing is given out");
}

#[tokio::test]
async fn no_lease_is_to_be_had_while_what_went_out_openly_may_come_in() {
    let dynamo = Dynamo::start().await;
    let (budgets, marks) = (Budgets::new(dynamo.table()), Marks::of(&dynamo));
    let terms = terms(Some(100), Some(1_000));
    budgets.open(None, &terms, NOON).await.unwrap();
    let refused = refusal(&budgets, &terms, NOON).await;
    assert_eq!(refused, Refusal::NotLeasing(None));
    let from = NOON + minutes(9);
    let open = account(&budgets).await;
    budgets
        .close(Some(&open), &terms, from, NOON)
        .await
        .unwrap();
    let refused = refusal(&budgets, &terms, from).await;
    assert_eq!(refused, Refusal::NotLeasing(Some(from)));
    let used = |total, today| Used { total, today };
    let closing = account(&budgets).await;
    let day = Day::of(from);
    budgets
        .begin_leases(&closing, &terms, used(990, 98), day)
        .await
        .unwrap();
    for id in [1, 2] {
        lease(&budgets, &terms, 9, id, from).await;
    }
    assert_eq!(refusal(&budgets, &terms, from).await, Refusal::Spent);

    // Open again, and closed again: stock is taken once no lease is live.
    let leasing = account(&budgets).await;
    budgets.open(Some(&leasing), &terms, from).await.unwrap();
    let open = account(&budgets).await;
    let again = from + minutes(20);
    budgets
        .close(Some(&open), &terms, again, from)
        .await
        .unwrap();
    let closing = account(&budgets).await;
    let early = budgets
        .begin_leases(&closing, &terms, used(995, 5), day)
        .await;
    assert!(early.unwrap_err().is_conflict(), "two leases are live");
    assert!(marks.count(1).await);
    settle_all(&budgets, from + LAPSE).await;
    let closing = account(&budgets).await;
    budgets
        .begin_leases(&closing, &terms, used(996, 6), day)
        .await
        .unwrap();
    assert_eq!(sums(&account(&budgets).await), [(996, 996), (6, 6)]);
    let late = budgets.close(Some(&closing), &terms, again, from).await;
    assert!(late.unwrap_err().is_conflict(), "it was read before that");
}

#[tokio::test]
async fn units_of_other_terms_are_not_added_up() {
    let dynamo = Dynamo::start().await;
    let budgets = Budgets::new(dynamo.table());
    lease(&budgets, &terms(None, Some(1_000)), 1, 1, NOON).await;
    let dearer = Terms {
        pricing: Pricing::Cpm,
        price_micros: 5,
        ..terms(None, Some(1_000))
    };
    assert_eq!(refusal(&budgets, &dearer, NOON).await, Refusal::Elsewhen);
}

#[tokio::test]
async fn an_account_is_raised_to_the_totals_unless_a_lease_was_given_back_meanwhile() {
    let dynamo = Dynamo::start().await;
    let (budgets, marks) = (Budgets::new(dynamo.table()), Marks::of(&dynamo));
    let terms = terms(None, Some(640));
    lease(&budgets, &terms, 10, 1, NOON).await;
    let read = account(&budgets).await;
    let by = Used {
        total: 30,
        today: 3,
    };
    budgets.raise(&read, by).await.unwrap();
    assert_eq!(sums(&account(&budgets).await), [(40, 30), (13, 3)]);
    assert!(marks.count(1).await);
    let read = account(&budgets).await;
    settle_all(&budgets, NOON + LAPSE).await;
    let late = budgets.raise(&read, by).await;
    assert!(late.unwrap_err().is_conflict());
    assert_eq!(sums(&account(&budgets).await), [(31, 31), (4, 4)]);
}

#[tokio::test]
async fn the_account_of_a_withdrawn_campaign_goes_unless_leases_are_live() {
    let dynamo = Dynamo::start().await;
    let budgets = Budgets::new(dynamo.table());
    let terms = terms(None, Some(640));
    lease(&budgets, &terms, 10, 1, NOON).await;
    let live = budgets.retire(&account(&budgets).await, NOON).await;
    assert!(live.unwrap_err().is_conflict());
    settle_all(&budgets, NOON + LAPSE).await;
    let read = account(&budgets).await;
    budgets.retire(&read, NOON).await.unwrap();
    assert!(account(&budgets).await.expires_at.is_some());
    lease(&budgets, &terms, 10, 2, NOON).await;
    let back = account(&budgets).await;
    assert_eq!(back.expires_at, None, "it is published again");
    let all = budgets.accounts().await.unwrap();
    assert_eq!(all, HashMap::from([(CAMPAIGN, back)]));
}

/// An instance: gives out what it has leased, and asks for more beside that.
pub(crate) struct Instance {
    leases: Leases,
    terms: Terms,
    ids: AtomicU64,
}

impl Instance {
    /// One whose leases are called by the numbers after `first_id`.
    pub(crate) fn new(leases: Leases, terms: Terms, first_id: u64) -> Self {
        let ids = AtomicU64::new(first_id);
        Self { leases, terms, ids }
    }

    /// The lease that a request is served under.
    pub(crate) async fn serve(&self, now: Instant) -> Option<u64> {
        let id = self.ids.fetch_add(1, Ordering::SeqCst);
        let given = self.leases.take(CAMPAIGN, now);
        if let Some(taking) = self.leases.want(&self.terms, id, now) {
            taking.landed_within(Duration::from_secs(20)).await;
        }
        given.map(|(lease, expires_at)| {
            assert!(expires_at <= now + minutes(7));
            lease
        })
    }
}

/// Units used, of live leases and of those given back.
pub(crate) async fn used(budgets: &Budgets) -> u64 {
    let account = account(budgets).await;
    let live = budgets.leases(CAMPAIGN).await.unwrap();
    account.counted + live.iter().map(|lease| lease.used).sum::<u64>()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_instances_ten_of_them_killed_deliver_a_thousand_and_not_one_more() {
    const BUDGET: u64 = 1_000;
    let dynamo = Dynamo::start().await;
    let (budgets, marks) = (Budgets::new(dynamo.table()), Arc::new(Marks::of(&dynamo)));
    let terms = terms(None, Some(BUDGET));
    let counted = Arc::new(AtomicU64::new(0));
    let mut now = NOON;
    let mut killed = Vec::new();
    for round in 0..4u64 {
        let mut running = JoinSet::new();
        for nth in 0..50u64 {
            let dies = round == 0 && nth < 10;
            let leases = Leases::new(Budgets::new(dynamo.table()), LIVES);
            let instance = Instance::new(leases, terms.clone(), (round << 48) | (nth << 32));
            let (marks, counted) = (Arc::clone(&marks), Arc::clone(&counted));
            running.spawn(async move {
                for request in 0..60 {
                    if dies && request == 4 {
                        break;
                    }
                    let Some(lease) = instance.serve(now).await else {
                        continue;
                    };
                    // Every impression is sent twice by a client that does not trust the network;
                    // tracking would tell the second by its token, here it must not find room.
                    for _ in 0..2 {
                        if marks.count(lease).await {
                            counted.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
                (dies, instance.leases.in_hand(now).contains(&CAMPAIGN))
            });
        }
        let watch = {
            let (budgets, counted) = (budgets.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                loop {
                    assert!(counted.load(Ordering::SeqCst) <= BUDGET);
                    if let Some(account) = budgets.account(CAMPAIGN).await.unwrap() {
                        assert!(account.reserved <= BUDGET);
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        };
        while let Some(ended) = running.join_next().await {
            let (dies, in_hand) = ended.unwrap();
            if dies {
                killed.push(in_hand);
            }
        }
        watch.abort();
        assert!(used(&budgets).await <= BUDGET);
        now = now + LAPSE;
        settle_all(&budgets, now).await;
    }
    assert!(killed.contains(&true), "they held leases");
    let total = counted.load(Ordering::SeqCst);
    assert!((990..=BUDGET).contains(&total), "{total}");
    assert_eq!(account(&budgets).await.counted, total, "all is settled");
}

#[tokio::test]
async fn an_instance_asks_once_at_a_time_and_not_again_after_a_refusal() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let budgets = Budgets::new(table_at(&proxy.endpoint, Pace::NORMAL));
    let terms = terms(None, Some(2));
    let leases = Leases::new(budgets.clone(), LIVES);
    let patience = Duration::from_secs(20);
    let first = leases.want(&terms, 1, NOON).unwrap();
    let same = leases.want(&terms, 2, NOON).unwrap();
    first.landed_within(patience).await;
    same.landed_within(patience).await;
    assert_eq!(*leases.in_hand(NOON), HashSet::from([CAMPAIGN]));
    assert_eq!(budgets.leases(CAMPAIGN).await.unwrap().len(), 1);
    assert_eq!(leases.take(CAMPAIGN, NOON).map(|(id, _)| id), Some(1));
    assert_eq!(leases.take(CAMPAIGN, NOON), None);
    assert!(leases.in_hand(NOON).is_empty());

    let next = leases.want(&terms, 3, NOON).unwrap();
    next.landed_within(patience).await;
    assert_eq!(leases.take(CAMPAIGN, NOON).map(|(id, _)| id), Some(3));
    let spent = leases.want(&terms, 4, NOON).unwrap();
    spent.landed_within(patience).await;
    proxy.set(|_, _| Fault::None);
    for second in 0..30 {
        let now = NOON + Duration::from_secs(second);
        assert!(leases.want(&terms, 5, now).is_none());
    }
    assert_eq!(proxy.seen(), 0);
    let later = NOON + Duration::from_secs(30);
    assert!(leases.want(&terms, 5, later).is_some());
}

#[tokio::test]
async fn an_instance_that_was_frozen_gives_out_nothing_of_an_old_lease() {
    let dynamo = Dynamo::start().await;
    let budgets = Budgets::new(dynamo.table());
    let leases = Leases::new(budgets, LIVES);
    let taking = leases.want(&terms(None, Some(2)), 1, NOON).unwrap();
    taking.landed_within(Duration::from_secs(20)).await;
    assert_eq!(leases.in_hand(NOON).len(), 1);
    let thawed = NOON + minutes(2);
    assert_eq!(leases.take(CAMPAIGN, thawed), None);
    assert!(leases.in_hand(thawed).is_empty());
}

#[tokio::test]
async fn an_instance_that_ends_gives_back_what_it_did_not_give_out() {
    let dynamo = Dynamo::start().await;
    let (budgets, marks) = (Budgets::new(dynamo.table()), Marks::of(&dynamo));
    let terms = terms(None, Some(6_400));
    let leases = Leases::new(budgets.clone(), LIVES);
    let mut given_out = 0;
    for id in 0..40 {
        if let Some(taking) = leases.want(&terms, id, NOON) {
            taking.landed_within(Duration::from_secs(20)).await;
        }
        given_out += u64::from(leases.take(CAMPAIGN, NOON).is_some());
    }
    assert!(account(&budgets).await.reserved > given_out);
    leases.give_back().await;
    assert!(leases.in_hand(NOON).is_empty());
    leases.give_back().await;
    let left = account(&budgets).await;
    assert_eq!(sums(&left), [(given_out, 0), (given_out, 0)]);
    // What was given out still counts.
    let mut counted = HashSet::new();
    for lease in budgets.leases(CAMPAIGN).await.unwrap() {
        while marks.count(lease.id).await {
            counted.insert((lease.id, counted.len()));
        }
    }
    assert_eq!(u64::try_from(counted.len()).unwrap(), given_out);
}

#[tokio::test]
async fn a_lease_without_an_account_is_told_and_left() {
    let dynamo = Dynamo::start().await;
    let budgets = Budgets::new(dynamo.table());
    let orphan = Lease {
        campaign: CAMPAIGN,
        id: 1,
        chunk: 1,
        tokens: 0,
        used: 0,
        on_day: Day::of(NOON),
        serve_until: NOON,
        lapses_at: NOON,
    };
    let settled = budgets.settle(&orphan).await;
    assert!(matches!(settled, Err(StoreError::Corrupt { .. })));
}
