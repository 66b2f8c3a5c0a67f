//! What is measured as processes, and what the kernel says they use.

use std::{
    fs, io,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::emulator::Emulator;

/// How long a function may take until it asks for its first event.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// The environment of a function: names and values.
pub(crate) type Vars = Vec<(String, String)>;

/// A function's process under an emulator; killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// From the start of the process until it asked for its first event.
    pub(crate) init: Duration,
}

impl Process {
    /// Starts `binary` with `vars` alone in its environment and waits until it is ready. Its log goes
    /// nowhere; what it says on standard error is shown.
    pub(crate) fn start(binary: &Path, vars: &Vars, emulator: &Emulator) -> Result<Self> {
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", emulator.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            .envs(vars.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let began = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let mut process = Self {
            child,
            init: Duration::ZERO,
        };
        process.init = process.wait_until_ready(emulator)? - began;
        Ok(process)
    }

    fn wait_until_ready(&mut self, emulator: &Emulator) -> Result<Instant> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            if let Some(at) = emulator.ready(Duration::from_millis(100))? {
                return Ok(at);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the function ended at its start: {status}");
            }
            ensure!(
                Instant::now() < deadline,
                "the function is not ready after {START_PATIENCE:?}"
            );
        }
    }

    /// The processor time that it has used so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        processor_time(self.child.id())
    }

    /// The most memory it ever had resident, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .context("no VmHWM")?;
        Ok(kilobytes.trim().parse::<u64>()? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processor time that all threads of a process and of those it started have used so far.
pub(crate) fn processor_time(process: u32) -> Result<Duration> {
    let mut nanos = 0;
    let mut processes = vec![process];
    while let Some(process) = processes.pop() {
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let thread = thread?.path();
            // The first number is the time on a processor, in nanoseconds (kernel: sched-stats.rst).
            let text = fs::read_to_string(thread.join("schedstat"))?;
            let used = text.split(' ').next().unwrap_or_default();
            nanos += used.parse::<u64>().context("schedstat")?;
            let children = fs::read_to_string(thread.join("children"))?;
            processes.extend(children.split_whitespace().flat_map(str::parse::<u32>));
        }
    }
    ensure!(
        nanos > 0,
        "this kernel does not tell the processor time of threads (CONFIG_SCHED_INFO)"
    );
    Ok(Duration::from_nanos(nanos))
}

/// The processors of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    /// Function and emulator share this one, as in a sandbox below one vCPU.
    pub(crate) function: usize,
    /// The database works on this one.
    pub(crate) database: usize,
}

impl Cores {
    /// The first and the last processor that this process may use; one and the same if it has one.
    pub(crate) fn choose() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let function = cores.next().unwrap_or(0);
        Ok(Self {
            function,
            database: cores.next_back().unwrap_or(function),
        })
    }
}

/// Keeps this thread, and the threads and processes it starts from now on, on one processor.
pub(crate) fn pin(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_what_a_process_started_counts() {
        let script = "while :; do :; done & wait";
        let mut shell = Command::new("sh").args(["-c", script]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let used = processor_time(shell.id()).unwrap();
        let children = format!("/proc/{0}/task/{0}/children", shell.id());
        let child = fs::read_to_string(children).unwrap();
        shell.kill().unwrap();
        shell.wait().unwrap();
        Command::new("kill").arg(child.trim()).status().unwrap();
        assert!(used > Duration::from_millis(30), "{used:?}");
    }
}
