//! Signing in: whoever proved an identity gets a session, and is made a member the first time.

use domain::{
    Country, Instant, Locale,
    identity::{
        Ban, Challenge, Consents, Member, MemberId, Session, SessionDevice, SessionId, SessionTerms,
    },
    targeting::Attributes,
};
use serde::Serialize;

use super::{
    MemberRecord, Members, NewIdentity,
    change::{Tries, UNCHANGED},
    item::Kept,
};
use crate::{
    Stamp, StoreError, keys,
    query::Read,
    table::{ABSENT, Put, number},
    transaction::Transaction,
};

/// Somebody who proved who they are.
#[derive(Debug, Clone, Copy)]
pub struct SignIn<'a> {
    /// As whom.
    pub identity: &'a NewIdentity<'a>,
    /// Who they become if they are no member yet; without it, nobody.
    pub newcomer: Option<&'a Newcomer>,
    /// The session that they get.
    pub session: &'a NewSession,
    /// How long it lasts.
    pub terms: &'a SessionTerms,
    /// The challenge that their proof answers, which is good for this one time.
    pub challenge: Option<&'a Challenge>,
}

/// A member to be.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// Their id.
    pub id: MemberId,
    /// The language they read.
    pub locale: Option<Locale>,
    /// Where they are at home.
    pub country: Option<Country>,
    /// What they agreed to.
    pub consents: Consents,
    /// Under 14.
    pub under_14: bool,
}

/// A session to be.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// On which device.
    pub device: SessionDevice,
}

/// What came of signing in.
#[derive(Debug, Clone, PartialEq)]
pub enum SignedIn {
    /// They are in.
    Entered(Box<Entered>),
    /// The challenge was used before: the proof may be a copy.
    ChallengeUsed,
    /// They are no member, and were not to become one.
    Unknown,
    /// They are kept out.
    Banned(Box<Ban>),
    /// They are being forgotten at this moment, after which they may become a new member.
    Leaving,
}

/// A member with a new session.
#[derive(Debug, Clone, PartialEq)]
pub struct Entered {
    /// The member.
    pub member: MemberRecord,
    /// Their session.
    pub session: Session,
    /// Whether they became one just now.
    pub created: bool,
}

/// That a challenge was used: the key says it all.
#[derive(Serialize)]
struct Used {}

impl Members {
    /// Signs in: one transaction, whatever it makes. Of any number that sign in first with one
    /// identity at once, one becomes a member and the others find them there.
    pub async fn sign_in(
        &self,
        sign_in: &SignIn<'_>,
        stamp: Stamp,
        now: Instant,
    ) -> Result<SignedIn, StoreError> {
        let NewIdentity {
            provider, subject, ..
        } = *sign_in.identity;
        let mut tries = Tries::default();
        loop {
            let known = match self.owner(provider, subject).await? {
                Some(id) => Some(self.owner_record(id).await?),
                None => None,
            };
            if tries.any()
                && let Some(kept) = &known
                && let begun = sign_in.session.begin(&kept.record.member, now)
                && let Some(session) = self.session(kept.id(), begun.id).await?
            {
                return Ok(entered(kept.clone(), session, sign_in));
            }
            if let Some(challenge) = sign_in.challenge
                && tries.any()
                && self.is_used(challenge).await?
            {
                return Ok(SignedIn::ChallengeUsed);
            }
            tries.proceed()?;
            let (kept, transaction) = match known {
                Some(kept) => {
                    let member = &kept.record.member;
                    if member.withdrawn_at.is_some() {
                        return Ok(SignedIn::Leaving);
                    }
                    if let Some(ban) = member.held_ban(now) {
                        let banned = SignedIn::Banned(Box::new(ban.clone()));
                        return Ok(match self.spend(sign_in.challenge, stamp).await? {
                            true => banned,
                            false => SignedIn::ChallengeUsed,
                        });
                    }
                    let transaction = self.returns(&kept, sign_in)?;
                    (kept, transaction)
                }
                None => {
                    let Some(newcomer) = sign_in.newcomer else {
                        return Ok(SignedIn::Unknown);
                    };
                    self.arrives(newcomer, sign_in, stamp, now)?
                }
            };
            let session = sign_in.session.begin(&kept.record.member, now);
            let transaction = self.put_session(transaction, &session, sign_in.terms)?;
            let transaction = self.use_challenge(transaction, sign_in.challenge)?;
            let own = transaction.len();
            if tries.commit(&self.table, transaction, own).await {
                return Ok(entered(kept, session, sign_in));
            }
        }
    }

    /// Whose identity that is.
    pub(super) async fn owner_record(&self, id: MemberId) -> Result<Kept, StoreError> {
        self.kept(id).await?.ok_or_else(|| {
            StoreError::corrupt(self.table.name(), format!("an identity of nobody, {id}"))
        })
    }

    /// Adds that the challenge was used, which must not be so yet.
    pub fn use_challenge<'t>(
        &'t self,
        transaction: Transaction<'t>,
        challenge: Option<&Challenge>,
    ) -> Result<Transaction<'t>, StoreError> {
        let mut uses = challenge.into_iter().flat_map(Challenge::uses);
        uses.try_fold(transaction, |transaction, (serial, until)| {
            let key = keys::challenge(serial);
            let item = self.table.encode_until(&key, &Used {}, until)?;
            transaction.put_if(item, ABSENT, [])
        })
    }

    /// Uses up a challenge that nothing else is written with. `false`: it was used before.
    pub(super) async fn spend(
        &self,
        challenge: Option<&Challenge>,
        stamp: Stamp,
    ) -> Result<bool, StoreError> {
        for (serial, until) in challenge.into_iter().flat_map(Challenge::uses) {
            let key = keys::challenge(serial);
            let item = self.table.encode_until(&key, &Used {}, until)?;
            if !matches!(
                self.table.put_once(item, stamp, ABSENT, []).await?,
                Put::Done
            ) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a challenge was used.
    pub async fn is_used(&self, challenge: &Challenge) -> Result<bool, StoreError> {
        for (serial, _) in challenge.uses() {
            let key = keys::challenge(serial);
            if self.table.get_item(&key, Read::Consistent).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is written of a member who comes back: nothing of theirs, as long as nobody changes them.
    fn returns(&self, kept: &Kept, sign_in: &SignIn<'_>) -> Result<Transaction<'_>, StoreError> {
        let unchanged = [(":version", number(kept.version()))];
        let transaction = Transaction::new(&self.table).check(
            &keys::member_record(kept.id()),
            UNCHANGED,
            unchanged,
        )?;
        self.renew_provider_token(transaction, kept.id(), sign_in.identity)
    }

    fn arrives(
        &self,
        newcomer: &Newcomer,
        sign_in: &SignIn<'_>,
        stamp: Stamp,
        now: Instant,
    ) -> Result<(Kept, Transaction<'_>), StoreError> {
        let member = Member {
            id: newcomer.id,
            created_at: now,
            version: 1,
            locale: newcomer.locale.clone(),
            country: newcomer.country,
            consents: newcomer.consents.clone(),
            under_14: newcomer.under_14,
            attributes: Attributes::default(),
            ban: None,
            withdrawal: None,
            withdrawn_at: None,
            sessions_ended: None,
        };
        let kept = Kept::new(member, stamp);
        let transaction = Transaction::new(&self.table);
        let transaction = self.put_newcomer(transaction, &kept)?;
        let transaction =
            self.put_identity(transaction, kept.id(), sign_in.identity, stamp, now)?;
        Ok((kept, transaction))
    }
}

impl NewSession {
    /// The session as it begins. It begins after all that are over already, though this clock may
    /// lag behind the one that ended them; and so does its id, by whose time revocations go.
    pub(super) fn begin(&self, member: &Member, now: Instant) -> Session {
        let after =
            |ended: domain::identity::SessionsEnded| ended.at + std::time::Duration::from_millis(1);
        let created_at = member
            .sessions_ended
            .map_or(now, |ended| now.max(after(ended)));
        Session {
            id: match created_at == now {
                true => self.id,
                false => self.id.moved_to(created_at),
            },
            member: member.id,
            device: self.device.clone(),
            counter: 1,
            created_at,
            rotated_at: created_at,
        }
    }
}

fn entered(kept: Kept, session: Session, sign_in: &SignIn<'_>) -> SignedIn {
    let created = sign_in
        .newcomer
        .is_some_and(|newcomer| newcomer.id == kept.id());
    SignedIn::Entered(Box::new(Entered {
        member: kept.record,
        session,
        created,
    }))
}
