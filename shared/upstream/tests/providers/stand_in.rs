//! An HTTP server that does with each path what it is told to, and remembers what it was asked.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What it does with a call.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Answers with this status and body.
    Say(u16, String),
    /// Closes the connection without a word.
    HangUp,
    /// Takes the call and never answers.
    Hang,
    /// Sends a byte at a time.
    Drip,
    /// Sends elsewhere.
    Redirect(String),
    /// Says that so many bytes follow, and sends them.
    Bytes(usize),
    /// As much as anybody takes, without saying how much.
    Endless,
}

impl Reply {
    pub(crate) fn ok(body: impl ToString) -> Self {
        Self::Say(200, body.to_string())
    }
}

/// A call as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

#[derive(Clone)]
pub(crate) struct StandIn {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    replies: HashMap<String, Reply>,
    seen: Vec<Seen>,
    sent_bytes: usize,
    connections: usize,
}

impl StandIn {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stand_in = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::default(),
        };
        let state = Arc::clone(&stand_in.state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                state.lock().unwrap().connections += 1;
                tokio::spawn(async move { serve(stream, &state).await });
            }
        });
        stand_in
    }

    /// From now on, what is at `path` does this.
    pub(crate) fn set(&self, path: &str, reply: Reply) {
        let mut state = self.state.lock().unwrap();
        state.replies.insert(path.to_owned(), reply);
    }

    /// As much of the secret called `name`.
    pub(crate) fn set_secret(&self, name: &str, text: &str) {
        let body = serde_json::json!({ "Name": name, "SecretString": text });
        self.set(&format!("secret:{name}"), Reply::ok(body));
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub(crate) fn calls(&self, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path == path).count()
    }

    /// The last call of `path`.
    pub(crate) fn last(&self, path: &str) -> Seen {
        let seen = self.seen();
        seen.into_iter().rfind(|seen| seen.path == path).unwrap()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    pub(crate) fn sent_bytes(&self) -> usize {
        self.state.lock().unwrap().sent_bytes
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut read = Vec::new();
    loop {
        let Some(seen) = next_request(&mut stream, &mut read).await? else {
            return Ok(());
        };
        let reply = {
            let mut state = state.lock().unwrap();
            let reply = state.replies.get(&seen.path).cloned();
            state.seen.push(seen);
            reply.unwrap_or(Reply::Say(404, String::new()))
        };
        // Long enough for others to come meanwhile.
        tokio::time::sleep(Duration::from_millis(5)).await;
        match reply {
            Reply::Say(status, body) => {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(format!("{head}{body}").as_bytes()).await?;
            }
            Reply::HangUp => return Ok(()),
            Reply::Hang => std::future::pending().await,
            Reply::Drip => {
                let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"keys\": [";
                for byte in head.bytes().chain(std::iter::repeat(b' ')) {
                    stream.write_all(&[byte]).await?;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            Reply::Redirect(location) => {
                let head = "HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: ";
                let head = format!("{head}{location}\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
            }
            Reply::Bytes(count) => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {count}\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                flood(&mut stream, state, count).await?;
            }
            Reply::Endless => {
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
                stream.write_all(head.as_bytes()).await?;
                flood(&mut stream, state, usize::MAX).await?;
            }
        }
    }
}

async fn flood(stream: &mut TcpStream, state: &Mutex<State>, count: usize) -> io::Result<()> {
    let chunk = vec![b' '; 16 * 1024];
    let mut left = count;
    while left > 0 {
        let sent = left.min(chunk.len());
        stream.write_all(&chunk[..sent]).await?;
        state.lock().unwrap().sent_bytes += sent;
        left -= sent;
    }
    Ok(())
}

/// Reads a request to the end of its body; `None` when the connection ends.
async fn next_request(stream: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<Option<Seen>> {
    loop {
        if let Some((seen, length)) = request(read) {
            read.drain(..length);
            return Ok(Some(seen));
        }
        if stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
}

fn request(read: &[u8]) -> Option<(Seen, usize)> {
    let text = String::from_utf8_lossy(read);
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let mut seen = Seen {
        method: String::new(),
        path: String::new(),
        query: String::new(),
        head: head.to_owned(),
        body: String::new(),
    };
    let length = seen
        .header("content-length")
        .map_or(0, |n| n.parse().unwrap());
    seen.body = rest.get(..length)?.to_owned();
    let mut line = head.split(' ');
    seen.method = line.next()?.to_owned();
    let (path, query) = line
        .next()
        .map(|target| target.split_once('?').unwrap_or((target, "")))?;
    (seen.path, seen.query) = (path.to_owned(), query.to_owned());
    if seen.header("x-amz-target").is_some() {
        let asked: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
        seen.path = format!("secret:{}", asked["SecretId"].as_str().unwrap());
    }
    Some((seen, head.len() + 4 + length))
}
