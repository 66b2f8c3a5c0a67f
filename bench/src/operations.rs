//! How often an allocation asks something of DynamoDB.
//!
//! What is done by the clock and not by the request (looking for newer campaigns, leases, tallies)
//! weighs the less the more requests share it, so the run has a steady pace, and what is told is also
//! from which pace on the limit holds.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::{
    counter::{Counter, Counts},
    measure::Subject,
};

/// How many allocations are counted, how many at once, and when the next ones come.
const ALLOCATIONS: usize = 3_000;
const AT_ONCE: usize = 10;
const EVERY: Duration = Duration::from_millis(40);

/// Before them, so that what a start needs is not counted.
const WARM_UP: usize = 50;

/// What an allocation may ask beside its one `Query`, amortised.
const MOST_BESIDE: f64 = 0.02;

const QUERY: &str = "Query ";
const WRITES: [&str; 7] = [
    "BatchWriteItem",
    "DeleteItem",
    "ExecuteStatement",
    "ExecuteTransaction",
    "PutItem",
    "TransactWriteItems",
    "UpdateItem",
];

/// What a run of allocations asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Operations {
    /// How many allocations there were.
    allocations: usize,
    /// How long the run took.
    seconds: f64,
    /// How often each operation was asked for, by its name and table.
    counts: Counts,
}

/// Counts what `subject` asks through `counter`.
pub(crate) fn count(subject: &Subject, counter: &Counter) -> Result<Operations> {
    let running = subject.start()?;
    running.invoke(WARM_UP)?;
    counter.take();
    let began = Instant::now();
    for round in 1.. {
        running.invoke(AT_ONCE)?;
        let due = EVERY * round;
        thread::sleep(due.saturating_sub(began.elapsed()));
        if AT_ONCE * usize::try_from(round)? >= ALLOCATIONS {
            break;
        }
    }
    Ok(Operations {
        allocations: ALLOCATIONS,
        seconds: began.elapsed().as_secs_f64(),
        counts: counter.take(),
    })
}

impl Operations {
    fn kind(operation: &str) -> &'static str {
        let name = operation.split(' ').next().unwrap_or_default();
        if WRITES.contains(&name) {
            "write"
        } else if operation.starts_with(QUERY) {
            "query"
        } else {
            "read"
        }
    }

    /// What is asked beside one query of the device for each allocation; a repeated query counts.
    fn beside(&self) -> usize {
        let all: usize = self.counts.values().sum();
        let queries = self
            .counts
            .iter()
            .filter(|(name, _)| name.starts_with(QUERY));
        let most = queries.map(|(_, count)| *count).max().unwrap_or(0);
        all - most.min(self.allocations)
    }
}

impl fmt::Display for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allocations = self.allocations as f64;
        writeln!(
            f,
            "DynamoDB operations per allocation, counted over {} in {:.1} s ({:.0} a second)",
            self.allocations,
            self.seconds,
            allocations / self.seconds
        )?;
        for (operation, count) in &self.counts {
            writeln!(
                f,
                "  {:<8}{operation:<40}{:>10.4}",
                Self::kind(operation),
                *count as f64 / allocations
            )?;
        }
        if !self
            .counts
            .keys()
            .any(|operation| Self::kind(operation) == "write")
        {
            writeln!(f, "  no write")?;
        }
        let beside = self.beside() as f64;
        writeln!(
            f,
            "  beside the query of the device {:.4}, aim ≤ {MOST_BESIDE}: holds from {:.1} allocations \
             a second of one instance\n",
            beside / allocations,
            beside / self.seconds / MOST_BESIDE
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_beside_the_query_is_told_by_allocation_and_by_pace() {
        let counts = [
            ("Query devices", 1_002),
            ("GetItem content", 4),
            ("UpdateItem budgets", 4),
        ];
        let operations = Operations {
            allocations: 1_000,
            seconds: 10.0,
            counts: counts.map(|(name, count)| (name.to_owned(), count)).into(),
        };
        let text = operations.to_string();
        let line = |start: &str| text.lines().find(|line| line.trim().starts_with(start));
        assert!(line("query").unwrap().ends_with("1.0020"));
        assert!(line("read").unwrap().ends_with("0.0040"));
        assert!(line("write").unwrap().ends_with("0.0040"));
        let beside = line("beside").unwrap();
        assert!(
            beside.contains("0.0100") && beside.contains("from 50.0 "),
            "{beside}"
        );
        assert!(line("no write").is_none());
    }
}
