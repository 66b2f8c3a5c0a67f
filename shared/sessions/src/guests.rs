//! Guests, who sign in by a secret of ours.

use domain::{Instant, identity::Subject};
use kit::{Code, Problem};
use store::{
    edge::{Calls, CountedBy, Limits},
    members::Members,
};

kit::settings! {
    /// How often a guest's secret may be wrong.
    pub struct GuestSecretSettings {
        /// Wrong secrets an hour for one guest, after which a wrong one is refused with 429. The right one is always accepted.
        wrong: Calls = "GUEST_SECRET_LIMIT_PER_HOUR", default "10";
    }
}

impl GuestSecretSettings {
    /// Checks a guest's secret. A wrong one is counted, for a guest that does not exist as well.
    ///
    /// The right secret is accepted whatever the count, because otherwise anybody who knows a guest's
    /// id could lock the guest out.
    ///
    /// # Errors
    /// 401 `token_invalid` for a wrong secret, 429 `rate_limited` for one too many.
    pub async fn check(
        &self,
        (members, limits): (&Members, &Limits),
        (guest, secret): (&Subject, &str),
        now: Instant,
    ) -> Result<(), Problem> {
        if members.knows_guest(guest, secret).await? {
            return Ok(());
        }
        let by = CountedBy::Name(guest.as_str());
        let quota = self.wrong.per_hour("guest-secrets");
        limits.check(by, quota, now).await?;
        Err(Problem::new(Code::TokenInvalid).detail("not this guest"))
    }
}
