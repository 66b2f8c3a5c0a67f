//! The published campaigns in the form that allocation reads: immutable, made once, outside of any
//! request.
//!
//! What every campaign has lies in tables of small rows; texts lie in one string, targeting in the
//! bytes it was published in. What campaigns share (advertisers, zones, sets of caps) is there once.
//! 100,000 campaigns so take some tens of megabytes, and loading them is one pass over the artefact
//! and one over each placement's [`Shelf`].

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use serde_json::value::RawValue;

use super::{Campaign, draw::Scratch, shelf::Shelf};
use crate::{
    ClickUrl, Id, Instant, Label, Locale, TimeZoneName,
    caps::AdvertiserCaps,
    content::{
        COMPACT, Kind, LoadError,
        campaigns::{
            self, Budget, Cap, CapScope,
            artefact::{self, Defect, Flags, Read, Reader, Record, Shared, Tables, Writer},
        },
        load_artefact,
    },
    key_of,
    targeting::Matcher,
};

/// All campaigns of one version.
#[derive(Debug, Default)]
pub struct Snapshot {
    rows: Vec<Row>,
    creatives: Vec<CreativeRow>,
    categories: Vec<u32>,
    /// Ids, click URLs and assets.
    texts: String,
    /// Targeting, as it was published.
    rules: Vec<u8>,
    budgets: Vec<Budget>,
    /// Places of campaigns, in the order of their keys.
    by_key: Vec<u32>,
    labels: Vec<Label>,
    label_keys: Vec<u64>,
    time_zones: Vec<TimeZoneName>,
    locales: Vec<Locale>,
    caps: Vec<Vec<Cap>>,
    advertisers: HashMap<u64, AdvertiserCaps>,
    /// In the order of their ids.
    placements: Vec<Placement>,
    asks_the_time: bool,
    asks_the_member: bool,
    scratch: Pool,
}

/// Scratch memory that is not in use.
#[derive(Debug, Default)]
struct Pool(Mutex<Vec<Scratch>>);

/// What may be shown at one placement.
#[derive(Debug)]
pub(super) struct Placement {
    id: Id,
    key: u64,
    pub(super) campaigns: Shelf,
    pub(super) house: Shelf,
}

/// What is looked at most of a campaign; the rest is found from here.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) key: u64,
    pub(super) starts_at: i64,
    /// The first moment after its flight; for one without an end, the end of time.
    pub(super) ends_at: i64,
    /// Where its texts begin: id, then click URL.
    text: u32,
    rules: u32,
    rules_length: u32,
    pub(super) advertiser: u32,
    caps: u32,
    budget: u32,
    creatives: u32,
    categories: u32,
    pub(super) weight: u16,
    time_zone: u16,
    click_url_length: u16,
    id_length: u8,
    creatives_count: u8,
    categories_count: u8,
    pub(super) tier: u8,
    pub(super) flags: Flags,
}

/// What is looked at most of a creative.
#[derive(Debug)]
pub(super) struct CreativeRow {
    pub(super) key: u64,
    /// Where its texts begin: id, then assets.
    text: u32,
    pub(super) r#type: u32,
    assets_length: u16,
    pub(super) weight: u16,
    locale: u16,
    id_length: u8,
}

/// The row of a campaign without a budget names this one.
const NO_BUDGET: u32 = u32::MAX;
/// The row of a creative for everybody names this one.
const NO_LOCALE: u16 = u16::MAX;

impl Snapshot {
    /// Loads an artefact of the kind `campaigns`.
    ///
    /// # Errors
    /// When the format is unknown or the bytes are not of it.
    pub fn load(format: u16, artefact: &[u8]) -> Result<Self, LoadError> {
        if format != COMPACT {
            return Self::compile(format, artefact);
        }
        Self::read(artefact).map_err(|defect| LoadError::damaged(Kind::Campaigns, defect))
    }

    /// Loads an artefact of the format before: by way of the present one.
    fn compile(format: u16, artefact: &[u8]) -> Result<Self, LoadError> {
        let items = load_artefact::<campaigns::Campaign>(Kind::Campaigns, format, artefact)?;
        let mut items: Vec<_> = items.collect();
        items.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut shared = Shared::default();
        for (id, campaign) in &items {
            let targeting = campaign.targeting.as_ref();
            if targeting.is_some_and(|targeting| targeting.compile().is_err()) {
                return Err(LoadError::Broken {
                    kind: Kind::Campaigns,
                    item: id.clone(),
                });
            }
            shared.add(campaign);
        }
        let write = || {
            // It is in memory already, and JSON takes more than what is made of it.
            let mut writer = Writer::new(&shared, usize::MAX)?;
            for (id, campaign) in &items {
                writer.add(id, campaign)?;
            }
            Self::read(&writer.finish())
        };
        write().map_err(|defect| LoadError::damaged(Kind::Campaigns, defect))
    }

    /// How many campaigns there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no campaign.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All campaigns, in the order of their ids.
    pub fn campaigns(&self) -> impl Iterator<Item = Campaign<'_>> {
        self.rows.iter().filter_map(|row| self.view(row))
    }

    /// The campaign whose id has this key.
    pub fn campaign_by_key(&self, key: u64) -> Option<Campaign<'_>> {
        self.campaign(self.place_by_key(key)?)
    }

    /// The placement, of those any campaign names, whose id has this key.
    pub fn placement_by_key(&self, key: u64) -> Option<&Id> {
        let found = self
            .placements
            .iter()
            .find(|placement| placement.key == key)?;
        Some(&found.id)
    }

    /// What caps of any of an advertiser's campaigns look at.
    pub fn advertiser_caps(&self, advertiser_key: u64) -> &AdvertiserCaps {
        self.advertisers
            .get(&advertiser_key)
            .unwrap_or(AdvertiserCaps::NONE)
    }

    /// Whether the targeting of any campaign looks at the device's clock or calendar.
    pub(super) fn asks_the_time(&self) -> bool {
        self.asks_the_time
    }

    /// Whether the targeting of any campaign looks at the member who is signed in.
    pub fn asks_the_member(&self) -> bool {
        self.asks_the_member
    }

    pub(super) fn placement(&self, id: &str) -> Option<(usize, &Placement)> {
        let at = self
            .placements
            .binary_search_by(|placement| placement.id.as_str().cmp(id))
            .ok()?;
        Some((at, self.placements.get(at)?))
    }

    /// Lends scratch memory: as much as there ever were requests at once is kept.
    pub(super) fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let pool = || {
            self.scratch
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let kept = pool().pop();
        let mut scratch = kept.unwrap_or_else(|| {
            let shelves = self.placements.iter();
            let shelves = shelves.flat_map(|here| [&here.campaigns, &here.house]);
            Scratch::new(shelves.map(|shelf| shelf.places.len()).max().unwrap_or(0))
        });
        let done = work(&mut scratch);
        pool().push(scratch);
        done
    }

    pub(super) fn placements(&self) -> &[Placement] {
        &self.placements
    }

    pub(super) fn campaign(&self, place: u32) -> Option<Campaign<'_>> {
        self.view(self.row(place)?)
    }

    pub(super) fn row(&self, place: u32) -> Option<&Row> {
        self.rows.get(place as usize)
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(super) fn place_by_key(&self, key: u64) -> Option<u32> {
        let key_at = |place: &u32| self.row(*place).map_or(0, |row| row.key);
        let at = self.by_key.binary_search_by_key(&key, key_at).ok()?;
        self.by_key.get(at).copied()
    }

    pub(super) fn label(&self, place: u32) -> Option<&Label> {
        self.labels.get(place as usize)
    }

    /// The place of a label, if any campaign has it.
    pub(super) fn place_of(&self, label: &Label) -> Option<u32> {
        let at = self.labels.binary_search(label).ok()?;
        u32::try_from(at).ok()
    }

    pub(super) fn label_key(&self, place: u32) -> u64 {
        self.label_keys
            .get(place as usize)
            .copied()
            .unwrap_or_default()
    }

    pub(super) fn caps(&self, row: &Row) -> &[Cap] {
        self.caps.get(row.caps as usize).map_or(&[], Vec::as_slice)
    }

    pub(super) fn time_zone(&self, row: &Row) -> Option<&TimeZoneName> {
        self.time_zones.get(usize::from(row.time_zone))
    }

    pub(super) fn categories(&self, row: &Row) -> &[u32] {
        slice(&self.categories, row.categories, row.categories_count)
    }

    pub(super) fn creatives(&self, row: &Row) -> &[CreativeRow] {
        slice(&self.creatives, row.creatives, row.creatives_count)
    }

    pub(super) fn locale(&self, creative: &CreativeRow) -> Option<&Locale> {
        self.locales.get(usize::from(creative.locale))
    }

    /// A creative's id and assets.
    pub(super) fn creative_texts(&self, row: &CreativeRow) -> Option<(&str, &str)> {
        let from = self.texts.get(row.text as usize..)?;
        let (id, rest) = from.split_at_checked(row.id_length.into())?;
        Some((id, rest.get(..row.assets_length.into())?))
    }

    /// Who should see a campaign.
    pub(super) fn matcher(&self, row: &Row) -> Matcher {
        // The bytes were read once already, when the snapshot was loaded.
        artefact::targeting(slice(&self.rules, row.rules, row.rules_length))
            .unwrap_or_else(Matcher::nobody)
    }

    fn view<'s>(&'s self, row: &'s Row) -> Option<Campaign<'s>> {
        let from = self.texts.get(row.text as usize..)?;
        let (id, rest) = from.split_at_checked(row.id_length.into())?;
        Some(Campaign {
            id,
            key: row.key,
            advertiser: self.label(row.advertiser)?,
            advertiser_key: self.label_key(row.advertiser),
            starts_at: Instant::from_millis(row.starts_at),
            ends_at: (row.ends_at != i64::MAX).then(|| Instant::from_millis(row.ends_at)),
            time_zone: self.time_zone(row)?,
            tier: row.tier,
            weight: row.weight.into(),
            consent: row.flags.consent(),
            no_device: row.flags.no_device(),
            caps: self.caps(row),
            budget: self.budgets.get(row.budget as usize),
            pacing: row.flags.pacing(),
            sampling: row.flags.sampling(),
            conversions_after: row.flags.conversions_after(),
            click_url: rest.get(..row.click_url_length.into())?,
            house: row.flags.house(),
            snapshot: self,
            row,
        })
    }
}

impl Row {
    /// Whether the campaign's flight goes on at `now`.
    pub(super) fn in_flight(&self, now: Instant) -> bool {
        (self.starts_at..self.ends_at).contains(&now.as_millis())
    }

    /// A campaign of which nothing matters but its weight.
    #[cfg(test)]
    pub(super) fn weighing(weight: u16) -> Self {
        Self {
            weight,
            ..Self::default()
        }
    }

    pub(super) const fn has_budget(&self) -> bool {
        self.budget != NO_BUDGET
    }
}

/// Loading.
impl Snapshot {
    fn read(bytes: &[u8]) -> Result<Self, Defect> {
        let (tables, mut reader) = Reader::new(bytes)?;
        let mut snapshot = Self::shared(&tables)?;
        snapshot.rows.reserve_exact(reader.left());
        let mut shelves = vec![(Vec::new(), Vec::new()); snapshot.placements.len()];
        while let Some(read) = reader.next()? {
            let Read {
                record,
                targeting,
                matcher,
            } = read;
            let place = number(snapshot.rows.len(), "number")?;
            for placement in &record.placements {
                let (campaigns, house) = shelves
                    .get_mut(*placement as usize)
                    .ok_or(Defect::Value("placement"))?;
                let shelf: &mut Vec<u32> = if record.flags.house() {
                    house
                } else {
                    campaigns
                };
                shelf.push(place);
            }
            snapshot.asks_the_time |= matcher.asks_the_time();
            snapshot.asks_the_member |= matcher.asks_the_member();
            snapshot.add(&record, targeting)?;
        }
        snapshot.by_key = (0..number(snapshot.rows.len(), "number")?).collect();
        let rows = &snapshot.rows;
        let key = |place: &u32| rows.get(*place as usize).map_or(0, |row| row.key);
        snapshot.by_key.sort_unstable_by_key(key);
        snapshot.shrink();
        for (at, (campaigns, house)) in shelves.into_iter().enumerate() {
            let campaigns = Shelf::new(&snapshot, campaigns);
            let house = Shelf::new(&snapshot, house);
            if let Some(placement) = snapshot.placements.get_mut(at) {
                placement.campaigns = campaigns;
                placement.house = house;
            }
        }
        Ok(snapshot)
    }

    /// A snapshot with what campaigns share, and none of them yet.
    fn shared(tables: &Tables<'_>) -> Result<Self, Defect> {
        fn parsed<T: std::str::FromStr>(
            texts: &[&str],
            what: &'static str,
        ) -> Result<Vec<T>, Defect> {
            let values = texts.iter().map(|text| text.parse());
            values
                .collect::<Result<_, _>>()
                .map_err(|_| Defect::Value(what))
        }
        let labels: Vec<Label> = parsed(&tables.labels, "label")?;
        let placements: Vec<Id> = parsed(&tables.placements, "placement")?;
        if !labels.is_sorted() || !placements.is_sorted() {
            return Err(Defect::Value("order"));
        }
        let placements = placements.into_iter().map(|id| Placement {
            key: key_of(&id),
            id,
            campaigns: Shelf::default(),
            house: Shelf::default(),
        });
        Ok(Self {
            label_keys: labels.iter().map(|label| key_of(label)).collect(),
            labels,
            time_zones: parsed(&tables.time_zones, "time zone")?,
            locales: parsed(&tables.locales, "locale")?,
            caps: tables.caps.clone(),
            placements: placements.collect(),
            ..Self::default()
        })
    }

    fn add(&mut self, record: &Record<'_>, rules: &[u8]) -> Result<(), Defect> {
        let known = |place: u32, of: usize| (place as usize) < of;
        let labels = self.labels.len();
        let texts = Id::accepts(record.id) && ClickUrl::accepts(record.click_url);
        if !texts {
            return Err(Defect::Value("text"));
        }
        let whole = known(record.advertiser, labels)
            && record.categories.iter().all(|label| known(*label, labels))
            && known(record.caps, self.caps.len())
            && known(record.time_zone.into(), self.time_zones.len());
        if !whole {
            return Err(Defect::Value("place"));
        }
        if record.weight == 0 {
            return Err(Defect::Value("weight"));
        }
        self.rows.push(Row {
            key: key_of(record.id),
            starts_at: record.starts_at,
            ends_at: record.ends_at.unwrap_or(i64::MAX),
            text: number(self.texts.len(), "text")?,
            rules: number(self.rules.len(), "targeting")?,
            rules_length: number(rules.len(), "targeting")?,
            advertiser: record.advertiser,
            caps: record.caps,
            budget: match record.budget {
                Some(_) => number(self.budgets.len(), "budget")?,
                None => NO_BUDGET,
            },
            creatives: number(self.creatives.len(), "creative")?,
            categories: number(self.categories.len(), "category")?,
            weight: record.weight,
            time_zone: record.time_zone,
            click_url_length: number(record.click_url.len(), "click URL")?,
            id_length: number(record.id.len(), "id")?,
            creatives_count: number(record.creatives.len(), "creative")?,
            categories_count: number(record.categories.len(), "category")?,
            tier: record.tier,
            flags: record.flags,
        });
        self.texts.push_str(record.id);
        self.texts.push_str(record.click_url);
        self.rules.extend_from_slice(rules);
        self.budgets
            .extend(record.budget.as_ref().map(artefact::BudgetRecord::budget));
        self.categories.extend_from_slice(&record.categories);
        for creative in &record.creatives {
            let json = serde_json::from_str::<&RawValue>(creative.assets).is_ok();
            let locale = creative
                .locale
                .is_none_or(|locale| known(locale.into(), self.locales.len()));
            if !json || !locale || creative.weight == 0 || !Id::accepts(creative.id) {
                return Err(Defect::Value("creative"));
            }
            if !known(creative.r#type, labels) {
                return Err(Defect::Value("type"));
            }
            self.creatives.push(CreativeRow {
                key: key_of(creative.id),
                text: number(self.texts.len(), "text")?,
                r#type: creative.r#type,
                assets_length: number(creative.assets.len(), "assets")?,
                weight: creative.weight,
                locale: creative.locale.unwrap_or(NO_LOCALE),
                id_length: number(creative.id.len(), "id")?,
            });
            self.texts.push_str(creative.id);
            self.texts.push_str(creative.assets);
        }
        self.note_advertiser_caps(record);
        Ok(())
    }

    fn note_advertiser_caps(&mut self, record: &Record<'_>) {
        let caps = self.caps.get(record.caps as usize);
        let zone = self.time_zones.get(usize::from(record.time_zone));
        let (Some(caps), Some(zone)) = (caps, zone) else {
            return;
        };
        if caps.iter().any(|cap| cap.scope == CapScope::Advertiser) {
            let key = self.label_keys.get(record.advertiser as usize);
            let noted = self.advertisers.entry(key.copied().unwrap_or_default());
            noted.or_default().add(caps, zone);
        }
    }

    /// Gives back what growing took too much.
    fn shrink(&mut self) {
        self.creatives.shrink_to_fit();
        self.categories.shrink_to_fit();
        self.texts.shrink_to_fit();
        self.rules.shrink_to_fit();
        self.budgets.shrink_to_fit();
    }
}

/// A number that has to fit where it is kept.
fn number<T: TryFrom<usize>>(value: usize, what: &'static str) -> Result<T, Defect> {
    T::try_from(value).map_err(|_| Defect::Value(what))
}

fn slice<T>(of: &[T], from: u32, count: impl Into<u32>) -> &[T] {
    let from = from as usize;
    let end = from + count.into() as usize;
    of.get(from..end).unwrap_or_default()
}
