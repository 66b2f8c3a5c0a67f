//! Randomness, handed in: the operating system's when deployed, a seed's in tests.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rand::{SeedableRng, rngs::StdRng};

/// Where a function gets its random numbers from. Each request takes a generator of its own.
#[derive(Clone)]
pub struct Random(Source);

#[derive(Clone)]
enum Source {
    System,
    Seeded { seed: u64, drawn: Arc<AtomicU64> },
}

impl Random {
    /// Cryptographically strong generators, each seeded afresh.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// The same sequence of generators for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded {
            seed,
            drawn: Arc::new(AtomicU64::new(0)),
        })
    }

    /// A generator for one request.
    pub fn rng(&self) -> StdRng {
        match &self.0 {
            Source::System => StdRng::from_rng(&mut rand::rng()),
            Source::Seeded { seed, drawn } => {
                let nth = drawn.fetch_add(1, Ordering::Relaxed);
                StdRng::seed_from_u64(seed ^ nth.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            }
        }
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
