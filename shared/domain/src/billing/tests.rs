//! Days billed: never too much, never too little, whatever the order.

use proptest::prelude::*;

use super::*;

fn mark(kind: MarkKind, pricing: Pricing, price_micros: u64) -> Mark {
    Mark {
        kind,
        creative: 1,
        placement: 2,
        pricing: Some(pricing),
        price_micros,
        over_cap: false,
        flagged: false,
    }
}

fn line(minute: u32, mark: Mark, count: u64) -> Line {
    Line {
        minute,
        mark,
        count,
    }
}

fn budget(pricing: Pricing, daily: Option<u64>, total: Option<u64>) -> Budget {
    Budget {
        pricing,
        price_micros: Some(1),
        daily,
        total,
    }
}

fn counted(day: &BilledDay) -> Vec<(u32, u64)> {
    let lines = day.lines.iter();
    lines.map(|line| (line.line.minute, line.billed)).collect()
}

#[test]
fn each_pricing_caps_its_own_kind_of_mark() {
    use MarkKind::{Click, Conversion, Impression};
    for (pricing, capped) in [
        (Pricing::Cpm, Some(Impression)),
        (Pricing::Impressions, Some(Impression)),
        (Pricing::Cpc, Some(Click)),
        (Pricing::Cpa, Some(Conversion)),
        (Pricing::Flat, None),
    ] {
        // Three thousandths, three impressions, three micros: of each a little less than four.
        let (price, total) = match pricing {
            Pricing::Cpm => (300, 1),
            _ => (1, 3),
        };
        let room = Room::of(
            Some(&budget(pricing, None, Some(total))),
            &Billed::default(),
        );
        for kind in [Impression, Click, Conversion] {
            let day = bill(room, [line(1, mark(kind, pricing, price), 4)]);
            let expected = if capped == Some(kind) { 3 } else { 4 };
            assert_eq!(counted(&day), [(1, expected)], "{pricing} {kind}");
            assert_eq!(day.cut, capped == Some(kind));
        }
    }
}

#[test]
fn the_marks_that_were_issued_first_are_billed_and_cheaper_ones_fill_the_rest() {
    let room = Room::Thousandths(10_000);
    let dear = mark(MarkKind::Click, Pricing::Cpc, 4);
    let cheap = mark(MarkKind::Click, Pricing::Cpc, 1);
    let day = bill(
        room,
        [line(3, cheap, 5), line(2, dear, 2), line(1, dear, 1)],
    );
    assert_eq!(counted(&day), [(1, 1), (2, 1), (3, 2)]);
    assert_eq!(day.billed.spend_thousandths, 10_000);
}

#[test]
fn a_day_may_take_what_its_days_before_have_left() {
    let before = Billed {
        impressions: 70,
        spend_thousandths: 4_500,
        ..Billed::default()
    };
    let room = |pricing, daily, total| Room::of(Some(&budget(pricing, daily, total)), &before);
    assert_eq!(Room::of(None, &before), Room::Endless);
    for (pricing, daily, total, expected) in [
        (Pricing::Cpm, None, None, Room::Endless),
        (Pricing::Flat, Some(1), Some(1), Room::Endless),
        (Pricing::Cpc, Some(3), None, Room::Thousandths(3_000)),
        (Pricing::Cpc, Some(3), Some(5), Room::Thousandths(500)),
        (Pricing::Cpm, None, Some(4), Room::Thousandths(0)),
        (
            Pricing::Impressions,
            Some(9),
            Some(100),
            Room::Impressions(9),
        ),
        (Pricing::Impressions, None, Some(100), Room::Impressions(30)),
    ] {
        assert_eq!(room(pricing, daily, total), expected, "{pricing}");
    }
}

#[test]
fn flagged_marks_and_those_over_a_devices_cap_take_no_room() {
    let click = mark(MarkKind::Click, Pricing::Cpc, 1);
    let flagged = Mark {
        flagged: true,
        ..click
    };
    let over_cap = Mark {
        over_cap: true,
        ..click
    };
    let lines = [line(1, flagged, 9), line(2, over_cap, 9), line(3, click, 2)];
    let day = bill(Room::Thousandths(2_000), lines);
    assert_eq!(counted(&day), [(1, 0), (2, 0), (3, 2)]);
    assert!(!day.cut);
}

#[test]
fn no_price_and_no_number_is_too_large() {
    let dear = mark(MarkKind::Click, Pricing::Cpc, u64::MAX);
    let day = bill(Room::Thousandths(u64::MAX), [line(1, dear, u64::MAX)]);
    assert_eq!(counted(&day), [(1, 0)]);
    let day = bill(Room::Endless, [line(1, dear, u64::MAX)]);
    assert_eq!(day.billed.spend_thousandths, u64::MAX);
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let line = (
        0u32..20,
        0u64..3,
        0u64..3,
        0usize..3,
        0usize..3,
        0u64..50,
        0u64..40,
    );
    prop::collection::vec(line, 0..30).prop_map(|lines| {
        let line = |(minute, creative, placement, kind, pricing, price, count)| {
            let kind: usize = kind;
            let pricing: usize = pricing;
            let prices = [Pricing::Cpm, Pricing::Cpc, Pricing::Impressions];
            Line {
                minute,
                count,
                mark: Mark {
                    creative,
                    placement,
                    ..mark(MarkKind::ALL[kind], prices[pricing], price)
                },
            }
        };
        lines.into_iter().map(line).collect()
    })
}

fn rooms() -> impl Strategy<Value = Room> {
    prop_oneof![
        (0u64..2_000_000).prop_map(Room::Thousandths),
        (0u64..300).prop_map(Room::Impressions),
    ]
}

/// What a billed day took of a room, and what the room is.
fn taken(room: Room, day: &BilledDay) -> (u64, u64) {
    match room {
        Room::Endless => (0, 0),
        Room::Thousandths(room) => (day.billed.spend_thousandths, room),
        Room::Impressions(room) => (day.billed.impressions, room),
    }
}

fn larger(room: Room, by: u64) -> Room {
    match room {
        Room::Endless => Room::Endless,
        Room::Thousandths(room) => Room::Thousandths(room + by),
        Room::Impressions(room) => Room::Impressions(room + by),
    }
}

proptest! {
    #[test]
    fn never_more_is_billed_than_there_is_room(lines in lines(), room in rooms()) {
        let (taken, room) = taken(room, &bill(room, lines));
        prop_assert!(taken <= room);
    }

    #[test]
    fn nothing_is_left_out_that_would_have_fitted(lines in lines(), room in rooms()) {
        let day = bill(room, lines);
        let (taken, most) = taken(room, &day);
        for line in &day.lines {
            let each = match room {
                Room::Impressions(_) => u128::from(line.line.mark.kind == MarkKind::Impression),
                _ => line.line.mark.cost_in_thousandths(),
            };
            let left_out = line.billed < line.line.count;
            prop_assert!(!left_out || u128::from(taken) + each > u128::from(most));
        }
        prop_assert_eq!(day.cut, day.lines.iter().any(|line| line.billed < line.line.count));
    }

    #[test]
    fn the_order_and_the_portions_do_not_matter(
        lines in lines(), room in rooms(), turn in 0usize..30, portion in 1u64..10,
    ) {
        let totals = |lines: Vec<Line>| {
            let day = bill(room, lines);
            let mut by_line = std::collections::BTreeMap::new();
            for line in &day.lines {
                let key = (line.line.minute, line.line.mark.creative, line.line.mark.placement,
                    line.line.mark.kind, line.line.mark.pricing, line.line.mark.price_micros);
                let (billed, count): &mut (u64, u64) = by_line.entry(key).or_default();
                *billed += line.billed;
                *count += line.line.count;
            }
            by_line.retain(|_, (_, count)| *count > 0);
            (by_line, day.billed, day.cut)
        };
        let mut split: Vec<Line> = lines
            .iter()
            .flat_map(|line| {
                let first = line.count.min(portion);
                [Line { count: first, ..*line }, Line { count: line.count - first, ..*line }]
            })
            .collect();
        if !split.is_empty() {
            let middle = turn % split.len();
            split.rotate_left(middle);
        }
        prop_assert_eq!(totals(split), totals(lines));
    }

    #[test]
    fn more_room_never_bills_less(lines in lines(), room in rooms(), more in 0u64..100_000) {
        let (before, _) = taken(room, &bill(room, lines.clone()));
        let (after, _) = taken(larger(room, more), &bill(larger(room, more), lines));
        prop_assert!(before <= after);
    }

    #[test]
    fn later_marks_never_unbill_earlier_ones(
        lines in lines(), later in lines(), room in rooms(),
    ) {
        let before = bill(room, lines.clone());
        let later = later.into_iter().map(|line| Line { minute: line.minute + 20, ..line });
        let after = bill(room, lines.into_iter().chain(later));
        prop_assert!(after.lines.starts_with(&before.lines));
    }
}
