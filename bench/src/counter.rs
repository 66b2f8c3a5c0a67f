//! What is asked of DynamoDB, counted on its way: a proxy on loopback that passes everything on.

use std::{
    collections::BTreeMap,
    io::{self, BufReader, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::http1::Message;

/// Operations with their tables, such as `Query madang-dev-devices`, and how often they were asked for.
pub(crate) type Counts = BTreeMap<String, usize>;

/// A proxy that counts.
pub(crate) struct Counter {
    address: SocketAddr,
    counts: Arc<Mutex<Counts>>,
}

impl Counter {
    /// Listens on any free port and passes on to the service at `url`.
    pub(crate) fn start(url: &str) -> Result<Self> {
        let upstream: SocketAddr = url
            .strip_prefix("http://")
            .context("the database is not on http")?
            .trim_end_matches('/')
            .parse()?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Mutex::new(Counts::new()));
        let counted = Arc::clone(&counts);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counts = Arc::clone(&counted);
                // A connection that breaks off is its two ends' to notice.
                thread::spawn(move || pass_on(&stream, upstream, &counts));
            }
        });
        Ok(Self { address, counts })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was counted since the last time.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn pass_on(client: &TcpStream, upstream: SocketAddr, counts: &Mutex<Counts>) -> io::Result<()> {
    let service = TcpStream::connect(upstream)?;
    for stream in [client, &service] {
        stream.set_nodelay(true)?;
    }
    let (mut from, mut to) = (service.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        // It may be closed already.
        let _ = to.shutdown(Shutdown::Both);
        copied
    });
    let mut requests = BufReader::new(client);
    while let Some(request) = Message::read(&mut requests)? {
        if request.is_chunked() {
            return Err(io::Error::other(
                "requests to DynamoDB say how long they are",
            ));
        }
        let operation = operation(&request);
        *counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(operation)
            .or_default() += 1;
        (&service).write_all(&[request.head.as_bytes(), &request.body].concat())?;
    }
    service.shutdown(Shutdown::Both)
}

/// The operation and its table; a transaction or a batch has no table of its own.
fn operation(request: &Message) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body {
        table_name: Option<String>,
    }
    let target = request.header("x-amz-target").unwrap_or_default();
    let name = target.split_once('.').map_or(target, |(_, name)| name);
    let table = serde_json::from_slice::<Body>(&request.body).ok();
    match table.and_then(|body| body.table_name) {
        Some(table) => format!("{name} {table}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::Client;

    #[test]
    fn requests_are_counted_and_answered_by_the_service() {
        let service = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", service.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = service.accept().unwrap();
            let mut requests = BufReader::new(stream.try_clone().unwrap());
            while Message::read(&mut requests).unwrap().is_some() {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                    .unwrap();
            }
        });
        let counter = Counter::start(&url).unwrap();
        let mut client = Client::new(counter.address);
        for _ in 0..2 {
            let answer = client.post("/", br#"{"TableName":"devices"}"#).unwrap();
            assert_eq!(answer.body, b"{}");
        }
        let expected = Counts::from([(" devices".to_owned(), 2)]);
        assert_eq!((counter.take(), counter.take()), (expected, Counts::new()));
    }

    #[test]
    fn an_operation_is_named_with_its_table() {
        let named = |operation: &str, body: &str| {
            let head =
                format!("POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.{operation}\r\n\r\n");
            let body = body.as_bytes().to_vec();
            super::operation(&Message { head, body })
        };
        assert_eq!(named("Query", r#"{"TableName":"t","Limit":1}"#), "Query t");
        assert_eq!(named("TransactWriteItems", "{}"), "TransactWriteItems");
    }
}
