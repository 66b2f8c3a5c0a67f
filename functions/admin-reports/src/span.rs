//! What reports share: the days that they are of, and the form that is wanted.

use domain::{Day, Fault, FaultCode, Instant};
use http::{HeaderValue, StatusCode, header};
use kit::{Call, Code, Problem, Reply, reply::Either};

/// Without a span, the report is of so many days up to today.
const DAYS: i64 = 7;

/// The longest span of most reports, in days.
pub(crate) const YEAR: i64 = 366;

/// The days of a report, both included, `longest` of them at the most.
pub(crate) fn span(
    from: Option<&str>,
    to: Option<&str>,
    longest: i64,
    now: Instant,
) -> Result<(Day, Day), Problem> {
    let mut faults = Vec::new();
    let mut read = |text: Option<&str>, pointer: &str| {
        let text = text?;
        let day = text.parse().ok();
        let day = day.or_else(|| text.parse().ok().map(Day::of));
        if day.is_none() {
            let message = "expected a day such as 2026-11-20, or an instant";
            faults.push(Fault::new(pointer, FaultCode::BadFormat, message));
        }
        day
    };
    let (from, to) = (read(from, "/from"), read(to, "/to"));
    let to = to.unwrap_or_else(|| Day::of(now));
    let from = from.unwrap_or_else(|| to.plus_days(1 - DAYS));
    if faults.is_empty() && !(0..longest).contains(&to.days_since(from)) {
        let most = longest - 1;
        let message = format!("must be `to`, or at most {most} days before it");
        faults.push(Fault::new("/from", FaultCode::OutOfRange, message));
    }
    match faults.is_empty() {
        true => Ok((from, to)),
        false => Err(Problem::new(Code::InvalidQuery).errors(faults)),
    }
}

/// The report in the form that is wanted.
pub(crate) fn answer<P, Q, B, R>(
    call: &Call<P, Q, B>,
    document: R,
    csv: impl FnOnce(&R) -> String,
) -> Reply<Either<R>> {
    let wants_csv = call
        .header("accept")
        .is_some_and(|accept| accept.contains("text/csv"));
    let body = match wants_csv {
        true => Either::Csv(csv(&document)),
        false => Either::Json(document),
    };
    Reply::new(StatusCode::OK, body).header(header::VARY, HeaderValue::from_static("accept"))
}
