//! Reading part of a partition, in as many answers as it takes.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    StoreError, Table,
    keys::Key,
    table::{Item, key_item},
};

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// May miss the last moments' writes; half the price.
    Eventual,
    /// Sees every write that was answered before.
    Consistent,
}

/// Which part of a partition a query reads, in which order.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub(crate) pk: String,
    /// The least and the greatest sort key.
    pub(crate) between: Option<(String, String)>,
    /// Goes on after this sort key.
    pub(crate) after: Option<String>,
    pub(crate) newest_first: bool,
    pub(crate) read: Read,
}

impl Range {
    pub(crate) fn all(pk: impl Into<String>, read: Read) -> Self {
        Self {
            pk: pk.into(),
            between: None,
            after: None,
            newest_first: false,
            read,
        }
    }
}

impl Table {
    /// Query, page after page, until `limit` items are there or the range ends. The flag says
    /// whether the range goes on.
    pub(crate) async fn query(
        &self,
        range: &Range,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        let mut found = Vec::new();
        let mut start = range.after.as_ref().map(|sk| {
            key_item(&Key {
                pk: range.pk.clone(),
                sk: sk.clone(),
            })
        });
        loop {
            // One more than asked for shows whether the list goes on.
            let wanted = limit.saturating_add(1).saturating_sub(found.len());
            let mut query = self
                .client()
                .query()
                .table_name(self.name())
                .expression_attribute_values(":pk", AttributeValue::S(range.pk.clone()))
                .scan_index_forward(!range.newest_first)
                .consistent_read(range.read == Read::Consistent)
                .set_limit(i32::try_from(wanted).ok())
                .set_exclusive_start_key(start);
            query = match &range.between {
                None => query.key_condition_expression("pk = :pk"),
                Some((least, greatest)) => query
                    .key_condition_expression("pk = :pk AND sk BETWEEN :least AND :greatest")
                    .expression_attribute_values(":least", AttributeValue::S(least.clone()))
                    .expression_attribute_values(":greatest", AttributeValue::S(greatest.clone())),
            };
            let page = query
                .send()
                .await
                .map_err(|e| StoreError::from_sdk("Query", self.name(), e))?;
            found.extend(page.items.unwrap_or_default());
            if found.len() > limit {
                found.truncate(limit);
                return Ok((found, true));
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok((found, false));
            }
        }
    }

    /// Everything in a range, decoded.
    pub(crate) async fn query_all<T: DeserializeOwned>(
        &self,
        range: &Range,
    ) -> Result<Vec<T>, StoreError> {
        let (items, _) = self.query(range, usize::MAX).await?;
        items.into_iter().map(|item| self.decode(item)).collect()
    }

    /// The sort keys of a whole range.
    pub(crate) async fn sort_keys(&self, range: &Range) -> Result<Vec<String>, StoreError> {
        let found: Vec<SortKey> = self.query_all(range).await?;
        Ok(found.into_iter().map(|SortKey { sk }| sk).collect())
    }

    /// Deletes a whole range. `false`: there was nothing.
    pub(crate) async fn delete_range(&self, range: &Range) -> Result<bool, StoreError> {
        let found = self.sort_keys(range).await?;
        let any = !found.is_empty();
        let keys = found.into_iter().map(|sk| Key {
            pk: range.pk.clone(),
            sk,
        });
        self.delete_all(keys.collect()).await?;
        Ok(any)
    }
}

#[derive(Deserialize)]
struct SortKey {
    sk: String,
}
