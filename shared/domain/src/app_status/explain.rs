//! Why an app was told what it was told.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Caller, Published, Settings, StatusName, evaluate};
use crate::{
    Id, Instant,
    liveops::{Explained, Outcome},
};

/// Why a status is what it is.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ExplainedStatus")]
pub struct Explanation<'s> {
    /// The item that says which versions there are for this app; `null` where none does.
    pub app_version: Option<&'s Id>,
    /// What became of each item of maintenance, by their ids. One of them at most is `selected`: the
    /// reason that was told. `shadowed` are those that hold, and come after what was told.
    pub gates: Vec<Explained<'s>>,
    /// Whether the app may come in during maintenance.
    pub tester: bool,
}

/// Explains what [`evaluate`] answers.
pub fn explain<'s>(
    published: Published<'s>,
    caller: Caller<'_>,
    settings: Settings,
    now: Instant,
) -> Explanation<'s> {
    let Caller {
        platform,
        store,
        device_id,
        ..
    } = caller;
    let maintenance = published.maintenance;
    let [end, blocked, window] = maintenance.holding(now, platform, store, device_id);
    let told = match evaluate(published, caller, settings, now)
        .answer
        .status
        .name
    {
        StatusName::ServiceEnded => end,
        StatusName::DeviceBlocked => blocked,
        StatusName::Maintenance | StatusName::MaintenancePartial | StatusName::Tester => window,
        StatusName::InService | StatusName::UpdateRecommended | StatusName::UpdateRequired => None,
    };
    let gates = maintenance.gates(now, platform, store, device_id);
    let gates = gates.into_iter().map(|(id, fails)| {
        let holds = if Some(id) == told {
            Outcome::Selected
        } else {
            Outcome::Shadowed
        };
        Explained {
            id,
            outcome: fails.unwrap_or(holds),
        }
    });
    Explanation {
        app_version: published.versions.entry(platform, store).map(|(id, _)| id),
        gates: gates.collect(),
        tester: published.testers.include(device_id, caller.address),
    }
}
