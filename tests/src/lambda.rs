//! A Lambda runtime API on loopback, and a function's binary that polls it: what an execution
//! environment is to a function, without the environment.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>. Times are taken next to the
//! socket, so that they hold the function's own work and two passages over loopback, nothing else.

use std::{
    collections::BTreeMap,
    io::BufReader,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::http1::{Headers, Request, Response, read_request, write_response};

/// How long a function may take for its start or for one invocation.
const PATIENCE: Duration = Duration::from_secs(30);

/// A function's binary, started and waiting for events.
#[derive(Debug)]
pub struct Lambda {
    child: Child,
    init: Duration,
    events: Sender<Event>,
    news: Receiver<News>,
    count: u64,
    timeout: Duration,
}

/// How one invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The answer, or Lambda's error document.
    pub payload: Vec<u8>,
    /// Whether it was reported as an error.
    pub is_error: bool,
    /// From the event's first byte to the answer's last.
    pub took: Duration,
}

#[derive(Debug)]
struct Event {
    id: String,
    deadline_ms: u128,
    payload: Vec<u8>,
}

#[derive(Debug)]
enum News {
    /// It asks for an event.
    Waiting(Instant),
    /// It answered one.
    Ended(Invocation),
    /// It could not start.
    InitFailed(String),
}

/// What the connections of one process share.
struct Api {
    events: Mutex<Receiver<Event>>,
    news: Mutex<Sender<News>>,
    sent_at: Mutex<Option<Instant>>,
}

impl Lambda {
    /// Starts `binary` with `vars` and nothing else in its environment, and waits until it asks for
    /// its first event.
    ///
    /// # Errors
    /// It cannot be run, reports that it cannot start, ends, or asks for nothing within 30 s.
    pub fn start(binary: &Path, vars: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (events, queue) = channel();
        let (tell, news) = channel();
        let api = Arc::new(Api {
            events: Mutex::new(queue),
            news: Mutex::new(tell),
            sent_at: Mutex::new(None),
        });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let api = Arc::clone(&api);
                // A connection that breaks is seen as an invocation that does not end.
                thread::spawn(move || api.serve(stream).ok());
            }
        });
        let spawned = Instant::now();
        let child = Command::new(binary)
            .env_clear()
            .envs(vars)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be run", binary.display()))?;
        let mut lambda = Self {
            child,
            init: Duration::ZERO,
            events,
            news,
            count: 0,
            timeout: PATIENCE,
        };
        match lambda.hear()? {
            News::Waiting(at) => lambda.init = at.duration_since(spawned),
            News::InitFailed(error) => bail!("{} did not start: {error}", binary.display()),
            News::Ended(_) => bail!("an answer before there was an event"),
        }
        Ok(lambda)
    }

    /// From the process's start to its first request for an event.
    #[must_use]
    pub fn init(&self) -> Duration {
        self.init
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends an event and waits for its answer, and for the function to be ready for the next.
    ///
    /// # Errors
    /// The process ended, or gave no answer within 30 s.
    pub fn invoke(&mut self, payload: impl Into<Vec<u8>>) -> anyhow::Result<Invocation> {
        self.count += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        self.events.send(Event {
            id: format!("00000000-0000-4000-8000-{:012x}", self.count),
            deadline_ms: (now + self.timeout).as_millis(),
            payload: payload.into(),
        })?;
        let mut ended = None;
        loop {
            match (self.hear()?, ended.take()) {
                (News::Ended(invocation), None) => ended = Some(invocation),
                (News::Waiting(_), Some(invocation)) => return Ok(invocation),
                (news, _) => bail!("unexpected: {news:?}"),
            }
        }
    }

    /// Stops the process between invocations, as Lambda freezes an environment.
    ///
    /// # Errors
    /// The process is gone.
    pub fn freeze(&self) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::STOP)?)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// The process is gone.
    pub fn thaw(&self) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }

    fn hear(&mut self) -> anyhow::Result<News> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.news.recv_timeout(Duration::from_millis(200)) {
                Ok(news) => return Ok(news),
                Err(RecvTimeoutError::Disconnected) => bail!("the runtime API ended"),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the function's process ended: {status}");
            }
            if Instant::now() > until {
                bail!("the function was silent for {} s", PATIENCE.as_secs());
            }
        }
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Api {
    fn serve(&self, stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        while let Some(request) = read_request(&mut stream)? {
            let arrived = Instant::now();
            match operation(&request) {
                Operation::Next => {
                    self.tell(News::Waiting(arrived))?;
                    let event = match self.events.lock() {
                        Ok(events) => events.recv(),
                        Err(poisoned) => poisoned.into_inner().recv(),
                    };
                    // The other end is gone: there will be no more events.
                    let Ok(event) = event else { return Ok(()) };
                    *self.sent_at() = Some(Instant::now());
                    write_response(stream.get_mut(), &delivered(event))?;
                }
                Operation::Answer { is_error } => {
                    let took = match self.sent_at().take() {
                        Some(sent_at) => arrived.duration_since(sent_at),
                        None => bail!("an answer before there was an event"),
                    };
                    self.tell(News::Ended(Invocation {
                        payload: request.body,
                        is_error,
                        took,
                    }))?;
                    write_response(stream.get_mut(), &accepted())?;
                }
                Operation::InitError => {
                    let error = String::from_utf8_lossy(&request.body).into_owned();
                    self.tell(News::InitFailed(error))?;
                    write_response(stream.get_mut(), &accepted())?;
                }
                Operation::RegisterExtension => {
                    write_response(stream.get_mut(), &registered())?;
                }
                Operation::NextForExtension => loop {
                    // Lambda answers here when it shuts the environment down; this one is killed.
                    thread::park();
                },
                Operation::Unknown => {
                    let target = format!("{} {}", request.method, request.target);
                    write_response(stream.get_mut(), &Response::json_text(404, "{}"))?;
                    bail!("{target} is not part of the runtime API");
                }
            }
        }
        Ok(())
    }

    fn tell(&self, news: News) -> anyhow::Result<()> {
        let sender = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(sender.send(news)?)
    }

    fn sent_at(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.sent_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Operation {
    Next,
    Answer { is_error: bool },
    InitError,
    RegisterExtension,
    NextForExtension,
    Unknown,
}

fn operation(request: &Request) -> Operation {
    let path: Vec<&str> = request.target.trim_start_matches('/').split('/').collect();
    match (request.method.as_str(), path.as_slice()) {
        ("GET", ["2018-06-01", "runtime", "invocation", "next"]) => Operation::Next,
        ("POST", ["2018-06-01", "runtime", "invocation", _, "response"]) => {
            Operation::Answer { is_error: false }
        }
        ("POST", ["2018-06-01", "runtime", "invocation", _, "error"]) => {
            Operation::Answer { is_error: true }
        }
        ("POST", ["2018-06-01", "runtime", "init", "error"]) => Operation::InitError,
        ("POST", ["2020-01-01", "extension", "register"]) => Operation::RegisterExtension,
        ("GET", ["2020-01-01", "extension", "event", "next"]) => Operation::NextForExtension,
        _ => Operation::Unknown,
    }
}

fn delivered(event: Event) -> Response {
    let arn = "arn:aws:lambda:ap-northeast-2:000000000000:function:tests";
    let trace = "Root=1-00000000-000000000000000000000001;Parent=0000000000000001;Sampled=0";
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", event.id),
        ("lambda-runtime-deadline-ms", event.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", arn.to_owned()),
        ("lambda-runtime-trace-id", trace.to_owned()),
    ];
    Response {
        status: 200,
        headers: Headers(
            headers
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
        ),
        body: event.payload,
    }
}

fn accepted() -> Response {
    Response::json_text(202, r#"{"status":"OK"}"#)
}

fn registered() -> Response {
    let mut response = Response::json_text(
        200,
        r#"{"functionName":"tests","functionVersion":"$LATEST","handler":"bootstrap"}"#,
    );
    let identifier = "00000000-0000-4000-8000-00000000e000".to_owned();
    response
        .headers
        .0
        .push(("lambda-extension-identifier".to_owned(), identifier));
    response
}
