//! A Lambda Runtime API on loopback for one process
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>), as thin as can be: blocking
//! sockets, one thread a connection, so that little of what is measured is its own.

use std::{
    io::{self, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, bail, ensure};

use crate::http1::Message;

/// How long a function may think about one event.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an extension is told of its function.
const REGISTERED: &[u8] =
    br#"{"functionName":"bench","functionVersion":"$LATEST","handler":"bootstrap"}"#;

/// Serves events to whoever asks for the next one.
pub(crate) struct Emulator {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Sent in turn, over and over.
    events: Vec<Vec<u8>>,
    turn: usize,
    /// How many are still to be sent.
    left: usize,
    sent_at: Option<Instant>,
    first_asked_at: Option<Instant>,
    /// Whether the function waits for its next event.
    waiting: bool,
    latencies: Vec<Duration>,
    last_answer: Vec<u8>,
    failure: Option<String>,
}

impl Emulator {
    /// Listens on any free port and answers `next` with `events` in turn.
    pub(crate) fn start(events: Vec<Vec<u8>>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                events,
                ..State::default()
            }),
            ..Shared::default()
        });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&served);
                // A connection that breaks off is the function's end, which its caller sees.
                thread::spawn(move || shared.serve(stream));
            }
        });
        Ok(Self { address, shared })
    }

    /// What `AWS_LAMBDA_RUNTIME_API` must say.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// When the function asked for its first event; `None` if it has not by the end of `patience`.
    pub(crate) fn ready(&self, patience: Duration) -> Result<Option<Instant>> {
        let state = self.until(patience, |state| state.first_asked_at.is_some())?;
        Ok(state.first_asked_at)
    }

    /// Has `count` events answered one after the other, and says how long each took.
    pub(crate) fn invoke(&self, count: usize) -> Result<Vec<Duration>> {
        {
            let mut state = self.shared.lock();
            state.latencies = Vec::with_capacity(count);
            state.left = count;
            self.shared.changed.notify_all();
        }
        let answered = |state: &State| state.latencies.len() == count && state.waiting;
        let mut state = self.until(PATIENCE, answered)?;
        ensure!(
            answered(&state),
            "the function did not answer within {PATIENCE:?}"
        );
        Ok(std::mem::take(&mut state.latencies))
    }

    /// The last answer, as JSON text.
    pub(crate) fn last_answer(&self) -> String {
        String::from_utf8_lossy(&self.shared.lock().last_answer).into_owned()
    }

    /// How many events were sent.
    pub(crate) fn sent(&self) -> usize {
        self.shared.lock().turn
    }

    /// Waits for a condition, or until nothing was answered for as long as `patience`.
    fn until(
        &self,
        patience: Duration,
        met: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'_, State>> {
        let mut state = self.shared.lock();
        loop {
            if let Some(failure) = state.failure.take() {
                bail!("the function reported {failure}");
            }
            if met(&state) {
                return Ok(state);
            }
            let answered = state.latencies.len();
            let (next, waited) = self
                .shared
                .changed
                .wait_timeout(state, patience)
                .unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() && next.latencies.len() == answered {
                return Ok(next);
            }
            state = next;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut requests = BufReader::new(stream.try_clone()?);
        while let Some(request) = Message::read(&mut requests)? {
            let path = request.second_word();
            let answer = match path.rsplit('/').next().unwrap_or_default() {
                "next" if path.starts_with("/2018-06-01/runtime/") => self.next(),
                "response" => self.answered(request.body),
                "register" => message(
                    "200 OK",
                    "lambda-extension-identifier: bench\r\n",
                    REGISTERED,
                ),
                // An extension waits for the end of its sandbox, which here is that of its process.
                "next" => loop {
                    thread::park();
                },
                _ => self.failed(&request.body),
            };
            stream.write_all(&answer)?;
        }
        Ok(())
    }

    /// Waits until an event is to be sent.
    fn next(&self) -> Vec<u8> {
        let mut state = self.lock();
        state.first_asked_at.get_or_insert_with(Instant::now);
        state.waiting = true;
        if state.left == 0 {
            self.changed.notify_all();
        }
        while state.left == 0 {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.left -= 1;
        state.waiting = false;
        let turn = state.turn;
        state.turn += 1;
        let event = match state.events.len() {
            0 => &[],
            count => state
                .events
                .get(turn % count)
                .map(Vec::as_slice)
                .unwrap_or_default(),
        };
        let deadline = SystemTime::now() + PATIENCE;
        let deadline_ms = deadline
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let headers = format!(
            "lambda-runtime-aws-request-id: 00000000-0000-4000-8000-{turn:012}\r\n\
             lambda-runtime-deadline-ms: {deadline_ms}\r\n\
             lambda-runtime-invoked-function-arn: arn:aws:lambda:ap-northeast-2:000000000000:function:bench\r\n\
             lambda-runtime-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0\r\n"
        );
        let message = message("200 OK", &headers, event);
        state.sent_at = Some(Instant::now());
        message
    }

    fn answered(&self, body: Vec<u8>) -> Vec<u8> {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(sent_at) = state.sent_at.take() {
            state.latencies.push(now - sent_at);
        }
        state.last_answer = body;
        message("202 Accepted", "", b"{}")
    }

    fn failed(&self, body: &[u8]) -> Vec<u8> {
        self.lock().failure = Some(String::from_utf8_lossy(body).into_owned());
        self.changed.notify_all();
        message("202 Accepted", "", b"{}")
    }
}

fn message(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function that answers each event with the event itself.
    fn echo(address: SocketAddr) -> io::Result<()> {
        let mut api = TcpStream::connect(address)?;
        let mut answers = BufReader::new(api.try_clone()?);
        let mut turn = 0;
        loop {
            api.write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n")?;
            let Some(event) = Message::read(&mut answers)? else {
                return Ok(());
            };
            let head = "POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\r\n";
            let text = String::from_utf8(event.body).map_err(io::Error::other)?;
            // Both ways of saying how long a body is.
            match turn % 2 {
                0 => write!(api, "{head}content-length: {}\r\n\r\n{text}", text.len())?,
                _ => write!(
                    api,
                    "{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n0\r\n\r\n",
                    text.len()
                )?,
            }
            Message::read(&mut answers)?;
            turn += 1;
        }
    }

    #[test]
    fn events_are_served_in_turn_and_every_answer_is_timed() {
        let emulator = Emulator::start(vec![b"\"one\"".to_vec(), b"\"two\"".to_vec()]).unwrap();
        let address = emulator.address;
        thread::spawn(move || echo(address));
        assert!(emulator.ready(PATIENCE).unwrap().is_some());
        assert_eq!(emulator.invoke(3).unwrap().len(), 3);
        assert_eq!(emulator.last_answer(), "\"one\"");
        assert_eq!(emulator.invoke(1).unwrap().len(), 1);
        assert_eq!(emulator.last_answer(), "\"two\"");
    }

    #[test]
    fn a_reported_error_ends_the_measurement() {
        let emulator = Emulator::start(Vec::new()).unwrap();
        let mut api = TcpStream::connect(emulator.address).unwrap();
        api.write_all(
            b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\ncontent-length: 4\r\n\r\noops",
        )
        .unwrap();
        let error = emulator.ready(PATIENCE).unwrap_err().to_string();
        assert_eq!(error, "the function reported oops");
    }
}
