//! How long a call may take and how often it is tried: one value per kind of work.

use std::time::Duration;

use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};

/// A connection is there within this, or the attempt has failed.
///
/// The same for every pace: the connection pool is kept per connect timeout, so that clients of
/// different paces share their connections.
const CONNECT: Duration = Duration::from_secs(1);

/// The time limits and attempts of a client's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The whole call, with its retries and the pauses between them.
    pub operation: Duration,
    /// One attempt.
    pub attempt: Duration,
    /// Attempts in all.
    pub attempts: u32,
    /// The pause before the first retry is a random part of this; it doubles with each retry.
    pub backoff: Duration,
}

impl Pace {
    /// A read that an answer to a device waits for.
    pub const HOT: Self = Self {
        operation: Duration::from_millis(150),
        attempt: Duration::from_millis(100),
        attempts: 2,
        backoff: Duration::from_millis(10),
    };

    /// Everything that is neither hot nor bulky.
    pub const NORMAL: Self = Self {
        operation: Duration::from_millis(2_500),
        attempt: Duration::from_millis(1_000),
        attempts: 3,
        backoff: Duration::from_millis(50),
    };

    /// A question whether a service is there at all.
    pub const PROBE: Self = Self {
        operation: Duration::from_millis(1_500),
        attempt: Duration::from_millis(1_500),
        attempts: 1,
        backoff: Duration::from_millis(50),
    };

    /// Large objects, moved by workers or outside a request.
    pub const BULK: Self = Self {
        operation: Duration::from_secs(60),
        attempt: Duration::from_secs(20),
        attempts: 3,
        backoff: Duration::from_millis(100),
    };

    pub(crate) fn timeouts(self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.operation)
            .build()
    }

    pub(crate) fn retries(self) -> RetryConfig {
        RetryConfig::standard()
            .with_max_attempts(self.attempts)
            .with_initial_backoff(self.backoff)
            .with_max_backoff(self.operation / 2)
    }
}
