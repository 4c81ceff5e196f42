//! Command-line arguments.

use std::path::PathBuf;

use clap::Parser;
use elman::sampling::Sampler;

use crate::files::Files;
use crate::training::Settings;

/// Trains an Elman network on the characters of a text, measures it on held-out text, and samples from it.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// UTF-8 text to train on [default: sources of this crate's version 0.1]
    #[arg(long, value_name = "FILE")]
    pub(crate) text: Option<PathBuf>,
    /// Trains a small network for a few steps as a check, and proves that --resume gives bit-identical results
    #[arg(long, conflicts_with = "resume")]
    pub(crate) quick: bool,

    /// Hidden units of each layer [default: 256, or 48 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=8192), conflicts_with = "resume")]
    #[arg(help_heading = "Training")]
    hidden: Option<u16>,
    /// Recurrent layers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16), conflicts_with = "resume")]
    #[arg(help_heading = "Training")]
    layers: u8,
    /// Share of the values that are zero from one layer to the next while training; needs two --layers
    #[arg(long, default_value_t = 0.0, value_parser = rate, conflicts_with = "resume", help_heading = "Training")]
    dropout: f64,
    /// Total training steps; the learning rate falls over them [default: 1200, 300 with --quick, or those of the
    /// resumed run. A run that has done them all only samples]
    #[arg(long, help_heading = "Training")]
    pub(crate) steps: Option<u32>,
    /// Batch size: positions in the text that are read in parallel [default: 32, or 16 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "resume")]
    #[arg(help_heading = "Training")]
    batch: Option<u16>,
    /// Characters in a chunk. The hidden state is carried to the next chunk and gradients are not: TBPTT with k1 = k2 =
    /// LENGTH [default: 64, or 32 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "resume")]
    #[arg(help_heading = "Training")]
    length: Option<u16>,
    /// Learning rate of the first step; it falls to a tenth [default: 0.004]
    #[arg(long, value_parser = positive, conflicts_with = "resume", help_heading = "Training")]
    lr: Option<f64>,
    /// Seed of the initial weights, of the cuts in the text, and of the sample; with --resume, of the sample only
    /// [default: 1, or that of the resumed run]
    #[arg(long, help_heading = "Training")]
    pub(crate) seed: Option<u64>,

    /// File to save the run to, after every eighth of its steps; --resume continues from it
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub(crate) save: Option<PathBuf>,
    /// Saved run to continue. The result is bit-identical to an uninterrupted run of as many --steps. Needs the same
    /// --text
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub(crate) resume: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) files: Files,

    /// Start of a sample; may be given several times, for several samples [default: a line break]
    #[arg(long, value_name = "TEXT", help_heading = "Sampling")]
    pub(crate) prompt: Vec<String>,
    /// Number of characters to sample
    #[arg(long, default_value_t = 600, help_heading = "Sampling")]
    pub(crate) sample: usize,
    /// Values below one make a sample more predictable, values above one more random
    #[arg(long, default_value_t = 0.8, value_parser = positive, help_heading = "Sampling")]
    temperature: f64,
    /// Draws only from the K most likely characters
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Sampling")]
    top_k: Option<u32>,
    /// Draws only from the fewest characters whose total probability reaches P
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

fn rate(argument: &str) -> Result<f64, String> {
    match argument.parse() {
        Ok(rate) if (0.0..1.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0 to below 1".into()),
    }
}

fn share(argument: &str) -> Result<f64, String> {
    positive(argument).ok().filter(|&share| share <= 1.0).ok_or_else(|| "expected above 0 and at most 1".into())
}

impl Arguments {
    /// The settings of a new run.
    pub(crate) fn settings(&self) -> Settings {
        let (steps, batch, length) = if self.quick { (300, 16, 32) } else { (1200, 32, 64) };
        Settings {
            steps: self.steps.unwrap_or(steps).into(),
            batch: self.batch.unwrap_or(batch).into(),
            length: self.length.unwrap_or(length).into(),
            learning_rate: self.lr.unwrap_or(0.004),
            dropout: self.dropout,
            seed: self.seed.unwrap_or(1),
        }
    }

    /// The hidden units of each layer of a new run.
    pub(crate) fn hidden(&self) -> Result<Vec<usize>, String> {
        if self.dropout > 0.0 && self.layers < 2 {
            return Err("--dropout: there is nothing between the layers of a single one, add --layers 2".into());
        }
        let hidden = self.hidden.unwrap_or(if self.quick { 48 } else { 256 });
        Ok(vec![hidden.into(); self.layers.into()])
    }

    pub(crate) fn sampler(&self) -> Sampler {
        if self.greedy {
            return Sampler::greedy();
        }
        let sampler = Sampler::new().with_temperature(self.temperature).with_top_p(self.top_p.unwrap_or(1.0));
        let top_k = self.top_k.and_then(|k| usize::try_from(k).ok());
        top_k.map_or(sampler, |k| sampler.with_top_k(k))
    }

    /// Whether this run must beat the order-0 entropy: all options that affect learning are at their defaults.
    pub(crate) fn is_standard(&self) -> bool {
        let chosen =
            [self.hidden, self.batch, self.length].iter().any(Option::is_some) || self.lr.is_some() || self.layers > 1;
        self.text.is_none() && self.resume.is_none() && self.steps.is_none() && !chosen
    }
}
