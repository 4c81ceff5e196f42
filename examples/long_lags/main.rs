//! How far back a plain recurrent network can be taught to remember, and how that depends on where it starts.
//!
//! ```text
//! cargo run --release --example long_lags
//! cargo run --release --example long_lags -- --lags 10,30,100 --steps 2000 --plot long_lags.svg
//! ```
//!
//! A symbol is shown, noise follows, and at the end the symbol has to be named: [`task`]. The longer the noise, the more
//! steps the gradient has to come back through, each a multiplication by `waa`ᵀ and by the slope of tanh. Four ways to
//! draw the first `waa` are given the same sequences and the same number of training steps.
//!
//! What comes out, and is asserted: in 500 steps, no network that starts as PyTorch's do has learnt lag 20, its gradient
//! being gone before it reaches the symbol. Of those that start with Keras's orthogonal `waa`, every one has learnt lag 20,
//! two of three have learnt lag 80, and none has learnt 160. A gradient that arrives is not enough: from the identity it arrives undiminished, and most networks stay at an
//! accuracy of one half, with a gradient that has vanished by then.
//!
//! Where each of them stops depends on the setting. With `--steps 2000`, still none of the three networks from Keras's start
//! has learnt lag 160, and none from PyTorch's lag 20. With `--hidden 64 --lr 0.001`, two of three from PyTorch's have learnt
//! lag 20 and none lag 40, and those with spectral radius 1 all have.
//!
//! Sources: S. Hochreiter, J. Schmidhuber, *Long Short-Term Memory*, Neural Computation 9 (1997) 1735–1780, for such tasks;
//! Q. V. Le, N. Jaitly, G. E. Hinton, arXiv:1504.00941 (2015), for the identity; A. M. Saxe et al., arXiv:1312.6120 (2013),
//! for orthogonal matrices.

#[path = "../support/chart.rs"]
mod chart;
mod findings;
mod picture;
mod task;
mod training;

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use findings::{Findings, Run};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use training::{Start, Training};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Trains recurrent networks to remember a symbol over longer and longer lags, from four initialisations.
#[derive(Debug, Parser)]
struct Arguments {
    /// Steps between the symbol and the answer [default: 5,10,20,40,80,160]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    lags: Vec<u16>,
    /// Training steps, at most: it ends where the task is learnt [default: 500]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,
    /// Networks from each initialisation on each lag [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    seeds: Option<u16>,
    /// Hidden units [default: 32]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=8192))]
    hidden: Option<u16>,
    /// Learning rate of Adam [default: 0.0004]
    #[arg(long, value_parser = positive)]
    lr: Option<f64>,
    /// Where to draw accuracies and gradients, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Two lags and one seed, to see that everything works
    #[arg(long)]
    quick: bool,
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

    /// Whether the figures have to be as stated: nothing was chosen that could change them.
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
    if let Some(path) = &arguments.plot {
        check_folder(path)?;
    }
    let seeds = arguments.seeds.unwrap_or(if arguments.quick { 1 } else { 3 });
    let findings = train(&arguments.training()?, arguments.lags(), seeds.into())?;
    findings.print(out)?;
    if let Some(path) = &arguments.plot {
        picture::draw(path, &findings)?;
        writeln!(out, "\ndrawn in {}", path.display())?;
    }
    if arguments.is_standard() { findings.check() } else { Ok(()) }
}

/// Refuses a picture that has no folder to be in, before a minute of training.
fn check_folder(path: &Path) -> Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(format!("cannot write {}: there is no folder {}", path.display(), folder.display()).into())
        }
        _ => Ok(()),
    }
}

/// Every start on every lag from every seed, side by side.
fn train(training: &Training, lags: Vec<usize>, seeds: u64) -> Result<Findings> {
    let mut runs = Vec::new();
    // The longest first, so that no thread is left with one of them at the end.
    for &lag in lags.iter().rev() {
        runs.extend(Start::ALL.iter().flat_map(|&start| (1..=seeds).map(move |seed| (start, lag, seed))));
    }
    let bar = ProgressBar::new(runs.iter().map(|&(_, lag, _)| (training.steps * lag) as u64).sum());
    bar.set_style(ProgressStyle::with_template("{bar:40} {percent} %, {eta} left")?);
    let runs: std::result::Result<Vec<Run>, elman::Error> = runs
        .into_par_iter()
        .with_max_len(1)
        .map(|(start, lag, seed)| {
            let trained = training.run(start, lag, seed, |steps| bar.inc((steps * lag) as u64))?;
            Ok(Run { start, lag, seed, trained })
        })
        .collect();
    bar.finish_and_clear();
    Ok(Findings { lags, runs: runs? })
}
