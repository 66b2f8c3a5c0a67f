//! The values of secrets and their versions, kept in one private file.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ApiError, generate::generate};
use crate::{data::write_private, identifier, template::Secret};

/// The stage of the version that applications read.
const CURRENT: &str = "AWSCURRENT";
/// The stage of the version that a rotation is making.
const PENDING: &str = "AWSPENDING";

/// Every secret of the stack.
#[derive(Debug)]
pub struct Vault {
    file: PathBuf,
    entries: BTreeMap<String, Entry>,
}

/// One secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) arn: String,
    pub(super) versions: Vec<Version>,
}

/// One version of a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) id: String,
    /// Absent between the beginning of a rotation and its first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
    pub(super) stages: Vec<String>,
    /// Seconds since 1970, as the API gives it.
    pub(super) created: f64,
}

/// Why the vault could not be opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what a vault writes.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A template of `GenerateSecretString` cannot be followed.
    #[error("secret {name}: {problem}")]
    Generate {
        /// The secret.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Vault {
    /// Opens the vault in `file` and makes a value for every declared secret that has none.
    ///
    /// # Errors
    /// The file cannot be read, understood or written, or a value cannot be made.
    pub fn open(file: PathBuf, declared: &[Secret]) -> Result<Self, SecretsError> {
        let entries = match fs::read(&file) {
            Ok(text) => {
                serde_json::from_slice(&text).map_err(|source| SecretsError::Unreadable {
                    path: file.clone(),
                    source,
                })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(SecretsError::Io { path: file, source }),
        };
        let mut vault = Self { file, entries };
        for secret in declared {
            if !vault.entries.contains_key(&secret.name) {
                let value = generate(&secret.value).map_err(|problem| SecretsError::Generate {
                    name: secret.name.clone(),
                    problem: problem.to_owned(),
                })?;
                vault.create(&secret.name, &secret.arn, value)?;
            }
        }
        Ok(vault)
    }

    /// The current value of a secret, by its name.
    #[must_use]
    pub fn current(&self, name: &str) -> Option<&str> {
        let entry = self.entries.get(name)?;
        entry.holder(CURRENT)?.value.as_deref()
    }

    /// Adds a secret.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(&mut self, name: &str, arn: &str, value: String) -> Result<(), SecretsError> {
        let mut entry = Entry {
            arn: arn.to_owned(),
            versions: Vec::new(),
        };
        entry.add(identifier::uuid(), Some(value), &[CURRENT.to_owned()]);
        self.replace(name, entry)
    }

    /// A secret by its name, its ARN, or its ARN without the six characters at the end.
    pub(super) fn find(&self, id: &str) -> Option<(String, &Entry)> {
        self.entries
            .iter()
            .find(|(name, entry)| {
                let partial = entry.arn.rsplit_once('-').map(|(partial, _)| partial);
                *name == id || entry.arn == id || partial == Some(id)
            })
            .map(|(name, entry)| (name.clone(), entry))
    }

    /// Changes a secret, on disk first.
    pub(super) fn change(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Entry) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let mut entry = self
            .entries
            .get(name)
            .cloned()
            .ok_or_else(|| ApiError::not_found("secret"))?;
        change(&mut entry)?;
        self.replace(name, entry)
            .map_err(|error| ApiError::new("InternalServiceError", error.to_string()))
    }

    fn replace(&mut self, name: &str, entry: Entry) -> Result<(), SecretsError> {
        let mut entries = self.entries.clone();
        entries.insert(name.to_owned(), entry);
        let written = serde_json::to_vec_pretty(&entries)
            .map_err(io::Error::from)
            .and_then(|text| write_private(&self.file, &text));
        written.map_err(|source| SecretsError::Io {
            path: self.file.clone(),
            source,
        })?;
        self.entries = entries;
        Ok(())
    }
}

impl Entry {
    /// Adds a version with its stages. The same version with the same value may be put again.
    pub(super) fn put(
        &mut self,
        id: &str,
        value: String,
        stages: &[String],
    ) -> Result<(), ApiError> {
        match self.versions.iter_mut().find(|version| version.id == id) {
            Some(version) if version.value.as_ref().is_none_or(|held| *held == value) => {
                version.value = Some(value);
                stages.iter().for_each(|stage| self.attach(stage, id));
                Ok(())
            }
            Some(_) => Err(ApiError::new(
                "ResourceExistsException",
                "A version with this token exists and its value is another.",
            )),
            None => {
                self.add(id.to_owned(), Some(value), stages);
                Ok(())
            }
        }
    }

    /// Begins a rotation with the version `id`, or goes on with the one that was begun before. Gives
    /// the version that it is about.
    pub(super) fn begin_rotation(&mut self, id: String) -> String {
        let begun = self.holder(PENDING).map(|version| version.id.clone());
        let current = self.holder(CURRENT).map(|version| version.id.clone());
        match begun {
            Some(begun) if current.as_ref() != Some(&begun) => begun,
            _ => {
                self.add(id.clone(), None, &[PENDING.to_owned()]);
                id
            }
        }
    }

    /// Moves a stage from one version to another, or only takes it away.
    pub(super) fn move_stage(
        &mut self,
        stage: &str,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<(), ApiError> {
        let known = |id: &str| self.versions.iter().any(|version| version.id == id);
        if [from, to].into_iter().flatten().any(|id| !known(id)) {
            return Err(ApiError::not_found("secret version"));
        }
        let holder = self.holder(stage).map(|version| version.id.as_str());
        if holder.is_some() && holder != from && holder != to {
            return Err(ApiError::new(
                "InvalidParameterException",
                format!("{stage} is on another version: name it in RemoveFromVersionId."),
            ));
        }
        match to {
            Some(to) => self.attach(stage, to),
            None => self.detach(stage),
        }
        self.forget_unstaged();
        Ok(())
    }

    fn holder(&self, stage: &str) -> Option<&Version> {
        let has = |version: &&Version| version.stages.iter().any(|own| own == stage);
        self.versions.iter().find(has)
    }

    fn add(&mut self, id: String, value: Option<String>, stages: &[String]) {
        self.versions.push(Version {
            id: id.clone(),
            value,
            stages: Vec::new(),
            created: Timestamp::now().as_duration().as_secs_f64(),
        });
        for stage in stages {
            self.attach(stage, &id);
        }
        self.forget_unstaged();
    }

    /// A stage is on one version; what loses `AWSCURRENT` becomes `AWSPREVIOUS`.
    fn attach(&mut self, stage: &str, id: &str) {
        let before = self.holder(stage).map(|version| version.id.clone());
        self.detach(stage);
        if let Some(version) = self.versions.iter_mut().find(|version| version.id == id) {
            version.stages.push(stage.to_owned());
        }
        if let Some(before) = before
            && stage == CURRENT
            && before != id
        {
            self.attach("AWSPREVIOUS", &before);
        }
    }

    fn detach(&mut self, stage: &str) {
        for version in &mut self.versions {
            version.stages.retain(|own| own != stage);
        }
    }

    /// Secrets Manager deletes versions without a stage in its own time.
    fn forget_unstaged(&mut self) {
        self.versions.retain(|version| !version.stages.is_empty());
    }
}
