//! Servers that do the same work as `allocations` by a scan: how each is found, built and started.

use std::{
    ffi::OsStr,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::binaries::{Binaries, WORKSPACE, target};

/// Where `scripts/tools` installs what peers in other languages need.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/bench/bin");

/// A server that can be measured here.
pub(crate) struct Peer {
    /// What it is called in the report.
    pub(crate) name: &'static str,
    /// What it is made of, with versions.
    pub(crate) made_of: String,
    kind: Kind,
}

enum Kind {
    Scan(PathBuf),
    Go(PathBuf),
    Django(PathBuf),
}

/// Every peer: those that can be measured, and what is to be said of the others.
pub(crate) fn find(binaries: &Binaries) -> Result<(Vec<Peer>, Vec<String>)> {
    let scan = Peer {
        name: "scan",
        made_of: "Rust, std sockets".to_owned(),
        kind: Kind::Scan(binaries.path("bench-scan")),
    };
    let mut peers = vec![scan];
    let mut skipped = Vec::new();
    for (name, found) in [("go", go()?), ("django", django()?)] {
        match found {
            Some((made_of, kind)) => peers.push(Peer {
                name,
                made_of,
                kind,
            }),
            None => skipped.push(format!(
                "{name}: skipped, its tools are not in .tools/bench (`make tools` installs them)"
            )),
        }
    }
    Ok((peers, skipped))
}

/// Builds the Go server, if there is a compiler.
fn go() -> Result<Option<(String, Kind)>> {
    let compiler = Path::new(TOOLS).join("go");
    if !compiler.exists() {
        return Ok(None);
    }
    let folder = target().join("bench-go");
    let binary = folder.join("allocation");
    let go = || {
        let mut command = Command::new(&compiler);
        // The standard library is all there is: nothing is to be fetched, no C compiled.
        command
            .current_dir(source("go"))
            .env("GOCACHE", folder.join("cache"))
            .envs([
                ("GOENV", "off"),
                ("GOPROXY", "off"),
                ("GOTOOLCHAIN", "local"),
            ])
            .env("CGO_ENABLED", "0");
        command
    };
    let build = [OsStr::new("build"), "-trimpath".as_ref(), "-o".as_ref()];
    let built = go().args(build).arg(&binary).status();
    ensure!(
        built.context("go build")?.success(),
        "the Go peer was not built"
    );
    let version = said(go().args(["env", "GOVERSION"]))?;
    Ok(Some((
        format!("{version}, net/http, encoding/json"),
        Kind::Go(binary),
    )))
}

fn django() -> Result<Option<(String, Kind)>> {
    let tools = Path::new(TOOLS);
    let python = tools.join("python3");
    if !python.exists() || !tools.join("gunicorn").exists() {
        return Ok(None);
    }
    let versions = "import platform, django, gunicorn; print(f'Django {django.__version__}, \
                    gunicorn {gunicorn.__version__}, Python {platform.python_version()}')";
    let versions = said(Command::new(&python).args(["-c", versions]))?;
    Ok(Some((
        format!("{versions}; one worker of one thread"),
        Kind::Django(python),
    )))
}

impl Peer {
    /// The command that serves a workload.
    pub(crate) fn command(&self, address: SocketAddr, workload: &Path) -> Command {
        let address = address.to_string();
        let mut command = match &self.kind {
            Kind::Scan(binary) => {
                let mut command = Command::new(binary);
                command.arg(address).arg(workload);
                command
            }
            Kind::Go(binary) => {
                let mut command = Command::new(binary);
                command
                    .args(["-listen", &address, "-workload"])
                    .arg(workload);
                command
            }
            Kind::Django(python) => {
                let mut command = Command::new(python);
                // gunicorn's own "sync" worker closes each connection after one request, which
                // costs it more than a thread that keeps them.
                command
                    .args(["-m", "gunicorn", "allocation.wsgi", "--bind", &address])
                    .args([
                        "--workers",
                        "1",
                        "--worker-class",
                        "gthread",
                        "--threads",
                        "1",
                    ])
                    .args(["--keep-alive", "75", "--no-control-socket"])
                    .args(["--log-level", "warning"])
                    .current_dir(source("django"))
                    .env("DJANGO_SETTINGS_MODULE", "allocation.settings")
                    .env("PYTHONDONTWRITEBYTECODE", "1")
                    .env("WORKLOAD", workload);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// A port that is free now.
pub(crate) fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn source(name: &str) -> PathBuf {
    Path::new(WORKSPACE).join("bench/peers").join(name)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
