//! For how long a member can come back.

use std::time::Duration;

use kit::config::Setting;

kit::settings! {
    /// How members leave.
    pub struct WithdrawalSettings {
        /// For how many days a member who withdraws, or is left without an identity, can come back.
        grace: GraceDays = "WITHDRAWAL_GRACE_DAYS", default "30";
    }
}

/// For how long a member can come back, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraceDays(pub Duration);

impl Setting for GraceDays {
    const EXPECTED: &'static str = "a whole number of days from 0 to 30";

    fn parse(text: &str) -> Option<Self> {
        let days: u64 = text.parse().ok()?;
        (days <= 30).then(|| Self(Duration::from_secs(days * 86_400)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grace_is_a_month_at_most() {
        let days = |text| GraceDays::parse(text).map(|grace| grace.0.as_secs() / 86_400);
        assert_eq!((days("0"), days("30")), (Some(0), Some(30)));
        for refused in ["", "-1", "31", "1.5"] {
            assert_eq!(days(refused), None, "{refused}");
        }
    }
}
