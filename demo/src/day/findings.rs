//! What the day shows: promises that must hold, and what is worth knowing beside them.

use anyhow::Result;

use super::{
    Outcome,
    shape::{end_of, grouped, plan, reached},
    store::{CAP, CREATIVES, Line},
};
use crate::{client::MarkStatus, evaluation::Interval, statistics::float, summary::count};

/// How far an hour may be from its plan.
const NEAR: f64 = 0.15;

/// The hours before: the first counts come in, and the probability finds its place.
const FIRST_HOURS: usize = 2;

/// What part of a budget is all of it, in percent: what was given out and never seen stays.
const DONE_PERCENT: u64 = 99;

/// How many intervals are the day's beginning, and its end.
const ENDS: usize = 8;

/// Something about the day.
#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) what: String,
    pub(crate) found: String,
}

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A promise that holds.
    Kept,
    /// A promise that does not: the demo fails.
    Broken,
    /// As it should be; chance or a slow machine can make it otherwise.
    Seen,
    /// Not as it should be, which chance or a slow machine may have done.
    Missed,
}

impl Verdict {
    pub(crate) const fn mark(self) -> char {
        match self {
            Self::Kept => '✓',
            Self::Broken => '✗',
            Self::Seen => '•',
            Self::Missed => '!',
        }
    }

    const fn promise(kept: bool) -> Self {
        if kept { Self::Kept } else { Self::Broken }
    }

    const fn hope(seen: bool) -> Self {
        if seen { Self::Seen } else { Self::Missed }
    }
}

/// Everything that is to be said of the day.
pub(crate) fn findings(outcome: &Outcome) -> Result<Vec<Finding>> {
    Ok(vec![
        errors(outcome),
        counts(outcome),
        budget(outcome, Line::Even),
        budget(outcome, Line::Asap),
        money(outcome),
        cap(outcome),
        even(outcome),
        done(outcome, Line::Asap, outcome.budgets.daily, 14),
        done(outcome, Line::Cpm, outcome.budgets.total, 18),
        learning(outcome)?,
    ])
}

fn errors(outcome: &Outcome) -> Finding {
    let ledger = &outcome.ledger;
    let refused: u64 = Line::ALL
        .into_iter()
        .flat_map(|line| {
            let refusals = [MarkStatus::Invalid, MarkStatus::Failed, MarkStatus::Flagged];
            refusals.map(|status| ledger.answered(line, status))
        })
        .sum();
    let failed = ledger.failed;
    let workers: u64 = outcome.runs.values().map(|runs| runs.failed).sum();
    let mut found = format!("{failed} calls, {refused} impressions, {workers} runs of workers");
    for error in &ledger.errors {
        found += &format!("; {error}");
    }
    Finding {
        verdict: Verdict::promise(failed + refused + workers == 0),
        what: "nothing failed".to_owned(),
        found,
    }
}

/// What the report counts is what tracking answered; what it counts over budget was answered before
/// that was known.
fn counts(outcome: &Outcome) -> Finding {
    let mut sum = 0;
    let mut off = Vec::new();
    for line in Line::ALL {
        let row = outcome.row(line);
        let reported = row.impressions + row.over_cap;
        let kept = [MarkStatus::Accepted, MarkStatus::OverCap];
        let answered: u64 = kept
            .map(|status| outcome.ledger.answered(line, status))
            .iter()
            .sum();
        sum += reported;
        if reported != answered {
            off.push(format!("{}: {reported} of {answered}", line.id()));
        }
    }
    let found = if off.is_empty() {
        format!("{} impressions", count(sum))
    } else {
        off.join(", ")
    };
    Finding {
        verdict: Verdict::promise(off.is_empty()),
        what: "the report counts what tracking said".to_owned(),
        found,
    }
}

fn budget(outcome: &Outcome, line: Line) -> Finding {
    let (used, limit) = (outcome.row(line).impressions, outcome.budgets.daily);
    Finding {
        verdict: Verdict::promise(used <= limit),
        what: format!("{} stays within its daily budget", line.id()),
        found: format!(
            "{} of {}, {} over and not billed",
            count(used),
            count(limit),
            count(outcome.row(line).over_cap)
        ),
    }
}

fn money(outcome: &Outcome) -> Finding {
    let row = outcome.row(Line::Cpm);
    let (spent, limit) = (row.spend_micros, outcome.budgets.total_micros());
    Finding {
        verdict: Verdict::promise(spent <= limit),
        what: format!("{} stays within its total budget", Line::Cpm.id()),
        found: format!(
            "{:.2} of {:.2} units of money, {} impressions over and not billed",
            float(spent) / 1e6,
            float(limit) / 1e6,
            count(row.over_cap)
        ),
    }
}

fn cap(outcome: &Outcome) -> Finding {
    let ledger = &outcome.ledger;
    let most = ledger.most();
    Finding {
        verdict: Verdict::promise(most <= u64::from(CAP)),
        what: format!(
            "nobody is counted more than {CAP} showings of {}",
            Line::Capped.id()
        ),
        found: format!(
            "{most} at most on {} devices, {} over the cap and not counted",
            count(ledger.reached_devices()),
            count(ledger.answered(Line::Capped, MarkStatus::OverCap))
        ),
    }
}

fn even(outcome: &Outcome) -> Finding {
    let delivered = grouped(outcome.ledger.counted_of(Line::Even), 4);
    let off = off_plan(&delivered, outcome.budgets.daily);
    let near = off.iter().filter(|(_, off)| off.abs() <= NEAR).count();
    let farthest = off.iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    let farthest = farthest.map_or_else(String::new, |(hour, off)| {
        format!(", the farthest {:+.0} % at {hour:02}:00", 100.0 * off)
    });
    Finding {
        verdict: Verdict::hope(near == off.len()),
        what: "even is within 15 % of its plan, hour by hour".to_owned(),
        found: format!("{near} of {} hours{farthest}", off.len()),
    }
}

/// By which part of its plan each hour after the first was off.
pub(crate) fn off_plan(delivered: &[u64], budget: u64) -> Vec<(usize, f64)> {
    let plan = plan(budget, 24);
    let hours = delivered.iter().enumerate().skip(FIRST_HOURS);
    hours
        .map(|(hour, delivered)| (hour, float(*delivered) / plan - 1.0))
        .collect()
}

fn done(outcome: &Outcome, line: Line, limit: u64, by_hour: usize) -> Finding {
    let counted = outcome.ledger.counted_of(line);
    let at = reached(counted, limit * DONE_PERCENT / 100);
    Finding {
        verdict: Verdict::hope(at.is_some_and(|at| at < 4 * by_hour)),
        what: format!("{} is done by {by_hour}:00", line.id()),
        found: at.map_or_else(
            || "never".to_owned(),
            |at| format!("{DONE_PERCENT} % by {}", end_of(at)),
        ),
    }
}

fn learning(outcome: &Outcome) -> Result<Finding> {
    let [.., best] = &outcome.ledger.creatives;
    let all = outcome.ledger.served_of(Line::Learner);
    let (first, last) = (0..ENDS, all.len().saturating_sub(ENDS)..all.len());
    let share = |span: std::ops::Range<usize>| -> Result<(f64, Interval)> {
        let sum = |series: &[u64]| -> f64 {
            float(series.get(span.clone()).unwrap_or_default().iter().sum())
        };
        let (best, all) = (sum(best), sum(all));
        Ok((best / all.max(1.0), Interval::wilson(best, all)?))
    };
    let ((at_first, before), (at_last, after)) = (share(first)?, share(last)?);
    let [.., (name, _)] = CREATIVES;
    Ok(Finding {
        verdict: Verdict::hope(at_last > at_first),
        what: format!("the {name} creative's share grows"),
        found: format!(
            "{:.0} % in the first two hours ({}), {:.0} % in the last two ({})",
            100.0 * at_first,
            percent(before),
            100.0 * at_last,
            percent(after)
        ),
    })
}

fn percent(interval: Interval) -> String {
    format!("{:.0}–{:.0} %", 100.0 * interval.low, 100.0 * interval.high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_off_by_its_part_of_the_plan_and_the_first_are_not_asked() {
        let mut delivered = vec![1_000; 24];
        delivered[0] = 0;
        delivered[5] = 2_000;
        delivered[6] = 900;
        let off = off_plan(&delivered, 24_000);
        assert_eq!((off.len(), off[0].0), (22, 2));
        let is_off: Vec<_> = off
            .into_iter()
            .filter(|(_, off)| off.abs() > 0.01)
            .collect();
        assert!(matches!(is_off[..], [(5, 1.0), (6, less)] if (less + 0.1).abs() < 1e-9));
    }

    #[test]
    fn only_a_broken_promise_is_marked_as_one() {
        let marks = [Verdict::promise(true), Verdict::promise(false)];
        assert_eq!(marks.map(Verdict::mark), ['✓', '✗']);
        let hopes = [Verdict::hope(true), Verdict::hope(false)];
        assert_eq!(hopes.map(Verdict::mark), ['•', '!']);
    }
}
