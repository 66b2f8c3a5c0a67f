//! The engine against a naive one: campaigns one by one, rules as they are written.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::{AGE_LIMIT, lineup, now, parsed};
use crate::{
    Store,
    allocation::{
        Allocation, ContentConfig, DeviceSegments, Explanation, Given, Lineup, Outcome, Profile,
        Request,
        draw::allocate_with,
        explain,
        index::{BLOCK, Query},
        lineup::AHEAD,
        viewer::{Chance, Viewer},
    },
    caps::{Count, Counter, Showings, Span, creative_key},
    content::campaigns::CapScope,
    delivery::{Delivery, Throttle, Zone},
    key_of,
    targeting::bucket,
};

const PLACEMENTS: [&str; 2] = ["end", "top"];
const WORDS: [&str; 4] = ["a", "b", "c", "d"];
const TYPES: [&str; 2] = ["banner", "video"];
const VERSIONS: [&str; 6] = ["1.0", "1.2", "1.2.0-beta", "1.10", "2", "2.0.1"];
const LOCALES: [&str; 4] = ["ko", "ko-KR", "en", "en-US"];

/// Everything that an allocation depends on, as documents.
struct Case {
    campaigns: Vec<(String, Value)>,
    request: Value,
    profile: Option<Value>,
    server: Option<Value>,
    config: Option<Value>,
    /// Showings today of a scope's key.
    shown: Vec<(CapScope, u64, u32)>,
    throttles: HashMap<u64, Throttle>,
    leases: HashSet<u64>,
    store: Option<Store>,
    /// How long ago the lineup was made.
    lineup_age: Duration,
}

/// Makes cases in which much matches, and something does not.
struct Maker(StdRng);

impl Maker {
    fn chance(&mut self, of: f64) -> bool {
        self.0.random_bool(of)
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of.choose(&mut self.0).unwrap()
    }

    fn some(&mut self, of: &[&str]) -> Vec<String> {
        let count = self.0.random_range(1..=of.len());
        let chosen = of.sample(&mut self.0, count);
        chosen.map(|word| (*word).to_owned()).collect()
    }

    fn list_rule(&mut self, field: &str) -> Value {
        match self.0.random_range(0..4) {
            0 | 1 => json!({"field": field, "any_of": self.some(&WORDS)}),
            2 => json!({"field": field, "none_of": [self.one(&WORDS)]}),
            _ => {
                let count = self.0.random_range(1..=2);
                json!({"field": field, "all_of": WORDS[..count]})
            }
        }
    }

    fn value_rule(&mut self, field: &str, values: &[&str]) -> Value {
        if self.chance(0.7) {
            json!({"field": field, "in": self.some(values)})
        } else {
            json!({"field": field, "not_in": [self.one(values)]})
        }
    }

    fn range_rule(&mut self, field: &str, bounds: &[Value]) -> Value {
        let at = self.0.random_range(0..bounds.len() - 1);
        let end = self.0.random_range(at + 1..bounds.len());
        match self.0.random_range(0..3) {
            0 => json!({"field": field, "gte": bounds[at]}),
            1 => json!({"field": field, "lt": bounds[end]}),
            _ => json!({"field": field, "gte": bounds[at], "lt": bounds[end]}),
        }
    }

    fn simple_rule(&mut self) -> Value {
        let versions = VERSIONS.map(|version| json!(version));
        match self.0.random_range(0..22) {
            0 => self.value_rule("platform", &["ios", "android", "web"]),
            1 => self.value_rule("store", &["app_store", "google_play"]),
            2 => self.value_rule("country", &["KR", "JP", "US"]),
            3 => self.value_rule("locale", &LOCALES),
            4 => self.value_rule("carrier", &["x", "y"]),
            5 => self.value_rule("model", &["m1", "m2"]),
            6 => self.value_rule("gender", &["female", "male"]),
            7 => self.value_rule("weekday", &["mon", "sun", "tue"]),
            8 => self.range_rule("hour", &[json!(0), json!(9), json!(20), json!(24)]),
            9 => json!({"field": "hour", "in": [9, 20, self.0.random_range(0..24)]}),
            10 => self.range_rule("age", &[json!(0), json!(20), json!(30), json!(150)]),
            11 => json!({"field": "age", "not_in": [self.0.random_range(20..24)]}),
            12 => self.range_rule(
                "app_version",
                &["1.0", "1.2", "1.10", "3"].map(|v| json!(v)),
            ),
            13 => self.range_rule("os_version", &["1.0", "1.2.0-beta", "2"].map(|v| json!(v))),
            14 => {
                let one = versions.choose(&mut self.0).unwrap().clone();
                json!({"field": "app_version", "not_in": [one]})
            }
            15 => self.list_rule("interests"),
            16 => self.list_rule("segments"),
            17 => self.list_rule("keywords"),
            18 => self.list_rule("attributes.list"),
            19 => self.range_rule("attributes.number", &[json!(-1.5), json!(0), json!(7)]),
            20 => json!({"field": "attributes.any", "in": ["a", 1, true]}),
            _ => json!({"field": "attributes.any", "not_in": ["b", 0, false]}),
        }
    }

    fn rule(&mut self) -> Value {
        match self.0.random_range(0..12) {
            0 => json!({"percent": self.0.random_range(50..=100), "seed": self.one(&WORDS)}),
            1 | 2 => {
                let count = self.0.random_range(1..=3);
                let rules: Vec<Value> = (0..count).map(|_| self.simple_rule()).collect();
                json!({"any": rules})
            }
            _ => self.simple_rule(),
        }
    }

    fn campaign(&mut self) -> Value {
        let types = self.some(&TYPES);
        let creatives = self.0.random_range(1..=3);
        let creatives: Vec<Value> = (0..creatives)
            .map(|number| {
                let mut creative = json!({
                    "id": format!("c{number}"), "type": types.choose(&mut self.0).unwrap(),
                    "weight": 1, "assets": {},
                });
                if self.chance(0.2) {
                    creative["locale"] = json!(self.one(&LOCALES));
                }
                creative
            })
            .collect();
        let rules = self.0.random_range(0..=4);
        let house = self.chance(0.15);
        let mut caps = Vec::new();
        for scope in ["creative", "campaign", "advertiser"] {
            if !house && self.chance(0.25) {
                caps.push(json!({"scope": scope, "per": "day", "max": self.0.random_range(1..3)}));
            }
        }
        let mut campaign = json!({
            "advertiser": self.one(&WORDS), "tier": self.0.random_range(1..=3),
            "weight": self.0.random_range(1..=3),
            "categories": self.some(&WORDS)[..1], "placements": self.some(&PLACEMENTS),
            "types": types, "creatives": creatives, "house": house, "caps": caps,
            "consent": if self.chance(0.3) { "required" } else { "not_required" },
            "no_device": if self.chance(0.3) { "skip" } else { "serve" },
            "sampling": if self.chance(0.3) { "thompson" } else { "weighted" },
            "targeting": {"all": (0..rules).map(|_| self.rule()).collect::<Vec<_>>()},
        });
        if self.chance(0.1) {
            campaign["starts_at"] = json!("2026-06-01T00:00:00.001Z");
        }
        if campaign["starts_at"].is_null() && self.chance(0.2) {
            campaign["ends_at"] =
                json!(self.one(&["2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z"]));
        }
        if !house && self.chance(0.4) {
            let pricing = self.one(&["cpm", "cpc", "flat", "impressions"]);
            campaign["budget"] = json!({"pricing": pricing, "price_micros": 1, "total": 100});
        }
        campaign
    }

    fn request(&mut self) -> Value {
        let mut device = json!({"platform": self.one(&["ios", "android"])});
        for (field, values) in [
            ("app_version", &VERSIONS[..]),
            ("os_version", &["1.0", "1.2", "2", "what?"]),
            ("country", &["KR", "JP"]),
            ("locale", &LOCALES),
            ("carrier", &["x", "y"]),
            ("model", &["m1", "m2"]),
            ("tz", &["Asia/Seoul", "America/New_York", "Mars/Olympus"]),
        ] {
            if self.chance(0.8) {
                device[field] = json!(self.one(values));
            }
        }
        if self.chance(0.8) {
            device["id"] = json!(format!("device-{}-example-0001", self.one(&WORDS)));
        }
        if self.chance(0.1) {
            device["lmt"] = json!(true);
        }
        let mut placements = Vec::new();
        for id in ["top", "end", "none"] {
            let mut placement = json!({"id": id, "count": 20});
            if self.chance(0.3) {
                placement["types"] = json!(self.some(&["banner", "video", "audio"]));
            }
            placements.push(placement);
        }
        let mut request = json!({"placements": placements, "device": device});
        if self.chance(0.7) {
            let user = json!({"gender": "female", "birth_year": self.0.random_range(1990..2010)});
            request["user"] = user;
        }
        for field in ["interests", "keywords"] {
            if self.chance(0.8) {
                request[field] = json!(self.some(&WORDS));
            }
        }
        if self.chance(0.7) {
            request["consent"] = json!(self.chance(0.8));
        }
        if self.chance(0.3) {
            request["exclude"] = match self.0.random_range(0..3) {
                0 => json!({"campaigns": ["c00", "c99"]}),
                1 => json!({"advertisers": [self.one(&WORDS)]}),
                _ => json!({"categories": [self.one(&WORDS), "unheard of"]}),
            };
        }
        request
    }

    fn profile(&mut self) -> Value {
        let mut attributes = json!({});
        if self.chance(0.8) {
            attributes["list"] =
                [json!(self.some(&WORDS)), json!("a"), json!(1)][self.0.random_range(0..3)].clone();
        }
        if self.chance(0.8) {
            attributes["number"] = json!([-2.0, -1.5, 0.0, 6.5, 7.0].choose(&mut self.0).unwrap());
        }
        if self.chance(0.8) {
            let values = [
                json!("a"),
                json!(1),
                json!(1.0),
                json!(true),
                json!("b"),
                json!(["a"]),
            ];
            attributes["any"] = values.choose(&mut self.0).unwrap().clone();
        }
        json!({
            "country": "US", "birth_year": 2000, "gender": "male", "interests": self.some(&WORDS),
            "segments": self.some(&WORDS), "attributes": attributes,
        })
    }

    /// What the app's own systems put.
    fn server(&mut self) -> Value {
        let mut profile = self.profile();
        json!({"segments": profile["segments"].take(), "server_attributes": profile["attributes"].take()})
    }

    fn case(&mut self, campaigns: usize) -> Case {
        let campaigns: Vec<(String, Value)> = (0..campaigns)
            .map(|number| (format!("c{number:02}"), self.campaign()))
            .collect();
        let mut shown = Vec::new();
        let (mut throttles, mut leases) = (HashMap::new(), HashSet::new());
        for (id, _) in &campaigns {
            let key = key_of(id);
            if self.chance(0.3) {
                shown.push((CapScope::Campaign, key, 1));
            }
            if self.chance(0.3) {
                shown.push((CapScope::Creative, creative_key(key, key_of("c0")), 2));
            }
            if self.chance(0.8) {
                let zone =
                    [Zone::Open, Zone::Exact, Zone::Exact, Zone::Spent][self.0.random_range(0..4)];
                let pass = if self.chance(0.8) { 1.0 } else { 0.0 };
                throttles.insert(key, Throttle { pass, zone });
            }
            if self.chance(0.25) {
                leases.insert(key);
            }
        }
        for advertiser in WORDS {
            if self.chance(0.3) {
                shown.push((CapScope::Advertiser, key_of(advertiser), 1));
            }
        }
        let config = json!({
            "categories": {"a": true, "b": self.chance(0.5)},
            "frequency": if self.chance(0.2) { "off" } else { "normal" },
        });
        let mut request = self.request();
        if request["device"]["id"].is_null() {
            shown.clear();
        }
        request["device"]["platform"] = json!("ios");
        Case {
            campaigns,
            profile: self.chance(0.7).then(|| self.profile()),
            server: self.chance(0.6).then(|| self.server()),
            config: self.chance(0.4).then_some(config),
            request,
            shown,
            throttles,
            leases,
            store: self.chance(0.7).then_some(Store::AppStore),
            lineup_age: [Duration::ZERO, AHEAD - Duration::from_millis(2)]
                [self.0.random_range(0..2)],
        }
    }
}

/// What the naive engine says of a campaign at a placement.
impl Case {
    fn text(&self, of: &str) -> Option<Value> {
        let device = &self.request["device"];
        match of {
            "os_version" => Some(device[of].clone()).filter(|version| *version != "what?"),
            "country" => [
                &device["country"],
                self.profile
                    .as_ref()
                    .map_or(&Value::Null, |p| &p["country"]),
            ]
            .into_iter()
            .find(|country| !country.is_null())
            .cloned(),
            _ => Some(device[of].clone()),
        }
    }

    /// The value of a field; null where it is not known.
    fn known(&self, field: &str) -> Value {
        let profile = |of: &str| {
            self.profile
                .as_ref()
                .map_or(Value::Null, |profile| profile[of].clone())
        };
        let user =
            |of: &str| Some(self.request["user"][of].clone()).filter(|value| !value.is_null());
        let clock = match self.request["device"]["tz"].as_str() {
            Some("Asia/Seoul") => Some((9, "mon")),
            Some("America/New_York") => Some((20, "sun")),
            _ => None,
        };
        match field {
            "store" => json!(self.store),
            "gender" => user("gender").unwrap_or_else(|| profile("gender")),
            "age" => {
                let year = user("birth_year").unwrap_or_else(|| profile("birth_year"));
                year.as_u64()
                    .map_or(Value::Null, |year| json!(2026 - year - 1))
            }
            "hour" => clock.map_or(Value::Null, |clock| json!(clock.0)),
            "weekday" => clock.map_or(Value::Null, |clock| json!(clock.1)),
            "interests" => {
                let both = [self.request["interests"].clone(), profile("interests")];
                let lists: Vec<_> = both.iter().filter_map(Value::as_array).collect();
                if lists.is_empty() {
                    Value::Null
                } else {
                    json!(lists.into_iter().flatten().collect::<Vec<_>>())
                }
            }
            // A profile's own segments do not count.
            "segments" => match (&self.server, &self.profile) {
                (Some(server), _) => server["segments"].clone(),
                (None, Some(_)) => json!([]),
                (None, None) => Value::Null,
            },
            "keywords" => self.request["keywords"].clone(),
            _ => match field.strip_prefix("attributes.") {
                Some(name) => {
                    let server = self.server.as_ref();
                    let server = server.and_then(|server| server["server_attributes"].get(name));
                    let server = server.cloned();
                    server.unwrap_or_else(|| profile("attributes")[name].clone())
                }
                None => self.text(field).unwrap_or_default(),
            },
        }
    }

    fn holds(&self, rule: &Value) -> bool {
        if let Some(rules) = rule["any"].as_array() {
            return rules.iter().any(|rule| self.holds(rule));
        }
        if let Some(percent) = rule["percent"].as_u64() {
            let device = self.request["device"]["id"].as_str();
            let seed = rule["seed"].as_str().unwrap();
            return device.is_some_and(|id| u64::from(bucket(seed, id)) < percent * 100);
        }
        let field = rule["field"].as_str().unwrap();
        let known = self.known(field);
        if known.is_null() {
            return false;
        }
        let same = |wanted: &Value| match (wanted, &known) {
            (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
            (Value::String(a), Value::String(b)) if field == "locale" => {
                b == a || b.starts_with(&format!("{a}-"))
            }
            (Value::String(a), Value::String(b)) if field.ends_with("_version") => {
                version(a) == version(b)
            }
            (a, b) => a == b,
        };
        if let Some(values) = rule["in"].as_array() {
            return !known.is_array() && values.iter().any(same);
        }
        if let Some(values) = rule["not_in"].as_array() {
            return !known.is_array() && !values.iter().any(same);
        }
        if rule["gte"].is_null() && rule["lt"].is_null() {
            let list: Vec<Value> = match &known {
                Value::Array(values) => values.clone(),
                Value::String(_) => vec![known.clone()],
                _ => return false,
            };
            let has = |value: &Value| list.contains(value);
            let of = |quantity: &str| rule[quantity].as_array();
            return of("any_of").is_none_or(|values| values.iter().any(has))
                && of("all_of").is_none_or(|values| values.iter().all(has))
                && of("none_of").is_none_or(|values| !values.iter().any(has));
        }
        let not_below = |value: &Value, bound: &Value| match (value, bound) {
            (Value::Number(value), Value::Number(bound)) => value.as_f64() >= bound.as_f64(),
            (Value::String(value), Value::String(bound)) => version(value) >= version(bound),
            _ => false,
        };
        let comparable = known.is_number() || field.ends_with("_version");
        comparable
            && (rule["gte"].is_null() || not_below(&known, &rule["gte"]))
            && (rule["lt"].is_null() || !not_below(&known, &rule["lt"]))
    }

    fn is_in(&self, list: &Value, value: &Value) -> bool {
        list.as_array().is_some_and(|list| list.contains(value))
    }

    fn is_eligible(&self, id: &str, campaign: &Value, placement: &Value) -> bool {
        let exclude = &self.request["exclude"];
        let has_device = !self.request["device"]["id"].is_null();
        let consented = self.request["consent"] == true && self.request["device"]["lmt"] != true;
        let off = self
            .config
            .as_ref()
            .is_some_and(|config| config["frequency"] == "off");
        let category = &campaign["categories"][0];
        let switched_off = self
            .config
            .as_ref()
            .is_some_and(|config| config["categories"][category.as_str().unwrap()] == false);
        self.is_in(&campaign["placements"], &placement["id"])
            && campaign["starts_at"].is_null()
            && campaign["ends_at"] != "2026-06-01T00:00:00Z"
            && (campaign["consent"] == "not_required" || consented)
            && (campaign["house"] == true || campaign["no_device"] == "serve" || has_device)
            && (campaign["house"] == true || !off)
            && !self.is_in(&exclude["campaigns"], &json!(id))
            && !self.is_in(&exclude["advertisers"], &campaign["advertiser"])
            && !self.is_in(&exclude["categories"], category)
            && !switched_off
            && campaign["targeting"]["all"]
                .as_array()
                .unwrap()
                .iter()
                .all(|rule| self.holds(rule))
            && self.fitting(campaign, placement).next().is_some()
    }

    fn fitting<'a>(
        &self,
        campaign: &'a Value,
        placement: &'a Value,
    ) -> impl Iterator<Item = &'a Value> {
        let reader = self.request["device"]["locale"].as_str().map(str::to_owned);
        campaign["creatives"]
            .as_array()
            .unwrap()
            .iter()
            .filter(move |creative| {
                let types = placement["types"].as_array();
                types.is_none_or(|types| types.contains(&creative["type"]))
                    && creative["locale"].as_str().is_none_or(|locale| {
                        let reader = reader.as_deref();
                        reader.is_some_and(|r| r == locale || r.starts_with(&format!("{locale}-")))
                    })
            })
    }

    fn shown(&self, scope: CapScope, key: u64) -> u64 {
        let of = self
            .shown
            .iter()
            .filter(|(s, k, _)| (*s, *k) == (scope, key));
        of.map(|(.., count)| u64::from(*count)).sum()
    }

    fn cap(campaign: &Value, scope: &str) -> u64 {
        let caps = campaign["caps"].as_array().unwrap();
        let cap = caps.iter().find(|cap| cap["scope"] == scope);
        cap.map_or(u64::MAX, |cap| cap["max"].as_u64().unwrap())
    }

    fn advertiser_left(&self, campaign: &Value) -> u64 {
        let key = key_of(campaign["advertiser"].as_str().unwrap());
        if self.request["device"]["id"].is_null() {
            return u64::MAX;
        }
        let cap = Self::cap(campaign, "advertiser");
        cap.saturating_sub(self.shown(CapScope::Advertiser, key))
    }

    fn is_capped(&self, id: &str, campaign: &Value, placement: &Value) -> bool {
        let key = key_of(id);
        let creatives_shown = self.fitting(campaign, placement).map(|creative| {
            let creative = key_of(creative["id"].as_str().unwrap());
            self.shown(CapScope::Creative, creative_key(key, creative))
        });
        self.shown(CapScope::Campaign, key) >= Self::cap(campaign, "campaign")
            || self.advertiser_left(campaign) == 0
            || creatives_shown.min().unwrap() >= Self::cap(campaign, "creative")
    }

    /// Whether it passes pacing, and whether it then needs a lease.
    fn budget(&self, id: &str, campaign: &Value) -> (bool, bool) {
        let pricing = campaign["budget"]["pricing"].as_str();
        if !matches!(pricing, Some("cpm" | "impressions" | "cpc")) {
            return (true, false);
        }
        match self.throttles.get(&key_of(id)) {
            Some(throttle) => (
                throttle.zone != Zone::Spent && throttle.pass > 0.0,
                throttle.zone == Zone::Exact,
            ),
            None => (true, true),
        }
    }

    /// The ids of who can be given at a placement, by what they need and lack.
    fn survivors(&self, placement: &Value) -> BTreeSet<&str> {
        let given = self.campaigns.iter().filter(|(id, campaign)| {
            let (passes, needs_lease) = self.budget(id, campaign);
            let leased = self.leases.contains(&key_of(id));
            self.is_eligible(id, campaign, placement)
                && !self.is_capped(id, campaign, placement)
                && passes
                && (!needs_lease || leased)
        });
        given.map(|(id, _)| id.as_str()).collect()
    }

    fn lacks_a_lease(&self, id: &str, placement: &Value) -> bool {
        let (_, campaign) = self
            .campaigns
            .iter()
            .find(|(known, _)| known == id)
            .unwrap();
        let leased = self.leases.contains(&key_of(id));
        self.is_eligible(id, campaign, placement)
            && !self.is_capped(id, campaign, placement)
            && self.budget(id, campaign) == (true, true)
            && !leased
    }

    fn campaign(&self, id: &str) -> &Value {
        &self
            .campaigns
            .iter()
            .find(|(known, _)| known == id)
            .unwrap()
            .1
    }
}

/// A version as its parts; the only pre-release that is made is below its release.
fn version(text: &str) -> (Vec<u64>, bool) {
    let (core, beta) = text
        .strip_suffix("-beta")
        .map_or((text, false), |core| (core, true));
    let mut parts: Vec<u64> = core.split('.').map(|part| part.parse().unwrap()).collect();
    parts.resize(3, 0);
    (parts, !beta)
}

/// A case in the engine's own types.
struct Ready {
    lineup: Lineup,
    request: Request,
    profile: Option<Profile>,
    server: Option<DeviceSegments>,
    config: Option<ContentConfig>,
    showings: Showings,
}

impl Case {
    fn ready(&self) -> Ready {
        let campaigns: Vec<(&str, Value)> = self
            .campaigns
            .iter()
            .map(|(id, campaign)| (&**id, campaign.clone()))
            .collect();
        let delivery = Delivery {
            at: now(),
            throttles: self.throttles.clone(),
            ..Delivery::default()
        };
        let mut showings = Showings::default();
        for (scope, key, total) in &self.shown {
            let span = Span::Day("2026-06-01".parse().unwrap(), "UTC".into());
            let counter = Counter {
                scope: *scope,
                key: *key,
                span,
            };
            let count = Count {
                total: *total,
                ..Count::default()
            };
            showings.insert(counter, count);
        }
        let mut request: Request = parsed(&self.request);
        request.device.store = self.store;
        Ready {
            lineup: Lineup::new(
                lineup(&campaigns).snapshot.clone(),
                delivery.into(),
                AGE_LIMIT,
                now() - self.lineup_age,
            )
            .at(now()),
            request,
            profile: self.profile.as_ref().map(parsed),
            server: self.server.as_ref().map(parsed),
            config: self.config.as_ref().map(parsed),
            showings,
        }
    }

    fn given<'a>(&'a self, ready: &'a Ready) -> Given<'a> {
        Given {
            request: &ready.request,
            profile: ready.profile.as_ref(),
            segments: ready.server.as_ref(),
            config: ready.config.as_ref(),
            showings: &ready.showings,
            leases: &self.leases,
            member: None,
            now: now(),
        }
    }
}

/// The ids of who can be given at a placement as the engine finds them: position by position, and by
/// blocks.
fn survivors<'s>(
    lineup: &'s Lineup,
    given: &Given<'_>,
    placement: usize,
) -> [BTreeSet<&'s str>; 2] {
    let chance = Chance::draw(given, &mut StdRng::seed_from_u64(1));
    let viewer = Viewer::new(lineup, given, chance);
    let wanted = &given.request.placements[placement];
    let mut found = [BTreeSet::new(), BTreeSet::new()];
    let Some((at, shelves)) = lineup.snapshot().placement(&wanted.id) else {
        return found;
    };
    let live = lineup.live(at).unwrap();
    let types = viewer.types(wanted);
    let shelves = [
        (&shelves.campaigns, &live.campaigns, viewer.sees_campaigns),
        (&shelves.house, &live.house, true),
    ];
    for (shelf, live, _) in shelves.into_iter().filter(|(.., seen)| *seen) {
        let query = Query::new(shelf, live, &viewer, &types);
        let mut block = [0; BLOCK];
        query.block(0, &mut block);
        for (position, place) in (0..).zip(&shelf.places) {
            let row = lineup.snapshot().row(*place).unwrap();
            let admitted = shelf.index.verifies(position, &viewer.facts)
                && row.in_flight(given.now)
                && !viewer.excludes(row, *place)
                && viewer.admit(*place, row, &types, &[]).is_ok();
            let in_block = block[position as usize / 64] >> (position % 64) & 1 == 1;
            let id = lineup.snapshot().campaign(*place).unwrap().id;
            for (found, _) in found
                .iter_mut()
                .zip([query.holds(position), in_block])
                .filter(|(_, holds)| *holds && admitted)
            {
                found.insert(id);
            }
        }
    }
    found
}

/// What must be true of an allocation, however it was drawn.
fn check(case: &Case, allocation: &Allocation<'_>) -> Result<(), TestCaseError> {
    let mut given: BTreeSet<&str> = BTreeSet::new();
    for (at, placement) in case.request["placements"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        let here = allocation
            .placed
            .iter()
            .filter(|placed| placed.placement == at);
        let here: Vec<_> = here.collect();
        let survivors = case.survivors(placement);
        let ranks = here
            .iter()
            .map(|placed| (placed.campaign.house, placed.campaign.tier));
        prop_assert!(ranks.is_sorted());
        prop_assert!(
            here.iter()
                .map(|placed| placed.slot)
                .eq(0..here.len() as u8)
        );
        for placed in &here {
            let (id, campaign) = (placed.campaign.id, case.campaign(placed.campaign.id));
            prop_assert!(survivors.contains(id), "{id}");
            prop_assert!(given.insert(id), "{id} is given twice");
            let mut fitting = case.fitting(campaign, placement);
            let creative = fitting.any(|creative| creative["id"] == placed.creative.id);
            prop_assert!(creative, "{id}'s creative does not fit");
            let key = creative_key(key_of(id), placed.creative.key);
            let shown = case.shown(CapScope::Creative, key);
            prop_assert!(
                shown < Case::cap(campaign, "creative"),
                "{id}'s creative is capped"
            );
            prop_assert_eq!(placed.leased, case.budget(id, campaign).1);
        }
        // Who could be given and was not is of an advertiser that was shown enough.
        for id in survivors.difference(&given) {
            let campaign = case.campaign(id);
            let same = |id: &&&str| case.campaign(id)["advertiser"] == campaign["advertiser"];
            let count = given.iter().filter(same).count() as u64;
            prop_assert!(count >= case.advertiser_left(campaign), "{id} is left out");
        }
    }
    for (at, placed) in allocation.placed.iter().enumerate() {
        let before = allocation.placed[..at].iter();
        let same = before.filter(|other| other.campaign.advertiser == placed.campaign.advertiser);
        let left = case.advertiser_left(case.campaign(placed.campaign.id));
        prop_assert!(
            (same.count() as u64) < left,
            "{} is beyond the cap",
            placed.campaign.id
        );
    }
    let placements = case.request["placements"].as_array().unwrap();
    let mut wanted = BTreeSet::new();
    for campaign in &allocation.wanted {
        prop_assert!(wanted.insert(campaign.id));
        prop_assert!(
            placements
                .iter()
                .any(|placement| case.lacks_a_lease(campaign.id, placement))
        );
    }
    let house = |id: &&&str| case.campaign(id)["house"] == true;
    prop_assert_eq!(
        allocation.fallback,
        given.iter().filter(house).count() == given.len()
    );
    Ok(())
}

/// Who is said to have been selected or to have lost the draw is who could be given.
fn check_explanation(case: &Case, explanation: &Explanation) -> Result<(), TestCaseError> {
    for placement in case.request["placements"].as_array().unwrap() {
        let here = explanation.candidates.iter();
        let here = here.filter(|candidate| candidate.placement.as_str() == placement["id"]);
        let could = here.filter(|candidate| candidate.outcome <= Outcome::LostDraw);
        let could: BTreeSet<&str> = could.map(|candidate| &*candidate.campaign_id).collect();
        prop_assert_eq!(could, case.survivors(placement));
    }
    let counted: usize = explanation.counts.values().sum();
    prop_assert_eq!(counted, case.campaigns.len() * 3);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_gives_what_the_rules_say(seed: u64, count in 1_usize..40) {
        let case = Maker(StdRng::seed_from_u64(seed)).case(count);
        let ready = case.ready();
        let given = case.given(&ready);
        let placements = case.request["placements"].as_array().unwrap();
        for (at, placement) in placements.iter().enumerate() {
            let expected = case.survivors(placement);
            let [by_position, by_block] = survivors(&ready.lineup, &given, at);
            prop_assert_eq!(&by_position, &expected);
            prop_assert_eq!(&by_block, &expected);
        }
        let mut rng = StdRng::seed_from_u64(seed);
        for tries in [|_| 0, |_| 5, |_| 1000] {
            let allocation = allocate_with(&ready.lineup, &given, tries, &mut rng);
            check(&case, &allocation)?;
            check_explanation(&case, &explain(&ready.lineup, &given, &allocation, None))?;
        }
    }
}
