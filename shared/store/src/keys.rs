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
//! | Operators | `audit#<day in UTC>` | `<record id>` | who changed what, from what to what | – |
//! | Members | `member#<member>` | `member` | a member, or what is left of one | – |
//! | Members | `member#<member>` | `standing` | their ban, pending withdrawal and ended sessions | – |
//! | Members | `member#<member>` | `consent#<time>#<consent>#<action>` | a consent that was given or withdrawn | – |
//! | Members | `member#<member>` | `security#<event>` | a copied refresh token that ended a session | a year later |
//! | Members | `member#<member>` | `banned-identities` | the hashes under which a purged member's ban is stored | with the ban |
//! | Members | `banned-identity#<keyed hash>` | `ban` | the ban of an identity whose member was purged | with the ban |
//! | Members | `member#<member>` | `identity#<provider>` | what they sign in with | – |
//! | Members | `member#<member>` | `session#<session>` | a session | when it is over by itself |
//! | Members | `member#<member>` | `device#<device>` | a device that they signed in on | – |
//! | Members | `member#<member>` | `export#<export>` | that they asked for their data | when they can no more have it |
//! | Members | `member#<member>` | `notices-read` | which notices they have read | long after the last mark |
//! | Members | `identity#<provider>#<sha-256 of subject>` | `identity` | whose identity it is | – |
//! | Members | `device#<device>` | `member#<member>` | who signed in on a device | when their session there is surely over |
//! | Members | `nickname#<first character of its key>` | `<key>` | whose nickname it is, or was | when it is held no more |
//! | Members | `challenge#<serial>` | `used` | that a challenge was used | when it has lapsed anyway |
//! | Members | `event#<provider>#<sha-256 of event id>` | `seen` | that a provider's event was acted on | long after it can be told again |
//! | Members | `transfer-code#<first letters of the code>` | `code` | a transfer code's hash, its member, and how often it was tried | with the code |
//! | Members | `member#<member>` | `transfer-code` | the first letters of the member's transfer code | with the code |
//! | Members | `ticket#<sha-256 of ticket>` | `link` | an identity that another member has | with the ticket |
//! | Members | `signing-keys` | `public` | the public halves of the keys that sign access tokens | – |
//! | Members | `unlink-outbox` | `<due at>#<entry>` | a connection that is still to be ended at its provider | –, deleted when the provider was called or is given up |
//! | Members | `deletion-request#<sha-256 of code>` | `request` | a deletion that Facebook requested | long after the member is gone |
//! | Members | `revocations#<minute>` | `<time>#<hash of the entry>` | a ban, or ended sessions, for those who verify access tokens | with the longest access token |
//! | Members | `revocations` | `head` | the same, as earlier versions stored it; only read | – |
//! | Members | `withdrawals` | `<purge at>#<member>` | who is to be forgotten, and when | – |
//! | Devices | `device#<device>` | `profile` | the profile that was put last, and its owner | 400 days after it was put |
//! | Devices | `device#<device>` | `profile-server` | segments and attributes that the app's own systems put | 400 days after they were put |
//! | Devices | `device#<device>` | `content-config` | what its user wants to see, as it was put last, and its owner | 400 days after it was put |
//! | Devices | `device#<device>` | `aside#<owner>#<profile or content-config>` | the same of an owner after whom another put theirs | 400 days after it was put |
//! | Devices | `device#<device>` | `cap#<scope><key>#<day>@<zone>` | what it was shown in a zone's day | two days after the last showing |
//! | Devices | `device#<device>` | `cap#<scope><key>#lifetime` | what it was ever shown | long after the last showing |
//! | Requests | `idempotency#<sha-256 of caller, route and key>` | `record` | a request in flight, or its answer | with the record |
//! | Requests | `rate#<sha-256 of scope and window>` | `hits` | hits of one window | a window later |
//! | Marks | `mark#<campaign>#<minute>#<shard>` | `<request>#<slot>#<kind>` | one impression, click or conversion | after its retention |
//! | Marks | `mark#<campaign>#<minute>#<shard>` | `<request>#<slot>#<kind>#flagged` | the same, as a machine sent it | after its retention |
//! | Marks | `arrivals#<minute>#<part>` | `<campaign>#<minute of issue>` | a bucket that had marks in the minute | 3 days later |
//! | Marks | `active-minutes#<hour>` | `<minute>` | that marks or tallies were written in the minute | 3 days later |
//! | Marks | `sums#<day>#<campaign>` | `<minute>#<creative>` | what a creative's minute comes to | after the sums' retention |
//! | Marks | `terms#<campaign>` | `terms` | the last known terms of a campaign, and the zones of its days | – |
//! | Marks | `billed#<campaign>` | `<day>` | what was billed of a day, and within what | – |
//! | Marks | `totals#<day in UTC>` | `<campaign>#<creative>#<placement>#<day>` | what a day comes to, as far as it belongs to a day of the campaign's zone | – |
//! | Marks | `outcomes#<campaign>` | `<day in UTC>#<creative>#<day>` | a learning campaign's impressions and clicks | after the marks' retention |
//! | Marks | `delivered` | `<campaign>` | where a campaign stands, for pacing | – |
//! | Marks | `tallies#<minute>#<part>` | `<instance>#<number>` | what an instance gave out since it last told | 3 days later |
//! | Marks | `tallied#<day in UTC>` | `campaign#<campaign>`, `placement#<placement>` | what a day's tallies come to | – |
//! | Marks | `event#<sha-256 of device and event id>` | `told` | that an app's event was counted | 31 days after it happened or was told |
//! | Marks | `event-counts#<day in UTC>#<shard>` | `item#<kind>/<id>#<type>`, `type#<type>` | how many events there were, as far as this shard has counted | – |
//! | Marks | `event-types#<day in UTC>` | `known` | the types of events that are counted by their names | – |
//! | Marks | `roll-up` | `state` | how far the roll-up is, and when it last finished | – |
//! | Budgets | `accounts#<part>` | `<campaign>` | how much of a budget is given out | long after its campaign was withdrawn |
//! | Budgets | `budget#<campaign>` | `lease#<lease>` | units that an instance may give out | –, deleted when given back |
//! | Budgets | `delivery` | `head` | where the last delivery lies | – |
//! | Budgets | `delivery` | `turn` | the run of the pacing worker that is under way | – |
//!
//! Campaigns, creatives and placements are 16 hexadecimal digits in keys of Marks and Budgets (the
//! 64-bit keys of tracking tokens), and so are leases; minutes count from the epoch, 10 digits;
//! days are dates, in the campaign's zone unless said otherwise.
//!
//! A device is 32 hexadecimal digits, its `DeviceKey`: its id is stored nowhere. Its caps, its
//! content-config, its profile and its segments are read in one range of sort keys, [`device_record`];
//! everything else in its partition must sort before or after them. An owner is a member's id, or `app`.

use std::fmt;

use domain::{
    Day, DeviceKey, Id, Instant, RandomId,
    caps::{Counter, Span},
    content::{Kind, campaigns::CapScope},
    events::{Counter as EventCounter, EventId},
    identity::{ConsentEvent, IdentityHash, MemberId, Provider, SessionId, Subject},
};

use crate::{Stamp, blobs::sha256};

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

pub(crate) fn audit(utc_day: Day, record: RandomId) -> Key {
    key(format!("audit#{utc_day}"), record.to_string())
}

pub(crate) fn public_keys() -> Key {
    key("signing-keys", "public")
}

/// The list of revocations that earlier versions stored in one item.
pub(crate) fn legacy_revocations() -> Key {
    key("revocations", "head")
}

pub(crate) fn revocations(minute: i64) -> String {
    format!("revocations#{minute:010}")
}

pub(crate) fn revocation(minute: i64, made_at: Instant, hash: &str) -> Key {
    key(revocations(minute), format!("{made_at}#{hash}"))
}

pub(crate) fn member(id: MemberId) -> String {
    format!("{MEMBER}{id}")
}

pub(crate) fn member_record(id: MemberId) -> Key {
    key(member(id), "member")
}

pub(crate) fn member_standing(id: MemberId) -> Key {
    key(member(id), "standing")
}

pub(crate) fn member_consent(id: MemberId, event: &ConsentEvent) -> Key {
    let (consent, action) = (event.consent.as_str(), event.action.as_str());
    key(
        member(id),
        format!("{}{}#{consent}#{action}", MEMBER_CONSENTS.0, event.at),
    )
}

pub(crate) fn security_event(of: MemberId, id: RandomId) -> Key {
    key(member(of), format!("{}{id}", SECURITY_EVENTS.0))
}

pub(crate) fn banned_identities(of: MemberId) -> Key {
    key(member(of), "banned-identities")
}

pub(crate) fn banned_identity(hash: &IdentityHash) -> Key {
    banned_identity_of(&hash.to_string())
}

pub(crate) fn banned_identity_of(hash: &str) -> Key {
    key(format!("banned-identity#{hash}"), "ban")
}

pub(crate) fn member_identity(id: MemberId, provider: Provider) -> Key {
    key(member(id), format!("{}{provider}", MEMBER_IDENTITIES.0))
}

pub(crate) fn session(of: MemberId, id: SessionId) -> Key {
    key(member(of), format!("{}{id}", SESSIONS.0))
}

pub(crate) fn member_device(id: MemberId, device: DeviceKey) -> Key {
    key(member(id), format!("{}{device}", MEMBER_DEVICES.0))
}

pub(crate) fn export(of: MemberId, id: RandomId) -> Key {
    key(member(of), format!("{}{id}", EXPORTS.0))
}

pub(crate) fn notices_read(of: MemberId) -> Key {
    key(member(of), "notices-read")
}

/// The least and the greatest sort key of each kind of what a member has several of.
pub(crate) const MEMBER_IDENTITIES: (&str, &str) = ("identity#", "identity$");
pub(crate) const SESSIONS: (&str, &str) = ("session#", "session$");
pub(crate) const MEMBER_DEVICES: (&str, &str) = ("device#", "device$");
pub(crate) const EXPORTS: (&str, &str) = ("export#", "export$");
pub(crate) const MEMBER_CONSENTS: (&str, &str) = ("consent#", "consent$");
pub(crate) const SECURITY_EVENTS: (&str, &str) = ("security#", "security$");

pub(crate) fn identity(provider: Provider, subject: &Subject) -> Key {
    let hash = sha256(subject.as_bytes());
    key(format!("identity#{provider}#{hash}"), "identity")
}

pub(crate) fn device_member(device_key: DeviceKey, id: MemberId) -> Key {
    key(device(device_key), member(id))
}

/// The member that a sort key of [`device_member`] names.
pub(crate) fn member_of(sk: &str) -> Option<MemberId> {
    sk.strip_prefix(MEMBER)?.parse().ok()
}

const MEMBER: &str = "member#";

/// The nicknames whose keys begin as this one does.
pub(crate) fn nicknames(nickname_key: &str) -> String {
    let first: String = nickname_key.chars().take(1).collect();
    format!("nickname#{first}")
}

pub(crate) fn nickname(nickname_key: &str) -> Key {
    key(nicknames(nickname_key), nickname_key)
}

pub(crate) fn challenge(serial: RandomId) -> Key {
    key(format!("challenge#{serial}"), "used")
}

pub(crate) fn provider_event(provider: Provider, event: &str) -> Key {
    let hash = sha256(event.as_bytes());
    key(format!("event#{provider}#{hash}"), "seen")
}

pub(crate) fn ticket(secret: &str) -> Key {
    key(format!("ticket#{}", sha256(secret.as_bytes())), "link")
}

pub(crate) const UNLINK_OUTBOX: &str = "unlink-outbox";

pub(crate) fn unlink_entry(due_at: Instant, entry: &str) -> Key {
    key(UNLINK_OUTBOX, format!("{due_at}#{entry}"))
}

pub(crate) fn deletion_request(code: &str) -> Key {
    let hash = sha256(code.as_bytes());
    key(format!("deletion-request#{hash}"), "request")
}

pub(crate) fn transfer_code(handle: &str) -> Key {
    key(format!("transfer-code#{handle}"), "code")
}

pub(crate) fn member_transfer_code(of: MemberId) -> Key {
    key(member(of), "transfer-code")
}

pub(crate) const WITHDRAWALS: &str = "withdrawals";

pub(crate) fn withdrawal(purge_at: Instant, id: MemberId) -> Key {
    key(WITHDRAWALS, format!("{purge_at}#{id}"))
}

pub(crate) fn device(device: DeviceKey) -> String {
    format!("device#{device}")
}

pub(crate) fn device_item(of: DeviceKey, sk: &str) -> Key {
    key(device(of), sk)
}

pub(crate) const PROFILE: &str = "profile";
pub(crate) const PROFILE_SERVER: &str = "profile-server";
pub(crate) const CONTENT_CONFIG: &str = "content-config";

/// An item that was put under `sk` and gave way to another owner's.
pub(crate) fn device_aside(of: DeviceKey, owner: impl fmt::Display, sk: &str) -> Key {
    key(device(of), format!("{ASIDE}{owner}#{sk}"))
}

/// Whether a sort key is one of [`device_aside`].
pub(crate) fn is_device_aside(sk: &str) -> bool {
    sk.starts_with(ASIDE)
}

const ASIDE: &str = "aside#";

/// The least and the greatest sort key of what an allocation reads of a device.
pub(crate) fn device_record() -> (String, String) {
    (CAP.to_owned(), PROFILE_SERVER.to_owned())
}

/// The same of what targeting reads.
pub(crate) fn device_targeting() -> (String, String) {
    (PROFILE.to_owned(), PROFILE_SERVER.to_owned())
}

/// The same of what an owner puts.
pub(crate) fn device_owned() -> (String, String) {
    (CONTENT_CONFIG.to_owned(), PROFILE.to_owned())
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

pub(crate) fn idempotency(scope_sha256: &str) -> Key {
    key(format!("idempotency#{scope_sha256}"), "record")
}

pub(crate) fn rate(scope: &str, window: i64) -> Key {
    let hash = sha256(format!("{scope}#{window}").as_bytes());
    key(format!("rate#{hash}"), "hits")
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

pub(crate) fn arrivals(minute: u32, part: u8) -> String {
    format!("arrivals#{minute:010}#{part:02}")
}

/// The minutes of an hour (both since 1970) in which marks or tallies were written.
pub(crate) fn active_minutes(hour: u32) -> String {
    format!("active-minutes#{hour:010}")
}

pub(crate) fn active_minute(minute: u32) -> Key {
    key(active_minutes(minute / 60), format!("{minute:010}"))
}

/// The minute that a sort key of [`active_minute`] names.
pub(crate) fn minute_of(sk: &str) -> Option<u32> {
    sk.parse().ok()
}

pub(crate) fn arrival(minute: u32, part: u8, campaign: u64, issue_minute: u32) -> Key {
    key(
        arrivals(minute, part),
        format!("{campaign:016x}#{issue_minute:010}"),
    )
}

pub(crate) fn sums(day: Day, campaign: u64) -> String {
    format!("sums#{day}#{campaign:016x}")
}

pub(crate) fn sum(day: Day, campaign: u64, minute: u32, creative: u64) -> Key {
    key(sums(day, campaign), format!("{minute:010}#{creative:016x}"))
}

/// The least and the greatest sort key of the sums of some minutes, both included.
pub(crate) fn sums_between(first: u32, last: u32) -> (String, String) {
    (format!("{first:010}#"), format!("{last:010}$"))
}

pub(crate) fn terms(campaign: u64) -> Key {
    key(format!("terms#{campaign:016x}"), "terms")
}

pub(crate) fn billed(campaign: u64) -> String {
    format!("billed#{campaign:016x}")
}

pub(crate) fn billed_day(campaign: u64, day: Day) -> Key {
    key(billed(campaign), day.to_string())
}

pub(crate) fn totals(utc_day: Day) -> String {
    format!("totals#{utc_day}")
}

pub(crate) fn total(utc_day: Day, campaign: u64, creative: u64, placement: u64, day: Day) -> Key {
    key(
        totals(utc_day),
        format!("{campaign:016x}#{creative:016x}#{placement:016x}#{day}"),
    )
}

/// The least and the greatest sort key of a campaign's totals of a day.
pub(crate) fn totals_of_campaign(campaign: u64) -> (String, String) {
    (format!("{campaign:016x}#"), format!("{campaign:016x}$"))
}

pub(crate) fn outcomes(campaign: u64) -> String {
    format!("outcomes#{campaign:016x}")
}

pub(crate) fn outcome(campaign: u64, utc_day: Day, creative: u64, day: Day) -> Key {
    key(
        outcomes(campaign),
        format!("{utc_day}#{creative:016x}#{day}"),
    )
}

/// The least and the greatest sort key of the outcomes of some days in UTC, both included.
pub(crate) fn outcomes_between(first: Day, last: Day) -> (String, String) {
    (format!("{first}#"), format!("{last}$"))
}

pub(crate) const DELIVERED: &str = "delivered";

pub(crate) fn delivered(campaign: u64) -> Key {
    key(DELIVERED, format!("{campaign:016x}"))
}

pub(crate) fn tallies(minute: u32, part: u8) -> String {
    format!("tallies#{minute:010}#{part:02}")
}

pub(crate) fn tally(minute: u32, part: u8, instance: Stamp, number: u64) -> Key {
    key(tallies(minute, part), format!("{instance}#{number:010}"))
}

pub(crate) fn tallied(utc_day: Day) -> String {
    format!("tallied#{utc_day}")
}

pub(crate) fn tallied_campaign(utc_day: Day, campaign: u64) -> Key {
    key(tallied(utc_day), format!("campaign#{campaign:016x}"))
}

pub(crate) fn tallied_placement(utc_day: Day, placement: u64) -> Key {
    key(tallied(utc_day), format!("placement#{placement:016x}"))
}

pub(crate) const TALLIED_CAMPAIGNS: (&str, &str) = ("campaign#", "campaign$");
pub(crate) const TALLIED_PLACEMENTS: (&str, &str) = ("placement#", "placement$");

pub(crate) fn roll_up() -> Key {
    key("roll-up", "state")
}

/// An event is known by its device, or by itself alone. No id has a `#`.
pub(crate) fn client_event(device: Option<DeviceKey>, id: &EventId) -> Key {
    let device = device.map(|device| device.to_string()).unwrap_or_default();
    let hash = sha256(format!("{device}#{id}").as_bytes());
    key(format!("event#{hash}"), "told")
}

pub(crate) fn event_counts(utc_day: Day, shard: u8) -> String {
    format!("event-counts#{utc_day}#{shard:02}")
}

pub(crate) fn event_count(utc_day: Day, shard: u8, counter: &EventCounter) -> Key {
    let sk = match counter {
        EventCounter::Item(item, interaction) => format!("{EVENT_ITEM}{item}#{interaction}"),
        EventCounter::Type(event_type) => format!("{EVENT_TYPE}{event_type}"),
    };
    key(event_counts(utc_day, shard), sk)
}

/// The counter that a sort key of [`event_count`] names; `None` for any other.
pub(crate) fn event_counter_of(sk: &str) -> Option<EventCounter> {
    if let Some(event_type) = sk.strip_prefix(EVENT_TYPE) {
        return Some(EventCounter::Type(event_type.parse().ok()?));
    }
    let (item, interaction) = sk.strip_prefix(EVENT_ITEM)?.split_once('#')?;
    Some(EventCounter::Item(
        item.parse().ok()?,
        interaction.parse().ok()?,
    ))
}

const EVENT_ITEM: &str = "item#";
const EVENT_TYPE: &str = "type#";

pub(crate) fn accounts(part: u8) -> String {
    format!("accounts#{part:02}")
}

pub(crate) fn account(part: u8, campaign: u64) -> Key {
    key(accounts(part), format!("{campaign:016x}"))
}

pub(crate) fn leases(campaign: u64) -> String {
    format!("budget#{campaign:016x}")
}

pub(crate) fn lease(campaign: u64, lease: u64) -> Key {
    key(leases(campaign), format!("lease#{lease:016x}"))
}

pub(crate) fn delivery_head() -> Key {
    key("delivery", "head")
}

pub(crate) fn delivery_turn() -> Key {
    key("delivery", "turn")
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
        for config in [CONTENT_CONFIG, PROFILE, PROFILE_SERVER] {
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

    #[test]
    fn a_count_of_events_says_in_its_key_what_it_counts() {
        let day = "2026-03-01".parse().unwrap();
        for (counter, sk) in [
            (
                EventCounter::Item(
                    "banners/spring-1".parse().unwrap(),
                    "click".parse().unwrap(),
                ),
                "item#banners/spring-1#click",
            ),
            (
                EventCounter::Type("level.up-2_x".parse().unwrap()),
                "type#level.up-2_x",
            ),
        ] {
            let key = event_count(day, 7, &counter);
            assert_eq!((&*key.pk, &*key.sk), ("event-counts#2026-03-01#07", sk));
            assert_eq!(event_counter_of(sk), Some(counter));
        }
        for other in [
            "",
            "type#",
            "type#A",
            "item#a",
            "item#banners/a",
            "item#banners/a#fall",
        ] {
            assert_eq!(event_counter_of(other), None, "{other}");
        }
    }

    #[test]
    fn the_same_id_of_two_devices_is_two_events() {
        let id = "1".parse().unwrap();
        let device = |byte| Some(DeviceKey::from_bytes([byte; 16]));
        let keys = [None, device(1), device(2)].map(|device| client_event(device, &id).pk);
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
        assert_eq!(keys[0].len(), "event#".len() + 64);
    }
}
