//! Setting what was derived: the run that began last has the word.

use domain::Instant;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    StoreError, Table,
    table::{Item, number},
};

/// How many items are set at once.
const AT_ONCE: usize = 8;

/// One run's hand.
#[derive(Debug, Clone)]
pub(super) struct Setter {
    pub(super) table: Table,
    /// When the run began.
    pub(super) now: Instant,
}

impl Setter {
    /// Sets an item, unless a run that began later has: it knew more.
    pub(super) async fn set(&self, mut item: Item) -> Result<(), StoreError> {
        item.insert("read_ms".into(), number(self.now.as_millis()));
        let condition = "attribute_not_exists(read_ms) OR read_ms <= :now";
        let values = [(":now", number(self.now.as_millis()))];
        match self.table.put_if(item, condition, values).await {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn set_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        stream::iter(items)
            .map(|item| self.set(item))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }
}
