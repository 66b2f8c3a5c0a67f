//! Says what a test did not do.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
};

static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Says once, past the harness that keeps the output of passing tests to itself, what is skipped
/// and why.
///
/// # Panics
/// With `REFUSE_SKIPS=1`, which continuous integration sets: there everything is installed, and
/// nothing is skipped.
pub fn skipped(what: impl Into<String>) {
    let what = what.into();
    let refused = std::env::var("REFUSE_SKIPS").is_ok_and(|value| value == "1");
    assert!(!refused, "skipped, which REFUSE_SKIPS=1 refuses: {what}");
    let line = format!("skipped: {what}\n");
    if SAID
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(what)
    {
        // With standard error closed there is nobody left to tell.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}
