//! The published campaigns in the form that allocation reads: immutable, made once, outside of any
//! request.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::{
    ClickUrl, Id, Instant, Label, Locale, TimeZoneName,
    content::{
        Kind, LoadError,
        campaigns::{self, Budget, Cap, Consent, NoDevice, Pacing, Pricing, Sampling},
        load_artefact,
    },
    key_of,
    targeting::Matcher,
};

/// All campaigns of one version.
#[derive(Debug, Default)]
pub struct Snapshot {
    campaigns: Vec<Campaign>,
    by_key: HashMap<u64, usize>,
    placements: HashMap<Id, Placement>,
    placement_ids: HashMap<u64, Id>,
    asks_the_time: bool,
}

/// The campaigns of one placement, the best tier first.
#[derive(Debug, Default)]
pub(super) struct Placement {
    pub(super) campaigns: Vec<Tier>,
    pub(super) house: Vec<Tier>,
}

/// The campaigns of one tier, as their places in the snapshot.
#[derive(Debug)]
pub(super) struct Tier {
    number: u8,
    pub(super) members: Vec<usize>,
}

/// A campaign, ready to be held against a request.
#[derive(Debug)]
pub struct Campaign {
    /// Its id.
    pub id: Id,
    /// The id's 64-bit key, for tracking tokens.
    pub key: u64,
    /// Whose it is.
    pub advertiser: Label,
    /// What it is about.
    pub categories: Box<[Label]>,
    /// The first moment of its flight.
    pub starts_at: Instant,
    /// The first moment after its flight.
    pub ends_at: Option<Instant>,
    /// The zone of its days.
    pub time_zone: TimeZoneName,
    /// Its priority: a lower number goes first.
    pub tier: u8,
    /// Its share of the draws within its tier.
    pub weight: u32,
    /// Whether the user must have consented.
    pub consent: Consent,
    /// What to do for a device that does not say which it is; a house campaign serves it in any case.
    pub no_device: NoDevice,
    /// How often it may be seen by one device.
    pub caps: Box<[Cap]>,
    /// What may be spent on it.
    pub budget: Option<Budget>,
    /// How its budget is spread.
    pub pacing: Pacing,
    /// How one of its creatives is chosen.
    pub sampling: Sampling,
    /// Where a click leads.
    pub click_url: ClickUrl,
    /// What is shown.
    pub creatives: Box<[Creative]>,
    /// Whether it is shown only when nothing else is left.
    pub house: bool,
    pub(super) matcher: Matcher,
}

/// A creative.
#[derive(Debug)]
pub struct Creative {
    /// Its id.
    pub id: Id,
    /// The id's 64-bit key, for tracking tokens.
    pub key: u64,
    /// Its type.
    pub r#type: Label,
    /// Its share of the campaign's showings.
    pub weight: u32,
    /// What the app needs to show it, as JSON text.
    pub assets: Box<RawValue>,
    /// Shown to readers of this language only.
    pub locale: Option<Locale>,
}

/// What one mark of a campaign costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// What is paid for; `None` for a campaign without a budget.
    pub pricing: Option<Pricing>,
    /// The price in micros.
    pub micros: u64,
}

impl Snapshot {
    /// Loads an artefact of the kind `campaigns`.
    ///
    /// # Errors
    /// When the format is unknown or the bytes are not of it.
    pub fn load(format: u16, artefact: &[u8]) -> Result<Self, LoadError> {
        let items = load_artefact::<campaigns::Campaign>(Kind::Campaigns, format, artefact)?;
        let mut snapshot = Self::default();
        for (id, item) in items {
            snapshot.add(id, item)?;
        }
        for placement in snapshot.placements.values_mut() {
            placement.campaigns.sort_by_key(|tier| tier.number);
            placement.house.sort_by_key(|tier| tier.number);
        }
        Ok(snapshot)
    }

    /// How many campaigns there are.
    pub fn len(&self) -> usize {
        self.campaigns.len()
    }

    /// Whether there is no campaign.
    pub fn is_empty(&self) -> bool {
        self.campaigns.is_empty()
    }

    /// All campaigns, in the order of their ids.
    pub fn campaigns(&self) -> &[Campaign] {
        &self.campaigns
    }

    /// The campaign whose id has this key.
    pub fn campaign_by_key(&self, key: u64) -> Option<&Campaign> {
        self.campaigns.get(*self.by_key.get(&key)?)
    }

    /// The placement, of those any campaign names, whose id has this key.
    pub fn placement_by_key(&self, key: u64) -> Option<&Id> {
        self.placement_ids.get(&key)
    }

    /// Whether the targeting of any campaign looks at the device's clock or calendar.
    pub(super) fn asks_the_time(&self) -> bool {
        self.asks_the_time
    }

    pub(super) fn placement(&self, id: &Id) -> Option<&Placement> {
        self.placements.get(id)
    }

    fn add(&mut self, id: Id, item: campaigns::Campaign) -> Result<(), LoadError> {
        let place = self.campaigns.len();
        let key = key_of(&id);
        for placement in &item.placements {
            let placement_key = key_of(placement);
            self.placement_ids
                .entry(placement_key)
                .or_insert_with(|| placement.clone());
            let here = self.placements.entry(placement.clone()).or_default();
            let tiers = if item.house {
                &mut here.house
            } else {
                &mut here.campaigns
            };
            match tiers.iter_mut().find(|tier| tier.number == item.tier) {
                Some(tier) => tier.members.push(place),
                None => tiers.push(Tier {
                    number: item.tier,
                    members: vec![place],
                }),
            }
        }
        self.by_key.insert(key, place);
        let campaign = Campaign::new(id, key, item)?;
        self.asks_the_time |= campaign.matcher.asks_the_time();
        self.campaigns.push(campaign);
        Ok(())
    }
}

impl Campaign {
    fn new(id: Id, key: u64, item: campaigns::Campaign) -> Result<Self, LoadError> {
        let matcher = match &item.targeting {
            Some(targeting) => targeting.compile().map_err(|_| LoadError::Broken {
                kind: Kind::Campaigns,
                item: id.clone(),
            })?,
            None => Matcher::default(),
        };
        let creatives = item.creatives.into_iter().map(|creative| Creative {
            key: key_of(&creative.id),
            id: creative.id,
            r#type: creative.r#type,
            weight: creative.weight,
            assets: creative.assets.into_raw(),
            locale: creative.locale,
        });
        Ok(Self {
            id,
            key,
            advertiser: item.advertiser,
            categories: item.categories.unwrap_or_default().into(),
            starts_at: item.starts_at,
            ends_at: item.ends_at,
            time_zone: item.time_zone,
            tier: item.tier,
            weight: item.weight,
            consent: item.consent,
            no_device: item.no_device,
            caps: item.caps.into(),
            budget: item.budget,
            pacing: item.pacing,
            sampling: item.sampling,
            click_url: item.click_url,
            creatives: creatives.collect(),
            house: item.house,
            matcher,
        })
    }

    /// Whether its flight goes on at `now`.
    pub fn in_flight(&self, now: Instant) -> bool {
        self.starts_at <= now && self.ends_at.is_none_or(|end| now < end)
    }

    /// The creative whose id has this key.
    pub fn creative_by_key(&self, key: u64) -> Option<&Creative> {
        self.creatives.iter().find(|creative| creative.key == key)
    }

    /// What one mark costs.
    pub fn price(&self) -> Price {
        self.budget
            .as_ref()
            .map_or_else(Price::default, |budget| Price {
                pricing: Some(budget.pricing),
                micros: budget.price_micros.unwrap_or(0),
            })
    }
}
