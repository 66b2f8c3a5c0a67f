//! Format 2 of the campaigns' artefact: compact, and read in one pass.
//!
//! The bytes are a sequence of values in the wire format of `postcard` (little-endian, lengths and
//! numbers as variable-length integers): the magic number, the [`Tables`] of what campaigns share,
//! how many campaigns there are, and for each a [`Record`] followed by its compiled targeting
//! ([`Matcher`]). Campaigns are in the order of their ids, tables in the order of their texts or of
//! their first use, so the same set gives the same bytes.
//!
//! A reader checks everything that it later relies on: places in tables, texts, the JSON of assets.
//! Whatever else the bytes say may be wrong, but is never out of bounds.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    Budget, Campaign, Cap, CapPeriod, CapScope, Consent, ConversionsAfter, NoDevice, Pacing,
    Pricing, Sampling,
};
use crate::{Id, targeting::Matcher};

/// What the bytes begin with.
const MAGIC: [u8; 4] = *b"MDC2";

/// The least that a campaign takes, in bytes: more of them than this allows is not believed.
const SMALLEST_CAMPAIGN: usize = 16;

/// What campaigns share, named by its place from here on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tables<'a> {
    /// Advertisers, categories and types of creatives, in order.
    #[serde(borrow)]
    pub(crate) labels: Vec<&'a str>,
    pub(crate) time_zones: Vec<&'a str>,
    pub(crate) placements: Vec<&'a str>,
    pub(crate) locales: Vec<&'a str>,
    /// Sets of caps; the first is empty.
    pub(crate) caps: Vec<Vec<Cap>>,
}

/// A campaign.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record<'a> {
    pub(crate) id: &'a str,
    pub(crate) advertiser: u32,
    pub(crate) categories: Vec<u32>,
    /// In milliseconds.
    pub(crate) starts_at: i64,
    /// In milliseconds.
    pub(crate) ends_at: Option<i64>,
    pub(crate) time_zone: u16,
    pub(crate) tier: u8,
    pub(crate) weight: u16,
    pub(crate) placements: Vec<u32>,
    pub(crate) flags: Flags,
    pub(crate) caps: u32,
    pub(crate) budget: Option<BudgetRecord>,
    pub(crate) click_url: &'a str,
    #[serde(borrow)]
    pub(crate) creatives: Vec<CreativeRecord<'a>>,
}

/// A creative.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CreativeRecord<'a> {
    pub(crate) id: &'a str,
    pub(crate) r#type: u32,
    pub(crate) weight: u16,
    /// JSON text.
    pub(crate) assets: &'a str,
    pub(crate) locale: Option<u16>,
}

/// A budget, with all its fields written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BudgetRecord(Pricing, Option<u64>, Option<u64>, Option<u64>);

/// The choices of a campaign that are one of two, as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flags(u8);

impl Flags {
    const CONSENT: u8 = 1;
    const SKIP: u8 = 1 << 1;
    const HOUSE: u8 = 1 << 2;
    const ASAP: u8 = 1 << 3;
    const THOMPSON: u8 = 1 << 4;
    const AFTER_IMPRESSION: u8 = 1 << 5;

    fn of(campaign: &Campaign) -> Self {
        let bit = |of: u8, set: bool| if set { of } else { 0 };
        Self(
            bit(Self::CONSENT, campaign.consent == Consent::Required)
                | bit(Self::SKIP, campaign.no_device == NoDevice::Skip)
                | bit(Self::HOUSE, campaign.house)
                | bit(Self::ASAP, campaign.pacing == Pacing::Asap)
                | bit(Self::THOMPSON, campaign.sampling == Sampling::Thompson)
                | bit(
                    Self::AFTER_IMPRESSION,
                    campaign.conversions_after == ConversionsAfter::Impression,
                ),
        )
    }

    const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    pub(crate) const fn consent(self) -> Consent {
        if self.has(Self::CONSENT) {
            Consent::Required
        } else {
            Consent::NotRequired
        }
    }

    pub(crate) const fn no_device(self) -> NoDevice {
        if self.has(Self::SKIP) {
            NoDevice::Skip
        } else {
            NoDevice::Serve
        }
    }

    pub(crate) const fn house(self) -> bool {
        self.has(Self::HOUSE)
    }

    pub(crate) const fn pacing(self) -> Pacing {
        if self.has(Self::ASAP) {
            Pacing::Asap
        } else {
            Pacing::Even
        }
    }

    pub(crate) const fn sampling(self) -> Sampling {
        if self.has(Self::THOMPSON) {
            Sampling::Thompson
        } else {
            Sampling::Weighted
        }
    }

    pub(crate) const fn conversions_after(self) -> ConversionsAfter {
        if self.has(Self::AFTER_IMPRESSION) {
            ConversionsAfter::Impression
        } else {
            ConversionsAfter::Click
        }
    }
}

impl BudgetRecord {
    fn of(budget: &Budget) -> Self {
        let Budget {
            pricing,
            price_micros,
            daily,
            total,
        } = *budget;
        Self(pricing, price_micros, daily, total)
    }

    pub(crate) const fn budget(&self) -> Budget {
        Budget {
            pricing: self.0,
            price_micros: self.1,
            daily: self.2,
            total: self.3,
        }
    }
}

/// Why bytes are not an artefact of this format, or campaigns do not go into one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Defect {
    #[error("it does not begin as this format does")]
    Magic,
    #[error(transparent)]
    Wire(#[from] postcard::Error),
    #[error("the {0} of a campaign is not right")]
    Value(&'static str),
    #[error("bytes are left at its end")]
    Trailing,
    #[error("it has more than {0} bytes")]
    TooLarge(usize),
}

/// What the campaigns of a set share, collected one campaign at a time.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    count: usize,
    labels: BTreeSet<String>,
    time_zones: BTreeSet<String>,
    placements: BTreeSet<String>,
    locales: BTreeSet<String>,
    /// Sets of caps, in the order of their first use.
    caps: Vec<Vec<Cap>>,
    caps_at: HashMap<CapsShape, usize>,
}

/// A set of caps in a form that can be looked up.
type CapsShape = Vec<(CapScope, CapPeriod, u32)>;

fn shape(caps: &[Cap]) -> CapsShape {
    let shapes = caps.iter().map(|cap| (cap.scope, cap.per, cap.max));
    shapes.collect()
}

impl Shared {
    /// Adds what one campaign uses.
    pub(crate) fn add(&mut self, campaign: &Campaign) {
        self.count += 1;
        let topics = campaign.categories.iter().flatten();
        let types = campaign.creatives.iter().map(|creative| &creative.r#type);
        for label in topics.chain([&campaign.advertiser]).chain(types) {
            insert(&mut self.labels, label);
        }
        insert(&mut self.time_zones, campaign.time_zone.as_str());
        for placement in &campaign.placements {
            insert(&mut self.placements, placement);
        }
        let locales = campaign.creatives.iter().filter_map(|c| c.locale.as_ref());
        for locale in locales {
            insert(&mut self.locales, locale.as_str());
        }
        // The first set is empty; its place is 0.
        if !campaign.caps.is_empty() {
            let caps = &mut self.caps;
            self.caps_at
                .entry(shape(&campaign.caps))
                .or_insert_with(|| {
                    caps.push(campaign.caps.clone());
                    caps.len()
                });
        }
    }
}

impl Shared {
    /// Returns the bytes that come before the campaigns.
    fn head(&self) -> Result<Vec<u8>, Defect> {
        fn texts(texts: &BTreeSet<String>) -> Vec<&str> {
            texts.iter().map(String::as_str).collect()
        }
        let none = std::iter::once(Vec::new());
        let tables = Tables {
            labels: texts(&self.labels),
            time_zones: texts(&self.time_zones),
            placements: texts(&self.placements),
            locales: texts(&self.locales),
            caps: none.chain(self.caps.iter().cloned()).collect(),
        };
        let bytes = postcard::to_extend(&tables, MAGIC.to_vec())?;
        Ok(postcard::to_extend(&self.count, bytes)?)
    }
}

fn insert(texts: &mut BTreeSet<String>, text: &str) {
    if !texts.contains(text) {
        texts.insert(text.to_owned());
    }
}

/// Writes an artefact of limited size, one campaign after the other in the order of their ids.
pub(crate) struct Writer<'a> {
    places: Places<'a>,
    bytes: Vec<u8>,
    limit_bytes: usize,
}

impl<'a> Writer<'a> {
    /// Begins an artefact of the campaigns from which `shared` was collected.
    pub(crate) fn new(shared: &'a Shared, limit_bytes: usize) -> Result<Self, Defect> {
        Ok(Self {
            places: Places::of(shared),
            bytes: shared.head()?,
            limit_bytes,
        })
    }

    /// Appends one campaign. After an error the artefact is of no use.
    pub(crate) fn add(&mut self, id: &Id, campaign: &Campaign) -> Result<(), Defect> {
        let record = self.places.record(id, campaign)?;
        let matcher = match &campaign.targeting {
            Some(targeting) => targeting
                .compile()
                .map_err(|_| Defect::Value("targeting"))?,
            None => Matcher::default(),
        };
        let bytes = postcard::to_extend(&record, std::mem::take(&mut self.bytes))?;
        self.bytes = postcard::to_extend(&matcher, bytes)?;
        if self.bytes.len() > self.limit_bytes {
            return Err(Defect::TooLarge(self.limit_bytes));
        }
        Ok(())
    }

    /// Returns the artefact.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Where everything that campaigns share is in the tables.
struct Places<'a> {
    labels: HashMap<&'a str, u32>,
    time_zones: HashMap<&'a str, u16>,
    placements: HashMap<&'a str, u32>,
    locales: HashMap<&'a str, u16>,
    caps: &'a HashMap<CapsShape, usize>,
}

impl<'a> Places<'a> {
    fn of(shared: &'a Shared) -> Self {
        let texts = |texts: &'a BTreeSet<String>| texts.iter().map(String::as_str);
        Self {
            labels: texts(&shared.labels).zip(0..).collect(),
            time_zones: texts(&shared.time_zones).zip(0..).collect(),
            placements: texts(&shared.placements).zip(0..).collect(),
            locales: texts(&shared.locales).zip(0..).collect(),
            caps: &shared.caps_at,
        }
    }

    fn record<'c>(&self, id: &'c str, item: &'c Campaign) -> Result<Record<'c>, Defect> {
        let label = |text: &str| self.labels.get(text).copied().ok_or(Defect::Value("label"));
        let weight = |weight: u32| u16::try_from(weight).map_err(|_| Defect::Value("weight"));
        let caps = match &*item.caps {
            [] => Some(&0),
            caps => self.caps.get(&shape(caps)),
        };
        let creatives = item.creatives.iter().map(|creative| {
            Ok(CreativeRecord {
                id: creative.id.as_str(),
                r#type: label(&creative.r#type)?,
                weight: weight(creative.weight)?,
                assets: creative.assets.as_raw().get(),
                locale: creative
                    .locale
                    .as_ref()
                    .and_then(|locale| self.locales.get(locale.as_str()).copied()),
            })
        });
        let categories = item.categories.iter().flatten();
        let placements = item.placements.iter();
        Ok(Record {
            id,
            advertiser: label(&item.advertiser)?,
            categories: categories
                .map(|category| label(category))
                .collect::<Result<_, _>>()?,
            starts_at: item.starts_at.as_millis(),
            ends_at: item.ends_at.map(crate::Instant::as_millis),
            time_zone: *self
                .time_zones
                .get(item.time_zone.as_str())
                .ok_or(Defect::Value("time zone"))?,
            tier: item.tier,
            weight: weight(item.weight)?,
            placements: placements
                .filter_map(|placement| self.placements.get(placement.as_str()).copied())
                .collect(),
            flags: Flags::of(item),
            caps: caps
                .and_then(|place| u32::try_from(*place).ok())
                .ok_or(Defect::Value("caps"))?,
            budget: item.budget.as_ref().map(BudgetRecord::of),
            click_url: item.click_url.as_str(),
            creatives: creatives.collect::<Result<_, Defect>>()?,
        })
    }
}

/// A campaign as it was read.
pub(crate) struct Read<'a> {
    pub(crate) record: Record<'a>,
    /// The bytes of its targeting.
    pub(crate) targeting: &'a [u8],
    /// What they say.
    pub(crate) matcher: Matcher,
}

/// An artefact that is being read.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Reader<'a> {
    /// Reads what comes before the campaigns.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<(Tables<'a>, Self), Defect> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(Defect::Magic)?;
        let (tables, rest) = postcard::take_from_bytes(rest)?;
        let (left, rest) = postcard::take_from_bytes::<usize>(rest)?;
        if left > rest.len() / SMALLEST_CAMPAIGN {
            return Err(Defect::Value("number"));
        }
        Ok((tables, Self { rest, left }))
    }

    /// How many campaigns are yet to be read.
    pub(crate) const fn left(&self) -> usize {
        self.left
    }

    /// The next campaign; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Read<'a>>, Defect> {
        let Some(left) = self.left.checked_sub(1) else {
            let at_end = self.rest.is_empty();
            return at_end.then_some(None).ok_or(Defect::Trailing);
        };
        self.left = left;
        let (record, targeting) = postcard::take_from_bytes(self.rest)?;
        let (matcher, rest) = postcard::take_from_bytes(targeting)?;
        self.rest = rest;
        let length = targeting.len() - rest.len();
        Ok(Some(Read {
            record,
            targeting: targeting.get(..length).unwrap_or_default(),
            matcher,
        }))
    }
}

/// What the bytes of a targeting say.
pub(crate) fn targeting(bytes: &[u8]) -> Option<Matcher> {
    postcard::from_bytes(bytes).ok()
}
