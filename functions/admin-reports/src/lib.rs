//! `GET /admin/v1/reports/campaigns`: what campaigns did, as JSON or, by `Accept`, as CSV.
#![forbid(unsafe_code)]

use std::sync::Arc;

use aws::Pace;
use domain::{
    Day, Fault, FaultCode, Instant,
    reports::{Group, Report, csv, rows},
};
use garde::Validate;
use http::{HeaderValue, StatusCode, header};
use kit::{
    Call, Caller, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Vars,
    config::{ResourceName, Variable},
    reply::Either,
};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{Database, ServiceKeys, edge::KeyAuthority, marks::Totals};

const NAME: &str = "admin-reports";

const CAMPAIGNS: Endpoint = Endpoint::new(
    Method::Get,
    "/admin/v1/reports/campaigns",
    "reportCampaigns",
    "What campaigns did, day by day",
)
.caller(Caller::Operator("reports:read"))
.headers(&["Accept"]);

/// Without a span, the report is of so many days up to today.
const DAYS: i64 = 7;

/// The longest span, in days.
const LONGEST: i64 = 366;

kit::settings! {
    /// What the function needs.
    pub struct Settings {
        /// Where totals are kept.
        marks_table: ResourceName = "MARKS_TABLE", example "madang-dev-marks";
        /// Where service keys are kept.
        operators_table: ResourceName = "OPERATORS_TABLE", example "madang-dev-operators";
    }
}

/// Every variable that the function reads.
pub const VARIABLES: &[&[Variable]] = &[
    kit::runtime::Settings::VARIABLES,
    aws::Environment::VARIABLES,
    Settings::VARIABLES,
];

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let (runtime, settings, aws) = aws::start(vars, NAME, Settings::read)?;
    let database = Database::connect(&aws, Pace::NORMAL);
    let keys = ServiceKeys::new(database.table(&settings.operators_table.0));
    let totals = Arc::new(Totals::new(database.table(&settings.marks_table.0)));
    Ok(kit::Api::new(NAME, runtime.clone())
        .authority(KeyAuthority::new(keys, runtime.clock))
        .route(CAMPAIGNS, &totals, campaigns)
        .build())
}

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

async fn campaigns(
    totals: Arc<Totals>,
    call: Call<Nothing, ReportQuery, Nothing>,
) -> Result<Reply<Either<Report>>, Problem> {
    let (from, to) = span(&call.query, call.now())?;
    let group = call.query.group.unwrap_or(Group::Campaign);
    let facts = totals.between(from, to).await?;
    let rows = rows(group, (from, to), &facts);
    let as_of = facts.as_of;
    let wants_csv = call
        .header("accept")
        .is_some_and(|accept| accept.contains("text/csv"));
    let body = match wants_csv {
        true => Either::Csv(csv(group, &rows)),
        false => Either::Json(Report { rows, as_of }),
    };
    Ok(Reply::new(StatusCode::OK, body).header(header::VARY, HeaderValue::from_static("accept")))
}

/// The days of a report, both included.
fn span(query: &ReportQuery, now: Instant) -> Result<(Day, Day), Problem> {
    let mut faults = Vec::new();
    let mut read = |text: &Option<String>, pointer: &str| {
        let text = text.as_deref()?;
        let day = text.parse().ok();
        let day = day.or_else(|| text.parse().ok().map(Day::of));
        if day.is_none() {
            let message = "expected a day such as 2026-11-20, or an instant";
            faults.push(Fault::new(pointer, FaultCode::BadFormat, message));
        }
        day
    };
    let (from, to) = (read(&query.from, "/from"), read(&query.to, "/to"));
    let to = to.unwrap_or_else(|| Day::of(now));
    let from = from.unwrap_or_else(|| to.plus_days(1 - DAYS));
    if faults.is_empty() && !(0..LONGEST).contains(&to.days_since(from)) {
        let message = "must be a day of the year before `to`, or `to` itself";
        faults.push(Fault::new("/from", FaultCode::OutOfRange, message));
    }
    match faults.is_empty() {
        true => Ok((from, to)),
        false => Err(Problem::new(Code::InvalidQuery).errors(faults)),
    }
}
