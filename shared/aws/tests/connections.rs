//! The SDK's own client over our settings, against a server on loopback.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws::{Aws, Endpoints, Keys, Pace, Service, Settings};
use aws_smithy_async::time::TimeSource;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A wall clock that moves only when it is told to.
#[derive(Debug, Clone)]
struct Hand(Arc<AtomicU64>);

impl TimeSource for Hand {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// Answers every request with an empty GetItem result and counts the connections it was given.
async fn serve(connections: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(answer_all(stream));
        }
    });
    format!("http://{address}")
}

async fn answer_all(mut stream: TcpStream) {
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read) = stream.read(&mut chunk).await {
        if read == 0 {
            return;
        }
        seen.extend_from_slice(&chunk[..read]);
        // The request's JSON body ends it; nothing in its head closes a brace.
        if seen.ends_with(b"}") {
            seen.clear();
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 2\r\n\r\n{}";
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn settings(endpoint: Option<String>) -> Settings {
    Settings {
        region: "ap-northeast-2".into(),
        credentials: Keys {
            access_key_id: "id".into(),
            secret_access_key: "hush".into(),
            session_token: None,
        },
        endpoints: Endpoints {
            dynamodb: endpoint,
            ..Endpoints::default()
        },
        app_name: "app-status".into(),
    }
}

async fn get(client: &aws_sdk_dynamodb::Client) -> bool {
    client
        .get_item()
        .table_name("t")
        .key("pk", aws_sdk_dynamodb::types::AttributeValue::S("a".into()))
        .send()
        .await
        .is_ok()
}

#[tokio::test]
async fn connections_are_shared_by_paces_and_dropped_after_a_thaw() {
    let connections = Arc::new(AtomicUsize::new(0));
    let endpoint = serve(Arc::clone(&connections)).await;
    let hand = Hand(Arc::new(AtomicU64::new(1_700_000_000)));
    let aws = Aws::with_time(settings(Some(endpoint)), hand.clone()).expect("settings");
    let hot = aws_sdk_dynamodb::Client::new(&aws.config(Service::DynamoDb, Pace::HOT));
    let normal = aws_sdk_dynamodb::Client::new(&aws.config(Service::DynamoDb, Pace::NORMAL));

    assert_eq!(
        connections.load(Ordering::SeqCst),
        0,
        "making a client opens nothing"
    );
    assert!(get(&hot).await);
    assert!(get(&normal).await);
    hand.0.fetch_add(9, Ordering::SeqCst);
    assert!(get(&hot).await);
    assert_eq!(
        connections.load(Ordering::SeqCst),
        1,
        "one pool while calls keep coming"
    );

    hand.0.fetch_add(11, Ordering::SeqCst);
    assert!(get(&normal).await);
    assert_eq!(
        connections.load(Ordering::SeqCst),
        2,
        "a fresh connection after a gap"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_costs_no_more_than_the_operation_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    let aws = Aws::new(settings(Some(endpoint))).expect("settings");
    let client = aws_sdk_dynamodb::Client::new(&aws.config(Service::DynamoDb, Pace::HOT));
    let call = tokio::time::timeout(Duration::from_secs(2), get(&client));
    assert!(!call.await.expect("given up by the pace, not by the test"));
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?}", settings(None));
    assert!(printed.contains("ap-northeast-2"), "{printed}");
    assert!(!printed.contains("hush"), "{printed}");
    let aws = Aws::new(settings(None)).expect("settings");
    assert!(!format!("{aws:?}").contains("hush"));
}

#[test]
fn a_name_that_cannot_stand_in_a_user_agent_is_refused() {
    let refused = Aws::new(Settings {
        app_name: "two words".into(),
        ..settings(None)
    });
    assert!(refused.is_err());
}
