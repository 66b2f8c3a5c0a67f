//! What is asked for, and how often.

use bytes::Bytes;
use http::Method;
use kit::Clock;
use rand::{RngExt as _, rngs::StdRng};
use serde_json::json;

/// A request that is about to be sent.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    /// JSON, or nothing.
    pub(crate) body: Bytes,
}

/// A kind of request.
pub(crate) struct Route {
    pub(crate) name: &'static str,
    /// Its share of a hundred.
    share: u32,
    /// The next one. The text is the path of an impression that may be sent, if there is one.
    call: fn(&mut StdRng, Option<String>) -> Call,
}

/// The kinds that a run sends.
pub(crate) struct Mix(Vec<&'static Route>);

/// Allocations tell which impressions there are to be sent.
pub(crate) const ALLOCATIONS: &str = "allocations";
/// Impressions use them up.
pub(crate) const IMPRESSIONS: &str = "impressions";
/// What all else is measured against.
pub(crate) static HEALTH: Route = Route {
    name: "health",
    share: 100,
    call: |_, _| get("/health".to_owned()),
};

static ROUTES: [Route; 8] = [
    Route {
        name: ALLOCATIONS,
        share: 60,
        call: |rng, _| allocation(rng),
    },
    Route {
        name: "launch",
        share: 10,
        call: |rng, _| get(format!("/v1/launch?{}", audience(rng))),
    },
    Route {
        name: "config",
        share: 8,
        call: |rng, _| get(format!("/v1/config?{}", audience(rng))),
    },
    Route {
        name: "banners",
        share: 5,
        call: |rng, _| get(format!("/v1/banners?placement=home_top&{}", audience(rng))),
    },
    Route {
        name: "notices",
        share: 5,
        call: |rng, _| get(format!("/v1/notices?{}", audience(rng))),
    },
    Route {
        name: "status",
        share: 8,
        call: |rng, _| get(format!("/v1/app/status?{}", audience(rng))),
    },
    Route {
        name: "events",
        share: 2,
        call: |rng, _| event(rng),
    },
    Route {
        name: IMPRESSIONS,
        share: 2,
        call: |rng, seen| seen.map_or_else(|| allocation(rng), get),
    },
];

impl Mix {
    /// Everything an app asks for.
    pub(crate) fn all() -> Self {
        Self(ROUTES.iter().collect())
    }

    /// One kind alone.
    pub(crate) fn only(route: &'static Route) -> Self {
        Self(vec![route])
    }

    /// The names, by their place in a sample.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|route| route.name).collect()
    }

    /// Draws the next request: its place, and its kind.
    pub(crate) fn draw(&self, rng: &mut StdRng) -> Option<(usize, &'static Route)> {
        let all: u32 = self.0.iter().map(|route| route.share).sum();
        let mut at = rng.random_range(0..all.max(1));
        for (place, route) in self.0.iter().enumerate() {
            match at.checked_sub(route.share) {
                Some(left) => at = left,
                None => return Some((place, route)),
            }
        }
        None
    }
}

impl Route {
    pub(crate) fn call(&self, rng: &mut StdRng, seen: Option<String>) -> Call {
        (self.call)(rng, seen)
    }
}

/// How many devices there are.
const DEVICES: u32 = 10_000;

fn get(target: String) -> Call {
    Call {
        method: Method::GET,
        target,
        body: Bytes::new(),
    }
}

fn allocation(rng: &mut StdRng) -> Call {
    let placement = one_of(rng, "lock_screen", &["feed"]);
    let (locale, country) = one_of(rng, ("ko-KR", "KR"), &[("ko-KR", "KR"), ("en-US", "US")]);
    let body = json!({
        "placements": [{ "id": placement, "count": 1 }],
        "device": {
            "id": format!("load-device-{:08}", rng.random_range(0..DEVICES)),
            "platform": one_of(rng, "ios", &["android"]),
            "locale": locale,
            "country": country,
        },
        "consent": true,
    });
    Call {
        method: Method::POST,
        target: "/v1/allocations".to_owned(),
        body: body.to_string().into(),
    }
}

/// A banner that was seen just now, by an id of its own.
fn event(rng: &mut StdRng) -> Call {
    let body = json!({
        "events": [{
            "id": format!("{:032x}", rng.random::<u128>()),
            "type": "impression",
            "target": "banners/lantern-walk",
            "at": Clock::system().now(),
        }],
    });
    Call {
        method: Method::POST,
        target: "/v1/events".to_owned(),
        body: body.to_string().into(),
    }
}

/// An audience as a query has it.
fn audience(rng: &mut StdRng) -> String {
    let (platform, store) = one_of(
        rng,
        ("ios", "app_store"),
        &[("android", "google_play"), ("android", "onestore")],
    );
    let version = one_of(rng, "1.9.2", &["2.1.0", "2.3.0", "2.4.0"]);
    let (locale, country) = one_of(rng, ("ko-KR", "KR"), &[("en-US", "US")]);
    format!("platform={platform}&store={store}&version={version}&locale={locale}&country={country}")
}

/// The first or one of the others, each as likely.
fn one_of<T: Copy>(rng: &mut StdRng, first: T, others: &[T]) -> T {
    let at = rng.random_range(0..=others.len());
    others.get(at).copied().unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn kinds_are_drawn_by_their_shares() {
        let mut rng = StdRng::seed_from_u64(1);
        let mix = Mix::all();
        let mut drawn = vec![0_u32; mix.names().len()];
        for _ in 0..10_000 {
            drawn[mix.draw(&mut rng).unwrap().0] += 1;
        }
        let all: u32 = ROUTES.iter().map(|route| route.share).sum();
        for (route, drawn) in ROUTES.iter().zip(drawn) {
            let expected = 10_000 * route.share / all;
            assert!(
                drawn.abs_diff(expected) < 200,
                "{}: {drawn} of {expected}",
                route.name
            );
        }
    }

    #[test]
    fn an_impression_without_a_token_is_an_allocation() {
        let mut rng = StdRng::seed_from_u64(1);
        let impressions = ROUTES.iter().find(|route| route.name == IMPRESSIONS);
        let call = |rng: &mut _, seen| impressions.unwrap().call(rng, seen).target;
        assert_eq!(call(&mut rng, Some("/v1/t/x".to_owned())), "/v1/t/x");
        assert_eq!(call(&mut rng, None), "/v1/allocations");
    }
}
