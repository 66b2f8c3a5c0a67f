//! Allocation: which ads or contents a device sees now.
//!
//! [`allocate`] takes who may go out now ([`Lineup`]), what is asked and known ([`Given`]) and
//! randomness, and says what goes into which slot. Its order: who is eligible at all (an `index` of
//! bitmaps, compiled when the [`Snapshot`] is loaded); then frequency caps, budgets and pacing; of
//! those the best tier; within it a draw by weight; house items where nothing else is left.
//! [`explain`] says why.

mod answer;
mod bits;
mod campaign;
mod content_config;
mod draw;
mod explain;
mod given;
mod index;
mod lineup;
mod profile;
mod request;
mod shelf;
mod snapshot;
mod viewer;

pub use answer::{Answer, Item};
pub use campaign::{Campaign, Creative, Price};
pub use content_config::{ContentConfig, Frequency, StoredContentConfig};
pub use draw::{Allocation, Effort, Placed, allocate};
pub use explain::{Candidate, Explanation, Outcome, explain};
pub use given::Given;
pub use lineup::Lineup;
pub use profile::{
    DeviceSegments, DeviceTargeting, NewProfile, Profile, StoredDeviceSegments, StoredProfile,
};
pub use request::{Exclude, MOST_PLACEMENTS, MOST_SLOTS, PlacementRequest, Request, User};
pub use snapshot::Snapshot;

#[cfg(test)]
mod tests;
