//! Revocations: a log that only grows, and verifiers that follow it.

use std::{collections::HashMap, time::Duration};

use domain::{
    DeviceKey, Instant, Localized, RandomId,
    identity::{AccessClaims, MemberId, SessionsEnded},
};
use rand::{SeedableRng, rngs::StdRng};
use store::{
    Revocations,
    revocations::{Change, Refusal, RevocationReader},
};

use crate::harness::{Dynamo, NOON, put_item, raw::Value};

fn after(seconds: u64) -> Instant {
    NOON + Duration::from_secs(seconds)
}

fn id(seed: u64, made_at: Instant) -> RandomId {
    RandomId::new(made_at, &mut StdRng::seed_from_u64(seed))
}

/// A token that was issued at noon to a session of then.
fn claims(member: MemberId) -> AccessClaims {
    AccessClaims {
        iss: "madang".into(),
        aud: "app".into(),
        sub: member,
        sid: id(7, NOON),
        dev: Some(DeviceKey::from_bytes([0; 16])),
        jti: id(8, NOON),
        iat: NOON.as_seconds(),
        exp: after(900).as_seconds(),
    }
}

fn message(text: &str) -> Localized {
    serde_json::from_value(serde_json::json!({ "default": text })).unwrap()
}

fn ban(member: MemberId, ends_at: Option<Instant>) -> Change {
    Change::Ban {
        member,
        message: message("Out"),
        ends_at,
    }
}

struct Watch {
    revocations: Revocations,
    _dynamo: Dynamo,
}

impl Watch {
    async fn start() -> Self {
        let dynamo = Dynamo::start().await;
        Self {
            revocations: Revocations::new(dynamo.table()),
            _dynamo: dynamo,
        }
    }

    async fn change(&self, change: &Change, now: Instant) {
        self.revocations.change(change, now).await.unwrap();
    }

    /// What a verifier that has just started makes of a token.
    async fn check(&self, claims: &AccessClaims, now: Instant) -> Result<(), Refusal> {
        let reader = RevocationReader::new(self.revocations.clone());
        reader.current(now).await.unwrap().check(claims, now)
    }
}

#[tokio::test]
async fn a_ban_acts_until_it_ends_or_is_lifted() {
    let watch = Watch::start().await;
    let (banned, other) = (claims(id(1, NOON)), claims(id(2, NOON)));
    assert_eq!(watch.check(&banned, NOON).await, Ok(()));
    let ends_at = Some(after(60));
    watch.change(&ban(banned.sub, ends_at), NOON).await;
    let refused = Err(Refusal::Banned {
        message: message("Out"),
        ends_at,
    });
    assert_eq!(watch.check(&banned, after(59)).await, refused);
    assert_eq!(watch.check(&other, after(59)).await, Ok(()));
    assert_eq!(watch.check(&banned, after(60)).await, Ok(()));
    watch.change(&ban(banned.sub, None), after(61)).await;
    assert!(watch.check(&banned, after(62)).await.is_err());
    watch.change(&Change::Lift(banned.sub), after(63)).await;
    assert_eq!(watch.check(&banned, after(64)).await, Ok(()));
}

#[tokio::test]
async fn sessions_that_were_ended_stay_out_and_later_ones_come_in() {
    let watch = Watch::start().await;
    let token = claims(id(1, NOON));
    let ended = |except| SessionsEnded {
        at: after(10),
        except,
    };
    let spared = Change::EndAll(token.sub, ended(Some(token.sid)));
    watch.change(&spared, after(10)).await;
    assert_eq!(watch.check(&token, after(11)).await, Ok(()));
    let all = Change::EndAll(token.sub, ended(None));
    watch.change(&all, after(10)).await;
    assert_eq!(watch.check(&token, after(11)).await, Err(Refusal::Ended));
    let anew = AccessClaims {
        sid: id(9, after(11)),
        ..token.clone()
    };
    assert_eq!(watch.check(&anew, after(11)).await, Ok(()));
}

#[tokio::test]
async fn the_list_acts_on_a_warm_verifier_within_ten_seconds_and_on_an_idle_one_at_once() {
    let watch = Watch::start().await;
    let token = claims(id(1, NOON));
    let reader = RevocationReader::new(watch.revocations.clone());
    let out = async |now| {
        let list = reader.current(now).await.unwrap();
        list.check(&token, now).is_err()
    };
    assert!(!out(NOON).await);
    watch.change(&ban(token.sub, None), after(1)).await;
    assert!(!out(after(2)).await);
    // This one looks beside.
    assert!(!out(after(4)).await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(out(after(5)).await);

    watch.change(&Change::Lift(token.sub), after(6)).await;
    assert!(!out(after(600)).await);
}

#[tokio::test]
async fn an_entry_that_is_written_late_is_found_and_all_lapse_with_the_longest_token() {
    let watch = Watch::start().await;
    let (first, late) = (claims(id(1, NOON)), claims(id(2, NOON)));
    let reader = RevocationReader::new(watch.revocations.clone());
    let out = async |claims: &AccessClaims, now| {
        let list = reader.current(now).await.unwrap();
        list.check(claims, now).is_err()
    };
    // Across the end of a minute, each time by a look that is waited for.
    watch.change(&ban(first.sub, None), after(50)).await;
    assert!(out(&first, after(65)).await);
    watch.change(&ban(late.sub, None), after(55)).await;
    assert!(out(&late, after(75)).await);
    assert!(out(&first, after(75)).await);
    assert!(out(&late, after(55 + 900)).await);
    assert!(!out(&late, after(55 + 960)).await);
}

#[tokio::test]
async fn the_last_of_a_ban_and_its_lifting_is_told_by_the_members_standing() {
    let watch = Watch::start().await;
    let token = claims(id(1, NOON));
    watch.change(&ban(token.sub, None), after(1)).await;
    // Both carry the order of their writes; these two have the time.
    watch.change(&Change::Lift(token.sub), after(2)).await;
    watch.change(&ban(token.sub, None), after(3)).await;
    assert!(watch.check(&token, after(4)).await.is_err());
    watch.change(&Change::Lift(token.sub), after(5)).await;
    assert_eq!(watch.check(&token, after(6)).await, Ok(()));
}

#[tokio::test]
async fn the_list_of_an_earlier_version_is_read_until_its_entries_lapse() {
    let watch = Watch::start().await;
    let (banned, ended, early) = (
        claims(id(1, NOON)),
        claims(id(2, NOON)),
        claims(id(3, NOON)),
    );
    let over = AccessClaims {
        sid: id(9, NOON),
        ..claims(id(4, NOON))
    };
    let text = |text: String| Value::S(text);
    let entry = |kind: &str, member: MemberId, more: (&str, Value)| {
        Value::M(HashMap::from([
            ("made_at".to_owned(), text(NOON.to_string())),
            ("kind".to_owned(), text(kind.to_owned())),
            ("member".to_owned(), text(member.to_string())),
            (more.0.to_owned(), more.1),
        ]))
    };
    let one = |name: &str, value: String| Value::M(HashMap::from([(name.to_owned(), text(value))]));
    let entries = vec![
        entry("ban", banned.sub, ("message", one("default", "Out".into()))),
        entry(
            "sessions",
            ended.sub,
            ("ended", one("at", NOON.to_string())),
        ),
        // Of the member's other attributes, one session has none.
        entry("session", over.sub, ("session", text(over.sid.to_string()))),
    ];
    let old = HashMap::from([
        ("pk".to_owned(), text("revocations".into())),
        ("sk".to_owned(), text("head".into())),
        ("version".to_owned(), Value::N("2".into())),
        ("entries".to_owned(), Value::L(entries)),
    ]);
    put_item(&watch._dynamo, old).await;
    assert!(matches!(
        watch.check(&banned, after(1)).await,
        Err(Refusal::Banned { .. })
    ));
    assert_eq!(watch.check(&ended, after(1)).await, Err(Refusal::Ended));
    assert_eq!(watch.check(&over, after(1)).await, Err(Refusal::Ended));
    assert_eq!(watch.check(&early, after(1)).await, Ok(()));
    assert_eq!(watch.check(&banned, after(960)).await, Ok(()));
    watch.change(&Change::Lift(banned.sub), after(2)).await;
    assert_eq!(watch.check(&banned, after(3)).await, Ok(()));
}
