//! A bidirectional network tags every step by what comes before and after it.
//!
//! ```text
//! cargo run --release --example bidirectional
//! cargo run --release --example bidirectional -- --plot bidirectional.svg
//! ```
//!
//! The task is to tag every step of a sequence of random tokens: is the previous token less than the next one? A
//! missing token counts as 0. A network that has read only the steps up to the current one cannot do better than the
//! likelier answer, which is right in three of four cases. The sequences have different lengths and form ragged batches.
//! Every batch is new, so the training loss is also the loss on new sequences.

#[path = "../support/chart.rs"]
mod chart;
#[path = "../support/files.rs"]
mod files;
#[path = "../support/run.rs"]
mod run;

use std::error::Error;
use std::process::ExitCode;

use chart::Panel;
use clap::Parser;
use elman::loss::{self, IGNORE, Loss, Reduction};
use elman::optim::{Adam, Optimizer, clip_norm};
use elman::sequence::Input;
use elman::stack::{self, Architecture, Backward, Cache, Layer, Parameters, Upstream};
use elman::{batches, init};
use files::Files;
use ndarray::Array2;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use run::Run;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TOKENS: usize = 8;
const BATCH: usize = 32;
const HIDDEN: usize = 32;
/// Number of sequences that a tagger is measured on.
const MEASURED: usize = 500;
/// A point of the curve is the mean loss of this many steps.
const POINT: usize = 25;
/// The best accuracy from the past alone: Σ max(k + 1, 7 − k)/8 over the eight equally likely previous tokens k.
const BEST_FROM_THE_PAST: f64 = 0.75;

/// Trains a network of one direction, and one of two, to tag sequences.
#[derive(Debug, Parser)]
struct Arguments {
    /// Training steps
    #[arg(long, default_value_t = 1500)]
    steps: u64,
    /// Seed of the weights and of the sequences
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Trains for a few steps only, as a check
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    files: Files,
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
    arguments.files.check()?;
    let steps = if arguments.quick { 300 } else { arguments.steps };
    let train = |layer: Layer| -> Result<(f64, Run<()>)> {
        let mut rng = StdRng::seed_from_u64(arguments.seed);
        let mut tagger = Tagger::new(layer, &mut rng)?;
        let mut run = Run::new(steps, "steps").averaged_over(POINT);
        while run.next_step().is_some() {
            run.train(tagger.learn(&Batch::draw(BATCH, &mut rng))?);
        }
        Ok((tagger.accuracy(&Batch::draw(MEASURED, &mut rng))?, run))
    };
    let (one, run_of_one) = train(Layer::new(HIDDEN))?;
    let (both, run_of_both) = train(Layer::new(HIDDEN).bidirectional())?;

    println!("share of steps tagged correctly, on {MEASURED} sequences that were not used in training:");
    println!("  best from the past alone  {BEST_FROM_THE_PAST:.3}");
    println!("  one direction             {one:.3}");
    println!("  two directions            {both:.3}");
    let curves = vec![run_of_one.training_curve("one direction"), run_of_both.training_curve("two directions")];
    let title = "Tagging a step by the steps before and after it";
    let panel = Panel { title, x: "training step", y: "cross-entropy in nats", curves, ..Panel::default() };
    arguments.files.write(&[panel])?;
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
    /// `IGNORE` in the padding.
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
        let tag = |(j, t): (usize, usize)| {
            let tag = usize::from(token(j, t.checked_sub(1)) < token(j, Some(t + 1)));
            if t < lengths[j] { tag } else { IGNORE }
        };
        let tags = Array2::from_shape_fn(tokens.dim(), tag);
        Batch { tokens, lengths, tags }
    }

    fn input(&self) -> Input<'_, f32> {
        Input::tokens(&self.tokens).lengths(&self.lengths)
    }
}

/// A network, its optimiser, and the memory that every training step reuses.
struct Tagger {
    parameters: Parameters<f32>,
    adam: Adam<f32>,
    cache: Cache<f32>,
    loss: Loss<f32>,
    back: Backward<f32>,
}

impl Tagger {
    fn new(layer: Layer, rng: &mut impl Rng) -> Result<Self> {
        let parameters = init::keras_stack(Architecture::new(TOKENS, [layer], 2), rng)?;
        let (cache, loss, back) = (Cache::default(), Loss::default(), Backward::default());
        Ok(Tagger { parameters, adam: Adam::new(0.003), cache, loss, back })
    }

    /// One step along the gradient of the mean cross-entropy. Returns the loss before the step.
    fn learn(&mut self, batch: &Batch) -> Result<f64> {
        let Tagger { parameters, adam, cache, loss, back } = self;
        stack::forward_into(parameters, batch.input(), None, cache)?;
        loss::cross_entropy_into(&*cache, &batch.tags, Reduction::Mean, loss)?;
        back.discard_gradients();
        stack::backward_into(parameters, cache, Upstream::logits(&loss.dlogits), back)?;
        clip_norm(back.gradients.as_mut_slice(), 1.0)?;
        adam.step(parameters.as_mut_slice(), back.gradients.as_slice())?;
        Ok(loss.value.into())
    }

    /// The share of steps whose tag has the larger probability.
    fn accuracy(&self, batch: &Batch) -> Result<f64> {
        let cache = stack::forward(&self.parameters, batch.input(), None)?;
        Ok(loss::cross_entropy(&cache, &batch.tags, Reduction::Mean)?.accuracy())
    }
}
