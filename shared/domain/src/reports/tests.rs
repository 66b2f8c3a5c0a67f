//! Rows, ratios and plans.

use super::*;
use crate::{
    TimeZoneName,
    content::campaigns::{Budget, Pricing, Sampling},
};

fn total(campaign: &str, creative: &str, placement: &str, day: &str) -> DayTotal {
    DayTotal {
        campaign: campaign.to_owned(),
        creative: creative.to_owned(),
        placement: placement.to_owned(),
        day: day.parse().unwrap(),
        counts: Counts {
            impressions: 8,
            clicks: 2,
            conversions: 1,
            spend_thousandths: 10_000,
            over_cap: 3,
            flagged: 1,
        },
        served: None,
    }
}

fn facts() -> Facts {
    Facts {
        totals: vec![
            total("b", "x", "top", "2026-01-02"),
            total("a", "x", "top", "2026-01-01"),
            total("a", "y", "end", "2026-01-02"),
        ],
        ..Facts::default()
    }
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// The rows of the first two days of the year.
fn report(group: Group, facts: &Facts) -> Vec<Row> {
    rows(group, (day("2026-01-01"), day("2026-01-02")), facts)
}

#[test]
fn totals_are_grouped_by_what_was_asked_for() {
    let keys = |group| -> Vec<(Vec<String>, u64)> {
        let rows = report(group, &facts());
        let row = |row: Row| {
            let day = row.day.map(|day| day.to_string());
            let keys = [row.campaign, row.creative, row.placement, day];
            (keys.into_iter().flatten().collect(), row.impressions)
        };
        rows.into_iter().map(row).collect()
    };
    let expected = |rows: &[(&[&str], u64)]| -> Vec<(Vec<String>, u64)> {
        let owned = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect();
        rows.iter().map(|(keys, sum)| (owned(keys), *sum)).collect()
    };
    assert_eq!(
        keys(Group::Campaign),
        expected(&[(&["a"], 16), (&["b"], 8)])
    );
    assert_eq!(
        keys(Group::Creative),
        expected(&[(&["a", "x"], 8), (&["a", "y"], 8), (&["b", "x"], 8)])
    );
    assert_eq!(
        keys(Group::Placement),
        expected(&[(&["end"], 8), (&["top"], 16)])
    );
    assert_eq!(
        keys(Group::Day),
        expected(&[(&["2026-01-01"], 8), (&["2026-01-02"], 16)])
    );
}

#[test]
fn ratios_are_of_the_sums() {
    let mut facts = facts();
    facts.totals[0].counts = Counts::default();
    let rows = report(Group::Campaign, &facts);
    assert_eq!((rows[0].ctr, rows[1].ctr), (Some(0.25), None));
}

#[test]
fn fractions_of_a_micro_add_up_over_a_row() {
    let mut facts = facts();
    for total in &mut facts.totals {
        total.counts.spend_thousandths = 700;
    }
    let spend = |group| -> Vec<u64> {
        let rows = report(group, &facts).into_iter();
        rows.map(|row| row.spend_micros).collect()
    };
    assert_eq!(spend(Group::Campaign), [1, 0]);
    assert_eq!(spend(Group::Creative), [0, 0, 0]);
}

#[test]
fn slots_are_asked_for_of_placements_and_filled_by_campaigns() {
    let mut facts = facts();
    facts.totals[0].served = Some(20);
    facts.placements = vec![
        PlacementDay {
            placement: "top".to_owned(),
            day: day("2026-01-01"),
            requests: 60,
            served: 15,
        },
        PlacementDay {
            placement: "unseen".to_owned(),
            day: day("2026-01-02"),
            requests: 40,
            served: 20,
        },
    ];
    facts.capped = vec![CappedDay {
        campaign: "a".to_owned(),
        day: day("2026-01-02"),
        capped: 9,
    }];
    let told = |group| -> Vec<_> {
        let rows = report(group, &facts).into_iter();
        rows.map(|row| (row.requests, row.served, row.fill, row.capped))
            .collect()
    };
    let nothing = (None, None, None, None);
    assert_eq!(
        told(Group::Campaign),
        [(None, None, None, Some(9)), (None, Some(20), None, None)]
    );
    assert_eq!(
        told(Group::Creative),
        [nothing, nothing, (None, Some(20), None, None)]
    );
    assert_eq!(
        told(Group::Placement),
        [
            nothing,
            (Some(60), Some(15), Some(0.25), None),
            (Some(40), Some(20), Some(0.5), None),
        ]
    );
    assert_eq!(
        told(Group::Day),
        [
            (Some(60), Some(15), Some(0.25), None),
            (Some(40), Some(20), Some(0.5), Some(9)),
        ]
    );
}

/// Of a campaign from the first to the last moment of some days, or without an end.
fn terms(id: &str, days: (&str, Option<&str>), budget: Option<Budget>) -> Terms {
    Terms {
        id: id.parse().unwrap(),
        creatives: Vec::new(),
        starts_at: day(days.0).begin_in_utc(),
        ends_at: days.1.map(|last| day(last).next().begin_in_utc()),
        time_zone: TimeZoneName::utc(),
        published_at: None,
        budget,
        sampling: Sampling::Weighted,
    }
}

fn budget(pricing: Pricing, daily: Option<u64>, total: Option<u64>) -> Option<Budget> {
    Some(Budget {
        pricing,
        price_micros: None,
        daily,
        total,
    })
}

#[test]
fn what_was_spent_is_held_against_what_was_planned_for_the_same_time() {
    use Pricing::{Cpm, Flat, Impressions};
    let open = ("2026-01-02", None);
    let four = ("2026-01-01", Some("2026-01-04"));
    let other_year = ("2025-01-01", Some("2025-01-04"));
    // Up to noon of the second day: a day and a half; `a` spent 20 micros and was seen 16 times.
    for (days, budget, expected) in [
        (four, budget(Cpm, None, Some(160)), Some(20.0 / 60.0)),
        (four, budget(Cpm, Some(20), Some(160)), Some(20.0 / 30.0)),
        (four, budget(Cpm, Some(400), Some(160)), Some(20.0 / 60.0)),
        (
            four,
            budget(Impressions, None, Some(160)),
            Some(16.0 / 60.0),
        ),
        (open, budget(Cpm, Some(20), None), Some(20.0 / 10.0)),
        (open, budget(Cpm, None, Some(160)), None),
        (open, budget(Cpm, None, None), None),
        (open, budget(Flat, Some(20), None), None),
        (open, None, None),
        (other_year, budget(Cpm, None, Some(160)), None),
    ] {
        let mut facts = facts();
        facts.as_of = Some("2026-01-02T12:00:00Z".parse().unwrap());
        facts.terms = [("a".to_owned(), terms("a", days, budget.clone()))].into();
        let rows = report(Group::Campaign, &facts);
        assert_eq!(rows[0].plan_ratio, expected, "{budget:?}");
        assert_eq!(rows[1].plan_ratio, None);
    }
}

#[test]
fn a_plan_counts_from_the_publication_where_that_came_after_the_flight_began() {
    use Pricing::{Cpm, Impressions};
    // Up to noon of the second day; `a` spent 20 micros and was seen 16 times.
    let open = ("2025-06-01", None);
    let four = ("2026-01-01", Some("2026-01-04"));
    for (days, budget, published_at, expected) in [
        (
            open,
            budget(Cpm, Some(60), None),
            "2026-01-02T06:00:00Z",
            20.0 / 15.0,
        ),
        (
            open,
            budget(Cpm, Some(60), None),
            "2025-05-01T00:00:00Z",
            20.0 / 90.0,
        ),
        (
            four,
            budget(Impressions, None, Some(140)),
            "2026-01-01T12:00:00Z",
            16.0 / 40.0,
        ),
    ] {
        let mut facts = facts();
        facts.as_of = Some("2026-01-02T12:00:00Z".parse().unwrap());
        let terms = Terms {
            published_at: Some(published_at.parse().unwrap()),
            ..terms("a", days, budget)
        };
        facts.terms = [("a".to_owned(), terms)].into();
        let ratio = report(Group::Campaign, &facts)[0].plan_ratio.unwrap();
        assert!((ratio - expected).abs() < 1e-9, "{published_at}: {ratio}");
    }
}

#[test]
fn a_flat_price_is_spent_evenly_over_its_flight() {
    let flat = |price_micros, daily, total| {
        Some(Budget {
            price_micros,
            ..budget(Pricing::Flat, daily, total).unwrap()
        })
    };
    let four = ("2026-01-01", Some("2026-01-04"));
    let open = ("2026-01-02", None);
    let old = ("2025-01-02", None);
    let eve = ("2025-12-31", None);
    // Up to noon of the second day.
    for (days, budget, expected) in [
        (four, flat(None, None, Some(8_000)), [3_000, 2_000, 1_000]),
        (four, flat(Some(8_000), None, None), [3_000, 2_000, 1_000]),
        (four, flat(None, Some(600), None), [900, 600, 300]),
        (open, flat(None, Some(600), None), [300, 0, 300]),
        (open, flat(None, None, Some(700)), [700, 0, 700]),
        (old, flat(None, None, Some(700)), [0, 0, 0]),
        (eve, flat(None, Some(600), Some(700)), [100, 100, 0]),
        (eve, flat(None, Some(600), Some(1_500)), [900, 600, 300]),
        (old, flat(None, Some(600), Some(700)), [0, 0, 0]),
        (open, flat(None, None, None), [0, 0, 0]),
    ] {
        let mut facts = facts();
        for total in &mut facts.totals {
            total.counts.spend_thousandths = 0;
        }
        facts.totals.remove(0);
        facts.as_of = Some("2026-01-02T12:00:00Z".parse().unwrap());
        facts.terms = [("a".to_owned(), terms("a", days, budget.clone()))].into();
        let spend = |group| -> Vec<u64> {
            let rows = report(group, &facts).into_iter();
            rows.map(|row| row.spend_micros).collect()
        };
        let [campaign, first, second] = expected;
        assert_eq!(spend(Group::Campaign), [campaign], "{budget:?}");
        assert_eq!(spend(Group::Day), [first, second], "{budget:?}");
        assert_eq!(spend(Group::Creative), [0, 0]);
    }
}

#[test]
fn a_flat_price_is_due_on_days_without_a_mark() {
    let mut facts = facts();
    facts.as_of = Some("2026-01-05T00:00:00Z".parse().unwrap());
    facts.totals.clear();
    facts.placements.clear();
    facts.capped.clear();
    let flight = ("2026-01-02", Some("2026-01-03"));
    facts.terms = [
        ("a", budget(Pricing::Flat, None, Some(9_000))),
        ("b", budget(Pricing::Cpm, None, Some(9_000))),
    ]
    .map(|(id, budget)| (id.to_owned(), terms(id, flight, budget)))
    .into();
    let rows = |group| -> Vec<(Option<String>, Option<Day>, u64)> {
        rows(group, (day("2026-01-01"), day("2026-01-04")), &facts)
            .into_iter()
            .map(|row| (row.campaign, row.day, row.spend_micros))
            .collect()
    };
    assert_eq!(rows(Group::Campaign), [(Some("a".to_owned()), None, 9_000)]);
    assert_eq!(
        rows(Group::Day),
        [
            (None, Some(day("2026-01-02")), 4_500),
            (None, Some(day("2026-01-03")), 4_500)
        ]
    );
    assert!(rows(Group::Placement).is_empty());
}

#[test]
fn a_days_plan_is_that_of_all_budgets_in_money() {
    let mut facts = facts();
    facts.as_of = Some("2026-01-05T00:00:00Z".parse().unwrap());
    let days = ("2026-01-01", Some("2026-01-04"));
    facts.terms = [
        ("a", budget(Pricing::Cpm, None, Some(80))),
        ("b", budget(Pricing::Impressions, None, Some(80))),
    ]
    .map(|(id, budget)| (id.to_owned(), terms(id, days, budget)))
    .into();
    let ratios = |group| -> Vec<Option<f64>> {
        let rows = report(group, &facts).into_iter();
        rows.map(|row| row.plan_ratio).collect()
    };
    assert_eq!(ratios(Group::Day), [Some(0.5), Some(0.5)]);
    assert_eq!(ratios(Group::Campaign), [Some(0.5), Some(0.2)]);
    assert_eq!(ratios(Group::Placement), [None, None]);
}

#[test]
fn csv_is_safe_to_open() {
    let mut facts = facts();
    facts.totals[0].campaign = "=1+1".to_owned();
    facts.totals[1].campaign = "a,\"b\"\n".to_owned();
    facts.totals[2].campaign = "-c".to_owned();
    let csv = csv(Group::Campaign, &report(Group::Campaign, &facts));
    let expected = "campaign,requests,served,impressions,clicks,conversions,ctr,spend_micros,\
        plan_ratio,fill,over_cap,flagged,capped\r\n\
        '-c,,,8,2,1,0.25,10,,,3,1,\r\n\
        '=1+1,,,8,2,1,0.25,10,,,3,1,\r\n\
        \"a,\"\"b\"\"\n\",,,8,2,1,0.25,10,,,3,1,\r\n";
    assert_eq!(csv, expected);
}
