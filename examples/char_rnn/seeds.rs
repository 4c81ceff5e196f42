//! Random numbers. Each purpose has its own generator, derived from the seed, so no purpose affects the numbers of
//! another.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// The purpose of the random numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Weights,
    Epoch(u64),
    Sample,
    /// The masks of an epoch.
    Dropout(u64),
}

pub(crate) fn generator(seed: u64, purpose: Purpose) -> StdRng {
    let (purpose, number) = match purpose {
        Purpose::Weights => (0, 0),
        Purpose::Epoch(epoch) => (1, epoch),
        Purpose::Sample => (2, 0),
        Purpose::Dropout(epoch) => (3, epoch),
    };
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, purpose, number]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    StdRng::from_seed(key)
}
