//! Who looks, and whether a campaign can be given to them now: all that is not targeting.

use rand::{Rng, RngExt};

use super::{
    ContentConfig, Creative, Frequency, Given, Lineup, Placed, PlacementRequest, Snapshot,
    snapshot::{CreativeRow, Row},
};
use crate::{
    Label,
    caps::creative_key,
    content::campaigns::{Cap, CapScope, Consent, NoDevice, Sampling},
    delivery::Zone,
    key_of,
    learning::{self, Posterior},
    targeting::Facts,
};

/// Who looks, in the form that campaigns are held against.
pub(super) struct Viewer<'r, 's> {
    given: &'r Given<'r>,
    lineup: &'s Lineup,
    pub(super) facts: Facts<'r>,
    consented: bool,
    /// Whether they want to see campaigns, and not house items only.
    pub(super) sees_campaigns: bool,
    /// What makes this request's lots different from another's.
    chance: Chance,
    /// Places of campaigns, of advertisers and of categories that were excluded; in order.
    campaigns: Vec<u32>,
    advertisers: Vec<u32>,
    categories: Vec<u32>,
}

/// The lots of one request: drawn once, so that whoever asks again gets the same answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    seed: u64,
    shows_less: bool,
}

/// Why a campaign is not given, besides its targeting and exclusions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not in flight.
    Schedule,
    /// The user must have consented.
    Consent,
    /// It goes to devices only that say which they are.
    Device,
    /// None of its creatives is of a type that is asked for.
    Type,
    /// None of its creatives is in the reader's language.
    Locale,
    /// A cap is reached.
    Cap,
    /// Its budget is spent.
    Spent,
    /// It sits this request out, to spend its budget over time.
    Paced,
    /// It goes out under a lease only, and there is none.
    NoLease,
}

/// The types that a placement can show, as places of labels; `None` is any.
pub(super) type Types = Option<Vec<u32>>;

impl Chance {
    pub(super) fn draw(given: &Given<'_>, rng: &mut impl Rng) -> Self {
        let frequency = given.config.map(|config| config.frequency);
        Self {
            seed: rng.random(),
            shows_less: frequency == Some(Frequency::Less) && rng.random(),
        }
    }

    /// A uniform number below 1 for a campaign: always the same one in this request.
    fn of(self, place: u32) -> f32 {
        // SplitMix64 (Steele, Lea and Flood, 2014): one step from a state that differs by campaign.
        let mut mixed = self
            .seed
            .wrapping_add(u64::from(place).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        #[expect(clippy::cast_precision_loss, reason = "24 bits fit")]
        let number = (mixed >> 40) as f32;
        number / 16_777_216.0
    }
}

impl<'r, 's> Viewer<'r, 's> {
    pub(super) fn new(lineup: &'s Lineup, given: &'r Given<'r>, chance: Chance) -> Self {
        let snapshot = lineup.snapshot();
        let exclude = given.request.exclude.as_ref();
        let campaigns = exclude.and_then(|exclude| exclude.campaigns.as_ref());
        let advertisers = exclude.and_then(|exclude| exclude.advertisers.as_ref());
        let categories = exclude.and_then(|exclude| exclude.categories.as_ref());
        let off = given
            .config
            .into_iter()
            .flat_map(ContentConfig::switched_off);
        let places = |labels: &mut dyn Iterator<Item = &Label>| {
            sorted(labels.filter_map(|label| snapshot.place_of(label)))
        };
        let frequency = given.config.map(|config| config.frequency);
        Self {
            facts: given.facts(snapshot),
            consented: given.consented(),
            sees_campaigns: frequency != Some(Frequency::Off) && !chance.shows_less,
            campaigns: sorted(
                campaigns
                    .into_iter()
                    .flatten()
                    .filter_map(|id| snapshot.place_by_key(key_of(id))),
            ),
            advertisers: places(&mut advertisers.into_iter().flatten()),
            categories: places(&mut categories.into_iter().flatten().chain(off)),
            given,
            lineup,
            chance,
        }
    }

    pub(super) fn snapshot(&self) -> &'s Snapshot {
        self.lineup.snapshot()
    }

    /// Whether the user's settings leave such a campaign out.
    pub(super) const fn wants_no(&self, row: &Row) -> bool {
        !self.sees_campaigns && !row.flags.house()
    }

    pub(super) fn types(&self, wanted: &PlacementRequest) -> Types {
        let types = wanted.types.as_ref()?.iter();
        let snapshot = self.lineup.snapshot();
        Some(types.filter_map(|label| snapshot.place_of(label)).collect())
    }

    /// Whether what needs the user's consent may be shown.
    pub(super) const fn consented(&self) -> bool {
        self.consented
    }

    /// Whether the device says which it is.
    pub(super) const fn is_known(&self) -> bool {
        self.facts.device_id.is_some()
    }

    /// What of eligibility is neither targeting nor type: who may see the campaign at all.
    pub(super) fn may_see(&self, row: &Row) -> Result<(), Refusal> {
        let any_device = row.flags.house() || row.flags.no_device() == NoDevice::Serve;
        if !row.in_flight(self.given.now) || !row.in_flight(self.lineup.moment()) {
            Err(Refusal::Schedule)
        } else if row.flags.consent() == Consent::Required && !self.consented {
            Err(Refusal::Consent)
        } else if !any_device && !self.is_known() {
            Err(Refusal::Device)
        } else {
            Ok(())
        }
    }

    /// Whether the request, or what the user switched off, excludes the campaign.
    pub(super) fn excludes(&self, row: &Row, place: u32) -> bool {
        let among = |excluded: &[u32], label: &u32| excluded.binary_search(label).is_ok();
        let categories = || self.lineup.snapshot().categories(row).iter();
        among(&self.campaigns, &place)
            || among(&self.advertisers, &row.advertiser)
            || !self.categories.is_empty()
                && categories().any(|category| among(&self.categories, category))
    }

    /// Whether an eligible campaign can be given after what was `placed` in this request; if so,
    /// whether it needs a lease.
    pub(super) fn admit(
        &self,
        place: u32,
        row: &Row,
        types: &Types,
        placed: &[Placed<'_>],
    ) -> Result<bool, Refusal> {
        let snapshot = self.lineup.snapshot();
        let fits = |creative: &&CreativeRow| self.fits(creative, types);
        let mut fitting = snapshot.creatives(row).iter().filter(fits).peekable();
        if fitting.peek().is_none() {
            let mut creatives = snapshot.creatives(row).iter();
            let of_type = creatives.any(|creative| is_of(creative, types));
            return Err(if of_type {
                Refusal::Locale
            } else {
                Refusal::Type
            });
        }
        let caps = self.caps(row);
        if !caps.is_empty()
            && (self.is_capped(row, caps, placed)
                || fitting.all(|creative| self.is_creative_capped(row, caps, creative)))
        {
            return Err(Refusal::Cap);
        }
        if !row.has_budget() {
            return Ok(false);
        }
        let campaign = snapshot.campaign(place).ok_or(Refusal::Spent)?;
        let throttle = self.lineup.throttle(&campaign);
        if throttle.zone == Zone::Spent {
            Err(Refusal::Spent)
        } else if self.chance.of(place) >= throttle.pass {
            Err(Refusal::Paced)
        } else if throttle.zone == Zone::Open {
            Ok(false)
        } else if self.given.leases.contains(&row.key) {
            // A campaign is given once in a request, so one unit is enough.
            Ok(true)
        } else {
            Err(Refusal::NoLease)
        }
    }

    /// Chooses one of the creatives that can be shown.
    pub(super) fn choose(
        &self,
        row: &Row,
        types: &Types,
        rng: &mut impl Rng,
    ) -> Option<Creative<'s>> {
        let snapshot = self.lineup.snapshot();
        let caps = self.caps(row);
        let showable = || {
            snapshot.creatives(row).iter().filter(|creative| {
                self.fits(creative, types) && !self.is_creative_capped(row, caps, creative)
            })
        };
        let chosen = match row.flags.sampling() {
            Sampling::Weighted => by_weight(showable, rng),
            Sampling::Thompson => {
                let learned = self.lineup.delivery().learned.get(&row.key);
                let believed = |creative: &CreativeRow| {
                    let known = learned.and_then(|learned| learned.get(&creative.key));
                    Posterior::new(known.copied().unwrap_or_default())
                };
                let arms = showable().map(|creative| (creative, believed(creative)));
                learning::choose(arms, rng)
            }
        };
        Creative::new(snapshot, chosen?)
    }

    /// The caps that count: without a device there is nothing to count by.
    fn caps(&self, row: &Row) -> &'s [Cap] {
        if self.is_known() {
            self.lineup.snapshot().caps(row)
        } else {
            &[]
        }
    }

    fn is_capped(&self, row: &Row, caps: &[Cap], placed: &[Placed<'_>]) -> bool {
        let given = placed.iter().map(|placed| placed.campaign.row.advertiser);
        let given = given.filter(|advertiser| *advertiser == row.advertiser);
        let advertiser = self.snapshot().label_key(row.advertiser);
        self.reached(row, caps, CapScope::Campaign, row.key, 0)
            || self.reached(row, caps, CapScope::Advertiser, advertiser, given.count())
    }

    fn is_creative_capped(&self, row: &Row, caps: &[Cap], creative: &CreativeRow) -> bool {
        let key = creative_key(row.key, creative.key);
        self.reached(row, caps, CapScope::Creative, key, 0)
    }

    /// Whether the caps of a scope leave no showing beyond those `given` in this request.
    fn reached(&self, row: &Row, caps: &[Cap], scope: CapScope, key: u64, given: usize) -> bool {
        let Some(zone) = self.lineup.snapshot().time_zone(row) else {
            return false;
        };
        caps.iter().any(|cap| cap.scope == scope)
            && self
                .given
                .showings
                .left(caps, scope, key, zone, self.given.now)
                .is_some_and(|left| left as usize <= given)
    }

    fn fits(&self, creative: &CreativeRow, types: &Types) -> bool {
        let locale = self.lineup.snapshot().locale(creative);
        let reads = |locale: &crate::Locale| {
            let reader = self.facts.locale;
            reader.is_some_and(|reader| locale.covers(reader))
        };
        is_of(creative, types) && locale.is_none_or(reads)
    }
}

fn is_of(creative: &CreativeRow, types: &Types) -> bool {
    types
        .as_ref()
        .is_none_or(|types| types.contains(&creative.r#type))
}

fn sorted(places: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut places: Vec<u32> = places.collect();
    places.sort_unstable();
    places
}

/// Draws a creative by weight.
fn by_weight<'s, I: Iterator<Item = &'s CreativeRow>>(
    creatives: impl Fn() -> I,
    rng: &mut impl Rng,
) -> Option<&'s CreativeRow> {
    let total: u64 = creatives().map(|creative| u64::from(creative.weight)).sum();
    if total == 0 {
        return None;
    }
    let mut ticket = rng.random_range(0..total);
    creatives().find(|creative| {
        let weight = u64::from(creative.weight);
        let drawn = ticket < weight;
        ticket = ticket.saturating_sub(weight);
        drawn
    })
}
