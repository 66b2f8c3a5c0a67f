//! A member, and whether they may come in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Consents, MemberId, Session, SessionId};
use crate::{Country, Instant, Locale, Localized, targeting::Attributes};

closed_set! {
    /// How a member stands.
    pub enum MemberStatus {
        /// As members do.
        Active = "active",
        /// Kept out, for a while or for good.
        Banned = "banned",
        /// About to be forgotten, and free to come back until then.
        WithdrawalPending = "withdrawal_pending",
        /// Forgotten.
        Withdrawn = "withdrawn",
    }
}

/// Why and how long a member is kept out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ban {
    /// Why, for operators.
    pub reason: String,
    /// What the member is told.
    pub message: Localized,
    /// Since when.
    pub since: Instant,
    /// Until when; for good without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Instant>,
}

impl Ban {
    /// Whether it holds at `now`: one that has an end lapses by itself.
    pub fn holds(&self, now: Instant) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }
}

/// A member's wish to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Withdrawal {
    /// When they said so.
    pub requested_at: Instant,
    /// When it is done, if they don't come back before.
    pub purge_at: Instant,
}

/// All sessions signed in to up to an instant are over, but one perhaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsEnded {
    /// Up to then, inclusive.
    pub at: Instant,
    /// The one that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<SessionId>,
}

/// A member as they are kept, their nickname and identities aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Their id.
    pub id: MemberId,
    /// When they signed in first.
    pub created_at: Instant,
    /// Counts their changes; the entity tag of `PATCH /v1/me`.
    pub version: u64,
    /// The language they read.
    pub locale: Option<Locale>,
    /// Where they are at home.
    pub country: Option<Country>,
    /// What they agreed to.
    pub consents: Consents,
    /// Under 14, so that a guardian had to agree.
    pub under_14: bool,
    /// What the app knows of them beside.
    pub attributes: Attributes,
    /// The last ban, lapsed or not.
    pub ban: Option<Ban>,
    /// Their wish to be forgotten.
    pub withdrawal: Option<Withdrawal>,
    /// That they were forgotten: what is left has no name.
    pub withdrawn_at: Option<Instant>,
    /// Sessions that are over.
    pub sessions_ended: Option<SessionsEnded>,
}

impl Member {
    /// How they stand at `now`. Whoever is banned is banned first.
    pub fn status(&self, now: Instant) -> MemberStatus {
        if self.is_gone(now) {
            MemberStatus::Withdrawn
        } else if self.held_ban(now).is_some() {
            MemberStatus::Banned
        } else if self.withdrawal.is_some() {
            MemberStatus::WithdrawalPending
        } else {
            MemberStatus::Active
        }
    }

    /// Whether the member is gone at `now`: their grace period has ended, whether or not the purge
    /// has run.
    pub fn is_gone(&self, now: Instant) -> bool {
        self.withdrawn_at.is_some()
            || self
                .withdrawal
                .is_some_and(|withdrawal| withdrawal.purge_at <= now)
    }

    /// The ban that holds at `now`.
    pub fn held_ban(&self, now: Instant) -> Option<&Ban> {
        self.ban.as_ref().filter(|ban| ban.holds(now))
    }

    /// Whether a session of theirs was ended together with others.
    pub fn has_ended(&self, session: &Session) -> bool {
        self.sessions_ended
            .is_some_and(|ended| session.created_at <= ended.at && ended.except != Some(session.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RandomId;

    fn member() -> Member {
        Member {
            id: RandomId::from_bytes([1; 16]),
            created_at: Instant::from_seconds(0),
            version: 1,
            locale: None,
            country: None,
            consents: Consents::default(),
            under_14: false,
            attributes: Attributes::default(),
            ban: None,
            withdrawal: None,
            withdrawn_at: None,
            sessions_ended: None,
        }
    }

    #[test]
    fn a_ban_with_an_end_lapses_by_itself() {
        let at = Instant::from_seconds;
        let ban = |ends_at| Ban {
            reason: "cheating".into(),
            message: serde_json::from_str(r#"{"default":"no"}"#).unwrap(),
            since: at(100),
            ends_at,
        };
        let withdrawal = Some(Withdrawal {
            requested_at: at(50),
            purge_at: at(1_000),
        });
        let banned = Member {
            ban: Some(ban(Some(at(200)))),
            withdrawal,
            ..member()
        };
        assert_eq!(banned.status(at(199)), MemberStatus::Banned);
        assert_eq!(banned.status(at(200)), MemberStatus::WithdrawalPending);
        assert_eq!(banned.status(at(999)), MemberStatus::WithdrawalPending);
        assert_eq!(banned.status(at(1_000)), MemberStatus::Withdrawn);
        let for_good = Member {
            ban: Some(ban(None)),
            ..member()
        };
        assert_eq!(
            for_good.status(at(i64::from(u32::MAX))),
            MemberStatus::Banned
        );
        assert_eq!(member().status(at(0)), MemberStatus::Active);
    }
}
