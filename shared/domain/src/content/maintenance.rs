//! When the app is closed: for a while, for a device, or for good.

use std::collections::HashMap;

use garde::{Path, Report, Validate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Kind, LoadError,
    artefact::{Entry, load},
    schedule,
    set::Item,
};
use crate::{
    DeviceId, Fault, FaultCode, Id, Instant, Link, Localized, Platform, Store, TimeZoneName,
    liveops::Outcome, validation::rule,
};

/// One reason to be closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "gate", rename_all = "snake_case")]
#[schemars(rename = "MaintenanceItem")]
pub enum Gate {
    /// Closed from one moment until another.
    Window(Window),
    /// Closed to one device.
    BlockedDevice(BlockedDevice),
    /// Closed for good.
    ServiceEnd(ServiceEnd),
}

/// Closed while `starts_at` ≤ now < `ends_at`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
#[garde(custom(ends_after_it_starts))]
#[schemars(rename = "MaintenanceWindow")]
pub struct Window {
    /// The first moment.
    pub starts_at: Instant,
    /// The first moment after.
    pub ends_at: Instant,
    /// The zone the author thinks in: that of times written without an offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZoneName>,
    /// Closed on these platforms only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(min = 1, max = 3))]
    pub platforms: Option<Vec<Platform>>,
    /// Closed to apps from these stores only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(min = 1, max = 5))]
    pub stores: Option<Vec<Store>>,
    /// What to tell the user.
    pub message: Localized,
    /// Where the user can read more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Link>,
}

/// A device that may not come in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockedDevice {
    /// The device.
    pub device_id: DeviceId,
    /// What to tell the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Localized>,
}

/// The end of the service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceEnd {
    /// From this moment on.
    pub at: Instant,
    /// What to tell the user.
    pub message: Localized,
}

impl Validate for Gate {
    type Context = ();

    fn validate_into(&self, ctx: &(), path: &mut dyn FnMut() -> Path, report: &mut Report) {
        if let Self::Window(window) = self {
            window.validate_into(ctx, path, report);
        }
    }
}

fn ends_after_it_starts(window: &Window, _: &()) -> garde::Result {
    let fault = schedule::fault(window.starts_at, Some(window.ends_at));
    rule(fault.into_iter().collect())
}

impl Item for Gate {
    const TIMES: &'static [&'static str] = &["starts_at", "ends_at", "at"];

    fn links(&self) -> Vec<(String, &str)> {
        let url = match self {
            Self::Window(window) => window.url.as_ref(),
            Self::BlockedDevice(_) | Self::ServiceEnd(_) => None,
        };
        let url = url.into_iter();
        url.map(|url| ("/url".to_owned(), url.as_str())).collect()
    }

    fn faults_between(items: &[Entry<Self>]) -> Vec<(&Id, Fault)> {
        let mut faults = Vec::new();
        let mut ended = false;
        let mut blocked = HashMap::new();
        for Entry { id, item } in items {
            match item {
                Self::ServiceEnd(_) if ended => {
                    let message = "another item ends the service";
                    faults.push((id, Fault::new("/gate", FaultCode::Duplicate, message)));
                }
                Self::ServiceEnd(_) => ended = true,
                Self::BlockedDevice(BlockedDevice { device_id, .. }) => {
                    if let Some(other) = blocked.insert(device_id, id) {
                        let message = format!("the item {other} blocks this device");
                        faults.push((id, Fault::new("/device_id", FaultCode::Duplicate, message)));
                    }
                }
                Self::Window(_) => {}
            }
        }
        faults
    }
}

impl Window {
    /// Whether the app is closed at `now` to an app on this platform, from this store; one that names
    /// its store only runs on the store's platform. A window for some platforms or stores does not
    /// close an app that does not say where it belongs.
    pub fn closes(&self, now: Instant, platform: Option<Platform>, store: Option<Store>) -> bool {
        self.fails(now, platform, store).is_none()
    }

    /// Why it does not; `None` where it does.
    fn fails(
        &self,
        now: Instant,
        platform: Option<Platform>,
        store: Option<Store>,
    ) -> Option<Outcome<'static>> {
        fn concerns<T: PartialEq>(listed: &Option<Vec<T>>, given: Option<T>) -> bool {
            listed
                .as_ref()
                .is_none_or(|listed| given.is_some_and(|given| listed.contains(&given)))
        }
        let platform = platform.or(store.map(Store::platform));
        if now < self.starts_at || self.ends_at <= now {
            Some(Outcome::Schedule)
        } else if !concerns(&self.platforms, platform) {
            Some(Outcome::Targeting("platform"))
        } else if !concerns(&self.stores, store) {
            Some(Outcome::Targeting("store"))
        } else {
            None
        }
    }

    /// Whether it closes the app to everybody.
    pub fn is_for_all(&self) -> bool {
        self.platforms.is_none() && self.stores.is_none()
    }
}

/// The published reasons to be closed.
#[derive(Debug, Default)]
pub struct Maintenance {
    windows: Vec<(Id, Window)>,
    blocked: HashMap<DeviceId, (Id, Option<Localized>)>,
    end: Option<(Id, ServiceEnd)>,
}

impl Maintenance {
    /// Loads an artefact.
    ///
    /// # Errors
    /// When the format is unknown or the bytes are not of it.
    pub fn load(format: u16, artefact: &[u8]) -> Result<Self, LoadError> {
        let mut maintenance = Self::default();
        for (id, gate) in load(Kind::Maintenance, format, artefact)? {
            match gate {
                Gate::Window(window) => maintenance.windows.push((id, window)),
                Gate::BlockedDevice(BlockedDevice { device_id, message }) => {
                    maintenance.blocked.insert(device_id, (id, message));
                }
                Gate::ServiceEnd(end) => maintenance.end = Some((id, end)),
            }
        }
        Ok(maintenance)
    }

    /// The end of the service, if it has come.
    pub fn ended(&self, now: Instant) -> Option<&ServiceEnd> {
        let end = self.end.as_ref().map(|(_, end)| end);
        end.filter(|end| end.at <= now)
    }

    /// Whether a device may not come in, and what to tell it.
    pub fn blocks(&self, device_id: &DeviceId) -> Option<Option<&Localized>> {
        let (_, message) = self.blocked.get(device_id)?;
        Some(message.as_ref())
    }

    /// The window that closes the app now: one for everybody before others, the last to end first.
    pub fn window(
        &self,
        now: Instant,
        platform: Option<Platform>,
        store: Option<Store>,
    ) -> Option<&Window> {
        let (_, window) = self.decisive(now, platform, store)?;
        Some(window)
    }

    /// Whether any window is open now, for whichever platforms and stores.
    pub fn has_open_window(&self, now: Instant) -> bool {
        let mut windows = self.windows.iter();
        windows.any(|(_, window)| window.starts_at <= now && now < window.ends_at)
    }

    /// The next moment at which anything here begins or ends.
    pub fn next_boundary(&self, now: Instant) -> Option<Instant> {
        let windows = self
            .windows
            .iter()
            .flat_map(|(_, window)| [window.starts_at, window.ends_at]);
        let ends = self.end.iter().map(|(_, end)| end.at);
        windows.chain(ends).filter(|boundary| *boundary > now).min()
    }

    /// The gates that hold for an app at `now`, by their ids: the end, a device's, the window.
    pub(crate) fn holding(
        &self,
        now: Instant,
        platform: Option<Platform>,
        store: Option<Store>,
        device_id: Option<&DeviceId>,
    ) -> [Option<&Id>; 3] {
        let end = self.end.as_ref().filter(|(_, end)| end.at <= now);
        let blocked = device_id.and_then(|device| self.blocked.get(device));
        let window = self.decisive(now, platform, store);
        [
            end.map(|(id, _)| id),
            blocked.map(|(id, _)| id),
            window.map(|(id, _)| id),
        ]
    }

    /// Of every gate, in the order of their ids, why it does not hold; `None` where it does.
    pub(crate) fn gates(
        &self,
        now: Instant,
        platform: Option<Platform>,
        store: Option<Store>,
        device_id: Option<&DeviceId>,
    ) -> Vec<(&Id, Option<Outcome<'static>>)> {
        let windows = self
            .windows
            .iter()
            .map(|(id, window)| (id, window.fails(now, platform, store)));
        let blocked = self.blocked.iter().map(|(device, (id, _))| {
            let other = device_id != Some(device);
            (id, other.then_some(Outcome::Targeting("device_id")))
        });
        let end = self.end.iter().map(|(id, end)| {
            let yet_to_come = now < end.at;
            (id, yet_to_come.then_some(Outcome::Schedule))
        });
        let mut gates: Vec<_> = windows.chain(blocked).chain(end).collect();
        gates.sort_unstable_by_key(|(id, _)| *id);
        gates
    }

    fn decisive(
        &self,
        now: Instant,
        platform: Option<Platform>,
        store: Option<Store>,
    ) -> Option<&(Id, Window)> {
        let windows = self.windows.iter();
        let open = windows.filter(|(_, window)| window.closes(now, platform, store));
        open.max_by_key(|(_, window)| (window.is_for_all(), window.ends_at))
    }
}
