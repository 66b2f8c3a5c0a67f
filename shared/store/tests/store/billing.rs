//! Billing within budgets: what counts of a campaign's marks, whenever they come.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Day, Instant,
    billing::{Billed, Terms},
    content::campaigns::{Budget, Pricing, Sampling},
    key_of,
    marks::{Counts, MarkKind},
    tracking::Token,
};
use store::{
    Marks,
    marks::{Mark, RollUp, Totals},
};

use crate::{
    harness::{Dynamo, NOON, Stamps, marks_over},
    marks::{DEADLINE, impression, roll_up_killed_after, token, totals},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A campaign, its marks, and the roll-up that reads them.
struct Campaign {
    dynamo: Dynamo,
    marks: Marks,
    stamps: Stamps,
    terms: Option<Terms>,
    request: u64,
}

impl Campaign {
    async fn start(zone: &str, budget: Budget) -> Self {
        let dynamo = Dynamo::start().await;
        let terms = Terms {
            id: "spring".parse().unwrap(),
            creatives: vec!["red".parse().unwrap()],
            starts_at: NOON - 10 * DAY,
            ends_at: None,
            time_zone: zone.parse().unwrap(),
            published_at: None,
            budget: Some(budget),
            sampling: Sampling::Weighted,
        };
        Self {
            marks: marks_over(dynamo.table()),
            dynamo,
            stamps: Stamps::new(),
            terms: Some(terms),
            request: 0,
        }
    }

    fn budget(&mut self) -> &mut Budget {
        self.terms.as_mut().unwrap().budget.as_mut().unwrap()
    }

    /// Marks of tokens of their own, issued at one moment and arriving at another.
    async fn see(&mut self, kind: MarkKind, times: u64, issued_at: Instant, at: Instant) {
        let budget = self.terms.as_ref().and_then(|terms| terms.budget.clone());
        for _ in 0..times {
            self.request += 1;
            let token = Token {
                pricing: budget.as_ref().map(|budget| budget.pricing),
                price_micros: budget
                    .as_ref()
                    .and_then(|budget| budget.price_micros)
                    .unwrap_or(0),
                ..token(self.request, "red", issued_at)
            };
            let mark = Mark {
                kind,
                at,
                ..impression(&token)
            };
            self.marks.count(mark, self.stamps.next()).await.unwrap();
        }
    }

    async fn roll_up(&self, now: Instant) {
        let published = |key| {
            (key == key_of("spring"))
                .then(|| self.terms.clone())
                .flatten()
        };
        let roll_up = RollUp::new(self.dynamo.table());
        let run = roll_up.run(now, &published, DEADLINE).await.unwrap();
        assert!(run.complete);
    }

    async fn day(&self, day: Instant) -> Counts {
        let mut sum = Counts::default();
        for counts in totals(&self.dynamo, Day::of(day)).await.into_values() {
            sum += counts;
        }
        sum
    }

    async fn billed(&self) -> (Billed, Billed) {
        let delivered = Totals::new(self.dynamo.table()).delivered().await.unwrap();
        assert_eq!(delivered.len(), 1);
        (delivered[0].total, delivered[0].today)
    }
}

fn budget(pricing: Pricing, price: u64, daily: Option<u64>, total: Option<u64>) -> Budget {
    Budget {
        pricing,
        price_micros: Some(price),
        daily,
        total,
    }
}

#[tokio::test]
async fn what_comes_after_a_budgets_end_is_kept_and_not_billed() {
    for (pricing, kind, price, total, billed) in [
        (Pricing::Cpm, MarkKind::Impression, 400, 3, 7),
        (Pricing::Impressions, MarkKind::Impression, 0, 7, 7),
        (Pricing::Cpc, MarkKind::Click, 2, 15, 7),
        (Pricing::Cpa, MarkKind::Conversion, 2, 15, 7),
    ] {
        let mut campaign = Campaign::start("UTC", budget(pricing, price, None, Some(total))).await;
        for portion in 0..5 {
            let at = NOON + MINUTE * portion;
            campaign.see(kind, 2, at, at).await;
            campaign.roll_up(at).await;
        }
        let counts = campaign.day(NOON).await;
        let counted = counts.impressions + counts.clicks + counts.conversions;
        assert_eq!((counted, counts.over_cap), (billed, 3), "{pricing}");
        assert!(counts.spend_micros() <= total, "{pricing}");
        let (total, today) = campaign.billed().await;
        assert_eq!(total, today);
        assert_eq!(total.spend_thousandths, counts.spend_thousandths);
    }
}

#[tokio::test]
async fn a_days_budget_is_for_a_day_of_the_campaigns_zone() {
    let daily = budget(Pricing::Impressions, 0, Some(3), None);
    let mut campaign = Campaign::start("Asia/Seoul", daily).await;
    // Midnight in Seoul is at three in the afternoon in UTC.
    let midnight = NOON + 3 * HOUR;
    for at in [midnight - HOUR, midnight + HOUR, midnight + 10 * HOUR] {
        campaign.see(MarkKind::Impression, 2, at, at).await;
        campaign.roll_up(at).await;
    }
    let (before, after) = (campaign.day(midnight).await, campaign.day(NOON + DAY).await);
    assert_eq!((before.impressions, before.over_cap), (4, 0));
    assert_eq!((after.impressions, after.over_cap), (1, 1));
    let (total, today) = campaign.billed().await;
    assert_eq!((total.impressions, today.impressions), (5, 3));
}

#[tokio::test]
async fn late_marks_bill_their_day_and_the_days_after_it_anew() {
    let total = budget(Pricing::Impressions, 0, Some(4), Some(10));
    let mut campaign = Campaign::start("UTC", total).await;
    let days = [NOON - 2 * DAY, NOON - DAY, NOON];
    for day in days {
        campaign.see(MarkKind::Impression, 3, day, NOON).await;
        campaign.roll_up(NOON).await;
    }
    assert_eq!(campaign.day(days[2]).await.impressions, 3);
    // Six come late to the first day, of which one fits into the day, and so one into the whole.
    let late = NOON + HOUR;
    campaign
        .see(MarkKind::Impression, 6, days[0] + MINUTE, late)
        .await;
    campaign.roll_up(late).await;
    let mut billed = Vec::new();
    for day in days {
        let counts = campaign.day(day).await;
        billed.push((counts.impressions, counts.over_cap));
    }
    assert_eq!(billed, [(4, 5), (3, 0), (3, 0)]);
    // One more on the second day takes the third day's last.
    campaign
        .see(MarkKind::Impression, 1, days[1], late + HOUR)
        .await;
    campaign.roll_up(late + HOUR).await;
    assert_eq!(campaign.day(days[1]).await.impressions, 4);
    let last = campaign.day(days[2]).await;
    assert_eq!((last.impressions, last.over_cap), (2, 1));
    let (total, today) = campaign.billed().await;
    assert_eq!((total.impressions, today.impressions), (10, 2));
}

#[tokio::test]
async fn billing_anew_that_is_killed_anywhere_is_made_up_for_by_the_next_run() {
    for writes in 0.. {
        let total = budget(Pricing::Impressions, 0, Some(4), Some(7));
        let mut campaign = Campaign::start("UTC", total).await;
        let days = [NOON - 2 * DAY, NOON - DAY, NOON];
        for day in days {
            campaign.see(MarkKind::Impression, 2, day, NOON).await;
        }
        campaign.roll_up(NOON).await;
        let late = NOON + 10 * MINUTE;
        campaign
            .see(MarkKind::Impression, 2, days[0] + MINUTE, late)
            .await;
        let terms = campaign.terms.clone();
        let ended = roll_up_killed_after(&campaign.dynamo, writes, late, &|_| terms.clone()).await;
        campaign.roll_up(late + MINUTE).await;
        let mut billed = Vec::new();
        for day in days {
            let counts = campaign.day(day).await;
            billed.push((counts.impressions, counts.over_cap));
        }
        assert_eq!(billed, [(4, 0), (2, 0), (1, 1)], "after {writes} writes");
        let (total, today) = campaign.billed().await;
        assert_eq!((total.impressions, today.impressions), (7, 1));
        if ended {
            assert!(writes > 5, "{writes}");
            break;
        }
    }
}

#[tokio::test]
async fn whatever_runs_at_once_while_marks_come_in_the_budget_holds_and_is_used_up() {
    let mut campaign =
        Campaign::start("Asia/Seoul", budget(Pricing::Cpm, 300, Some(11), Some(17))).await;
    // Over midnight in Seoul; seventy are sent, each of 300 thousandths of a micro.
    let begin = NOON + 2 * HOUR + 55 * MINUTE;
    for portion in 0..10 {
        let at = begin + MINUTE * portion;
        campaign.see(MarkKind::Impression, 7, at, at).await;
        let terms = campaign.terms.clone();
        let runs = (0..3).map(|nth| {
            let roll_up = RollUp::new(campaign.dynamo.table());
            let (terms, now) = (terms.clone(), at + Duration::from_secs(nth));
            tokio::spawn(async move {
                let run = roll_up.run(now, &|_| terms.clone(), DEADLINE).await;
                run.unwrap();
            })
        });
        let runs: Vec<_> = runs.collect();
        for run in runs {
            run.await.unwrap();
        }
        let spent = campaign.day(NOON).await.spend_thousandths;
        assert!(spent <= 17_000, "{spent}");
    }
    campaign.roll_up(begin + HOUR).await;
    let counts = campaign.day(NOON).await;
    // 35 before midnight of which the day takes 36; after it the rest of the whole.
    assert_eq!((counts.impressions, counts.over_cap), (56, 14));
    let (total, today) = campaign.billed().await;
    assert_eq!((total.impressions, today.impressions), (56, 21));
    assert_eq!(total.spend_thousandths, 16_800);
}

#[tokio::test]
async fn a_withdrawn_campaign_is_billed_within_the_budget_that_was_known_last() {
    let mut campaign = Campaign::start("UTC", budget(Pricing::Impressions, 0, None, Some(3))).await;
    campaign.see(MarkKind::Impression, 2, NOON, NOON).await;
    campaign.roll_up(NOON).await;
    campaign.terms = None;
    let later = NOON + HOUR;
    campaign.see(MarkKind::Impression, 2, later, later).await;
    campaign.roll_up(later).await;
    let counts = campaign.day(NOON).await;
    assert_eq!((counts.impressions, counts.over_cap), (3, 1));
}

#[tokio::test]
async fn a_day_that_is_over_stays_billed_under_the_terms_it_had() {
    let mut campaign = Campaign::start("UTC", budget(Pricing::Impressions, 0, Some(2), None)).await;
    let next = NOON + 12 * HOUR;
    let evening = next - HOUR;
    campaign
        .see(MarkKind::Impression, 3, evening, evening)
        .await;
    campaign.roll_up(evening).await;
    // Raised on the day itself, its marks that were over are billed after all.
    campaign.budget().daily = Some(5);
    campaign
        .see(MarkKind::Impression, 1, evening, evening + MINUTE)
        .await;
    campaign.roll_up(evening + MINUTE).await;
    assert_eq!(campaign.day(NOON).await.impressions, 4);
    // Lowered on the next day, the day before is as it was, however late its marks are.
    campaign.budget().daily = Some(1);
    campaign.see(MarkKind::Impression, 3, evening, next).await;
    campaign.see(MarkKind::Impression, 3, next, next).await;
    campaign.roll_up(next).await;
    assert_eq!(campaign.day(NOON).await.impressions, 5);
    assert_eq!(campaign.day(next).await.impressions, 1);
}

#[tokio::test]
async fn another_zone_bills_no_mark_twice() {
    let mut campaign =
        Campaign::start("UTC", budget(Pricing::Impressions, 0, Some(100), None)).await;
    let evening = NOON + 8 * HOUR;
    campaign
        .see(MarkKind::Impression, 3, evening, evening)
        .await;
    campaign.roll_up(evening).await;
    // The evening in UTC is the next morning in Seoul.
    campaign.terms.as_mut().unwrap().time_zone = "Asia/Seoul".parse().unwrap();
    let at = evening + MINUTE;
    campaign.see(MarkKind::Impression, 2, at, at).await;
    campaign.roll_up(at).await;
    let later = evening + HOUR;
    campaign.see(MarkKind::Impression, 4, evening, later).await;
    campaign.see(MarkKind::Impression, 5, later, later).await;
    campaign.roll_up(later).await;
    assert_eq!(campaign.day(NOON).await.impressions, 14);
    let (total, today) = campaign.billed().await;
    assert_eq!((total.impressions, today.impressions), (14, 5));
}

#[tokio::test]
async fn where_a_campaign_stands_is_told_for_the_moment_of_the_last_run() {
    let mut campaign = Campaign::start("Asia/Magadan", budget(Pricing::Cpc, 5, None, None)).await;
    for minutes in 0..20 {
        let at = NOON + MINUTE * minutes;
        campaign
            .see(MarkKind::Click, u64::from(minutes), at, at)
            .await;
        campaign.see(MarkKind::Impression, 1, at, at).await;
    }
    let now = NOON + 20 * MINUTE;
    campaign.roll_up(now).await;
    let totals = Totals::new(campaign.dynamo.table());
    let told = totals.delivered().await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].campaign, told[0].as_of), (key_of("spring"), now));
    assert_eq!(told[0].total.clicks, (0..20).sum::<u64>());
    assert_eq!(told[0].total.impressions, 20);
    assert_eq!(told[0].total.spend_thousandths, 190 * 5_000);
    let recent: Vec<u64> = (5..20).collect();
    assert_eq!(told[0].recent.to_vec(), recent);

    // Nothing comes any more: the campaign is not touched, and yet the minutes pass.
    campaign.roll_up(now + 10 * MINUTE).await;
    let told = totals.delivered().await.unwrap();
    assert_eq!(told[0].recent[..5], [15, 16, 17, 18, 19]);
    assert_eq!(told[0].recent[5..], [0; 10]);
    assert_eq!(told[0].today.clicks, 190);
    campaign.roll_up(NOON + HOUR).await;
    let told = totals.delivered().await.unwrap();
    assert_eq!(told[0].day.to_string(), "2026-03-02");
    assert_eq!(
        (told[0].today, told[0].total.clicks),
        (Billed::default(), 190)
    );
}

#[tokio::test]
async fn a_learning_campaigns_creatives_are_told_day_by_day() {
    let mut campaign =
        Campaign::start("Asia/Seoul", budget(Pricing::Impressions, 0, None, Some(4))).await;
    campaign.terms.as_mut().unwrap().sampling = Sampling::Thompson;
    let days = [NOON, NOON + DAY];
    for day in days {
        // Around midnight in Seoul, so that a day in UTC has two of its days.
        for at in [day, day + 4 * HOUR] {
            let now = days[1] + 4 * HOUR;
            campaign.see(MarkKind::Impression, 3, at, now).await;
            campaign.see(MarkKind::Click, 1, at, now).await;
            campaign.roll_up(now).await;
        }
    }
    let totals = Totals::new(campaign.dynamo.table());
    let told = |today| {
        let totals = totals.clone();
        async move {
            let outcomes = totals
                .outcomes(key_of("spring"), Day::of(today))
                .await
                .unwrap();
            let by_day = outcomes.into_iter().map(|outcome| {
                assert_eq!(outcome.creative, key_of("red"));
                (
                    outcome.day.to_string(),
                    (outcome.impressions, outcome.clicks),
                )
            });
            by_day.collect::<BTreeMap<_, _>>()
        }
    };
    let expected = days.map(|day| (Day::of(day).to_string(), (6, 2)));
    assert_eq!(
        told(days[1]).await,
        BTreeMap::from(expected.clone()),
        "billed or not"
    );
    let last = [expected[1].clone()];
    assert_eq!(told(days[1] + 29 * DAY).await, BTreeMap::from(last));
}
