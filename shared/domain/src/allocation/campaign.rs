//! A published campaign, as whoever allocates, counts or reports sees it: a view into the
//! [`Snapshot`], cheap to make and to copy.

use std::fmt;

use serde_json::value::RawValue;

use super::snapshot::{CreativeRow, Row, Snapshot};
use crate::{
    Instant, Label, Locale, TimeZoneName,
    content::campaigns::{
        Budget, Cap, Consent, ConversionsAfter, NoDevice, Pacing, Pricing, Sampling,
    },
};

/// A campaign of a snapshot.
#[derive(Clone, Copy)]
pub struct Campaign<'s> {
    /// Its id.
    pub id: &'s str,
    /// The id's 64-bit key, for tracking tokens.
    pub key: u64,
    /// Whose it is.
    pub advertiser: &'s Label,
    /// The advertiser's 64-bit key, for caps.
    pub advertiser_key: u64,
    /// The first moment of its flight.
    pub starts_at: Instant,
    /// The first moment after its flight.
    pub ends_at: Option<Instant>,
    /// The zone of its days.
    pub time_zone: &'s TimeZoneName,
    /// Its priority: a lower number goes first.
    pub tier: u8,
    /// Its share of the draws within its tier.
    pub weight: u32,
    /// Whether the user must have consented.
    pub consent: Consent,
    /// What to do for a device that does not say which it is; a house campaign serves it in any case.
    pub no_device: NoDevice,
    /// How often it may be seen by one device.
    pub caps: &'s [Cap],
    /// What may be spent on it.
    pub budget: Option<&'s Budget>,
    /// How its budget is spread.
    pub pacing: Pacing,
    /// How one of its creatives is chosen.
    pub sampling: Sampling,
    /// What must have happened before a conversion counts.
    pub conversions_after: ConversionsAfter,
    /// Where a click leads: an http or https URL.
    pub click_url: &'s str,
    /// Whether it is shown only when nothing else is left.
    pub house: bool,
    pub(super) snapshot: &'s Snapshot,
    pub(super) row: &'s Row,
}

/// A creative of a campaign.
#[derive(Clone, Copy)]
pub struct Creative<'s> {
    /// Its id.
    pub id: &'s str,
    /// The id's 64-bit key, for tracking tokens.
    pub key: u64,
    /// Its type.
    pub r#type: &'s Label,
    /// Its share of the campaign's showings.
    pub weight: u32,
    /// Shown to readers of this language only.
    pub locale: Option<&'s Locale>,
    assets: &'s str,
}

/// What one mark of a campaign costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// What is paid for; `None` for a campaign without a budget.
    pub pricing: Option<Pricing>,
    /// The price in micros.
    pub micros: u64,
}

impl<'s> Campaign<'s> {
    /// What it is about.
    pub fn categories(&self) -> impl Iterator<Item = &'s Label> + use<'s> {
        let snapshot = self.snapshot;
        let categories = snapshot.categories(self.row).iter();
        categories.filter_map(|label| snapshot.label(*label))
    }

    /// What is shown.
    pub fn creatives(&self) -> impl Iterator<Item = Creative<'s>> + use<'s> {
        let snapshot = self.snapshot;
        let creatives = snapshot.creatives(self.row).iter();
        creatives.filter_map(|row| Creative::new(snapshot, row))
    }

    /// The creative whose id has this key.
    pub fn creative_by_key(&self, key: u64) -> Option<Creative<'s>> {
        let mut creatives = self.snapshot.creatives(self.row).iter();
        let row = creatives.find(|creative| creative.key == key)?;
        Creative::new(self.snapshot, row)
    }

    /// Whether its flight goes on at `now`.
    pub fn in_flight(&self, now: Instant) -> bool {
        self.row.in_flight(now)
    }

    /// What one mark costs.
    pub fn price(&self) -> Price {
        self.budget.map_or_else(Price::default, |budget| Price {
            pricing: Some(budget.pricing),
            micros: budget.price_micros.unwrap_or(0),
        })
    }
}

impl fmt::Debug for Campaign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Campaign").field(&self.id).finish()
    }
}

impl<'s> Creative<'s> {
    pub(super) fn new(snapshot: &'s Snapshot, row: &CreativeRow) -> Option<Self> {
        let (id, assets) = snapshot.creative_texts(row)?;
        Some(Self {
            id,
            key: row.key,
            r#type: snapshot.label(row.r#type)?,
            weight: row.weight.into(),
            locale: snapshot.locale(row),
            assets,
        })
    }

    /// What the app needs to show it, as JSON text.
    pub fn assets(&self) -> &'s RawValue {
        // It was checked when the snapshot was loaded.
        serde_json::from_str(self.assets).unwrap_or(RawValue::NULL)
    }
}

impl fmt::Debug for Creative<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Creative").field(&self.id).finish()
    }
}
