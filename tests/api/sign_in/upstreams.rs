//! Providers whose access tokens are asked about, while they cannot be asked.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    scenario::Scenario,
    sign_in::{
        stand_in::{Manner, StandIn},
        visitor::{enter, good, kept, refused, sign_in, stack_with},
    },
};

/// Who is asked, by which variable, and what their sandbox's paths begin with.
const ASKED: [(&str, &str, &str); 3] = [
    ("kakao", "KAKAO_API_URL", "/kakao-api"),
    ("naver", "NAVER_API_URL", "/naver"),
    ("facebook", "FACEBOOK_GRAPH_URL", "/facebook"),
];

const HEALS_WITHIN: Duration = Duration::from_secs(10);

/// A stack, and who stands between it and the sandboxes of [`ASKED`].
fn between() -> (Scenario, Vec<StandIn>) {
    let places: Vec<_> = ASKED.map(|_| StandIn::start(Manner::HangUp)).into();
    let urls = ASKED.iter().zip(&places);
    let urls: Vec<_> = urls
        .map(|((_, variable, path), place)| (*variable, format!("{}{path}", place.url)))
        .collect();
    let mut variables: Vec<_> = urls.iter().map(|(name, url)| (*name, &**url)).collect();
    variables.push(("UPSTREAM_TIMEOUT_MS", "500"));
    (stack_with(&variables), places)
}

#[test]
fn who_cannot_be_asked_keeps_nobody_waiting_for_long_and_is_asked_again_soon() {
    let (scenario, places) = between();
    let elsewhere = StandIn::start(Manner::HangUp);
    let ways = [
        Manner::Say(500, "{}".to_owned()),
        Manner::Say(429, "{}".to_owned()),
        Manner::Say(200, "<html>".to_owned()),
        Manner::Say(200, "{}".to_owned()),
        Manner::HangUp,
        Manner::Hang,
        Manner::Drip,
        Manner::Redirect(elsewhere.url.clone()),
        Manner::Endless,
    ];
    thread::scope(|scope| {
        for (nth, ((provider, ..), place)) in ASKED.iter().zip(&places).enumerate() {
            let (scenario, ways) = (&scenario, &ways);
            scope.spawn(move || {
                let body = good(scenario, (provider, "access_token"), "4711");
                // After a few failures nobody is asked: each begins with others.
                for way in ways.iter().cycle().skip(3 * nth).take(ways.len()) {
                    place.set(way.clone());
                    let began = Instant::now();
                    let answer = sign_in(scenario, &body);
                    let what = format!("{provider}: {way:?}");
                    refused(&answer, 503, "unavailable", &what);
                    assert!(began.elapsed() < Duration::from_secs(3), "{what}");
                    let seconds = answer.header("retry-after").map(str::parse::<u32>);
                    assert!(matches!(seconds, Some(Ok(1..=10))), "{what}: {seconds:?}");
                }
            });
        }
    });
    assert_eq!(kept(&scenario), Vec::<Value>::new());
    assert_eq!(elsewhere.requests(), 0, "a redirect was followed");
    // Whoever needs none of them never noticed.
    enter(&scenario, &good(&scenario, ("google", "id_token"), "4711"));

    let sandboxes = &scenario.courtyard.description().providers_url;
    for place in &places {
        place.set(Manner::Forward(sandboxes.clone()));
    }
    let healed = Instant::now();
    for (provider, ..) in ASKED {
        let body = good(&scenario, (provider, "access_token"), "4711");
        while sign_in(&scenario, &body).status == 503 {
            assert!(healed.elapsed() < HEALS_WITHIN, "{provider}");
            thread::sleep(Duration::from_millis(100));
        }
        enter(&scenario, &body);
    }
}

#[test]
fn bad_access_tokens_do_not_make_a_provider_look_broken() {
    let (scenario, places) = between();
    let sandboxes = &scenario.courtyard.description().providers_url;
    for ((provider, ..), place) in ASKED.iter().zip(&places) {
        place.set(Manner::Forward(sandboxes.clone()));
        let honest = good(&scenario, (provider, "access_token"), "4711");
        let mut bad = honest.clone();
        bad["access_token"] = Value::from("nobody-gave-this");
        for _ in 0..20 {
            refused(&sign_in(&scenario, &bad), 401, "token_invalid", provider);
        }
        enter(&scenario, &honest);
    }
}
