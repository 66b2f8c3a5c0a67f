//! A bar on the terminal while something takes long; nothing where there is no terminal.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar of `steps` steps; it goes away when it is dropped.
pub(crate) fn bar(what: &'static str, steps: usize) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template(
        "{msg:10} {wide_bar:.cyan/dim} {human_pos} of {human_len} · {eta} left",
    )?;
    let bar = ProgressBar::new(steps as u64)
        .with_style(style)
        .with_message(what);
    Ok(bar.with_finish(indicatif::ProgressFinish::AndClear))
}
