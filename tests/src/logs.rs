//! The lines that functions log while tests call them: each is one JSON object, and has no member twice.

use std::sync::PoisonError;

use domain::validation::UniqueMap;
use kit::logging;
use serde::de::IgnoredAny;

/// The level that stages log at.
const LEVEL: &str = "INFO";

/// Keeps the lines of this process from now on in memory, unless it logs to its standard output.
pub(crate) fn capture() {
    if let Ok(level) = LEVEL.parse() {
        let _lines = logging::init_in_memory(level);
    }
}

/// Takes the lines since the last call and checks each.
///
/// # Panics
/// Where a line is broken.
pub(crate) fn check() {
    let Some(lines) = LEVEL.parse().ok().and_then(logging::init_in_memory) else {
        return;
    };
    let taken = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
    let text = String::from_utf8_lossy(&taken);
    let broken: Vec<_> = text.lines().filter_map(fault).collect();
    assert!(
        broken.is_empty(),
        "log lines are broken:\n{}",
        broken.join("\n")
    );
}

/// What is wrong with a line.
fn fault(line: &str) -> Option<String> {
    let parsed = serde_json::from_str::<UniqueMap<IgnoredAny>>(line);
    parsed.err().map(|error| format!("{error}: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_there_twice_is_found() {
        assert_eq!(fault(r#"{"version":"$LATEST","snapshot_version":1}"#), None);
        assert!(fault(r#"{"version":1,"version":"$LATEST"}"#).is_some());
        assert!(fault("hello").is_some());
    }
}
