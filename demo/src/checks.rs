//! Whether a run came out as it must.

use crate::{campaigns::Campaigns, client::Counts, replay::Outcome, statistics::Spread};

/// A uniform draw fails this by chance once in a thousand seeds.
const LEAST_P: f64 = 0.001;

/// Something that must hold.
#[derive(Debug)]
pub(crate) struct Check {
    /// What must hold.
    pub(crate) what: &'static str,
    /// What is wrong; `None` where it passed.
    pub(crate) fault: Option<String>,
}

/// Everything that must hold of a run. Without a spread, campaigns were targeted.
pub(crate) fn checks(
    campaigns: &Campaigns,
    outcome: &Outcome,
    counted: &[Counts],
    spread: Option<&Spread>,
) -> Vec<Check> {
    let mut checks = vec![
        Check {
            what: "every visit was shown something",
            fault: (outcome.unfilled > 0).then(|| format!("{} were not", outcome.unfilled)),
        },
        Check {
            what: "nothing but this run's campaigns was shown",
            fault: some_of(&outcome.foreign),
        },
    ];
    match spread {
        Some(spread) => checks.push(Check {
            what: "the items are spread as a uniform draw spreads them (p ≥ 0.001)",
            fault: (spread.p_value < LEAST_P).then(|| format!("p = {:.2e}", spread.p_value)),
        }),
        None => checks.extend(targeting(campaigns, outcome)),
    }
    checks.push(Check {
        what: "what was counted is what was sent, item by item",
        fault: some_of(&differences(campaigns, &outcome.sent, counted)),
    });
    checks
}

/// That every targeted campaign was shown is asked of the whole log only: in a part of it, it may be
/// nobody's turn.
fn targeting(campaigns: &Campaigns, outcome: &Outcome) -> Vec<Check> {
    let targeted = campaigns
        .ids
        .iter()
        .zip(&campaigns.audiences)
        .zip(&outcome.sent);
    let unseen: Vec<String> = targeted
        .filter(|((_, audience), sent)| audience.is_some() && sent.impressions == 0)
        .map(|((id, _), _)| id.clone())
        .collect();
    let mut checks = vec![Check {
        what: "nobody was shown a campaign that is not for them",
        fault: some_of(&outcome.breaches),
    }];
    if outcome.whole_log {
        checks.push(Check {
            what: "every targeted campaign was shown",
            fault: some_of(&unseen),
        });
    }
    checks
}

fn differences(campaigns: &Campaigns, sent: &[Counts], counted: &[Counts]) -> Vec<String> {
    let all = campaigns.ids.iter().zip(sent.iter().zip(counted));
    all.filter(|(_, (sent, counted))| sent != counted)
        .map(|(id, (sent, counted))| {
            format!(
                "{id}: impressions {} sent, {} counted, clicks {} sent, {} counted",
                sent.impressions, counted.impressions, sent.clicks, counted.clicks
            )
        })
        .collect()
}

/// The first three and how many more there are; `None` of nothing.
fn some_of(faults: &[String]) -> Option<String> {
    let first = faults
        .iter()
        .take(3)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match faults.len() {
        0 => None,
        1..=3 => Some(first),
        count => Some(format!("{first} and {} more", count - 3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use std::time::Duration;

    fn sent(campaigns: &Campaigns, impressions: u64) -> Vec<Counts> {
        vec![
            Counts {
                impressions,
                clicks: 1
            };
            campaigns.ids.len()
        ]
    }

    fn outcome(sent: Vec<Counts>) -> Outcome {
        Outcome {
            visits: 800,
            whole_log: true,
            elapsed: Duration::from_secs(2),
            allocations: vec![Duration::from_millis(2); 800],
            tracking: vec![Duration::from_millis(1); 880],
            sent,
            unfilled: 0,
            foreign: Vec::new(),
            breaches: Vec::new(),
        }
    }

    fn faults(checks: &[Check]) -> Vec<&str> {
        checks
            .iter()
            .filter_map(|check| check.fault.as_deref())
            .collect()
    }

    #[test]
    fn a_run_without_fault_passes_every_check() {
        let campaigns = Campaigns::new(&Dataset::read().unwrap(), false, "run");
        let outcome = outcome(sent(&campaigns, 10));
        let spread = Spread::of(&[10; 80]).unwrap();
        let counted = outcome.sent.clone();
        assert_eq!(
            faults(&checks(&campaigns, &outcome, &counted, Some(&spread))),
            [""; 0]
        );
    }

    #[test]
    fn each_fault_is_found_and_named() {
        let campaigns = Campaigns::new(&Dataset::read().unwrap(), true, "run");
        let mut outcome = outcome(sent(&campaigns, 10));
        let mut counted = outcome.sent.clone();
        counted[3].clicks = 0;
        outcome.sent[4].impressions = 0;
        counted[4].impressions = 0;
        outcome.unfilled = 2;
        outcome.foreign = vec!["summer-sale".to_owned()];
        outcome.breaches = vec!["x".to_owned(); 5];
        assert_eq!(
            faults(&checks(&campaigns, &outcome, &counted, None)),
            [
                "2 were not",
                "summer-sale",
                "x, x, x and 2 more",
                "item-04",
                "item-03: impressions 10 sent, 10 counted, clicks 1 sent, 0 counted",
            ]
        );
        let skewed = Spread {
            chi_squared: 200.0,
            degrees: 79.0,
            p_value: 0.0001,
        };
        let found = checks(&campaigns, &outcome, &counted, Some(&skewed));
        assert!(faults(&found).contains(&"p = 1.00e-4"));
    }
}
