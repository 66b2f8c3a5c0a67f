//! What an audience is answered, and why.

mod audience;
mod banners;
mod config;
mod notices;
mod paging;

use serde_json::{Value, json};

use super::*;
use crate::{
    Country, DeviceId, Instant, Locale,
    allocation::{DeviceSegments, Profile},
    content::{check_item, compile, format},
};

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

fn locale(text: &str) -> Locale {
    text.parse().unwrap()
}

fn device(text: &str) -> DeviceId {
    text.parse().unwrap()
}

fn country(text: &str) -> Country {
    text.parse().unwrap()
}

fn profile(value: Value) -> Profile {
    serde_json::from_value(value).unwrap()
}

fn segments(value: Value) -> DeviceSegments {
    serde_json::from_value(value).unwrap()
}

/// The artefact of items, each of which is right.
fn artefact(kind: Kind, items: impl IntoIterator<Item = (String, Value)>) -> Vec<u8> {
    let items = items.into_iter().map(|(id, item)| {
        let item = check_item(kind, item.to_string().as_bytes()).unwrap();
        (id.parse().unwrap(), item)
    });
    compile(kind, &items.collect::<Vec<_>>()).unwrap()
}

fn merged(mut base: Value, changes: Value) -> Value {
    base.as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    base
}

fn banner(changes: Value) -> Value {
    let base = json!({
        "placement": "home", "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z",
        "priority": 0,
        "images": {
            "default": {"url": "https://cdn.example.com/d.png", "width": 1200, "height": 600},
            "ko": {"url": "https://cdn.example.com/k.png", "width": 1200, "height": 630},
        },
        "alt": {"default": "Sale", "ko": "세일", "ko-KR": "대세일"},
        "click": {"type": "open_url", "value": "https://example.com/spring"}, "frequency": "once",
    });
    merged(base, changes)
}

fn banners(items: &[(&str, Value)]) -> Banners {
    let items = items
        .iter()
        .map(|(id, changes)| ((*id).to_owned(), banner(changes.clone())));
    Banners::load(format(Kind::Banners), &artefact(Kind::Banners, items)).unwrap()
}

fn notice(changes: Value) -> Value {
    let base = json!({
        "pinned": false, "priority": 0, "starts_at": "2026-01-01T00:00:00Z",
        "title": {"default": "Hello", "ko": "안녕"}, "body": {"default": "Hello!"},
    });
    merged(base, changes)
}

fn notices(items: &[(&str, Value)]) -> Notices {
    let items = items
        .iter()
        .map(|(id, changes)| ((*id).to_owned(), notice(changes.clone())));
    Notices::load(format(Kind::Notices), &artefact(Kind::Notices, items)).unwrap()
}

fn config(items: &[Value]) -> RemoteConfig {
    let items = items.iter().enumerate();
    let items = items.map(|(at, item)| (format!("p{at}"), item.clone()));
    RemoteConfig::load(format(Kind::Config), &artefact(Kind::Config, items)).unwrap()
}

/// A moment at which all of the above are in flight.
const NOON: &str = "2026-06-15T12:00:00Z";
