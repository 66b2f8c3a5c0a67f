//! The shape of the day: how its traffic is spread over the hours, and what a budget's plan is by it.

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
pub(crate) fn share_of_hour(hour: usize) -> f64 {
    let all: u32 = WEIGHTS.iter().sum();
    let weight = WEIGHTS.get(hour).copied().unwrap_or_default();
    f64::from(weight) / f64::from(all)
}

/// The part of the day's traffic that an interval brings: a quarter of its hour's.
pub(crate) fn share_of_interval(interval: usize) -> f64 {
    share_of_hour(interval / 4) / 4.0
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

/// What a budget spread by the traffic should bring in each hour.
pub(crate) fn plan_by_hour(budget: f64) -> [f64; 24] {
    std::array::from_fn(|hour| budget * share_of_hour(hour))
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
    fn the_shares_of_hours_and_of_intervals_make_a_day() {
        let hours: f64 = (0..24).map(share_of_hour).sum();
        let intervals: f64 = (0..INTERVALS).map(share_of_interval).sum();
        assert!((hours - 1.0).abs() < 1e-9 && (intervals - 1.0).abs() < 1e-9);
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
    fn a_plan_spends_the_budget_where_the_traffic_is() {
        let plan = plan_by_hour(2_400.0);
        assert!((plan.iter().sum::<f64>() - 2_400.0).abs() < 1e-6);
        assert!(plan[20] > 3.0 * plan[3]);
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
