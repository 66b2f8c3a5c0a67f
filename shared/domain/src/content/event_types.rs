//! Types of client events that a stage counts by name, beside those that are built in.

use std::collections::{HashMap, HashSet};

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Kind, LoadError,
    artefact::{Entry, load},
    limit::Limit,
    set::Item,
};
use crate::{Fault, FaultCode, Id, Label, events::EventType};

/// A type of client events that is counted by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct DeclaredEventType {
    /// The type, as apps send it; without it, the item's id.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// What it means, for those who read the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Label>,
}

/// How many types may be declared: each has a counter of its own every day.
const MOST_TYPES: usize = 500;

impl DeclaredEventType {
    /// The type that the item with this id declares; `None` where the id alone is no type.
    fn declared(&self, id: &Id) -> Option<EventType> {
        match &self.event_type {
            Some(event_type) => Some(event_type.clone()),
            None => id.as_str().parse().ok(),
        }
    }
}

impl Item for DeclaredEventType {
    fn faults_between(items: &[Entry<Self>]) -> Vec<(&Id, Fault)> {
        let mut faults = Vec::new();
        let mut types = Limit::new("", MOST_TYPES, "is beyond the 500 types that there may be");
        let mut first_of: HashMap<EventType, &Id> = HashMap::new();
        for Entry { id, item } in items {
            faults.extend(types.add(1).map(|fault| (id, fault)));
            match item.declared(id) {
                Some(event_type) => {
                    if let Some(first) = first_of.get(&event_type) {
                        let message = format!("is declared by {first} already");
                        let fault = Fault::new("/type", FaultCode::Duplicate, message);
                        faults.push((id, fault));
                    } else {
                        first_of.insert(event_type, id);
                    }
                }
                None => {
                    let message =
                        "must be there, because the item's id does not begin with a letter";
                    faults.push((id, Fault::new("/type", FaultCode::Required, message)));
                }
            }
        }
        faults
    }
}

/// The declared types of client events.
#[derive(Debug, Default)]
pub struct EventTypes(HashSet<EventType>);

impl EventTypes {
    /// Loads an artefact.
    ///
    /// # Errors
    /// When the format is unknown or the bytes are not of it.
    pub fn load(format: u16, artefact: &[u8]) -> Result<Self, LoadError> {
        let kind = Kind::EventTypes;
        let mut types = HashSet::new();
        for (id, item) in load::<DeclaredEventType>(kind, format, artefact)? {
            match item.declared(&id) {
                Some(event_type) => types.insert(event_type),
                None => return Err(LoadError::Broken { kind, item: id }),
            };
        }
        Ok(Self(types))
    }

    /// Whether the type is declared.
    pub fn contains(&self, event_type: &EventType) -> bool {
        self.0.contains(event_type)
    }
}
