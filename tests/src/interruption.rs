//! A process that is killed before or after any one of the calls it makes: proxies in front of all
//! the services that it calls count its requests together, and end it at the one that is meant.

use std::{
    io::{self, BufReader},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::http1::{Client, read_request, write_response};

/// On which side of a call a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The service never hears of the call.
    Before,
    /// The call is done, and the process never learns of it.
    After,
}

/// What became of a process.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// How it ended.
    pub status: ExitStatus,
    /// How many calls it made, the one that it was killed at included.
    pub calls: usize,
    /// Whether it was killed.
    pub killed: bool,
}

/// Proxies that watch one process at a time. They listen as long as the test process lives.
#[derive(Debug, Default)]
pub struct Interruption(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    victim: Option<Pid>,
    cut: Option<(usize, Moment)>,
    calls: usize,
    killed: bool,
}

impl Interruption {
    /// A proxy in front of the service at `url`; answers with its own.
    ///
    /// # Errors
    /// No port.
    pub fn before(&self, url: &str) -> io::Result<String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let own = format!("http://{}", listener.local_addr()?);
        let (state, url) = (Arc::clone(&self.0), url.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, url) = (Arc::clone(&state), url.clone());
                thread::spawn(move || {
                    // Broken or done with, it is closed.
                    let _ = serve(&stream, &state, &url);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Ok(own)
    }

    /// Runs a process until it ends, by itself or at the call that `cut` names, counted from 1.
    ///
    /// # Errors
    /// It cannot be started or waited for.
    pub fn run(&self, command: &mut Command, cut: Option<(usize, Moment)>) -> io::Result<Run> {
        let mut child = self.start(command, cut)?;
        let status = child.wait()?;
        let mut state = lock(&self.0);
        state.victim = None;
        Ok(Run {
            status,
            calls: state.calls,
            killed: state.killed,
        })
    }

    /// The first call waits until its process is known.
    fn start(&self, command: &mut Command, cut: Option<(usize, Moment)>) -> io::Result<Child> {
        let mut state = lock(&self.0);
        let child = command.spawn()?;
        *state = State {
            victim: Some(Pid::from_child(&child)),
            cut,
            calls: 0,
            killed: false,
        };
        Ok(child)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, state: &Mutex<State>, url: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut incoming = BufReader::new(stream);
    let mut service = Client::connect(url)?;
    while let Some(request) = read_request(&mut incoming)? {
        let Some(nth) = count(state) else {
            return Ok(());
        };
        if strikes(state, nth, Moment::Before) {
            return kill(state);
        }
        let answer = service.send(&request)?;
        if strikes(state, nth, Moment::After) {
            return kill(state);
        }
        write_response(&mut &*stream, &answer)?;
    }
    Ok(())
}

/// Which call this is; nothing that a process which was killed had sent counts any more.
fn count(state: &Mutex<State>) -> Option<usize> {
    let mut state = lock(state);
    if state.killed {
        return None;
    }
    state.calls += 1;
    Some(state.calls)
}

fn strikes(state: &Mutex<State>, nth: usize, moment: Moment) -> bool {
    lock(state).cut == Some((nth, moment))
}

fn kill(state: &Mutex<State>) -> io::Result<()> {
    let mut state = lock(state);
    state.killed = true;
    match state.victim {
        Some(victim) => Ok(kill_process(victim, Signal::KILL)?),
        None => Ok(()),
    }
}
