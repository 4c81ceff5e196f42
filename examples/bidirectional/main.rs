//! A bidirectional network: two networks read the same sequences, one of them backward, and are trained together.
//!
//! ```text
//! cargo run --release --example bidirectional
//! ```
//!
//! The task is to tag every step of a sequence of random tokens: is the previous token less than the next one? A
//! missing token counts as 0. A network that has read only the steps up to the current one cannot do better than the
//! likelier answer, which is right in three of four cases. The logits of the two networks are added, so one gradient
//! goes back through both. The sequences have different lengths and form ragged batches.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use elman::optim::{Adam, Optimizer, clip_norm};
use elman::sequence::{self, Backward, Cache, Input};
use elman::{Dims, Gradients, Parameters, Upstream, batches, init};
use ndarray::{Array2, Array3, Axis, s};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TOKENS: usize = 8;
const BATCH: usize = 32;
const HIDDEN: usize = 32;
/// Number of sequences that a tagger is measured on.
const MEASURED: usize = 500;
/// The best accuracy from the past alone: Σ max(k + 1, 7 − k)/8 over the eight equally likely previous tokens k.
const BEST_FROM_THE_PAST: f64 = 0.75;

/// Trains a forward network, and a pair that reads in both directions, to tag sequences.
#[derive(Debug, Parser)]
struct Arguments {
    /// Training steps
    #[arg(long, default_value_t = 1500)]
    steps: usize,
    /// Seed of the weights and of the sequences
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Trains for a few steps only, as a check
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let steps = if arguments.quick { 300 } else { arguments.steps };
    let train = |directions: &[Direction]| {
        let mut rng = StdRng::seed_from_u64(arguments.seed);
        let mut tagger = Tagger::new(directions, &mut rng);
        for _ in 0..steps {
            tagger.learn(&Batch::draw(BATCH, &mut rng))?;
        }
        tagger.accuracy(&Batch::draw(MEASURED, &mut rng))
    };
    let one = train(&[Direction::Forward])?;
    let both = train(&[Direction::Forward, Direction::Backward])?;

    println!("share of steps tagged correctly, on {MEASURED} sequences that were not used in training:");
    println!("  best from the past alone  {BEST_FROM_THE_PAST:.3}");
    println!("  one network, forward      {one:.3}");
    println!("  two networks, both ways   {both:.3}");
    let standard = arguments.quick || arguments.steps >= 1500;
    if standard && (one > BEST_FROM_THE_PAST + 0.02 || both < 0.95) {
        return Err("expected at least 95 % correct from two directions, and at most 77 % from one".into());
    }
    Ok(())
}

/// A batch of sequences and their tags.
struct Batch {
    tokens: Array2<usize>,
    lengths: Vec<usize>,
    tags: Array2<usize>,
}

impl Batch {
    fn draw(m: usize, rng: &mut impl Rng) -> Self {
        let mut sequence = || {
            let length = rng.random_range(3..=30);
            (0..length).map(|_| rng.random_range(0..TOKENS)).collect()
        };
        let sequences: Vec<Vec<usize>> = (0..m).map(|_| sequence()).collect();
        let (tokens, lengths) = batches::pad(&sequences);
        let token = |j: usize, t: Option<usize>| t.and_then(|t| sequences[j].get(t)).copied().unwrap_or(0);
        let tag = |(j, t): (usize, usize)| usize::from(token(j, t.checked_sub(1)) < token(j, Some(t + 1)));
        let tags = Array2::from_shape_fn(tokens.dim(), tag);
        Batch { tokens, lengths, tags }
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Backward,
}

/// A tagger whose networks' logits are added.
struct Tagger {
    readers: Vec<Reader>,
}

struct Reader {
    direction: Direction,
    parameters: Parameters<f32>,
    adam: Adam<f32>,
    cache: Cache<f32>,
    back: Backward<f32>,
}

impl Tagger {
    fn new(directions: &[Direction], rng: &mut impl Rng) -> Self {
        let dims = Dims { n_x: TOKENS, n_a: HIDDEN, n_y: 2 };
        let reader = |&direction: &Direction| Reader {
            direction,
            parameters: init::keras(dims, rng),
            adam: Adam::new(0.003),
            cache: Cache::default(),
            back: Backward::default(),
        };
        Tagger { readers: directions.iter().map(reader).collect() }
    }

    /// logits = Σ over the networks, (2, m, `T_x`); zero in the padding
    fn forward(&mut self, batch: &Batch) -> Result<Array3<f32>> {
        let (m, t_x) = batch.tokens.dim();
        let mut logits = Array3::zeros((2, m, t_x));
        for Reader { direction, parameters, cache, .. } in &mut self.readers {
            let input = Input::tokens(&batch.tokens).lengths(&batch.lengths);
            let input = match direction {
                Direction::Forward => input,
                Direction::Backward => input.reversed(),
            };
            sequence::forward_into(parameters, input, &Array2::zeros((HIDDEN, m)), cache)?;
            logits += &cache.logits();
        }
        Ok(logits)
    }

    /// One step along the gradient of the mean cross-entropy. Each network gets the same gradient, because the logits
    /// are added.
    fn learn(&mut self, batch: &Batch) -> Result<()> {
        let logits = self.forward(batch)?;
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let share = 1.0 / batch.lengths.iter().sum::<usize>() as f32;
        let mut dlogits = Array3::zeros(logits.dim());
        for (j, &length) in batch.lengths.iter().enumerate() {
            for t in 0..length {
                let other = 1 - batch.tags[[j, t]];
                let wrong = 1.0 / (1.0 + (logits[[1 - other, j, t]] - logits[[other, j, t]]).exp());
                dlogits[[other, j, t]] = wrong * share;
                dlogits[[1 - other, j, t]] = -wrong * share;
            }
        }
        for Reader { parameters, adam, cache, back, .. } in &mut self.readers {
            back.gradients = Gradients::zeros(parameters.dims());
            sequence::backward_into(parameters, cache, Upstream::logits(&dlogits), back)?;
            clip_norm(back.gradients.as_mut_slice(), 1.0)?;
            adam.step(parameters.as_mut_slice(), back.gradients.as_slice())?;
        }
        Ok(())
    }

    /// The share of steps whose tag has the larger logit.
    fn accuracy(&mut self, batch: &Batch) -> Result<f64> {
        let logits = self.forward(batch)?;
        let mut correct = 0;
        for ((logits, tags), &length) in logits.axis_iter(Axis(1)).zip(batch.tags.rows()).zip(&batch.lengths) {
            let pairs = logits.slice(s![.., ..length]);
            correct += pairs.columns().into_iter().zip(tags).filter(|(z, tag)| z[**tag] > z[1 - **tag]).count();
        }
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let share = correct as f64 / batch.lengths.iter().sum::<usize>() as f64;
        Ok(share)
    }
}
