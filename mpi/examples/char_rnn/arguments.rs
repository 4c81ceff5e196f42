//! Command-line arguments.

use std::path::PathBuf;

use clap::Parser;

use crate::training::Settings;

/// Trains an Elman network on the characters of a text, on any number of ranks with the same bits.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Number of shards of a batch. It is part of the result, and the number of ranks is not
    #[arg(long, default_value_t = 8, value_parser = count)]
    pub(crate) shards: usize,
    /// Total training steps [default: 100, or those of the resumed run]
    #[arg(long)]
    pub(crate) steps: Option<u32>,
    /// Hidden units of each layer
    #[arg(long, default_value_t = 256, conflicts_with = "resume", value_parser = count)]
    hidden: usize,
    /// Recurrent layers
    #[arg(long, default_value_t = 1, conflicts_with = "resume", value_parser = clap::value_parser!(u8).range(1..=16))]
    layers: u8,
    /// Share of the values that are zero from one layer to the next while training
    #[arg(long, default_value_t = 0.0, conflicts_with = "resume")]
    dropout: f64,
    /// Batch size: positions in the text that are read in parallel
    #[arg(long, default_value_t = 32, conflicts_with = "resume", value_parser = count)]
    batch: usize,
    /// Characters in a chunk
    #[arg(long, default_value_t = 64, conflicts_with = "resume", value_parser = count)]
    length: usize,
    /// Seed of the initial weights, of the cuts in the text, and of the sample
    #[arg(long, default_value_t = 1, conflicts_with = "resume")]
    seed: u64,

    /// File to save the run to
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Steps between two saves
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) every: u32,
    /// Saved run to continue, with any number of ranks and the same --shards
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// Seconds that a rank waits for another one before it ends the run
    #[arg(long, default_value_t = 600)]
    pub(crate) limit: u64,
    /// Makes one rank fail after a step, as a test
    #[arg(long, value_names = ["RANK", "STEP"], num_args = 2)]
    fail: Vec<u64>,
}

fn count(argument: &str) -> Result<usize, String> {
    match argument.parse() {
        Ok(count @ 1..=65_535) => Ok(count),
        _ => Err("expected a whole number from 1 to 65535".into()),
    }
}

impl Arguments {
    /// The settings of a new run.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            steps: self.steps.unwrap_or(100).into(),
            batch: self.batch,
            length: self.length,
            learning_rate: 0.004,
            dropout: self.dropout,
            seed: self.seed,
        }
    }

    /// The hidden units of each layer of a new run.
    pub(crate) fn hidden(&self) -> Vec<usize> {
        vec![self.hidden; self.layers.into()]
    }

    /// Whether this rank has to fail after this step.
    pub(crate) fn fails_at(&self, rank: usize, step: u64) -> bool {
        self.fail == [rank as u64, step]
    }
}
