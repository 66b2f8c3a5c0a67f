//! The stack's own lines go to standard error; standard output belongs to the functions' logs.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// Prints one line.
pub(crate) fn say(line: impl Display) {
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}
