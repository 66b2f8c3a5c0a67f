//! What is true: content, targeting, allocation, tracking, identity. No I/O, no clock, no randomness of its own.
//!
//! Everything here is a value or a function of values. Whoever calls brings the time (an
//! [`Instant`]) and the randomness (a [`rand::Rng`]), so a rule can be tried at any moment of any
//! day, twice with the same end.
#![forbid(unsafe_code)]

#[macro_use]
mod define;

pub mod allocation;
pub mod app_status;
mod audience;
pub mod billing;
pub mod caps;
pub mod content;
pub mod country;
pub mod delivery;
pub mod device;
pub mod device_text;
pub mod events;
pub mod identity;
pub mod ids;
pub mod instant;
pub mod keyring;
pub mod learning;
pub mod liveops;
pub mod locale;
pub mod marks;
pub mod network;
pub mod pacing;
pub mod random_id;
pub mod read_state;
pub mod reported;
pub mod reports;
pub mod targeting;
pub mod text;
pub mod tracking;
pub mod url;
pub mod validation;
pub mod version;
pub mod zone;

pub use audience::Audience;
pub use country::Country;
pub use define::BadText;
pub use device::ReportedDevice;
pub use ids::{DeviceId, DeviceKey, Gender, Id, Label, Platform, Store, key_of};
pub use instant::Instant;
pub use locale::Locale;
pub use random_id::RandomId;
pub use read_state::ReadState;
pub use reported::ReportedValue;
pub use text::{ByLocale, Localized};
pub use url::{ClickUrl, HttpUrl, Link, LinkError, LinkSchemes};
pub use validation::{Fault, FaultCode, Rejection};
pub use version::Version;
pub use zone::{Day, TimeZoneName, Weekday};
