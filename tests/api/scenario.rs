//! What scenarios share: calls with the service key, publishing, and sample content.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::{
    courtyard::Courtyard,
    http1::{Request, Response},
};

/// A stack, and a hand that calls it.
pub struct Scenario {
    pub courtyard: Courtyard,
}

impl Scenario {
    pub fn start() -> Self {
        let courtyard = Courtyard::start().expect("the stack starts");
        Self { courtyard }
    }

    pub fn send(&self, request: &Request) -> Response {
        self.courtyard.send(request).expect("an answer")
    }

    pub fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target))
    }

    pub fn post(&self, target: &str, body: &Value) -> Response {
        self.send(&Request::new("POST", target).json(body))
    }

    /// A call with the development service key.
    pub fn service(&self, request: Request) -> Response {
        let key = self.courtyard.description().service_key.clone();
        self.send(&request.bearer(&key))
    }

    pub fn service_get(&self, target: &str) -> Response {
        self.service(Request::get(target))
    }

    pub fn service_post(&self, target: &str, body: &Value) -> Response {
        self.service(Request::new("POST", target).json(body))
    }

    /// Creates a draft, which must not be there.
    pub fn create(&self, kind: &str, id: &str, item: &Value) -> Response {
        let target = format!("/admin/v1/content/{kind}/items/{id}");
        let created = self.service(
            Request::new("PUT", &target)
                .header("if-none-match", "*")
                .json(item),
        );
        assert_eq!(created.status, 201, "{}", created.text());
        created
    }

    /// Publishes a kind and waits for the end of it: `live` or `failed`.
    pub fn publish(&self, kind: &str) -> Value {
        let target = format!("/admin/v1/content/{kind}/publish");
        let asked = self.service_post(&target, &json!({"note": "scenario"}));
        assert_eq!(asked.status, 202, "{}", asked.text());
        self.publication(kind, &asked)
    }

    /// Waits for the publication that an answer names.
    pub fn publication(&self, kind: &str, asked: &Response) -> Value {
        let id = asked.json()["publication_id"]
            .as_str()
            .expect("an id")
            .to_owned();
        let target = format!("/admin/v1/content/{kind}/publications/{id}");
        eventually("the publication ends", || {
            let publication = self.service_get(&target).json();
            (publication["state"] != "running").then_some(publication)
        })
    }

    /// Publishes, and waits until readers have the version: they look at most every few seconds.
    pub fn publish_live(&self, kind: &str, seen: impl Fn(&Self) -> bool) {
        let publication = self.publish(kind);
        assert_eq!(publication["state"], "live", "{publication}");
        eventually("readers have the version", || seen(self).then_some(()));
    }

    /// An allocation of one slot of `placement`.
    pub fn allocate(&self, placement: &str, device: &Value) -> Value {
        let answer = self.post(
            "/v1/allocations",
            &json!({"placements": [{"id": placement, "count": 1}], "device": device}),
        );
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

/// Tries until there is something, for as long as a publication may take to be live.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < patience, "not in time: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// A campaign that everyone may see, for `placement`.
pub fn campaign(placement: &str) -> Value {
    json!({
        "advertiser": "acme", "name": "A campaign", "categories": ["shoes"],
        "starts_at": "2020-01-01T00:00:00.000Z", "tier": 10, "weight": 1,
        "placements": [placement], "types": ["banner"], "consent": "not_required",
        "no_device": "serve", "caps": [], "pacing": "asap", "sampling": "weighted",
        "click_url": "https://shop.example/landing", "house": false,
        "creatives": [{"id": "only", "type": "banner", "weight": 1, "assets": {"title": "Hello"}}],
    })
}

/// `campaign(placement)` with some members others.
pub fn campaign_with(placement: &str, changes: Value) -> Value {
    let mut item = campaign(placement);
    for (name, value) in changes.as_object().expect("an object") {
        item[name] = value.clone();
    }
    item
}

pub fn device() -> Value {
    json!({"platform": "ios"})
}
