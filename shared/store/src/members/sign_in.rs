//! Signing in: whoever proved an identity gets a session, and is made a member the first time.

use domain::{
    Country, DeviceKey, Instant, Locale, ReportedDevice,
    identity::{
        Ban, Challenge, Consents, DeviceInfo, Member, MemberId, Session, SessionId, SessionTerms,
    },
    targeting::Attributes,
};
use kit::problem::Chain;
use serde::Serialize;

use super::{MemberRecord, Members, NewIdentity, change::Tries, item::Kept};
use crate::{
    Stamp, StoreError, keys,
    query::Read,
    table::{ABSENT, Item, Put, has_stamp, set_stamp},
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
    /// The key of the device that it is bound to, if it is bound to one.
    pub device_key: Option<DeviceKey>,
    /// What the app reports about that device.
    pub device: DeviceInfo,
}

/// What came of signing in.
#[derive(Debug, Clone, PartialEq)]
pub enum SignedIn {
    /// They are in.
    Entered(Box<Entered>),
    /// The challenge was used before: the proof may be a copy.
    ChallengeUsed,
    /// They are no member, and were not to become one; or a guest's secret is not theirs any more.
    Unknown,
    /// They are kept out: the member, or, where they are gone, their identity.
    Banned {
        /// The ban.
        ban: Box<Ban>,
        /// The banned member, unless they are gone.
        member: Option<MemberId>,
    },
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
        self.sign_in_with(sign_in, stamp, now, |transaction, _| Ok(transaction))
            .await
    }

    /// Signs in as [`sign_in`](Self::sign_in) does. `with` adds writes about the outcome, which is
    /// [`SignedIn::Entered`] or [`SignedIn::Banned`], to its transaction; it is called for each try.
    pub async fn sign_in_with<'t>(
        &'t self,
        sign_in: &SignIn<'_>,
        stamp: Stamp,
        now: Instant,
        with: impl FnMut(Transaction<'t>, &SignedIn) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<SignedIn, StoreError> {
        let signed_in = self.try_sign_in(sign_in, stamp, now, with).await?;
        if let SignedIn::Entered(entered) = &signed_in {
            self.limit_sessions(&entered.session, now).await;
        }
        Ok(signed_in)
    }

    /// Ends surplus sessions after `session` began. The sign-in is done and is told to the caller in
    /// any case; the next one tries again.
    pub(super) async fn limit_sessions(&self, session: &Session, now: Instant) {
        if let Err(error) = self.end_surplus_sessions(session, now).await {
            tracing::warn!(error = %Chain(&error), "surplus sessions not ended");
        }
    }

    async fn try_sign_in<'t>(
        &'t self,
        sign_in: &SignIn<'_>,
        stamp: Stamp,
        now: Instant,
        mut with: impl FnMut(Transaction<'t>, &SignedIn) -> Result<Transaction<'t>, StoreError>,
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
            // After the grace a member is gone, whether or not the purge has run.
            let (known, gone) = match known {
                Some(kept) if kept.record.member.is_gone(now) => (None, Some(kept)),
                known => (known, None),
            };
            if tries.any()
                && let Some(kept) = &known
                && let begun = sign_in.session.begin(&kept.record.member, now)
                && let Some(session) = self.session(kept.id(), begun.id).await?
            {
                let entered = entered(kept.clone(), session, sign_in);
                return Ok(SignedIn::Entered(Box::new(entered)));
            }
            if let Some(challenge) = sign_in.challenge
                && tries.any()
                && self.is_used(challenge).await?
            {
                return Ok(SignedIn::ChallengeUsed);
            }
            if let (Some(_), Some(secret)) = (&known, sign_in.identity.guest_secret)
                && tries.any()
                && !self.knows_guest(subject, secret).await?
            {
                return Ok(SignedIn::Unknown);
            }
            tries.proceed()?;
            let (kept, transaction) = match known {
                Some(kept) => {
                    if let Some(ban) = kept.record.member.held_ban(now) {
                        let banned = SignedIn::Banned {
                            ban: Box::new(ban.clone()),
                            member: Some(kept.id()),
                        };
                        return self
                            .refuse_banned(sign_in.challenge, banned, stamp, with)
                            .await;
                    }
                    let transaction = self.returns(&kept, sign_in)?;
                    (kept, transaction)
                }
                None => {
                    let identity = sign_in.identity;
                    if let Some(ban) = self.ban_of_gone(gone.as_ref(), identity, now).await? {
                        let banned = SignedIn::Banned {
                            ban: Box::new(ban),
                            member: None,
                        };
                        return self
                            .refuse_banned(sign_in.challenge, banned, stamp, with)
                            .await;
                    }
                    let Some(newcomer) = sign_in.newcomer else {
                        return Ok(SignedIn::Unknown);
                    };
                    self.arrives(newcomer, sign_in, gone.as_ref(), stamp, now)?
                }
            };
            let session = sign_in.session.begin(&kept.record.member, now);
            let transaction = self.put_session(transaction, &session, sign_in.terms)?;
            let transaction = self.use_challenge(transaction, sign_in.challenge)?;
            let own = transaction.len();
            let outcome = SignedIn::Entered(Box::new(entered(kept, session, sign_in)));
            let transaction = with(transaction, &outcome)?;
            if tries.commit(&self.table, transaction, own).await {
                return Ok(outcome);
            }
        }
    }

    /// Refuses a banned member or identity: the outcome is `banned`. The challenge is used up all the
    /// same, in one transaction with what `with` adds.
    async fn refuse_banned<'t>(
        &'t self,
        challenge: Option<&Challenge>,
        banned: SignedIn,
        stamp: Stamp,
        mut with: impl FnMut(Transaction<'t>, &SignedIn) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<SignedIn, StoreError> {
        let mut tries = Tries::default();
        loop {
            if let Some(challenge) = challenge
                && tries.any()
                && let Some(used) = self.use_of(challenge).await?
            {
                return Ok(match has_stamp(&used, stamp) {
                    true => banned,
                    false => SignedIn::ChallengeUsed,
                });
            }
            tries.proceed()?;
            let transaction = Transaction::new(&self.table);
            let transaction = self.use_challenge_once(transaction, challenge, Some(stamp))?;
            let own = transaction.len();
            let transaction = with(transaction, &banned)?;
            if transaction.len() == 0 || tries.commit(&self.table, transaction, own).await {
                return Ok(banned);
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
        self.use_challenge_once(transaction, challenge, None)
    }

    /// Adds the use of the challenge. The stamp, if any, identifies the write that used it.
    fn use_challenge_once<'t>(
        &'t self,
        transaction: Transaction<'t>,
        challenge: Option<&Challenge>,
        stamp: Option<Stamp>,
    ) -> Result<Transaction<'t>, StoreError> {
        let mut uses = challenge.into_iter().flat_map(Challenge::uses);
        uses.try_fold(transaction, |transaction, (serial, until)| {
            let key = keys::challenge(serial);
            let mut item = self.table.encode_until(&key, &Used {}, until)?;
            if let Some(stamp) = stamp {
                set_stamp(&mut item, stamp);
            }
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
        Ok(self.use_of(challenge).await?.is_some())
    }

    /// Returns the item that a use of the challenge has stored, if it was used.
    async fn use_of(&self, challenge: &Challenge) -> Result<Option<Item>, StoreError> {
        for (serial, _) in challenge.uses() {
            let key = keys::challenge(serial);
            if let Some(used) = self.table.get_item(&key, Read::Consistent).await? {
                return Ok(Some(used));
            }
        }
        Ok(None)
    }

    /// What is written of a member who comes back: nothing of theirs, as long as they are there, their
    /// standing does not change, and a guest's secret is not replaced.
    fn returns(&self, kept: &Kept, sign_in: &SignIn<'_>) -> Result<Transaction<'_>, StoreError> {
        let transaction = self.check_present(Transaction::new(&self.table), kept)?;
        let NewIdentity {
            subject,
            guest_secret,
            ..
        } = *sign_in.identity;
        match guest_secret {
            Some(secret) => self.check_guest_secret(transaction, kept.id(), subject, secret),
            None => Ok(transaction),
        }
    }

    fn arrives(
        &self,
        newcomer: &Newcomer,
        sign_in: &SignIn<'_>,
        gone: Option<&Kept>,
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
        let identity = (sign_in.identity, gone);
        let transaction = self.put_identity(transaction, kept.id(), identity, stamp, now)?;
        Ok((kept, transaction))
    }
}

impl NewSession {
    /// Returns a session to be, on a device as an app reports it.
    pub fn on(id: SessionId, device: ReportedDevice) -> Self {
        Self {
            id,
            device_key: device.key(),
            device: device.into(),
        }
    }

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
            device_key: self.device_key,
            device: self.device.clone(),
            counter: 1,
            created_at,
            authenticated_at: created_at,
            rotated_at: created_at,
        }
    }
}

fn entered(kept: Kept, session: Session, sign_in: &SignIn<'_>) -> Entered {
    let created = sign_in
        .newcomer
        .is_some_and(|newcomer| newcomer.id == kept.id());
    Entered {
        member: kept.record,
        session,
        created,
    }
}
