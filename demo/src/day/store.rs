//! What is published for the day: one campaign for each thing to be seen at work, and house items.

use domain::Instant;
use serde_json::{Value, json};

/// A campaign of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Line {
    /// A daily budget, spread over the day.
    Even,
    /// The same budget, as soon as possible.
    Asap,
    /// A total budget in money that does not last the day.
    Cpm,
    /// Twice a day for each device.
    Capped,
    /// Three creatives, and the stack finds out which is clicked.
    Learner,
    /// What fills the rest.
    House,
}

/// What each device may be shown of the capped campaign.
pub(crate) const CAP: u32 = 2;

/// The learner's creatives and how often each is clicked, in truth.
pub(crate) const CREATIVES: [(&str, f64); 3] = [("plain", 0.005), ("better", 0.01), ("best", 0.03)];

/// What a thousand impressions of the campaign with a budget in money cost, in micros.
const CPM_MICROS: u64 = 2_000_000;

/// Where something is shown, and how many slots there are in a visit.
pub(crate) const PLACEMENTS: [(&str, u8); 4] =
    [("first", 1), ("second", 1), ("third", 1), ("fourth", 1)];

/// Slots of a visit.
pub(crate) const SLOTS: u32 = 4;

/// The budgets, in impressions, for a day of so many visits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budgets {
    /// Of the even one a day, and of the other.
    pub(crate) daily: u64,
    /// Of the one in money, in all.
    pub(crate) total: u64,
}

impl Budgets {
    /// A third of the visits: few enough to go out evenly through the night. And half of
    /// them in money, which lasts until the afternoon.
    pub(crate) const fn of(visits: usize) -> Self {
        let visits = visits as u64;
        Self {
            daily: visits * 7 / 20,
            total: visits / 2,
        }
    }

    /// The total budget in money.
    pub(crate) const fn total_micros(&self) -> u64 {
        self.total * CPM_MICROS / 1_000
    }
}

impl Line {
    pub(crate) const ALL: [Self; 6] = [
        Self::Even,
        Self::Asap,
        Self::Cpm,
        Self::Capped,
        Self::Learner,
        Self::House,
    ];

    /// The campaign's id.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::Asap => "asap",
            Self::Cpm => "cpm",
            Self::Capped => "capped",
            Self::Learner => "learner",
            Self::House => "house",
        }
    }

    /// The campaign with this id.
    pub(crate) fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|line| line.id() == id)
    }

    /// Its document, for the day from `starts_at` to `ends_at`.
    pub(crate) fn document(self, budgets: Budgets, starts_at: Instant, ends_at: Instant) -> Value {
        let mut document = json!({
            "id": self.id(),
            "advertiser": "day",
            "name": self.id(),
            "starts_at": starts_at.to_string(),
            "ends_at": ends_at.to_string(),
            "tier": 10,
            "weight": 100,
            "placements": [],
            "types": ["image"],
            "consent": "not_required",
            "no_device": "skip",
            "caps": [],
            "pacing": "asap",
            "sampling": "weighted",
            "click_url": format!("https://shop.example/{}", self.id()),
            "creatives": [creative(self.id())],
            "house": false,
        });
        let special = match self {
            Self::Even => json!({
                "placements": ["first"], "pacing": "even",
                "budget": { "pricing": "impressions", "daily": budgets.daily },
            }),
            Self::Asap => json!({
                "placements": ["second"],
                "budget": { "pricing": "impressions", "daily": budgets.daily },
            }),
            Self::Cpm => json!({
                "placements": ["third"],
                "budget": {
                    "pricing": "cpm", "price_micros": CPM_MICROS, "total": budgets.total_micros(),
                },
            }),
            Self::Capped => json!({
                "placements": ["fourth"],
                "caps": [{ "scope": "campaign", "per": "day", "max": CAP }],
            }),
            Self::Learner => json!({
                "placements": ["fourth"], "tier": 20, "sampling": "thompson",
                "creatives": CREATIVES.map(|(id, _)| creative(id)),
            }),
            Self::House => json!({
                "placements": PLACEMENTS.map(|(id, _)| id), "no_device": "serve", "house": true,
            }),
        };
        if let (Some(document), Value::Object(special)) = (document.as_object_mut(), special) {
            document.extend(special);
        }
        document
    }
}

fn creative(id: &str) -> Value {
    json!({
        "id": id, "type": "image", "weight": 1,
        "assets": { "image_url": format!("https://shop.example/{id}.webp") },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_are_what_the_product_accepts() {
        let [start, end]: [Instant; 2] =
            ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"].map(|text| text.parse().unwrap());
        for line in Line::ALL {
            let mut document = line.document(Budgets::of(10_000), start, end);
            document.as_object_mut().unwrap().remove("id");
            let checked = domain::content::check_item(
                domain::content::Kind::Campaigns,
                document.to_string().as_bytes(),
            );
            assert!(checked.is_ok(), "{line:?} {checked:?}");
            assert_eq!(Line::of(line.id()), Some(line));
        }
        assert_eq!(Line::of("summer-sale"), None);
    }

    #[test]
    fn the_budget_in_money_buys_as_many_impressions_as_it_says() {
        let budgets = Budgets::of(10_000);
        assert_eq!((budgets.daily, budgets.total), (3_500, 5_000));
        assert_eq!(budgets.total_micros(), 10_000_000);
    }
}
