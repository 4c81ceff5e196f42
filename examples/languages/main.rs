//! Says the language of a word from its letters, and compares a recurrent network with a count of the letters.
//!
//! ```text
//! cargo run --release --example languages
//! cargo run --release --example languages -- --plot languages.svg --csv languages.csv
//! ```
//!
//! The words are real: six word lists of the crate `bip39`, in plain letters from a to z. See [`data`]. Seventy in a hundred
//! are for training, 15 for validation and 15 for the test. The words have different lengths, so their batches are ragged,
//! and each word has one label, at its last letter.
//!
//! An Elman network reads a word letter by letter. The baseline counts the letters, and cannot see their order. Both have
//! Adam as the optimiser, and the same batches. Both stop when the validation loss no longer falls, and keep the parameters
//! where it is the least.
//!
//! The program asserts the results. The network is right for 65.9 % of the test words, the baseline for 49.5 %. A guess is
//! right for 17 %. The hardest language is Portuguese: the network is right for 49 % of its words, and takes most others for
//! Spanish or Italian. With `--seed 2` and `--seed 3`, which also change the split, the network is right for 64.3 and 65.8 %,
//! the baseline for 47.7 and 48.0 %. Dropout matters: with `--dropout 0`, the network is right for 61.5 %.
//!
//! The hidden units and the rates were chosen by the validation loss.

#[path = "../support/chart.rs"]
mod chart;
mod data;
#[path = "../support/files.rs"]
mod files;
mod letters;
mod network;
mod report;
#[path = "../support/run.rs"]
mod run;
mod training;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use chart::Panel;
use clap::Parser;
use data::Split;
use files::Files;
use letters::LetterCounts;
use network::Network;
use rand::SeedableRng;
use rand::rngs::StdRng;
use report::Report;
use training::Training;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SEED: u64 = 1;
const HIDDEN: u16 = 96;
const DROPOUT: f64 = 0.3;
const NETWORK: Training = Training { learning_rate: 0.002, epochs: 200, patience: 15 };
const BASELINE: Training = Training { learning_rate: 0.001, epochs: 1000, patience: 15 };

/// Trains an Elman network to say the language of a word, and compares it with a count of the letters.
#[derive(Debug, Parser)]
struct Arguments {
    /// Hidden units
    #[arg(long, default_value_t = HIDDEN, value_parser = clap::value_parser!(u16).range(1..=8192))]
    hidden: u16,
    /// Rate at which the recurrence drops hidden units in training
    #[arg(long, default_value_t = DROPOUT, value_parser = rate)]
    dropout: f64,
    /// Seed of the split, of the weights and of the batches
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// Trains for a few epochs only, as a check
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    files: Files,
}

impl Arguments {
    /// Whether the results are checked: all options that affect them are at their defaults.
    fn is_standard(&self) -> bool {
        (self.hidden, self.seed) == (HIDDEN, SEED) && self.dropout.to_bits() == DROPOUT.to_bits()
    }
}

fn rate(argument: &str) -> std::result::Result<f64, String> {
    match argument.parse() {
        Ok(rate) if (0.0..1.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0 to below 1".into()),
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    arguments.files.check()?;
    let rng = || StdRng::seed_from_u64(arguments.seed);
    let split = Split::draw(&mut rng());
    let network = Network::new(arguments.hidden.into(), arguments.dropout, &mut rng());
    let quick = |training| if arguments.quick { Training { epochs: 8, ..training } } else { training };
    let baseline = quick(BASELINE).run(LetterCounts::new(), &split, &mut rng())?;
    let network = quick(NETWORK).run(network, &split, &mut rng())?;

    let [training, validation, test] = [&split.training, &split.validation, &split.test].map(Vec::len);
    writeln!(out, "{training} words for training, {validation} for validation, {test} for the test")?;
    let best = |name, step, loss| format!("{name}: epoch {step}, validation loss {loss:.3} nats");
    let (Some(b), Some(n)) = (baseline.best(), network.best()) else { return Err("a loss is not a number".into()) };
    writeln!(out, "{}", best("letter counts", b.step, b.loss))?;
    writeln!(out, "{}\n", best("network      ", n.step, n.loss))?;
    let report = Report::new(&b.parameters, &n.parameters, &split.test)?;
    report.write(out)?;

    let curves = vec![
        baseline.training_curve("letter counts, training"),
        baseline.validation_curve("letter counts, validation"),
        network.training_curve("network, training (dropout)"),
        network.validation_curve("network, validation"),
    ];
    let title = "The language of a word";
    arguments.files.write(&[Panel { title, x: "epoch", y: "cross-entropy in nats", curves, ..Panel::default() }])?;
    if arguments.is_standard() { report.check(arguments.quick) } else { Ok(()) }
}

#[expect(clippy::cast_precision_loss, reason = "a count of words is far below 2⁵³")]
fn real(count: usize) -> f64 {
    count as f64
}
