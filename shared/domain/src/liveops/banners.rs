//! Which banners are shown.

use std::{cmp::Reverse, collections::HashSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Asks, Explained, Outcome, matcher,
    schedule::{self, Schedule},
    targeted,
};
use crate::{
    Audience, ByLocale, Id, Instant, Localized,
    content::{
        Banner, Kind, LoadError,
        banners::{BannerFrequency, Click, Image},
        load_artefact,
    },
    targeting::{Facts, Matcher},
};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// The place to fill; without it, all places.
    pub placement: Option<&'a Id>,
    /// Who asks.
    pub audience: Audience<'a>,
    /// The time.
    pub now: Instant,
}

/// A banner as an app is given it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ShownBanner")]
pub struct BannerAnswer<'s> {
    /// Its id.
    pub id: &'s Id,
    /// Where it is shown.
    pub placement: &'s Id,
    /// The picture, in the reader's language.
    pub image: &'s Image,
    /// What the picture shows, in words, in the reader's language.
    pub alt: &'s str,
    /// What a click does.
    pub click: &'s Click,
    /// How often one user sees it; the app keeps to it.
    pub frequency: BannerFrequency,
    /// The first moment at which it is not shown any more.
    pub ends_at: Instant,
}

/// The published banners.
#[derive(Debug, Default)]
pub struct Banners {
    /// In the order of answers: by priority, the newest first, then by id.
    banners: Vec<Published>,
    ids: HashSet<Id>,
    asks: Asks,
}

#[derive(Debug)]
struct Published {
    id: Id,
    placement: Id,
    priority: i32,
    schedule: Schedule,
    ends_at: Instant,
    images: ByLocale<Image>,
    alt: Localized,
    click: Click,
    frequency: BannerFrequency,
    matcher: Matcher,
}

impl Banners {
    /// Loads an artefact.
    ///
    /// # Errors
    /// When the format is unknown, the bytes are not of it, or targeting does not compile.
    pub fn load(format: u16, artefact: &[u8]) -> Result<Self, LoadError> {
        let mut loaded = Self::default();
        for (id, item) in load_artefact::<Banner>(Kind::Banners, format, artefact)? {
            let matcher = matcher(Kind::Banners, &id, item.targeting.as_ref())?;
            loaded.asks.note(&matcher);
            loaded.ids.insert(id.clone());
            loaded.banners.push(Published {
                id,
                placement: item.placement,
                priority: item.priority,
                schedule: Schedule {
                    starts_at: item.starts_at,
                    ends_at: Some(item.ends_at),
                },
                ends_at: item.ends_at,
                images: item.images,
                alt: item.alt,
                click: item.click,
                frequency: item.frequency,
                matcher,
            });
        }
        loaded.banners.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(loaded)
    }

    /// The banners to show, the greatest priority first, then the newest, then by id.
    pub fn shown<'s>(&'s self, selection: &Selection<'_>) -> Vec<BannerAnswer<'s>> {
        let facts = selection.audience.facts(selection.now);
        let shown = self
            .banners
            .iter()
            .filter(|banner| banner.outcome(selection, &facts) == Outcome::Selected);
        shown
            .filter_map(|banner| banner.answer(&selection.audience))
            .collect()
    }

    /// What became of every published banner, in the order of answers.
    pub fn explain<'s>(&'s self, selection: &Selection<'_>) -> Vec<Explained<'s>> {
        let facts = selection.audience.facts(selection.now);
        let explained = self.banners.iter().map(|banner| Explained {
            id: &banner.id,
            outcome: banner.outcome(selection, &facts),
        });
        explained.collect()
    }

    /// The next moment at which any banner begins or ends.
    pub fn next_boundary(&self, now: Instant) -> Option<Instant> {
        schedule::next_boundary(self.banners.iter().map(|banner| banner.schedule), now)
    }

    /// Whether what is stored of the audience's device could change an answer.
    pub fn asks_profile(&self, audience: &Audience<'_>) -> bool {
        self.asks.profile_of(audience)
    }

    /// Whether the member who is signed in could change an answer.
    pub fn asks_member(&self) -> bool {
        self.asks.member
    }

    /// Whether a banner is published, in flight or not.
    pub fn contains(&self, id: &Id) -> bool {
        self.ids.contains(id)
    }
}

impl Published {
    fn order(&self) -> impl Ord {
        (
            Reverse(self.priority),
            Reverse(self.schedule.starts_at),
            &self.id,
        )
    }

    fn outcome(&self, selection: &Selection<'_>, facts: &Facts<'_>) -> Outcome<'_> {
        if !self.schedule.is_in_flight(selection.now) {
            return Outcome::Schedule;
        }
        if selection
            .placement
            .is_some_and(|placement| *placement != self.placement)
        {
            return Outcome::Placement;
        }
        targeted(&self.matcher, facts)
    }

    fn answer(&self, audience: &Audience<'_>) -> Option<BannerAnswer<'_>> {
        Some(BannerAnswer {
            id: &self.id,
            placement: &self.placement,
            image: self.images.choose(audience.languages)?,
            alt: self.alt.choose(audience.languages),
            click: &self.click,
            frequency: self.frequency,
            ends_at: self.ends_at,
        })
    }
}
