//! What every test stands on: a database of its own, tables, and a way to them.

mod http;
mod proxy;
pub(crate) mod raw;
mod s3;

use aws::{Aws, Endpoints, Keys, Pace, Settings};
use domain::Instant;
use dynoxide::Database as Engine;
use rand::{SeedableRng, rngs::StdRng};
use store::{Database, Stamp, Table};
use tokio::{net::TcpListener, sync::oneshot};

pub(crate) use self::{
    http::{read_request, respond},
    proxy::{Fault, Proxy},
    s3::S3,
};

/// The noon that tests take place at.
pub(crate) const NOON: Instant = Instant::from_millis(1_772_366_400_000);

/// Every table has this one's shape; the tests need no more than one.
pub(crate) const TABLE: &str = "things";

/// An in-memory database behind its HTTP server, with one empty table.
pub(crate) struct Dynamo {
    pub(crate) endpoint: String,
    _stop: oneshot::Sender<()>,
}

impl Dynamo {
    pub(crate) async fn start() -> Self {
        let engine = Engine::memory().unwrap();
        engine.create_table(table_definition()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        // The engine works synchronously: on a thread of its own, as in the local stack.
        let listener = listener.into_std().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                dynoxide::server::serve_with_shutdown(listener, engine, async {
                    let _ = stopped.await;
                })
                .await
            })
        });
        Self {
            endpoint,
            _stop: stop,
        }
    }

    /// The table over a client of [`Pace::NORMAL`].
    pub(crate) fn table(&self) -> Table {
        table_at(&self.endpoint, Pace::NORMAL)
    }
}

pub(crate) fn table_at(endpoint: &str, pace: Pace) -> Table {
    Database::connect(&aws_at(endpoint, None), pace).table(TABLE)
}

/// The way to a database, and perhaps to a bucket, on loopback.
pub(crate) fn aws_at(dynamodb: &str, s3: Option<String>) -> Aws {
    aws_with(Endpoints {
        dynamodb: Some(dynamodb.to_owned()),
        s3,
        ..Endpoints::default()
    })
}

pub(crate) fn aws_with(endpoints: Endpoints) -> Aws {
    let settings = Settings {
        region: "ap-northeast-2".into(),
        credentials: Keys {
            access_key_id: "test".into(),
            secret_access_key: "test".into(),
            session_token: None,
        },
        endpoints,
        app_name: "store-tests".into(),
    };
    Aws::new(settings).unwrap()
}

/// Stamps, different ones and the same in every run.
pub(crate) struct Stamps(StdRng);

impl Stamps {
    pub(crate) fn new() -> Self {
        Self(StdRng::seed_from_u64(42))
    }

    pub(crate) fn next(&mut self) -> Stamp {
        Stamp::random(&mut self.0)
    }
}

fn table_definition<T: serde::de::DeserializeOwned>() -> T {
    serde_json::from_value(serde_json::json!({
        "TableName": TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
    }))
    .unwrap()
}
