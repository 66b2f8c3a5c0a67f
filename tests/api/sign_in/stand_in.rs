//! A server in a provider's place: it does what it is told to, and counts who comes.

use std::{
    io::{BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use tests::http1::{self, Headers, Response, read_request, write_response};

/// What it does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Manner {
    /// Answers with this status and body.
    Say(u16, String),
    /// Closes the connection without a word.
    HangUp,
    /// Asks the server at this URL, and answers as it does.
    Forward(String),
    /// Never answers.
    Hang,
    /// A byte now and then.
    Drip,
    /// Sends to another URL.
    Redirect(String),
    /// As many bytes as anybody takes, without saying how many.
    Endless,
}

/// The server. It lives as long as the process.
pub(super) struct StandIn {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    manner: Manner,
    requests: usize,
}

impl StandIn {
    pub(super) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            manner,
            requests: 0,
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // Whoever hangs up in the middle of an answer ends it.
                thread::spawn(move || serve(stream, &state));
            }
        });
        Self { url, state }
    }

    /// Does this from now on.
    pub(super) fn set(&self, manner: Manner) {
        self.state().manner = manner;
    }

    pub(super) fn requests(&self) -> usize {
        self.state().requests
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(request)) = read_request(&mut stream) {
        let manner = {
            let mut state = state.lock().unwrap();
            state.requests += 1;
            state.manner.clone()
        };
        let out = stream.get_mut();
        match manner {
            Manner::Say(status, body) => {
                write_response(out, &Response::json_text(status, body)).ok()?;
            }
            Manner::Forward(url) => {
                let answer = http1::send(&url, &request).ok()?;
                write_response(out, &answer).ok()?;
            }
            Manner::HangUp => return None,
            Manner::Hang => thread::sleep(Duration::from_secs(30)),
            Manner::Redirect(to) => {
                let moved = Response {
                    status: 302,
                    headers: Headers(vec![("location".to_owned(), to)]),
                    body: Vec::new(),
                };
                write_response(out, &moved).ok()?;
            }
            Manner::Drip => {
                out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
                    .ok()?;
                loop {
                    out.write_all(b" ").ok()?;
                    thread::sleep(Duration::from_millis(50));
                }
            }
            Manner::Endless => {
                out.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
                    .ok()?;
                loop {
                    out.write_all(&[b' '; 16 * 1024]).ok()?;
                }
            }
        }
    }
    Some(())
}
