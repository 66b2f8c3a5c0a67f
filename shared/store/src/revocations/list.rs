//! What the log says, as verifiers ask it.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use domain::{
    Instant, Localized,
    identity::{AccessClaims, MemberId, SessionId, SessionsEnded},
};

use super::{
    legacy::LegacyList,
    log::{About, Entry},
};

/// The longest lifetime of an access token.
pub const LONGEST_TOKEN: Duration = Duration::from_secs(900);

/// What changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
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

/// The entries that are of use, by what they are about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RevocationList {
    sessions: HashSet<SessionId>,
    members: HashMap<MemberId, MemberRevocations>,
    legacy: LegacyList,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct MemberRevocations {
    /// The last entry about a ban: where it stands in their order, and the ban, if it is one.
    ban: Option<((u64, Instant), Option<BanEntry>)>,
    ended: Vec<SessionsEnded>,
}

#[derive(Debug, Clone, PartialEq)]
struct BanEntry {
    message: Localized,
    ends_at: Option<Instant>,
}

impl RevocationList {
    pub(super) fn new<'e>(
        entries: impl Iterator<Item = &'e Entry>,
        legacy: LegacyList,
        now: Instant,
    ) -> Self {
        let mut list = Self::default();
        legacy.entries(now).for_each(|entry| list.add(&entry));
        entries.for_each(|entry| list.add(entry));
        list.legacy = legacy;
        list
    }

    fn add(&mut self, entry: &Entry) {
        match &entry.about {
            About::Session { session } => {
                self.sessions.insert(*session);
            }
            About::Sessions { member, ended } => {
                self.members.entry(*member).or_default().ended.push(*ended);
            }
            About::Ban {
                member,
                message,
                ends_at,
            } => {
                let ban = BanEntry {
                    message: message.clone(),
                    ends_at: *ends_at,
                };
                self.set_ban(*member, entry, Some(ban));
            }
            About::Lift { member } => self.set_ban(*member, entry, None),
        }
    }

    fn set_ban(&mut self, member: MemberId, entry: &Entry, ban: Option<BanEntry>) {
        let place = (entry.order, entry.made_at);
        let known = self.members.entry(member).or_default();
        if known.ban.as_ref().is_none_or(|(last, _)| *last <= place) {
            known.ban = Some((place, ban));
        }
    }

    /// Whether a token with these claims opens at `now`.
    ///
    /// # Errors
    /// [`Refusal`] says why not; of several reasons a ban is told.
    pub fn check(&self, claims: &AccessClaims, now: Instant) -> Result<(), Refusal> {
        let ban = self.members.get(&claims.sub).and_then(|of| of.ban.as_ref());
        if let Some((_, Some(ban))) = ban
            && ban.ends_at.is_none_or(|end| now < end)
        {
            return Err(Refusal::Banned {
                message: ban.message.clone(),
                ends_at: ban.ends_at,
            });
        }
        self.check_session(claims)
    }

    /// Whether the session of a token with these claims goes on, whatever ban its member has.
    ///
    /// # Errors
    /// [`Refusal`] says why not.
    pub fn check_session(&self, claims: &AccessClaims) -> Result<(), Refusal> {
        let is_over = |ended: &SessionsEnded| {
            claims.sid.made_at() <= ended.at && ended.except != Some(claims.sid)
        };
        let member = self.members.get(&claims.sub);
        if self.sessions.contains(&claims.sid)
            || member.is_some_and(|member| member.ended.iter().any(is_over))
        {
            return Err(Refusal::Ended);
        }
        match self.legacy.asks_to_renew(claims) {
            true => Err(Refusal::ToBeRenewed),
            false => Ok(()),
        }
    }
}
