//! HTTPS to systems that are not AWS: one deadline per question, small answers only, and no
//! connection kept over a freeze.
//!
//! A question goes where configuration says and nowhere else: redirects are failures. Nothing of a
//! URL, a header or a body is in an error or a log line, since tokens travel in all of them.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use domain::Instant;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Body as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{sleep, timeout};

/// Who does not take a connection within this is not there.
const CONNECT: Duration = Duration::from_secs(1);

/// An idle connection is closed after this, while the process runs.
const IDLE: Duration = Duration::from_secs(20);

/// After this long without a call the process may have been frozen, and connections may be dead
/// without anybody having been told. By the wall clock, which goes on during a freeze.
const THAW: Duration = Duration::from_secs(10);

/// How long the second try of a read waits, in milliseconds: at random, so that those who failed
/// together do not come back together.
const PAUSE_MS: std::ops::Range<u64> = 20..120;

/// A client without connections. Clones share what is opened.
#[derive(Clone)]
pub struct Https(Arc<Inner>);

struct Inner {
    deadline: Duration,
    pool: Mutex<Option<Pool>>,
}

struct Pool {
    client: Transport,
    last_used: Instant,
}

type Transport = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// What is asked: never printed, as it holds tokens.
pub struct Question {
    method: Method,
    url: String,
    authorization: Option<String>,
    form: Option<String>,
}

/// What was answered: a success (2xx) or a refusal (4xx).
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The whole body.
    pub body: Bytes,
}

/// Why there is no answer: the upstream's fault or the network's, never the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No whole answer before the deadline.
    #[error("no answer in time")]
    TimedOut,
    /// Nobody takes a connection.
    #[error("no connection")]
    Unreachable,
    /// The connection ended early, or what came is not HTTP.
    #[error("a broken answer")]
    Broken,
    /// More bytes than such an answer has.
    #[error("an answer that is too large")]
    TooLarge,
    /// The status says that it is no answer: 3xx, 408, 429 or 5xx.
    #[error("the status {0}")]
    Status(u16),
    /// A success whose body is not what was asked for.
    #[error("an answer that says something else")]
    Garbage,
    /// The question cannot be written as HTTP.
    #[error("a question that cannot be sent")]
    Unsendable,
}

impl Question {
    /// Reads what is at `url`.
    pub fn get(url: &str, query: &[(&str, &str)]) -> Self {
        Self::new(Method::GET, with_query(url, query), None)
    }

    /// Sends a form to `url`.
    pub fn post(url: &str, form: &[(&str, &str)]) -> Self {
        Self::new(Method::POST, url.to_owned(), Some(encoded(form)))
    }

    /// Deletes what is at `url`.
    pub fn delete(url: &str, query: &[(&str, &str)]) -> Self {
        Self::new(Method::DELETE, with_query(url, query), None)
    }

    /// With `Authorization: <scheme> <credential>`.
    #[must_use]
    pub fn authorized(mut self, scheme: &str, credential: &str) -> Self {
        self.authorization = Some(format!("{scheme} {credential}"));
        self
    }

    fn new(method: Method, url: String, form: Option<String>) -> Self {
        Self {
            method,
            url,
            authorization: None,
            form,
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, Failure> {
        let unsendable = |_| Failure::Unsendable;
        let uri: Uri = self.url.parse().map_err(|_| Failure::Unsendable)?;
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(uri)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, "madang");
        if let Some(authorization) = &self.authorization {
            let mut value =
                HeaderValue::try_from(authorization).map_err(|_| Failure::Unsendable)?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        if self.form.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let body = Bytes::from(self.form.clone().unwrap_or_default());
        request.body(Full::new(body)).map_err(unsendable)
    }
}

fn with_query(url: &str, query: &[(&str, &str)]) -> String {
    match query {
        [] => url.to_owned(),
        query => format!("{url}?{}", encoded(query)),
    }
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    // Pairs of strings: writing them cannot fail.
    serde_urlencoded::to_string(pairs).unwrap_or_default()
}

impl Https {
    /// Nothing is opened before the first question. `deadline` holds for a question with all its
    /// tries.
    pub fn new(deadline: Duration) -> Self {
        Self(Arc::new(Inner {
            deadline,
            pool: Mutex::new(None),
        }))
    }

    /// Asks, and reads an answer of at most `limit_bytes`. A read that failed is tried a second
    /// time where the upstream may have recovered.
    ///
    /// # Errors
    /// There is no answer; the deadline is kept whatever the upstream does.
    pub async fn ask(
        &self,
        question: &Question,
        limit_bytes: usize,
        now: Instant,
    ) -> Result<Answer, Failure> {
        let client = self.client(now);
        let tries = async {
            let first = once(&client, question.request()?, limit_bytes).await;
            match first {
                Err(failure) if question.method == Method::GET && failure.may_pass() => {
                    sleep(Duration::from_millis(rand::random_range(PAUSE_MS))).await;
                    once(&client, question.request()?, limit_bytes).await
                }
                first => first,
            }
        };
        self.in_time(tries).await
    }

    /// As [`Self::ask`], with one try only: for who counts requests.
    ///
    /// # Errors
    /// As there.
    pub async fn ask_once(
        &self,
        question: &Question,
        limit_bytes: usize,
        now: Instant,
    ) -> Result<Answer, Failure> {
        let client = self.client(now);
        let request = question.request()?;
        self.in_time(once(&client, request, limit_bytes)).await
    }

    async fn in_time(
        &self,
        asked: impl Future<Output = Result<Answer, Failure>>,
    ) -> Result<Answer, Failure> {
        let answer = timeout(self.0.deadline, asked).await;
        answer.unwrap_or(Err(Failure::TimedOut))
    }

    /// The pool, replaced when the last call was too long ago. A call under way keeps its own.
    fn client(&self, now: Instant) -> Transport {
        let mut pool = self.0.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match pool.take() {
            Some(pool) if now.since(pool.last_used) <= THAW => pool.client,
            _ => new_client(),
        };
        *pool = Some(Pool {
            client: client.clone(),
            last_used: now,
        });
        client
    }
}

/// Mozilla's roots, embedded: a Lambda's own list depends on its image.
fn new_client() -> Transport {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_nodelay(true);
    // The TLS layer around it takes `https`.
    tcp.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector)
}

async fn once(
    client: &Transport,
    request: Request<Full<Bytes>>,
    limit_bytes: usize,
) -> Result<Answer, Failure> {
    let answer = client.request(request).await;
    let (head, body) = answer.map_err(|error| Failure::of(&error))?.into_parts();
    let status = head.status;
    let answered = status.is_success() || status.is_client_error();
    if !answered || matches!(status.as_u16(), 408 | 429) {
        return Err(Failure::Status(status.as_u16()));
    }
    // What says that it is too large is not read at all.
    if body.size_hint().lower() > u64::try_from(limit_bytes).unwrap_or(u64::MAX) {
        return Err(Failure::TooLarge);
    }
    match Limited::new(body, limit_bytes).collect().await {
        Ok(body) => Ok(Answer {
            status,
            body: body.to_bytes(),
        }),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::TooLarge),
        Err(_) => Err(Failure::Broken),
    }
}

impl Failure {
    fn of(error: &legacy::Error) -> Self {
        match error.is_connect() {
            true => Self::Unreachable,
            false => Self::Broken,
        }
    }

    /// Whether the same question may be answered a moment later.
    fn may_pass(self) -> bool {
        match self {
            Self::Unreachable | Self::Broken => true,
            Self::Status(status) => status >= 500,
            Self::TimedOut | Self::TooLarge | Self::Garbage | Self::Unsendable => false,
        }
    }
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Https")
    }
}

impl fmt::Debug for Question {
    /// Without its URL, which may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question({})", self.method)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({})", self.status)
    }
}
