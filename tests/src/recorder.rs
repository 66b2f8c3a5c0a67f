//! An HTTP proxy on loopback in front of DynamoDB, Secrets Manager or Lambda: it writes down which
//! function took which action on which resource, and misbehaves when it is told to.
//!
//! A function is known by the app name in its SDK's user agent. Calls without one (a test's own)
//! are passed on and not written down. Which calls a
//! request makes is `actions`' to say.

use std::{
    io::{self, BufReader},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    actions::{calls_of, target},
    fault::{Fault, Rule},
    http1::{Client, Request, Response, read_request, write_response},
    observed::{self, Call},
};

/// How often a silent connection looks whether it may speak again.
const TICK: Duration = Duration::from_millis(10);

/// A proxy in front of one service.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    upstream: Option<String>,
    rule: Option<Rule>,
    refused: bool,
    closed: bool,
    open: Vec<TcpStream>,
    calls: Vec<Call>,
}

impl Recorder {
    /// Listens on a free port. Requests wait until [`Recorder::forward_to`] has said where to go.
    ///
    /// # Errors
    /// No port.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let acceptor = Mutex::new(Some(accept(listener, Arc::clone(&shared))));
        Ok(Self {
            address,
            shared,
            acceptor,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says which service stands behind it.
    pub fn forward_to(&self, url: &str) {
        self.shared.state().upstream = Some(url.to_owned());
    }

    /// Misbehaves from now on, by this rule alone.
    ///
    /// # Errors
    /// The port could not be taken again after a [`Fault::Refuse`].
    pub fn inject(&self, rule: impl Into<Rule>) -> io::Result<()> {
        let rule = rule.into();
        self.set(rule.fault == Fault::Refuse, Some(rule))
    }

    /// Behaves again.
    ///
    /// # Errors
    /// The port could not be taken again after a [`Fault::Refuse`].
    pub fn heal(&self) -> io::Result<()> {
        self.set(false, None)
    }

    /// How often the rule is still to strike, where it strikes so many times.
    #[must_use]
    pub fn left(&self) -> Option<u32> {
        self.shared
            .state()
            .rule
            .as_ref()
            .and_then(|rule| rule.times)
    }

    /// Every call of a function so far, in the order they came.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    fn set(&self, refuse: bool, rule: Option<Rule>) -> io::Result<()> {
        let mut state = self.shared.state();
        let refused = std::mem::replace(&mut state.refused, refuse);
        state.rule = rule;
        if refuse {
            for stream in state.open.drain(..) {
                // It may be closed already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        drop(state);
        match (refused, refuse) {
            (false, true) => self.leave(),
            (true, false) => {
                let listener = TcpListener::bind(self.address)?;
                *self.acceptor() = Some(accept(listener, Arc::clone(&self.shared)));
            }
            _ => {}
        }
        Ok(())
    }

    /// Lets go of the port: wakes the acceptor, which then sees that it is to end.
    fn leave(&self) {
        if let Some(acceptor) = self.acceptor().take() {
            // An acceptor that has ended already cannot be woken, nor need it be.
            let _ = TcpStream::connect(self.address);
            let _ = acceptor.join();
        }
    }

    fn acceptor(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.acceptor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.leave();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn upstream(&self) -> Option<String> {
        loop {
            let state = self.state();
            if state.closed || state.upstream.is_some() {
                return state.upstream.clone();
            }
            drop(state);
            thread::sleep(TICK);
        }
    }

    /// Writes the calls down and says what is to happen to their request.
    fn record(&self, calls: Vec<Call>) -> io::Result<Option<Fault>> {
        for call in &calls {
            observed::note(call)?;
        }
        let mut state = self.state();
        let fault = state.rule.as_mut().and_then(|rule| rule.strike(&calls));
        state.calls.extend(calls);
        Ok(fault)
    }

    fn is_hanging(&self) -> bool {
        let state = self.state();
        let hang = state
            .rule
            .as_ref()
            .is_some_and(|rule| rule.fault == Fault::Hang);
        hang && !state.closed
    }
}

fn accept(listener: TcpListener, shared: Arc<Shared>) -> JoinHandle<()> {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut state = shared.state();
            if state.closed || state.refused {
                return;
            }
            let Ok(stream) = stream else { continue };
            if let Ok(other) = stream.try_clone() {
                state.open.push(other);
            }
            drop(state);
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                // Broken or done with, it is closed: `open` holds it too. A client notices either.
                let _ = serve(&stream, &shared);
                let _ = stream.shutdown(Shutdown::Both);
            });
        }
    })
}

/// Answers the requests of one connection until it ends, or a fault ends it.
fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut incoming = BufReader::new(stream);
    let mut upstream: Option<(String, Client)> = None;
    while let Some(request) = read_request(&mut incoming)? {
        let answer = match shared.record(calls_of(&request))? {
            None => forward(&mut upstream, shared, &request)?,
            Some(Fault::Throttle) => throttled(&request),
            Some(Fault::ServerError) => broken(&request),
            Some(Fault::Refuse) => return Ok(()),
            Some(Fault::Hang) => {
                while shared.is_hanging() {
                    thread::sleep(TICK);
                }
                return Ok(());
            }
            Some(Fault::DropAnswer) => {
                forward(&mut upstream, shared, &request)?;
                return Ok(());
            }
            Some(Fault::Delay(time)) => {
                thread::sleep(time);
                forward(&mut upstream, shared, &request)?
            }
        };
        write_response(&mut &*stream, &answer)?;
    }
    Ok(())
}

fn forward(
    connection: &mut Option<(String, Client)>,
    shared: &Shared,
    request: &Request,
) -> io::Result<Response> {
    let url = shared.upstream().ok_or(io::ErrorKind::NotConnected)?;
    if connection.as_ref().is_none_or(|(to, _)| *to != url) {
        *connection = Some((url.clone(), Client::connect(&url)?));
    }
    let Some((_, client)) = connection else {
        return Err(io::ErrorKind::NotConnected.into());
    };
    let outcome = client.send(request);
    if outcome.is_err() {
        *connection = None;
    }
    outcome
}

fn throttled(request: &Request) -> Response {
    match target(request) {
        Some(("DynamoDB_20120810", _)) => Response::json_text(
            400,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"The level of configured provisioned throughput for the table was exceeded."}"#,
        ),
        _ => Response::json_text(
            400,
            r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#,
        ),
    }
}

fn broken(request: &Request) -> Response {
    let kind = match target(request) {
        Some(("DynamoDB_20120810", _)) => "com.amazonaws.dynamodb.v20120810#InternalServerError",
        Some(_) => "InternalServiceError",
        None => "ServiceException",
    };
    Response::json_text(
        500,
        format!(r#"{{"__type":"{kind}","message":"Internal error"}}"#),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every request with 200 and counts them.
    fn service() -> (String, Arc<Mutex<u32>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let count = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&count);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let counted = Arc::clone(&counted);
                thread::spawn(move || {
                    let mut stream = BufReader::new(stream.unwrap());
                    while let Ok(Some(_)) = read_request(&mut stream) {
                        *counted.lock().unwrap() += 1;
                        write_response(stream.get_mut(), &Response::json_text(200, "{}")).unwrap();
                    }
                });
            }
        });
        (url, count)
    }

    #[test]
    fn faults_come_and_go() {
        let (service, count) = service();
        let recorder = Recorder::start().unwrap();
        recorder.forward_to(&service);
        let request = Request::new("POST", "/").header("x-amz-target", "DynamoDB_20120810.GetItem");
        let send = || crate::http1::send(&recorder.url(), &request);
        assert_eq!(send().unwrap().status, 200);

        recorder
            .inject(Rule::from(Fault::Throttle).times(1))
            .unwrap();
        assert_eq!(recorder.left(), Some(1));
        let throttled = send().unwrap();
        assert!(
            throttled
                .text()
                .contains("ProvisionedThroughputExceededException")
        );
        assert_eq!(recorder.left(), Some(0));
        assert_eq!(send().unwrap().status, 200);

        recorder.inject(Fault::ServerError).unwrap();
        assert_eq!(send().unwrap().status, 500);
        assert_eq!(*count.lock().unwrap(), 2);

        recorder.inject(Fault::DropAnswer).unwrap();
        assert!(send().is_err());
        assert_eq!(*count.lock().unwrap(), 3, "it arrived all the same");

        let mut open = Client::connect(&recorder.url()).unwrap();
        recorder.inject(Fault::Refuse).unwrap();
        assert!(open.send(&request).is_err());
        for _ in 0..3 {
            assert_eq!(send().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        }

        recorder.heal().unwrap();
        assert_eq!(send().unwrap().status, 200);
    }

    #[test]
    fn a_silent_service_is_silent_until_it_heals() {
        let (service, count) = service();
        let recorder = Recorder::start().unwrap();
        recorder.forward_to(&service);
        recorder.inject(Fault::Hang).unwrap();
        let url = recorder.url();
        let waiting = thread::spawn(move || crate::http1::send(&url, &Request::get("/")));
        thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        recorder.heal().unwrap();
        assert!(waiting.join().unwrap().is_err());
        assert_eq!(*count.lock().unwrap(), 0);
    }
}
