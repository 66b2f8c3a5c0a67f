//! What servers in any language are measured with: the same campaigns, requests and device profiles,
//! kept in memory here and written as JSON files for the others.

use std::{collections::BTreeMap, fs::File, io::BufWriter, path::Path};

use anyhow::{Context as _, Result};
use domain::{
    Id,
    allocation::{Profile, Request},
    content::Campaign,
    tracking::Keys,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{REQUESTS, campaigns, device, profile, requests, scan::Scan};

/// The key that signs tracking tokens here, and nowhere else.
pub const KEYS: &str =
    r#"{"current":{"id":1,"key":"YSBrZXkgdGhhdCBvbmx5IHRoZSBiZW5jaCB1c2VzIC4="}}"#;

const CAMPAIGNS_FILE: &str = "campaigns.json";
const REQUESTS_FILE: &str = "requests.json";
const DEVICES_FILE: &str = "devices.json";
const KEYS_FILE: &str = "keys.json";

/// The work.
#[derive(Debug)]
pub struct Workload {
    /// Every campaign.
    pub scan: Scan,
    /// The requests, which take turns.
    pub requests: Vec<Request>,
    /// What is stored of every device.
    pub profile: Profile,
    /// What tracking tokens are signed with.
    pub keys: Keys,
}

/// A campaign in its file.
#[derive(Serialize, Deserialize)]
struct Named<C> {
    id: Id,
    #[serde(flatten)]
    campaign: C,
}

impl Workload {
    /// The work with so many campaigns.
    ///
    /// # Errors
    /// Never: what it is made of is well formed.
    pub fn new(count: usize) -> Result<Self> {
        let campaigns = campaigns(count)?
            .into_iter()
            .map(|(id, campaign)| Ok((id, serde_json::from_value::<Campaign>(campaign)?)));
        Ok(Self {
            scan: Scan::new(campaigns.collect::<Result<Vec<_>>>()?)?,
            requests: requests()
                .into_iter()
                .map(serde_json::from_value)
                .collect::<Result<_, _>>()?,
            profile: serde_json::from_value(profile())?,
            keys: Keys::parse(KEYS)?,
        })
    }

    /// Writes the work with so many campaigns into a folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(folder: &Path, count: usize) -> Result<()> {
        let campaigns: Vec<_> = campaigns(count)?
            .into_iter()
            .map(|(id, campaign)| Named { id, campaign })
            .collect();
        write(folder, CAMPAIGNS_FILE, &campaigns)?;
        write(folder, REQUESTS_FILE, &requests())?;
        // With the members that a profile may leave out.
        let profile: Profile = serde_json::from_value(profile())?;
        let devices: BTreeMap<_, _> = (0..REQUESTS).map(|at| (device(at), &profile)).collect();
        write(folder, DEVICES_FILE, &devices)?;
        write(folder, KEYS_FILE, &serde_json::from_str::<Value>(KEYS)?)
    }

    /// Reads the work from a folder, as the others do.
    ///
    /// # Errors
    /// The folder does not hold what [`Workload::write`] writes.
    pub fn read(folder: &Path) -> Result<Self> {
        let campaigns: Vec<Named<Value>> = read(folder, CAMPAIGNS_FILE)?;
        let campaigns = campaigns
            .into_iter()
            .map(|Named { id, campaign }| Ok((id, serde_json::from_value::<Campaign>(campaign)?)));
        let devices: BTreeMap<String, Profile> = read(folder, DEVICES_FILE)?;
        let keys: Value = read(folder, KEYS_FILE)?;
        Ok(Self {
            scan: Scan::new(campaigns.collect::<Result<Vec<_>>>()?)?,
            requests: read(folder, REQUESTS_FILE)?,
            profile: devices.into_values().next().context("no device")?,
            keys: Keys::parse(&keys.to_string())?,
        })
    }
}

fn write(folder: &Path, name: &str, content: &impl Serialize) -> Result<()> {
    let path = folder.join(name);
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    Ok(serde_json::to_writer(BufWriter::new(file), content)?)
}

fn read<T: for<'de> Deserialize<'de>>(folder: &Path, name: &str) -> Result<T> {
    let path = folder.join(name);
    let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}
