//! A proxy between a client and a stand-in that does to requests what networks do.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use super::http::{Request, read_request, read_response, respond};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is answered.
    None,
    /// It arrives, and the answer is lost.
    LoseAnswer,
    /// It never arrives.
    Refuse,
    /// Nothing ever happens.
    Hang,
    /// It is answered that a transaction is in its way, and never arrives.
    Contend,
}

/// How DynamoDB says that a transaction met another one.
const CANCELLED: &[u8] = br#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    "Message":"Transaction cancelled","CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict"}]}"#;

/// How it says that any other write met a transaction.
const CONFLICT: &[u8] =
    br#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException",
    "message":"Transaction is ongoing for the item"}"#;

type Rule = Box<dyn FnMut(usize, &Request) -> Fault + Send>;

/// The proxy. Requests are counted from 0, retries too.
pub(crate) struct Proxy {
    pub(crate) endpoint: String,
    upstreams: Arc<Mutex<[String; 2]>>,
    rule: Arc<Mutex<Rule>>,
    seen: Arc<AtomicUsize>,
}

impl Proxy {
    /// Stands in front of a database and lets everything through.
    pub(crate) async fn start(dynamodb: &str) -> Self {
        Self::before(dynamodb, "http://127.0.0.1:1").await
    }

    /// Stands in front of a database and a bucket at once: every call of DynamoDB is a POST, and
    /// none of S3's that are used here is.
    pub(crate) async fn before(dynamodb: &str, s3: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            upstreams: Arc::new(Mutex::new(addresses(dynamodb, s3))),
            rule: Arc::new(Mutex::new(Box::new(|_, _| Fault::None))),
            seen: Arc::default(),
        };
        let upstreams = Arc::clone(&proxy.upstreams);
        let (rule, seen) = (Arc::clone(&proxy.rule), Arc::clone(&proxy.seen));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (upstreams, rule) = (Arc::clone(&upstreams), Arc::clone(&rule));
                // A connection that breaks is what tests are about.
                tokio::spawn(carry(client, upstreams, rule, Arc::clone(&seen)));
            }
        });
        proxy
    }

    /// Asks `rule` of every request from now on, counting from 0 again.
    pub(crate) fn set(&self, rule: impl FnMut(usize, &Request) -> Fault + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
        self.seen.store(0, Ordering::SeqCst);
    }

    /// Stands in front of others from now on.
    pub(crate) fn turn_to(&self, dynamodb: &str, s3: &str) {
        *self.upstreams.lock().unwrap() = addresses(dynamodb, s3);
    }

    /// How many requests came since the rule was set.
    pub(crate) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

fn addresses(dynamodb: &str, s3: &str) -> [String; 2] {
    [dynamodb, s3].map(|url| url.trim_start_matches("http://").to_owned())
}

async fn carry(
    mut client: TcpStream,
    upstreams: Arc<Mutex<[String; 2]>>,
    rule: Arc<Mutex<Rule>>,
    seen: Arc<AtomicUsize>,
) -> io::Result<()> {
    while let Some(request) = read_request(&mut client).await? {
        let fault = {
            let mut rule = rule.lock().unwrap();
            rule(seen.fetch_add(1, Ordering::SeqCst), &request)
        };
        match fault {
            Fault::Refuse => return Ok(()),
            Fault::Contend => {
                let answer = match request.asks_for("TransactWriteItems") {
                    true => CANCELLED,
                    false => CONFLICT,
                };
                respond(&mut client, "400 Bad Request", answer).await?;
                continue;
            }
            Fault::Hang => std::future::pending().await,
            Fault::None | Fault::LoseAnswer => {}
        }
        let [dynamodb, s3] = upstreams.lock().unwrap().clone();
        let upstream = if request.method == "POST" {
            dynamodb
        } else {
            s3
        };
        let mut server = TcpStream::connect(upstream).await?;
        server.write_all(&request.raw).await?;
        let response = read_response(&mut server).await?;
        if fault == Fault::LoseAnswer {
            return Ok(());
        }
        client.write_all(&response).await?;
    }
    Ok(())
}
