//! One table: the few ways in which items are read and written, with errors sorted once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws::{Aws, Pace, Service};
use aws_sdk_dynamodb::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::put_item::PutItemError,
    types::{
        AttributeValue, DeleteRequest, ReturnValue, ReturnValuesOnConditionCheckFailure,
        WriteRequest,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};

use crate::{Stamp, StoreError, keys::Key, query::Read};

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The most that one BatchWriteItem takes.
const BATCH: usize = 25;

/// How often a write is sent again that met a transaction.
const CONFLICT_ROUNDS: u32 = 6;

/// How often what a batch left over is tried again.
const BATCH_ROUNDS: u32 = 6;

/// A connection to DynamoDB whose calls keep to one pace.
#[derive(Debug, Clone)]
pub struct Database {
    client: Client,
    budget: Duration,
}

impl Database {
    /// Configures a client. Nothing is opened before the first call.
    pub fn connect(aws: &Aws, pace: Pace) -> Self {
        Self {
            client: Client::new(&aws.config(Service::DynamoDb, pace)),
            budget: pace.operation,
        }
    }

    /// The table of that name, which is not looked at.
    pub fn table(&self, name: &str) -> Table {
        Table {
            client: self.client.clone(),
            name: name.into(),
            budget: self.budget,
        }
    }
}

/// A table with string keys `pk` and `sk`.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: Arc<str>,
    /// How long a write may take, the retries after transactions that are in its way included.
    budget: Duration,
}

/// What came of a write that must happen once.
#[derive(Debug)]
pub(crate) enum Put {
    /// The item is there by this write.
    Done,
    /// Another write was there before; this is its item.
    Exists(Item),
}

impl Table {
    /// The table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// GetItem.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        key: &Key,
        read: Read,
    ) -> Result<Option<T>, StoreError> {
        let item = self.get_item(key, read).await?;
        item.map(|item| self.decode(item)).transpose()
    }

    /// GetItem, as it is.
    pub(crate) async fn get_item(&self, key: &Key, read: Read) -> Result<Option<Item>, StoreError> {
        let got = self
            .client
            .get_item()
            .table_name(&*self.name)
            .set_key(Some(key_item(key)))
            .consistent_read(read == Read::Consistent)
            .send()
            .await
            .map_err(|e| StoreError::from_sdk("GetItem", &self.name, e))?;
        Ok(got.item)
    }

    /// PutItem, whatever was there before. Gives what was.
    pub(crate) async fn put(&self, item: Item) -> Result<Option<Item>, StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&*self.name)
            .set_item(Some(item))
            .return_values(ReturnValue::AllOld);
        let put = self
            .write(|| request.clone().send())
            .await
            .map_err(|e| StoreError::from_sdk("PutItem", &self.name, e))?;
        Ok(put.attributes)
    }

    /// PutItem where nothing is, or where `condition` holds of what is. The item carries `stamp`,
    /// so that a write which was answered twice is known for one.
    pub(crate) async fn put_once(
        &self,
        mut item: Item,
        stamp: Stamp,
        condition: &str,
        values: impl IntoIterator<Item = (&str, AttributeValue)>,
    ) -> Result<Put, StoreError> {
        set_stamp(&mut item, stamp);
        match self.put_where(item, condition, values).await? {
            Some(there) if !has_stamp(&there, stamp) => Ok(Put::Exists(there)),
            _ => Ok(Put::Done),
        }
    }

    /// PutItem where nothing is, or where `condition` holds of what is. Otherwise gives what is.
    pub(crate) async fn put_where(
        &self,
        item: Item,
        condition: &str,
        values: impl IntoIterator<Item = (&str, AttributeValue)>,
    ) -> Result<Option<Item>, StoreError> {
        let values = named(values);
        let request = self
            .client
            .put_item()
            .table_name(&*self.name)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.write(|| request.clone().send()).await {
            Ok(_) => Ok(None),
            Err(error) => match found_instead(&error) {
                Some(there) => Ok(Some(there.clone())),
                None => Err(StoreError::from_sdk("PutItem", &self.name, error)),
            },
        }
    }

    /// PutItem where `condition` holds; otherwise [`StoreError::Conflict`].
    pub(crate) async fn put_if(
        &self,
        item: Item,
        condition: &str,
        values: impl IntoIterator<Item = (&str, AttributeValue)>,
    ) -> Result<(), StoreError> {
        let values = named(values);
        let request = self
            .client
            .put_item()
            .table_name(&*self.name)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()));
        self.write(|| request.clone().send())
            .await
            .map_err(|e| StoreError::from_sdk("PutItem", &self.name, e))?;
        Ok(())
    }

    /// UpdateItem where `condition` holds; otherwise [`StoreError::Conflict`]. Gives the updated
    /// attributes as they are now.
    pub(crate) async fn update(
        &self,
        key: &Key,
        update: &str,
        condition: Option<&str>,
        values: impl IntoIterator<Item = (&str, AttributeValue)>,
    ) -> Result<Item, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&*self.name)
            .set_key(Some(key_item(key)))
            .update_expression(update)
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_values(Some(named(values)))
            .return_values(ReturnValue::UpdatedNew);
        let updated = self
            .write(|| request.clone().send())
            .await
            .map_err(|e| StoreError::from_sdk("UpdateItem", &self.name, e))?;
        Ok(updated.attributes.unwrap_or_default())
    }

    /// DeleteItem where `condition` holds; otherwise [`StoreError::Conflict`]. Gives what was
    /// there.
    pub(crate) async fn delete_if(
        &self,
        key: &Key,
        condition: &str,
        values: impl IntoIterator<Item = (&str, AttributeValue)>,
    ) -> Result<Option<Item>, StoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(&*self.name)
            .set_key(Some(key_item(key)))
            .condition_expression(condition)
            .set_expression_attribute_values(
                Some(named(values)).filter(|values| !values.is_empty()),
            )
            .return_values(ReturnValue::AllOld);
        let deleted = self
            .write(|| request.clone().send())
            .await
            .map_err(|e| StoreError::from_sdk("DeleteItem", &self.name, e))?;
        Ok(deleted.attributes)
    }

    /// Sends a write of one item, and sends it again while a transaction is in progress on the item: such
    /// an attempt has written nothing. Pauses are random and grow; the last attempt begins within the
    /// time that one call may take.
    async fn write<T, E, F>(&self, send: impl Fn() -> F) -> Result<T, SdkError<E, HttpResponse>>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata,
    {
        let started = Instant::now();
        for round in 0..CONFLICT_ROUNDS {
            match send().await {
                Err(error) if meets_transaction(&error) => {
                    let left = self.budget.saturating_sub(started.elapsed());
                    if left.is_zero() {
                        return Err(error);
                    }
                    tracing::debug!(round, "a transaction is in progress on the item");
                    sleep(part_of(round).min(left)).await;
                }
                sent => return sent,
            }
        }
        send().await
    }

    /// BatchWriteItem of deletions, in as many calls as it takes.
    pub(crate) async fn delete_all(&self, keys: Vec<Key>) -> Result<(), StoreError> {
        for chunk in keys.chunks(BATCH) {
            let mut left = chunk
                .iter()
                .map(|key| {
                    let delete = DeleteRequest::builder()
                        .set_key(Some(key_item(key)))
                        .build()
                        .map_err(|e| StoreError::corrupt(&self.name, e))?;
                    Ok(WriteRequest::builder().delete_request(delete).build())
                })
                .collect::<Result<Vec<_>, StoreError>>()?;
            for round in 0..BATCH_ROUNDS {
                if left.is_empty() {
                    break;
                }
                if round > 0 {
                    pause(round).await;
                }
                left = self
                    .client
                    .batch_write_item()
                    .request_items(&*self.name, left)
                    .send()
                    .await
                    .map_err(|e| StoreError::from_sdk("BatchWriteItem", &self.name, e))?
                    .unprocessed_items
                    .and_then(|mut tables| tables.remove(&*self.name))
                    .unwrap_or_default();
            }
            if !left.is_empty() {
                return Err(StoreError::Throttled {
                    operation: "BatchWriteItem",
                    place: self.name.to_string(),
                    source: format!("{} items left over", left.len()).into(),
                });
            }
        }
        Ok(())
    }

    /// An item as a typed value; attributes that the type does not know are left out.
    pub(crate) fn decode<T: DeserializeOwned>(&self, item: Item) -> Result<T, StoreError> {
        serde_dynamo::from_item(item).map_err(|e| StoreError::corrupt(&self.name, e))
    }

    /// The error of a write that came too late.
    pub(crate) fn conflict(&self, operation: &'static str) -> StoreError {
        StoreError::Conflict {
            operation,
            place: self.name.to_string(),
        }
    }

    /// A typed value as an item under `key`.
    pub(crate) fn encode<T: Serialize>(&self, key: &Key, value: &T) -> Result<Item, StoreError> {
        let mut item: Item =
            serde_dynamo::to_item(value).map_err(|e| StoreError::corrupt(&self.name, e))?;
        item.extend(key_item(key));
        Ok(item)
    }

    /// The same, for an item that the table may forget at `expires_at`.
    pub(crate) fn encode_until<T: Serialize>(
        &self,
        key: &Key,
        value: &T,
        expires_at: domain::Instant,
    ) -> Result<Item, StoreError> {
        let mut item = self.encode(key, value)?;
        item.insert(EXPIRES_AT.into(), number(expires_at.as_seconds()));
        Ok(item)
    }
}

/// The time-to-live attribute, in seconds since the epoch.
pub(crate) const EXPIRES_AT: &str = "expires_at";

/// The attribute that carries a write's [`Stamp`].
pub(crate) const STAMP: &str = "stamp";

/// Holds where no item is.
pub(crate) const ABSENT: &str = "attribute_not_exists(pk)";

pub(crate) fn key_item(key: &Key) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(key.pk.clone())),
        ("sk".to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

pub(crate) fn string(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A whole number among an item's attributes.
pub(crate) fn number_in<T: std::str::FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// An item's sort key.
pub(crate) fn sort_key(item: &Item) -> Option<&str> {
    item.get("sk")?.as_s().ok().map(String::as_str)
}

/// Whether an item's time is over, though the table has not forgotten it yet.
pub(crate) fn is_over(item: &Item, now: domain::Instant) -> bool {
    let expires_at: Option<i64> = number_in(item, EXPIRES_AT);
    expires_at.is_some_and(|seconds| seconds <= now.as_seconds())
}

pub(crate) fn set_stamp(item: &mut Item, stamp: Stamp) {
    item.insert(STAMP.into(), string(stamp));
}

pub(crate) fn has_stamp(item: &Item, stamp: Stamp) -> bool {
    let found = item.get(STAMP).and_then(|value| value.as_s().ok());
    found.is_some_and(|text| *text == stamp.to_string())
}

/// Sleeps a random part of 50 ms, doubled each round.
pub(crate) async fn pause(round: u32) {
    sleep(part_of(round)).await;
}

/// A random part of 50 ms, doubled each round.
fn part_of(round: u32) -> Duration {
    let most = 50 << round.min(6);
    Duration::from_millis(rand::random_range(0..most))
}

/// Whether a transaction is in progress on the item of a write.
fn meets_transaction<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code);
    code == Some("TransactionConflictException")
}

/// Expression values by their names.
pub(crate) fn named<'n>(
    values: impl IntoIterator<Item = (&'n str, AttributeValue)>,
) -> HashMap<String, AttributeValue> {
    let owned = |(name, value): (&str, _)| (name.to_owned(), value);
    values.into_iter().map(owned).collect()
}

fn found_instead<R>(error: &SdkError<PutItemError, R>) -> Option<&Item> {
    match error.as_service_error()? {
        PutItemError::ConditionalCheckFailedException(failed) => failed.item(),
        _ => None,
    }
}
