//! What the demo can be told on its command line and by its environment.

use std::{env, ffi::OsString, num::ParseIntError, path::PathBuf, str::FromStr};

use anyhow::{Context as _, Result, ensure};
use lexopt::{
    Arg::{Long, Short},
    Parser, ValueExt as _,
};

/// What `--help` says.
pub const HELP: &str = "\
The main job on real traffic: publishes the 80 items of the Open Bandit log as campaigns, replays
its 10,000 visits as allocations with impressions and clicks, and checks what was counted.

Usage: make demo [ARGS=\"…\"]

  --targeted        a quarter of the campaigns is for some users only, and nobody else may see them
  --seed N          draws the clicks, and the allocations of a stack that the demo starts (default 1)
  --visits N        replays only the first N visits; with --day, as many as a day has (default 12,000)
  --concurrency N   how many visits go on at once (default 8)
  --day             plays no log: a day's traffic in a minute or so, on a stack of its own with a fast
                    clock, to see pacing, budgets, caps and learning at work; draws charts and writes
                    target/day.html (takes --seed, --visits and --speed)
  --speed N         with --day: how fast the clock runs, 60 to 1440 (default 1200). A machine that is
                    busy with other things needs a slower one: see the last lines of the report
  --evaluate        replays nothing and needs no stack: estimates from the logs what random choices,
                    Thompson sampling and the store's own policy are worth, with intervals (takes --seed)

DATA=dir is the data folder of the stack (default .local). The stack that runs there is used; when
none does, one is started for as long as the demo takes.

Exits with 1 when the answers are not what they must be.
";

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether policies are evaluated on the logs, and nothing else is done.
    pub evaluate: bool,
    /// Whether a day is played on a fast clock, and nothing else is done.
    pub day: bool,
    /// How many seconds pass in a second of that day.
    pub speed: Option<u32>,
    /// Whether some campaigns are for some users only.
    pub targeted: bool,
    /// What every draw of the demo depends on.
    pub seed: u64,
    /// Replays at most this many visits, or makes as many in a day.
    pub visits: Option<usize>,
    /// How many visits go on at once.
    pub concurrency: usize,
    /// The data folder of the stack.
    pub data: PathBuf,
}

impl Options {
    /// Reads the command line and `DATA`; `None` when help is asked for.
    ///
    /// # Errors
    /// An argument is unknown, or its value is not what it should be.
    pub fn from_process() -> Result<Option<Self>> {
        Self::parse(env::args_os().skip(1), env::var_os("DATA"))
    }

    fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        data: Option<OsString>,
    ) -> Result<Option<Self>> {
        let data = data.filter(|folder| !folder.is_empty());
        let mut options = Self {
            evaluate: false,
            day: false,
            speed: None,
            targeted: false,
            seed: 1,
            visits: None,
            concurrency: 8,
            data: data.map_or_else(|| PathBuf::from(".local"), PathBuf::from),
        };
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("evaluate") => options.evaluate = true,
                Long("day") => options.day = true,
                Long("targeted") => options.targeted = true,
                Long("seed") => options.seed = number(&mut parser).context("--seed")?,
                Long("visits") => options.visits = Some(number(&mut parser).context("--visits")?),
                Long("speed") => options.speed = Some(number(&mut parser).context("--speed")?),
                Long("concurrency") => {
                    options.concurrency = number(&mut parser).context("--concurrency")?
                }
                Long("help") | Short('h') => return Ok(None),
                unknown => return Err(unknown.unexpected().into()),
            }
        }
        ensure!(
            options.visits != Some(0) && options.concurrency > 0,
            "--visits and --concurrency start at 1"
        );
        ensure!(
            !options.evaluate || (!options.targeted && options.visits.is_none()),
            "--evaluate looks at the whole log and targets nobody: --targeted and --visits are not for it"
        );
        ensure!(
            !options.day || (!options.targeted && !options.evaluate),
            "--day has campaigns of its own: --targeted and --evaluate are not for it"
        );
        let speed = options.speed;
        ensure!(
            speed.is_none_or(|speed| options.day && (60..=1_440).contains(&speed)),
            "--speed is for --day, and from 60 to 1440"
        );
        Ok(Some(options))
    }
}

fn number<T: FromStr<Err = ParseIntError>>(parser: &mut Parser) -> Result<T> {
    Ok(parser.value()?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>> {
        Options::parse(
            line.split_whitespace().map(OsString::from),
            Some(OsString::new()),
        )
    }

    #[test]
    fn every_argument_is_read() {
        let read = parse("--targeted --seed 7 --visits=20 --concurrency 2")
            .unwrap()
            .unwrap();
        let expected = Options {
            evaluate: false,
            day: false,
            speed: None,
            targeted: true,
            seed: 7,
            visits: Some(20),
            concurrency: 2,
            data: PathBuf::from(".local"),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn an_evaluation_takes_a_seed_and_no_part_of_the_log() {
        let read = parse("--evaluate --seed 7").unwrap().unwrap();
        assert_eq!((read.evaluate, read.seed), (true, 7));
        assert!(parse("--evaluate --visits 5").is_err());
        assert!(parse("--targeted --evaluate").is_err());
    }

    #[test]
    fn a_day_takes_a_seed_and_a_number_of_visits() {
        let read = parse("--day --seed 7 --visits 900 --speed 720")
            .unwrap()
            .unwrap();
        assert_eq!((read.day, read.seed, read.visits), (true, 7, Some(900)));
        assert_eq!(read.speed, Some(720));
        assert!(parse("--day --speed 10").is_err() && parse("--speed 720").is_err());
        assert!(parse("--day --targeted").is_err());
        assert!(parse("--day --evaluate").is_err());
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        assert_eq!(
            parse("--sead 7").unwrap_err().to_string(),
            "invalid option '--sead'"
        );
        assert!(
            parse("--seed x")
                .unwrap_err()
                .to_string()
                .contains("--seed")
        );
        assert!(parse("--concurrency 0").is_err());
        assert_eq!(parse("--help").unwrap(), None);
    }
}
