//! Keywords that look at one value by itself: its type, a closed list, the bounds of a number, the
//! length and the format of a text.

use std::{cmp::Ordering, fmt::Display, str::FromStr};

use serde_json::{Map, Number, Value};

use crate::{
    ClickUrl, Country, HttpUrl, Instant, Link, Version,
    network::Cidr,
    validation::{Fault, FaultCode, Faults, Place},
    zone::{Day, TimeZoneName},
};

pub(super) fn types_of(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn admits_type(schema: &Map<String, Value>, value: &Value) -> bool {
    let types = types_of(schema);
    types.is_empty()
        || types.iter().any(|name| match *name {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "integer" => value
                .as_number()
                .is_some_and(|n| !n.is_f64() || n.as_f64().is_some_and(|n| n.fract() == 0.0)),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => false,
        })
}

pub(super) fn wrong_type(at: &Place<'_>, types: &[&str]) -> Fault {
    let mut wanted: Vec<&str> = types
        .iter()
        .copied()
        .filter(|name| *name != "null")
        .collect();
    wanted.dedup();
    let message = format!("must be of type {}", wanted.join(" or "));
    Fault::new(at, FaultCode::WrongType, message)
}

pub(super) fn check_listed(
    schema: &Map<String, Value>,
    value: &Value,
    at: &Place<'_>,
) -> Option<Fault> {
    let listed: Vec<&Value> = match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(values)), _) => values.iter().collect(),
        (_, Some(constant)) => vec![constant],
        _ => return None,
    };
    // Generated clients have no enumeration that lists a code in both cases, and parsers accept both.
    let is_country = schema
        .get("format")
        .is_some_and(|format| format == "country")
        && value
            .as_str()
            .is_some_and(|text| text.parse::<Country>().is_ok());
    (!is_country && !listed.contains(&value)).then(|| not_listed(at, listed))
}

/// More values than this are not worth telling one by one.
const MOST_TOLD: usize = 20;

pub(super) fn not_listed(at: &Place<'_>, listed: Vec<&Value>) -> Fault {
    let listed: Vec<String> = listed
        .into_iter()
        .filter(|value| !value.is_null())
        .map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
        .collect();
    let message = if listed.len() > MOST_TOLD {
        "is not one of the known values".to_owned()
    } else {
        format!("must be one of {}", listed.join(", "))
    };
    Fault::new(at, FaultCode::NotAllowed, message)
}

/// `minItems`/`maxItems` and `minProperties`/`maxProperties`. Gives how many are worth a look: those
/// beyond the maximum are not.
pub(super) fn check_count(
    schema: &Map<String, Value>,
    of: &str,
    things: &str,
    count: usize,
    at: &Place<'_>,
    faults: &mut Faults,
) -> usize {
    let (min, max) = bounds(schema, of);
    if min.is_some_and(|min| count < min) {
        let message = format!("must have at least {} {things}", min.unwrap_or_default());
        faults.add(at, FaultCode::TooFew, message);
    }
    if max.is_some_and(|max| count > max) {
        let message = format!("must have at most {} {things}", max.unwrap_or_default());
        faults.add(at, FaultCode::TooMany, message);
    }
    max.unwrap_or(usize::MAX)
}

fn bounds(schema: &Map<String, Value>, of: &str) -> (Option<usize>, Option<usize>) {
    let bound = |end: &str| {
        let value = schema.get(&format!("{end}{of}"))?.as_u64()?;
        usize::try_from(value).ok()
    };
    (bound("min"), bound("max"))
}

pub(super) fn check_text(
    schema: &Map<String, Value>,
    text: &str,
    at: &Place<'_>,
    faults: &mut Faults,
) {
    let length = text.chars().count();
    let (min, max) = bounds(schema, "Length");
    if min.is_some_and(|min| length < min) {
        let message = format!("must have at least {} characters", min.unwrap_or_default());
        faults.add(at, FaultCode::TooShort, message);
    }
    if max.is_some_and(|max| length > max) {
        let message = format!("must have at most {} characters", max.unwrap_or_default());
        faults.add(at, FaultCode::TooLong, message);
        return;
    }
    let format = schema.get("format").and_then(Value::as_str);
    if let Some(expected) = format.and_then(|format| misfit(format, text)) {
        faults.add(at, FaultCode::BadFormat, expected);
    }
}

/// Why a text does not have a format of ours.
fn misfit(format: &str, text: &str) -> Option<String> {
    fn refused<T: FromStr<Err: Display>>(text: &str) -> Option<String> {
        text.parse::<T>().err().map(|error| error.to_string())
    }
    match format {
        "date-time" => refused::<Instant>(text),
        "date" => refused::<Day>(text),
        "time-zone" => refused::<TimeZoneName>(text),
        "version" => refused::<Version>(text),
        "cidr" => refused::<Cidr>(text),
        "http-url" => refused::<HttpUrl>(text),
        "link" => refused::<Link>(text),
        "click-url" => refused::<ClickUrl>(text),
        _ => None,
    }
}

pub(super) fn check_number(
    schema: &Map<String, Value>,
    number: &Number,
    at: &Place<'_>,
    faults: &mut Faults,
) {
    let beyond = |keyword: &str, refused: &[Ordering]| {
        let bound = schema.get(keyword)?.as_number()?;
        let order = compare(number, bound)?;
        refused.contains(&order).then_some(bound)
    };
    use Ordering::{Equal, Greater, Less};
    let message = if let Some(bound) = beyond("minimum", &[Less]) {
        format!("must be at least {bound}")
    } else if let Some(bound) = beyond("maximum", &[Greater]) {
        format!("must be at most {bound}")
    } else if let Some(bound) = beyond("exclusiveMinimum", &[Less, Equal]) {
        format!("must be above {bound}")
    } else if let Some(bound) = beyond("exclusiveMaximum", &[Greater, Equal]) {
        format!("must be below {bound}")
    } else if let Some((min, max)) = schema.get("format").and_then(Value::as_str).and_then(width)
        && exact(number).is_some_and(|number| number < min || number > max)
    {
        format!("must be from {min} to {max}")
    } else {
        return;
    };
    faults.add(at, FaultCode::OutOfRange, message);
}

/// What an integer of a format can hold.
fn width(format: &str) -> Option<(i128, i128)> {
    Some(match format {
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "uint64" | "uint" => (0, u64::MAX.into()),
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "int64" | "int" => (i64::MIN.into(), i64::MAX.into()),
        _ => return None,
    })
}

fn exact(number: &Number) -> Option<i128> {
    number
        .as_i64()
        .map(i128::from)
        .or_else(|| number.as_u64().map(i128::from))
}

fn compare(a: &Number, b: &Number) -> Option<Ordering> {
    match (exact(a), exact(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}
