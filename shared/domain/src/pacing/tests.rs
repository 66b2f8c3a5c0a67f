//! Simulated days: demand with a shape and with chance, impressions that are on their way for some
//! minutes, counts that are two minutes old, the pause before the first lease, and leases that keep to
//! the plan.

use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    TimeZoneName,
    content::campaigns::{Budget, Pricing},
};

/// How old the count is, in minutes.
const LAG_MIN: u32 = 2;

const EXPOSURE: Duration = Duration::from_secs(480);

/// A day as mobile traffic has it: quiet at night, busy in the evening (UTC hours).
const DAY: [u64; 24] = [
    60, 50, 45, 40, 38, 40, 42, 45, 50, 60, 70, 80, 75, 60, 40, 25, 15, 10, 8, 10, 20, 35, 50, 60,
];

/// A campaign and the world around it.
struct World {
    terms: Terms,
    pacing: Pacing,
    starts_at: Instant,
    ends_at: Option<Instant>,
    curve: Curve,
    traffic: Option<f64>,
    /// Units that a minute would bring if everything passed.
    demand: Box<dyn Fn(u32) -> f64>,
    rng: StdRng,
    passes: Passes,
    last: Option<Throttle>,
    /// Nothing goes out under leases before this minute.
    leases_from: u32,
    /// Up to when the account's allowance is used up.
    leased_to: Option<Instant>,
    given: u64,
    given_today: u64,
    /// Units by the minute in which they are counted.
    counted: Vec<u64>,
    first: u32,
}

impl World {
    fn new(daily: Option<u64>, total: Option<u64>, starts: &str, ends: Option<&str>) -> Self {
        let budget = Budget {
            pricing: Pricing::Impressions,
            price_micros: None,
            daily,
            total,
        };
        let starts_at: Instant = starts.parse().unwrap();
        let curve = Curve::of(&[DAY; 7]);
        Self {
            terms: Terms::of(1, &budget, &TimeZoneName::utc()).unwrap(),
            pacing: Pacing::Even,
            starts_at,
            ends_at: ends.map(|end| end.parse().unwrap()),
            curve,
            traffic: Some(2_000.0),
            demand: Box::new(move |minute| 400.0 * curve.at(Instant::from_minutes(minute))),
            rng: StdRng::seed_from_u64(7),
            passes: Passes::default(),
            last: None,
            leases_from: 0,
            leased_to: None,
            given: 0,
            given_today: 0,
            counted: vec![0; 3 * 1440],
            first: starts_at.as_minutes(),
        }
    }

    fn progress(&self, minute: u32) -> Progress {
        let end = minute.saturating_sub(LAG_MIN).max(self.first);
        let seen = &self.counted[..usize::try_from(end - self.first).unwrap()];
        let counts = |units: u64| Counted {
            impressions: units,
            ..Counted::default()
        };
        let as_of = Instant::from_minutes(end);
        let midnight = as_of.as_minutes() / 1440 * 1440;
        let of_today = midnight.saturating_sub(self.first);
        let today = seen.get(usize::try_from(of_today).unwrap()..);
        let recent = &seen[seen.len().saturating_sub(LOOK_BACK)..];
        Progress {
            as_of,
            total: counts(seen.iter().sum()),
            day: Day::of(as_of),
            today: counts(today.unwrap_or_default().iter().sum()),
            recent: Minutes {
                end,
                counts: recent
                    .iter()
                    .map(|it| u32::try_from(*it).unwrap())
                    .collect(),
            },
        }
    }

    /// Lets a minute go by.
    fn minute(&mut self, minute: u32) {
        let now = Instant::from_minutes(minute);
        if minute.is_multiple_of(1440) {
            self.given_today = 0;
        }
        let terms = match self.pacing {
            Pacing::Asap => self.terms.clone(),
            Pacing::Even => self.terms.clone().spread_over(Spread {
                starts_at: self.starts_at,
                ends_at: self.ends_at,
            }),
        };
        let step = step(
            &Situation {
                terms: &terms,
                pacing: self.pacing,
                starts_at: self.starts_at,
                ends_at: self.ends_at,
                progress: &self.progress(minute),
                passes: &self.passes,
                last: self.last,
            },
            &Surroundings {
                curve: &self.curve,
                traffic_per_minute: self.traffic,
                slots_per_minute: self.traffic,
                exposure: EXPOSURE,
                now,
            },
        );
        let was_open = self.last.is_some_and(|last| last.zone == Zone::Open);
        if was_open && step.throttle.zone != Zone::Open {
            self.leases_from = minute + 8 + LAG_MIN + 1;
        }
        self.last = Some(step.throttle);
        let out = self.ends_at.is_some_and(|end| end <= now);
        let waits = step.throttle.zone == Zone::Exact && minute < self.leases_from;
        let held = out || waits || step.throttle.zone == Zone::Spent;
        let pass = if held { 0.0 } else { step.throttle.pass };
        let is_exact = step.throttle.zone == Zone::Exact;
        match is_exact && !held && terms.spread.is_some() {
            true => self.passes.note_planned(minute),
            false => self.passes.note(minute, pass),
        }
        let mut units = poisson((self.demand)(minute) * f64::from(pass), &mut self.rng);
        if is_exact && !held {
            units = self.leased(&terms, units, now);
        }
        if is_exact {
            let left_of = |limit: Option<u64>, given| limit.map(|it| it.saturating_sub(given));
            let total = left_of(self.terms.total, self.given);
            let today = left_of(self.terms.daily, self.given_today);
            units = units
                .min(total.unwrap_or(u64::MAX))
                .min(today.unwrap_or(u64::MAX));
        }
        self.given += units;
        self.given_today += units;
        for _ in 0..units {
            let delay = match self.rng.random_range(0..20) {
                0..=15 => 0,
                16..=18 => 1,
                _ => 2,
            };
            let at = usize::try_from(minute - self.first + delay).unwrap();
            self.counted[at] += 1;
        }
    }

    /// Of the units that a minute would bring, those that its leases allow, one every second.
    fn leased(&mut self, terms: &Terms, wanted: u64, now: Instant) -> u64 {
        let mut leased = 0;
        for second in 0..60 {
            let now = now + Duration::from_secs(second);
            let used = Used {
                total: self.given + leased,
                today: self.given_today + leased,
            };
            let Some(allowance) = Allowance::of(terms, used, 1, self.leased_to, now) else {
                return wanted;
            };
            let units = allowance
                .units(now)
                .min(wanted.div_ceil(60))
                .min(wanted - leased);
            if units > 0 {
                self.leased_to = Some(allowance.after(units));
                leased += units;
            }
        }
        leased
    }

    fn run(&mut self, minutes: u32) -> &mut Self {
        for minute in self.first..self.first + minutes {
            self.minute(minute);
        }
        self
    }

    /// Units counted in each hour.
    fn hours(&self) -> Vec<u64> {
        self.counted
            .chunks(60)
            .map(|hour| hour.iter().sum())
            .collect()
    }

    fn sum(&self) -> u64 {
        self.counted.iter().sum()
    }
}

/// By Knuth's method; for many, by the normal distribution that it comes near to.
fn poisson(mean: f64, rng: &mut impl Rng) -> u64 {
    if mean <= 0.0 {
        return 0;
    }
    if mean > 50.0 {
        let (a, b): (f64, f64) = (rng.random(), rng.random());
        let normal = (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small"
        )]
        return (mean + mean.sqrt() * normal).round().max(0.0) as u64;
    }
    let (limit, mut product, mut count) = ((-mean).exp(), rng.random::<f64>(), 0);
    while product > limit {
        product *= rng.random::<f64>();
        count += 1;
    }
    count
}

/// How far some hours are from what the curve plans for them, as shares of it.
fn worst_hour(world: &World, hours: std::ops::Range<usize>, budget: f64) -> f64 {
    let end = world.ends_at.unwrap();
    let whole = world.curve.between(world.starts_at, end);
    let delivered = world.hours();
    let off = hours.map(|hour| {
        let from = world.starts_at + Duration::from_secs(3600 * u64::try_from(hour).unwrap());
        let weight = world.curve.between(from, from + Duration::from_secs(3600));
        let planned = budget * weight / whole;
        (f64::from(u32::try_from(delivered[hour]).unwrap()) - planned).abs() / planned
    });
    off.fold(0.0, f64::max)
}

#[test]
fn a_day_goes_out_by_the_hour_as_planned_and_to_its_end() {
    let mut world = World::new(
        None,
        Some(100_000),
        "2026-03-01T00:00:00Z",
        Some("2026-03-02T00:00:00Z"),
    );
    world.run(1440);
    let sum = world.sum();
    assert!((99_000..=100_000).contains(&sum), "{sum}");
    let off = worst_hour(&world, 1..23, 100_000.0);
    assert!(off < 0.06, "{off} off: {:?}", world.hours());
}

#[test]
fn a_flight_of_two_days_gives_each_its_share_and_a_daily_limit_holds_in_its_zone() {
    let mut world = World::new(
        Some(40_000),
        Some(100_000),
        "2026-03-01T00:00:00Z",
        Some("2026-03-03T00:00:00Z"),
    );
    world.run(2880);
    let hours = world.hours();
    let day: u64 = hours[..24].iter().sum();
    assert!((39_200..=40_000).contains(&day), "{day}: {hours:?}");
    let both = world.sum();
    assert!((78_400..=80_000).contains(&both), "{both}: {hours:?}");
}

#[test]
fn a_late_start_catches_up_within_its_flight() {
    let mut world = World::new(
        None,
        Some(60_000),
        "2026-03-01T00:00:00Z",
        Some("2026-03-01T12:00:00Z"),
    );
    // Nothing can be shown in the first three hours.
    let curve = world.curve;
    let first = world.first;
    world.demand = Box::new(move |minute| {
        let open = minute >= first + 180;
        400.0 * curve.at(Instant::from_minutes(minute)) * f64::from(u8::from(open))
    });
    world.run(720);
    let sum = world.sum();
    assert!(
        (59_400..=60_000).contains(&sum),
        "{sum}: {:?}",
        world.hours()
    );
}

#[test]
fn a_republished_budget_is_spread_over_what_is_left() {
    let mut world = World::new(
        None,
        Some(60_000),
        "2026-03-01T00:00:00Z",
        Some("2026-03-02T00:00:00Z"),
    );
    world.run(720);
    let half = world.sum();
    world.terms.total = Some(120_000);
    for minute in world.first + 720..world.first + 1440 {
        world.minute(minute);
    }
    let sum = world.sum();
    assert!(half < 45_000, "{half}");
    assert!(
        (118_800..=120_000).contains(&sum),
        "{sum}: {:?}",
        world.hours()
    );

    // And one that is cut below what was delivered ends at once.
    let mut world = World::new(
        None,
        Some(60_000),
        "2026-03-01T00:00:00Z",
        Some("2026-03-02T00:00:00Z"),
    );
    world.run(720);
    let half = world.sum();
    world.terms.total = Some(half / 2);
    for minute in world.first + 720..world.first + 800 {
        world.minute(minute);
    }
    assert_eq!(world.last.unwrap().zone, Zone::Spent);
    assert!(world.sum() < half + 100, "what was on its way");
}

#[test]
fn a_burst_of_ten_times_the_demand_is_held_and_leaves_no_swing_behind() {
    let mut world = World::new(
        None,
        Some(100_000),
        "2026-03-01T00:00:00Z",
        Some("2026-03-02T00:00:00Z"),
    );
    let (curve, first) = (world.curve, world.first);
    world.demand = Box::new(move |minute| {
        let burst = (first + 300..first + 360).contains(&minute);
        let times = if burst { 10.0 } else { 1.0 };
        400.0 * times * curve.at(Instant::from_minutes(minute))
    });
    world.run(1440);
    let sum = world.sum();
    assert!((99_000..=100_000).contains(&sum), "{sum}");
    let hours = world.hours();
    let planned = 100_000.0
        * world
            .curve
            .at(world.starts_at + Duration::from_secs(5 * 3600))
        / 24.0;
    let in_burst = f64::from(u32::try_from(hours[5]).unwrap());
    assert!(
        in_burst < 2.5 * planned,
        "{in_burst} of {planned}: {hours:?}"
    );
    let off = worst_hour(&world, 8..23, 100_000.0);
    assert!(off < 0.15, "{off} off: {hours:?}");
}

#[test]
fn with_too_little_demand_everything_passes() {
    let mut world = World::new(
        None,
        Some(1_000_000_000),
        "2026-03-01T00:00:00Z",
        Some("2026-03-02T00:00:00Z"),
    );
    world.run(300);
    assert_eq!(world.last.unwrap(), Throttle::FREE);
}

#[test]
fn as_soon_as_possible_passes_everything_until_it_is_spent() {
    let mut world = World::new(
        None,
        Some(100_000),
        "2026-03-01T00:00:00Z",
        Some("2026-04-01T00:00:00Z"),
    );
    world.pacing = Pacing::Asap;
    world.run(400);
    assert_eq!(world.sum(), 100_000);
    assert_eq!(world.last.unwrap().zone, Zone::Spent);
}

#[test]
fn a_new_campaign_is_leased_until_it_is_known_how_fast_it_goes() {
    let mut world = World::new(
        None,
        Some(1_000),
        "2026-03-01T00:00:00Z",
        Some("2026-03-02T00:00:00Z"),
    );
    let zone = |world: &World| world.last.unwrap().zone;
    world.run(5);
    assert_eq!(zone(&world), Zone::Exact, "any of the traffic might be its");
    for minute in world.first + 5..world.first + 600 {
        world.minute(minute);
    }
    assert_eq!(zone(&world), Zone::Open, "about one a minute");
    for minute in world.first + 600..world.first + 1440 {
        world.minute(minute);
    }
    let sum = world.sum();
    assert!((990..=1_000).contains(&sum), "{sum}");
}

#[test]
fn of_a_stack_whose_traffic_is_not_known_everything_is_leased() {
    let mut world = World::new(None, Some(1_000_000), "2026-03-01T00:00:00Z", None);
    world.traffic = None;
    world.minute(world.first);
    assert_eq!(
        world.last.unwrap(),
        Throttle {
            pass: 1.0,
            zone: Zone::Exact
        }
    );
}

#[test]
fn clicks_are_leased_where_the_traffic_could_use_their_budget_up_unseen() {
    let ends = Some("2026-03-02T00:00:00Z");
    for (clicks, zone) in [(10, Zone::Exact), (10_000_000, Zone::Open)] {
        let mut world = World::new(None, Some(1), "2026-03-01T00:00:00Z", ends);
        world.terms.pricing = Pricing::Cpc;
        world.terms.price_micros = 1_000;
        world.terms.total = Some(clicks);
        world.minute(world.first);
        assert_eq!(world.last.unwrap().zone, zone, "{clicks}");
    }
}

#[test]
fn no_minute_of_a_new_campaign_brings_three_times_its_plan_whatever_the_demand() {
    for (total, demand) in [
        (20_000, 660.0),
        (20_000, 6_600.0),
        (14_400, 80.0),
        (2_880, 1e5),
    ] {
        let (start, end) = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z");
        let mut world = World::new(None, Some(total), start, Some(end));
        world.curve = Curve::UNIFORM;
        world.demand = Box::new(move |_| demand);
        // Nothing is known of the stack, and later all of it.
        world.traffic = None;
        world.run(15);
        assert_eq!(world.last.unwrap().zone, Zone::Exact, "{total} {demand}");
        world.traffic = Some(4.0 * demand);
        for minute in world.first + 15..world.first + 240 {
            world.minute(minute);
        }
        let minutes = &world.counted[..240];
        let plan = f64::from(u32::try_from(total).unwrap()) / 1440.0;
        let busiest = f64::from(u32::try_from(*minutes.iter().max().unwrap()).unwrap());
        // Of few units a minute chance makes more.
        let most = 3.0 * plan + 3.0 * plan.sqrt();
        assert!(
            busiest <= most,
            "{busiest} of {plan}, {demand}: {minutes:?}"
        );
        let first: u64 = minutes[..15].iter().sum();
        let first = f64::from(u32::try_from(first).unwrap());
        assert!(
            (13.0 * plan..=21.0 * plan).contains(&first),
            "{first} of {plan}"
        );
        let all = f64::from(u32::try_from(minutes.iter().sum::<u64>()).unwrap());
        assert!(
            (200.0 * plan..=270.0 * plan).contains(&all),
            "{all} of {plan}: {minutes:?}"
        );
    }
}

#[test]
fn what_was_counted_yesterday_uses_nothing_of_today() {
    let mut progress = Progress::none("2026-03-01T14:59:00Z".parse().unwrap());
    progress.today.impressions = 70;
    progress.total.impressions = 100;
    let mut terms = World::new(Some(100), None, "2026-03-01T00:00:00Z", None).terms;
    terms.zone = "Asia/Seoul".parse().unwrap();
    let used = |now: &str| progress.used(&terms, now.parse().unwrap());
    let (total, today) = (100, 70);
    assert_eq!(used("2026-03-01T14:59:59Z"), Used { total, today });
    // Midnight in Seoul.
    assert_eq!(used("2026-03-01T15:00:00Z"), Used { total, today: 0 });
}
