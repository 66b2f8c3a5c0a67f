//! May this app be used now: maintenance, blocked devices, the end of the service, and updates.

mod explain;

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use explain::{Explanation, explain};

use crate::{
    DeviceId, Instant, Link, Locale, Localized, Platform, Store, Version,
    content::{AppVersion, AppVersions, Maintenance, Testers},
};

/// What an app says of itself when it asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'a> {
    /// What it runs on.
    pub platform: Option<Platform>,
    /// Where it was installed from.
    pub store: Option<Store>,
    /// Its version, as it writes it.
    pub version: Option<&'a str>,
    /// Its build number.
    pub build: Option<u64>,
    /// The operating system's version, as the device writes it.
    pub os_version: Option<&'a str>,
    /// The languages of its user, the most preferred first.
    pub languages: &'a [Locale],
    /// The device.
    pub device_id: Option<&'a DeviceId>,
    /// Where the request comes from.
    pub address: Option<IpAddr>,
}

/// The published content that decides.
#[derive(Debug, Clone, Copy)]
pub struct Published<'a> {
    /// Which versions there are.
    pub versions: &'a AppVersions,
    /// When the app is closed.
    pub maintenance: &'a Maintenance,
    /// Who may come in all the same.
    pub testers: &'a Testers,
}

/// What a stage may set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Whether a required update is told before maintenance is.
    pub update_before_maintenance: bool,
}

/// What was found, with what a cache has to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The answer's body.
    pub answer: AppStatus,
    /// The next moment at which a schedule may change the answer; no cache may keep it for longer.
    pub next_boundary: Option<Instant>,
    /// Whether the answer is for this caller only: it looked at the device id or the address.
    pub personal: bool,
}

/// The answer of `GET /v1/app/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AppStatus {
    /// What the app should do.
    pub status: Status,
    /// Why the app is closed, and until when. Testers are told too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Notice>,
    /// Whether there is an update.
    pub update: Update,
    /// The time of the answer.
    pub server_time: Instant,
    /// When to ask again, in seconds.
    pub poll_after_s: u32,
}

/// A status by number and by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AppStatusCode")]
pub struct Status {
    /// 2xx: come in; 3xx: do not.
    pub code: u16,
    /// The same in a word.
    pub name: StatusName,
}

closed_set! {
    /// What an app should do.
    pub enum StatusName {
        /// 200: come in.
        InService = "in_service",
        /// 201: come in; there is an update.
        UpdateRecommended = "update_recommended",
        /// 202: come in, as a tester, though the app is closed to others.
        Tester = "tester",
        /// 300: update first.
        UpdateRequired = "update_required",
        /// 301: this device may not.
        DeviceBlocked = "device_blocked",
        /// 302: the service has ended.
        ServiceEnded = "service_ended",
        /// 303: closed to everybody for a while.
        Maintenance = "maintenance",
        /// 304: closed to this platform or store for a while.
        MaintenancePartial = "maintenance_partial",
    }
}

impl StatusName {
    /// The number.
    pub const fn code(self) -> u16 {
        match self {
            Self::InService => 200,
            Self::UpdateRecommended => 201,
            Self::Tester => 202,
            Self::UpdateRequired => 300,
            Self::DeviceBlocked => 301,
            Self::ServiceEnded => 302,
            Self::Maintenance => 303,
            Self::MaintenancePartial => 304,
        }
    }
}

/// Why an app is closed. Of a blocked device there is a message at most; the end of a service has a
/// beginning and no end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AppNotice")]
pub struct Notice {
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Instant>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Instant>,
    /// What to tell the user, in the user's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where the user can read more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Link>,
}

/// Whether there is an update. All but the level is absent where the app's store is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AppUpdate")]
pub struct Update {
    /// How urgent it is.
    pub level: UpdateLevel,
    /// The oldest version that still works; `null`, as all below, where nothing is known of the app.
    pub min_version: Option<Version>,
    /// The newest version.
    pub latest_version: Option<Version>,
    /// Where to get it.
    pub store_url: Option<Link>,
    /// What to tell the user, in the user's language.
    pub message: Option<String>,
}

closed_set! {
    /// How urgent an update is.
    pub enum UpdateLevel {
        /// There is none, or none is known of.
        None = "none",
        /// There is a newer version.
        Recommended = "recommended",
        /// This version does not work any longer.
        Required = "required",
    }
}

/// Answers a caller.
///
/// Of what holds at once, the first of these decides: the end of the service (302), a blocked device
/// (301), maintenance (303 for all, 304 for some; 202 for testers), a required update (300; before
/// maintenance where the settings say so), a recommended one (201).
pub fn evaluate(
    published: Published<'_>,
    caller: Caller<'_>,
    settings: Settings,
    now: Instant,
) -> Evaluation {
    let Published {
        versions,
        maintenance,
        testers,
    } = published;
    let update = update(versions.of(caller.platform, caller.store), caller);
    let window = maintenance.window(now, caller.platform, caller.store);
    let blocked = caller
        .device_id
        .and_then(|device| maintenance.blocks(device));
    let update_required = update.level == UpdateLevel::Required;

    let (name, notice) = if let Some(end) = maintenance.ended(now) {
        let notice = Notice {
            starts_at: Some(end.at),
            message: Some(chosen(&end.message, caller)),
            ..Notice::default()
        };
        (StatusName::ServiceEnded, Some(notice))
    } else if let Some(message) = blocked {
        let message = message.map(|message| chosen(message, caller));
        (
            StatusName::DeviceBlocked,
            Some(Notice {
                message,
                ..Notice::default()
            }),
        )
    } else if settings.update_before_maintenance && update_required {
        (StatusName::UpdateRequired, None)
    } else if let Some(window) = window {
        let notice = Notice {
            starts_at: Some(window.starts_at),
            ends_at: Some(window.ends_at),
            message: Some(chosen(&window.message, caller)),
            url: window.url.clone(),
        };
        let name = if testers.include(caller.device_id, caller.address) {
            StatusName::Tester
        } else if window.is_for_all() {
            StatusName::Maintenance
        } else {
            StatusName::MaintenancePartial
        };
        (name, Some(notice))
    } else {
        let name = match update.level {
            UpdateLevel::Required => StatusName::UpdateRequired,
            UpdateLevel::Recommended => StatusName::UpdateRecommended,
            UpdateLevel::None => StatusName::InService,
        };
        (name, None)
    };

    let next_boundary = maintenance.next_boundary(now);
    let looked_at_address =
        window.is_some() && testers.know_addresses() && caller.address.is_some();
    Evaluation {
        answer: AppStatus {
            status: Status {
                code: name.code(),
                name,
            },
            maintenance: notice,
            update,
            server_time: now,
            poll_after_s: poll_after_s(now, next_boundary),
        },
        next_boundary,
        personal: caller.device_id.is_some() || looked_at_address,
    }
}

/// A version that cannot be read opens every gate. So does an operating system that the newest build
/// does not run on, as far as the update would be required.
fn update(item: Option<&AppVersion>, caller: Caller<'_>) -> Update {
    let Some(item) = item else {
        return Update {
            level: UpdateLevel::None,
            min_version: None,
            latest_version: None,
            store_url: None,
            message: None,
        };
    };
    let version = caller.version.and_then(Version::parse);
    let below_min = version.as_ref().is_some_and(|version| *version < item.min);
    let below_min_build = caller
        .build
        .zip(item.min_build)
        .is_some_and(|(build, min)| build < min);
    let outdated = below_min || below_min_build;
    let below_latest = version.is_some_and(|version| version < item.latest);
    let level = if outdated && runs_latest(item, caller.os_version) {
        UpdateLevel::Required
    } else if outdated || below_latest {
        UpdateLevel::Recommended
    } else {
        UpdateLevel::None
    };
    Update {
        level,
        min_version: Some(item.min.clone()),
        latest_version: Some(item.latest.clone()),
        store_url: Some(item.store_url.clone()),
        message: Some(chosen(&item.message, caller)),
    }
}

/// A device that does not say its operating system's version is taken to run the newest build.
fn runs_latest(item: &AppVersion, os_version: Option<&str>) -> bool {
    match (&item.min_os_version, os_version) {
        (Some(min), Some(os)) => Version::parse(os).is_some_and(|os| os >= *min),
        _ => true,
    }
}

fn chosen(text: &Localized, caller: Caller<'_>) -> String {
    text.choose(caller.languages).to_owned()
}

/// A minute, or until something begins or ends, but never less than five seconds.
fn poll_after_s(now: Instant, next_boundary: Option<Instant>) -> u32 {
    let until = next_boundary.map_or(60, |boundary| {
        boundary.since(now).as_millis().div_ceil(1000)
    });
    u32::try_from(until.clamp(5, 60)).unwrap_or(60)
}

#[cfg(test)]
mod tests;
