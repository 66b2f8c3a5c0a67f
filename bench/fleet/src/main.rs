//! A simulated day of many instances: over- and under-delivery of budgets, frequency caps, DynamoDB's
//! units by key, and what it costs.
//!
//! `docs/scale.md` says what follows from its figures, and what it does not show.
#![forbid(unsafe_code)]
#![allow(
    clippy::indexing_slicing,
    reason = "a tool that ends with a panic is as good as one that ends with an error"
)]

mod books;
mod budgets;
mod campaigns;
mod cost;
mod devices;
mod instances;
mod marks;
mod meter;
mod options;
mod pacing;
mod report;
mod roll_up;
mod serving;
mod simulation;
mod tracking;
mod traffic;

use std::{
    env,
    io::{self, Write as _},
    time::Instant,
};

use anyhow::Result;

use crate::{
    options::{HELP, Options},
    report::Report,
    simulation::Simulation,
};

fn main() -> Result<()> {
    let mut out = io::stdout().lock();
    let Some(options) = Options::parse(env::args_os().skip(1))? else {
        write!(out, "{HELP}")?;
        return Ok(());
    };
    let began = Instant::now();
    let mut simulation = Simulation::new(options)?;
    simulation.run();
    write!(out, "{}", Report::of(&simulation))?;
    writeln!(out, "\nsimulated in {:.0} s", began.elapsed().as_secs_f64())?;
    Ok(())
}
