//! Loads a network from PyTorch, checks that it computes the same results, and runs it step by step.
//!
//! ```text
//! cargo run --release --features safetensors --example from_pytorch
//! cargo run --release --features safetensors --example from_pytorch -- --file model.safetensors --rnn rnn. --linear head.
//! ```
//!
//! The default is the network of `tests/fixtures/interop_torch.py`, with the results that torch computed for two
//! sequences. It is a `torch.nn.RNN` under `encoder.rnn.` and a `torch.nn.Linear` under `head.`, saved by
//! `safetensors.torch.save_file`. With `--file`, the program loads your file and takes one step from zeros. If the file
//! uses other names, the error message lists them.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use elman::Activation;
use elman::io::{Tensors, safetensors, torch};
use elman::{Dims, Parameters, cell, sequence};
use ndarray::{Array, Array2, Array3, ArrayView3, Axis, Dimension};
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const WEIGHTS: &[u8] = include_bytes!("../../tests/fixtures/torch_rnn.safetensors");
const RECORDED: &str = include_str!("../../tests/fixtures/interop_torch.json");
/// Single precision over the recorded steps.
const TOLERANCE: f32 = 1e-6;

/// Loads a network from PyTorch and runs it.
#[derive(Debug, Parser)]
struct Arguments {
    /// A state dict of float32, saved as safetensors, instead of the built-in one
    #[arg(long, value_name = "FILE.safetensors")]
    file: Option<PathBuf>,
    /// Prefix of the names of the RNN's tensors
    #[arg(long, default_value = "encoder.rnn.")]
    rnn: String,
    /// Prefix of the names of the Linear's tensors
    #[arg(long, default_value = "head.")]
    linear: String,
    /// Has no effect: the program is always quick
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
    let layers = torch::Rnn::new(&arguments.rnn, Activation::Tanh).with_linear(&arguments.linear);
    let read = |weights: &Tensors<f32>| layers.from_tensors(weights);
    if let Some(path) = &arguments.file {
        let p = read(&safetensors::load(path)?)?;
        describe(&p)?;
        let x = Array3::zeros((p.dims().n_x, 1, 1));
        return serve(&p, &x.view(), &Array2::zeros((p.dims().n_a, 1))).map(drop);
    }
    let p = read(&safetensors::from_bytes(WEIGHTS)?)?;
    describe(&p)?;

    let recorded: Value = serde_json::from_str(RECORDED)?;
    let recorded = &recorded["float32"];
    let (x, a0) = (array(&recorded["x"])?, array(&recorded["a0"])?);
    let cache = sequence::forward(&p, &x, &a0)?;
    let hidden = largest_difference(&cache.hidden(), &array(&recorded["rnn"]["hidden"])?)?;
    let output = largest_difference(&cache.output(), &array(&recorded["rnn"]["output"])?)?;
    writeln!(io::stdout(), "largest difference from torch: {hidden:e} in hidden states, {output:e} in probabilities")?;
    if [hidden, output].iter().any(|difference| difference.is_nan() || *difference > TOLERANCE) {
        return Err(format!("that is more than {TOLERANCE:e}").into());
    }
    let served = serve(&p, &x.view(), &a0)?;
    if served != cache.output() {
        return Err("the results step by step are not bit-identical to those of the whole sequence".into());
    }
    writeln!(io::stdout(), "step by step: bit-identical")?;
    Ok(())
}

fn describe(p: &Parameters<f32>) -> io::Result<()> {
    let Dims { n_x, n_a, n_y } = p.dims();
    writeln!(io::stdout(), "{n_x} inputs, {n_a} hidden units, {n_y} outputs")
}

/// Runs the sequences step by step, as if the inputs arrived one at a time. Prints the probabilities of the first one.
fn serve(p: &Parameters<f32>, x: &ArrayView3<'_, f32>, a0: &Array2<f32>) -> Result<Array3<f32>> {
    let mut stepper = cell::Stepper::new(p, a0.ncols());
    stepper.set_hidden(a0)?;
    let mut served = Array3::zeros((p.dims().n_y, a0.ncols(), x.len_of(Axis(2))));
    for (t, (xt, mut yt)) in x.axis_iter(Axis(2)).zip(served.axis_iter_mut(Axis(2))).enumerate() {
        stepper.step(&xt)?;
        yt.assign(&stepper.output());
        let shown: Vec<_> = yt.column(0).iter().map(|y| format!("{y:.4}")).collect();
        writeln!(io::stdout(), "step {t:2}: {}", shown.join(" "))?;
    }
    Ok(served)
}

/// An array of the fixture, from its shape and its elements in C order.
fn array<D: Dimension>(entry: &Value) -> Result<Array<f32, D>> {
    let shape: Vec<usize> = serde_json::from_value(entry["shape"].clone())?;
    let values: Vec<f32> = serde_json::from_value(entry["values"].clone())?;
    Ok(Array::from_shape_vec(shape, values)?.into_dimensionality()?)
}

fn largest_difference(found: &ArrayView3<'_, f32>, expected: &Array3<f32>) -> Result<f32> {
    if found.dim() != expected.dim() {
        return Err(format!("the shape is {:?}, expected torch's {:?}", found.dim(), expected.dim()).into());
    }
    // `f32::max` would ignore a NaN.
    let larger = |a: f32, b: f32| if b <= a { a } else { b };
    Ok(found.iter().zip(expected).map(|(found, expected)| (found - expected).abs()).fold(0.0, larger))
}
