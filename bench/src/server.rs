//! A peer as a running server: held against a scan first, then measured.

use std::{
    path::Path,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use bench_selection::requests;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    agreement::{Expected, Signed},
    http1::{Client, Message},
    peers::{Peer, free_port},
    process::{Cores, pin, processor_time},
};

/// How long a peer may take to load its campaigns.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long a peer may take to end.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// How often is looked whether a peer is there, or gone.
const TICK: Duration = Duration::from_millis(20);

/// Requests before anything is measured, or as many as there is time for.
const WARM_UP: usize = 200;
const WARM_UP_FOR: Duration = Duration::from_secs(1);

/// The most requests that are measured, and the longest time that they are measured for.
const MOST_REQUESTS: usize = 4_000;
const MEASURE_FOR: Duration = Duration::from_secs(2);

/// A peer that serves; it ends when dropped.
struct Server {
    child: Child,
    client: Client,
    bodies: Vec<Vec<u8>>,
}

/// The processor time that a peer takes for one allocation, in µs, after it has agreed with
/// `expected`. The peer has the processor of functions, its client the other one.
pub(crate) fn measure(
    peer: &Peer,
    workload: &Path,
    expected: &Expected<'_>,
    cores: Cores,
) -> Result<f64> {
    pin(cores.function)?;
    let mut server = Server::start(peer, workload)?;
    pin(cores.database)?;
    let measured = server
        .agrees(expected)
        .context("it does not agree with a scan of the rules")
        .and_then(|()| server.cpu_us());
    drop(server);
    pin(cores.function)?;
    measured
}

impl Server {
    fn start(peer: &Peer, workload: &Path) -> Result<Self> {
        let address = free_port()?;
        let mut command = peer.command(address, workload);
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        let bodies = requests()
            .into_iter()
            .map(|body| body.to_string().into_bytes());
        let mut server = Self {
            child,
            client: Client::new(address),
            bodies: bodies.collect(),
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        while self.allocate(0).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended at its start: {status}");
            }
            ensure!(
                Instant::now() < deadline,
                "it does not answer after {START_PATIENCE:?}"
            );
            thread::sleep(TICK);
        }
        Ok(())
    }

    /// Sends one of the requests, which take turns.
    fn allocate(&mut self, turn: usize) -> Result<Message> {
        let request = turn % self.bodies.len().max(1);
        let body = self.bodies.get(request).context("no request")?;
        good(self.client.post("/v1/allocations", body)?)
    }

    fn agrees(&mut self, expected: &Expected<'_>) -> Result<()> {
        let at = expected.at();
        for request in 0..expected.requests() {
            let target = format!("/eligible?request={request}&at={at}");
            let eligible = good(self.client.get(&target)?)?;
            expected.check_eligible(request, &eligible.body)?;
            let answer = self.allocate(request)?;
            expected.check_answer(request, &answer.body, Signed::ByWorkload)?;
        }
        Ok(())
    }

    fn cpu_us(&mut self) -> Result<f64> {
        self.send(WARM_UP, WARM_UP_FOR)?;
        let before = processor_time(self.child.id())?;
        let sent = self.send(MOST_REQUESTS, MEASURE_FOR)?;
        let used = processor_time(self.child.id())?.saturating_sub(before);
        Ok(used.as_secs_f64() * 1e6 / sent as f64)
    }

    /// Sends at most `most` requests, for at most so long, and says how many.
    fn send(&mut self, most: usize, time: Duration) -> Result<usize> {
        let began = Instant::now();
        let mut sent = 0;
        while sent < most && began.elapsed() < time {
            self.allocate(sent)?;
            sent += 1;
        }
        Ok(sent)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server with a worker of its own must be told, so that it ends the worker too. It may
        // have ended by itself, which is what is wanted.
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(id) = id {
            let _ = kill_process(id, Signal::TERM);
        }
        let deadline = Instant::now() + END_PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(TICK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer of status 200.
fn good(answer: Message) -> Result<Message> {
    ensure!(
        answer.second_word() == "200",
        "{} {}",
        answer.second_word(),
        String::from_utf8_lossy(&answer.body)
    );
    Ok(answer)
}
