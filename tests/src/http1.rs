//! HTTP/1.1 as tests need it: a client that sends targets and headers exactly as they are given,
//! legal or not, and messages read and written by the recorder and the runtime API.
//!
//! Bodies are framed by `Content-Length` or by the end of the connection; nobody here sends chunks.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// The longest head that is read, in bytes.
const HEAD_BYTES: usize = 256 * 1024;
/// How long a client waits for one read.
const PATIENCE: Duration = Duration::from_secs(40);

/// Header lines in the order they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first header of this name, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut lines = self.0.iter();
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// A request, sent as it stands.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query, exactly as they go over the wire.
    pub target: String,
    /// Headers beside `Host` and `Content-Length`, which are added unless they are given.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            ..Self::default()
        }
    }

    /// A `GET`.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends `Authorization: Bearer <token>`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sends a JSON document.
    #[must_use]
    pub fn json(self, document: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(document.to_string())
    }

    /// Sends these bytes.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer with a JSON body.
    #[must_use]
    pub fn json_text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let kind = ("content-type".to_owned(), "application/json".to_owned());
        Self {
            status,
            headers: Headers(vec![kind]),
            body: body.into(),
        }
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as a document; `null` when it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A connection that is kept open between requests.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Client {
    /// Connects to `http://host:port`.
    ///
    /// # Errors
    /// The URL is not one of these, or nobody listens there.
    pub fn connect(base_url: &str) -> io::Result<Self> {
        let host = base_url
            .strip_prefix("http://")
            .ok_or_else(|| invalid(format!("{base_url} is not an http URL")))?
            .trim_end_matches('/')
            .to_owned();
        let stream = match host.parse::<SocketAddr>() {
            Ok(address) => TcpStream::connect_timeout(&address, Duration::from_secs(2))?,
            Err(_) => TcpStream::connect(&host)?,
        };
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
            host,
        })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// The connection broke, or what came back is not HTTP.
    pub fn send(&mut self, request: &Request) -> io::Result<Response> {
        write_request(self.stream.get_mut(), request, &self.host)?;
        read_response(&mut self.stream, request.method == "HEAD")
    }
}

/// Sends one request on a connection of its own.
///
/// # Errors
/// As [`Client::connect`] and [`Client::send`].
pub fn send(base_url: &str, request: &Request) -> io::Result<Response> {
    Client::connect(base_url)?.send(request)
}

/// Reads one request; `None` when the other side has nothing more to say.
///
/// # Errors
/// The connection broke, or what came is not HTTP.
pub fn read_request(stream: &mut impl BufRead) -> io::Result<Option<Request>> {
    let Some(head) = read_head(stream)? else {
        return Ok(None);
    };
    let mut slots = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut slots);
    parsed.parse(&head).map_err(invalid)?;
    let headers = headers_of(parsed.headers);
    let body = read_body(stream, length_of(&headers)?.unwrap_or(0))?;
    Ok(Some(Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        headers,
        body,
    }))
}

/// Writes an answer.
///
/// # Errors
/// The connection broke.
pub fn write_response(stream: &mut impl Write, response: &Response) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} -\r\n", response.status);
    write_headers(&mut head, &response.headers);
    if response.headers.get("content-length").is_none() {
        head.push_str(&format!("content-length: {}\r\n", response.body.len()));
    }
    head.push_str("\r\n");
    send_together(stream, head, &response.body)
}

fn write_request(stream: &mut impl Write, request: &Request, host: &str) -> io::Result<()> {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    if request.headers.get("host").is_none() {
        head.push_str(&format!("host: {host}\r\n"));
    }
    write_headers(&mut head, &request.headers);
    let bodied = !request.body.is_empty() || matches!(request.method.as_str(), "POST" | "PUT");
    if bodied && request.headers.get("content-length").is_none() {
        head.push_str(&format!("content-length: {}\r\n", request.body.len()));
    }
    head.push_str("\r\n");
    send_together(stream, head, &request.body)
}

fn read_response(stream: &mut impl BufRead, headless: bool) -> io::Result<Response> {
    let head = read_head(stream)?
        .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an answer"))?;
    let mut slots = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Response::new(&mut slots);
    parsed.parse(&head).map_err(invalid)?;
    let status = parsed.code.unwrap_or_default();
    let headers = headers_of(parsed.headers);
    let body = match length_of(&headers)? {
        _ if headless || matches!(status, 100..=199 | 204 | 304) => Vec::new(),
        Some(length) => read_body(stream, length)?,
        None => {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest)?;
            rest
        }
    };
    Ok(Response {
        status,
        headers,
        body,
    })
}

/// The bytes up to and with the empty line; `None` at a clean end.
fn read_head(stream: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    loop {
        let read = stream.read_until(b'\n', &mut head)?;
        match read {
            0 if head.is_empty() => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if head.ends_with(b"\r\n\r\n") => return Ok(Some(head)),
            _ if head.len() > HEAD_BYTES => return Err(invalid("the head is too long")),
            _ => {}
        }
    }
}

fn read_body(stream: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn headers_of(parsed: &[httparse::Header<'_>]) -> Headers {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    Headers(
        parsed
            .iter()
            .map(|header| (header.name.to_owned(), text(header.value)))
            .collect(),
    )
}

fn length_of(headers: &Headers) -> io::Result<Option<usize>> {
    if headers.get("transfer-encoding").is_some() {
        return Err(invalid("chunked bodies are not read here"));
    }
    headers
        .get("content-length")
        .map(|text| text.parse().map_err(invalid))
        .transpose()
}

fn write_headers(head: &mut String, headers: &Headers) {
    for (name, value) in &headers.0 {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
}

/// One write, so that no peer waits for the rest of a segment.
fn send_together(stream: &mut impl Write, head: String, body: &[u8]) -> io::Result<()> {
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    stream.write_all(&bytes)?;
    stream.flush()
}

fn invalid(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let sent = Request::new("POST", "/a?b=c")
            .header("X-One", "1")
            .body("body");
        let mut wire = Vec::new();
        write_request(&mut wire, &sent, "h").unwrap();
        let read = read_request(&mut wire.as_slice()).unwrap().unwrap();
        assert_eq!(
            (read.method.as_str(), read.target.as_str()),
            ("POST", "/a?b=c")
        );
        assert_eq!(
            (read.headers.get("x-one"), read.headers.get("host")),
            (Some("1"), Some("h"))
        );
        assert_eq!(read.body, b"body");
    }

    #[test]
    fn an_illegal_target_and_host_are_sent_as_they_are() {
        let sent = Request::get("/a?b=<\"").header("Host", "a b");
        let mut wire = Vec::new();
        write_request(&mut wire, &sent, "h").unwrap();
        assert_eq!(wire, b"GET /a?b=<\" HTTP/1.1\r\nHost: a b\r\n\r\n");
    }

    #[test]
    fn an_answer_is_read_by_its_length_and_the_next_one_after_it() {
        let mut wire = Vec::new();
        write_response(&mut wire, &Response::json_text(201, "{\"a\":1}")).unwrap();
        write_response(
            &mut wire,
            &Response {
                status: 204,
                ..Response::default()
            },
        )
        .unwrap();
        let mut stream = wire.as_slice();
        let first = read_response(&mut stream, false).unwrap();
        assert_eq!(
            (first.status, first.json()),
            (201, serde_json::json!({"a": 1}))
        );
        assert_eq!(read_response(&mut stream, false).unwrap().status, 204);
        assert!(read_response(&mut stream, false).is_err());
    }
}
