//! The day, second by second: requests meet instances, instances meet deliveries and leases, marks
//! come in, and the workers run every minute.
//!
//! What is pure is the product's own code: the choice of campaigns (`domain::allocation` over a
//! [`Lineup`]), caps, pacing. What talks to DynamoDB is modelled: see `budgets`, `devices`, `roll_up`.

use std::{collections::HashSet, sync::Arc, time::Duration};

use anyhow::Result;
use domain::{
    Instant,
    allocation::{Lineup, Request, Snapshot},
    pacing::Curve,
};
use rand::{SeedableRng as _, rngs::StdRng};

use crate::{
    books::Books,
    budgets::{AGE_LIMIT, Budgets},
    campaigns::{self, slots_per_request},
    cost::Used,
    devices::Devices,
    instances::Instances,
    marks::OnTheirWay,
    meter::Meter,
    options::Options,
    pacing::Worker,
    roll_up::RollUp,
    traffic::{Activity, DAY_S, Day},
};

/// Midnight in Seoul, where most of the campaigns' days begin.
const START: &str = "2026-03-01T15:00:00Z";

/// Marks come in for so long after the last request, and leases lapse.
const AFTERWARDS_S: u32 = 2 * 3600;

/// The pacing worker runs so many seconds after the roll-up begins, which has not ended by then.
const PACING_AT_S: u32 = 10;

/// How long a transaction is under way: another on the same item meanwhile fails, and is tried again.
pub(crate) const TRANSACTION_S: f64 = 0.01;

/// The day, and everything in it.
pub(crate) struct Simulation {
    pub(crate) options: Options,
    pub(crate) start: Instant,
    pub(crate) day: Day,
    pub(crate) activity: Activity,
    pub(crate) people: Vec<Vec<Request>>,
    snapshot: Arc<Snapshot>,
    pub(crate) books: Books,
    pub(crate) budgets: Budgets,
    pub(crate) devices: Devices,
    pub(crate) instances: Instances,
    pub(crate) on_their_way: OnTheirWay,
    worker: Worker,
    pub(crate) roll_up: RollUp,
    /// All deliveries; the first knows nothing.
    pub(crate) lineups: Vec<Lineup>,
    /// Which instance of `track` has entered which bucket in this minute.
    pub(crate) entered: HashSet<(u32, u16, u32)>,
    pub(crate) meter: Meter,
    pub(crate) totals: Totals,
    pub(crate) rng: StdRng,
}

/// What the day came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) requests: u64,
    pub(crate) slots: u64,
    pub(crate) filled: u64,
    /// By a house item.
    pub(crate) house: u64,
    /// Requests that a campaign was drawn for but had no lease.
    pub(crate) leaseless: u64,
    /// Draws that met a cap.
    pub(crate) capped: u64,
    /// Requests that were served by a delivery past its age limit, or by none.
    pub(crate) stale: u64,
    pub(crate) marks: u64,
    pub(crate) mark_calls: f64,
    pub(crate) content_heads: u64,
    pub(crate) delivery_heads: u64,
    pub(crate) tallies: u64,
    /// Heads that instances of `track` look for.
    pub(crate) track_heads: f64,
    pub(crate) gets: u64,
    pub(crate) puts: u64,
    pub(crate) runs: u64,
    pub(crate) track_instances: f64,
}

impl Simulation {
    /// A day that has not begun.
    pub(crate) fn new(options: Options) -> Result<Self> {
        let mut rng = StdRng::seed_from_u64(options.seed);
        let start: Instant = START.parse()?;
        let day = Day::of(options.requests);
        let showings = options.requests as f64 * slots_per_request() * 0.85;
        let snapshot = Arc::new(campaigns::snapshot(start, showings, &mut rng)?);
        let books = Books::open(&snapshot, start, (DAY_S + AFTERWARDS_S) / 60);
        let mut people = Vec::new();
        for person in campaigns::audience(&mut rng) {
            let requests = person.into_iter().map(serde_json::from_value);
            people.push(requests.collect::<Result<_, _>>()?);
        }
        let count = books.campaigns.len();
        let nothing = Lineup::new(Arc::clone(&snapshot), Arc::default(), AGE_LIMIT, start);
        Ok(Self {
            start,
            worker: Worker::new(curve(&day, start), count, start),
            activity: Activity::of(options.devices),
            people,
            snapshot,
            budgets: Budgets::new(count),
            devices: Devices::new(options.devices, start),
            instances: Instances::new(options.placement, options.instances),
            on_their_way: OnTheirWay::new(start, DAY_S + AFTERWARDS_S),
            roll_up: RollUp::default(),
            lineups: vec![nothing],
            entered: HashSet::new(),
            meter: Meter::default(),
            totals: Totals::default(),
            books,
            day,
            options,
            rng,
        })
    }

    /// Lets the day go by, and what is left of it.
    pub(crate) fn run(&mut self) {
        for second in 0..DAY_S + AFTERWARDS_S {
            let now = self.start + Duration::from_secs(second.into());
            if second.is_multiple_of(60) {
                self.minute(second, now);
            }
            if second % 60 == PACING_AT_S {
                self.pace(second, now);
            }
            if second < DAY_S {
                for millis in self.day.arrivals(second, &mut self.rng) {
                    let millis = Duration::from_millis(millis.into());
                    self.request(now + millis);
                }
            }
            self.marks(second, now);
            self.meter.turn();
        }
    }

    /// The end of the simulated day's requests.
    pub(crate) fn end(&self) -> Instant {
        self.start + Duration::from_secs(DAY_S.into())
    }

    /// What is paid for.
    pub(crate) fn used(&self) -> Used {
        let (read_units, write_units) = self.meter.units();
        Used {
            allocations: self.totals.requests as f64,
            tracked: self.totals.mark_calls,
            starts: self.instances.started as f64 + self.totals.track_instances,
            runs: self.totals.runs as f64,
            read_units,
            write_units,
            gets: self.totals.gets as f64,
            puts: self.totals.puts as f64,
            seconds: f64::from(DAY_S),
        }
    }

    fn minute(&mut self, second: u32, now: Instant) {
        let load = if second < DAY_S {
            self.day.rate(second) / self.day.peak()
        } else {
            0.0
        };
        self.instances.turn(
            load,
            now,
            &self.books.keys,
            &mut self.budgets,
            &mut self.meter,
            &mut self.rng,
        );
        self.worker.roll_up(&self.books, now);
        self.roll_up.run(&self.books.keys, &mut self.meter);
        self.entered.clear();
        self.totals.runs += 1;
    }

    fn pace(&mut self, second: u32, now: Instant) {
        let rate = self.day.rate(second % DAY_S);
        let traffic_per_minute = 60.0 * 1.3 * rate * slots_per_request();
        let last = &self.lineups[self.lineups.len() - 1];
        let delivery = self.worker.pace(
            &self.books,
            &mut self.budgets,
            last.delivery(),
            traffic_per_minute,
            now,
            &mut self.meter,
        );
        let (snapshot, delivery) = (Arc::clone(&self.snapshot), Arc::new(delivery));
        self.lineups
            .push(Lineup::new(snapshot, delivery, AGE_LIMIT, now));
        self.worker
            .settle(&self.books, &mut self.budgets, now, &mut self.meter);
        self.totals.runs += 1;
        self.totals.puts += 1;
        self.totals.gets += 1;
    }
}

/// The shape of the days before, as pacing knows it: by the hour in UTC.
fn curve(day: &Day, start: Instant) -> Curve {
    let first = (start.as_minutes() / 60 % 24) as usize;
    let mut hours = [0; 24];
    for (after, count) in day.hours().into_iter().enumerate() {
        hours[(first + after) % 24] = count as u64;
    }
    Curve::of(&[hours])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{instances::Placement, report::Report};

    fn day(placement: Placement, seed: u64) -> Simulation {
        let mut simulation = Simulation::new(Options {
            requests: 60_000,
            devices: 5_000,
            instances: 20,
            placement,
            seed,
        })
        .unwrap();
        simulation.run();
        simulation
    }

    #[test]
    fn nothing_is_billed_beyond_its_budget_and_nothing_counted_beyond_a_cap() {
        for placement in [Placement::Spread, Placement::Packed] {
            let simulation = day(placement, 1);
            for campaign in &simulation.books.campaigns {
                let planned = campaign.planned(simulation.start, simulation.end());
                let billed = campaign.billed();
                assert!(
                    planned.is_none_or(|planned| billed <= planned),
                    "{campaign:?}"
                );
                if let Some(terms) = campaign
                    .terms
                    .as_ref()
                    .filter(|it| it.pricing.is_by_impression())
                {
                    let limit = planned.unwrap_or(u64::MAX);
                    assert!(campaign.used() <= limit, "{terms:?}: {}", campaign.used());
                }
            }
            assert_eq!(simulation.devices.beyond, 0);
            let totals = simulation.totals;
            assert!(totals.filled > totals.slots * 9 / 10, "{totals:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_figures() {
        let figures = |seed| Report::of(&day(Placement::Spread, seed)).to_string();
        assert_eq!(figures(3), figures(3));
        assert_ne!(figures(3), figures(4));
    }
}
