//! Every function of the workspace by the name of its folder. The template says which of them run.

use std::collections::{BTreeMap, BTreeSet};

use kit::{
    Function, Vars,
    config::{Faults, Variable},
};

/// Builds a function from its environment, as its own binary does at its start.
pub type Constructor = fn(&Vars) -> Result<Function, Faults>;

macro_rules! functions {
    ($($folder:literal => $library:ident,)*) => {
        const FUNCTIONS: &[(&str, Constructor, &[&[Variable]])] =
            &[$(($folder, $library::function, $library::VARIABLES)),*];
    };
}

functions! {
    "admin-content" => admin_content,
    "admin-members" => admin_members,
    "admin-reports" => admin_reports,
    "allocations" => allocations,
    "api-docs" => api_docs,
    "app-status" => app_status,
    "auth-challenges" => auth_challenges,
    "auth-guest" => auth_guest,
    "auth-refresh" => auth_refresh,
    "auth-sign-in" => auth_sign_in,
    "auth-sign-out" => auth_sign_out,
    "banners" => banners,
    "device-content-config" => device_content_config,
    "device-profiles" => device_profiles,
    "events" => events,
    "fallback" => fallback,
    "health" => health,
    "jwks" => jwks,
    "key-rotation" => key_rotation,
    "launch" => launch,
    "me" => me,
    "me-exports" => me_exports,
    "me-identities" => me_identities,
    "me-sessions" => me_sessions,
    "notices" => notices,
    "pacing" => pacing,
    "provider-events" => provider_events,
    "publish" => publish,
    "readiness" => readiness,
    "remote-config" => remote_config,
    "roll-up" => roll_up,
    "track" => track,
    "withdrawal-page" => withdrawal_page,
    "withdrawal-purge" => withdrawal_purge,
}

/// What the function of a folder says that it reads, group by group.
pub fn variables_of(folder: &str) -> Option<&'static [&'static [Variable]]> {
    let found = FUNCTIONS.iter().find(|(own, ..)| *own == folder);
    found.map(|(_, _, groups)| *groups)
}

/// The name of every variable that some function reads.
pub fn variables() -> BTreeSet<&'static str> {
    let groups = FUNCTIONS.iter().flat_map(|(_, _, groups)| groups.iter());
    groups
        .flat_map(|group| group.iter())
        .map(|variable| variable.name)
        .collect()
}

/// Functions by folder.
#[derive(Debug, Clone, Default)]
pub struct Registry(BTreeMap<&'static str, Constructor>);

impl Registry {
    /// Every function of the workspace.
    #[must_use]
    pub fn workspace() -> Self {
        let functions = FUNCTIONS.iter();
        functions
            .map(|(folder, build, _)| (*folder, *build))
            .collect()
    }

    /// The function of a folder.
    #[must_use]
    pub fn get(&self, folder: &str) -> Option<Constructor> {
        self.0.get(folder).copied()
    }
}

impl FromIterator<(&'static str, Constructor)> for Registry {
    fn from_iter<T: IntoIterator<Item = (&'static str, Constructor)>>(functions: T) -> Self {
        Self(functions.into_iter().collect())
    }
}
