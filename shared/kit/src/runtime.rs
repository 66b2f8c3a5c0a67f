//! What every function is given beside its own settings: stage, logging, the clock, randomness.

use crate::{
    clock::{Clock, Course},
    config::{BaseUrl, Faults, HeaderName, LogLevel, Setting as _, Share, Stage, Vars},
    random::Random,
};

crate::settings! {
    /// The settings that all functions share.
    pub struct Settings {
        /// Which deployment this is.
        stage: Stage = "STAGE", example "dev";
        /// The least severe level that is logged.
        log_level: LogLevel = "LOG_LEVEL", default "info";
        /// The share of access lines that `allocations` and `track` write; errors are always written.
        access_log_sample: Share = "ACCESS_LOG_SAMPLE", default "1";
        /// The one header that carries the client's address when a CDN stands in front.
        client_address_header: Option<HeaderName> = "CLIENT_ADDRESS_HEADER", example "cloudfront-viewer-address";
        /// Calls a minute that one address may make to one instance.
        rate_limit_address_per_min: u32 = "RATE_LIMIT_ADDRESS_PER_MIN", default "6000";
        /// The URL by which callers reach this stack, with a path where a base path mapping adds one.
        /// Required in the stage prd; elsewhere, without it, the host they used.
        public_base_url: Option<BaseUrl> = "PUBLIC_BASE_URL", example "https://api.example.com";
        /// Registers an extension, which makes Lambda announce the end of the process: what would be
        /// lost with it is then told. Costs a call at start.
        graceful_shutdown: bool = "GRACEFUL_SHUTDOWN", default "false";
        /// Makes every draw repeatable; for demonstrations, refused outside `dev`.
        random_seed: Option<u64> = "RANDOM_SEED", example "7";
        /// Makes the time run faster from an instant on; for demonstrations, refused outside `dev`.
        clock_course: Option<Course> = "CLOCK_COURSE", example "1440@2026-11-20T00:00:00Z";
        /// The function's version, set by Lambda.
        function_version: String = "AWS_LAMBDA_FUNCTION_VERSION", default "$LATEST";
    }
}

/// Settings and capabilities, cheap to clone.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// The shared settings.
    pub settings: std::sync::Arc<Settings>,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
}

impl Runtime {
    /// Reads the shared settings; time and randomness are the system's.
    pub fn read(vars: &Vars) -> Result<Self, Faults> {
        let settings = Settings::read(vars)?;
        if settings.stage == Stage::Prd && settings.public_base_url.is_none() {
            // Without it, a caller's Host would decide where tracking URLs lead.
            let expected = format!("{}, in the stage prd", BaseUrl::EXPECTED);
            return Err(Faults::one("PUBLIC_BASE_URL", expected));
        }
        let random = match settings.random_seed {
            None => Random::system(),
            Some(seed) if settings.stage == Stage::Dev => Random::seeded(seed),
            Some(_) => {
                return Err(Faults::one("RANDOM_SEED", "nothing, outside the stage dev"));
            }
        };
        let clock = match settings.clock_course {
            None => Clock::system(),
            Some(course) if settings.stage == Stage::Dev => Clock::fast(course),
            Some(_) => {
                return Err(Faults::one(
                    "CLOCK_COURSE",
                    "nothing, outside the stage dev",
                ));
            }
        };
        Ok(Self {
            settings: std::sync::Arc::new(settings),
            clock,
            random,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_does_not_start_without_its_url() {
        let read = |pairs: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            Runtime::read(&pairs.iter().map(owned).collect()).err()
        };
        let url = ("PUBLIC_BASE_URL", "https://api.example.com/app");
        let faults = read(&[("STAGE", "prd")]).unwrap();
        assert_eq!(faults.0[0].name, "PUBLIC_BASE_URL");
        assert_eq!(read(&[("STAGE", "prd"), url]), None);
        assert_eq!(read(&[("STAGE", "stg")]), None);
    }
}
