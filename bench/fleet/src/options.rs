//! What the simulation can be told on its command line.

use std::ffi::OsString;

use anyhow::{Result, bail};
use lexopt::{
    Arg::{Long, Short},
    Parser, ValueExt as _,
};

use crate::instances::Placement;

/// What `--help` says.
pub(crate) const HELP: &str = "\
A simulated day of many instances: what budgets, caps and keys come to.

Usage: cargo run --profile quick -p bench-fleet -- [options]

  --requests N       allocations in the day (4,000,000)
  --devices N        devices (1,000,000)
  --instances N      instances of allocations at the day's peak, where they are spread (1,000)
  --placement HOW    spread: every instance gets its share, the worst for leases and heads;
                     packed: the one used last goes first, as many as are busy at once (spread)
  --seed N           the same seed, the same figures (1)
";

/// What to simulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    /// Allocations in the day.
    pub(crate) requests: u64,
    /// Devices.
    pub(crate) devices: u32,
    /// Instances of `allocations` at the peak of the day.
    pub(crate) instances: u32,
    /// Which instance gets a request.
    pub(crate) placement: Placement,
    /// What chance begins with.
    pub(crate) seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            requests: 4_000_000,
            devices: 1_000_000,
            instances: 1_000,
            placement: Placement::Spread,
            seed: 1,
        }
    }
}

impl Options {
    /// Reads the command line; `None` when help is asked for.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>> {
        let mut options = Self::default();
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("requests") => options.requests = parser.value()?.parse()?,
                Long("devices") => options.devices = parser.value()?.parse()?,
                Long("instances") => options.instances = parser.value()?.parse()?,
                Long("placement") => options.placement = parser.value()?.parse()?,
                Long("seed") => options.seed = parser.value()?.parse()?,
                Long("help") | Short('h') => return Ok(None),
                unknown => return Err(unknown.unexpected().into()),
            }
        }
        if options.requests == 0 || options.devices == 0 || options.instances == 0 {
            bail!("requests, devices and instances must be at least 1");
        }
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
            requests: 7,
            placement: Placement::Packed,
            ..Options::default()
        };
        let found = parse("--requests 7 --placement packed").unwrap();
        assert_eq!(found, Some(expected));
        assert_eq!(parse("-h").unwrap(), None);
        assert!(parse("--placement loose").is_err());
        assert!(parse("--devices 0").is_err());
        assert_eq!(
            parse("--seeed 3").unwrap_err().to_string(),
            "invalid option '--seeed'"
        );
    }
}
