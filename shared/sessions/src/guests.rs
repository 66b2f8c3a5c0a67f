//! Guests, who sign in by a secret of ours.

use domain::{Instant, identity::Subject};
use kit::{Code, Problem};
use store::edge::{Calls, CountedBy, Limits};

kit::settings! {
    /// How often a guest's secret may be wrong.
    pub struct GuestSecretSettings {
        /// Wrong secrets an hour for one guest, after which a wrong one is refused with 429. The right one is always accepted.
        wrong: Calls = "GUEST_SECRET_LIMIT_PER_HOUR", default "10";
    }
}

impl GuestSecretSettings {
    /// Counts a wrong secret, for a guest that does not exist as well, and returns its refusal: 401
    /// `token_invalid`, or 429 `rate_limited` for one too many.
    ///
    /// The right secret is accepted whatever the count, because otherwise anybody who knows a guest's
    /// id could lock the guest out.
    pub async fn wrong(&self, limits: &Limits, guest: &Subject, now: Instant) -> Problem {
        let by = CountedBy::Name(guest.as_str());
        let quota = self.wrong.per_hour("guest-secrets");
        match limits.check(by, quota, now).await {
            Ok(()) => Problem::new(Code::TokenInvalid).detail("not this guest"),
            Err(limited) => limited,
        }
    }
}
