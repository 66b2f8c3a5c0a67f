//! `POST /v1/me/exports` and `GET /v1/me/exports/{id}`: everything that is kept of a member, for the
//! member.
//!
//! What is written down is that they asked; the document is made when it is fetched, so that nothing
//! of them is kept twice.
#![forbid(unsafe_code)]

use std::{sync::Arc, time::Duration};

use aws::Pace;
use domain::{
    Day, DeviceKey, Id, Instant, Localized, RandomId, ReadState,
    allocation::{StoredContentConfig, StoredDeviceSegments, StoredProfile},
    caps::{Count, Counter, Span},
    content::campaigns::CapScope,
    identity::{ConsentEvent, DeviceInfo, Provider, SecurityEvent, SessionId, Subject},
};
use garde::Validate;
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Rate, Reply, Vars,
    config::{ResourceName, Variable},
    reply::Json,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sessions::{MemberAnswer, gone, member_for_own_data};
use store::{
    Database,
    devices::{DeviceExport, Devices},
    edge::{self, SnapshotSettings, TokenSettings},
    members::{Export, Members},
};

const NAME: &str = "me-exports";

/// For how long a member can fetch what they asked for.
const GOOD_FOR: Duration = Duration::from_secs(7 * 86_400);

const POST: Endpoint = Endpoint::new(
    Method::Post,
    "/v1/me/exports",
    "requestExport",
    "Asks for the member's own data",
)
.caller(Caller::Member)
.rate(Rate::Address)
.answers(&[202])
.problems(&[Code::Unavailable])
.open_to_banned();
const GET: Endpoint = Endpoint::new(
    Method::Get,
    "/v1/me/exports/{id}",
    "getExport",
    "The member's own data",
)
.caller(Caller::Member)
.problems(&[Code::NotFound, Code::Unavailable])
.open_to_banned();

kit::settings! {
    /// What the function needs beside.
    pub struct Settings {
        /// Where devices are kept.
        devices_table: ResourceName = "DEVICES_TABLE", example "madang-dev-devices";
    }
}

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    SnapshotSettings::VARIABLES,
    TokenSettings::VARIABLES,
    Settings::VARIABLES,
];

struct State {
    members: Members,
    devices: Devices,
}

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, (token, settings), aws, gate) = edge::start_gated(vars, NAME, |vars| {
        Faults::both(TokenSettings::read(vars), Settings::read(vars))
    })?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let state = Arc::new(State {
        members: Members::new(database.table(&token.members_table.0)),
        devices: Devices::new(database.table(&settings.devices_table.0)),
    });
    Ok(kit::Api::new(NAME, runtime)
        .gate(gate)
        .authority(Arc::new(token.authority(&database)))
        .route(POST, &state, post)
        .route(GET, &state, get)
        .build())
}

/// An export that was asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportAnswer {
    /// What it is fetched by.
    export_id: RandomId,
    /// Until when.
    expires_at: Instant,
}

/// Which export.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ExportPath {
    /// Its id.
    #[garde(skip)]
    id: RandomId,
}

/// Everything that is kept of a member.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportDocument {
    /// When it was made.
    exported_at: Instant,
    /// The member.
    member: MemberAnswer,
    /// Whether they said to be under 14.
    under_14: bool,
    /// Since when they are called what they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    nickname_changed_at: Option<Instant>,
    /// Whether and why they were kept out last, as they were told.
    #[serde(skip_serializing_if = "Option::is_none")]
    ban: Option<ExportedBan>,
    /// What they sign in with, by the providers' own names for them.
    identities: Vec<ExportedIdentity>,
    /// Where they are signed in.
    sessions: Vec<ExportedSession>,
    /// The data of the devices that they signed in on, as far as they are theirs.
    devices: Vec<ExportedDevice>,
    /// Which notices they have read.
    notices_read: ExportedReading,
    /// The history of their consents, the oldest first.
    consent_history: Vec<ConsentEvent>,
    /// Security events of their sessions, the oldest first.
    security_events: Vec<SecurityEvent>,
}

/// Which notices a member has read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportedReading {
    /// All that began until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Instant>,
    /// And these.
    ids: Vec<Id>,
}

/// A ban, as its member was told of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportedBan {
    message: Localized,
    since: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Instant>,
}

/// What a member signs in with.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportedIdentity {
    provider: Provider,
    subject: Subject,
    linked_at: Instant,
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportedSession {
    id: SessionId,
    device: DeviceInfo,
    created_at: Instant,
    last_seen_at: Instant,
}

/// A device's data, as far as they are the member's.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportedDevice {
    /// The first 128 bits of the SHA-256 of the device's id, which is not stored.
    device: DeviceKey,
    /// The profile that the member put.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<StoredProfile>,
    /// The content-config that the member put, or the defaults.
    content_config: StoredContentConfig,
    /// The segments and attributes that the app's own systems put for the member.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<StoredDeviceSegments>,
    /// What the device was shown, as frequency caps count it.
    cap_counters: Vec<ExportedCapCounter>,
}

/// A counter of impressions, for frequency caps.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportedCapCounter {
    /// What is counted.
    scope: CapScope,
    /// The hash that stands for the creative, the campaign or the advertiser: 16 hexadecimal digits.
    key: String,
    /// The day that is counted; absent for a counter of all time.
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<Day>,
    /// The IANA time zone of the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    /// Impressions in all.
    impressions: u32,
    /// Impressions by hour.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hours: Vec<ExportedCapPeriod>,
    /// Impressions by minute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    minutes: Vec<ExportedCapPeriod>,
}

/// Impressions in an hour or a minute.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportedCapPeriod {
    /// Time at which it begins.
    begins_at: Instant,
    /// Impressions in it.
    impressions: u32,
}

impl ExportedDevice {
    fn new(device: DeviceKey, export: DeviceExport) -> Self {
        let counters = export.counters.into_iter();
        Self {
            device,
            profile: export.profile,
            content_config: export.config.unwrap_or_default(),
            server: export.segments,
            cap_counters: counters.map(ExportedCapCounter::from).collect(),
        }
    }
}

impl From<(Counter, Count)> for ExportedCapCounter {
    fn from((counter, count): (Counter, Count)) -> Self {
        let (day, time_zone) = match counter.span {
            Span::Day(day, zone) => (Some(day), Some(zone.into())),
            Span::Lifetime => (None, None),
        };
        let periods = |counted: Vec<(u32, u32)>| {
            let counted = counted.into_iter();
            counted
                .map(|(begin, impressions)| ExportedCapPeriod {
                    begins_at: Instant::from_minutes(begin),
                    impressions,
                })
                .collect()
        };
        Self {
            scope: counter.scope,
            key: format!("{:016x}", counter.key),
            day,
            time_zone,
            impressions: count.total,
            hours: periods(count.hours),
            minutes: periods(count.minutes),
        }
    }
}

async fn post(
    state: Arc<State>,
    call: Call<Nothing, Nothing, Nothing>,
) -> Result<Reply<Json<ExportAnswer>>, Problem> {
    let (now, export_id) = (call.now(), RandomId::new(call.now(), &mut call.rng()));
    let member = member_for_own_data(&state.members, &call.principal, now)
        .await?
        .member
        .id;
    let export = Export {
        requested_at: now,
        good_until: now + GOOD_FOR,
    };
    if !state
        .members
        .request_export(member, export_id, export)
        .await?
    {
        return Err(gone());
    }
    Ok(Reply::accepted(ExportAnswer {
        export_id,
        expires_at: export.good_until,
    }))
}

async fn get(
    state: Arc<State>,
    call: Call<ExportPath, Nothing, Nothing>,
) -> Result<Reply<Json<ExportDocument>>, Problem> {
    let now = call.now();
    let member = member_for_own_data(&state.members, &call.principal, now)
        .await?
        .member
        .id;
    let not_found = || Problem::new(Code::NotFound);
    let export = state.members.export(member, call.path.id, now).await?;
    export.ok_or_else(not_found)?;
    let document = state.members.document(member, now).await?;
    let document = document.ok_or_else(not_found)?;
    let mut devices = Vec::new();
    for device in document.devices {
        let sharing = state.members.device_sharing(device, member, now).await?;
        let export = state.devices.export(device, member, sharing.alone, now);
        devices.push(ExportedDevice::new(device, export.await?));
    }
    let ReadState { watermark, ids } = document.notices_read;
    let identities = document.identities.iter();
    let sessions = document.sessions.into_iter();
    Ok(Reply::ok(ExportDocument {
        exported_at: now,
        under_14: document.member.member.under_14,
        nickname_changed_at: document.member.nickname_changed_at,
        ban: document.member.member.ban.clone().map(|ban| ExportedBan {
            message: ban.message,
            since: ban.since,
            ends_at: ban.ends_at,
        }),
        identities: identities
            .map(|identity| ExportedIdentity {
                provider: identity.provider,
                subject: identity.subject.clone(),
                linked_at: identity.linked_at,
            })
            .collect(),
        sessions: sessions
            .map(|session| ExportedSession {
                id: session.id,
                device: session.device,
                created_at: session.created_at,
                last_seen_at: session.rotated_at,
            })
            .collect(),
        devices,
        notices_read: ExportedReading {
            until: watermark,
            ids: ids.into_iter().collect(),
        },
        consent_history: document.consent_history,
        security_events: document.security_events,
        member: MemberAnswer::new(document.member, &document.identities, now),
    }))
}
