//! Which notices there are to read.

use std::collections::HashMap;

use super::{
    Asks, Explained, NoticeCursor, Outcome,
    cursor::{Order, order},
    matcher,
    schedule::{self, Schedule},
    targeted,
};
use crate::{
    Audience, Id, Instant, Label, Link,
    content::{
        Kind, LoadError, Notice, load_artefact,
        notices::{Body, Title},
    },
    targeting::{Facts, Matcher},
};

/// A notice that is published.
#[derive(Debug)]
pub struct PublishedNotice {
    /// Its id.
    pub id: Id,
    /// What it is about.
    pub category: Option<Label>,
    /// Whether it stands before all that are not.
    pub pinned: bool,
    /// Greater goes first.
    pub priority: i32,
    /// The first moment.
    pub starts_at: Instant,
    /// The first moment after, if it ends.
    pub ends_at: Option<Instant>,
    /// What lists show.
    pub title: Title,
    /// What it says, in Markdown.
    pub body: Body,
    /// Where there is more to read.
    pub link: Option<Link>,
    matcher: Matcher,
}

/// The published notices.
#[derive(Debug, Default)]
pub struct Notices {
    /// In the order of the list.
    notices: Vec<PublishedNotice>,
    /// Their places by their ids.
    places: HashMap<Id, usize>,
    asks: Asks,
}

impl Notices {
    /// Loads an artefact.
    ///
    /// # Errors
    /// When the format is unknown, the bytes are not of it, or targeting does not compile.
    pub fn load(format: u16, artefact: &[u8]) -> Result<Self, LoadError> {
        let mut loaded = Self::default();
        for (id, item) in load_artefact::<Notice>(Kind::Notices, format, artefact)? {
            let matcher = matcher(Kind::Notices, &id, item.targeting.as_ref())?;
            loaded.asks.note(&matcher);
            loaded.notices.push(PublishedNotice {
                id,
                category: item.category,
                pinned: item.pinned,
                priority: item.priority,
                starts_at: item.starts_at,
                ends_at: item.ends_at,
                title: item.title,
                body: item.body,
                link: item.link,
                matcher,
            });
        }
        loaded.notices.sort_by(|a, b| a.order().cmp(&b.order()));
        let ids = loaded.notices.iter().map(|notice| notice.id.clone());
        loaded.places = ids.enumerate().map(|(place, id)| (id, place)).collect();
        Ok(loaded)
    }

    /// The notices that an audience may read now: pinned ones first, then the greatest priority, then
    /// the newest, then by id.
    pub fn visible<'s, 'a>(
        &'s self,
        audience: &Audience<'a>,
        now: Instant,
    ) -> impl Iterator<Item = &'s PublishedNotice> + use<'s, 'a> {
        let facts = audience.facts(now);
        let notices = self.notices.iter();
        notices.filter(move |notice| notice.outcome(&facts, now) == Outcome::Selected)
    }

    /// At most `limit` of them after a place in the list, and where it goes on if there are more.
    ///
    /// What is published or taken back between two pages moves nothing else: what stays is on one of
    /// the pages, and on one only.
    pub fn page<'s>(
        &'s self,
        audience: &Audience<'_>,
        now: Instant,
        after: Option<&NoticeCursor>,
        limit: usize,
    ) -> (Vec<&'s PublishedNotice>, Option<NoticeCursor>) {
        let is_after =
            |notice: &&PublishedNotice| after.is_none_or(|cursor| notice.order() > cursor.order());
        let mut rest = self.visible(audience, now).filter(is_after);
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        let next = page.last().filter(|_| more).map(|last| last.cursor());
        (page, next)
    }

    /// A notice, if the audience may read it now.
    pub fn get(&self, id: &Id, audience: &Audience<'_>, now: Instant) -> Option<&PublishedNotice> {
        let notice = self.find(id)?;
        let outcome = notice.outcome(&audience.facts(now), now);
        (outcome == Outcome::Selected).then_some(notice)
    }

    /// A notice, whoever it is for and whenever.
    pub fn find(&self, id: &Id) -> Option<&PublishedNotice> {
        self.notices.get(*self.places.get(id)?)
    }

    /// Whether a notice is in flight, for any audience.
    pub fn is_in_flight(&self, id: &Id, now: Instant) -> bool {
        self.find(id).is_some_and(|notice| {
            notice.starts_at <= now && notice.ends_at.is_none_or(|ends_at| now < ends_at)
        })
    }

    /// Whether a notice is published, in flight or not.
    pub fn contains(&self, id: &Id) -> bool {
        self.places.contains_key(id)
    }

    /// Every published notice, whoever it is for and whenever, in the order of the list.
    pub fn all(&self) -> impl Iterator<Item = &PublishedNotice> + Clone {
        self.notices.iter()
    }

    /// What became of every published notice, in the order of the list.
    pub fn explain<'s>(&'s self, audience: &Audience<'_>, now: Instant) -> Vec<Explained<'s>> {
        let facts = audience.facts(now);
        let explained = self.notices.iter().map(|notice| Explained {
            id: &notice.id,
            outcome: notice.outcome(&facts, now),
        });
        explained.collect()
    }

    /// A notice whoever it is for and whenever, and what became of it.
    pub fn explain_one<'s>(
        &'s self,
        id: &Id,
        audience: &Audience<'_>,
        now: Instant,
    ) -> Option<(&'s PublishedNotice, Explained<'s>)> {
        let notice = self.find(id)?;
        let outcome = notice.outcome(&audience.facts(now), now);
        let explained = Explained {
            id: &notice.id,
            outcome,
        };
        Some((notice, explained))
    }

    /// The next moment at which any notice begins or ends.
    pub fn next_boundary(&self, now: Instant) -> Option<Instant> {
        schedule::next_boundary(self.notices.iter().map(PublishedNotice::schedule), now)
    }

    /// Whether what is stored of the audience's device could change an answer.
    pub fn asks_profile(&self, audience: &Audience<'_>) -> bool {
        self.asks.profile_of(audience)
    }

    /// Whether the member who is signed in could change an answer.
    pub fn asks_member(&self) -> bool {
        self.asks.member
    }
}

impl PublishedNotice {
    /// Where the list goes on after it.
    pub fn cursor(&self) -> NoticeCursor {
        NoticeCursor {
            pinned: self.pinned,
            priority: self.priority,
            starts_at: self.starts_at,
            id: self.id.clone(),
        }
    }

    fn order(&self) -> Order<'_> {
        order(self.pinned, self.priority, self.starts_at, &self.id)
    }

    fn schedule(&self) -> Schedule {
        Schedule {
            starts_at: self.starts_at,
            ends_at: self.ends_at,
        }
    }

    fn outcome(&self, facts: &Facts<'_>, now: Instant) -> Outcome<'_> {
        if !self.schedule().is_in_flight(now) {
            return Outcome::Schedule;
        }
        targeted(&self.matcher, facts)
    }
}
