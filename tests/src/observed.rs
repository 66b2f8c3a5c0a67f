//! What the functions were seen to ask of AWS: written by the recorder, read by the policy test.
//!
//! Every process of tests writes a file of its own under `observed-calls/` in Cargo's target directory, opened by the
//! fingerprint of the sources it ran. Observations of other sources are as good as none.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::project;

/// One action that one function took on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The function's folder.
    pub function: String,
    /// The action by its IAM name, such as `dynamodb:GetItem`.
    pub action: String,
    /// The name of the table, secret or function.
    pub resource: String,
}

/// The first line of a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    sources: String,
}

/// The file of this process.
struct Journal {
    file: File,
    written: BTreeSet<Call>,
}

static JOURNAL: Mutex<Option<Journal>> = Mutex::new(None);

/// Writes down a call, once.
///
/// # Errors
/// The file cannot be written.
pub fn note(call: &Call) -> io::Result<()> {
    let mut kept = JOURNAL.lock().unwrap_or_else(PoisonError::into_inner);
    let journal = match &mut *kept {
        Some(journal) => journal,
        None => kept.insert(Journal::open()?),
    };
    if journal.written.insert(call.clone()) {
        journal.line(call)?;
    }
    Ok(())
}

impl Journal {
    fn open() -> io::Result<Self> {
        let folder = folder();
        fs::create_dir_all(&folder)?;
        let name = format!("{}.ndjson", std::process::id());
        let mut journal = Self {
            file: File::create(folder.join(name))?,
            written: BTreeSet::new(),
        };
        journal.line(&Header {
            sources: project::fingerprint()?,
        })?;
        Ok(journal)
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text)
    }
}

/// Every call that was seen of the sources as they are now. Files of other sources are deleted.
///
/// # Errors
/// A file cannot be read, or is not what the recorder writes.
pub fn calls() -> anyhow::Result<BTreeSet<Call>> {
    let current = project::fingerprint()?;
    let mut seen = BTreeSet::new();
    let Ok(files) = fs::read_dir(folder()) else {
        return Ok(seen);
    };
    for file in files {
        let path = file?.path();
        let text = fs::read_to_string(&path)?;
        let mut lines = text.lines();
        let header: Option<Header> = lines
            .next()
            .and_then(|line| serde_json::from_str(line).ok());
        if header.is_none_or(|header| header.sources != current) {
            fs::remove_file(&path)?;
            continue;
        }
        for line in lines {
            let call = serde_json::from_str(line)
                .with_context(|| format!("{}: {line}", path.display()))?;
            seen.insert(call);
        }
    }
    Ok(seen)
}

fn folder() -> PathBuf {
    project::target().join("observed-calls")
}
