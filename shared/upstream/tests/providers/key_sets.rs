//! Keys that come late, wrong, changed, or not at all.

use std::time::{Duration, Instant as Stopwatch};

use domain::{Instant, identity::Provider};
use upstream::providers::{Identity, ProviderError, TokenFault};

use crate::{
    harness::{DEADLINE, NOW, World, after, claims_of, is_unavailable, proof, token_fault, with},
    issuer::{Issuer, key_set},
    stand_in::Reply,
};

const KEYS: &str = "/google/keys";

/// Everything that a key-set endpoint can do wrong.
fn misbehaviours(world: &World) -> Vec<(&'static str, Reply)> {
    let mixed = r#"{"keys": [{"kty": "oct", "k": "AAAA"}, {"kty": "RSA"}]}"#;
    vec![
        ("an internal error", Reply::Say(500, "{}".to_owned())),
        ("too many requests", Reply::Say(429, "{}".to_owned())),
        ("not there", Reply::Say(404, "{}".to_owned())),
        ("garbage", Reply::ok("<html>")),
        ("nothing", Reply::ok("")),
        ("no keys", Reply::ok(r#"{"keys": []}"#)),
        ("mixed keys", Reply::ok(mixed)),
        ("no answer", Reply::HangUp),
        ("a hang", Reply::Hang),
        ("a slow drip", Reply::Drip),
        (
            "a redirect",
            Reply::Redirect(format!("{}/keys", world.trap.url)),
        ),
        ("64 MB", Reply::Bytes(64 << 20)),
        ("no end", Reply::Endless),
    ]
}

/// A token of Google by `issuer`, made just before `now`.
fn token_at(issuer: &Issuer, now: Instant) -> String {
    let claims = with(claims_of(Provider::Google), "iat", now.as_seconds());
    issuer.token(&with(claims, "exp", now.as_seconds() + 600))
}

impl World {
    async fn sign_in(&self, issuer: &Issuer, now: Instant) -> Result<Identity, ProviderError> {
        let proof = proof(token_at(issuer, now));
        self.verify_at(Provider::Google, &proof, now).await
    }

    /// A token by a key that nobody has.
    async fn flood(&self, nth: usize, now: Instant) -> Result<Identity, ProviderError> {
        let stranger = Issuer::es256(&format!("made-up-{nth}"));
        let mut header = stranger.header();
        header["alg"] = "RS256".into();
        let claims = with(claims_of(Provider::Google), "iat", now.as_seconds());
        let claims = with(claims, "exp", now.as_seconds() + 600);
        let text = crate::issuer::unsigned(&header, &claims.to_string());
        // As long as a signature by a key of 2048 bits.
        let proof = proof(format!("{text}.{}", "A".repeat(342)));
        self.verify_at(Provider::Google, &proof, now).await
    }

    fn fetches(&self) -> usize {
        self.stand_in.calls(KEYS)
    }
}

#[tokio::test]
async fn many_first_sign_ins_fetch_the_keys_once() {
    let world = World::new().await;
    let issuer = Issuer::rs256("k1");
    world.publish(KEYS, &[&issuer]);
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let (providers, token) = (world.providers.clone(), token_at(&issuer, NOW));
            tokio::spawn(async move {
                let proof = proof(token);
                providers.verify(Provider::Google, &proof, NOW).await
            })
        })
        .collect();
    for answer in asked {
        assert!(answer.await.unwrap().is_ok());
    }
    assert_eq!(world.fetches(), 1);
}

#[tokio::test]
async fn a_cold_process_says_503_while_there_are_no_keys_and_heals_within_ten_seconds() {
    let issuer = Issuer::rs256("k1");
    for nth in 0..13 {
        let world = World::new().await;
        let (what, reply) = misbehaviours(&world).swap_remove(nth);
        world.stand_in.set(KEYS, reply);
        for seconds in 0..7 {
            let began = Stopwatch::now();
            let told = world.sign_in(&issuer, after(seconds)).await;
            let Err(ProviderError::Unavailable { retry_after }) = told else {
                panic!("{what}: {told:?}")
            };
            assert!(retry_after <= Duration::from_secs(2), "{what}");
            assert!(began.elapsed() < DEADLINE * 3, "{what}");
        }
        assert!(
            (3..=4).contains(&world.fetches()),
            "{what}: {}",
            world.fetches()
        );
        // What the system's buffers take of some tries is less than one set would be.
        assert!(world.stand_in.sent_bytes() < 64 << 20, "{what}");
        world.publish(KEYS, &[&issuer]);
        let mut healed = None;
        for seconds in 7..17 {
            if world.sign_in(&issuer, after(seconds)).await.is_ok() {
                healed = Some(seconds - 7);
                break;
            }
        }
        assert!(
            healed.is_some_and(|seconds| seconds <= 3),
            "{what}: {healed:?}"
        );
        assert!(world.trap.seen().is_empty(), "{what}");
    }
}

#[tokio::test]
async fn with_keys_at_hand_an_outage_is_not_noticed_for_as_long_as_it_lasts() {
    let issuer = Issuer::rs256("k1");
    for nth in 0..13 {
        let world = World::new().await;
        let (what, reply) = misbehaviours(&world).swap_remove(nth);
        world.publish(KEYS, &[&issuer]);
        assert!(world.sign_in(&issuer, NOW).await.is_ok());
        world.stand_in.set(KEYS, reply);
        for hour in [1, 2, 3, 1_000] {
            let began = Stopwatch::now();
            let told = world.sign_in(&issuer, after(hour * 3_600)).await;
            assert!(told.is_ok(), "{what}");
            assert!(began.elapsed() < DEADLINE / 2, "{what}: nobody waits");
            // Whatever runs beside comes to its end.
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        assert!(world.fetches() >= 2, "{what}: it is tried again");
        let later = after(1_000 * 3_600 + 60);
        let told = world.flood(1, later).await;
        assert!(is_unavailable(&told), "{what}: nobody knows: {told:?}");
        assert!(world.sign_in(&issuer, later).await.is_ok(), "{what}");
        assert!(world.trap.seen().is_empty(), "{what}");
    }
}

#[tokio::test]
async fn keys_are_fetched_again_beside_once_they_are_an_hour_old() {
    let world = World::new().await;
    let (old, new) = (Issuer::rs256("k1"), Issuer::rs256("k2"));
    world.publish(KEYS, &[&old]);
    assert!(world.sign_in(&old, NOW).await.is_ok());
    world.publish(KEYS, &[&new]);
    assert!(world.sign_in(&old, after(3_599)).await.is_ok());
    assert_eq!(world.fetches(), 1);
    for _ in 0..5 {
        assert!(world.sign_in(&old, after(3_600)).await.is_ok());
    }
    while world.fetches() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(world.sign_in(&new, after(3_601)).await.is_ok());
    let gone = world.sign_in(&old, after(3_602)).await;
    assert_eq!(
        gone,
        token_fault(TokenFault::Invalid),
        "withdrawn keys are not believed"
    );
    assert!(world.fetches() <= 3);
}

#[tokio::test]
async fn a_rotation_is_picked_up_without_one_failed_request() {
    let world = World::new().await;
    let mut keys = vec![Issuer::rs256("k0")];
    world.publish(KEYS, &[&keys[0]]);
    assert!(world.sign_in(&keys[0], NOW).await.is_ok());
    for rotation in 1..=4 {
        keys.push(Issuer::rs256(&format!("k{rotation}")));
        let published: Vec<_> = keys.iter().collect();
        world.publish(KEYS, &published);
        // The first right after the start: a fetch and a refetch are in the budget.
        let now = after(31 * (rotation - 1));
        let tokens: Vec<_> = keys.iter().map(|key| token_at(key, now)).collect();
        let asked: Vec<_> = (0..20)
            .map(|nth| {
                let (providers, token) =
                    (world.providers.clone(), tokens[nth % tokens.len()].clone());
                tokio::spawn(async move {
                    let proof = proof(token);
                    providers.verify(Provider::Google, &proof, now).await
                })
            })
            .collect();
        for answer in asked {
            let told = answer.await.unwrap();
            assert!(told.is_ok(), "rotation {rotation}: {told:?}");
        }
    }
    assert_eq!(world.fetches(), 5);
}

#[tokio::test]
async fn a_flood_of_made_up_keys_costs_two_fetches_and_blocks_nobody() {
    let world = World::new().await;
    let issuer = Issuer::rs256("k1");
    world.publish(KEYS, &[&issuer]);
    assert!(world.sign_in(&issuer, NOW).await.is_ok());
    let first = world.flood(0, NOW).await;
    assert_eq!(first, token_fault(TokenFault::Invalid), "the set is new");
    for nth in 1..300 {
        let now = NOW + Duration::from_millis(100 * nth as u64);
        let told = world.flood(nth, now).await;
        assert!(is_unavailable(&told), "{nth}: {told:?}");
    }
    assert_eq!(world.fetches(), 2);

    // While a refetch hangs, whoever has a known key is served at once.
    world.stand_in.set(KEYS, Reply::Hang);
    let later = after(100);
    let providers = world.providers.clone();
    let began = Stopwatch::now();
    let (flooded, ()) = tokio::join!(world.flood(1, later), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        for _ in 0..20 {
            let proof = proof(token_at(&issuer, later));
            assert!(
                providers
                    .verify(Provider::Google, &proof, later)
                    .await
                    .is_ok()
            );
        }
        assert!(began.elapsed() < DEADLINE);
    });
    assert!(is_unavailable(&flooded));
    for nth in 0..50 {
        assert!(is_unavailable(&world.flood(nth, later).await));
    }
    assert_eq!(world.fetches(), 3);
}

#[tokio::test]
async fn after_a_flood_a_new_key_waits_for_the_next_fetch_and_is_never_refused() {
    let world = World::new().await;
    let (old, new) = (Issuer::rs256("k1"), Issuer::rs256("k2"));
    world.publish(KEYS, &[&old]);
    assert!(world.sign_in(&old, NOW).await.is_ok());
    let flooded = world.flood(1, after(1)).await;
    assert_eq!(flooded, token_fault(TokenFault::Invalid));
    world.publish(KEYS, &[&old, &new]);
    for (seconds, wait) in [(2, 29), (10, 21), (30, 1)] {
        let told = world.sign_in(&new, after(seconds)).await;
        let retry_after = Duration::from_secs(wait);
        assert_eq!(told, Err(ProviderError::Unavailable { retry_after }));
    }
    assert!(world.sign_in(&new, after(31)).await.is_ok());
    assert_eq!(world.fetches(), 3);
}

#[tokio::test]
async fn who_gives_up_waiting_does_not_take_the_keys_from_the_others() {
    let world = World::new().await;
    let issuer = Issuer::rs256("k1");
    world.stand_in.set(KEYS, Reply::ok(key_set(&[&issuer])));
    let impatient = Duration::from_millis(1);
    let given_up = tokio::time::timeout(impatient, world.sign_in(&issuer, NOW)).await;
    assert!(given_up.is_err());
    assert!(world.sign_in(&issuer, NOW).await.is_ok());
    assert_eq!(world.fetches(), 1);
}

#[tokio::test]
async fn each_provider_has_keys_and_budgets_of_its_own() {
    let world = World::new().await;
    let (google, line) = (Issuer::rs256("k1"), Issuer::es256("k1"));
    world.publish(KEYS, &[&google]);
    world
        .stand_in
        .set("/line/keys", Reply::Say(500, String::new()));
    let token = proof(line.token(&claims_of(Provider::Line)));
    assert!(is_unavailable(&world.verify(Provider::Line, &token).await));
    assert!(world.sign_in(&google, NOW).await.is_ok());
}
