//! Items by themselves, sets of items against each other, and what changed between two sets.
//!
//! A set may be larger than memory should hold as JSON values (100,000 campaigns), so it is read through
//! [`ItemSet`], one item at a time and as often as it takes.

use std::cmp::Ordering;

use garde::Validate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    AppVersion, Banner, Campaign, DeclaredEventType, Gate, Kind, NicknameRuleItem, Notice,
    Parameter, TestersItem,
    artefact::{self, Entry},
    authoring,
};
use crate::{
    Fault, FaultCode, Id, LinkSchemes, Rejection,
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
    pub(super) fn new(item: &Id, fault: Fault) -> Self {
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

/// The most faults that are collected of one set.
pub const MAX_SET_FAULTS: usize = 1_000;

/// The items of a kind, which can be read several times.
pub trait ItemSet {
    /// Calls `each` with every item in the order of the ids.
    ///
    /// # Errors
    /// [`UnreadableItems`] where the set is stored and its bytes are not what was written.
    fn for_each(&self, each: &mut dyn FnMut(&Id, &Value)) -> Result<(), UnreadableItems>;
}

/// The stored form of a set cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the items cannot be read")]
pub struct UnreadableItems(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl ItemSet for [(Id, Value)] {
    fn for_each(&self, each: &mut dyn FnMut(&Id, &Value)) -> Result<(), UnreadableItems> {
        let mut ordered: Vec<&(Id, Value)> = self.iter().collect();
        ordered.sort_by(|a, b| a.0.cmp(&b.0));
        for (id, item) in ordered {
            each(id, item);
        }
        Ok(())
    }
}

impl ItemSet for Vec<(Id, Value)> {
    fn for_each(&self, each: &mut dyn FnMut(&Id, &Value)) -> Result<(), UnreadableItems> {
        self.as_slice().for_each(each)
    }
}

/// The most bytes that an artefact may have: the smallest reader has 256 MB for everything, and
/// holds a new version in addition to the old one.
pub const ARTEFACT_LIMIT: usize = 64 * 1024 * 1024;

/// Why a set was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It breaks these rules, at most [`MAX_SET_FAULTS`] of them.
    #[error("{} faults", .0.len())]
    Faults(Vec<SetFault>),
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableItems),
    /// The artefact would have more than so many bytes.
    #[error("the artefact has more than {limit_bytes} bytes")]
    TooLarge {
        /// The most bytes that an artefact may have.
        limit_bytes: usize,
    },
    /// The artefact cannot be written.
    #[error("the artefact cannot be written")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An item of some kind, and the rules between the items of a set.
pub(super) trait Item:
    DeserializeOwned + Serialize + JsonSchema + Validate<Context = ()>
{
    /// The members that are times, which authors may write in a zone.
    const TIMES: &'static [&'static str] = &[];

    /// Ids that no item may have, because a fixed route has them where others have an id.
    const RESERVED_IDS: &'static [&'static str] = &[];

    /// The links of the item, each with its place as a JSON pointer.
    fn links(&self) -> Vec<(String, &str)> {
        Vec::new()
    }

    /// Returns the faults that only authors must avoid.
    fn draft_faults(&self) -> Vec<Fault> {
        Vec::new()
    }

    /// Returns every fault that only the whole set shows, each with its item.
    fn faults_between(_items: &[Entry<Self>]) -> Vec<(&Id, Fault)> {
        Vec::new()
    }

    /// Returns every fault of a set. A kind with many items reads them one by one instead.
    fn faults<S: ItemSet + ?Sized>(set: &S) -> Result<Vec<SetFault>, UnreadableItems> {
        Ok(read::<Self, S>(set)?.1)
    }

    /// Compiles a set to the kind's current format. A kind with many items reads them one by one
    /// instead.
    fn compile<S: ItemSet + ?Sized>(set: &S) -> Result<Vec<u8>, CompileError> {
        let (entries, faults) = read::<Self, S>(set)?;
        if !faults.is_empty() {
            return Err(CompileError::Faults(faults));
        }
        Self::write(entries).map_err(|error| CompileError::Write(error.into()))
    }

    /// Writes the artefact of items without faults.
    fn write(items: Vec<Entry<Self>>) -> Result<Vec<u8>, serde_json::Error> {
        artefact::write(items)
    }
}

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
            Kind::EventTypes => $function::<DeclaredEventType>($($argument),*),
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
        canonical(&read_draft::<T>(json)?)
    }
    with_item_of!(kind, check(json))
}

/// Reads one item as [`check_item`] does. Then it checks that the id is not a word of a fixed route
/// (publishing checks that too), and the rules that only authors must obey: links have no user
/// information and a scheme of the web or of `schemes`, and a campaign's budget can be spread and buys
/// something. What was written before the authors' rules existed can still be published and read.
///
/// # Errors
/// A [`Rejection`] with everything that is wrong.
pub fn check_draft(
    kind: Kind,
    id: &Id,
    json: &[u8],
    schemes: &LinkSchemes,
) -> Result<Value, Rejection> {
    fn check<T: Item>(id: &Id, json: &[u8], schemes: &LinkSchemes) -> Result<Value, Rejection> {
        let item = read_draft::<T>(json)?;
        let refused = |(pointer, link): (String, &str)| {
            let message = schemes.refuse(link)?;
            Some(Fault::new(pointer, FaultCode::NotAllowed, message))
        };
        let links = item.links().into_iter().filter_map(refused);
        let faults: Vec<Fault> = reserved::<T>(id)
            .into_iter()
            .chain(links)
            .chain(item.draft_faults())
            .collect();
        match faults.is_empty() {
            true => canonical(&item),
            false => Err(Rejection::Faults(faults)),
        }
    }
    with_item_of!(kind, check(id, json, schemes))
}

fn read_draft<T: Item>(json: &[u8]) -> Result<T, Rejection> {
    parse_settled(json, |item| authoring::settle(T::TIMES, item))
}

fn canonical<T: Item>(item: &T) -> Result<Value, Rejection> {
    serde_json::to_value(item).map_err(|e| Rejection::Malformed(e.to_string()))
}

/// The fault of an id that a fixed route has where others have an id.
fn reserved<T: Item>(id: &Id) -> Option<Fault> {
    T::RESERVED_IDS.contains(&id.as_str()).then(|| {
        let message = format!("the id {id} is a word of a fixed route: choose another id");
        Fault::new("", FaultCode::NotAllowed, message)
    })
}

/// Returns every fault of a whole set of items: each item by itself, then against each other. A set
/// without faults can be published.
///
/// # Errors
/// [`UnreadableItems`] of the set.
pub fn validate_set<S: ItemSet + ?Sized>(
    kind: Kind,
    items: &S,
) -> Result<Vec<SetFault>, UnreadableItems> {
    fn check<T: Item>(items: &(impl ItemSet + ?Sized)) -> Result<Vec<SetFault>, UnreadableItems> {
        T::faults(items)
    }
    with_item_of!(kind, check(items))
}

/// Compiles a set of items to the artefact of the kind's current [`format`](super::format). The same
/// items give the same bytes, in whatever order they come.
///
/// # Errors
/// [`CompileError::Faults`] with what [`validate_set`] finds; [`UnreadableItems`] of the set;
/// [`CompileError::TooLarge`] for campaigns whose artefact grows beyond [`ARTEFACT_LIMIT`].
pub fn compile<S: ItemSet + ?Sized>(kind: Kind, items: &S) -> Result<Vec<u8>, CompileError> {
    fn write<T: Item>(items: &(impl ItemSet + ?Sized)) -> Result<Vec<u8>, CompileError> {
        T::compile(items)
    }
    with_item_of!(kind, write(items))
}

/// All items of a set that can be read, and the faults of the set.
type ReadSet<T> = (Vec<Entry<T>>, Vec<SetFault>);

fn read<T: Item, S: ItemSet + ?Sized>(items: &S) -> Result<ReadSet<T>, UnreadableItems> {
    let mut entries = Vec::new();
    let mut faults = Vec::new();
    items.for_each(&mut |id, value| {
        if let Some(item) = read_item(id, value, &mut faults) {
            let room = MAX_SET_FAULTS.saturating_sub(faults.len());
            let reserved = reserved::<T>(id).into_iter().take(room);
            faults.extend(reserved.map(|fault| SetFault::new(id, fault)));
            let id = id.clone();
            entries.push(Entry { id, item });
        }
    })?;
    let between = T::faults_between(&entries);
    let between = between
        .into_iter()
        .map(|(id, fault)| SetFault::new(id, fault));
    let room = MAX_SET_FAULTS.saturating_sub(faults.len());
    faults.extend(between.take(room));
    Ok((entries, faults))
}

/// Reads one item, or notes its faults, while there are fewer than [`MAX_SET_FAULTS`].
pub(super) fn read_item<T: Item>(id: &Id, value: &Value, faults: &mut Vec<SetFault>) -> Option<T> {
    let room = MAX_SET_FAULTS.saturating_sub(faults.len());
    let found = match parse_value::<T>(value) {
        Ok(item) => return Some(item),
        Err(Rejection::Faults(of_item)) => of_item,
        Err(other) => vec![Fault::new("", FaultCode::Invalid, other)],
    };
    let found = found.into_iter().map(|fault| SetFault::new(id, fault));
    faults.extend(found.take(room));
    None
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

/// Counts what changed from the items of one version to those of the next. Both come in the order of
/// their ids.
///
/// # Errors
/// The first error that one of the iterators returns.
pub fn changes<I, T: PartialEq, E>(
    before: impl IntoIterator<Item = Result<(I, T), E>>,
    after: impl IntoIterator<Item = Result<(I, T), E>>,
) -> Result<Changes, E>
where
    I: Ord,
{
    let (mut before, mut after) = (before.into_iter(), after.into_iter());
    let (mut old, mut new) = (before.next().transpose()?, after.next().transpose()?);
    let mut changes = Changes::default();
    loop {
        let order = match (&old, &new) {
            (None, None) => return Ok(changes),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((was, _)), Some((is, _))) => was.cmp(is),
        };
        match order {
            Ordering::Less => changes.removed += 1,
            Ordering::Greater => changes.added += 1,
            Ordering::Equal => {
                let same = old.as_ref().map(|(_, item)| item) == new.as_ref().map(|(_, item)| item);
                changes.changed += usize::from(!same);
            }
        }
        if order.is_le() {
            old = before.next().transpose()?;
        }
        if order.is_ge() {
            new = after.next().transpose()?;
        }
    }
}
