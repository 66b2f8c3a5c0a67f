//! The list itself.

use std::time::Duration;

use domain::{
    Instant, Localized,
    identity::{AccessClaims, MemberId, SessionId, SessionsEnded},
};
use serde::{Deserialize, Serialize};

/// The longest that an access token is good: what is revoked is kept on the list for so long, and for
/// the minute that a token issued meanwhile may be late.
pub const LONGEST_TOKEN: Duration = Duration::from_secs(900);
const LATE: Duration = Duration::from_secs(60);

/// The most that entries may take of their item, in bytes of JSON. An item has 400 KB at most, and
/// every instance reads this one every few seconds.
const MOST_BYTES: usize = 128 * 1024;

/// Of a message that is longer, all its languages together, the list has the default alone.
const MESSAGE_BYTES: usize = 4 * 1024;

/// What changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// One session is over.
    End(SessionId),
    /// Sessions of a member are over.
    EndAll(MemberId, SessionsEnded),
    /// A member is banned.
    Ban {
        /// Who.
        member: MemberId,
        /// What they are told.
        message: Localized,
        /// Until when; for good without it.
        ends_at: Option<Instant>,
    },
    /// A member is banned no more.
    Lift(MemberId),
}

/// Why a good token does not open.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// Its session is over.
    Ended,
    /// Its member is banned.
    Banned {
        /// What they are told.
        message: Localized,
        /// Until when.
        ends_at: Option<Instant>,
    },
    /// It has to be renewed before anybody can say.
    ToBeRenewed,
}

/// The list at one version of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RevocationList {
    /// Counts the changes.
    pub(crate) version: u64,
    /// Tokens that were issued up to then are to be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renew_before: Option<Instant>,
    /// In the order in which they were made.
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    made_at: Instant,
    #[serde(flatten)]
    about: About,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum About {
    Session {
        session: SessionId,
    },
    Sessions {
        member: MemberId,
        ended: SessionsEnded,
    },
    Ban {
        member: MemberId,
        message: Localized,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ends_at: Option<Instant>,
    },
}

impl RevocationList {
    /// Whether a token with these claims opens at `now`.
    ///
    /// # Errors
    /// [`Refusal`] says why not; of several reasons a ban is told.
    pub fn check(&self, claims: &AccessClaims, now: Instant) -> Result<(), Refusal> {
        let found = self
            .entries
            .iter()
            .filter_map(|entry| entry.refusal(claims, now));
        let ban = |refusal: &Refusal| matches!(refusal, Refusal::Banned { .. });
        let issued_before = |line: Instant| claims.jti.made_at() <= line;
        match found.max_by_key(ban) {
            Some(refusal) => Err(refusal),
            None if self.renew_before.is_some_and(issued_before) => Err(Refusal::ToBeRenewed),
            None => Ok(()),
        }
    }

    /// The list after `change` at `now`, without what has lapsed.
    pub(crate) fn changed(&self, change: &Change, now: Instant) -> Self {
        let mut entries: Vec<Entry> = self
            .entries
            .iter()
            .filter(|entry| !entry.has_lapsed(now) && !entry.is_replaced_by(change))
            .cloned()
            .collect();
        let change = self.at_least(change, now);
        entries.extend(About::of(&change).map(|about| Entry {
            made_at: now,
            about,
        }));
        let lapsed = |line: &Instant| now >= *line + LONGEST_TOKEN + LATE;
        let mut changed = Self {
            version: self.version + 1,
            renew_before: self.renew_before.filter(|line| !lapsed(line)),
            entries,
        };
        changed.make_room();
        changed
    }

    /// Sessions that are over stay over, whatever ends fewer of them later.
    fn at_least(&self, change: &Change, now: Instant) -> Change {
        let Change::EndAll(of, ended) = change else {
            return change.clone();
        };
        let held = self.entries.iter().filter(|entry| !entry.has_lapsed(now));
        let before = held.filter_map(|entry| match &entry.about {
            About::Sessions { member, ended } if member == of => Some(*ended),
            _ => None,
        });
        let strictest = before.fold(
            *ended,
            |ended, before| {
                if before.at > ended.at { before } else { ended }
            },
        );
        Change::EndAll(*of, strictest)
    }

    /// Lets the oldest entries give way until the others fit.
    fn make_room(&mut self) {
        let size = |entry: &Entry| serde_json::to_vec(entry).map_or(0, |bytes| bytes.len());
        let mut left = MOST_BYTES;
        let fitting = self.entries.iter().rev().take_while(|entry| {
            let fits = left.checked_sub(size(entry));
            left = fits.unwrap_or(0);
            fits.is_some()
        });
        let too_many = self.entries.len() - fitting.count();
        let gone = self.entries.drain(..too_many).map(|entry| entry.made_at);
        self.renew_before = self.renew_before.max(gone.max());
    }
}

impl Entry {
    fn has_lapsed(&self, now: Instant) -> bool {
        now >= self.made_at + LONGEST_TOKEN + LATE
    }

    /// A member has one ban, the last; and one instant up to which their sessions are over.
    fn is_replaced_by(&self, change: &Change) -> bool {
        match (&self.about, change) {
            (
                About::Ban { member, .. },
                Change::Ban { member: other, .. } | Change::Lift(other),
            )
            | (About::Sessions { member, .. }, Change::EndAll(other, _)) => member == other,
            (About::Session { session }, Change::End(other)) => session == other,
            _ => false,
        }
    }

    fn refusal(&self, claims: &AccessClaims, now: Instant) -> Option<Refusal> {
        match &self.about {
            About::Session { session } => (*session == claims.sid).then_some(Refusal::Ended),
            About::Sessions { member, ended } => {
                let over = *member == claims.sub
                    && claims.sid.made_at() <= ended.at
                    && ended.except != Some(claims.sid);
                over.then_some(Refusal::Ended)
            }
            About::Ban {
                member,
                message,
                ends_at,
            } => {
                let holds = *member == claims.sub && ends_at.is_none_or(|end| now < end);
                holds.then(|| Refusal::Banned {
                    message: message.clone(),
                    ends_at: *ends_at,
                })
            }
        }
    }
}

impl About {
    fn of(change: &Change) -> Option<Self> {
        match change {
            Change::End(session) => Some(Self::Session { session: *session }),
            Change::EndAll(member, ended) => Some(Self::Sessions {
                member: *member,
                ended: *ended,
            }),
            Change::Ban {
                member,
                message,
                ends_at,
            } => Some(Self::Ban {
                member: *member,
                message: short(message),
                ends_at: *ends_at,
            }),
            Change::Lift(_) => None,
        }
    }
}

/// The message, or its default alone where all its languages together are too long.
fn short(message: &Localized) -> Localized {
    let bytes = serde_json::to_vec(message).map_or(0, |bytes| bytes.len());
    match bytes <= MESSAGE_BYTES {
        true => message.clone(),
        false => message.default_only(),
    }
}
