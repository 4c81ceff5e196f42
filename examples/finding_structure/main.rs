//! Replicates two experiments of J. L. Elman, *Finding Structure in Time*, Cognitive Science 14 (1990) 179–211:
//! temporal XOR, and words in a stream of letters without spaces.
//!
//! ```text
//! cargo run --release --example finding_structure
//! cargo run --release --example finding_structure -- --plot finding_structure.svg
//! ```
//!
//! In both, a network reads a stream one symbol at a time and predicts the next. A low error shows structure. The
//! streams, passes and hidden units are those of the paper, as far as it states them. The differences are:
//!
//! - the code: one unit for each symbol; the paper has one unit for a bit, and five random bits for a letter;
//! - the output and its error: a softmax and its cross-entropy, in bits; the paper has squared errors. For XOR, the square
//!   of (1 − probability of the right bit) is comparable; for letters, nothing is;
//! - the gradient: back-propagated through chunks of ten or twelve symbols; the paper's stops at the copy of the last
//!   hidden state;
//! - the optimiser: Adam, with a learning rate that falls to zero.
//!
//! The program fails if the results do not show what the paper found.

#[path = "../support/chart.rs"]
mod chart;
#[path = "../support/files.rs"]
mod files;
mod observer;
mod predictor;
mod report;
#[path = "../support/run.rs"]
mod run;
mod words;
mod xor;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use clap::Parser;
use files::Files;
use report::Report;
use run::progress_bar;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Replicates two experiments of Elman's "Finding Structure in Time": temporal XOR, and words without spaces.
#[derive(Debug, Parser)]
struct Arguments {
    /// Number of networks for each experiment, each trained on its own stream [default: 8, or 3 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    runs: Option<u16>,
    /// Seed of the first network and its streams; each next network adds one
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Trains one network for each experiment, as a check
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
    let runs = arguments.runs.unwrap_or(if arguments.quick { 3 } else { 8 });
    let bar = progress_bar(u64::from(runs) * 2 * xor::WORK as u64, "bits read");
    let read = |symbols| bar.inc(symbols as u64);
    let seeds = (0..runs).map(|run| arguments.seed.wrapping_add(run.into()));
    let report = Report {
        few: seeds.clone().map(|seed| xor::run(xor::PAPER_UNITS, seed, read)).collect::<Result<_>>()?,
        more: seeds.clone().map(|seed| xor::run(xor::MORE_UNITS, seed, read)).collect::<Result<_>>()?,
        words: seeds.map(|seed| words::run(seed, |_| ())).collect::<Result<_>>()?,
    };
    bar.finish_and_clear();

    report.write(&mut io::stdout().lock())?;
    report.draw(&arguments.files)?;
    report.check()
}

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / real(count)
}

#[expect(clippy::cast_precision_loss, reason = "a count is far below 2⁵³")]
fn real(count: usize) -> f64 {
    count as f64
}
