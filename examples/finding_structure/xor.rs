//! Temporal XOR: bits in groups of three, two random bits and then their exclusive or. The task is to predict the next
//! bit.
//!
//! From pages 185 to 187 of the paper. There, a network of 2 hidden units reads 3,000 bits 600 times. Its error falls
//! only at every third bit. Yet the network predicts the exclusive or of the last two bits at every step, and at every
//! third step they are the right two. A network that knows when to expect it must also count to three.

use std::array;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::predictor::{Predictor, Training};
use crate::{Result, mean};

/// Number of bits that the paper's figure 3 shows.
pub(crate) const CYCLE: usize = 12;
/// Number of cycles that figure 3 averages over.
const CYCLES: usize = 1200;

/// Hidden units of the paper's network.
pub(crate) const PAPER_UNITS: usize = 2;
/// Enough units to count as well, with any seed.
pub(crate) const MORE_UNITS: usize = 8;

const GROUPS: usize = 1000;
const TRAINING: Training = Training { passes: 600, length: CYCLE, learning_rate: 0.001 };

/// Number of symbols read to train one network.
pub(crate) const WORK: usize = (3 * GROUPS - 1) * TRAINING.passes;

/// The results of a network on new bits, averaged over the cycles.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The error, −log₂ of the bit's probability.
    pub(crate) bits: [f64; CYCLE],
    /// The square of (1 − the bit's probability), the error that the paper uses.
    pub(crate) squares: [f64; CYCLE],
    /// The share of predictions that are the exclusive or of the last two bits.
    pub(crate) xor: [f64; CYCLE],
}

/// Trains a network of `hidden` units and measures it.
pub(crate) fn run(hidden: usize, seed: u64, read: impl Fn(usize)) -> Result<Outcome> {
    let mut rng = StdRng::seed_from_u64(seed);
    let stream = draw(GROUPS, &mut rng);
    let fresh = draw(CYCLES * CYCLE / 3, &mut rng);
    let mut network = Predictor::new(2, hidden, &mut rng);
    network.train(&stream, TRAINING, read)?;

    let p = network.probabilities(&fresh)?;
    // The stream's first bit is not predicted, and the second has only one bit before it.
    let average = |value: &dyn Fn(usize) -> f64| {
        array::from_fn(|place| mean((place..fresh.len()).step_by(CYCLE).filter(|&at| at >= 2).map(value)))
    };
    let expects_xor = |at: usize| (p[at - 1] > 0.5) == (fresh[at] == fresh[at - 1] ^ fresh[at - 2]);
    Ok(Outcome {
        bits: average(&|at| -p[at - 1].log2()),
        squares: average(&|at| (1.0 - p[at - 1]).powi(2)),
        xor: average(&|at| f64::from(u8::from(expects_xor(at)))),
    })
}

/// The average over the groups of a cycle, for the first, second and third bit of a group.
pub(crate) fn by_group(cycle: &[f64; CYCLE]) -> [f64; 3] {
    array::from_fn(|place| mean(cycle.iter().skip(place).step_by(3).copied()))
}

fn draw(groups: usize, rng: &mut impl Rng) -> Vec<usize> {
    let group = |(a, b): (bool, bool)| [a, b, a ^ b].map(usize::from);
    (0..groups).flat_map(|_| group(rng.random())).collect()
}
