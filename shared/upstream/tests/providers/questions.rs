//! Questions to systems that misbehave.

use std::time::{Duration, Instant as Stopwatch};

use domain::Instant;
use upstream::https::{Failure, Https, Question};

use crate::stand_in::{Reply, StandIn};

const NOW: Instant = Instant::from_seconds(1_800_000_000);
const DEADLINE: Duration = Duration::from_millis(500);
const LIMIT: usize = 1_024;

async fn ask(stand_in: &StandIn, path: &str) -> Result<(u16, usize), Failure> {
    let question = Question::get(&format!("{}{path}", stand_in.url), &[]);
    let answer = Https::new(DEADLINE).ask(&question, LIMIT, NOW).await?;
    Ok((answer.status.as_u16(), answer.body.len()))
}

#[tokio::test]
async fn every_misbehaviour_ends_at_the_deadline_with_its_name() {
    let stand_in = StandIn::start().await;
    let trap = StandIn::start().await;
    for (reply, told, calls) in [
        (Reply::ok("{}"), Ok((200, 2)), 1),
        (Reply::Say(400, "{}".to_owned()), Ok((400, 2)), 1),
        (Reply::Say(500, String::new()), Err(Failure::Status(500)), 2),
        (Reply::Say(503, String::new()), Err(Failure::Status(503)), 2),
        (Reply::Say(429, String::new()), Err(Failure::Status(429)), 1),
        (Reply::HangUp, Err(Failure::Broken), 2),
        (Reply::Hang, Err(Failure::TimedOut), 1),
        (Reply::Drip, Err(Failure::TimedOut), 1),
        (
            Reply::Redirect(format!("{}/x", trap.url)),
            Err(Failure::Status(302)),
            1,
        ),
        (Reply::Bytes(LIMIT), Ok((200, LIMIT)), 1),
        (Reply::Bytes(LIMIT + 1), Err(Failure::TooLarge), 1),
        (Reply::Bytes(64 << 20), Err(Failure::TooLarge), 1),
        (Reply::Endless, Err(Failure::TooLarge), 1),
    ] {
        let before = stand_in.calls("/x");
        stand_in.set("/x", reply);
        let began = Stopwatch::now();
        assert_eq!(ask(&stand_in, "/x").await, told);
        assert!(began.elapsed() < DEADLINE * 2, "{told:?}");
        assert_eq!(stand_in.calls("/x") - before, calls, "{told:?}");
    }
    assert!(trap.seen().is_empty());
    assert!(
        stand_in.sent_bytes() < 64 << 20,
        "{}",
        stand_in.sent_bytes()
    );
}

#[tokio::test]
async fn who_is_not_there_is_unreachable() {
    let question = Question::get("http://127.0.0.1:1/x", &[]);
    let told = Https::new(DEADLINE).ask(&question, LIMIT, NOW).await;
    assert_eq!(told.unwrap_err(), Failure::Unreachable);
}

#[tokio::test]
async fn nobody_is_believed_without_a_certificate() {
    let stand_in = StandIn::start().await;
    let url = stand_in.url.replace("http:", "https:");
    let question = Question::get(&format!("{url}/x"), &[]);
    let told = Https::new(DEADLINE).ask(&question, LIMIT, NOW).await;
    assert!(
        matches!(told, Err(Failure::Unreachable | Failure::TimedOut)),
        "{told:?}"
    );
    assert!(stand_in.seen().is_empty());
}

#[tokio::test]
async fn a_connection_is_kept_between_questions_and_not_over_a_freeze() {
    let stand_in = StandIn::start().await;
    stand_in.set("/x", Reply::ok("{}"));
    let question = Question::get(&format!("{}/x", stand_in.url), &[]);
    let https = Https::new(DEADLINE);
    for (seconds, connections) in [(0, 1), (10, 1), (20, 1), (31, 2), (31, 2)] {
        let now = NOW + Duration::from_secs(seconds);
        https.ask(&question, LIMIT, now).await.unwrap();
        // The connection goes back to its pool beside.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(stand_in.connections(), connections, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_read_that_fails_is_tried_again_and_a_write_is_not() {
    let stand_in = StandIn::start().await;
    let url = format!("{}/x", stand_in.url);
    stand_in.set("/x", Reply::HangUp);
    let https = Https::new(DEADLINE);
    for (question, once, calls) in [
        (Question::get(&url, &[]), false, 2),
        (Question::get(&url, &[]), true, 1),
        (Question::post(&url, &[("a", "b")]), false, 1),
        (Question::delete(&url, &[]), false, 1),
    ] {
        let before = stand_in.calls("/x");
        let told = match once {
            true => https.ask_once(&question, LIMIT, NOW).await,
            false => https.ask(&question, LIMIT, NOW).await,
        };
        assert_eq!(told.unwrap_err(), Failure::Broken);
        assert_eq!(stand_in.calls("/x") - before, calls, "{question:?}");
    }
}

#[tokio::test]
async fn forms_and_queries_are_encoded_and_compression_is_not_asked_for() {
    let stand_in = StandIn::start().await;
    let url = format!("{}/x", stand_in.url);
    stand_in.set("/x", Reply::ok("{}"));
    let https = Https::new(DEADLINE);
    let pairs = [("token", "a|b&c=d é"), ("x", "")];
    let encoded = "token=a%7Cb%26c%3Dd+%C3%A9&x=";
    let question = Question::get(&url, &pairs).authorized("Bearer", "secret");
    https.ask(&question, LIMIT, NOW).await.unwrap();
    let seen = stand_in.last("/x");
    assert_eq!((&*seen.method, &*seen.query), ("GET", encoded));
    assert_eq!(seen.header("authorization"), Some("Bearer secret"));
    assert_eq!(seen.header("accept-encoding"), None);
    https
        .ask(&Question::post(&url, &pairs), LIMIT, NOW)
        .await
        .unwrap();
    let seen = stand_in.last("/x");
    assert_eq!(
        (&*seen.method, &*seen.query, &*seen.body),
        ("POST", "", encoded)
    );

    let broken = Question::get(&url, &[]).authorized("Bearer", "a\r\nb");
    let told = https.ask(&broken, LIMIT, NOW).await;
    assert_eq!(told.unwrap_err(), Failure::Unsendable);
    let question = Question::get(&url, &[("token", "hidden")]).authorized("Bearer", "hidden");
    assert!(!format!("{question:?}").contains("hidden"));
}
