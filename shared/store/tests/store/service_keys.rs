//! Service keys: verified, rotated, revoked.

use std::time::Duration;

use domain::Id;
use rand::{SeedableRng, rngs::StdRng};
use store::{ServiceKeys, service_keys::Plaintext};

use crate::harness::{Dynamo, Fault, NOON, Proxy, Stamps, table_at};

const WITHIN: Duration = Duration::from_secs(10);

fn key(id: &str, seed: u64) -> Plaintext {
    Plaintext::random(id.parse().unwrap(), &mut StdRng::seed_from_u64(seed))
}

#[tokio::test]
async fn a_key_is_known_by_its_secret_and_by_nothing_else() {
    let dynamo = Dynamo::start().await;
    let keys = ServiceKeys::new(dynamo.table());
    let mut stamps = Stamps::new();
    let scopes = ["content:write".to_owned()];
    keys.create(&key("ci", 1), &scopes, stamps.next(), NOON)
        .await
        .unwrap();
    let taken = keys
        .create(&key("ci", 2), &scopes, stamps.next(), NOON)
        .await;
    assert!(taken.unwrap_err().is_conflict());

    let known = keys
        .verify(&key("ci", 1).reveal(), NOON)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(known.id.as_str(), "ci");
    assert_eq!(known.scopes, scopes);
    let strangers = [
        key("ci", 2).reveal(),
        key("cj", 1).reveal(),
        "msk_ci".into(),
        String::new(),
    ];
    for stranger in strangers {
        assert_eq!(
            keys.verify(&stranger, NOON).await.unwrap(),
            None,
            "{stranger}"
        );
    }
}

#[tokio::test]
async fn a_revocation_acts_within_ten_seconds_everywhere_and_for_good() {
    let dynamo = Dynamo::start().await;
    let (here, there) = (
        ServiceKeys::new(dynamo.table()),
        ServiceKeys::new(dynamo.table()),
    );
    let mut stamps = Stamps::new();
    let id: Id = "ci".parse().unwrap();
    let presented = key("ci", 1).reveal();
    here.create(&key("ci", 1), &[], stamps.next(), NOON)
        .await
        .unwrap();
    assert!(there.verify(&presented, NOON).await.unwrap().is_some());

    assert!(here.revoke(&id, NOON).await.unwrap());
    assert!(!here.revoke(&"cj".parse().unwrap(), NOON).await.unwrap());
    assert_eq!(here.verify(&presented, NOON).await.unwrap(), None);
    assert_eq!(there.verify(&presented, NOON + WITHIN).await.unwrap(), None);

    assert!(
        here.rotate(&key("ci", 2), stamps.next(), NOON)
            .await
            .unwrap()
    );
    let rotated = here
        .verify(&key("ci", 2).reveal(), NOON + WITHIN)
        .await
        .unwrap();
    assert_eq!(rotated, None, "a rotation does not bring a key back");
}

#[tokio::test]
async fn a_rotation_leaves_no_gap_and_ends_when_it_is_told_to() {
    let dynamo = Dynamo::start().await;
    let keys = ServiceKeys::new(dynamo.table());
    let mut stamps = Stamps::new();
    let [old, new, newer] = [1, 2, 3].map(|seed| key("ci", seed));
    let mut now = NOON;
    keys.create(&old, &[], stamps.next(), now).await.unwrap();
    assert!(
        !keys
            .rotate(&key("cj", 9), stamps.next(), now)
            .await
            .unwrap()
    );

    let good = async |now| {
        let mut good = Vec::new();
        for key in [&old, &new, &newer] {
            good.push(keys.verify(&key.reveal(), now).await.unwrap().is_some());
        }
        good
    };
    assert_eq!(good(now).await, [true, false, false]);
    assert!(keys.rotate(&new, stamps.next(), now).await.unwrap());
    now = now + WITHIN;
    assert_eq!(good(now).await, [true, true, false]);
    assert!(keys.rotate(&newer, stamps.next(), now).await.unwrap());
    now = now + WITHIN;
    assert_eq!(good(now).await, [false, true, true], "never more than two");
    assert!(keys.retire(old.id(), stamps.next()).await.unwrap());
    now = now + WITHIN;
    assert_eq!(good(now).await, [false, false, true]);
}

#[tokio::test]
async fn records_are_read_once_in_ten_seconds_those_of_unknown_keys_too() {
    let dynamo = Dynamo::start().await;
    let proxy = Proxy::start(&dynamo.endpoint).await;
    let keys = ServiceKeys::new(table_at(&proxy.endpoint, aws::Pace::NORMAL));
    let mut stamps = Stamps::new();
    keys.seed(&key("ci", 1), &[], stamps.next(), NOON)
        .await
        .unwrap();
    proxy.set(|_, _| Fault::None);
    for _ in 0..5 {
        assert!(
            keys.verify(&key("ci", 1).reveal(), NOON)
                .await
                .unwrap()
                .is_some()
        );
        assert!(
            keys.verify(&key("cj", 1).reveal(), NOON)
                .await
                .unwrap()
                .is_none()
        );
    }
    assert_eq!(proxy.seen(), 2);
    proxy.set(|_, _| Fault::Refuse);
    assert!(
        keys.verify(&key("ci", 1).reveal(), NOON)
            .await
            .unwrap()
            .is_some()
    );
    let late = keys.verify(&key("ci", 1).reveal(), NOON + WITHIN).await;
    assert!(
        late.unwrap_err().is_transient(),
        "an old record is not believed"
    );
}
