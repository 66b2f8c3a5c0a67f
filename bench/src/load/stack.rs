//! The local stack as a process of its own, with the demo app.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use local::Description;
use tempfile::TempDir;

use crate::{binaries::WORKSPACE, process::processor_time};

/// A stack that answers; killed when dropped.
pub(crate) struct Stack {
    child: Child,
    address: SocketAddr,
    _data: TempDir,
}

impl Stack {
    /// Starts it on a folder of its own, and waits until its app is live.
    pub(crate) fn start(binary: &Path) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let mut child = Command::new(binary)
            .current_dir(WORKSPACE)
            .env("PORT", "0")
            .env("DATA", data.path())
            .env("SEED", "1")
            // All requests come from one address.
            .env("RATE_LIMIT_ADDRESS_PER_MIN", "1000000000")
            // The gateway's own limits are the template's.
            .env_remove("RATE_LIMIT")
            .env_remove("BURST_LIMIT")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| binary.display().to_string())?;
        let stderr = child.stderr.take().context("no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = Vec::new();
        loop {
            match lines.next().transpose()? {
                Some(line) if line.starts_with("seeded in ") => break,
                Some(line) => said.push(line),
                None => bail!("the stack ended: {}", said.join("\n")),
            }
        }
        // Whoever writes to a pipe that nobody empties stops at some time.
        thread::spawn(move || lines.for_each(drop));
        let text = fs::read(data.path().join("stack.json"))?;
        let description: Description = serde_json::from_slice(&text)?;
        let address = description.base_url.trim_start_matches("http://");
        Ok(Self {
            child,
            address: address.parse()?,
            _data: data,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The processor time of all its threads so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        processor_time(self.child.id())
    }

    /// How much of it is in memory now.
    pub(crate) fn rss_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .context("no VmRSS")?;
        Ok(kilobytes.trim().parse::<u64>()? * 1024)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // It may have ended by itself, which was told when a request failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
