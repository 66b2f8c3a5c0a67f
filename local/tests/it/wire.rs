//! An HTTP client that sends exactly what it is told, and stacks to send it to.

use std::{collections::BTreeMap, net::SocketAddr, path::Path};

use local::{Options, Stack};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::functions;

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Lower-case names; repeated values joined by `|`.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends bytes on a connection of their own and reads until it is closed.
pub(crate) async fn send(base_url: &str, sent: &[u8]) -> Reply {
    let address: SocketAddr = base_url.trim_start_matches("http://").parse().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    parse(&heard)
}

/// Sends a request with the headers that every client sends.
pub(crate) async fn request(
    base_url: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let mut sent = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        sent.push_str("host: localhost\r\n");
    }
    for (name, value) in headers {
        sent.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        sent.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    sent.push_str("\r\n");
    send(base_url, &[sent.as_bytes(), body].concat()).await
}

/// One operation of DynamoDB.
pub(crate) async fn dynamodb(endpoint: &str, operation: &str, input: Value) -> Reply {
    let target = format!("DynamoDB_20120810.{operation}");
    let headers = [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", &*target),
        ("x-amz-date", "20260101T000000Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=local/20260101/ap-northeast-2/dynamodb/aws4_request, SignedHeaders=host, Signature=none",
        ),
    ];
    request(
        endpoint,
        "POST",
        "/",
        &headers,
        input.to_string().as_bytes(),
    )
    .await
}

/// The template of this test, as a file in `folder`.
pub(crate) fn template(folder: &Path, text: &str) -> std::path::PathBuf {
    let path = folder.join("template.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

/// A stack with the functions of these tests, in a folder of its own.
pub(crate) async fn stack(text: &str) -> (Stack, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start(options(&folder, text)).await.unwrap();
    (stack, folder)
}

pub(crate) fn options(folder: &TempDir, text: &str) -> Options {
    let mut options = Options::new(template(folder.path(), text), folder.path().join("data"));
    options.functions = functions::registry();
    options
}

fn parse(heard: &[u8]) -> Reply {
    let end = heard
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(heard)));
    let head = String::from_utf8_lossy(&heard[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        headers
            .entry(name.to_owned())
            .and_modify(|joined| {
                joined.push('|');
                joined.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    Reply {
        status: status.parse().unwrap(),
        headers,
        body: heard[end + 4..].to_vec(),
    }
}
