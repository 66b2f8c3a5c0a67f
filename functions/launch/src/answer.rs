//! The answer, put together of its parts.

use std::collections::BTreeMap;

use domain::{
    Id, Instant,
    app_status::{self, Evaluation, Explanation},
    liveops::{BannerAnswer, Explained, ExplainedParameter, Selection},
    validation::JsonValue,
};
use kit::{Problem, Reply, reply::Written};
use liveops::{Asking, Caching, Keeping, tag, unread};
use schemars::JsonSchema;
use serde::Serialize;

use crate::parts::{MissingCode, Part, PartName, Parts};

/// Everything an app asks for at its start.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Launch")]
pub(crate) struct LaunchAnswer<'s> {
    #[serde(flatten)]
    lasting: Lasting<'s>,
    /// The time of the answer.
    server_time: Instant,
}

/// All of it that does not change from second to second.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Lasting<'s> {
    /// What the app should do; `null` where it is missing.
    status: Option<app_status::Status>,
    /// Why the app is closed, and until when; `null` where it is not.
    maintenance: Option<app_status::Notice>,
    /// Whether there is an update; `null` where it is missing.
    update: Option<app_status::Update>,
    /// Which values the app is set by; `null` where they are missing.
    config: Option<LaunchConfig<'s>>,
    /// Which banners to show now; `null` where they are missing.
    banners: Option<Vec<BannerAnswer<'s>>>,
    /// How many notices the member has not read; `null` without a member, or where it is missing.
    unread: Option<usize>,
    /// What could not be answered, and why; ask its own route for it later.
    missing: Vec<Missing>,
    /// Why all that is so; for operators who asked with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<LaunchExplanation<'s>>,
}

/// Which values the app is set by.
#[derive(Debug, Serialize, JsonSchema)]
struct LaunchConfig<'s> {
    /// The published version that they are of; 0 where nothing was published yet.
    version: u64,
    /// The values by their keys.
    values: BTreeMap<&'s str, &'s JsonValue>,
}

/// A part that is missing.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "LaunchMissing")]
struct Missing {
    /// The part.
    part: PartName,
    /// Why it is missing.
    code: MissingCode,
}

/// Why an answer is what it is, part by part; `null` for what is missing.
#[derive(Debug, Serialize, JsonSchema)]
struct LaunchExplanation<'s> {
    /// Why the status is what it is.
    status: Option<Explanation<'s>>,
    /// Why each value is what it is.
    config: Option<BTreeMap<&'s str, ExplainedParameter<'s>>>,
    /// What became of every published banner.
    banners: Option<Vec<Explained<'s>>>,
    /// What became of every published notice.
    notices: Option<Vec<Explained<'s>>>,
}

pub(crate) fn reply(
    caching: &Caching,
    parts: &Parts<'_>,
    asking: &Asking<'_>,
    placement: Option<&Id>,
    explained: bool,
) -> Result<Reply<Written<LaunchAnswer<'static>>>, Problem> {
    let (visitor, now) = (asking.visitor, asking.now);
    let evaluation = parts.status.as_ref().ok();
    let evaluation = evaluation.map(|known| known.evaluate(visitor, now));
    let keeping = keeping(parts, asking, evaluation.as_ref(), explained);
    let boundary = boundary(parts, evaluation.as_ref(), now);
    let (status, maintenance, update) = match evaluation {
        Some(Evaluation { answer, .. }) => {
            (Some(answer.status), answer.maintenance, Some(answer.update))
        }
        None => (None, None, None),
    };
    let lasting = Lasting {
        status,
        maintenance,
        update,
        config: parts.config.as_ref().ok().map(|known| LaunchConfig {
            version: known.snapshot.version,
            values: known.snapshot.content.evaluate(&known.audience(), now),
        }),
        banners: parts.banners.as_ref().ok().map(|known| {
            let audience = known.audience();
            let selection = Selection {
                placement,
                audience,
                now,
            };
            known.snapshot.content.shown(&selection)
        }),
        unread: parts.unread.as_ref().ok().and_then(|part| {
            let (notices, read) = (part.notices.as_ref()?, part.read.as_ref()?);
            Some(unread(notices, read, now))
        }),
        missing: missing(parts),
        explain: explained.then(|| explanation(parts, asking, placement)),
    };
    let etag = tag(&lasting)?;
    let document = Written::new(&LaunchAnswer {
        lasting,
        server_time: now,
    })?;
    Ok(caching.reply(document, &etag, visitor, keeping, (now, boundary)))
}

fn missing(parts: &Parts<'_>) -> Vec<Missing> {
    fn code<T>(part: &Part<T>) -> Option<MissingCode> {
        part.as_ref().err().copied()
    }
    let codes = [
        (PartName::Status, code(&parts.status)),
        (PartName::Config, code(&parts.config)),
        (PartName::Banners, code(&parts.banners)),
        (PartName::Unread, code(&parts.unread)),
    ];
    let missing = |(part, code): (_, Option<_>)| code.map(|code| Missing { part, code });
    codes.into_iter().filter_map(missing).collect()
}

/// Nobody keeps what is a member's, what is for an operator, and what is not all of the answer.
fn keeping(
    parts: &Parts<'_>,
    asking: &Asking<'_>,
    evaluation: Option<&Evaluation>,
    explained: bool,
) -> Keeping {
    let (Some(evaluation), Ok(config), Ok(banners), Ok(unread)) =
        (evaluation, &parts.config, &parts.banners, &parts.unread)
    else {
        return Keeping::Nobody;
    };
    let complete = config.complete && banners.complete;
    Keeping::from(evaluation)
        .max(Keeping::of(asking.visitor))
        .nobody_if(explained || unread.is_members || !complete)
}

/// The next moment at which a schedule may change the answer.
fn boundary(parts: &Parts<'_>, evaluation: Option<&Evaluation>, now: Instant) -> Option<Instant> {
    let banners = parts.banners.as_ref().ok();
    let of_banners = banners.and_then(|known| known.snapshot.content.next_boundary(now));
    let of_status = evaluation.and_then(|evaluation| evaluation.next_boundary);
    of_banners.into_iter().chain(of_status).min()
}

fn explanation<'p>(
    parts: &'p Parts<'_>,
    asking: &'p Asking<'_>,
    placement: Option<&Id>,
) -> LaunchExplanation<'p> {
    let (visitor, now) = (asking.visitor, asking.now);
    let notices = parts.unread.as_ref().ok();
    let notices = notices.and_then(|part| part.notices.as_ref());
    LaunchExplanation {
        status: parts
            .status
            .as_ref()
            .ok()
            .map(|known| known.explain(visitor, now)),
        config: parts
            .config
            .as_ref()
            .ok()
            .map(|known| known.snapshot.content.explain(&known.audience(), now)),
        banners: parts.banners.as_ref().ok().map(|known| {
            let audience = known.audience();
            let selection = Selection {
                placement,
                audience,
                now,
            };
            known.snapshot.content.explain(&selection)
        }),
        notices: notices.map(|known| known.snapshot.content.explain(&known.audience(), now)),
    }
}
