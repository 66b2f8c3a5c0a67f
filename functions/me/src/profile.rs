//! `GET · PATCH /v1/me`.

use std::{str::FromStr, sync::Arc};

use domain::{
    BadText, Country, Fault, FaultCode, Instant, Locale, ReportedValue,
    identity::{MarketingChange, Nickname, NicknameFault},
    targeting::AttributesPatch,
};
use garde::Validate;
use kit::{Call, Code, Nothing, Problem, Reply, extract, precondition::Precondition, reply::Json};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error as _};
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
    /// The language that they read, as a tag in any spelling (`ko-KR`, `zh_TW_#Hant`). One that cannot be
    /// read is refused.
    #[serde(default, deserialize_with = "given_reported")]
    #[schemars(with = "Option<String>")]
    locale: Option<Option<Locale>>,
    /// The country where they are at home: ISO 3166-1 alpha-2 or `XK`, in any case. One that cannot be
    /// read is refused.
    #[serde(default, deserialize_with = "given_reported")]
    #[schemars(with = "Option<String>")]
    country: Option<Option<Country>>,
    /// Whether they want to be told of offers.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<MarketingConsent>")]
    marketing_consent: Option<Option<MarketingConsent>>,
    /// Free attributes, merged name by name: at most 100, and 16,384 bytes of JSON in sum.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<AttributesPatch>")]
    attributes: Option<Option<AttributesPatch>>,
}

/// What is there, be it `null`.
fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// What is there, be it `null`, in any spelling that is in use.
fn given_reported<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: ReportedValue + FromStr<Err = BadText>,
{
    let read = |text: String| T::reported(&text).map_or_else(|| text.parse(), Ok);
    let value = Option::<String>::deserialize(deserializer)?.map(read);
    value.transpose().map(Some).map_err(D::Error::custom)
}

pub(crate) async fn patch(
    state: Arc<State>,
    call: Call<Nothing, Nothing, extract::Json<MemberPatch>>,
) -> Result<Reply<Json<MemberAnswer>>, Problem> {
    let (now, stamp) = (call.now(), Stamp::random(&mut call.rng()));
    let precondition = Precondition::of(&call.headers)?;
    let record = state.member(&call).await?;
    let version = record.member.version;
    // `*` holds of every version, so that nothing that others change at the same time is in the way.
    let expected = match precondition {
        Precondition::Present => None,
        Precondition::OneOf(tags) if tags.contains(&version.to_string()) => Some(version),
        Precondition::Absent | Precondition::OneOf(_) => return Err(conflict(version)),
    };
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
    let change = change(call.body.0, nickname);
    if change == ProfileChange::default() {
        return told(&state, record, now).await;
    }
    let updated = state
        .members
        .update(record.member.id, expected, &change, stamp, now)
        .await?;
    match updated {
        Updating::Updated(record) => told(&state, record, now).await,
        Updating::VersionConflict(found) => Err(conflict(found.member.version)),
        Updating::NicknameTooSoon(until) => Err(Problem::new(Code::NicknameChangeTooSoon)
            .detail(format!("the nickname can be changed from {until}"))),
        Updating::NicknameTaken => Err(Problem::new(Code::NicknameTaken)),
        Updating::AttributesRefused(Fault {
            pointer,
            code,
            message,
        }) => {
            let fault = Fault::new(format_args!("/attributes{pointer}"), code, message);
            Err(Problem::new(Code::ValidationFailed).errors(vec![fault]))
        }
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

fn change(patch: MemberPatch, nickname: Option<Option<Nickname>>) -> ProfileChange {
    let marketing = patch.marketing_consent;
    ProfileChange {
        nickname,
        locale: patch.locale,
        country: patch.country,
        marketing: marketing.map(|consent| consent.map_or(NO_MARKETING, Into::into)),
        attributes: patch.attributes,
    }
}

/// What `null` says of marketing messages.
const NO_MARKETING: MarketingChange = MarketingChange {
    agreed: false,
    night: None,
};

fn refused(fault: NicknameFault) -> Problem {
    let reason = Fault::new("/nickname", FaultCode::Invalid, fault.message());
    Problem::new(Code::NicknameInvalid)
        .detail(format!("{}: {}", fault.as_str(), fault.message()))
        .errors(vec![reason])
}
