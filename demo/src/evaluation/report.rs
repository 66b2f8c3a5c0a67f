//! The evaluation as text.

use std::fmt;

use super::{CHOICES, Evaluation, Line, estimators::REPLICATES};
use crate::summary::count;

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Open Bandit, policies evaluated offline, seed {}. Click rates in %, intervals of 95 %.",
            self.seed
        )?;
        writeln!(f)?;
        writeln!(
            f,
            "  {:<10}{:<24}{:>8}{:>8}{:>8}  {:<32}{:>9}{:>8}",
            "policy", "estimated by", "rows", "clicks", "rate", "intervals", "rows eff.", "max w"
        )?;
        for line in &self.lines {
            whole(f, line)?;
        }
        writeln!(f)?;
        by_position(f, &self.lines)?;
        writeln!(f)?;
        writeln!(
            f,
            "  Weighted: thompson as frozen after one half of the random log, by the other half; its probabilities from"
        )?;
        writeln!(
            f,
            "  {} choices each, bootstrap intervals from {} replicates. bts cannot be estimated from the random",
            count(CHOICES),
            count(REPLICATES)
        )?;
        writeln!(
            f,
            "  log: of its probabilities only those of what it showed are known, and they changed on the way ({} for",
            count(self.bts.distinct)
        )?;
        writeln!(
            f,
            "  {} pairs of item and position). Wilson intervals of weighted rows are of the effective rows; the normal and",
            count(self.bts.pairs)
        )?;
        writeln!(
            f,
            "  the bootstrap one are too narrow where clicks are few and weights heavy."
        )?;
        writeln!(f)?;
        for (how, interval, covers) in &self.cross_check.covers {
            let (mark, verb) = match covers {
                true => ('✓', "covers"),
                false => ('✗', "misses"),
            };
            writeln!(
                f,
                "  {mark} random by {how}: the {interval} interval {verb} the {:.3} % that were counted",
                100.0 * self.cross_check.counted
            )?;
        }
        writeln!(f)?;
        self.conclusion.fmt(f)
    }
}

fn whole(f: &mut fmt::Formatter<'_>, line: &Line) -> fmt::Result {
    let whole = &line.whole;
    for (place, (name, interval)) in whole.intervals.iter().enumerate() {
        let interval = format!("{interval} {name}");
        if place > 0 {
            writeln!(f, "  {:58}  {interval}", "")?;
            continue;
        }
        write!(
            f,
            "  {:<10}{:<24}{:>8}{:>8}{:>8.3}  ",
            line.policy,
            line.how,
            count(whole.rows),
            count(whole.clicks),
            100.0 * whole.rate
        )?;
        match whole.weights {
            None => writeln!(f, "{interval}")?,
            Some(weights) => writeln!(
                f,
                "{interval:<32}{:>9.0}{:>8.2}",
                weights.effective_rows, weights.largest
            )?,
        }
    }
    Ok(())
}

fn by_position(f: &mut fmt::Formatter<'_>, lines: &[Line]) -> fmt::Result {
    write!(f, "  {:<34}", "by position, with Wilson intervals")?;
    for position in 1..=3 {
        write!(f, "{:>22}", format!("position {position}"))?;
    }
    writeln!(f)?;
    for line in lines.iter().filter(|line| !line.positions.is_empty()) {
        write!(f, "  {:<10}{:<24}", line.policy, line.how)?;
        for estimate in &line.positions {
            let cell = estimate.as_ref().and_then(|estimate| {
                let (_, interval) = estimate.intervals.first()?;
                Some(format!("{:.3} ({interval})", 100.0 * estimate.rate))
            });
            write!(f, "{:>22}", cell.as_deref().unwrap_or("–"))?;
        }
        writeln!(f)?;
    }
    Ok(())
}
