//! Transactions: writes, to one table or several, that happen together or not at all.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, CancellationReason, ConditionCheck, Delete, Put,
        ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
    },
};

use crate::{
    StoreError, Table,
    keys::Key,
    table::{Item, key_item, named},
};

/// Writes that happen together or not at all.
///
/// A method of this crate that ends in one may take a function that adds what belongs with its
/// writes, an audit record for one; whoever has nothing to add gives `Ok`.
pub struct Transaction<'a> {
    /// The table of the next writes.
    table: &'a Table,
    writes: Vec<TransactWriteItem>,
}

/// What came of a transaction, for whoever wants to know which of its conditions did not hold.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// Everything is written.
    Done,
    /// Nothing is. Of each write, in their order: what is there against its condition, nothing
    /// (an empty item) perhaps; `None` where its condition holds or was not looked at.
    Refused(Vec<Option<Item>>),
}

impl<'a> Transaction<'a> {
    /// Nothing yet; the first writes are to `table`.
    pub fn new(table: &'a Table) -> Self {
        Self {
            table,
            writes: Vec::new(),
        }
    }

    /// The writes that follow are to another table of the same database.
    pub(crate) fn on(self, table: &'a Table) -> Self {
        Self { table, ..self }
    }

    /// How many writes there are so far.
    pub(crate) fn len(&self) -> usize {
        self.writes.len()
    }

    /// Nothing is written under `key`, and everything else only where `condition` holds of it.
    pub(crate) fn check(
        mut self,
        key: &Key,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Self, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(self.table.name())
            .set_key(Some(key_item(key)))
            .condition_expression(condition)
            .set_expression_attribute_values(given(values))
            .build()
            .map_err(|e| StoreError::corrupt(self.table.name(), e))?;
        self.writes
            .push(TransactWriteItem::builder().condition_check(check).build());
        Ok(self)
    }

    pub(crate) fn put(self, item: Item) -> Result<Self, StoreError> {
        self.put_where(item, None, [])
    }

    pub(crate) fn put_if(
        self,
        item: Item,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Self, StoreError> {
        self.put_where(item, Some(condition), values)
    }

    /// The same to another table, for one write.
    pub(crate) fn put_into(
        self,
        table: &Table,
        item: Item,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Self, StoreError> {
        self.put_anywhere(table.name(), item, Some(condition), values)
    }

    /// The same, whatever was there before.
    pub(crate) fn put_always_into(self, table: &Table, item: Item) -> Result<Self, StoreError> {
        self.put_anywhere(table.name(), item, None, [])
    }

    fn put_where(
        self,
        item: Item,
        condition: Option<&str>,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Self, StoreError> {
        let table = self.table.name();
        self.put_anywhere(table, item, condition, values)
    }

    fn put_anywhere(
        mut self,
        table: &str,
        item: Item,
        condition: Option<&str>,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Self, StoreError> {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_values(given(values))
            .set_return_values_on_condition_check_failure(found_by(condition))
            .build()
            .map_err(|e| StoreError::corrupt(self.table.name(), e))?;
        self.writes
            .push(TransactWriteItem::builder().put(put).build());
        Ok(self)
    }

    pub(crate) fn update(
        self,
        key: &Key,
        update: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Self, StoreError> {
        self.update_where(key, update, None, values)
    }

    pub(crate) fn update_if(
        self,
        key: &Key,
        update: &str,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Self, StoreError> {
        self.update_where(key, update, Some(condition), values)
    }

    fn update_where(
        mut self,
        key: &Key,
        update: &str,
        condition: Option<&str>,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Self, StoreError> {
        let update = Update::builder()
            .table_name(self.table.name())
            .set_key(Some(key_item(key)))
            .update_expression(update)
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_values(given(values))
            .set_return_values_on_condition_check_failure(found_by(condition))
            .build()
            .map_err(|e| StoreError::corrupt(self.table.name(), e))?;
        self.writes
            .push(TransactWriteItem::builder().update(update).build());
        Ok(self)
    }

    pub(crate) fn delete(self, key: &Key) -> Result<Self, StoreError> {
        self.delete_where(key, None, [])
    }

    pub(crate) fn delete_if(
        self,
        key: &Key,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Self, StoreError> {
        self.delete_where(key, Some(condition), values)
    }

    fn delete_where(
        mut self,
        key: &Key,
        condition: Option<&str>,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Self, StoreError> {
        let delete = Delete::builder()
            .table_name(self.table.name())
            .set_key(Some(key_item(key)))
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_values(given(values))
            .build()
            .map_err(|e| StoreError::corrupt(self.table.name(), e))?;
        self.writes
            .push(TransactWriteItem::builder().delete(delete).build());
        Ok(self)
    }

    /// TransactWriteItems. A condition that does not hold is a [`StoreError::Conflict`].
    ///
    /// The SDK sends the same request token with its retries, so that a lost answer within one
    /// call does no harm; whoever commits again must read first.
    pub async fn commit(self) -> Result<(), StoreError> {
        let table = self.table;
        match self.attempt().await? {
            Attempt::Done => Ok(()),
            Attempt::Refused(_) => Err(table.conflict("TransactWriteItems")),
        }
    }

    /// The same, for whoever wants to know which condition does not hold. A transaction that met
    /// another one is [`StoreError::Throttled`].
    pub(crate) async fn attempt(self) -> Result<Attempt, StoreError> {
        let place = self.table.name();
        let sent = self
            .table
            .client()
            .transact_write_items()
            .set_transact_items(Some(self.writes))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Attempt::Done),
            Err(error) => match cancelled_for(&error) {
                Some(Cancelled::Condition(found)) => Ok(Attempt::Refused(found)),
                Some(Cancelled::Contention) => Err(StoreError::Throttled {
                    operation: "TransactWriteItems",
                    place: place.to_owned(),
                    source: Box::new(error),
                }),
                None => Err(StoreError::from_sdk("TransactWriteItems", place, error)),
            },
        }
    }
}

enum Cancelled {
    Condition(Vec<Option<Item>>),
    Contention,
}

fn cancelled_for<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<Cancelled> {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) =
        error.as_service_error()?
    else {
        return None;
    };
    let reasons = cancelled.cancellation_reasons();
    let against = |reason: &CancellationReason| {
        (reason.code() == Some("ConditionalCheckFailed"))
            .then(|| reason.item().cloned().unwrap_or_default())
    };
    let found: Vec<Option<Item>> = reasons.iter().map(against).collect();
    if found.iter().any(Option::is_some) {
        return Some(Cancelled::Condition(found));
    }
    let contention = [
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    ];
    let mut codes = reasons
        .iter()
        .filter_map(CancellationReason::code)
        .filter(|code| *code != "None")
        .peekable();
    let all = codes.peek().is_some() && codes.all(|code| contention.contains(&code));
    all.then_some(Cancelled::Contention)
}

/// An empty map of values is an error of its own.
fn given(
    values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
) -> Option<HashMap<String, AttributeValue>> {
    Some(named(values)).filter(|values| !values.is_empty())
}

/// What a condition found instead is told with its refusal.
fn found_by(condition: Option<&str>) -> Option<ReturnValuesOnConditionCheckFailure> {
    condition.map(|_| ReturnValuesOnConditionCheckFailure::AllOld)
}
