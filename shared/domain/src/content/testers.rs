//! Who may come in while the app is closed.

use std::{collections::HashSet, net::IpAddr};

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Kind, LoadError, artefact::load, set::Item};
use crate::{DeviceId, network::Cidr};

/// A group of testers, by their devices and by where they sit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct TestersItem {
    /// Their devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 1000))]
    pub device_ids: Option<Vec<DeviceId>>,
    /// The address ranges they come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 1000))]
    pub cidrs: Option<Vec<Cidr>>,
}

impl Item for TestersItem {}

/// The published testers, all groups together.
#[derive(Debug, Default)]
pub struct Testers {
    devices: HashSet<DeviceId>,
    ranges: Vec<Cidr>,
}

impl Testers {
    /// Loads an artefact.
    ///
    /// # Errors
    /// When the format is unknown or the bytes are not of it.
    pub fn load(format: u16, artefact: &[u8]) -> Result<Self, LoadError> {
        let mut testers = Self::default();
        for (_, group) in load::<TestersItem>(Kind::Testers, format, artefact)? {
            testers
                .devices
                .extend(group.device_ids.into_iter().flatten());
            testers.ranges.extend(group.cidrs.into_iter().flatten());
        }
        Ok(testers)
    }

    /// Whether a device, or somebody at an address, is one of them.
    pub fn include(&self, device_id: Option<&DeviceId>, address: Option<IpAddr>) -> bool {
        device_id.is_some_and(|device_id| self.devices.contains(device_id))
            || address
                .is_some_and(|address| self.ranges.iter().any(|range| range.contains(address)))
    }

    /// Whether any of them is known by address.
    pub fn know_addresses(&self) -> bool {
        !self.ranges.is_empty()
    }
}
