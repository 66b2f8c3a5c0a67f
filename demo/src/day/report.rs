//! The day on the terminal.

use std::{env, fmt, fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};

use super::{
    Outcome,
    chart::{COLUMNS, blocks, hours},
    findings::{Finding, Verdict, findings},
    html,
    shape::{grouped, plan},
    store::{CREATIVES, Line},
};
use crate::{client::MarkStatus, statistics::float, summary::count};

/// Visits that are later than this came in another hour's place: the picture is off.
const TOO_LATE: Duration = Duration::from_secs(30 * 60);

/// Intervals in a column.
const IN_COLUMN: usize = 2;

/// The end of a day.
#[derive(Debug)]
pub struct DayReport {
    outcome: Outcome,
    findings: Vec<Finding>,
    html: PathBuf,
}

/// A line of the chart.
struct Row {
    name: String,
    columns: Vec<f64>,
    top: f64,
    note: String,
}

impl DayReport {
    pub(super) fn new(outcome: Outcome) -> Result<Self> {
        let findings = findings(&outcome)?;
        // Cargo's target directory: this executable lies in the folder of its profile.
        let executable = env::current_exe().context("the path of this executable")?;
        let folder = executable.ancestors().nth(2);
        let path = folder.context("the executable's folder")?.join("day.html");
        fs::write(&path, html::page(&outcome, &findings))
            .with_context(|| path.display().to_string())?;
        Ok(Self {
            outcome,
            findings,
            html: path,
        })
    }

    /// Whether every promise was kept.
    pub fn passed(&self) -> bool {
        let broken = |finding: &Finding| finding.verdict == Verdict::Broken;
        !self.findings.iter().any(broken)
    }

    fn rows(&self) -> Vec<Row> {
        let Outcome {
            ledger, budgets, ..
        } = &self.outcome;
        let counted = |line| columns(ledger.counted_of(line));
        let asked = columns(&ledger.asked);
        let all: u64 = ledger.asked.iter().sum();
        let plan = vec![plan(budgets.daily, 48); COLUMNS];
        let (even, asap) = (counted(Line::Even), counted(Line::Asap));
        // One scale for what is to be compared.
        let top = highest(&[&even, &plan, &asap]);
        let total = |line: Line| count(self.outcome.row(line).impressions);
        let mut rows = vec![
            Row::scaled("slots asked for", asked, format!("{} in all", count(all))),
            Row::new("even, plan", plan, top, count(budgets.daily)),
            Row::new("even, counted", even, top, total(Line::Even)),
            Row::new("asap, counted", asap, top, total(Line::Asap)),
            Row::scaled("cpm, counted", counted(Line::Cpm), total(Line::Cpm)),
            Row::scaled(
                "capped, counted",
                counted(Line::Capped),
                total(Line::Capped),
            ),
            Row::new(
                "most on a device",
                self.most_showings(),
                4.0,
                format!("{} (half the height is the cap)", ledger.most()),
            ),
            Row::scaled(
                "house, served",
                columns(ledger.served_of(Line::House)),
                count(ledger.served_of(Line::House).iter().sum::<u64>()),
            ),
        ];
        let learner = columns(ledger.served_of(Line::Learner));
        for ((name, rate), series) in CREATIVES.iter().zip(&ledger.creatives) {
            let shares = shares(&columns(series), &learner);
            let last = shares.last().copied().unwrap_or_default();
            rows.push(Row::new(
                format!("{name}, {} %", 100.0 * rate),
                shares,
                1.0,
                format!("{:.0} % at the end", 100.0 * last),
            ));
        }
        rows
    }

    /// By the end of each column, so it never falls.
    fn most_showings(&self) -> Vec<f64> {
        let mut most = 0;
        let series = self.outcome.ledger.most_showings.chunks(IN_COLUMN);
        series
            .map(|chunk| {
                most = chunk.iter().copied().max().unwrap_or_default().max(most);
                float(most)
            })
            .collect()
    }
}

impl Row {
    fn new(name: impl Into<String>, columns: Vec<f64>, top: f64, note: String) -> Self {
        Self {
            name: name.into(),
            columns,
            top,
            note,
        }
    }

    /// As high as its own highest column.
    fn scaled(name: &str, columns: Vec<f64>, note: String) -> Self {
        let top = highest(&[&columns]);
        Self::new(name, columns, top, note)
    }
}

fn columns(series: &[u64]) -> Vec<f64> {
    grouped(series, IN_COLUMN).into_iter().map(float).collect()
}

fn highest(series: &[&[f64]]) -> f64 {
    series
        .iter()
        .copied()
        .flatten()
        .copied()
        .fold(0.0, f64::max)
}

fn shares(parts: &[f64], wholes: &[f64]) -> Vec<f64> {
    parts
        .iter()
        .zip(wholes)
        .map(|(part, whole)| part / whole.max(1.0))
        .collect()
}

impl fmt::Display for DayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = &self.outcome;
        let played = outcome.played;
        writeln!(
            f,
            "A day, {} times as fast, seed {}: {} visits, {:.0} s in all\n",
            count(outcome.speed),
            outcome.seed,
            count(played.visits),
            outcome.elapsed.as_secs_f64()
        )?;
        writeln!(f, "  {:<18}{}", "", hours())?;
        for row in self.rows() {
            let chart = blocks(&row.columns, row.top);
            writeln!(f, "  {:<18}{chart}  {}", row.name, row.note)?;
        }
        writeln!(f)?;
        for Finding {
            verdict,
            what,
            found,
        } in &self.findings
        {
            writeln!(f, "  {} {what}: {found}", verdict.mark())?;
        }
        writeln!(f)?;
        let answered = |status| -> u64 {
            Line::ALL
                .iter()
                .map(|line| outcome.ledger.answered(*line, status))
                .sum()
        };
        writeln!(
            f,
            "  impressions  {} counted, {} repeated, {} over the cap or a lease, {} too late",
            count(answered(MarkStatus::Accepted)),
            count(answered(MarkStatus::Repeated)),
            count(answered(MarkStatus::OverCap)),
            count(answered(MarkStatus::Expired))
        )?;
        writeln!(
            f,
            "  clicks       {} sent, {} counted",
            count(outcome.ledger.clicks),
            count(
                Line::ALL
                    .map(|line| outcome.row(line).clicks)
                    .iter()
                    .sum::<u64>()
            )
        )?;
        write!(f, "  workers      of {} minutes,", count(outcome.minutes))?;
        for (number, (name, runs)) in outcome.runs.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            write!(f, "{comma} {name} ran in {}", count(runs.ended))?;
        }
        writeln!(
            f,
            "\n  client       {:.0} minutes late at most, {} visits not made",
            played.latest.as_secs_f64() / 60.0,
            count(played.missed)
        )?;
        if 100 * played.missed > played.visits || played.latest > TOO_LATE {
            let half = (outcome.speed / 2).max(60);
            writeln!(
                f,
                "               this machine does not keep up: try a slower clock, --speed {half}"
            )?;
        }
        writeln!(f, "  report       {}", self.html.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_was_given_out_at_the_same_time() {
        assert_eq!(shares(&[1.0, 0.0, 3.0], &[4.0, 0.0, 3.0]), [0.25, 0.0, 1.0]);
        assert_eq!(highest(&[&[1.0, 3.0], &[2.0]]), 3.0);
    }
}
