//! `rate(…)` and `cron(…)`, as EventBridge reads them
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>).

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use super::cron::Cron;

/// When a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Every so often.
    Rate(SignedDuration),
    /// At the minutes that a cron expression names, in UTC.
    Cron(Box<Cron>),
}

/// An expression that EventBridge would refuse, or that the local stack does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expression}: {problem}")]
pub struct ExpressionError {
    expression: String,
    problem: String,
}

impl Expression {
    /// The first time after `now`; `None` if there is none.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Rate(period) => now.checked_add(*period).ok(),
            Self::Cron(cron) => cron.next_after(now),
        }
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = |name: &str| {
            text.strip_prefix(name)?
                .strip_prefix('(')?
                .strip_suffix(')')
        };
        let parsed = match (inner("rate"), inner("cron")) {
            (Some(rate), _) => parse_rate(rate).map(Self::Rate),
            (_, Some(cron)) => cron.parse().map(|cron| Self::Cron(Box::new(cron))),
            _ => Err("expected rate(…) or cron(…)".to_owned()),
        };
        parsed.map_err(|problem| ExpressionError {
            expression: text.to_owned(),
            problem,
        })
    }
}

fn parse_rate(rate: &str) -> Result<SignedDuration, String> {
    let expected = || "expected rate(1 minute), rate(5 minutes), hours or days".to_owned();
    let (count, unit) = rate.split_once(' ').ok_or_else(expected)?;
    let count: i64 = count
        .parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(expected)?;
    let minutes = match (unit, count) {
        ("minute", 1) | ("minutes", 2..) => Some(count),
        ("hour", 1) | ("hours", 2..) => count.checked_mul(60),
        ("day", 1) | ("days", 2..) => count.checked_mul(24 * 60),
        _ => None,
    };
    minutes
        .and_then(|minutes| minutes.checked_mul(60))
        .map(SignedDuration::from_secs)
        .ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_crons_are_due_when_eventbridge_says() {
        let table = [
            ("rate(1 minute)", "2026-11-20T10:01:30Z"),
            ("rate(6 hours)", "2026-11-20T16:00:30Z"),
            ("rate(1 day)", "2026-11-21T10:00:30Z"),
            ("cron(* * * * ? *)", "2026-11-20T10:01:00Z"),
            ("cron(0/15 * * * ? *)", "2026-11-20T10:15:00Z"),
            ("cron(0 10 * * ? *)", "2026-11-21T10:00:00Z"),
            ("cron(5,35 8-9 ? * MON-FRI *)", "2026-11-23T08:05:00Z"),
            ("cron(0 0 1 JAN ? *)", "2027-01-01T00:00:00Z"),
            ("cron(0 0 29 2 ? *)", "2028-02-29T00:00:00Z"),
            ("cron(0 0 ? * 1 2027)", "2027-01-03T00:00:00Z"),
        ];
        let now: Timestamp = "2026-11-20T10:00:30Z".parse().unwrap();
        for (text, expected) in table {
            let expression: Expression = text.parse().unwrap();
            let next = expression.next_after(now).unwrap();
            assert_eq!(next.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_cron_of_the_past_is_never_due() {
        let expression: Expression = "cron(0 0 1 1 ? 2020)".parse().unwrap();
        assert_eq!(
            expression.next_after("2026-11-20T10:00:00Z".parse().unwrap()),
            None
        );
    }

    #[test]
    fn what_eventbridge_refuses_is_refused() {
        let table = [
            "every minute",
            "rate(0 minutes)",
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(1 week)",
            "cron(* * * *)",
            "cron(60 * * * ? *)",
            "cron(0 0 * * * *)",
            "cron(0 0 ? * ? *)",
            "cron(0 0 L * ? *)",
            "cron(0 0 ? * 6#3 *)",
            "cron(0 9-8 * * ? *)",
            "cron(0/0 * * * ? *)",
        ];
        for text in table {
            let refused = text.parse::<Expression>().unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{text}: ")), "{refused}");
        }
    }
}
