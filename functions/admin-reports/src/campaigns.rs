//! `GET /admin/v1/reports/campaigns`: what campaigns did.

use std::sync::Arc;

use domain::reports::{Group, Report, csv, rows};
use garde::Validate;
use kit::{Call, Nothing, Problem, Reply, reply::Either};
use schemars::JsonSchema;
use serde::Deserialize;
use store::marks::Totals;

use crate::span::{YEAR, answer, span};

/// Which days, and what a row stands for.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ReportQuery {
    /// The first day (UTC), or an instant of it; six days before `to` unless told.
    #[garde(length(max = 40))]
    from: Option<String>,
    /// The last day, included; today unless told.
    #[garde(length(max = 40))]
    to: Option<String>,
    /// What a row stands for; a campaign unless told.
    #[garde(skip)]
    group: Option<Group>,
}

pub(crate) async fn get(
    totals: Arc<Totals>,
    call: Call<Nothing, ReportQuery, Nothing>,
) -> Result<Reply<Either<Report>>, Problem> {
    let query = &call.query;
    let (from, to) = (query.from.as_deref(), query.to.as_deref());
    let (from, to) = span(from, to, YEAR, call.now())?;
    let group = query.group.unwrap_or(Group::Campaign);
    let facts = totals.between(from, to).await?;
    let report = Report {
        rows: rows(group, (from, to), &facts),
        as_of: facts.as_of,
    };
    Ok(answer(&call, report, |report| csv(group, &report.rows)))
}
