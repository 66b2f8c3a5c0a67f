//! The data folder: what the stack keeps between runs, and the lock that makes one stack its owner.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The lock file; that it is there is also the mark of a folder that a stack has written.
const LOCK: &str = "stack.lock";
/// Everything else that a stack writes.
const OWN_FILES: [&str; 5] = [
    "dynamodb.sqlite",
    "dynamodb.sqlite-wal",
    "dynamodb.sqlite-shm",
    "secrets.json",
    "stack.json",
];
const BLOBS: &str = "blobs";

/// A data folder that is ours until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Another stack has it.
    #[error("{} is in use by another local stack (pid {pid})", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process that holds it, as it wrote itself down.
        pid: String,
    },
    /// `FRESH=1` for a folder that no stack has written.
    #[error("{} holds files that no local stack has written: not emptying it", .0.display())]
    Foreign(PathBuf),
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DataFolder {
    /// Takes the folder, making it if need be. `fresh` first deletes what earlier stacks wrote
    /// there, and nothing else.
    ///
    /// # Errors
    /// Another stack holds it, it is somebody else's, or the file system refuses.
    pub fn open(path: &Path, fresh: bool) -> Result<Self, DataError> {
        let refused = |source| DataError::Io {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path).map_err(refused)?;
        let path = path.canonicalize().map_err(refused)?;
        if fresh && is_foreign(&path).map_err(refused)? {
            return Err(DataError::Foreign(path));
        }
        let lock = lock(&path)?;
        if fresh {
            empty(&path).map_err(refused)?;
        }
        // A description of the last run would send tools to ports that nobody serves.
        let folder = Self { path, _lock: lock };
        folder.remove_description();
        fs::create_dir_all(folder.blobs()).map_err(refused)?;
        Ok(folder)
    }

    /// The folder, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database's file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("dynamodb.sqlite")
    }

    /// The folder of published artefacts.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.path.join(BLOBS)
    }

    /// The values of secrets.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.path.join("secrets.json")
    }

    /// The description of the running stack for tools.
    #[must_use]
    pub fn description(&self) -> PathBuf {
        self.path.join("stack.json")
    }

    /// Takes the description away: nothing runs here any more.
    pub fn remove_description(&self) {
        // Usually it is not there; if it cannot be removed, its `pid` still says that it is old.
        let _ = fs::remove_file(self.description());
    }
}

/// Replaces a file in one step, readable by its owner only.
///
/// # Errors
/// The file system refuses.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&partial, path)
}

fn is_foreign(path: &Path) -> io::Result<bool> {
    Ok(!path.join(LOCK).exists() && fs::read_dir(path)?.next().is_some())
}

fn lock(folder: &Path) -> Result<File, DataError> {
    let path = folder.join(LOCK);
    let refused = |source| DataError::Io {
        path: path.clone(),
        source,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(refused)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid).map_err(refused)?;
            return Err(DataError::InUse {
                path: folder.to_owned(),
                pid: pid.trim().to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(refused(source)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(refused)?;
    Ok(file)
}

fn empty(folder: &Path) -> io::Result<()> {
    let gone = |outcome: io::Result<()>| match outcome {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    for name in OWN_FILES {
        gone(fs::remove_file(folder.join(name)))?;
    }
    gone(fs::remove_dir_all(folder.join(BLOBS)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("deep/data");
        let first = DataFolder::open(&path, false).unwrap();
        let second = DataFolder::open(&path, false).unwrap_err().to_string();
        let own = std::process::id();
        assert!(
            second.ends_with(&format!("is in use by another local stack (pid {own})")),
            "{second}"
        );
        drop(first);
        assert!(DataFolder::open(&path, false).is_ok());
    }

    #[test]
    fn fresh_deletes_what_a_stack_wrote_and_nothing_else() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path();
        let folder = DataFolder::open(path, false).unwrap();
        for name in ["dynamodb.sqlite", "secrets.json", "blobs/one", "mine.txt"] {
            fs::write(path.join(name), "x").unwrap();
        }
        drop(folder);
        let folder = DataFolder::open(path, true).unwrap();
        assert!(!folder.database().exists() && !folder.secrets().exists());
        assert_eq!(fs::read_dir(folder.blobs()).unwrap().count(), 0);
        assert!(path.join("mine.txt").exists());
    }

    #[test]
    fn fresh_refuses_a_folder_that_no_stack_wrote() {
        let temporary = tempfile::tempdir().unwrap();
        fs::write(temporary.path().join("secrets.json"), "precious").unwrap();
        let refused = DataFolder::open(temporary.path(), true).unwrap_err();
        assert!(matches!(refused, DataError::Foreign(_)), "{refused}");
        assert!(temporary.path().join("secrets.json").exists());
    }

    #[test]
    fn what_is_written_privately_is_read_by_the_owner_only() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("secret.json");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
    }
}
