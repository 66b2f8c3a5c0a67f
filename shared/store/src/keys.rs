//! Every key of every table, in one place. Nothing outside this crate knows one.
//!
//! All tables have the same shape: string keys `pk` and `sk`, and `expires_at` (epoch seconds) as
//! the time-to-live attribute of what expires.
//!
//! | Table | `pk` | `sk` | What | Expires |
//! | --- | --- | --- | --- | --- |
//! | Content | `draft#<kind>` | `<id>` | a draft, its author and entity tag | – |
//! | Content | `head#<kind>` | `head` | which version is live, and where its artefact lies | – |
//! | Content | `version#<kind>` | `<number, 10 digits>` | a version: who, why, its source and artefact | – |
//! | Content | `publication#<kind>` | `<publication id>` | a request to publish and what came of it | – |
//! | Content | `pending` | `<publication id>#<kind>` | a publication that is still to be run | – |
//! | Operators | `service-key#<id>` | `key` | a service key's hashes and scopes | – |
//! | Devices | `device#<device>` | `profile` | what targeting knows of a device | when nobody has put it for long |
//! | Devices | `device#<device>` | `content-config` | what its user wants to see | when nobody has put it for long |
//! | Devices | `device#<device>` | `cap#<scope><key>#<day>@<zone>` | what it was shown in a zone's day | two days after the last showing |
//! | Devices | `device#<device>` | `cap#<scope><key>#lifetime` | what it was ever shown | long after the last showing |
//! | Requests | `idempotency#<sha-256 of caller, route and key>` | `record` | a request in flight, or its answer | with the record |
//! | Requests | `rate#<scope>#<window>` | `hits` | hits of one window | a window later |
//! | Marks | `mark#<campaign>#<minute>#<shard>` | `<request>#<slot>#<kind>` | one impression, click or conversion | after its retention |
//! | Marks | `mark#<campaign>#<minute>#<shard>` | `<request>#<slot>#<kind>#flagged` | the same, as a machine sent it | after its retention |
//! | Marks | `hours#<part>` | `<hour>` | an hour that has buckets | after the marks' retention |
//! | Marks | `buckets#<hour>#<part>` | `<minute>#<campaign>` | a campaign's minute that has marks | after the marks' retention |
//! | Marks | `arrivals#<minute>#<part>` | `<campaign>#<minute of issue>` | a bucket that had marks in the minute | 3 days later |
//! | Marks | `sums#<day>#<campaign>` | `<minute>#<creative>` | what a creative's minute comes to | after the sums' retention |
//! | Marks | `totals#<day>` | `<campaign>#<creative>#<placement>` | what a day comes to | – |
//! | Marks | `roll-up` | `state` | how far the roll-up is, and when it last finished | – |
//! | Budgets | `budget#<campaign>` | `lease#<lease, 16 digits>` | a part of a campaign's budget, and how much of it is used | – |
//!
//! Campaigns, creatives and placements are 16 hexadecimal digits in keys of Marks (the 64-bit keys
//! of tracking tokens); minutes and hours count from the epoch, 10 digits; days are dates.
//!
//! A device is 32 hexadecimal digits, its `DeviceKey`: its id is kept nowhere. Its caps, its wishes
//! and its profile are read in one range of sort keys, [`device_record`]; whatever else is to lie in
//! its partition must sort before or after them.

use domain::{
    DeviceKey, Id, RandomId,
    caps::{Counter, Span},
    content::{Kind, campaigns::CapScope},
};

/// The two halves of an item's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

fn key(pk: impl Into<String>, sk: impl Into<String>) -> Key {
    Key {
        pk: pk.into(),
        sk: sk.into(),
    }
}

pub(crate) fn drafts(kind: Kind) -> String {
    format!("draft#{}", kind.as_str())
}

pub(crate) fn draft(kind: Kind, id: &Id) -> Key {
    key(drafts(kind), id.as_str())
}

pub(crate) fn head(kind: Kind) -> Key {
    key(format!("head#{}", kind.as_str()), "head")
}

pub(crate) fn versions(kind: Kind) -> String {
    format!("version#{}", kind.as_str())
}

pub(crate) fn version(kind: Kind, number: u64) -> Key {
    key(versions(kind), format!("{number:010}"))
}

pub(crate) fn publication(kind: Kind, id: RandomId) -> Key {
    key(format!("publication#{}", kind.as_str()), id.to_string())
}

pub(crate) const PENDING: &str = "pending";

pub(crate) fn pending(kind: Kind, id: RandomId) -> Key {
    key(PENDING, format!("{id}#{}", kind.as_str()))
}

pub(crate) fn service_key(id: &Id) -> Key {
    key(format!("service-key#{}", id.as_str()), "key")
}

pub(crate) fn device(device: DeviceKey) -> String {
    format!("device#{device}")
}

pub(crate) fn device_profile(of: DeviceKey) -> Key {
    key(device(of), PROFILE)
}

pub(crate) const PROFILE: &str = "profile";

pub(crate) fn device_content_config(of: DeviceKey) -> Key {
    key(device(of), CONTENT_CONFIG)
}

pub(crate) const CONTENT_CONFIG: &str = "content-config";

/// The least and the greatest sort key of what is read of a device.
pub(crate) fn device_record() -> (String, String) {
    (CAP.to_owned(), PROFILE.to_owned())
}

pub(crate) fn cap(of: DeviceKey, counter: &Counter) -> Key {
    let scope = match counter.scope {
        CapScope::Creative => 'r',
        CapScope::Campaign => 'c',
        CapScope::Advertiser => 'a',
    };
    let span = match &counter.span {
        Span::Day(day, zone) => format!("{day}@{zone}"),
        Span::Lifetime => LIFETIME.to_owned(),
    };
    key(
        device(of),
        format!("{CAP}{scope}{:016x}#{span}", counter.key),
    )
}

/// The counter that a sort key of [`cap`] names; `None` for any other.
pub(crate) fn cap_of(sk: &str) -> Option<Counter> {
    let rest = sk.strip_prefix(CAP)?;
    let scope = match rest.chars().next()? {
        'r' => CapScope::Creative,
        'c' => CapScope::Campaign,
        'a' => CapScope::Advertiser,
        _ => return None,
    };
    let (digits, span) = rest.get(1..)?.split_once('#')?;
    let span = match span.split_once('@') {
        Some((day, zone)) => Span::Day(day.parse().ok()?, zone.into()),
        None if span == LIFETIME => Span::Lifetime,
        None => return None,
    };
    Some(Counter {
        scope,
        key: u64::from_str_radix(digits, 16).ok()?,
        span,
    })
}

const CAP: &str = "cap#";
const LIFETIME: &str = "lifetime";

pub(crate) fn lease(campaign: u64, lease: u64) -> Key {
    key(
        format!("budget#{campaign:016x}"),
        format!("lease#{lease:016x}"),
    )
}

pub(crate) fn idempotency(scope_sha256: &str) -> Key {
    key(format!("idempotency#{scope_sha256}"), "record")
}

pub(crate) fn rate(scope: &str, window: i64) -> Key {
    key(format!("rate#{scope}#{window}"), "hits")
}

pub(crate) fn marks(campaign: u64, minute: u32, shard: u8) -> String {
    format!("mark#{campaign:016x}#{minute:010}#{shard:02}")
}

pub(crate) fn mark(bucket: String, request: RandomId, slot: u8, kind: &str) -> Key {
    key(bucket, format!("{request}#{slot:03}#{kind}"))
}

/// Apart from the mark itself, which may still come from somebody.
pub(crate) fn flagged_mark(bucket: String, request: RandomId, slot: u8, kind: &str) -> Key {
    key(bucket, format!("{request}#{slot:03}#{kind}#flagged"))
}

pub(crate) fn hours(part: u8) -> String {
    format!("hours#{part:02}")
}

pub(crate) fn hour(part: u8, hour: u32) -> Key {
    key(hours(part), format!("{hour:010}"))
}

pub(crate) fn buckets(hour: u32, part: u8) -> String {
    format!("buckets#{hour:010}#{part:02}")
}

pub(crate) fn arrivals(minute: u32, part: u8) -> String {
    format!("arrivals#{minute:010}#{part:02}")
}

pub(crate) fn arrival(minute: u32, part: u8, campaign: u64, issue_minute: u32) -> Key {
    key(
        arrivals(minute, part),
        format!("{campaign:016x}#{issue_minute:010}"),
    )
}

pub(crate) fn sums(day: &str, campaign: u64) -> String {
    format!("sums#{day}#{campaign:016x}")
}

pub(crate) fn sum(day: &str, campaign: u64, minute: u32, creative: u64) -> Key {
    key(sums(day, campaign), format!("{minute:010}#{creative:016x}"))
}

pub(crate) fn totals(day: &str) -> String {
    format!("totals#{day}")
}

pub(crate) fn total(day: &str, campaign: u64, creative: u64, placement: u64) -> Key {
    key(
        totals(day),
        format!("{campaign:016x}#{creative:016x}#{placement:016x}"),
    )
}

pub(crate) fn roll_up() -> Key {
    key("roll-up", "state")
}

/// The least and the greatest sort key of a campaign's totals of a day.
pub(crate) fn totals_of_campaign(campaign: u64) -> (String, String) {
    (format!("{campaign:016x}#"), format!("{campaign:016x}$"))
}

/// What readiness asks for; there is no such item.
pub(crate) fn probe() -> Key {
    key("probe", "probe")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counters_key_says_which_counter_it_is_and_lies_in_the_devices_record() {
        let device = DeviceKey::from_bytes([7; 16]);
        let (least, greatest) = device_record();
        for scope in CapScope::ALL {
            for span in [
                Span::Lifetime,
                Span::Day(
                    "2026-03-01".parse().unwrap(),
                    "America/Port-au-Prince".into(),
                ),
            ] {
                let counter = Counter {
                    scope: *scope,
                    key: 0xab,
                    span,
                };
                let sk = cap(device, &counter).sk;
                assert_eq!(cap_of(&sk), Some(counter), "{sk}");
                assert!(least < sk && sk < greatest);
            }
        }
        for config in [CONTENT_CONFIG, PROFILE] {
            assert!(*least < *config && *config <= *greatest);
            assert_eq!(cap_of(config), None);
        }
        for other in [
            "cap#",
            "cap#x",
            "cap#z00#lifetime",
            "cap#c1#life",
            "cap#cg#lifetime",
            "cap#c1",
        ] {
            assert_eq!(cap_of(other), None, "{other}");
        }
    }
}
