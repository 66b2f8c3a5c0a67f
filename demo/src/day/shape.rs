//! The shape of the day: how its traffic is spread over the hours, and what a budget's plan is.

use crate::statistics::float;

/// How many intervals a day is looked at in.
pub(crate) const INTERVALS: usize = 96;

/// How long each of them is.
pub(crate) const INTERVAL_MIN: u32 = 15;

/// Minutes of a day.
pub(crate) const DAY_MIN: u32 = 24 * 60;

/// What each hour (UTC) weighs: quiet at night, busy at noon and in the evening.
const WEIGHTS: [u32; 24] = [
    70, 60, 55, 50, 50, 55, 70, 90, 110, 110, 105, 115, 130, 120, 105, 100, 105, 120, 140, 155,
    160, 145, 115, 85,
];

/// The part of the day's traffic that an hour brings.
fn share_of_hour(hour: usize) -> f64 {
    let all: u32 = WEIGHTS.iter().sum();
    let weight = WEIGHTS.get(hour).copied().unwrap_or_default();
    f64::from(weight) / f64::from(all)
}

/// The minute of the day by which this part of its traffic, 0 to 1, has come.
pub(crate) fn minute_of(part: f64) -> f64 {
    let mut left = part;
    for (hour, minutes) in (0..24).zip((0..).step_by(60).map(f64::from)) {
        let share = share_of_hour(hour);
        if left < share {
            return minutes + 60.0 * left / share;
        }
        left -= share;
    }
    f64::from(DAY_MIN)
}

/// What an even budget should bring in each of so many parts of the day. They are alike: a stack on
/// its first day knows of no hour that is busier than another.
pub(crate) fn plan(budget: u64, parts: u32) -> f64 {
    float(budget) / f64::from(parts)
}

/// Sums of so many neighbours each.
pub(crate) fn grouped(counts: &[u64], size: usize) -> Vec<u64> {
    counts
        .chunks(size)
        .map(|chunk| chunk.iter().sum())
        .collect()
}

/// The first interval by whose end `target` of all was reached; `None` where it never was.
pub(crate) fn reached(counts: &[u64], target: u64) -> Option<usize> {
    let mut sum = 0;
    counts.iter().position(|count| {
        sum += count;
        sum >= target
    })
}

/// The time of day at which an interval ends, such as `15:45`.
pub(crate) fn end_of(interval: usize) -> String {
    let minutes = (interval + 1) * 15;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_the_hours_make_a_day() {
        let hours: f64 = (0..24).map(share_of_hour).sum();
        assert!((hours - 1.0).abs() < 1e-9);
        assert_eq!(share_of_hour(24), 0.0);
    }

    #[test]
    fn traffic_comes_in_the_hours_that_weigh_most() {
        assert_eq!(minute_of(0.0), 0.0);
        assert_eq!(minute_of(1.0), 1440.0);
        let first = share_of_hour(0);
        assert!((minute_of(first / 2.0) - 30.0).abs() < 1e-9);
        assert!((minute_of(first + share_of_hour(1) / 2.0) - 90.0).abs() < 1e-9);
        let noon: f64 = (0..12).map(share_of_hour).sum();
        assert!((minute_of(noon) - 720.0).abs() < 1e-6);
    }

    #[test]
    fn the_parts_of_a_plan_are_alike_and_make_the_budget() {
        assert_eq!((plan(2_400, 24), plan(2_400, 96)), (100.0, 25.0));
    }

    #[test]
    fn counts_are_grouped_and_their_sum_is_followed_to_its_target() {
        let counts = [1, 2, 3, 4, 5];
        assert_eq!(grouped(&counts, 2), [3, 7, 5]);
        assert_eq!(reached(&counts, 6), Some(2));
        assert_eq!(reached(&counts, 16), None);
        assert_eq!([0, 3, 95].map(end_of), ["00:15", "01:00", "24:00"]);
    }
}
