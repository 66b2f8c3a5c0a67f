//! What the bench can be told on its command line.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use anyhow::Result;
use lexopt::{
    Arg::{Long, Short},
    Parser, ValueExt as _,
};

/// What `--help` says.
pub(crate) const HELP: &str = "\
What a function costs, beside a floor and a hello of the same run.

Usage: make bench [ARGS=\"…\"]

  --build           builds what is measured, and stops
  --save            writes the figures to bench/baseline.json, which later runs are compared with
  --workload FOLDER writes what the peers work with into FOLDER, for trying one by hand, and stops
  --load            sends 500 requests a second to the local stack, and ten times that in a burst,
                    instead of all else; --seconds N for another time than 60
  --profile NAME    builds with another profile than release (of --load: quick), for trying the
                    bench itself
";

/// How long the steady load of `--load` lasts.
const LOAD_SECONDS: u64 = 60;

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Whether to build and no more.
    pub(crate) build: bool,
    /// Whether the figures become the baseline.
    pub(crate) save: bool,
    /// Where to write the peers' workload, if that is all that is wanted.
    pub(crate) workload: Option<PathBuf>,
    /// Whether it is the local stack under load that is measured, and for how long.
    pub(crate) load: Option<Duration>,
    /// The profile that the measured binaries are built with.
    pub(crate) profile: String,
}

impl Options {
    /// Reads the command line; `None` when help is asked for.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>> {
        let mut options = Self {
            build: false,
            save: false,
            workload: None,
            load: None,
            profile: String::new(),
        };
        let (mut load, mut seconds, mut profile) = (false, LOAD_SECONDS, None);
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("build") => options.build = true,
                Long("save") => options.save = true,
                Long("workload") => options.workload = Some(parser.value()?.into()),
                Long("load") => load = true,
                Long("seconds") => seconds = parser.value()?.parse()?,
                Long("profile") => profile = Some(parser.value()?.parse()?),
                Long("help") | Short('h') => return Ok(None),
                unknown => return Err(unknown.unexpected().into()),
            }
        }
        options.load = load.then(|| Duration::from_secs(seconds));
        let usual = if load { "quick" } else { "release" };
        options.profile = profile.unwrap_or_else(|| usual.to_owned());
        Ok(Some(options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_unknown_ones_named() {
        let parse = |line: &str| Options::parse(line.split_whitespace().map(OsString::from));
        let expected = Options {
            build: false,
            save: true,
            workload: None,
            load: None,
            profile: "quick".to_owned(),
        };
        let load = parse("--load --seconds 10").unwrap().unwrap();
        assert_eq!(load.load, Some(Duration::from_secs(10)));
        assert_eq!(load.profile, "quick");
        assert_eq!(parse("--save --profile quick").unwrap(), Some(expected));
        assert!(parse("--build").unwrap().unwrap().build);
        let written = parse("--workload there").unwrap().unwrap().workload;
        assert_eq!(written, Some(PathBuf::from("there")));
        assert_eq!(parse("-h").unwrap(), None);
        assert_eq!(
            parse("--sav").unwrap_err().to_string(),
            "invalid option '--sav'"
        );
    }
}
