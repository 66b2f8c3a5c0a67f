//! Sessions: turned, listed and ended.

use domain::{
    DeviceId, DeviceKey, Instant, ReportedValue as _,
    identity::{DeviceInfo, MemberId, Presented, Session, SessionId, SessionTerms, SessionsEnded},
};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

use super::{
    Members,
    change::{Part, Plan, Tries},
};
use crate::{
    Page, Stamp, StoreError, keys, page,
    query::{Range, Read},
    table::{ABSENT, Item, is_over, number, string},
    transaction::Transaction,
};

/// The most live sessions of a member.
pub const MOST_SESSIONS: usize = 20;

/// How many sessions are ended at once.
const PARALLEL_ENDS: usize = 8;

/// What came of presenting a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// The session goes on, and this is its live turn: the next one, or the one that was given out
    /// before and that the app did not receive.
    Live(Session),
    /// The token was replaced and its successor used: the session is to be ended.
    Reused(Session),
    /// The session is over, or there is none.
    Ended,
    /// No token of this counter was given out yet.
    Unheard,
}

#[derive(Serialize, Deserialize)]
struct SessionItem {
    id: SessionId,
    /// The key of its device. Absent in an item of an earlier version that was not refreshed since,
    /// which has the device's id in `device`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_key: Option<String>,
    /// A [`StoredDevice`] as JSON text.
    device: String,
    /// The counter of the live token.
    turn: u64,
    created_at: Instant,
    /// Absent where it is `created_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authenticated_at: Option<Instant>,
    rotated_at: Instant,
}

/// The device of a session as it is stored.
#[derive(Serialize)]
struct StoredDevice<'a> {
    /// The device's key. An earlier version requires an id here, so that it can read the item after a
    /// roll-back.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<DeviceKey>,
    #[serde(flatten)]
    info: &'a DeviceInfo,
}

/// What items of earlier versions have in `device` in addition to a [`DeviceInfo`].
#[derive(Deserialize)]
struct PlainDevice {
    #[serde(default)]
    id: Option<String>,
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
                Presented::Retried => return Ok(Refresh::Live(session)),
                Presented::Reused => return Ok(Refresh::Reused(session)),
                Presented::Ended => return Ok(Refresh::Ended),
                Presented::Unheard => return Ok(Refresh::Unheard),
            }
            let next = Session {
                counter: counter + 1,
                rotated_at: now.max(session.rotated_at),
                ..session
            };
            let device_key = next.device_key.map(|key| (":device_key", string(key)));
            let updated = self
                .table
                .update(
                    &keys::session(next.member, next.id),
                    // The device is written again because an earlier version stored its id.
                    &format!(
                        "SET turn = :next, rotated_at = :now, expires_at = :over, device = :device{}",
                        device_key.as_ref().map_or("", |_| ", device_key = :device_key")
                    ),
                    Some("turn = :turn"),
                    [
                        (":next", number(next.counter)),
                        (":now", string(next.rotated_at)),
                        (":over", number(next.ends_at(terms).as_seconds())),
                        (":device", string(self.device_text(&next)?)),
                        (":turn", number(counter)),
                    ]
                    .into_iter()
                    .chain(device_key),
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

    /// Returns one page of [`sessions`](Self::sessions).
    ///
    /// # Errors
    /// [`StoreError::BadCursor`] for a cursor of another list.
    pub async fn sessions_page(
        &self,
        member: MemberId,
        cursor: Option<&str>,
        limit: usize,
        now: Instant,
    ) -> Result<Page<Session>, StoreError> {
        let list = format!("sessions {member}");
        let after = cursor
            .map(|cursor| page::key_of(&list, cursor))
            .transpose()?;
        // A member has few sessions, so that all of them are one read.
        let mut items = self.sessions(member, now).await?;
        if let Some(after) = after {
            let after: SessionId = after.parse().map_err(|_| StoreError::BadCursor)?;
            items.retain(|session| session.id < after);
        }
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        Ok(Page {
            next_cursor: last.map(|last| page::cursor(&list, &last.id.to_string())),
            items,
        })
    }

    /// Ends the least recently used sessions of a member who has more than [`MOST_SESSIONS`], but not
    /// `newest`. It runs after each sign-in, so that concurrent sign-ins leave no more either.
    pub(super) async fn end_surplus_sessions(
        &self,
        newest: &Session,
        now: Instant,
    ) -> Result<(), StoreError> {
        let mut others = self.sessions(newest.member, now).await?;
        others.retain(|session| session.id != newest.id);
        let surplus = (others.len() + 1).saturating_sub(MOST_SESSIONS);
        others.sort_by_key(|session| (session.rotated_at, session.id));
        others.truncate(surplus);
        self.end_each(others).await
    }

    /// Ends each of these sessions. One that is over already is no error.
    pub(super) async fn end_each(&self, sessions: Vec<Session>) -> Result<(), StoreError> {
        let ends = sessions.into_iter().map(|session| async move {
            let key = keys::session(session.member, session.id);
            let ended = self.table.delete_if(&key, "attribute_exists(pk)", []).await;
            match ended {
                // Another sign-in, or the member, has ended it.
                Err(error) if error.is_conflict() => Ok(()),
                ended => ended.map(|_| ()),
            }
        });
        let ended: Vec<_> = stream::iter(ends)
            .buffer_unordered(PARALLEL_ENDS)
            .collect()
            .await;
        ended.into_iter().collect()
    }

    /// Returns a session that is not over with others, or by itself at `now`.
    pub async fn live_session(
        &self,
        member: MemberId,
        id: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        let standing = Box::pin(self.standing(member, id)).await?;
        Ok(standing.and_then(|(_, session)| session))
    }

    /// Stores that a member proved who they are at `now`, in a session of theirs.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if there is no such session.
    pub async fn note_authentication(
        &self,
        member: MemberId,
        session: SessionId,
        now: Instant,
    ) -> Result<(), StoreError> {
        let key = keys::session(member, session);
        let there = Some("attribute_exists(pk)");
        let now = [(":now", string(now))];
        let update = "SET authenticated_at = :now";
        self.table.update(&key, update, there, now).await?;
        Ok(())
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
            Part::Standing,
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
        let Some(device) = session.device_key else {
            return Ok(transaction);
        };
        let theirs = keys::member_device(session.member, device);
        let its = keys::device_member(device, session.member);
        transaction
            .put(self.table.encode(&theirs, &seen)?)?
            .put(self.table.encode_until(&its, &seen, forgotten_at)?)
    }

    fn session_item(&self, session: &Session, terms: &SessionTerms) -> Result<Item, StoreError> {
        let item = SessionItem {
            id: session.id,
            device_key: session.device_key.map(|key| key.to_string()),
            device: self.device_text(session)?,
            turn: session.counter,
            created_at: session.created_at,
            authenticated_at: Some(session.authenticated_at)
                .filter(|authenticated_at| *authenticated_at != session.created_at),
            rotated_at: session.rotated_at,
        };
        let key = keys::session(session.member, session.id);
        self.table.encode_until(&key, &item, session.ends_at(terms))
    }

    fn device_text(&self, session: &Session) -> Result<String, StoreError> {
        let device = StoredDevice {
            id: session.device_key,
            info: &session.device,
        };
        serde_json::to_string(&device).map_err(|e| StoreError::corrupt(self.table.name(), e))
    }

    fn read_session(&self, member: MemberId, item: Item) -> Result<Session, StoreError> {
        let corrupt = |error| StoreError::corrupt(self.table.name(), error);
        let item: SessionItem = self.table.decode(item)?;
        let device: DeviceInfo = serde_json::from_str(&item.device).map_err(corrupt)?;
        let device_key = match &item.device_key {
            Some(key) => {
                let key = key.parse();
                Some(key.map_err(|e| StoreError::corrupt(self.table.name(), e))?)
            }
            None => {
                let plain: PlainDevice = serde_json::from_str(&item.device).map_err(corrupt)?;
                let id = plain.id.as_deref().and_then(DeviceId::reported);
                id.as_ref().map(DeviceKey::of)
            }
        };
        Ok(Session {
            id: item.id,
            member,
            device_key,
            device,
            counter: item.turn,
            created_at: item.created_at,
            authenticated_at: item.authenticated_at.unwrap_or(item.created_at),
            rotated_at: item.rotated_at,
        })
    }
}
