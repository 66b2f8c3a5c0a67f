//! Says what a test did not do.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
};

static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Says once, past the harness that keeps the output of passing tests to itself, what is skipped
/// and why.
pub fn skipped(what: impl Into<String>) {
    let what = what.into();
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
