//! Revocations: a bounded list that is changed together with its cause.

use std::time::Duration;

use domain::{
    DeviceKey, Instant, Localized, RandomId,
    identity::{AccessClaims, MemberId, SessionsEnded},
};
use rand::{SeedableRng, rngs::StdRng};
use store::{
    Audit, Revocations, StoreError, Transaction, audit,
    revocations::{Change, Refusal, RevocationReader},
};

use crate::harness::{Dynamo, NOON, items};

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
    watch.change(&Change::End(anew.sid), after(12)).await;
    assert_eq!(watch.check(&anew, after(13)).await, Err(Refusal::Ended));
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
async fn a_full_list_has_the_oldest_tokens_renewed_and_forgets_no_ban_that_is_newer() {
    let watch = Watch::start().await;
    let long = message(&"x".repeat(3_900));
    for n in 0..50 {
        let change = Change::Ban {
            member: id(n, NOON),
            message: long.clone(),
            ends_at: None,
        };
        watch.change(&change, after(n)).await;
    }
    assert_eq!(
        watch.check(&claims(id(0, NOON)), after(50)).await,
        Err(Refusal::ToBeRenewed)
    );
    assert!(matches!(
        watch.check(&claims(id(49, NOON)), after(50)).await,
        Err(Refusal::Banned { .. })
    ));
    let fresh = AccessClaims {
        jti: id(8, after(49)),
        ..claims(id(77, NOON))
    };
    assert_eq!(watch.check(&fresh, after(50)).await, Ok(()));
}

#[tokio::test]
async fn fifty_bans_at_once_are_all_on_the_list_each_with_its_record() {
    let watch = Watch::start().await;
    let audit = Audit::new(watch._dynamo.table());
    let table = watch._dynamo.table();
    let banning = (0..50).map(|n| {
        let (revocations, audit, table) = (&watch.revocations, &audit, &table);
        async move {
            let change = ban(id(n, NOON), None);
            let record = audit::Record {
                id: id(1_000 + n, NOON),
                at: NOON,
                operator: "service:ops".into(),
                ip: Some("192.0.2.1".parse().unwrap()),
                action: "member.ban",
                resource: format!("member/{n}"),
                before: None,
                after: Some(serde_json::json!({"ends_at": null})),
                request_id: "r".into(),
            };
            // More than a handful at once do meet each other: those try again, as callers do.
            loop {
                let done = revocations.together_with(&change, NOON, |write| {
                    let transaction = audit
                        .add(&record, Transaction::new(table))
                        .and_then(|transaction| write.add(transaction));
                    async move { transaction?.commit().await }
                });
                match done.await {
                    Err(StoreError::Conflict { .. } | StoreError::Throttled { .. }) => {}
                    other => break other.unwrap(),
                }
            }
        }
    });
    futures_util::future::join_all(banning).await;
    for n in 0..50 {
        assert!(
            watch.check(&claims(id(n, NOON)), NOON).await.is_err(),
            "{n}"
        );
    }
    assert_eq!(items(&watch._dynamo).await.len(), 51);
}
