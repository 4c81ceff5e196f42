//! Loads networks from PyTorch, checks that they compute the same results, and runs one step by step.
//!
//! ```text
//! cargo run --release --features safetensors --example from_pytorch
//! cargo run --release --features safetensors --example from_pytorch -- --file model.safetensors --rnn rnn. --linear head.
//! ```
//!
//! With `--file`, the program loads your file, with any number of layers and directions, and takes one step from zeros. If the
//! file uses other names, the error message lists them.
//!
//! By default there are two networks, with the results that torch computed for two sequences (`recorded.rs`). The first is a
//! `torch.nn.RNN` under `encoder.rnn.` and a `torch.nn.Linear` under `head.`, saved by `safetensors.torch.save_file`
//! (`tests/fixtures/interop_torch.py`). The second has two layers of relu units in two directions
//! (`tests/fixtures/interop_torch_stack.py`).

mod recorded;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use elman::Activation;
use elman::io::{safetensors, torch};
use elman::stack;
use ndarray::Array3;
use recorded::text;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Loads a network from PyTorch and runs it.
#[derive(Debug, Parser)]
struct Arguments {
    /// A state dict of float32, saved as safetensors, instead of the built-in ones
    #[arg(long, value_name = "FILE.safetensors")]
    file: Option<PathBuf>,
    /// Prefix of the names of the RNN's tensors
    #[arg(long, default_value = "encoder.rnn.")]
    rnn: String,
    /// Prefix of the names of the Linear's tensors
    #[arg(long, default_value = "head.")]
    linear: String,
    /// The `nonlinearity` of the RNN, which the file does not have
    #[arg(long, value_enum, default_value = "tanh")]
    nonlinearity: Nonlinearity,
    /// The RNN was made with `bias=False`
    #[arg(long)]
    no_bias: bool,
    /// The Linear was made with `bias=False`
    #[arg(long)]
    no_linear_bias: bool,
    /// Has no effect: the program is always quick
    #[arg(long)]
    quick: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Nonlinearity {
    Tanh,
    Relu,
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
    let Some(path) = &arguments.file else {
        recorded::one_layer()?;
        return recorded::two_layers();
    };
    let activation = match arguments.nonlinearity {
        Nonlinearity::Tanh => Activation::Tanh,
        Nonlinearity::Relu => Activation::Relu,
    };
    let mut rnn = torch::Rnn::new(&arguments.rnn, activation).with_linear(&arguments.linear);
    if arguments.no_bias {
        rnn = rnn.without_bias();
    }
    if arguments.no_linear_bias {
        rnn = rnn.without_head_bias();
    }
    let p = rnn.stack_from_tensors(&safetensors::load(path)?)?;
    let x = Array3::<f32>::zeros((p.architecture().n_x(), 1, 1));
    let cache = stack::forward(&p, &x, None)?;
    writeln!(io::stdout(), "{}\none step: {}", p.architecture(), text(cache.output().iter()))?;
    Ok(())
}
