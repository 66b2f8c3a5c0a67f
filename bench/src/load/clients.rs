//! Sends requests by the clock.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rand::rngs::StdRng;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Deserialize;
use tokio::{runtime::Runtime, sync::Semaphore, time::timeout};

use super::{
    Outcome, Sample,
    mix::{ALLOCATIONS, Call, IMPRESSIONS, Mix},
};

/// How many connections there are at most. Who finds none free waits, and that counts as latency.
const CONNECTIONS: usize = 4_000;

/// How many impressions are kept to be sent.
const KEPT: usize = 1_000;

/// When an answer is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Many clients of one stack.
pub(crate) struct Clients {
    runtime: Runtime,
    shared: Arc<Shared>,
}

struct Shared {
    client: Client<HttpConnector, Full<Bytes>>,
    connections: Semaphore,
    base_url: String,
    seen: Mutex<VecDeque<String>>,
}

impl Clients {
    pub(crate) fn new(address: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Ok(Self {
            runtime,
            shared: Arc::new(Shared {
                connections: Semaphore::new(connections()),
                client: Client::builder(TokioExecutor::new()).build(connector),
                base_url: format!("http://{address}"),
                seen: Mutex::default(),
            }),
        })
    }

    /// Sends `rate` requests a second for some time, and waits for the last answer.
    pub(crate) fn send(
        &self,
        mix: &Mix,
        rng: &mut StdRng,
        rate: u32,
        time: Duration,
    ) -> Result<Vec<Sample>> {
        let requests = time.as_secs() * u64::from(rate);
        let (samples, arrived) = mpsc::channel();
        let began = Instant::now();
        for number in 0..requests {
            let Some((place, route)) = mix.draw(rng) else {
                break;
            };
            let seen = match route.name {
                IMPRESSIONS => self.shared.next_impression(),
                _ => None,
            };
            let call = route.call(rng, seen);
            let due = Duration::from_secs(1) * u32::try_from(number)? / rate;
            thread::sleep(due.saturating_sub(began.elapsed()));
            let keeps = route.name == ALLOCATIONS;
            let (shared, samples) = (Arc::clone(&self.shared), samples.clone());
            self.runtime.spawn(async move {
                let outcome = shared.outcome(call, keeps).await;
                // The receiver is there until the last sample has come.
                let _ = samples.send(Sample {
                    route: place,
                    due,
                    latency: began.elapsed().saturating_sub(due),
                    outcome,
                });
            });
        }
        drop(samples);
        Ok(arrived.into_iter().collect())
    }
}

/// Lets this process, and those that it starts from now on, have as many files open as it may.
pub(crate) fn raise_file_limit() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    Ok(setrlimit(Resource::Nofile, most)?)
}

/// As many as the limit leaves room for: the stack has connections to its database as well.
fn connections() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files / 4).map_or(CONNECTIONS, |files| files.min(CONNECTIONS))
}

impl Shared {
    async fn outcome(&self, call: Call, keeps: bool) -> Outcome {
        match timeout(PATIENCE, self.exchange(call)).await {
            Ok(Some((status, body))) if status.is_success() => {
                if keeps {
                    self.keep(&body);
                }
                Outcome::Served
            }
            Ok(Some((StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _))) => {
                Outcome::Refused
            }
            Ok(Some((status, _))) => Outcome::Wrong(status.as_u16()),
            Ok(None) | Err(_) => Outcome::Wrong(0),
        }
    }

    async fn exchange(&self, call: Call) -> Option<(StatusCode, Bytes)> {
        let _connection = self.connections.acquire().await.ok()?;
        let url = format!("{}{}", self.base_url, call.target);
        let request = Request::builder().method(call.method).uri(url);
        let request = match call.body.is_empty() {
            true => request,
            false => request.header(header::CONTENT_TYPE, "application/json"),
        };
        let request = request.body(Full::from(call.body)).ok()?;
        let (head, body) = self.client.request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?;
        Some((head.status, body.to_bytes()))
    }

    /// Remembers which impressions an allocation gave.
    fn keep(&self, answer: &[u8]) {
        #[derive(Deserialize)]
        struct Allocation {
            items: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            impression_url: String,
        }
        if self.seen().len() >= KEPT {
            return;
        }
        let Ok(Allocation { items }) = serde_json::from_slice(answer) else {
            return;
        };
        let paths = items.into_iter().filter_map(|item| {
            let path = item.impression_url.strip_prefix(&self.base_url)?;
            Some(path.to_owned())
        });
        self.seen().extend(paths);
    }

    fn next_impression(&self) -> Option<String> {
        self.seen().pop_front()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
