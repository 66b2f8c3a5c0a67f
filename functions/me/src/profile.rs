//! `GET · PATCH /v1/me`.

use std::sync::Arc;

use domain::{
    Country, Fault, FaultCode, Instant, Locale,
    identity::{Marketing, Nickname, NicknameFault},
    targeting::Attributes,
};
use garde::Validate;
use kit::{Call, Code, Nothing, Problem, Reply, extract, precondition::Precondition, reply::Json};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use sessions::{MemberAnswer, gone};
use store::{
    Stamp,
    members::{MemberRecord, ProfileChange, Updating},
};

use crate::{State, consents::MarketingConsent};

pub(crate) async fn get(
    state: Arc<State>,
    call: Call<Nothing, Nothing, Nothing>,
) -> Result<Reply<Json<MemberAnswer>>, Problem> {
    let record = state.member(&call).await?;
    told(&state, record, call.now()).await
}

/// A merge patch (RFC 7396): what is left out stays, what is `null` goes.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct MemberPatch {
    /// What they are called.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<String>")]
    nickname: Option<Option<String>>,
    /// The language they read.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Locale>")]
    locale: Option<Option<Locale>>,
    /// Where they are at home.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Country>")]
    country: Option<Option<Country>>,
    /// Whether they want to be told of offers.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<MarketingConsent>")]
    marketing_consent: Option<Option<MarketingConsent>>,
    /// What the app knows of them beside; merged name by name.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Map<String, Value>>")]
    attributes: Option<Option<Map<String, Value>>>,
}

/// What is there, be it `null`.
fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

pub(crate) async fn patch(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<MemberPatch>>,
) -> Result<Reply<Json<MemberAnswer>>, Problem> {
    let (now, stamp) = (call.now(), Stamp::random(&mut call.rng()));
    let precondition = Precondition::of(&call.headers)?;
    let record = state.member(&call).await?;
    let version = record.member.version;
    let holds = match precondition {
        Precondition::Present => true,
        Precondition::Absent => false,
        Precondition::OneOf(tags) => tags.contains(&version.to_string()),
    };
    if !holds {
        return Err(conflict(version));
    }
    let nickname = match &call.body.0.nickname {
        // What they are called already is theirs, whatever rules came since.
        Some(Some(text)) if record.nickname.as_ref() == Some(text) => None,
        Some(Some(text)) => {
            let nickname = state.nickname(text, now).await?.map_err(refused)?;
            Some(Some(nickname))
        }
        Some(None) => Some(None),
        None => None,
    };
    let change = change(call.body.0, nickname, &record, now)?;
    if change == ProfileChange::default() {
        return told(&state, record, now).await;
    }
    let updated = state
        .members
        .update(record.member.id, version, &change, stamp, now)
        .await?;
    match updated {
        Updating::Updated(record) => told(&state, record, now).await,
        Updating::VersionConflict(found) => Err(conflict(found.member.version)),
        Updating::NicknameTooSoon(until) => Err(Problem::new(Code::NicknameChangeTooSoon)
            .detail(format!("the nickname can be changed from {until}"))),
        Updating::NicknameTaken => Err(Problem::new(Code::NicknameTaken)),
        Updating::NotThere => Err(gone()),
    }
}

async fn told(
    state: &State,
    record: MemberRecord,
    now: Instant,
) -> Result<Reply<Json<MemberAnswer>>, Problem> {
    let etag = record.member.version.to_string();
    let member = MemberAnswer::read(&state.members, record, now).await?;
    Ok(Reply::ok(member).etag(&etag))
}

fn conflict(version: u64) -> Problem {
    Problem::new(Code::VersionConflict).detail(format!("the member is of version {version}"))
}

fn change(
    patch: MemberPatch,
    nickname: Option<Option<Nickname>>,
    record: &MemberRecord,
    now: Instant,
) -> Result<ProfileChange, Problem> {
    let before = record.member.consents.marketing;
    let marketing = |consent: Option<MarketingConsent>| -> Option<Marketing> {
        consent.and_then(|consent| consent.over(before, now))
    };
    let attributes = match patch.attributes {
        None => None,
        Some(None) => Some(Attributes::default()),
        Some(Some(patch)) => Some(merged(&record.member.attributes, patch)?),
    };
    Ok(ProfileChange {
        nickname,
        locale: patch.locale,
        country: patch.country,
        marketing: patch.marketing_consent.map(marketing),
        attributes,
    })
}

fn refused(fault: NicknameFault) -> Problem {
    let reason = Fault::new("/nickname", FaultCode::Invalid, fault.message());
    Problem::new(Code::NicknameInvalid)
        .detail(format!("{}: {}", fault.as_str(), fault.message()))
        .errors(vec![reason])
}

fn merged(before: &Attributes, patch: Map<String, Value>) -> Result<Attributes, Problem> {
    let before = serde_json::to_value(before).map_err(|e| Problem::internal(&e))?;
    let Value::Object(mut merged) = before else {
        return Ok(Attributes::default());
    };
    for (name, value) in patch {
        match value {
            Value::Null => drop(merged.remove(&name)),
            value => drop(merged.insert(name, value)),
        }
    }
    serde_json::from_value(merged.into()).map_err(|error| {
        let fault = Fault::new("/attributes", FaultCode::Invalid, error);
        Problem::new(Code::ValidationFailed).errors(vec![fault])
    })
}
