//! Access tokens at the door: who comes in, and what everybody else is told.

use std::time::Duration;

use domain::{
    DeviceKey, Instant, RandomId,
    identity::{AccessClaims, SessionsEnded},
};
use kit::{Code, Principal, middleware::Authority};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use store::{PublishedKeys, Revocations, SigningKeys, edge::TokenAuthority, revocations::Change};

use crate::harness::{Dynamo, NOON, Stamps};

fn id(seed: u64) -> RandomId {
    RandomId::new(NOON, &mut StdRng::seed_from_u64(seed))
}

fn claims() -> AccessClaims {
    AccessClaims {
        iss: "madang".into(),
        aud: "app".into(),
        sub: id(1),
        sid: id(2),
        dev: Some(DeviceKey::from_bytes([3; 16])),
        jti: id(4),
        iat: NOON.as_seconds(),
        exp: NOON.as_seconds() + 900,
    }
}

/// `claims()` with some members others, or none where they are null.
fn with(changes: Value) -> Value {
    let mut all = serde_json::to_value(claims()).unwrap();
    let all_of = all.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => all_of.remove(name),
            value => all_of.insert(name.clone(), value.clone()),
        };
    }
    all
}

struct Door {
    dynamo: Dynamo,
    authority: TokenAuthority,
    keys: SigningKeys,
}

impl Door {
    async fn open() -> Self {
        let dynamo = Dynamo::start().await;
        let keys = SigningKeys::first().unwrap();
        let published = PublishedKeys::new(dynamo.table());
        published
            .publish(&keys, Stamps::new().next())
            .await
            .unwrap();
        let authority = TokenAuthority::new(&dynamo.table(), "madang".into(), "app".into());
        Self {
            dynamo,
            authority,
            keys,
        }
    }

    async fn code(&self, token: &str, now: Instant) -> Option<Code> {
        let answer = self.authority.access_token(token.to_owned(), now).await;
        answer.err().map(|problem| problem.code)
    }
}

#[tokio::test]
async fn a_token_of_ours_says_who_calls_until_the_second_it_expires() {
    let door = Door::open().await;
    let token = door.keys.sign(&claims()).unwrap();
    let known = door.authority.access_token(token.clone(), NOON).await;
    let member = Principal::Member {
        id: id(1),
        session: id(2),
        device: Some(DeviceKey::from_bytes([3; 16])),
    };
    assert_eq!(known.unwrap(), member);
    let end = NOON + Duration::from_secs(900);
    let last = end - Duration::from_millis(1);
    assert_eq!(door.code(&token, last).await, None);
    assert_eq!(door.code(&token, end).await, Some(Code::TokenExpired));
}

#[tokio::test]
async fn every_other_token_is_refused_by_its_own_name() {
    let door = Door::open().await;
    let now = NOON.as_seconds();
    for (changes, code) in [
        (json!({"iss": "other"}), Code::TokenIssuer),
        (json!({"aud": "other"}), Code::TokenAudience),
        (json!({"aud": ["app", "other"]}), Code::TokenAudience),
        (json!({"iss": "other", "aud": "other"}), Code::TokenIssuer),
        (json!({"exp": now - 3_600}), Code::TokenExpired),
        (
            json!({"iat": now + 3_600, "exp": now + 4_000}),
            Code::TokenInvalid,
        ),
        (json!({"exp": now + 901}), Code::TokenInvalid),
        (json!({"exp": null}), Code::TokenInvalid),
        (json!({"sub": "me"}), Code::TokenInvalid),
    ] {
        let token = door.keys.sign(&with(changes.clone())).unwrap();
        assert_eq!(door.code(&token, NOON).await, Some(code), "{changes}");
    }
    let good = door.keys.sign(&claims()).unwrap();
    let stranger = SigningKeys::first().unwrap().sign(&claims()).unwrap();
    let long = door
        .keys
        .sign(&with(json!({"more": "x".repeat(1_200)})))
        .unwrap();
    let altered = good.replace('.', ".A");
    for bad in [
        &stranger,
        &long,
        &altered,
        &good[..good.len() - 2],
        "a.b.c",
        "",
    ] {
        assert_eq!(
            door.code(bad, NOON).await,
            Some(Code::TokenInvalid),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_token_of_another_type_opens_nothing_and_an_untyped_one_is_refreshed() {
    let door = Door::open().await;
    for (typ, code) in [
        ("at+jwt", None),
        ("AT+JWT", None),
        ("application/at+jwt", None),
        // As issued by earlier versions.
        ("JWT", Some(Code::TokenExpired)),
        ("jwt", Some(Code::TokenExpired)),
        ("logout+jwt", Some(Code::TokenInvalid)),
        ("", Some(Code::TokenInvalid)),
    ] {
        let token = door.keys.sign_as(typ, &claims()).unwrap();
        assert_eq!(door.code(&token, NOON).await, code, "{typ:?}");
    }
    let other = with(json!({"aud": "other"}));
    let other = door.keys.sign_as("JWT", &other).unwrap();
    assert_eq!(door.code(&other, NOON).await, Some(Code::TokenAudience));
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_the_database_once_a_second() {
    let door = Door::open().await;
    let good = door.keys.sign(&claims()).unwrap();
    assert_eq!(door.code(&good, NOON).await, None);
    let strangers: Vec<String> = (0..20)
        .map(|_| SigningKeys::first().unwrap().sign(&claims()).unwrap())
        .collect();
    let later = NOON + Duration::from_secs(5);
    let began = std::time::Instant::now();
    let flood = strangers.iter().map(|token| door.code(token, later));
    for code in futures_util::future::join_all(flood).await {
        assert_eq!(code, Some(Code::TokenInvalid));
    }
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(door.code(&good, later).await, None);
}

#[tokio::test]
async fn whoever_is_revoked_is_told_so() {
    let door = Door::open().await;
    let token = door.keys.sign(&claims()).unwrap();
    let revocations = Revocations::new(door.dynamo.table());
    let ban = Change::Ban {
        member: id(1),
        message: serde_json::from_value(json!({"default": "Out"})).unwrap(),
        ends_at: None,
    };
    revocations.change(&ban, NOON).await.unwrap();
    assert_eq!(door.code(&token, NOON).await, Some(Code::MemberBanned));
    let lift = Change::Lift(id(1));
    let soon = NOON + Duration::from_millis(1);
    revocations.change(&lift, soon).await.unwrap();
    let ended = SessionsEnded {
        at: NOON,
        except: None,
    };
    let end = Change::EndAll(id(1), ended);
    revocations.change(&end, NOON).await.unwrap();
    let later = NOON + Duration::from_secs(9);
    assert_eq!(door.code(&token, later).await, Some(Code::TokenInvalid));
}

#[tokio::test]
async fn without_keys_nobody_comes_in_and_is_told_to_come_back() {
    let dynamo = Dynamo::start().await;
    let table = dynamo.table();
    let token = SigningKeys::first().unwrap().sign(&claims()).unwrap();
    drop(dynamo);
    let authority = TokenAuthority::new(&table, "madang".into(), "app".into());
    let answer = authority.access_token(token, NOON).await;
    assert_eq!(answer.unwrap_err().code, Code::Unavailable);
}
