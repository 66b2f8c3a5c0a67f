//! Sessions: turned, listed and ended.

use domain::{
    Instant,
    identity::{
        MemberId, Presented, Session, SessionDevice, SessionId, SessionTerms, SessionsEnded,
    },
};
use serde::{Deserialize, Serialize};

use super::{
    Members,
    change::{Plan, Tries},
};
use crate::{
    Stamp, StoreError, keys,
    query::{Range, Read},
    table::{ABSENT, Item, is_over, number, string},
    transaction::Transaction,
};

/// What came of presenting a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// The session goes on, and this is its live turn: the next one, or the one that was given out
    /// a moment ago in exchange for the same token.
    Live(Session),
    /// The token was replaced too long ago: the session is to be ended.
    Reused(Session),
    /// The session is over, or there is none.
    Ended,
    /// No token of this counter was given out yet.
    Unheard,
}

#[derive(Serialize, Deserialize)]
struct SessionItem {
    id: SessionId,
    /// As JSON text.
    device: String,
    /// The counter of the live token.
    turn: u64,
    created_at: Instant,
    rotated_at: Instant,
}

impl Members {
    /// Exchanges a token of `counter` for the next, of a session that is not over with others
    /// ([`Member::has_ended`](domain::identity::Member::has_ended)). Of any number that present the
    /// live token at once, all are given the same next turn.
    pub async fn refresh(
        &self,
        mut session: Session,
        counter: u64,
        now: Instant,
        terms: &SessionTerms,
    ) -> Result<Refresh, StoreError> {
        loop {
            match session.present(counter, now, terms) {
                Presented::Live => {}
                Presented::JustBefore => return Ok(Refresh::Live(session)),
                Presented::Reused => return Ok(Refresh::Reused(session)),
                Presented::Ended => return Ok(Refresh::Ended),
                Presented::Unheard => return Ok(Refresh::Unheard),
            }
            let next = Session {
                counter: counter + 1,
                rotated_at: now.max(session.rotated_at),
                ..session
            };
            let updated = self
                .table
                .update(
                    &keys::session(next.member, next.id),
                    "SET turn = :next, rotated_at = :now, expires_at = :over",
                    Some("turn = :turn"),
                    [
                        (":next", number(next.counter)),
                        (":now", string(next.rotated_at)),
                        (":over", number(next.ends_at(terms).as_seconds())),
                        (":turn", number(counter)),
                    ],
                )
                .await;
            match updated {
                Ok(_) => return Ok(Refresh::Live(next)),
                // Another was faster, or this very write was answered twice.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
            match self.session(next.member, next.id).await? {
                Some(found) => session = found,
                None => return Ok(Refresh::Ended),
            }
        }
    }

    /// A member's sessions that are not over at `now`, the newest first.
    pub async fn sessions(
        &self,
        member: MemberId,
        now: Instant,
    ) -> Result<Vec<Session>, StoreError> {
        let Some(kept) = self.kept(member).await? else {
            return Ok(Vec::new());
        };
        let mut sessions = self.all_sessions(member, now).await?;
        sessions.retain(|session| !kept.record.member.has_ended(session));
        Ok(sessions)
    }

    /// Ends a session. `false`: the member has none of that id, perhaps because this very call was
    /// answered twice.
    pub async fn end_session<'t>(
        &'t self,
        member: MemberId,
        session: SessionId,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<bool, StoreError> {
        let key = keys::session(member, session);
        let mut tries = Tries::default();
        loop {
            if self.session(member, session).await?.is_none() {
                return Ok(tries.any());
            }
            tries.proceed()?;
            let transaction =
                Transaction::new(&self.table).delete_if(&key, "attribute_exists(pk)", [])?;
            if tries.commit(&self.table, with(transaction)?, 1).await {
                return Ok(true);
            }
        }
    }

    /// Ends all sessions that were signed in to up to an instant, but one perhaps: one that is over
    /// already stays over. `false`: there is no such member.
    pub async fn end_sessions<'t>(
        &'t self,
        member: MemberId,
        ended: SessionsEnded,
        stamp: Stamp,
        with: impl Fn(Transaction<'t>) -> Result<Transaction<'t>, StoreError>,
    ) -> Result<bool, StoreError> {
        let spared = match ended.except {
            Some(session) => self.session(member, session).await?,
            None => None,
        };
        let changed = self.change(
            member,
            stamp,
            |before, after, transaction| {
                let spared = spared
                    .as_ref()
                    .filter(|session| !before.record.member.has_ended(session));
                let before = before.record.member.sessions_ended;
                after.record.member.sessions_ended = Some(SessionsEnded {
                    at: before.map_or(ended.at, |before| before.at.max(ended.at)),
                    except: spared.map(|session| session.id),
                });
                Ok(Plan::Write(transaction, ()))
            },
            with,
        );
        Ok(changed.await?.is_some())
    }

    /// A session that is there, over or not.
    pub(super) async fn session(
        &self,
        member: MemberId,
        id: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        let key = keys::session(member, id);
        let item = self.table.get_item(&key, Read::Consistent).await?;
        item.map(|item| self.read_session(member, item)).transpose()
    }

    /// All of a member's that are not over by themselves at `now`, the newest first.
    pub(super) async fn all_sessions(
        &self,
        member: MemberId,
        now: Instant,
    ) -> Result<Vec<Session>, StoreError> {
        let (least, greatest) = keys::SESSIONS;
        let range = Range {
            between: Some((least.to_owned(), greatest.to_owned())),
            newest_first: true,
            ..Range::all(keys::member(member), Read::Consistent)
        };
        let (items, _) = self.table.query(&range, usize::MAX).await?;
        items
            .into_iter()
            .filter(|item| !is_over(item, now))
            .map(|item| self.read_session(member, item))
            .collect()
    }

    /// Adds a new session, and that its member was on its device, if it is bound to one.
    pub(super) fn put_session<'t>(
        &'t self,
        transaction: Transaction<'t>,
        session: &Session,
        terms: &SessionTerms,
    ) -> Result<Transaction<'t>, StoreError> {
        #[derive(Serialize)]
        struct Seen {
            signed_in_at: Instant,
        }

        let seen = Seen {
            signed_in_at: session.created_at,
        };
        let forgotten_at = session.created_at + terms.lifetime;
        let transaction = transaction.put_if(self.session_item(session, terms)?, ABSENT, [])?;
        let Some(device) = session.device.key() else {
            return Ok(transaction);
        };
        let theirs = keys::member_device(session.member, device);
        let its = keys::device_member(device, session.member);
        transaction
            .put(self.table.encode(&theirs, &seen)?)?
            .put(self.table.encode_until(&its, &seen, forgotten_at)?)
    }

    fn session_item(&self, session: &Session, terms: &SessionTerms) -> Result<Item, StoreError> {
        let device = serde_json::to_string(&session.device)
            .map_err(|e| StoreError::corrupt(self.table.name(), e))?;
        let item = SessionItem {
            id: session.id,
            device,
            turn: session.counter,
            created_at: session.created_at,
            rotated_at: session.rotated_at,
        };
        let key = keys::session(session.member, session.id);
        self.table.encode_until(&key, &item, session.ends_at(terms))
    }

    fn read_session(&self, member: MemberId, item: Item) -> Result<Session, StoreError> {
        let item: SessionItem = self.table.decode(item)?;
        let device: SessionDevice = serde_json::from_str(&item.device)
            .map_err(|e| StoreError::corrupt(self.table.name(), e))?;
        Ok(Session {
            id: item.id,
            member,
            device,
            counter: item.turn,
            created_at: item.created_at,
            rotated_at: item.rotated_at,
        })
    }
}
