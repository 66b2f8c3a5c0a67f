//! The SDK's own client against a stand-in for Secrets Manager that also misbehaves.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    io,
    num::ParseIntError,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws::{Aws, Endpoints, Keys, Settings};
use domain::Instant;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use upstream::{Secret, SecretError, SecretsManager, secrets::Freshness};

const TTL: Duration = Duration::from_secs(300);
const STALE_LIMIT: Duration = Duration::from_secs(3_600);
const START: Instant = Instant::from_millis(1_772_366_400_000);

/// What the stand-in does with a call.
#[derive(Clone)]
enum Behaviour {
    Tell(&'static str),
    Fail(&'static str, &'static str),
    Garbage,
    HangUp,
}

struct StandIn {
    endpoint: String,
    behaviour: Arc<Mutex<Behaviour>>,
    calls: Arc<AtomicUsize>,
}

impl StandIn {
    async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stand_in = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            behaviour: Arc::new(Mutex::new(behaviour)),
            calls: Arc::default(),
        };
        let (behaviour, calls) = (Arc::clone(&stand_in.behaviour), Arc::clone(&stand_in.calls));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&behaviour), Arc::clone(&calls)));
            }
        });
        stand_in
    }

    fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// A secret that is a number.
    fn secret(&self) -> Secret<u32> {
        let aws = Aws::new(Settings {
            region: "ap-northeast-2".into(),
            credentials: Keys {
                access_key_id: "id".into(),
                secret_access_key: "secret".into(),
                session_token: None,
            },
            endpoints: Endpoints {
                secrets_manager: Some(self.endpoint.clone()),
                ..Endpoints::default()
            },
            app_name: "track".into(),
        })
        .unwrap();
        let freshness = Freshness {
            ttl: TTL,
            stale_limit: STALE_LIMIT,
        };
        SecretsManager::connect(&aws).secret::<u32, ParseIntError>("number", freshness, str::parse)
    }
}

async fn serve(
    mut stream: TcpStream,
    behaviour: Arc<Mutex<Behaviour>>,
    calls: Arc<AtomicUsize>,
) -> io::Result<()> {
    let mut seen = Vec::new();
    while stream.read_buf(&mut seen).await? > 0 {
        // The request's JSON body ends it; nothing in its head closes a brace.
        if !seen.ends_with(b"}") {
            continue;
        }
        seen.clear();
        calls.fetch_add(1, Ordering::SeqCst);
        // Long enough for others to come meanwhile.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let behaviour = behaviour.lock().unwrap().clone();
        let (status, body) = match behaviour {
            Behaviour::Tell(text) => (
                "200 OK",
                format!(r#"{{"Name":"number","SecretString":"{text}"}}"#),
            ),
            Behaviour::Fail(status, code) => (status, format!(r#"{{"__type":"{code}"}}"#)),
            Behaviour::Garbage => ("200 OK", "<html>".to_owned()),
            Behaviour::HangUp => return Ok(()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
    }
    Ok(())
}

/// Waits until the secret was read at `at`, beside whoever asked.
async fn until_read_at(secret: &Secret<u32>, at: Instant) {
    while secret.age(at) != Some(Duration::ZERO) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn many_that_ask_at_once_are_answered_by_one_call() {
    let stand_in = StandIn::start(Behaviour::Tell("7")).await;
    let secret = stand_in.secret();
    assert_eq!(secret.age(START), None);
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let secret = secret.clone();
            tokio::spawn(async move { secret.get(START).await })
        })
        .collect();
    for answer in asked {
        assert_eq!(*answer.await.unwrap().unwrap(), 7);
    }
    assert_eq!(*secret.get(START + TTL / 2).await.unwrap(), 7);
    assert_eq!(stand_in.calls(), 1);
}

#[tokio::test]
async fn many_that_ask_in_vain_cost_one_call_too() {
    let stand_in = StandIn::start(Behaviour::Fail(
        "400 Bad Request",
        "ResourceNotFoundException",
    ))
    .await;
    let secret = stand_in.secret();
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let secret = secret.clone();
            tokio::spawn(async move { secret.get(START).await })
        })
        .collect();
    for answer in asked {
        let error = answer.await.unwrap().unwrap_err();
        assert!(matches!(error, SecretError::Missing { .. }), "{error}");
    }
    assert_eq!(stand_in.calls(), 1);

    stand_in.behave(Behaviour::Tell("8"));
    let later = START + Duration::from_secs(1);
    assert_eq!(
        *secret.get(later).await.unwrap(),
        8,
        "a second later it is tried again"
    );
}

#[tokio::test]
async fn an_old_secret_is_given_at_once_and_read_again_beside() {
    let stand_in = StandIn::start(Behaviour::Tell("1")).await;
    let secret = stand_in.secret();
    secret.get(START).await.unwrap();
    stand_in.behave(Behaviour::Tell("2"));
    let later = START + TTL;
    for _ in 0..20 {
        assert_eq!(*secret.get(later).await.unwrap(), 1, "nobody waits");
    }
    until_read_at(&secret, later).await;
    assert_eq!(*secret.get(later).await.unwrap(), 2);
    assert_eq!(stand_in.calls(), 2);
}

#[tokio::test]
async fn a_secret_is_used_while_it_cannot_be_read_again_but_not_for_ever() {
    let misbehaviours = [
        Behaviour::Fail("500 Internal Server Error", "InternalServiceError"),
        Behaviour::Fail("400 Bad Request", "ThrottlingException"),
        Behaviour::Tell(""),
        Behaviour::Garbage,
        Behaviour::HangUp,
        Behaviour::Tell("not a number"),
    ];
    for misbehaviour in misbehaviours {
        let stand_in = StandIn::start(Behaviour::Tell("1")).await;
        let secret = stand_in.secret();
        secret.get(START).await.unwrap();
        stand_in.behave(misbehaviour);
        let mut now = START + TTL;
        assert_eq!(*secret.get(now).await.unwrap(), 1);
        now = now + Duration::from_secs(60);
        assert_eq!(*secret.get(now).await.unwrap(), 1);
        assert!(secret.get(START + STALE_LIMIT).await.is_err());
    }
}

#[tokio::test]
async fn errors_say_whether_waiting_helps() {
    let stand_in = StandIn::start(Behaviour::HangUp).await;
    let refused = stand_in.secret().get(START).await.unwrap_err();
    assert!(
        matches!(refused, SecretError::Unavailable { .. }),
        "{refused}"
    );
    stand_in.behave(Behaviour::Fail("400 Bad Request", "AccessDeniedException"));
    let refused = stand_in.secret().get(START).await.unwrap_err();
    assert!(matches!(refused, SecretError::Refused { .. }), "{refused}");
    stand_in.behave(Behaviour::Fail("503 Service Unavailable", "SomethingNew"));
    let refused = stand_in.secret().get(START).await.unwrap_err();
    assert!(
        matches!(refused, SecretError::Unavailable { .. }),
        "{refused}"
    );
    for nothing in ["", " "] {
        stand_in.behave(Behaviour::Tell(nothing));
        let missing = stand_in.secret().get(START).await.unwrap_err();
        assert!(matches!(missing, SecretError::Missing { .. }), "{missing}");
    }
    stand_in.behave(Behaviour::Tell("seven"));
    let refused = stand_in.secret().get(START).await.unwrap_err();
    assert!(
        matches!(refused, SecretError::Malformed { .. }),
        "{refused}"
    );
    assert!(!refused.to_string().contains("seven"));
}

#[tokio::test]
async fn whoever_knows_that_it_changed_gets_what_it_is_now_but_not_twice_a_second() {
    let stand_in = StandIn::start(Behaviour::Tell("1")).await;
    let secret = stand_in.secret();
    secret.get(START).await.unwrap();
    stand_in.behave(Behaviour::Tell("2"));
    let moment = START + Duration::from_millis(999);
    assert_eq!(*secret.refresh(moment).await.unwrap(), 1);
    assert_eq!(stand_in.calls(), 1);

    let later = START + Duration::from_secs(1);
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let secret = secret.clone();
            tokio::spawn(async move { secret.refresh(later).await })
        })
        .collect();
    for answer in asked {
        assert_eq!(*answer.await.unwrap().unwrap(), 2);
    }
    assert_eq!(*secret.get(later).await.unwrap(), 2);
    assert_eq!(stand_in.calls(), 2);

    stand_in.behave(Behaviour::Fail("400 Bad Request", "AccessDeniedException"));
    let broken = later + Duration::from_secs(1);
    for _ in 0..2 {
        let refused = secret.refresh(broken).await.unwrap_err();
        assert!(matches!(refused, SecretError::Refused { .. }), "{refused}");
    }
    assert_eq!(*secret.get(broken).await.unwrap(), 2, "what was read stays");
    assert_eq!(stand_in.calls(), 3, "in vain no more often either");
}

#[tokio::test]
async fn a_secret_is_not_printed() {
    let stand_in = StandIn::start(Behaviour::Tell("4711")).await;
    let secret = stand_in.secret();
    secret.get(START).await.unwrap();
    assert_eq!(format!("{secret:?}"), "Secret(number)");
}
