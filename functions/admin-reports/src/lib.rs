//! `GET /admin/v1/reports/campaigns` and `GET /admin/v1/reports/events`: what campaigns did and what
//! apps told, as JSON or, by `Accept`, as CSV.
#![forbid(unsafe_code)]

mod campaigns;
mod events;
mod span;

use std::sync::Arc;

use aws::Pace;
use kit::{
    Caller, Endpoint, Faults, Function, Method, Vars,
    config::{ResourceName, Variable},
};
use store::{Database, ServiceKeys, edge::KeyAuthority, events::EventCounts, marks::Totals};

pub use self::{campaigns::ReportQuery, events::EventReportQuery};

const NAME: &str = "admin-reports";

const fn report(path: &'static str, operation: &'static str, summary: &'static str) -> Endpoint {
    Endpoint::new(Method::Get, path, operation, summary).caller(Caller::Operator("reports:read"))
}

const CAMPAIGNS: Endpoint = report(
    "/admin/v1/reports/campaigns",
    "reportCampaigns",
    "What campaigns did, day by day",
);

const EVENTS: Endpoint = report(
    "/admin/v1/reports/events",
    "reportEvents",
    "What apps told of banners and notices, and how many events of each type",
);

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
    let marks = database.table(&settings.marks_table.0);
    let totals = Arc::new(Totals::new(marks.clone()));
    let counts = Arc::new(EventCounts::new(marks));
    Ok(kit::Api::new(NAME, runtime.clone())
        .authority(KeyAuthority::new(keys, runtime.clock))
        .route(CAMPAIGNS, &totals, campaigns::get)
        .route(EVENTS, &counts, events::get)
        .build())
}
