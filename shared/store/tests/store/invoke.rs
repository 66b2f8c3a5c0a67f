//! Asynchronous invocations, as the Lambda API takes them.

use aws::Endpoints;
use serde_json::json;
use store::{StoreError, Worker};
use tokio::net::TcpListener;

use crate::harness::{aws_with, read_request, respond};

#[tokio::test]
async fn a_worker_is_handed_its_event_and_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let worker = Worker::connect(
        &aws_with(Endpoints {
            lambda: Some(format!("http://{}", listener.local_addr().unwrap())),
            ..Endpoints::default()
        }),
        "publish",
    );
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await.unwrap().unwrap();
        respond(&mut stream, "202 Accepted", b"").await.unwrap();
        let refused = read_request(&mut stream).await.unwrap().unwrap();
        let body = br#"{"Message": "not allowed", "Type": "User"}"#;
        respond(
            &mut stream,
            "403 Forbidden\r\nx-amzn-errortype: AccessDeniedException",
            body,
        )
        .await
        .unwrap();
        (request, refused)
    });
    worker.send(&json!({"kind": "testers"})).await.unwrap();
    let refused = worker.send(&json!({})).await;
    assert!(
        matches!(refused, Err(StoreError::Refused { .. })),
        "{refused:?}"
    );
    let (request, _) = served.await.unwrap();
    assert_eq!(request.path, "/2015-03-31/functions/publish/invocations");
    assert_eq!(request.body, br#"{"kind":"testers"}"#);
    let head = String::from_utf8_lossy(&request.raw).to_ascii_lowercase();
    assert!(head.contains("x-amz-invocation-type: event"), "{head}");
    assert!(
        head.contains("app/store-tests"),
        "the caller's name: {head}"
    );
}
