//! What operators did: records that are added in the transaction of what they tell of, and never
//! changed.
//!
//! Actions on the Operators table: PutItem.

use std::net::IpAddr;

use domain::{Day, Instant, RandomId};
use serde::Serialize;
use serde_json::Value;

use crate::{StoreError, Table, Transaction, keys, table::ABSENT};

/// The records.
#[derive(Debug, Clone)]
pub struct Audit {
    table: Table,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// Its id, made when it happened.
    #[serde(skip)]
    pub id: RandomId,
    /// When.
    pub at: Instant,
    /// Who did it, by the name of their principal: `service:ops`.
    pub operator: String,
    /// Where they called from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// What they did: `member.ban`.
    pub action: &'static str,
    /// To what: `member/<id>`.
    pub resource: String,
    /// What there was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What there is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The request by which they did.
    pub request_id: String,
}

impl Audit {
    /// Takes the Operators table.
    pub fn new(operators: Table) -> Self {
        Self { table: operators }
    }

    /// Adds a record to the transaction of what it tells of. One that is there already is never
    /// written over.
    pub fn add<'t>(
        &self,
        record: &Record,
        transaction: Transaction<'t>,
    ) -> Result<Transaction<'t>, StoreError> {
        let key = keys::audit(Day::of(record.at), record.id);
        let item = self.table.encode(&key, record)?;
        transaction.put_into(&self.table, item, ABSENT, [])
    }
}
