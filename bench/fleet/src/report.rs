//! The tables that the simulation ends with.

use std::fmt;

use crate::{
    campaigns::Kind,
    cost::{AP_NORTHEAST_2, Prices, US_EAST_1, Used, lines},
    instances::Placement,
    meter::{Flow, Key, PARTITION_READS, PARTITION_WRITES},
    simulation::{Simulation, TRANSACTION_S},
    traffic::DAY_S,
};

/// What extras an allocation may cost on average.
const EXTRAS_GOAL: f64 = 0.02;

/// The figures of a day.
pub(crate) struct Report<'s> {
    day: &'s Simulation,
    used: Used,
}

/// The figures of a kind of campaign.
#[derive(Debug, Clone, Copy, Default)]
struct OfKind {
    campaigns: u64,
    planned: u64,
    has_plan: bool,
    served: u64,
    used: u64,
    billed: u64,
    beyond_lease: u64,
    beyond_cap: u64,
    expired: u64,
    impressions: u64,
    /// The worst campaign's over- and under-delivery, in parts of its plan.
    worst_over: f64,
    worst_under: f64,
}

impl<'s> Report<'s> {
    pub(crate) fn of(day: &'s Simulation) -> Self {
        Self {
            used: day.used(),
            day,
        }
    }

    fn of_kind(&self, kind: Kind) -> OfKind {
        let mut sum = OfKind::default();
        let campaigns = self.day.books.campaigns.iter();
        for campaign in campaigns.filter(|campaign| campaign.kind == kind) {
            sum.campaigns += 1;
            sum.served += campaign.served;
            sum.impressions += campaign.counted[0];
            sum.beyond_cap += campaign.beyond_cap;
            sum.beyond_lease += campaign.beyond_lease;
            sum.expired += campaign.expired;
            if let Some(planned) = campaign.planned(self.day.start, self.day.end()) {
                let (used, billed) = (campaign.used() + campaign.beyond_lease, campaign.billed());
                sum.has_plan = true;
                sum.planned += planned;
                sum.used += used;
                sum.billed += billed;
                let part = |units: u64| units as f64 / planned.max(1) as f64;
                sum.worst_over = sum.worst_over.max(part(used - billed));
                sum.worst_under = sum.worst_under.max(part(planned.saturating_sub(billed)));
            }
        }
        sum
    }

    fn budgets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Budgets, in units of what is paid for")?;
        writeln!(
            f,
            "{:<13}{:>5}{:>10}{:>10}{:>10}{:>9}{:>9}{:>9}{:>9}{:>10}{:>9}",
            "kind",
            "n",
            "planned",
            "counted",
            "billed",
            "over %",
            "worst",
            "under %",
            "worst",
            "over cap",
            "expired"
        )?;
        for kind in Kind::ALL {
            let sum = self.of_kind(kind);
            let OfKind {
                planned,
                used,
                billed,
                ..
            } = sum;
            if !sum.has_plan {
                let (name, n) = (kind.name(), sum.campaigns);
                let (impressions, capped, expired) = (sum.impressions, sum.beyond_cap, sum.expired);
                let none = "–";
                writeln!(
                    f,
                    "{name:<13}{n:>5}{none:>10}{impressions:>10}{none:>10}{none:>9}{none:>9}\
                     {none:>9}{none:>9}{capped:>10}{expired:>9}"
                )?;
                continue;
            }
            let percent = |units: u64| 100.0 * units as f64 / planned.max(1) as f64;
            writeln!(
                f,
                "{:<13}{:>5}{planned:>10}{used:>10}{billed:>10}{:>9.3}{:>9.2}{:>9.2}{:>9.2}\
                 {:>10}{:>9}",
                kind.name(),
                sum.campaigns,
                percent(used - billed),
                100.0 * sum.worst_over,
                percent(planned.saturating_sub(billed)),
                100.0 * sum.worst_under,
                sum.beyond_cap,
                sum.expired,
            )?;
        }
        let totals = self.day.totals;
        let served: u64 = Kind::ALL.map(|kind| self.of_kind(kind).served).iter().sum();
        let late: u64 = Kind::ALL
            .map(|kind| self.of_kind(kind).beyond_cap)
            .iter()
            .sum();
        writeln!(
            f,
            "Counted beyond a cap: {}. Served beyond a cap, and not counted: {late} of {served} \
             ({:.3} %). Draws that met a cap: {}.",
            self.day.devices.beyond,
            100.0 * late as f64 / served.max(1) as f64,
            totals.capped,
        )
    }

    fn leases(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leasing = self.day.budgets.leasing;
        let accounts = self.day.meter.writes(Key::Accounts);
        // One takes its part's units alone in the hottest second, more or less.
        let takes_a_second = accounts.hottest / 2.0;
        let conflict = 1.0 - (-takes_a_second * TRANSACTION_S).exp();
        writeln!(f, "Leases")?;
        writeln!(
            f,
            "taken {} of {} units; used {}; given back {} with {}; lapsed unused {} with {} \
             ({:.1} % of the units, locked for {} s at most); refused {}; closings {}; drift {}",
            leasing.taken,
            leasing.units_taken,
            leasing.units_used,
            leasing.given_back,
            leasing.units_given_back,
            leasing.lapsed,
            leasing.units_lapsed,
            100.0 * leasing.units_lapsed as f64 / leasing.units_taken.max(1) as f64,
            120 + 300 + 60,
            leasing.refused,
            leasing.closings,
            leasing.drift,
        )?;
        writeln!(
            f,
            "busiest accounts part: {takes_a_second:.0} transactions a second; were they all of one \
             account, {:.0} % would meet another (at {:.0} ms each) and be tried again",
            100.0 * conflict,
            1000.0 * TRANSACTION_S,
        )
    }

    fn keys(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "DynamoDB units a second; the hottest key against what a partition takes"
        )?;
        writeln!(
            f,
            "{:<9}{:<32}{:>5}{:>9}{:>9}{:>10}{:>8}",
            "table", "partition", "", "average", "peak", "one key", "of it"
        )?;
        for key in Key::ALL {
            let (table, name) = key.name();
            let meter = &self.day.meter;
            for (what, flow, most) in [
                ("read", meter.reads(key), PARTITION_READS),
                ("write", meter.writes(key), PARTITION_WRITES),
            ] {
                let Flow {
                    calls,
                    units,
                    peak,
                    hottest,
                    ..
                } = flow;
                if *calls > 0 {
                    writeln!(
                        f,
                        "{table:<9}{name:<32}{what:>5}{:>9.1}{peak:>9.1}{hottest:>10.1}{:>6.1} %",
                        units / f64::from(DAY_S),
                        100.0 * hottest / most,
                    )?;
                }
            }
        }
        Ok(())
    }

    fn extras(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = self.day.totals;
        let leasing = self.day.budgets.leasing;
        let each = |count: u64| count as f64 / totals.requests.max(1) as f64;
        let lines = [
            ("content head reads", each(totals.content_heads)),
            ("delivery head reads", each(totals.delivery_heads)),
            ("leases taken", each(leasing.taken)),
            ("tally writes", each(totals.tallies)),
        ];
        writeln!(f, "Extras of an allocation, beside its one query")?;
        for (line, each) in lines {
            writeln!(f, "{line:<22}{each:>9.5}")?;
        }
        let all: f64 = lines.iter().map(|(_, each)| each).sum();
        writeln!(
            f,
            "{:<22}{all:>9.5}  (goal {EXTRAS_GOAL}: {})",
            "together",
            if all <= EXTRAS_GOAL { "held" } else { "missed" }
        )?;
        writeln!(
            f,
            "{:<22}{:>9.5}  (of a call of track, beside its writes)",
            "content head reads",
            totals.track_heads / totals.mark_calls.max(1.0),
        )
    }

    fn costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let regions: [Prices; 2] = [US_EAST_1, AP_NORTHEAST_2];
        let [ours, theirs] = regions.map(|prices| lines(&self.used, &prices));
        writeln!(
            f,
            "Dollars for a million allocations and their marks (list prices as known in 2025: check)"
        )?;
        let [first, second] = regions.map(|prices| prices.region);
        writeln!(f, "{:<28}{first:>15}{second:>16}", "")?;
        for ((line, one), (_, other)) in ours.iter().zip(&theirs) {
            writeln!(f, "{line:<28}{one:>15.3}{other:>16.3}")?;
        }
        let sum = |lines: &[(&str, f64)]| lines.iter().map(|(_, dollars)| dollars).sum::<f64>();
        writeln!(
            f,
            "{:<28}{:>15.3}{:>16.3}",
            "together",
            sum(&ours),
            sum(&theirs)
        )?;
        for page in Prices::pages() {
            writeln!(f, "  {page}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, totals) = (self.day, self.day.totals);
        let options = day.options;
        let placement = match options.placement {
            Placement::Spread => "spread",
            Placement::Packed => "packed",
        };
        let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
        writeln!(
            f,
            "{} allocations ({:.0} a second, {:.0} at the peak) of {} devices, {} campaigns, \
             requests {placement} over up to {} instances ({} started), seed {}",
            totals.requests,
            totals.requests as f64 / f64::from(DAY_S),
            day.day.peak(),
            options.devices,
            day.books.campaigns.len(),
            day.instances.most_at_once,
            day.instances.started,
            options.seed,
        )?;
        writeln!(
            f,
            "{} slots, {:.2} % filled, {:.2} % of them by house items; {:.2} % of requests drew a \
             campaign that had no lease; {:.3} % were served by a stale delivery, or none; {} marks",
            totals.slots,
            share(totals.filled, totals.slots),
            share(totals.house, totals.filled),
            share(totals.leaseless, totals.requests),
            share(totals.stale, totals.requests),
            totals.marks,
        )?;
        writeln!(f)?;
        self.budgets(f)?;
        writeln!(f)?;
        self.leases(f)?;
        writeln!(f)?;
        self.keys(f)?;
        writeln!(f)?;
        self.extras(f)?;
        writeln!(f)?;
        self.costs(f)
    }
}
