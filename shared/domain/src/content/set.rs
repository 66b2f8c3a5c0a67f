//! Items by themselves, sets of items against each other, and what changed between two sets.

use std::collections::BTreeMap;

use garde::Validate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    AppVersion, Banner, Campaign, Gate, Kind, NicknameRuleItem, Notice, Parameter, TestersItem,
    artefact::{self, Entry},
    authoring,
};
use crate::{
    Fault, FaultCode, Id, Rejection,
    validation::{parse_settled, parse_value},
};

/// A fault of one item of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct SetFault {
    /// The item.
    pub item: Id,
    /// Where in the item, as a JSON pointer.
    pub pointer: String,
    /// What kind of fault.
    pub code: FaultCode,
    /// What is wrong, in English.
    pub message: String,
}

impl SetFault {
    fn new(item: &Id, fault: Fault) -> Self {
        let Fault {
            pointer,
            code,
            message,
        } = fault;
        Self {
            item: item.clone(),
            pointer,
            code,
            message,
        }
    }
}

/// An item of some kind, and the rules between the items of a set.
pub(super) trait Item:
    DeserializeOwned + Serialize + JsonSchema + Validate<Context = ()>
{
    /// The members that are times, which authors may write in a zone.
    const TIMES: &'static [&'static str] = &[];

    /// Every fault that only the whole set shows, with the item it is told of.
    fn faults_between(items: &[Entry<Self>]) -> Vec<(&Id, Fault)>;

    /// The artefact of items without faults, in the kind's current format.
    fn write(items: Vec<Entry<Self>>) -> Result<Vec<u8>, WriteError> {
        artefact::write(items).map_err(Into::into)
    }
}

/// Why items do not go into an artefact.
pub(super) type WriteError = Box<dyn std::error::Error + Send + Sync>;

/// Calls `$function::<T>($arguments)` with the item type of `$kind`.
macro_rules! with_item_of {
    ($kind:expr, $function:ident($($argument:expr),*)) => {
        match $kind {
            Kind::AppVersions => $function::<AppVersion>($($argument),*),
            Kind::Maintenance => $function::<Gate>($($argument),*),
            Kind::Testers => $function::<TestersItem>($($argument),*),
            Kind::Banners => $function::<Banner>($($argument),*),
            Kind::Notices => $function::<Notice>($($argument),*),
            Kind::Config => $function::<Parameter>($($argument),*),
            Kind::Campaigns => $function::<Campaign>($($argument),*),
            Kind::NicknameRules => $function::<NicknameRuleItem>($($argument),*),
        }
    };
}

/// The schema of an item of any kind: which one, the path of its route says.
#[derive(Debug)]
pub struct AnyItem;

impl JsonSchema for AnyItem {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AnyContentItem".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        fn of<T: Item>(generator: &mut SchemaGenerator) -> Schema {
            generator.subschema_for::<T>()
        }
        let items = Kind::ALL
            .iter()
            .map(|kind| with_item_of!(kind, of(generator)));
        let items: Vec<Schema> = items.collect();
        json_schema!({
            "description": "An item of the kind that the path names.",
            "anyOf": items,
        })
    }
}

/// Reads one item as an operator sent it, and gives its canonical form: defaults filled in, times in
/// UTC, codes in their usual case. When something begins and ends may be told by the clocks of a
/// zone: `2026-11-20T10:00[Asia/Seoul]`, or without the zone where the item has a `time_zone`.
///
/// # Errors
/// A [`Rejection`] with everything that is wrong.
pub fn check_item(kind: Kind, json: &[u8]) -> Result<Value, Rejection> {
    fn check<T: Item>(json: &[u8]) -> Result<Value, Rejection> {
        let item: T = parse_settled(json, |item| authoring::settle(T::TIMES, item))?;
        serde_json::to_value(item).map_err(|e| Rejection::Malformed(e.to_string()))
    }
    with_item_of!(kind, check(json))
}

/// Holds a whole set of items against all rules: each by itself, then against each other. An empty
/// answer is a set that can be published.
pub fn validate_set(kind: Kind, items: &[(Id, Value)]) -> Vec<SetFault> {
    fn check<T: Item>(items: &[(Id, Value)]) -> Vec<SetFault> {
        read::<T>(items).err().unwrap_or_default()
    }
    with_item_of!(kind, check(items))
}

/// Compiles a set of items to the artefact of the kind's current [`format`](super::format). The same
/// items give the same bytes, in whatever order they come.
///
/// # Errors
/// The faults that [`validate_set`] finds.
pub fn compile(kind: Kind, items: &[(Id, Value)]) -> Result<Vec<u8>, Vec<SetFault>> {
    fn write<T: Item>(items: &[(Id, Value)]) -> Result<Vec<u8>, Vec<SetFault>> {
        let entries = read::<T>(items)?;
        let first = entries.first().map(|entry| entry.id.clone());
        T::write(entries).map_err(|error| {
            let fault = Fault::new("", FaultCode::Invalid, error);
            first
                .map(|item| SetFault::new(&item, fault))
                .into_iter()
                .collect()
        })
    }
    with_item_of!(kind, write(items))
}

fn read<T: Item>(items: &[(Id, Value)]) -> Result<Vec<Entry<T>>, Vec<SetFault>> {
    let mut entries = Vec::with_capacity(items.len());
    let mut faults = Vec::new();
    for (id, value) in items {
        match parse_value::<T>(value) {
            Ok(item) => entries.push(Entry {
                id: id.clone(),
                item,
            }),
            Err(Rejection::Faults(of_item)) => {
                faults.extend(of_item.into_iter().map(|fault| SetFault::new(id, fault)));
            }
            Err(other) => faults.push(SetFault::new(id, Fault::new("", FaultCode::Invalid, other))),
        }
    }
    let between = T::faults_between(&entries);
    faults.extend(
        between
            .into_iter()
            .map(|(id, fault)| SetFault::new(id, fault)),
    );
    if faults.is_empty() {
        Ok(entries)
    } else {
        Err(faults)
    }
}

/// How one set of items differs from another, in numbers of items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// Items that were not there before.
    pub added: usize,
    /// Items that were there and are different now.
    pub changed: usize,
    /// Items that are there no longer.
    pub removed: usize,
}

/// What changed from the items of one version to those of the next.
pub fn changes(before: &[(Id, Value)], after: &[(Id, Value)]) -> Changes {
    let old: BTreeMap<&Id, &Value> = before.iter().map(|(id, value)| (id, value)).collect();
    let new: BTreeMap<&Id, &Value> = after.iter().map(|(id, value)| (id, value)).collect();
    let differs = |(id, value): &(&&Id, &&Value)| old.get(**id).is_some_and(|was| was != *value);
    Changes {
        added: new.keys().filter(|id| !old.contains_key(**id)).count(),
        changed: new.iter().filter(differs).count(),
        removed: old.keys().filter(|id| !new.contains_key(**id)).count(),
    }
}
