//! Published content: what operators write, when it is right, and what readers are given.
//!
//! An operator writes **items**, each by itself ([`check_draft`]). A publish freezes the set of a
//! kind's items, holds them against each other ([`validate_set`]) and compiles them to an
//! **artefact** ([`compile`]), which readers load: [`AppVersions`], [`Maintenance`], [`Testers`], what
//! [`liveops`](crate::liveops) has, and [`allocation::Snapshot`](crate::allocation::Snapshot).

mod app_versions;
mod artefact;
mod authoring;
pub mod banners;
pub mod campaigns;
pub mod config;
mod event_types;
mod limit;
mod maintenance;
mod nickname_rules;
pub mod notices;
mod schedule;
mod set;
mod testers;

pub use app_versions::{AppVersion, AppVersions};
pub(crate) use artefact::{COMPACT, load as load_artefact};
pub use artefact::{LoadError, format};
pub use banners::Banner;
pub use campaigns::Campaign;
pub use config::Parameter;
pub use event_types::{DeclaredEventType, EventTypes};
pub use maintenance::{BlockedDevice, Gate, Maintenance, ServiceEnd, Window};
pub use nickname_rules::{NicknameRuleItem, NicknameWord};
pub use notices::Notice;
pub use set::{
    ARTEFACT_LIMIT, AnyItem, Changes, CompileError, ItemSet, MAX_SET_FAULTS, SetFault,
    UnreadableItems, changes, check_draft, check_item, compile, validate_set,
};
pub use testers::{Testers, TestersItem};

closed_set! {
    /// What can be published.
    pub enum Kind {
        /// Which versions of the app there are, and which are too old.
        AppVersions = "app_versions",
        /// When the app is closed, to whom, and why.
        Maintenance = "maintenance",
        /// Who may come in while it is closed.
        Testers = "testers",
        /// Pictures that an app shows in its places, for a while.
        Banners = "banners",
        /// What there is to be told to users, to be read when they like.
        Notices = "notices",
        /// Parameters that an app is set by from afar.
        Config = "config",
        /// Types of client events that are counted by name.
        EventTypes = "event_types",
        /// What `POST /v1/allocations` gives out.
        Campaigns = "campaigns",
        /// Words that nicknames may not have.
        NicknameRules = "nickname_rules",
    }
}

#[cfg(test)]
mod tests;
