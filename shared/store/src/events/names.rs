//! The types of events that have a name of their own on a day: no app can make more counts than that.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Day, events::EventType};

use crate::{
    StoreError, Table, keys,
    query::Read,
    table::{Item, number},
};

/// How many types have a name of their own on a day.
const MOST: usize = 200;

/// How many days' names are remembered: more than events may come late.
const DAYS: usize = 40;

/// The attribute with a day's names.
const KNOWN: &str = "known";

/// Gives names while there are any. Clones share what they know.
#[derive(Debug, Clone)]
pub(super) struct Names {
    table: Table,
    known: Arc<Mutex<HashMap<Day, BTreeSet<EventType>>>>,
}

impl Names {
    pub(super) fn new(table: Table) -> Self {
        Self {
            table,
            known: Arc::default(),
        }
    }

    /// Those of some types that have a name of their own on a day. Who is first has one; once it is
    /// given it stays.
    pub(super) async fn of(
        &self,
        day: Day,
        types: BTreeSet<EventType>,
    ) -> Result<BTreeSet<EventType>, StoreError> {
        loop {
            let known = self.known(day);
            let room = MOST.saturating_sub(known.len());
            let new: Vec<String> = types
                .difference(&known)
                .take(room)
                .map(ToString::to_string)
                .collect();
            if new.is_empty() {
                return Ok(types.intersection(&known).cloned().collect());
            }
            let now_known = self.add(day, new).await?;
            self.remember(day, now_known);
        }
    }

    /// Adds names where there is room for all of them. Gives the names that there are then, which are
    /// more than were known before.
    async fn add(&self, day: Day, new: Vec<String>) -> Result<BTreeSet<EventType>, StoreError> {
        let key = keys::event_types(day);
        let most_before = MOST.saturating_sub(new.len());
        let values = [
            (":new", AttributeValue::Ss(new)),
            (":most", number(most_before)),
        ];
        let update = format!("ADD {KNOWN} :new");
        let has_room = format!("attribute_not_exists({KNOWN}) OR size({KNOWN}) <= :most");
        let added = self.table.update(&key, &update, Some(&has_room), values);
        match added.await {
            Ok(item) => Ok(names_in(&item)),
            Err(error) if error.is_conflict() => {
                let item = self.table.get_item(&key, Read::Consistent).await?;
                Ok(names_in(&item.unwrap_or_default()))
            }
            Err(error) => Err(error),
        }
    }

    fn known(&self, day: Day) -> BTreeSet<EventType> {
        self.lock().get(&day).cloned().unwrap_or_default()
    }

    fn remember(&self, day: Day, names: BTreeSet<EventType>) {
        let mut known = self.lock();
        if known.len() >= DAYS && !known.contains_key(&day) {
            known.clear();
        }
        known.entry(day).or_default().extend(names);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Day, BTreeSet<EventType>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names_in(item: &Item) -> BTreeSet<EventType> {
    let names = item.get(KNOWN).and_then(|value| value.as_ss().ok());
    let names = names.into_iter().flatten();
    names.filter_map(|name| name.parse().ok()).collect()
}
