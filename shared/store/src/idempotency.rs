//! Idempotency records: the same key and body within a day answer what was answered.
//!
//! Actions on the Requests table: PutItem, DeleteItem.
//!
//! What an answer holds is the caller's concern: one with secrets in it is sealed before it comes
//! here.

use std::time::Duration;

use domain::Instant;
use serde::{Deserialize, Serialize};

use crate::{
    Stamp, StoreError, Table, Transaction,
    blobs::sha256,
    keys::{self, Key},
    table::{ABSENT, Item, Put, number, set_stamp, string},
};

/// How long an answer is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// The most bytes of an answer's body that are remembered.
pub const ANSWER_LIMIT: usize = 300 * 1024;

/// What a key is unique within.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Who calls.
    pub caller: &'a str,
    /// Which route, such as `POST /v1/purchases`.
    pub route: &'a str,
    /// The `Idempotency-Key` header.
    pub key: &'a str,
}

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers worth giving again.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// What a request with an idempotency key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The first: do the work, then [`finish`](Requests::finish) or [`abandon`](Requests::abandon).
    Fresh(InFlight),
    /// A repeat: this was answered.
    Replay(Answer),
    /// A repeat of a request that is still being worked on.
    Busy,
    /// The key was used with another body.
    Reused,
}

/// The right to answer a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    key: Key,
    body_sha256: String,
    stamp: Stamp,
}

/// The records.
#[derive(Debug, Clone)]
pub struct Requests {
    table: Table,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    body_sha256: String,
    /// `None` while in flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
    /// When the record counts no more, in milliseconds: the invocation's deadline while in flight.
    lapses_at: i64,
}

impl Requests {
    /// Takes the Requests table.
    pub fn new(requests: Table) -> Self {
        Self { table: requests }
    }

    /// Claims the key for one attempt, which lapses at `deadline`: after it nobody can be working
    /// on the request any more. One conditional write.
    pub async fn begin(
        &self,
        scope: Scope<'_>,
        body: &[u8],
        deadline: Instant,
        stamp: Stamp,
        now: Instant,
    ) -> Result<Begun, StoreError> {
        let claim = InFlight {
            key: keys::idempotency(&scope.sha256()),
            body_sha256: sha256(body),
            stamp,
        };
        let item = self.item(&claim, None, deadline)?;
        let condition = format!("{ABSENT} OR lapses_at <= :now");
        let values = [(":now", number(now.as_millis()))];
        match self.table.put_once(item, stamp, &condition, values).await? {
            Put::Done => Ok(Begun::Fresh(claim)),
            Put::Exists(item) => {
                let found: Record = self.table.decode(item)?;
                Ok(if found.body_sha256 != claim.body_sha256 {
                    Begun::Reused
                } else {
                    found.answer.map_or(Begun::Busy, Begun::Replay)
                })
            }
        }
    }

    /// Remembers the answer for [`REMEMBERED`]. [`StoreError::Conflict`] when the claim has lapsed
    /// and somebody else has made it since.
    pub async fn finish(
        &self,
        claim: InFlight,
        answer: Answer,
        now: Instant,
    ) -> Result<(), StoreError> {
        if answer.body.len() > ANSWER_LIMIT {
            return Err(StoreError::TooLarge {
                what: "an answer",
                size_bytes: answer.body.len(),
                limit_bytes: ANSWER_LIMIT,
            });
        }
        let item = self.item(&claim, Some(answer), now + REMEMBERED)?;
        let mine = [(":mine", string(claim.stamp))];
        // Answered twice, the item carries our stamp either way.
        match self
            .table
            .put_once(item, claim.stamp, "stamp = :mine", mine)
            .await?
        {
            Put::Done => Ok(()),
            Put::Exists(_) => Err(self.table.conflict("PutItem")),
        }
    }

    /// Adds to the transaction of what the request does that it has this answer, which is remembered
    /// for `remembered`. If the claim has lapsed and another request has made it since, the
    /// transaction is refused.
    pub fn finish_in<'t>(
        &self,
        claim: &InFlight,
        answer: Answer,
        remembered: Duration,
        now: Instant,
        transaction: Transaction<'t>,
    ) -> Result<Transaction<'t>, StoreError> {
        let mut item = self.item(claim, Some(answer), now + remembered)?;
        set_stamp(&mut item, claim.stamp);
        let mine = [(":mine", string(claim.stamp))];
        transaction.put_into(&self.table, item, "stamp = :mine", mine)
    }

    /// Gives the claim up: nothing was done, and the next try may do it. A claim that somebody
    /// else has made since is left alone.
    pub async fn abandon(&self, claim: InFlight) -> Result<(), StoreError> {
        let condition = "stamp = :mine AND attribute_not_exists(answer)";
        let mine = [(":mine", string(claim.stamp))];
        let deleted = self.table.delete_if(&claim.key, condition, mine).await;
        match deleted {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }

    fn item(
        &self,
        claim: &InFlight,
        answer: Option<Answer>,
        lapses_at: Instant,
    ) -> Result<Item, StoreError> {
        let record = Record {
            body_sha256: claim.body_sha256.clone(),
            answer,
            lapses_at: lapses_at.as_millis(),
        };
        self.table.encode_until(&claim.key, &record, lapses_at)
    }
}

impl Scope<'_> {
    /// Parts are told apart by their lengths, so no two scopes have one text.
    fn sha256(&self) -> String {
        let Self { caller, route, key } = self;
        let lengths = format!("{} {} ", caller.len(), route.len());
        sha256([lengths.as_str(), caller, route, key].concat().as_bytes())
    }
}
