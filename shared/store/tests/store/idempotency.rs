//! Idempotency records: first, repeat, busy, reused, lapsed.

use std::time::Duration;

use store::{
    Requests,
    idempotency::{Answer, Begun, REMEMBERED, Scope},
};

use crate::harness::{Dynamo, Fault, NOON, Proxy, Stamps, table_at};

const SCOPE: Scope<'static> = Scope {
    caller: "member-1",
    route: "POST /v1/purchases",
    key: "k-1",
};

const TIMEOUT: Duration = Duration::from_secs(10);

fn answer() -> Answer {
    Answer {
        status: 201,
        headers: vec![("location".into(), "/v1/purchases/1".into())],
        body: "{\"id\":1}".into(),
    }
}

#[tokio::test]
async fn the_first_does_the_work_and_a_repeat_gets_its_answer_for_a_day() {
    let dynamo = Dynamo::start().await;
    let requests = Requests::new(dynamo.table());
    let mut stamps = Stamps::new();
    let deadline = NOON + TIMEOUT;
    let mut begin = async |scope, body: &'static [u8], now| {
        let stamp = stamps.next();
        requests
            .begin(scope, body, deadline.max(now + TIMEOUT), stamp, now)
            .await
            .unwrap()
    };

    let Begun::Fresh(claim) = begin(SCOPE, b"{}", NOON).await else {
        panic!("nobody was before");
    };
    assert_eq!(begin(SCOPE, b"{}", NOON).await, Begun::Busy);
    assert_eq!(begin(SCOPE, b"{ }", NOON).await, Begun::Reused);
    let others = [
        Scope {
            caller: "member-2",
            ..SCOPE
        },
        Scope {
            route: "POST /v1/profiles",
            ..SCOPE
        },
        Scope {
            key: "k-2",
            ..SCOPE
        },
    ];
    for other in others {
        assert!(
            matches!(begin(other, b"{}", NOON).await, Begun::Fresh(_)),
            "{other:?}"
        );
    }

    requests.finish(claim, answer(), NOON).await.unwrap();
    let within = NOON + REMEMBERED - Duration::from_millis(1);
    assert_eq!(begin(SCOPE, b"{}", within).await, Begun::Replay(answer()));
    assert_eq!(begin(SCOPE, b"[]", within).await, Begun::Reused);
    let beyond = begin(SCOPE, b"[]", NOON + REMEMBERED).await;
    assert!(
        matches!(beyond, Begun::Fresh(_)),
        "expired, though the table still has it"
    );
}

#[tokio::test]
async fn a_claim_lapses_at_its_deadline_and_then_belongs_to_the_next() {
    let dynamo = Dynamo::start().await;
    let requests = Requests::new(dynamo.table());
    let mut stamps = Stamps::new();
    let deadline = NOON + TIMEOUT;
    let begun = requests
        .begin(SCOPE, b"{}", deadline, stamps.next(), NOON)
        .await
        .unwrap();
    let Begun::Fresh(first) = begun else {
        panic!("nobody was before");
    };
    let begun = requests
        .begin(SCOPE, b"{}", deadline + TIMEOUT, stamps.next(), deadline)
        .await
        .unwrap();
    let Begun::Fresh(second) = begun else {
        panic!("the first has lapsed");
    };
    requests.abandon(first.clone()).await.unwrap();
    let late = requests.finish(first, answer(), deadline).await;
    assert!(late.unwrap_err().is_conflict(), "it is the second's now");
    requests
        .finish(second.clone(), answer(), deadline)
        .await
        .unwrap();
    requests.abandon(second).await.unwrap();
    let begun = requests
        .begin(SCOPE, b"{}", deadline, stamps.next(), deadline)
        .await
        .unwrap();
    assert_eq!(
        begun,
        Begun::Replay(answer()),
        "what was answered is not given up"
    );
}

#[tokio::test]
async fn an_abandoned_request_may_be_done_at_once() {
    let dynamo = Dynamo::start().await;
    let requests = Requests::new(dynamo.table());
    let mut stamps = Stamps::new();
    for _ in 0..2 {
        let begun = requests
            .begin(SCOPE, b"{}", NOON + TIMEOUT, stamps.next(), NOON)
            .await
            .unwrap();
        let Begun::Fresh(claim) = begun else {
            panic!("nothing was done yet");
        };
        requests.abandon(claim).await.unwrap();
    }
}

#[tokio::test]
async fn of_twenty_at_once_one_is_fresh_also_when_answers_are_lost() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    proxy.set(|nth, _| {
        if nth % 3 == 0 {
            Fault::LoseAnswer
        } else {
            Fault::None
        }
    });
    let requests = Requests::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let mut stamps = Stamps::new();
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (requests, stamp) = (requests.clone(), stamps.next());
            tokio::spawn(async move {
                requests
                    .begin(SCOPE, b"{}", NOON + TIMEOUT, stamp, NOON)
                    .await
            })
        })
        .collect();
    let mut fresh = 0;
    for tried in tries {
        // One that lost every answer does not know, and says so.
        match tried.await.unwrap() {
            Ok(Begun::Fresh(_)) => fresh += 1,
            Ok(begun) => assert_eq!(begun, Begun::Busy),
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    assert!(fresh <= 1, "{fresh} believe that they are the first");
}
