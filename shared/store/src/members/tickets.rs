//! Link tickets: an identity that somebody proved to have is another member's, and they say which
//! of the two members they want to go on as.
//!
//! A ticket names the very identity that was proved, by the stamp of its write: one that has changed
//! hands since is not moved. Nothing of its subject is kept in the ticket.

use std::time::Duration;

use domain::{
    Instant,
    identity::{Challenge, MemberId, Provider, SessionTerms, Withdrawal},
};
use serde::{Deserialize, Serialize};

use super::{
    Entered, MemberRecord, Members, NewIdentity, NewSession, change::Tries,
    identity_items::IdentityItem, item::Kept,
};
use crate::{
    Stamp, StoreError, keys,
    query::Read,
    table::{ABSENT, string},
    transaction::Transaction,
};

/// How long a ticket is good for.
pub const TICKET_LIFETIME: Duration = Duration::from_secs(600);

/// What came of asking for a ticket.
#[derive(Debug, Clone, PartialEq)]
pub enum Ticket {
    /// It is kept, and good until then.
    Made(Instant),
    /// The identity is no more the other member's: the link is to be tried again.
    Moved,
    /// The challenge was used before: the proof may be a copy.
    ChallengeUsed,
}

/// Which member to go on as.
#[derive(Debug, Clone, Copy)]
pub enum Choice<'a> {
    /// As the one they are: the identity becomes theirs. Another member who is left without any is
    /// to be forgotten after this grace, and can come back until then by a session of theirs.
    KeepCurrent {
        /// The grace.
        grace: Duration,
    },
    /// As the other one, who gets a session. The one they were stays as they are: a guest can come
    /// back by their secret.
    UseOther(Entrance<'a>),
}

/// The session of a member that somebody goes on as.
#[derive(Debug, Clone, Copy)]
pub struct Entrance<'a> {
    /// The session that they get.
    pub session: &'a NewSession,
    /// How long it lasts.
    pub terms: &'a SessionTerms,
}

/// What came of a choice.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// The identity is the current member's.
    Moved {
        /// The current member.
        current: Box<MemberRecord>,
        /// The other one; their withdrawal says whether they were left without an identity.
        other: Box<MemberRecord>,
    },
    /// They go on as the other member, in a new session.
    Switched(Box<Entered>),
    /// There is no such ticket of this member: unknown, used, too old, or overtaken by events.
    NoTicket,
    /// The current member has another identity of that provider. The ticket is still good.
    OtherOfProvider,
    /// The other member is kept out, and so is their identity. The ticket is still good.
    OtherBanned,
}

#[derive(Serialize, Deserialize)]
struct TicketItem {
    current: MemberId,
    other: MemberId,
    provider: Provider,
    /// The stamp of the identity that was proved.
    identity: Stamp,
    /// In milliseconds, unlike the table's own attribute.
    good_until: Instant,
    /// By which write it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used: Option<Stamp>,
}

/// A ticket that is good, and what it is about.
struct Found {
    ticket: TicketItem,
    current: Kept,
    other: Kept,
    /// The identity that was proved, if the other member still has it.
    identity: Option<IdentityItem>,
}

impl Members {
    /// Makes a ticket for a member who proved an identity that is another's. `secret` is the ticket
    /// as it is handed out, with 256 random bits; its hash is kept.
    pub async fn make_ticket(
        &self,
        secret: &str,
        current: MemberId,
        identity: &NewIdentity<'_>,
        challenge: Option<&Challenge>,
        now: Instant,
    ) -> Result<Ticket, StoreError> {
        let NewIdentity {
            provider, subject, ..
        } = *identity;
        let mut tries = Tries::default();
        let key = keys::ticket(secret);
        let good_until = now + TICKET_LIFETIME;
        loop {
            if tries.any() && self.table.get_item(&key, Read::Consistent).await?.is_some() {
                return Ok(Ticket::Made(good_until));
            }
            if let Some(challenge) = challenge
                && tries.any()
                && self.is_used(challenge).await?
            {
                return Ok(Ticket::ChallengeUsed);
            }
            tries.proceed()?;
            let other = self.owner(provider, subject).await?;
            let Some(other) = other.filter(|other| *other != current) else {
                return Ok(Ticket::Moved);
            };
            let identity = self.identity(other, provider).await?;
            let Some(identity) = identity.filter(|identity| identity.subject == *subject) else {
                return Ok(Ticket::Moved);
            };
            let ticket = TicketItem {
                current,
                other,
                provider,
                identity: identity.stamp,
                good_until,
                used: None,
            };
            let item = self.table.encode_until(&key, &ticket, good_until)?;
            let transaction = Transaction::new(&self.table).put_if(item, ABSENT, [])?;
            let transaction = transaction.check(
                &keys::identity(provider, subject),
                "member_id = :other",
                [(":other", string(other))],
            )?;
            let transaction = self.use_challenge(transaction, challenge)?;
            let own = transaction.len();
            if tries.commit(&self.table, transaction, own).await {
                return Ok(Ticket::Made(good_until));
            }
        }
    }

    /// Uses a ticket of the current member, once.
    pub async fn resolve<'t>(
        &'t self,
        secret: &str,
        current: MemberId,
        choice: &Choice<'_>,
        stamp: Stamp,
        now: Instant,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<Resolution, StoreError> {
        let mut tries = Tries::default();
        let mut last = None;
        loop {
            let Some(found) = self.ticket(secret, current).await? else {
                return Ok(Resolution::NoTicket);
            };
            if let Some(outcome) = last.take().filter(|_| found.ticket.used == Some(stamp)) {
                return Ok(outcome);
            }
            if found.ticket.used.is_some() || found.ticket.good_until <= now {
                return Ok(Resolution::NoTicket);
            }
            if found.other.record.member.held_ban(now).is_some() {
                return Ok(Resolution::OtherBanned);
            }
            if found.other.record.member.is_gone(now) {
                return Ok(Resolution::NoTicket);
            }
            let Some(identity) = &found.identity else {
                return Ok(Resolution::NoTicket);
            };
            tries.proceed()?;
            let transaction = Transaction::new(&self.table).update_if(
                &keys::ticket(secret),
                "SET used = :stamp",
                "attribute_not_exists(used)",
                [(":stamp", string(stamp))],
            )?;
            let (transaction, outcome) = match choice {
                Choice::KeepCurrent { grace } => {
                    let provider = found.ticket.provider;
                    if let Some(own) = self.identity(current, provider).await? {
                        // The very one has just been moved by another use of the ticket.
                        let moved = own.subject == identity.subject;
                        return Ok(match moved {
                            true => Resolution::NoTicket,
                            false => Resolution::OtherOfProvider,
                        });
                    }
                    self.keep_current(transaction, &found, identity, *grace, stamp, now)?
                }
                Choice::UseOther(entrance) => {
                    self.use_other(transaction, &found, identity, entrance, now)?
                }
            };
            let own = transaction.len();
            if tries.commit(&self.table, with(transaction)?, own).await {
                if let Resolution::Switched(entered) = &outcome {
                    self.limit_sessions(&entered.session, now).await;
                }
                return Ok(outcome);
            }
            last = Some(outcome);
        }
    }

    async fn ticket(&self, secret: &str, current: MemberId) -> Result<Option<Found>, StoreError> {
        let key = keys::ticket(secret);
        let ticket: Option<TicketItem> = self.table.get(&key, Read::Consistent).await?;
        let Some(ticket) = ticket.filter(|ticket| ticket.current == current) else {
            return Ok(None);
        };
        let current = self.present(ticket.current).await?;
        let other = self.present(ticket.other).await?;
        let identity = self.identity(ticket.other, ticket.provider).await?;
        let identity = identity.filter(|identity| identity.stamp == ticket.identity);
        Ok(current.zip(other).map(|(current, other)| Found {
            ticket,
            current,
            other,
            identity,
        }))
    }

    /// The identity changes hands.
    fn keep_current<'t>(
        &'t self,
        transaction: Transaction<'t>,
        found: &Found,
        identity: &IdentityItem,
        grace: Duration,
        stamp: Stamp,
        now: Instant,
    ) -> Result<(Transaction<'t>, Resolution), StoreError> {
        let Found {
            ticket,
            current,
            other,
            ..
        } = found;
        let (mut gains, mut loses) = (current.next(stamp), other.next(stamp));
        gains.record.identities += 1;
        loses.record.identities = loses.record.identities.saturating_sub(1);
        let (from, to) = (ticket.other, ticket.current);
        let transaction = self.move_identity(transaction, from, to, identity, stamp, now)?;
        let pending = loses.record.member.withdrawal.is_some();
        let transaction = if loses.record.identities == 0 && !pending {
            let withdrawal = Withdrawal {
                requested_at: now,
                purge_at: now + grace,
            };
            loses.change_standing(stamp);
            self.begin_withdrawal(transaction, &mut loses, withdrawal)?
        } else {
            transaction
        };
        let transaction = self.put_member(transaction, current, &gains)?;
        let transaction = self.put_member(transaction, other, &loses)?;
        let outcome = Resolution::Moved {
            current: Box::new(gains.record),
            other: Box::new(loses.record),
        };
        Ok((transaction, outcome))
    }

    fn use_other<'t>(
        &'t self,
        transaction: Transaction<'t>,
        found: &Found,
        identity: &IdentityItem,
        entrance: &Entrance<'_>,
        now: Instant,
    ) -> Result<(Transaction<'t>, Resolution), StoreError> {
        let other = &found.other;
        let transaction = self.check_present(transaction, other)?.check(
            &keys::member_identity(other.id(), found.ticket.provider),
            "stamp = :identity",
            [(":identity", string(identity.stamp))],
        )?;
        let session = entrance.session.begin(&other.record.member, now);
        let transaction = self.put_session(transaction, &session, entrance.terms)?;
        let entered = Entered {
            member: other.record.clone(),
            session,
            created: false,
        };
        Ok((transaction, Resolution::Switched(Box::new(entered))))
    }
}
