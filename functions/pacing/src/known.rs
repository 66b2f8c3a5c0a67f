//! What the totals tell of campaigns and of the stack's traffic.

use std::collections::HashMap;

use domain::{
    Day, Instant,
    pacing::{Curve, Progress},
};
use store::{StoreError, marks::Totals};

/// What is known.
#[derive(Debug)]
pub(crate) struct Known {
    /// Everything that was answered before this moment is counted.
    pub(crate) as_of: Instant,
    /// By campaign key; a campaign that is not here had nothing.
    pub(crate) progress: HashMap<u64, Progress>,
    /// The shape of the stack's days.
    pub(crate) curve: Curve,
    /// Impressions of all campaigns in a busy minute of this time of day, if that is known.
    pub(crate) traffic_per_minute: Option<f64>,
}

impl Known {
    pub(crate) async fn read(totals: &Totals, _now: Instant) -> Result<Self, StoreError> {
        Ok(Self {
            as_of: totals.as_of().await?.unwrap_or_default(),
            progress: HashMap::new(),
            curve: Curve::UNIFORM,
            traffic_per_minute: None,
        })
    }

    /// A learning campaign's impressions and clicks by creative and day.
    pub(crate) async fn outcomes(
        _totals: &Totals,
        _campaign: u64,
        _today: Day,
    ) -> Result<HashMap<u64, Vec<(Day, u64, u64)>>, StoreError> {
        Ok(HashMap::new())
    }
}
