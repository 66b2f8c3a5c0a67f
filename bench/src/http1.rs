//! HTTP/1.1 messages on blocking streams: as little of it as is spoken here.

use std::{
    io::{self, BufRead, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// How long a server may think about one request.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request or an answer.
#[derive(Debug)]
pub(crate) struct Message {
    /// Everything before the body, the empty line included.
    pub(crate) head: String,
    /// The body, freed of chunks.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Reads one; `None` when the other side has nothing more to say.
    pub(crate) fn read(stream: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut head = String::new();
        if stream.read_line(&mut head)? == 0 {
            return Ok(None);
        }
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut message = Self {
            head,
            body: Vec::new(),
        };
        message.body = if message.is_chunked() {
            chunks(stream)?
        } else {
            let length = message.header("content-length").map(str::parse);
            exactly(
                stream,
                length.transpose().map_err(io::Error::other)?.unwrap_or(0),
            )?
        };
        Ok(Some(message))
    }

    /// The second word of the first line: a request's target, an answer's status.
    pub(crate) fn second_word(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The first header of this name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Whether the body came in chunks.
    pub(crate) fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some()
    }
}

fn chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        body.extend(exactly(stream, size)?);
        stream.read_line(&mut line)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn exactly(stream: &mut impl BufRead, length: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// A client with one connection, kept for as long as the server keeps it.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// A client of the server at `address`.
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: None,
        }
    }

    /// Sends a `GET`.
    pub(crate) fn get(&mut self, target: &str) -> io::Result<Message> {
        let head = format!("GET {target} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        self.send(head.as_bytes())
    }

    /// Sends a `POST` of JSON.
    pub(crate) fn post(&mut self, target: &str, body: &[u8]) -> io::Result<Message> {
        let head = format!(
            "POST {target} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat())
    }

    fn send(&mut self, request: &[u8]) -> io::Result<Message> {
        let mut connection = match self.connection.take() {
            Some(kept) => kept,
            None => connect(self.address)?,
        };
        connection.get_mut().write_all(request)?;
        let answer =
            Message::read(&mut connection)?.ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let keeps = answer
            .header("connection")
            .is_none_or(|value| !value.eq_ignore_ascii_case("close"));
        self.connection = keeps.then_some(connection);
        Ok(answer)
    }
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_by_its_length_or_in_chunks_and_the_next_message_after_it() {
        let mut wire = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc\
                        HTTP/1.1 404 -\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"
            .as_bytes();
        let mut read = || Message::read(&mut wire).unwrap();
        let first = read().unwrap();
        assert_eq!((first.second_word(), &*first.body), ("200", &b"abc"[..]));
        let second = read().unwrap();
        assert_eq!((second.second_word(), &*second.body), ("404", &b"de"[..]));
        assert!(second.is_chunked() && !first.is_chunked());
        assert!(read().is_none());
    }

    #[test]
    fn a_message_that_breaks_off_is_an_error() {
        for wire in [
            "GET / HTTP/1.1\r\nhost: x\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nabc",
        ] {
            assert!(Message::read(&mut wire.as_bytes()).is_err(), "{wire}");
        }
    }
}
