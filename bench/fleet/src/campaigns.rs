//! The campaigns of the day: some of each kind, their budgets in proportion to the day's showings.

use anyhow::{Result, anyhow};
use domain::{
    Id, Instant,
    allocation::Snapshot,
    content::{Kind as ContentKind, compile, format},
};
use rand::{Rng, RngExt as _};
use serde_json::{Value, json};

/// What a kind of campaign is there to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A fifth of the day's showings, for one campaign.
    Whale,
    /// Impressions by the thousand, evenly over the day.
    Even,
    /// Impressions by number and day, as soon as possible; every other one turns its day in UTC.
    Asap,
    /// Clicks, evenly.
    Clicks,
    /// Conversions, evenly.
    Conversions,
    /// Flights of a few hours.
    Short,
    /// A hundred impressions or a thousand.
    Tiny,
    /// No budget, and caps of every scope and period.
    Capped,
    /// No budget, no caps.
    Free,
    /// What is left.
    House,
}

impl Kind {
    pub(crate) const ALL: [Self; 10] = [
        Self::Whale,
        Self::Even,
        Self::Asap,
        Self::Clicks,
        Self::Conversions,
        Self::Short,
        Self::Tiny,
        Self::Capped,
        Self::Free,
        Self::House,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Whale => "whale",
            Self::Even => "even cpm",
            Self::Asap => "asap daily",
            Self::Clicks => "even cpc",
            Self::Conversions => "even cpa",
            Self::Short => "short flight",
            Self::Tiny => "tiny",
            Self::Capped => "capped",
            Self::Free => "free",
            Self::House => "house",
        }
    }

    /// How many there are.
    const fn many(self) -> u32 {
        match self {
            Self::Whale => 1,
            Self::Even => 80,
            Self::Asap => 20,
            Self::Clicks => 30,
            Self::Conversions => 5,
            Self::Short => 20,
            Self::Tiny => 40,
            Self::Capped => 40,
            Self::Free => 30,
            Self::House => 2,
        }
    }

    /// The share of the day's showings that its campaigns together are meant to have.
    const fn share(self) -> f64 {
        match self {
            Self::Whale => 0.20,
            Self::Even => 0.20,
            Self::Asap => 0.08,
            Self::Clicks => 0.10,
            Self::Conversions => 0.03,
            Self::Short => 0.05,
            Self::Tiny | Self::Capped | Self::Free | Self::House => 0.0,
        }
    }

    /// The kind of a campaign by its id.
    pub(crate) fn of(id: &str) -> Option<Self> {
        let name = id.rsplit_once('-')?.0.replace('-', " ");
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The placements, with the share of requests that ask for each and how many slots they have.
pub(crate) const PLACEMENTS: [(&str, f64, u8); 2] = [("lock-screen", 0.7, 1), ("feed", 0.3, 2)];

/// Clicks of an impression, and conversions of a click.
pub(crate) const CLICKED: f64 = 0.01;
pub(crate) const CONVERTED: f64 = 0.08;

/// Slots that a request asks for, on average.
pub(crate) fn slots_per_request() -> f64 {
    PLACEMENTS
        .iter()
        .map(|(_, share, slots)| share * f64::from(*slots))
        .sum()
}

/// Makes the campaigns of a day that begins at `start`, published before it. `showings` is what the
/// day will bring.
pub(crate) fn snapshot(start: Instant, showings: f64, rng: &mut impl Rng) -> Result<Snapshot> {
    let mut items: Vec<(Id, Value)> = Vec::new();
    for kind in Kind::ALL {
        for number in 0..kind.many() {
            let id = format!("{}-{number:03}", kind.name().replace(' ', "-"));
            let campaign = campaign(kind, number, start, showings, rng);
            items.push((id.parse()?, campaign));
        }
    }
    items.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    let artefact =
        compile(ContentKind::Campaigns, &items).map_err(|faults| anyhow!("{faults:?}"))?;
    Ok(Snapshot::load(format(ContentKind::Campaigns), &artefact)?)
}

fn campaign(kind: Kind, number: u32, start: Instant, showings: f64, rng: &mut impl Rng) -> Value {
    let after = |hours: f64| start + std::time::Duration::from_secs_f64(3600.0 * hours);
    let each = showings * kind.share() / f64::from(kind.many());
    // Some are larger than others.
    let each = if kind == Kind::Whale {
        each
    } else {
        each * rng.random_range(0.4..1.6)
    };
    let units = |per_impression: f64| (each * per_impression).round().max(1.0) as u64;
    let mut tier = 10;
    let mut weight = (each / showings * 5e4).round().clamp(10.0, 10_000.0);
    let yesterday = start - std::time::Duration::from_secs(24 * 3600);
    let mut flight = (yesterday, Some(after(24.0)));
    let mut pacing = "even";
    let mut zone = "Asia/Seoul";
    let mut advertiser = format!("{}-{}", kind.name().replace(' ', "-"), number / 4);
    let mut caps = Vec::new();
    let mut budget = Value::Null;
    match kind {
        Kind::Whale => {
            let price = 2_000_000;
            let daily = units(1.0) * price / 1000;
            budget = json!({"pricing": "cpm", "price_micros": price, "daily": daily,
                "total": daily * 5});
            flight.1 = Some(after(24.0 * 5.0));
            caps.push(cap("campaign", "day", 20));
        }
        Kind::Even => {
            let price = 1_500_000;
            budget = json!({"pricing": "cpm", "price_micros": price,
                "total": units(1.0) * price / 1000});
            flight.0 = start;
            if number.is_multiple_of(2) {
                caps.push(cap("campaign", "day", 5));
            }
            if number.is_multiple_of(8) {
                caps.push(cap("advertiser", "hour", 4));
            }
        }
        Kind::Asap => {
            pacing = "asap";
            weight *= 6.0;
            // Two of its days are in the simulated one.
            let utc = number.is_multiple_of(2);
            let daily = if utc { units(0.5) } else { units(1.0) };
            budget = json!({"pricing": "impressions", "daily": daily});
            zone = if utc { "UTC" } else { zone };
            flight.1 = None;
            caps.push(cap("campaign", "day", 3));
        }
        Kind::Clicks => {
            let price = 300_000;
            budget = json!({"pricing": "cpc", "price_micros": price,
                "daily": units(CLICKED) * price});
        }
        Kind::Conversions => {
            let price = 4_000_000;
            budget = json!({"pricing": "cpa", "price_micros": price,
                "daily": units(CLICKED * CONVERTED) * price});
        }
        Kind::Short => {
            let begins = rng.random_range(7.0..19.0);
            flight = (
                after(begins),
                Some(after(begins + rng.random_range(1.0..4.0))),
            );
            weight *= 6.0;
            budget = json!({"pricing": "impressions", "total": units(1.0)});
        }
        Kind::Tiny => {
            tier = 5;
            pacing = if number.is_multiple_of(2) {
                "asap"
            } else {
                "even"
            };
            weight = 20.0;
            flight.0 = start;
            let total = if number.is_multiple_of(4) { 1_000 } else { 100 };
            budget = json!({"pricing": "impressions", "total": total});
        }
        Kind::Capped => {
            tier = 20;
            zone = if number.is_multiple_of(2) {
                "UTC"
            } else {
                zone
            };
            advertiser = format!("capped-{}", number / 8);
            caps = match number % 4 {
                0 => vec![cap("campaign", "day", 3), cap("campaign", "hour", 1)],
                1 => vec![cap("creative", "day", 2), cap("campaign", "lifetime", 5)],
                2 => vec![cap("advertiser", "day", 6), cap("campaign", "minute", 1)],
                _ => vec![cap("campaign", "day", 4)],
            };
        }
        Kind::Free => tier = 50,
        Kind::House => {}
    }
    let mut campaign = json!({
        "advertiser": advertiser,
        "name": kind.name(),
        "starts_at": flight.0,
        "time_zone": zone,
        "tier": tier,
        "weight": weight.clamp(1.0, 10_000.0) as u32,
        "placements": PLACEMENTS.map(|(placement, ..)| placement),
        "types": ["image"],
        "consent": "not_required",
        "no_device": "skip",
        "caps": caps,
        "pacing": pacing,
        "sampling": "weighted",
        "click_url": "https://shop.example/",
        "creatives": [
            {"id": "red", "type": "image", "weight": 2, "assets": {}},
            {"id": "blue", "type": "image", "weight": 1, "assets": {}},
        ],
        "house": kind == Kind::House,
    });
    if let Some(end) = flight.1 {
        campaign["ends_at"] = json!(end);
    }
    if !budget.is_null() {
        campaign["budget"] = budget;
    }
    if matches!(kind, Kind::Even | Kind::Clicks | Kind::Capped) {
        campaign["targeting"] = match number % 4 {
            0 => json!({"all": [{"field": "gender", "in": ["female"]}]}),
            1 => json!({"all": [{"field": "platform", "in": ["android"]}]}),
            2 => json!({"all": [{"field": "age", "gte": 18, "lt": 45}]}),
            _ => json!({"all": [{"field": "interests", "any_of": ["games", "travel"]}]}),
        };
    }
    campaign
}

fn cap(scope: &str, per: &str, max: u32) -> Value {
    json!({"scope": scope, "per": per, "max": max})
}

/// Bodies of requests, of different people; each asks for the placement at its place.
pub(crate) fn audience(rng: &mut impl Rng) -> Vec<[Value; PLACEMENTS.len()]> {
    const INTERESTS: [&str; 5] = ["games", "travel", "food", "music", "sport"];
    let mut people = Vec::new();
    for number in 0..64 {
        let platform = if number % 10 < 7 { "android" } else { "ios" };
        let gender = if rng.random() { "female" } else { "male" };
        let first = rng.random_range(0..INTERESTS.len());
        let second = rng.random_range(0..INTERESTS.len());
        let birth_year = rng.random_range(1955..2010);
        people.push(PLACEMENTS.map(|(placement, _, slots)| {
            json!({
                "placements": [{"id": placement, "count": slots}],
                "device": {"id": "simulated-device-0001", "platform": platform, "app_version": "3.2.1",
                    "country": "KR", "locale": "ko-KR"},
                "user": {"birth_year": birth_year, "gender": gender},
                "interests": if first == second { json!([INTERESTS[first]]) } else {
                    json!([INTERESTS[first], INTERESTS[second]])
                },
            })
        }));
    }
    people
}

#[cfg(test)]
mod tests {
    use domain::pacing::Terms;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn every_campaign_is_valid_and_of_the_kind_that_its_id_says() {
        let start = "2026-03-01T15:00:00Z".parse().unwrap();
        let snapshot = snapshot(start, 1e6, &mut StdRng::seed_from_u64(1)).unwrap();
        for kind in Kind::ALL {
            let of_kind = |id: &str| Kind::of(id) == Some(kind);
            let many = snapshot.campaigns().filter(|it| of_kind(it.id)).count();
            assert_eq!(many, kind.many() as usize, "{}", kind.name());
        }
        let whale = snapshot
            .campaigns()
            .find(|it| Kind::of(it.id) == Some(Kind::Whale))
            .unwrap();
        let terms = Terms::of(whale.key, whale.budget.unwrap(), whale.time_zone).unwrap();
        assert_eq!(terms.daily, Some(200_000));
    }

    #[test]
    fn requests_can_be_read() {
        for person in audience(&mut StdRng::seed_from_u64(1)) {
            for request in person {
                serde_json::from_value::<domain::allocation::Request>(request).unwrap();
            }
        }
    }
}
