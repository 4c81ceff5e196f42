//! How far back can a plain recurrent network learn to remember, and how does that depend on its initialisation?
//!
//! ```text
//! cargo run --release --example long_lags
//! cargo run --release --example long_lags -- --lags 10,30,100 --steps 2000 --plot long_lags.svg
//! ```
//!
//! A network sees a symbol, then noise, and must name the symbol at the end: [`task`]. With more noise, the gradient
//! goes back through more steps; each multiplies it by `waa`ᵀ and by the slope of tanh. Four initialisations of `waa`
//! get the same sequences and the same number of training steps.
//!
//! The program asserts the results. In 500 steps, no network with PyTorch's initialisation learns lag 20: its gradient
//! vanishes before it reaches the symbol. With Keras's orthogonal `waa`, every network learns lag 20, two of three
//! learn lag 80, and none learns lag 160. A gradient that arrives is not enough: from the identity it arrives
//! undiminished. Yet most of these networks stay at an accuracy of one half, and after training their gradient has
//! vanished.
//!
//! The limits depend on the settings. With `--steps 2000`, still none of the three networks with Keras's initialisation
//! learns lag 160, and none with PyTorch's learns lag 20. With `--hidden 64 --lr 0.001`, two of three with PyTorch's
//! learn lag 20 and none learns lag 40; all with spectral radius 1 do.
//!
//! Sources: S. Hochreiter, J. Schmidhuber, *Long Short-Term Memory*, Neural Computation 9 (1997) 1735–1780, for such tasks;
//! Q. V. Le, N. Jaitly, G. E. Hinton, arXiv:1504.00941 (2015), for the identity; A. M. Saxe et al., arXiv:1312.6120 (2013),
//! for orthogonal matrices.

#[path = "../support/chart.rs"]
mod chart;
#[path = "../support/files.rs"]
mod files;
mod findings;
mod picture;
#[path = "../support/run.rs"]
mod run;
mod task;
mod training;

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use files::Files;
use findings::{Findings, Run};
use rayon::prelude::*;
use run::progress_bar;
use training::{Start, Training};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Trains recurrent networks to remember a symbol over increasing lags, with four initialisations.
#[derive(Debug, Parser)]
struct Arguments {
    /// Steps between the symbol and the answer [default: 5,10,20,40,80,160]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    lags: Vec<u16>,
    /// Largest number of training steps; training ends when the task is learnt [default: 500]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Number of networks for each initialisation and lag [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    seeds: Option<u16>,
    /// Hidden units [default: 32]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=8192))]
    hidden: Option<u16>,
    /// Learning rate of Adam [default: 0.0004]
    #[arg(long, value_parser = positive)]
    lr: Option<f64>,
    /// Trains on two lags with one seed, as a check
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    files: Files,
}

fn positive(argument: &str) -> std::result::Result<f64, String> {
    match argument.parse() {
        Ok(value) if value > 0.0 && f64::is_finite(value) => Ok(value),
        _ => Err("expected a positive number".into()),
    }
}

impl Arguments {
    fn lags(&self) -> Vec<usize> {
        let lags: &[u16] = match &self.lags[..] {
            [] if self.quick => &[5, 40],
            [] => &[5, 10, 20, 40, 80, 160],
            lags => lags,
        };
        let lags: BTreeSet<usize> = lags.iter().copied().map(usize::from).collect();
        lags.into_iter().collect()
    }

    fn training(&self) -> Result<Training> {
        let steps = self.steps.unwrap_or(if self.quick { 300 } else { 500 });
        Ok(Training {
            hidden: self.hidden.unwrap_or(32).into(),
            steps: steps.try_into()?,
            learning_rate: self.lr.unwrap_or(4e-4),
        })
    }

    /// Whether the results must be as stated: all options that affect them are at their defaults.
    fn is_standard(&self) -> bool {
        let chosen = [self.hidden, self.seeds].iter().any(Option::is_some);
        self.lags.is_empty() && self.steps.is_none() && self.lr.is_none() && !chosen
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
    let seeds = arguments.seeds.unwrap_or(if arguments.quick { 1 } else { 3 });
    let findings = train(&arguments.training()?, arguments.lags(), seeds.into())?;
    findings.print(out)?;
    arguments.files.write(&picture::panels(&findings))?;
    if arguments.is_standard() { findings.check() } else { Ok(()) }
}

/// Trains every start on every lag with every seed, in parallel.
fn train(training: &Training, lags: Vec<usize>, seeds: u64) -> Result<Findings> {
    let mut runs = Vec::new();
    // The longest lags go first, so that no thread works on one alone at the end.
    for &lag in lags.iter().rev() {
        runs.extend(Start::ALL.iter().flat_map(|&start| (1..=seeds).map(move |seed| (start, lag, seed))));
    }
    let bar = progress_bar(runs.iter().map(|&(_, lag, _)| (training.steps * lag) as u64).sum(), "steps of sequences");
    let runs: std::result::Result<Vec<Run>, elman::Error> = runs
        .into_par_iter()
        .with_max_len(1)
        .map(|(start, lag, seed)| {
            let trained = training.run(start, lag, seed, |steps| bar.inc((steps * lag) as u64))?;
            Ok(Run { start, lag, seed, trained })
        })
        .collect();
    Ok(Findings { lags, runs: runs? })
}
