//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::Parser;
use elman::sampling::Sampler;

use crate::training::Settings;

/// Trains an Elman network on the characters of a text, measures it on text that it has not seen, and samples from it.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// UTF-8 text to learn from [default: this crate's sources]
    #[arg(long, value_name = "FILE")]
    pub(crate) text: Option<PathBuf>,
    /// A small network and few steps, to see that everything works; with a proof that --resume gives the same bits
    #[arg(long, conflicts_with = "resume")]
    pub(crate) quick: bool,

    /// Hidden units [default: 256, or 48 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=8192), conflicts_with = "resume")]
    #[arg(help_heading = "Training")]
    hidden: Option<u16>,
    /// Training steps in all; the learning rate falls over them [default: 1200, 300 with --quick, or as in the resumed
    /// run; one that has done as many only samples]
    #[arg(long, help_heading = "Training")]
    pub(crate) steps: Option<u32>,
    /// Places in the text that are read side by side [default: 32, or 16 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "resume")]
    #[arg(help_heading = "Training")]
    batch: Option<u16>,
    /// Characters in a chunk; the hidden state goes on from chunk to chunk, gradients do not: TBPTT with k1 = k2 =
    /// LENGTH [default: 64, or 32 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "resume")]
    #[arg(help_heading = "Training")]
    length: Option<u16>,
    /// Learning rate of the first step; it falls to a tenth [default: 0.004]
    #[arg(long, value_parser = positive, conflicts_with = "resume", help_heading = "Training")]
    lr: Option<f64>,
    /// Seed of the initial weights, of where the text is cut, and of the sample; with --resume, of the sample alone
    /// [default: 1, or that of the resumed run]
    #[arg(long, help_heading = "Training")]
    pub(crate) seed: Option<u64>,

    /// Where to write the run, after every eighth of its steps: --resume takes it up from there
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub(crate) save: Option<PathBuf>,
    /// A saved run to go on with, to the bits of one with as many --steps that was never interrupted; it needs its --text
    /// again
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub(crate) resume: Option<PathBuf>,
    /// Where to draw how the loss fell
    #[arg(long, value_name = "FILE.svg", help_heading = "Files")]
    pub(crate) plot: Option<PathBuf>,

    /// What a sample starts with; may be given several times, and each is continued [default: a line break]
    #[arg(long, value_name = "TEXT", help_heading = "Sampling")]
    pub(crate) prompt: Vec<String>,
    /// Characters to sample
    #[arg(long, default_value_t = 600, help_heading = "Sampling")]
    pub(crate) sample: usize,
    /// Below one, a sample keeps closer to what is likely; above, it strays
    #[arg(long, default_value_t = 0.8, value_parser = positive, help_heading = "Sampling")]
    temperature: f64,
    /// Draws from the K most likely characters only
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Sampling")]
    top_k: Option<u32>,
    /// Draws from the fewest characters only that together have probability P
    #[arg(long, value_name = "P", value_parser = share, help_heading = "Sampling")]
    top_p: Option<f64>,
    /// Always takes the most likely character
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p"], help_heading = "Sampling")]
    greedy: bool,
}

fn positive(argument: &str) -> Result<f64, String> {
    match argument.parse() {
        Ok(value) if value > 0.0 && f64::is_finite(value) => Ok(value),
        _ => Err("expected a positive number".into()),
    }
}

fn share(argument: &str) -> Result<f64, String> {
    positive(argument).ok().filter(|&share| share <= 1.0).ok_or_else(|| "expected above 0 and at most 1".into())
}

impl Arguments {
    /// Of a new run.
    pub(crate) fn settings(&self) -> Settings {
        let (steps, batch, length) = if self.quick { (300, 16, 32) } else { (1200, 32, 64) };
        Settings {
            steps: self.steps.unwrap_or(steps).into(),
            batch: self.batch.unwrap_or(batch).into(),
            length: self.length.unwrap_or(length).into(),
            learning_rate: self.lr.unwrap_or(0.004),
            seed: self.seed.unwrap_or(1),
        }
    }

    /// Of a new run.
    pub(crate) fn hidden(&self) -> usize {
        self.hidden.unwrap_or(if self.quick { 48 } else { 256 }).into()
    }

    pub(crate) fn sampler(&self) -> Sampler {
        if self.greedy {
            return Sampler::greedy();
        }
        let sampler = Sampler::new().with_temperature(self.temperature).with_top_p(self.top_p.unwrap_or(1.0));
        let top_k = self.top_k.and_then(|k| usize::try_from(k).ok());
        top_k.map_or(sampler, |k| sampler.with_top_k(k))
    }

    /// Whether this run has to beat the order-0 entropy: nothing was chosen that could keep it from learning.
    pub(crate) fn is_standard(&self) -> bool {
        let chosen = [self.hidden, self.batch, self.length].iter().any(Option::is_some) || self.lr.is_some();
        self.text.is_none() && self.resume.is_none() && self.steps.is_none() && !chosen
    }
}
