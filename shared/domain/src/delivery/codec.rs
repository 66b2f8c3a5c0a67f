//! A delivery as bytes, which every instance reads every minute: fixed widths, little-endian, keys in
//! ascending order.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version of the layout: 1 |
//! | 4 | how many throttles |
//! | 13 each | campaign key (8), probability (4, IEEE 754), zone (1: 0 open, 1 exact, 2 spent) |
//! | 4 | how many campaigns that learn |
//! | 12 each | campaign key (8), how many creatives (4), and for each of these: |
//! | 24 each | creative key (8), impressions (8), clicks (8, IEEE 754) |
//!
//! The moment is not in it: it is told beside it, so that a delivery in which nothing changed has the
//! same bytes.

use std::collections::HashMap;

use super::{Delivery, Throttle, Zone};
use crate::{Instant, learning::Evidence};

const LAYOUT: u8 = 1;
const THROTTLE: usize = 13;
const LEARNER: usize = 12;
const OUTCOME: usize = 24;

/// Why bytes are no delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Another version's layout.
    #[error("layout {0} of a delivery is not known here")]
    UnknownLayout(u8),
    /// Not what the layout says.
    #[error("damaged delivery")]
    Damaged,
}

/// Writes a delivery, but for its moment.
pub fn encode(delivery: &Delivery) -> Vec<u8> {
    let throttles = sorted(&delivery.throttles);
    let learned = sorted(&delivery.learned);
    let mut bytes = Vec::with_capacity(9 + THROTTLE * throttles.len());
    bytes.push(LAYOUT);
    bytes.extend(count(throttles.len()));
    for (campaign, throttle) in throttles {
        bytes.extend(campaign.to_le_bytes());
        bytes.extend(throttle.pass.to_le_bytes());
        bytes.push(match throttle.zone {
            Zone::Open => 0,
            Zone::Exact => 1,
            Zone::Spent => 2,
        });
    }
    bytes.extend(count(learned.len()));
    for (campaign, creatives) in learned {
        bytes.extend(campaign.to_le_bytes());
        bytes.extend(count(creatives.len()));
        for (creative, outcomes) in sorted(creatives) {
            bytes.extend(creative.to_le_bytes());
            bytes.extend(outcomes.impressions.to_le_bytes());
            bytes.extend(outcomes.clicks.to_le_bytes());
        }
    }
    bytes
}

/// Reads the delivery of the moment `at`.
///
/// # Errors
/// When the bytes are not what [`encode`] writes of some delivery.
pub fn decode(at: Instant, bytes: &[u8]) -> Result<Delivery, Undecodable> {
    let mut bytes = Bytes(bytes);
    match u8::from_le_bytes(bytes.take()?) {
        LAYOUT => {}
        other => return Err(Undecodable::UnknownLayout(other)),
    }
    let many = bytes.count(THROTTLE)?;
    let mut throttles = HashMap::with_capacity(many);
    let mut last = None;
    for _ in 0..many {
        let campaign = bytes.key(&mut last)?;
        throttles.insert(campaign, bytes.throttle()?);
    }
    let many = bytes.count(LEARNER)?;
    let mut learned = HashMap::with_capacity(many);
    let mut last = None;
    for _ in 0..many {
        let campaign = bytes.key(&mut last)?;
        learned.insert(campaign, bytes.creatives()?);
    }
    match bytes.0 {
        [] => Ok(Delivery {
            at,
            throttles,
            learned,
        }),
        _ => Err(Undecodable::Damaged),
    }
}

/// What is still to be read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Undecodable> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Undecodable::Damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// How many things of at least `width` bytes follow: never more than there is room for, so that
    /// damage does not make us ask for memory.
    fn count(&mut self, width: usize) -> Result<usize, Undecodable> {
        let many = u32::from_le_bytes(self.take()?);
        let many = usize::try_from(many).map_err(|_| Undecodable::Damaged)?;
        let fits = many <= self.0.len() / width;
        fits.then_some(many).ok_or(Undecodable::Damaged)
    }

    /// A key that is greater than the last one.
    fn key(&mut self, last: &mut Option<u64>) -> Result<u64, Undecodable> {
        let key = u64::from_le_bytes(self.take()?);
        let ascends = last.is_none_or(|last| last < key);
        *last = Some(key);
        ascends.then_some(key).ok_or(Undecodable::Damaged)
    }

    fn throttle(&mut self) -> Result<Throttle, Undecodable> {
        let pass = f32::from_le_bytes(self.take()?);
        if !(0.0..=1.0).contains(&pass) {
            return Err(Undecodable::Damaged);
        }
        let zone = match u8::from_le_bytes(self.take()?) {
            0 => Zone::Open,
            1 => Zone::Exact,
            2 => Zone::Spent,
            _ => return Err(Undecodable::Damaged),
        };
        Ok(Throttle { pass, zone })
    }

    fn creatives(&mut self) -> Result<HashMap<u64, Evidence>, Undecodable> {
        let many = self.count(OUTCOME)?;
        let mut creatives = HashMap::with_capacity(many);
        let mut last = None;
        for _ in 0..many {
            let creative = self.key(&mut last)?;
            let (impressions, clicks) = (self.quantity()?, self.quantity()?);
            let outcomes = Evidence {
                impressions,
                clicks,
            };
            creatives.insert(creative, outcomes);
        }
        Ok(creatives)
    }

    fn quantity(&mut self) -> Result<f64, Undecodable> {
        let quantity = f64::from_le_bytes(self.take()?);
        let legal = quantity.is_finite() && quantity >= 0.0;
        legal.then_some(quantity).ok_or(Undecodable::Damaged)
    }
}

fn sorted<T>(map: &HashMap<u64, T>) -> Vec<(u64, &T)> {
    let mut entries: Vec<_> = map.iter().map(|(key, value)| (*key, value)).collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}

/// A snapshot has far fewer campaigns than 2³².
fn count(many: usize) -> [u8; 4] {
    u32::try_from(many).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::hash_map, prelude::*};

    use super::*;

    fn throttle() -> impl Strategy<Value = Throttle> {
        let zone = prop_oneof![Just(Zone::Open), Just(Zone::Exact), Just(Zone::Spent)];
        (0.0f32..=1.0, zone).prop_map(|(pass, zone)| Throttle { pass, zone })
    }

    fn outcomes() -> impl Strategy<Value = Evidence> {
        (0.0..1e12, 0.0..1e9).prop_map(|(impressions, clicks)| Evidence {
            impressions,
            clicks,
        })
    }

    fn delivery() -> impl Strategy<Value = Delivery> {
        let throttles = hash_map(any::<u64>(), throttle(), 0..20);
        let learned = hash_map(any::<u64>(), hash_map(any::<u64>(), outcomes(), 0..5), 0..5);
        (throttles, learned).prop_map(|(throttles, learned)| Delivery {
            at: Instant::from_seconds(7),
            throttles,
            learned,
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(delivery in delivery()) {
            let bytes = encode(&delivery);
            prop_assert_eq!(decode(delivery.at, &bytes), Ok(delivery));
        }

        #[test]
        fn damaged_bytes_are_refused_or_mean_a_delivery_and_nothing_worse(
            delivery in delivery(),
            at in any::<prop::sample::Index>(),
            flipped in 1u8..,
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = encode(&delivery);
            let mut damaged = bytes.clone();
            damaged[at.index(bytes.len())] ^= flipped;
            if let Ok(read) = decode(delivery.at, &damaged) {
                prop_assert_eq!(encode(&read), damaged);
            }
            let short = &bytes[..cut.index(bytes.len())];
            prop_assert!(decode(delivery.at, short).is_err());
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(read) = decode(Instant::default(), &bytes) {
                prop_assert_eq!(encode(&read), bytes);
            }
        }
    }

    #[test]
    fn a_later_layout_is_named() {
        let refused = decode(Instant::default(), &[2]);
        assert_eq!(refused, Err(Undecodable::UnknownLayout(2)));
    }

    #[test]
    fn a_count_beyond_the_bytes_asks_for_no_memory() {
        let mut bytes = vec![LAYOUT];
        bytes.extend(u32::MAX.to_le_bytes());
        bytes.extend([0; 100]);
        let refused = decode(Instant::default(), &bytes);
        assert_eq!(refused, Err(Undecodable::Damaged));
    }
}
