//! The rules by which sources become artefacts, handed to whoever needs them.

use domain::{
    allocation,
    content::{self, AppVersions, CompileError, EventTypes, Kind, LoadError, Maintenance, Testers},
    identity::NicknameRules,
    liveops::{Banners, Notices, RemoteConfig},
};

use crate::published::FrozenItems;

/// Compiles a kind's items to an artefact, or returns all their faults.
pub type Compile = fn(Kind, &FrozenItems) -> Result<Vec<u8>, CompileError>;

/// How sources become artefacts: the rules of `domain::content`, handed in.
#[derive(Debug, Clone, Copy)]
pub struct Compiler {
    /// The format that is written now.
    pub format: fn(Kind) -> u16,
    /// Validates and compiles; all faults at once.
    pub compile: Compile,
    /// Loads an artefact as a reader would, and says why it could not.
    pub check: fn(Kind, u16, &[u8]) -> Result<(), LoadError>,
}

impl Default for Compiler {
    /// The rules of [`domain::content`].
    fn default() -> Self {
        Self {
            format: content::format,
            compile: content::compile::<FrozenItems>,
            check: |kind, format, artefact| match kind {
                Kind::AppVersions => AppVersions::load(format, artefact).map(drop),
                Kind::Maintenance => Maintenance::load(format, artefact).map(drop),
                Kind::Testers => Testers::load(format, artefact).map(drop),
                Kind::Banners => Banners::load(format, artefact).map(drop),
                Kind::Notices => Notices::load(format, artefact).map(drop),
                Kind::Config => RemoteConfig::load(format, artefact).map(drop),
                Kind::NicknameRules => NicknameRules::load(format, artefact).map(drop),
                Kind::EventTypes => EventTypes::load(format, artefact).map(drop),
                Kind::Campaigns => allocation::Snapshot::load(format, artefact).map(drop),
            },
        }
    }
}
