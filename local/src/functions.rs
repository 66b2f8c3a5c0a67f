//! Every function of the workspace by the name of its folder. The template says which of them run.

use std::collections::BTreeMap;

use kit::{Function, Vars, config::Faults};

/// Builds a function from its environment, as its own binary does at its start.
pub type Constructor = fn(&Vars) -> Result<Function, Faults>;

/// Functions by folder.
#[derive(Debug, Clone, Default)]
pub struct Registry(BTreeMap<&'static str, Constructor>);

impl Registry {
    /// Every function of the workspace.
    #[must_use]
    pub fn workspace() -> Self {
        let functions: [(&str, Constructor); 29] = [
            ("admin-content", admin_content::function),
            ("admin-members", admin_members::function),
            ("admin-reports", admin_reports::function),
            ("allocations", allocations::function),
            ("api-docs", api_docs::function),
            ("app-status", app_status::function),
            ("auth-challenges", auth_challenges::function),
            ("auth-guest", auth_guest::function),
            ("auth-refresh", auth_refresh::function),
            ("auth-sign-in", auth_sign_in::function),
            ("auth-sign-out", auth_sign_out::function),
            ("device-content-config", device_content_config::function),
            ("device-profiles", device_profiles::function),
            ("fallback", fallback::function),
            ("health", health::function),
            ("jwks", jwks::function),
            ("key-rotation", key_rotation::function),
            ("me", me::function),
            ("me-exports", me_exports::function),
            ("me-identities", me_identities::function),
            ("me-sessions", me_sessions::function),
            ("pacing", pacing::function),
            ("provider-events", provider_events::function),
            ("publish", publish::function),
            ("readiness", readiness::function),
            ("roll-up", roll_up::function),
            ("track", track::function),
            ("withdrawal-page", withdrawal_page::function),
            ("withdrawal-purge", withdrawal_purge::function),
        ];
        functions.into_iter().collect()
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
