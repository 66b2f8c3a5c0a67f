//! What each function's crate says that it reads: its `VARIABLES`.

use kit::config::Variable;

macro_rules! functions {
    ($($folder:literal => $library:ident,)*) => {
        /// The variables of the function in a folder, group by group.
        pub(crate) fn of(folder: &str) -> Option<&'static [&'static [Variable]]> {
            match folder {
                $($folder => Some($library::VARIABLES),)*
                _ => None,
            }
        }
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
    "device-content-config" => device_content_config,
    "device-profiles" => device_profiles,
    "fallback" => fallback,
    "health" => health,
    "jwks" => jwks,
    "key-rotation" => key_rotation,
    "me" => me,
    "me-exports" => me_exports,
    "me-identities" => me_identities,
    "me-sessions" => me_sessions,
    "pacing" => pacing,
    "provider-events" => provider_events,
    "publish" => publish,
    "readiness" => readiness,
    "roll-up" => roll_up,
    "track" => track,
    "withdrawal-page" => withdrawal_page,
    "withdrawal-purge" => withdrawal_purge,
}
