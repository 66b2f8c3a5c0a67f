//! Times that never go stale: `{"$days": -3}` and `{"$hours": 2}` count from the hour of the start.

use domain::Instant;
use serde_json::{Map, Value};

const HOUR_S: i64 = 3_600;

/// Puts instants in place of all relative times.
///
/// # Errors
/// A relative time is no whole number, or too large for one.
pub(super) fn resolve(value: &mut Value, now: Instant) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| resolve(item, now)),
        Value::Object(fields) => match seconds(fields) {
            Some(seconds) => {
                let hour = now.as_seconds() - now.as_seconds().rem_euclid(HOUR_S);
                let at = hour.saturating_add(seconds?);
                *value = Value::String(Instant::from_seconds(at).to_string());
                Ok(())
            }
            None => fields.values_mut().try_for_each(|it| resolve(it, now)),
        },
        _ => Ok(()),
    }
}

fn seconds(fields: &Map<String, Value>) -> Option<Result<i64, String>> {
    let (name, number) = fields.iter().next().filter(|_| fields.len() == 1)?;
    let unit = match name.as_str() {
        "$days" => 24 * HOUR_S,
        "$hours" => HOUR_S,
        _ => return None,
    };
    let seconds = number.as_i64().and_then(|number| number.checked_mul(unit));
    Some(seconds.ok_or_else(|| format!("{name}: expected a whole number, not {number}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_counted_from_the_hour() {
        let now: Instant = "2026-02-28T10:59:59.9Z".parse().unwrap();
        let mut item = json!({
            "starts_at": {"$days": -1},
            "list": [{"ends_at": {"$hours": 14}}],
            "payload": {"days": 3},
        });
        resolve(&mut item, now).unwrap();
        let expected = json!({
            "starts_at": "2026-02-27T10:00:00.000Z",
            "list": [{"ends_at": "2026-03-01T00:00:00.000Z"}],
            "payload": {"days": 3},
        });
        assert_eq!(item, expected);
        for wrong in [json!({"$days": "1"}), json!({"$hours": i64::MAX})] {
            assert!(resolve(&mut wrong.clone(), now).is_err(), "{wrong}");
        }
    }
}
