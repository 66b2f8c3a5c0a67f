//! Providers' key sets while they are out of reach: whoever's key is held goes on, and who must wait
//! is told for how long.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::http1::Response;

use crate::{
    scenario::Scenario,
    sign_in::{
        stand_in::{Manner, StandIn},
        visitor::{
            SIGNING, answering, challenge, enter, good, issue, kept, key_set, refused, sign_in,
            stack_with,
        },
    },
};

const VARIABLES: [&str; 5] = [
    "APPLE_JWKS_URL",
    "GOOGLE_JWKS_URL",
    "KAKAO_JWKS_URL",
    "FACEBOOK_JWKS_URL",
    "LINE_JWKS_URL",
];

/// What is promised to whoever finds no keys: they are there again so soon after their provider is.
const HEALS_WITHIN: Duration = Duration::from_secs(10);

/// Nobody whose key is held waits for a fetch, which takes [`FETCH_MS`] when it hangs.
const PROMPT: Duration = Duration::from_millis(1_500);
const FETCH_MS: &str = "3000";

/// A stack whose providers publish their keys elsewhere, and those places in the order of [`SIGNING`].
fn publishing_elsewhere(fetch_ms: &str) -> (Scenario, Vec<StandIn>) {
    let places: Vec<_> = SIGNING.map(|_| StandIn::start(Manner::HangUp)).into();
    let mut variables = vec![("UPSTREAM_TIMEOUT_MS", fetch_ms)];
    variables.extend(
        VARIABLES
            .into_iter()
            .zip(places.iter().map(|place| &*place.url)),
    );
    (stack_with(&variables), places)
}

/// The provider's real keys at its place.
fn publish(scenario: &Scenario, nth: usize, place: &StandIn) {
    let (provider, _, path) = SIGNING[nth];
    issue(scenario, provider, &json!({"sub": "first"}));
    place.set(Manner::Say(200, key_set(scenario, path).to_string()));
}

/// Everything that may be there instead; `elsewhere` must not be asked.
fn outages(elsewhere: &StandIn) -> [Manner; 10] {
    let keys = |keys: Value| Manner::Say(200, json!({"keys": keys}).to_string());
    [
        Manner::Say(500, "{}".to_owned()),
        Manner::Say(429, "{}".to_owned()),
        Manner::Say(200, "<html>".to_owned()),
        Manner::Say(200, String::new()),
        keys(json!([])),
        Manner::HangUp,
        Manner::Hang,
        Manner::Drip,
        Manner::Redirect(elsewhere.url.clone()),
        Manner::Endless,
    ]
}

/// A token of a key that nobody knows, which says all that an honest one does.
fn of_unknown_key(scenario: &Scenario, provider: &str, kid: &str) -> Value {
    let wish = json!({"header": {"kid": kid}});
    answering(scenario, provider, &challenge(scenario), &wish)
}

fn told_to_wait(answer: &Response, what: &str) {
    refused(answer, 503, "unavailable", what);
    let seconds = answer.header("retry-after").map(str::parse::<u32>);
    assert!(matches!(seconds, Some(Ok(1..=30))), "{what}: {seconds:?}");
}

#[test]
fn without_keys_whoever_signs_in_is_told_to_wait_and_gets_in_soon_after_they_are_back() {
    let elsewhere = StandIn::start(Manner::HangUp);
    // Each provider of a stack is cold once: two stacks for the ten ways.
    for ways in outages(&elsewhere).chunks(SIGNING.len()) {
        let (scenario, places) = publishing_elsewhere("1000");
        thread::scope(|scope| {
            for (nth, (place, way)) in places.iter().zip(ways).enumerate() {
                let scenario = &scenario;
                scope.spawn(move || {
                    let provider = SIGNING[nth].0;
                    let what = format!("{provider}: {way:?}");
                    place.set(way.clone());
                    let body = good(scenario, (provider, "id_token"), "4711");
                    told_to_wait(&sign_in(scenario, &body), &what);
                    told_to_wait(&sign_in(scenario, &body), &what);
                    publish(scenario, nth, place);
                    let healed = Instant::now();
                    while sign_in(scenario, &body).status == 503 {
                        assert!(healed.elapsed() < HEALS_WITHIN, "{what}");
                        thread::sleep(Duration::from_millis(100));
                    }
                    // Who could not be heard did not use their challenge up.
                    let again = sign_in(scenario, &body);
                    refused(&again, 401, "challenge_used", &what);
                });
            }
        });
    }
    assert_eq!(elsewhere.requests(), 0, "a redirect was followed");
}

#[test]
fn with_keys_in_memory_an_outage_is_noticed_by_nobody_who_is_honest() {
    let elsewhere = StandIn::start(Manner::HangUp);
    for ways in outages(&elsewhere).chunks(SIGNING.len()) {
        let (scenario, places) = publishing_elsewhere(FETCH_MS);
        thread::scope(|scope| {
            for (nth, (place, way)) in places.iter().zip(ways).enumerate() {
                let scenario = &scenario;
                scope.spawn(move || {
                    let provider = SIGNING[nth].0;
                    let honest = || {
                        let body = good(scenario, (provider, "id_token"), "4711");
                        let began = Instant::now();
                        enter(scenario, &body);
                        assert!(began.elapsed() < PROMPT, "{way:?}: {:?}", began.elapsed());
                    };
                    publish(scenario, nth, place);
                    honest();
                    place.set(way.clone());
                    let asked = place.requests();
                    let unknown = of_unknown_key(scenario, provider, "unknown");
                    let waiting = scope.spawn(move || sign_in(scenario, &unknown));
                    for _ in 0..3 {
                        honest();
                    }
                    let told = waiting.join().unwrap();
                    told_to_wait(&told, &format!("{provider}: {way:?}"));
                    assert_eq!(place.requests(), asked + 1, "{provider}: {way:?}");
                    honest();
                });
            }
        });
    }
    assert_eq!(elsewhere.requests(), 0, "a redirect was followed");
}

#[test]
fn a_flood_of_unknown_keys_costs_a_provider_two_fetches_and_honest_people_nothing() {
    let (scenario, places) = publishing_elsewhere(FETCH_MS);
    let (scenario, place) = (&scenario, &places[1]);
    publish(scenario, 1, place);
    enter(scenario, &good(scenario, ("google", "id_token"), "4711"));
    let before = kept(scenario).len();
    let began = Instant::now();
    let flooding = AtomicBool::new(true);
    // A member has 20 sessions at most: beyond them a sign-in would leave no item of its own.
    const HONEST: usize = 15;
    let entered = thread::scope(|scope| {
        let floods: Vec<_> = (0..3)
            .map(|flood| {
                scope.spawn(move || {
                    for nth in 0..40 {
                        let kid = format!("flood-{flood}-{nth}");
                        let body = of_unknown_key(scenario, "google", &kid);
                        let answer = sign_in(scenario, &body);
                        match answer.status {
                            // Those for whom the keys were fetched.
                            401 => refused(&answer, 401, "token_invalid", &kid),
                            _ => told_to_wait(&answer, &kid),
                        }
                    }
                })
            })
            .collect();
        let flooding = &flooding;
        let honest = scope.spawn(move || {
            let mut entered = 0;
            while flooding.load(Ordering::SeqCst) && entered < HONEST {
                let body = good(scenario, ("google", "id_token"), "4711");
                let began = Instant::now();
                enter(scenario, &body);
                assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
                entered += 1;
            }
            entered
        });
        for flood in floods {
            flood.join().unwrap();
        }
        flooding.store(false, Ordering::SeqCst);
        honest.join().unwrap()
    });
    assert!(entered > 0);
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "too slow to tell"
    );
    assert_eq!(
        place.requests(),
        2,
        "the first fetch, and one for all of them"
    );
    // A sign-in keeps a session and a used challenge.
    assert_eq!(kept(scenario).len(), before + 2 * entered);
}

#[test]
fn a_flood_before_the_first_sign_in_does_not_keep_honest_people_out() {
    let (scenario, places) = publishing_elsewhere(FETCH_MS);
    publish(&scenario, 1, &places[1]);
    for nth in 0..20 {
        let kid = format!("flood-{nth}");
        let body = of_unknown_key(&scenario, "google", &kid);
        let answer = sign_in(&scenario, &body);
        match nth {
            // The first fetch was for nobody's sake; the second one is for the first token.
            0 | 1 => refused(&answer, 401, "token_invalid", &kid),
            _ => told_to_wait(&answer, &kid),
        }
    }
    enter(&scenario, &good(&scenario, ("google", "id_token"), "4711"));
    assert!(
        places[1].requests() <= 2,
        "{} fetches",
        places[1].requests()
    );
}

#[test]
fn a_token_that_would_be_refused_anyway_makes_nobody_fetch_keys() {
    let (scenario, places) = publishing_elsewhere(FETCH_MS);
    publish(&scenario, 1, &places[1]);
    for (wish, code) in [
        (json!({"aud": "another"}), "token_audience"),
        (
            json!({"claims": {"iss": "https://evil.example"}}),
            "token_issuer",
        ),
        (json!({"claims": {"exp": 1, "iat": 0}}), "token_expired"),
        (json!({"header": {"jku": places[1].url}}), "token_invalid"),
        (json!({"header": {"alg": "HS256"}}), "token_invalid"),
    ] {
        let body = answering(&scenario, "google", &challenge(&scenario), &wish);
        refused(&sign_in(&scenario, &body), 401, code, &wish.to_string());
    }
    assert_eq!(places[1].requests(), 0);
}
