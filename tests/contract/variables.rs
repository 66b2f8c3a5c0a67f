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
    "admin-reports" => admin_reports,
    "allocations" => allocations,
    "api-docs" => api_docs,
    "app-status" => app_status,
    "device-content-config" => device_content_config,
    "device-profiles" => device_profiles,
    "fallback" => fallback,
    "health" => health,
    "jwks" => jwks,
    "key-rotation" => key_rotation,
    "pacing" => pacing,
    "publish" => publish,
    "readiness" => readiness,
    "roll-up" => roll_up,
    "track" => track,
}
