//! Runs of a schedule, with a period shorter than the work.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use kit::{Invoke, InvokeError, api::Operation, function::BoxFuture};
use lambda_runtime::Context;
use schemars::SchemaGenerator;
use tokio::sync::mpsc;

use super::*;

struct Worker {
    events: mpsc::UnboundedSender<Value>,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Invoke for Worker {
    fn invoke(
        self: Arc<Self>,
        event: Bytes,
        _: Context,
    ) -> BoxFuture<Result<Vec<u8>, InvokeError>> {
        Box::pin(async move {
            let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            self.events
                .send(serde_json::from_slice(&event).unwrap())
                .unwrap();
            sleep(Duration::from_millis(30)).await;
            self.running.fetch_sub(1, Ordering::SeqCst);
            Ok(b"null".to_vec())
        })
    }

    fn operations(&self, _: &mut SchemaGenerator) -> Vec<Operation> {
        Vec::new()
    }
}

fn function() -> template::Function {
    template::Function {
        logical_id: "Worker".to_owned(),
        folder: "worker".to_owned(),
        name: "worker".to_owned(),
        arn: "arn".to_owned(),
        environment: std::collections::BTreeMap::new(),
        timeout: Duration::from_secs(3),
        memory_mb: 128,
        runtime: None,
        architectures: Vec::new(),
        routes: Vec::new(),
        schedules: Vec::new(),
    }
}

fn schedule(input: Option<Value>) -> template::Schedule {
    template::Schedule {
        name: "Worker-Tick".to_owned(),
        expression: String::new(),
        input,
        enabled: true,
    }
}

#[tokio::test]
async fn runs_never_overlap_and_the_last_one_finishes() {
    let (events, mut received) = mpsc::unbounded_channel();
    let worker = Arc::new(Worker {
        events,
        running: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
    });
    let sandbox = Arc::new(Sandbox::new(
        &function(),
        Arc::clone(&worker) as kit::Function,
        Clock::system(),
    ));
    let (stop, stopped) = crate::stop::Stop::new();
    let mut schedules = Schedules::default();
    let rate = Expression::Rate(SignedDuration::from_millis(1));
    let time = Time {
        clock: Clock::system(),
        speed: 1,
    };
    schedules.start(&schedule(None), rate, sandbox, time, stopped);
    for _ in 0..3 {
        let event = received.recv().await.unwrap();
        assert_eq!(event["detail-type"], "Scheduled Event");
        assert_eq!(
            event["resources"][0],
            "arn:aws:events:ap-northeast-2:000000000000:rule/Worker-Tick"
        );
    }
    let runs = schedules.runs()["Worker-Tick"];
    assert!(runs.ended >= 2 && runs.failed == 0, "{runs:?}");
    stop.give();
    schedules.drain(Duration::from_secs(10)).await;
    assert_eq!(worker.most.load(Ordering::SeqCst), 1);
    assert_eq!(worker.running.load(Ordering::SeqCst), 0);
}

#[test]
fn an_input_is_the_whole_event() {
    let input = json!({"kind": "sweep"});
    assert_eq!(
        event(&schedule(Some(input.clone())), Timestamp::now()),
        input
    );
}

#[test]
fn a_fast_hour_is_waited_for_in_seconds() {
    let now: domain::Instant = "2026-11-20T00:00:00Z".parse().unwrap();
    let (clock, _) = Clock::manual(now);
    let time = Time {
        clock,
        speed: 1_440,
    };
    let in_an_hour = time.now() + SignedDuration::from_hours(1);
    assert_eq!(time.until(in_an_hour), Duration::from_millis(2_500));
    assert_eq!(
        time.until(time.now() - SignedDuration::from_hours(1)),
        Duration::ZERO
    );
}
