//! How often one address signs in, whichever way.

use std::net::IpAddr;

use domain::Instant;
use kit::Problem;
use store::edge::{Calls, CountedBy, Limits};

kit::settings! {
    /// How often one address signs in with what it has: a provider's proof, or a guest's secret.
    pub struct SignInLimitSettings {
        /// Sign-ins a minute from one address (IPv6: from one /64).
        per_address: Calls = "SIGN_IN_LIMIT_ADDRESS_PER_MIN", default "60";
    }
}

impl SignInLimitSettings {
    /// Counts a sign-in. The device that it names is not counted: its id proves nothing, and anybody
    /// could use up another's sign-ins.
    ///
    /// # Errors
    /// 429 `rate_limited`.
    pub async fn count(
        &self,
        limits: &Limits,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<(), Problem> {
        let quota = self.per_address.per_minute("sign-ins-address");
        limits.check(CountedBy::Address(address), quota, now).await
    }
}
