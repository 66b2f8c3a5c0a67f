//! `make demo`: publishes, replays, counts, and says whether it all came out right; or plays a day on a
//! fast clock; or evaluates policies on the log.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use demo::{DayReport, HELP, Options, Summary, evaluate};

fn main() -> ExitCode {
    match run() {
        Ok(passed) => ExitCode::from(u8::from(!passed)),
        Err(error) => {
            // With standard error closed there is nobody left to tell.
            let _ = writeln!(io::stderr().lock(), "demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything came out right; also true when only help or an evaluation was asked for: an
/// estimate is neither right nor wrong.
fn run() -> Result<bool> {
    let Some(options) = Options::from_process()? else {
        write!(io::stdout().lock(), "{HELP}")?;
        return Ok(true);
    };
    if options.evaluate {
        write!(io::stdout().lock(), "{}", evaluate(options.seed)?)?;
        return Ok(true);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    if options.day {
        let report: DayReport = runtime.block_on(demo::day(&options))?;
        write!(io::stdout().lock(), "{report}")?;
        return Ok(report.passed());
    }
    let summary: Summary = runtime.block_on(demo::run(&options))?;
    write!(io::stdout().lock(), "{summary}")?;
    Ok(summary.passed())
}
