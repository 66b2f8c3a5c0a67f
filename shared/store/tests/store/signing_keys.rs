//! Signing keys: published before they sign, and for as long as anybody may meet them.

use std::time::Duration;

use domain::{DeviceKey, Instant, RandomId};
use jose::Algorithm;
use rand::{SeedableRng, rngs::StdRng};
use store::{Issuer, PublicKeys, PublishedKeys, SigningKeys, signing_keys::Grant};

use crate::harness::{Dynamo, NOON, Stamps};

/// How long a retired key may still sign, and what it signed be good.
const KEPT_FOR: Duration = Duration::from_secs(25 * 3600);

fn issuer(published: &PublishedKeys) -> Issuer {
    let lifetime = Duration::from_secs(900);
    Issuer::new(published.clone(), "madang".into(), "app".into(), lifetime)
}

fn grant() -> Grant {
    Grant {
        member: RandomId::from_bytes([1; 16]),
        session: RandomId::from_bytes([2; 16]),
        device: Some(DeviceKey::from_bytes([3; 16])),
    }
}

async fn kids(published: &PublishedKeys) -> Vec<String> {
    let all = published.all().await.unwrap();
    all.into_iter().map(|key| key.kid).collect()
}

/// Whether a verifier takes a token, after a look for a key that it does not know.
async fn takes(keys: &PublicKeys, token: &str, kid: &str, now: Instant) -> bool {
    let takes = |set: &store::signing_keys::PublicKeySet| {
        jose::verify(token, &set.keys, &[Algorithm::Es256]).is_ok()
    };
    takes(&keys.current(now).await.unwrap()) || takes(&keys.newest(kid, now).await.unwrap())
}

#[tokio::test]
async fn whoever_issues_publishes_first() {
    let dynamo = Dynamo::start().await;
    let published = PublishedKeys::new(dynamo.table());
    let keys = SigningKeys::first().unwrap();
    let verifier = PublicKeys::new(published.clone());
    // It has looked already, and found nothing.
    assert!(verifier.current(NOON).await.unwrap().keys.is_empty());

    let mut rng = StdRng::seed_from_u64(1);
    let issuer = issuer(&published);
    let issued = issuer.issue(&keys, grant(), NOON, &mut rng).await.unwrap();
    assert_eq!(issued.expires_in, Duration::from_secs(900));
    assert!(issued.token.len() <= 1_536, "{}", issued.token.len());
    assert!(takes(&verifier, &issued.token, keys.current_kid(), NOON).await);
    assert_eq!(kids(&published).await.len(), 2);
}

#[tokio::test]
async fn many_who_publish_at_once_lose_nothing() {
    let dynamo = Dynamo::start().await;
    let published = PublishedKeys::new(dynamo.table());
    let mut stamps = Stamps::new();
    let all: Vec<_> = (0..4)
        .map(|_| (SigningKeys::first().unwrap(), stamps.next()))
        .collect();
    let publishing = all
        .iter()
        .map(|(keys, stamp)| published.publish(keys, *stamp));
    for done in futures_util::future::join_all(publishing).await {
        done.unwrap();
    }
    assert_eq!(kids(&published).await.len(), 8);
}

#[tokio::test]
async fn a_retired_key_stays_published_until_nothing_under_it_can_be_good() {
    let dynamo = Dynamo::start().await;
    let published = PublishedKeys::new(dynamo.table());
    let mut stamps = Stamps::new();
    let first = SigningKeys::first().unwrap();
    let retired = first.current_kid().to_owned();
    let second = first.rotated(NOON, KEPT_FOR).unwrap();
    published.publish(&first, stamps.next()).await.unwrap();
    published.publish(&second, stamps.next()).await.unwrap();
    let retire = |stamp, now| published.retire(&second, KEPT_FOR, stamp, now);
    retire(stamps.next(), NOON).await.unwrap();
    assert_eq!(kids(&published).await.len(), 3);
    let last = NOON + KEPT_FOR - Duration::from_millis(1);
    retire(stamps.next(), last).await.unwrap();
    assert!(kids(&published).await.contains(&retired));
    retire(stamps.next(), NOON + KEPT_FOR).await.unwrap();
    assert_eq!(
        kids(&published).await,
        [second.kids_in_use()[0], second.kids_in_use()[1]]
    );
}

/// Two who issue, of whom one reads the secret late, and two who verify, while the keys are rotated
/// four times.
#[tokio::test]
async fn four_quick_rotations_fail_no_token() {
    let dynamo = Dynamo::start().await;
    let published = PublishedKeys::new(dynamo.table());
    let verifiers = [(); 2].map(|()| PublicKeys::new(published.clone()));
    let issuers = [(); 2].map(|()| issuer(&published));
    let (mut stamps, mut rng) = (Stamps::new(), StdRng::seed_from_u64(1));
    let mut keys = SigningKeys::first().unwrap();
    let mut late = keys.clone();
    let mut tokens: Vec<(String, String)> = Vec::new();
    for round in 0..5 {
        let now = NOON + Duration::from_secs(2 * round);
        for (issuer, keys) in issuers.iter().zip([&keys, &late]) {
            let issued = issuer.issue(keys, grant(), now, &mut rng).await.unwrap();
            tokens.push((issued.token, keys.current_kid().to_owned()));
        }
        for (token, kid) in &tokens {
            for verifier in &verifiers {
                assert!(takes(verifier, token, kid, now).await, "round {round}");
            }
        }
        late = keys.clone();
        let next = keys.rotated(now, KEPT_FOR).unwrap();
        published.publish(&next, stamps.next()).await.unwrap();
        keys = next;
        published
            .retire(&keys, KEPT_FOR, stamps.next(), now)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_verifier_without_a_database_goes_on_with_the_keys_that_it_has() {
    let dynamo = Dynamo::start().await;
    let published = PublishedKeys::new(dynamo.table());
    let keys = SigningKeys::first().unwrap();
    published
        .publish(&keys, Stamps::new().next())
        .await
        .unwrap();
    let verifier = PublicKeys::new(published);
    assert!(verifier.current(NOON).await.is_some());
    drop(dynamo);
    let later = NOON + Duration::from_secs(3600);
    let held = verifier.current(later).await.unwrap();
    assert!(held.keys.contains(keys.current_kid()));
}
