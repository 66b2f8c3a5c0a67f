//! `GET /admin/v1/reports/events`: what apps told of banners and notices, and how many events there
//! were of each type.

use std::sync::Arc;

use domain::reports::events::{EventGroup, EventReport, csv, rows};
use garde::Validate;
use kit::{Call, Nothing, Problem, Reply, reply::Either};
use schemars::JsonSchema;
use serde::Deserialize;
use store::events::EventCounts;

use crate::span::{YEAR, answer, span};

/// The longest span of a report with a row for each day, in days: an answer of Lambda has at most 6 MB,
/// which is some four hundred items a day for so long.
const QUARTER: i64 = 93;

/// Which days, and what a row stands for.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct EventReportQuery {
    /// The first day (UTC), or an instant of it; six days before `to` unless told. At most 365 days
    /// before `to`, and at most 92 where rows are of days.
    #[garde(length(max = 40))]
    from: Option<String>,
    /// The last day, included; today unless told.
    #[garde(length(max = 40))]
    to: Option<String>,
    /// What a row stands for; an item unless told.
    #[garde(skip)]
    group: Option<EventGroup>,
}

pub(crate) async fn get(
    counts: Arc<EventCounts>,
    call: Call<Nothing, EventReportQuery, Nothing>,
) -> Result<Reply<Either<EventReport>>, Problem> {
    let (query, now) = (&call.query, call.now());
    let group = query.group.unwrap_or(EventGroup::Item);
    let longest = match group {
        EventGroup::Item | EventGroup::Type => YEAR,
        EventGroup::Day => QUARTER,
    };
    let (from, to) = (query.from.as_deref(), query.to.as_deref());
    let (from, to) = span(from, to, longest, now)?;
    let counts = counts.between(from, to).await?;
    let report = EventReport {
        rows: rows(group, &counts),
        as_of: now,
    };
    Ok(answer(&call, report, |report| csv(group, &report.rows)))
}
