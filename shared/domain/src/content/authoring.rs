//! Times as authors write them: with an offset, with the zone that the author thinks in, or both.
//!
//! - `2026-11-20T10:00:00+09:00` (RFC 3339), as everywhere;
//! - `2026-11-20T10:00+09:00[Asia/Seoul]` and `2026-11-20T10:00[Asia/Seoul]` (RFC 9557);
//! - `2026-11-20T10:00`, in the zone that the item's `time_zone` names.
//!
//! Seconds may be left out. What a clock in the zone never shows, or shows twice, is refused rather
//! than guessed at: an offset says which is meant. What is kept is always the moment, in UTC.

use jiff::{
    civil::DateTime,
    tz::{AmbiguousOffset, Offset},
};
use serde_json::{Map, Value};

use crate::{Fault, FaultCode, Instant, TimeZoneName};

/// Puts the moments in UTC that the members `times` of an item stand for, and gives the faults of
/// those that stand for none.
pub(super) fn settle(times: &[&str], item: &mut Value) -> Vec<Fault> {
    let Value::Object(item) = item else {
        return Vec::new();
    };
    let zone = Zone::of(item);
    let mut faults = Vec::new();
    for name in times {
        let Some(Value::String(text)) = item.get_mut(*name) else {
            continue;
        };
        let written = Written::read(text).ok_or_else(|| FORMS.to_owned());
        match written.and_then(|written| written.moment(&zone)) {
            Ok(moment) => *text = moment.to_string(),
            Err(message) => {
                let at = format!("/{name}");
                faults.push(Fault::new(at, FaultCode::BadFormat, message));
            }
        }
    }
    faults
}

/// What to tell of a text that has none of the forms.
const FORMS: &str = "expected a date and time such as 2026-11-20T10:00:00+09:00 (RFC 3339), \
                     2026-11-20T10:00[Asia/Seoul], or 2026-11-20T10:00 beside a time_zone";

/// The zone of times that name none.
enum Zone {
    Known(TimeZoneName),
    /// There is one, which is no zone: a fault of its own.
    Bad,
    Absent,
}

impl Zone {
    fn of(item: &Map<String, Value>) -> Self {
        match item.get("time_zone") {
            None | Some(Value::Null) => Self::Absent,
            Some(Value::String(name)) => name.parse().map_or(Self::Bad, Self::Known),
            Some(_) => Self::Bad,
        }
    }
}

/// A date and a time, and what was said of where.
struct Written<'a> {
    local: &'a str,
    offset: Option<WrittenOffset>,
    zone: Option<&'a str>,
}

/// How far a clock is from UTC.
#[derive(Clone, Copy)]
enum WrittenOffset {
    /// The time is UTC's, whatever clocks show (`Z`; RFC 9557, section 2.2).
    Utc,
    /// The offset in seconds.
    Seconds(i32),
}

impl<'a> Written<'a> {
    /// Takes a text apart that has one of the forms; `None` for others.
    fn read(text: &'a str) -> Option<Self> {
        let (rest, zone) = match text.strip_suffix(']') {
            Some(text) => {
                let (rest, zone) = text.split_once('[')?;
                (rest, Some(zone.strip_prefix('!').unwrap_or(zone)))
            }
            None => (text, None),
        };
        let time = match_shape(rest, "dddd-dd-ddTdd:dd")?;
        let seconds = match_shape(time, ":dd");
        let fraction = seconds.and_then(|rest| rest.strip_prefix('.'));
        let end = match (fraction, seconds) {
            (Some(digits), _) => {
                let end = digits.trim_start_matches(|c: char| c.is_ascii_digit());
                (end.len() < digits.len()).then_some(end)?
            }
            (None, Some(rest)) => rest,
            (None, None) => time,
        };
        let offset = match end {
            "" => None,
            "Z" | "z" | "-00:00" => Some(WrittenOffset::Utc),
            offset => Some(WrittenOffset::Seconds(offset_seconds(offset)?)),
        };
        Some(Self {
            local: rest.strip_suffix(end)?,
            offset,
            zone,
        })
    }

    /// The moment that it stands for, or what to tell the author.
    fn moment(&self, zone: &Zone) -> Result<Instant, String> {
        let local: DateTime = self
            .local
            .parse()
            .map_err(|_| "is no date and time of the calendar".to_owned())?;
        let offset = match (self.zone, self.offset) {
            (None, Some(WrittenOffset::Utc)) => Offset::UTC,
            (None, Some(WrittenOffset::Seconds(seconds))) => of_seconds(seconds)?,
            (None, None) => match zone {
                Zone::Known(zone) => offset_in(zone, local, None)?,
                // The fault is the zone's; any moment will do.
                Zone::Bad => Offset::UTC,
                Zone::Absent => {
                    return Err(format!(
                        "says no offset, and the item no time_zone to read it in: write \
                         {local}+09:00, {local}[Asia/Seoul], or a time_zone"
                    ));
                }
            },
            (Some(name), offset) => {
                let zone = name
                    .parse()
                    .map_err(|_| format!("names no time zone of the IANA database: {name}"))?;
                match offset {
                    Some(WrittenOffset::Utc) => Offset::UTC,
                    Some(WrittenOffset::Seconds(seconds)) => {
                        offset_in(&zone, local, Some(of_seconds(seconds)?))?
                    }
                    None => offset_in(&zone, local, None)?,
                }
            }
        };
        let moment = offset.to_timestamp(local).map_err(|_| OUT_OF_CALENDAR)?;
        Ok(Instant::from_millis(moment.as_millisecond()))
    }
}

const OUT_OF_CALENDAR: &str = "is beyond the ends of the calendar";

/// The offset of a zone when its clocks show `local`; one that was given must be it.
fn offset_in(
    zone: &TimeZoneName,
    local: DateTime,
    given: Option<Offset>,
) -> Result<Offset, String> {
    let disagrees = |given: Offset, right: String| {
        let given = told(given);
        format!("says {given}, but {zone} is {right} from UTC then: leave one of the two out")
    };
    match (zone.offset_at(local), given) {
        (AmbiguousOffset::Unambiguous { offset }, Some(given)) if given != offset => {
            Err(disagrees(given, told(offset)))
        }
        (AmbiguousOffset::Unambiguous { offset }, _) => Ok(offset),
        (AmbiguousOffset::Gap { before, after }, _) => {
            // What the clock shows as long after the gap as this would be after its beginning.
            let moment = before.to_timestamp(local).map_err(|_| OUT_OF_CALENDAR)?;
            let shown = after.to_datetime(moment);
            Err(format!(
                "never shows on clocks in {zone}, which are put forward then: write \
                 {shown}{after} or another moment with its offset",
                after = told(after),
            ))
        }
        (AmbiguousOffset::Fold { before, after }, None) => Err(format!(
            "shows twice on clocks in {zone}, which are put back then: write {local}{} for the \
             first time or {local}{} for the second",
            told(before),
            told(after),
        )),
        (AmbiguousOffset::Fold { before, after }, Some(given)) => {
            if given == before || given == after {
                Ok(given)
            } else {
                let right = format!("{} or {}", told(before), told(after));
                Err(disagrees(given, right))
            }
        }
    }
}

fn of_seconds(seconds: i32) -> Result<Offset, String> {
    Offset::from_seconds(seconds).map_err(|_| "has an offset of more than a day".to_owned())
}

/// An offset as RFC 3339 writes it.
fn told(offset: Offset) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn offset_seconds(text: &str) -> Option<i32> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    match_shape(digits, "dd:dd").filter(|rest| rest.is_empty())?;
    let (hours, minutes) = digits.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// What follows a beginning of the shape, in which `d` stands for a digit.
fn match_shape<'a>(text: &'a str, shape: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(shape.len())?;
    let fits = |(byte, shape): (u8, u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        literal => byte.eq_ignore_ascii_case(&literal),
    };
    start.bytes().zip(shape.bytes()).all(fits).then_some(rest)
}
