//! The protocol, over real sockets, against a handler that says what it was asked.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};

use super::*;

struct Echo(Arc<Notify>);

impl Handler for Echo {
    async fn handle(&self, request: Request) -> Response<Bytes> {
        if request.target == "/slow" {
            self.0.notify_one();
            sleep(Duration::from_millis(200)).await;
        }
        let (path, query) = request.path_and_query();
        let host = request.header("host").unwrap_or_default();
        let body = String::from_utf8_lossy(&request.body);
        let text = format!("{} {path} {query} {host} [{body}]", request.method);
        let mut response = Response::new(Bytes::from(text));
        if request.target == "/empty" {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        response
    }
}

async fn server() -> (Server, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = Limits {
        head_bytes: 200,
        body_bytes: 10,
    };
    let slow = Arc::new(Notify::new());
    let server = Server::start(listener, limits, Arc::new(Echo(Arc::clone(&slow)))).unwrap();
    (server, slow)
}

/// Everything the server says to `sent` until it closes, without dates.
async fn exchange(server: &Server, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    heard
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("date: "))
        .collect()
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn requests_of_one_connection_are_answered_in_order() {
    let (server, _) = server().await;
    let sent = b"GET /a?x HTTP/1.1\r\nHost: h\r\n\r\n\
        POST /b HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc\
        POST /c HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nde\r\n1\r\nf\r\n0\r\nt: 1\r\n\r\n\
        HEAD /d HTTP/1.1\r\nhost: h\r\n\r\n\
        GET /empty HTTP/1.1\r\nhost: h\r\n\r\n";
    let expected = [
        ok("GET /a x h []"),
        ok("POST /b  h [abc]"),
        ok("POST /c  h [def]"),
        "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n".to_owned(),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
    ];
    assert_eq!(exchange(&server, sent).await, expected.concat());
}

#[tokio::test]
async fn paths_queries_and_hosts_are_handed_on_as_sent() {
    let (server, _) = server().await;
    let table = [
        ("/a%23b%2Fc%00?q=<\"x\">", "/a%23b%2Fc%00 q=<\"x\">"),
        ("//x//?a?b", "//x// a?b"),
        ("/€", "/€ "),
        ("http://other/p?q", "/p q"),
        ("HTTP://other", "/ "),
    ];
    for (target, expected) in table {
        let sent = format!("GET {target} HTTP/1.1\r\nhost: a<b> c\r\nconnection: close\r\n\r\n");
        let heard = exchange(&server, sent.as_bytes()).await;
        assert!(
            heard.ends_with(&format!("\r\n\r\nGET {expected} a<b> c []")),
            "{target}: {heard}"
        );
        assert!(heard.contains("connection: close\r\n"));
    }
}

#[tokio::test]
async fn what_is_not_http_or_too_large_is_refused() {
    let (server, _) = server().await;
    let large = "x".repeat(200);
    let huge = format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "x".repeat(70_000));
    let table: [(&str, &str); 16] = [
        ("nonsense\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "400"),
        ("GET nowhere HTTP/1.1\r\nhost: h\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: h\r\nbad name: 1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: h", "400"),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip\r\n\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nb\r\n",
            "413",
        ),
        (
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 11\r\nexpect: 100-continue\r\n\r\n",
            "413",
        ),
        (
            &format!("GET / HTTP/1.1\r\nhost: h\r\nx: {large}\r\n\r\n"),
            "431",
        ),
        (&huge, "431"),
    ];
    for (sent, status) in table {
        let heard = exchange(&server, sent.as_bytes()).await;
        let start = heard.get(..13).unwrap_or_default();
        assert_eq!(start, format!("HTTP/1.1 {status} "), "{sent:.80}: {heard}");
        assert!(
            heard.contains("connection: close\r\n") && heard.contains("{\"message\":\""),
            "{heard}"
        );
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_is_told_to_continue() {
    let (server, _) = server().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ok").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert!(heard.ends_with("POST /  h [ok]"), "{heard}");
}

#[tokio::test]
async fn an_old_client_is_answered_once() {
    let (server, _) = server().await;
    let sent = b"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n";
    let heard = exchange(&server, sent).await;
    assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), 1, "{heard}");
}

#[tokio::test]
async fn stopping_lets_a_running_request_finish_and_closes_idle_connections() {
    let (server, slow) = server().await;
    let address = server.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: h\r\n\r\n")
        .await
        .unwrap();
    slow.notified().await;
    server.stop(Duration::from_secs(10)).await;
    let mut heard = String::new();
    busy.read_to_string(&mut heard).await.unwrap();
    assert!(heard.ends_with("GET /slow  h []"), "{heard}");
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(TcpStream::connect(address).await.is_err());
}
