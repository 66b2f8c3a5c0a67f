//! Campaigns: what there is to show, to whom, when, and how often.

pub(crate) mod artefact;
mod rules;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ClickUrl, Id, Instant, Label, Locale, TimeZoneName, targeting::Targeting,
    validation::JsonObject,
};
use rules::{coherent, priced};

/// A campaign, or with `house` what is shown when no campaign is left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[garde(custom(coherent))]
#[schemars(rename = "CampaignItem")]
pub struct Campaign {
    /// Whose it is.
    pub advertiser: Label,
    /// What operators call it.
    #[garde(length(chars, min = 1, max = 200))]
    pub name: String,
    /// What it is about; requests may exclude categories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 100))]
    pub categories: Option<Vec<Label>>,
    /// The first moment of its flight.
    pub starts_at: Instant,
    /// The first moment after its flight; without it, it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Instant>,
    /// The zone of its days and hours, and of times written without an offset.
    #[serde(default)]
    pub time_zone: TimeZoneName,
    /// Its priority, 1 to 100: a lower number goes first.
    #[garde(range(min = 1, max = 100))]
    pub tier: u8,
    /// Its share of the draws within its tier, 1 to 10,000.
    #[garde(range(min = 1, max = 10_000))]
    pub weight: u32,
    /// Where it may be shown.
    #[garde(length(min = 1, max = 100))]
    pub placements: Vec<Id>,
    /// The types of its creatives.
    #[garde(length(min = 1, max = 100))]
    pub types: Vec<Label>,
    /// Who should see it; without it, everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub targeting: Option<Targeting>,
    /// Whether the user must have consented.
    pub consent: Consent,
    /// What to do for a device that does not say which it is; a house campaign serves it in any case.
    pub no_device: NoDevice,
    /// How often it may be seen by one device; each scope and period once.
    #[serde(default)]
    #[garde(length(max = 12), dive)]
    pub caps: Vec<Cap>,
    /// What may be spent on it; without it, anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub budget: Option<Budget>,
    /// How its budget is spread over its flight.
    pub pacing: Pacing,
    /// How one of its creatives is chosen.
    pub sampling: Sampling,
    /// What must have happened before a conversion counts; by default a click.
    #[serde(default, skip_serializing_if = "ConversionsAfter::is_default")]
    pub conversions_after: ConversionsAfter,
    /// Where a click leads. After its host, `{click_id}` is replaced by what tells the click from all
    /// others, however often it is sent (42 letters and digits), and `{device_hash}` by a hash of the
    /// device that is another one for each advertiser (32 hexadecimal digits; empty for a device without
    /// an id).
    pub click_url: ClickUrl,
    /// What is shown.
    #[garde(length(min = 1, max = 100), dive)]
    pub creatives: Vec<Creative>,
    /// Shown only when nothing else is left; has no budget and no caps.
    #[serde(default)]
    pub house: bool,
}

closed_set! {
    /// Whether a campaign may be shown without the user's consent.
    pub enum Consent {
        /// Only with consent.
        Required = "required",
        /// With or without.
        NotRequired = "not_required",
    }
}

closed_set! {
    /// What a campaign does for a device that does not say which it is.
    pub enum NoDevice {
        /// It is shown.
        Serve = "serve",
        /// It is not: its caps or its targeting need to know the device.
        Skip = "skip",
    }
}

closed_set! {
    /// What a cap counts.
    pub enum CapScope {
        /// Showings of one creative.
        Creative = "creative",
        /// Showings of the campaign.
        Campaign = "campaign",
        /// Showings of all campaigns of the advertiser.
        Advertiser = "advertiser",
    }
}

closed_set! {
    /// How long a cap counts before it begins anew.
    pub enum CapPeriod {
        /// A minute.
        Minute = "minute",
        /// An hour.
        Hour = "hour",
        /// A day in the campaign's zone.
        Day = "day",
        /// For ever.
        Lifetime = "lifetime",
    }
}

closed_set! {
    /// What is paid for.
    pub enum Pricing {
        /// A price for a thousand impressions.
        Cpm = "cpm",
        /// A price for each click.
        Cpc = "cpc",
        /// A price for each conversion.
        Cpa = "cpa",
        /// Paid for as a whole: single marks cost nothing.
        Flat = "flat",
        /// A number of impressions: the budget counts them, not money.
        Impressions = "impressions",
    }
}

impl Pricing {
    /// Whether impressions use a budget up, and not what comes of them.
    pub const fn is_by_impression(self) -> bool {
        matches!(self, Self::Cpm | Self::Impressions)
    }
}

closed_set! {
    /// How a budget is spread over a flight.
    pub enum Pacing {
        /// Evenly over the flight, and over each day where there is a daily budget: at most three
        /// times the plan in any minute. A total budget without a daily one needs `ends_at`.
        Even = "even",
        /// As soon as possible.
        Asap = "asap",
    }
}

closed_set! {
    /// How one of a campaign's creatives is chosen.
    pub enum Sampling {
        /// By the creatives' weights.
        Weighted = "weighted",
        /// By what is known of the creatives' success (Thompson sampling).
        Thompson = "thompson",
    }
}

closed_set! {
    /// What a device must have sent for a token before a conversion of the token counts.
    pub enum ConversionsAfter {
        /// A click.
        Click = "click",
        /// An impression or a click.
        Impression = "impression",
    }
}

#[expect(
    clippy::derivable_impls,
    reason = "the macro that defines closed sets marks no default"
)]
impl Default for ConversionsAfter {
    fn default() -> Self {
        Self::Click
    }
}

impl ConversionsAfter {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How often something may be seen by one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[schemars(rename = "FrequencyCap")]
pub struct Cap {
    /// What is counted.
    pub scope: CapScope,
    /// How long.
    pub per: CapPeriod,
    /// How often at most.
    #[garde(range(min = 1, max = 1_000_000))]
    pub max: u32,
}

/// What may be spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[garde(custom(priced))]
#[schemars(rename = "CampaignBudget")]
pub struct Budget {
    /// What is paid for.
    pub pricing: Pricing,
    /// The price in micros of the currency: of a thousand impressions, a click, a conversion; `cpm`,
    /// `cpc` and `cpa` need it. Of `flat`, the price of the whole campaign where there is neither a
    /// total nor a daily one. `daily` and `total` must buy at least one unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0, max = MOST_MICROS))]
    pub price_micros: Option<u64>,
    /// What may be spent in a day: micros of the currency; of `impressions`, their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = MOST_MICROS))]
    pub daily: Option<u64>,
    /// What may be spent at all, in the same unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = MOST_MICROS))]
    pub total: Option<u64>,
}

/// The largest sum, in micros: 10¹⁵, which any JSON reader keeps exactly.
const MOST_MICROS: u64 = 1_000_000_000_000_000;

/// Something to show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[schemars(rename = "CampaignCreative")]
pub struct Creative {
    /// Its id, unique in its campaign.
    pub id: Id,
    /// Its type, one of the campaign's.
    pub r#type: Label,
    /// Its share of the campaign's showings, 1 to 10,000.
    #[garde(range(min = 1, max = 10_000))]
    pub weight: u32,
    /// What the app needs to show it; handed on as it is.
    pub assets: JsonObject,
    /// Shown to readers of this language only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
}
