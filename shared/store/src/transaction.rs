//! Transactions: writes to one table that happen together or not at all.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, Delete, Put, TransactWriteItem, Update},
};

use crate::{
    StoreError, Table,
    keys::Key,
    table::{Item, key_item, named},
};

/// Writes to one table that happen together or not at all.
pub(crate) struct Transaction<'a> {
    table: &'a Table,
    writes: Vec<TransactWriteItem>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(table: &'a Table) -> Self {
        Self {
            table,
            writes: Vec::new(),
        }
    }

    pub(crate) fn put(mut self, item: Item) -> Result<Self, StoreError> {
        let put = Put::builder()
            .table_name(self.table.name())
            .set_item(Some(item))
            .build()
            .map_err(|e| StoreError::corrupt(self.table.name(), e))?;
        self.writes
            .push(TransactWriteItem::builder().put(put).build());
        Ok(self)
    }

    pub(crate) fn put_if(
        mut self,
        item: Item,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Self, StoreError> {
        let put = Put::builder()
            .table_name(self.table.name())
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_values(given(values))
            .build()
            .map_err(|e| StoreError::corrupt(self.table.name(), e))?;
        self.writes
            .push(TransactWriteItem::builder().put(put).build());
        Ok(self)
    }

    pub(crate) fn update_if(
        mut self,
        key: &Key,
        update: &str,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Self, StoreError> {
        let update = Update::builder()
            .table_name(self.table.name())
            .set_key(Some(key_item(key)))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_values(given(values))
            .build()
            .map_err(|e| StoreError::corrupt(self.table.name(), e))?;
        self.writes
            .push(TransactWriteItem::builder().update(update).build());
        Ok(self)
    }

    pub(crate) fn delete(mut self, key: &Key) -> Result<Self, StoreError> {
        let delete = Delete::builder()
            .table_name(self.table.name())
            .set_key(Some(key_item(key)))
            .build()
            .map_err(|e| StoreError::corrupt(self.table.name(), e))?;
        self.writes
            .push(TransactWriteItem::builder().delete(delete).build());
        Ok(self)
    }

    pub(crate) fn delete_if(
        mut self,
        key: &Key,
        condition: &str,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Self, StoreError> {
        let delete = Delete::builder()
            .table_name(self.table.name())
            .set_key(Some(key_item(key)))
            .condition_expression(condition)
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
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let place = self.table.name();
        let sent = self
            .table
            .client()
            .transact_write_items()
            .set_transact_items(Some(self.writes))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => Err(match cancelled_for(&error) {
                Some(Cancelled::Condition) => self.table.conflict("TransactWriteItems"),
                Some(Cancelled::Contention) => StoreError::Throttled {
                    operation: "TransactWriteItems",
                    place: place.to_owned(),
                    source: Box::new(error),
                },
                None => StoreError::from_sdk("TransactWriteItems", place, error),
            }),
        }
    }
}

enum Cancelled {
    Condition,
    Contention,
}

fn cancelled_for<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<Cancelled> {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) =
        error.as_service_error()?
    else {
        return None;
    };
    let codes: Vec<&str> = cancelled
        .cancellation_reasons()
        .iter()
        .filter_map(|reason| reason.code())
        .filter(|code| *code != "None")
        .collect();
    if codes.contains(&"ConditionalCheckFailed") {
        return Some(Cancelled::Condition);
    }
    let contention = [
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    ];
    let all = !codes.is_empty() && codes.iter().all(|code| contention.contains(code));
    all.then_some(Cancelled::Contention)
}

/// An empty map of values is an error of its own.
fn given(
    values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
) -> Option<HashMap<String, AttributeValue>> {
    Some(named(values)).filter(|values| !values.is_empty())
}
