//! The networks of the fixtures, compared with the results that torch computed.

use std::io::{self, Write};

use elman::Activation;
use elman::io::{Tensors, safetensors, torch};
use elman::stack::{self, Direction, States, Stepper};
use ndarray::{Array, Array2, Array3, ArrayView3, Axis, Dimension, IxDyn, concatenate};
use serde_json::Value;

use crate::Result;

const WEIGHTS: &[u8] = include_bytes!("../../tests/fixtures/torch_rnn.safetensors");
const RECORDED: &str = include_str!("../../tests/fixtures/interop_torch.json");
const RECORDED_STACKS: &str = include_str!("../../tests/fixtures/interop_torch_stack.json");
/// Single precision over the recorded steps.
const TOLERANCE: f32 = 1e-6;

/// Loads a file, and runs its network step by step, as if the inputs arrived one at a time.
pub(crate) fn one_layer() -> Result<()> {
    let rnn = torch::Rnn::new("encoder.rnn.", Activation::Tanh).with_linear("head.");
    let p = rnn.stack_from_tensors(&safetensors::from_bytes(WEIGHTS)?)?;
    let recorded: Value = serde_json::from_str(RECORDED)?;
    let recorded = &recorded["float32"];
    let (x, states) = (array(&recorded["x"])?, states(&p, [&recorded["a0"]])?);
    let cache = forward(&p, &x, &states)?;
    compare("hidden states", &hidden(&cache)?.view(), &recorded["rnn"]["hidden"])?;
    compare("probabilities", &cache.output(), &recorded["rnn"]["output"])?;

    let mut stepper = Stepper::new(&p, x.len_of(Axis(1)))?;
    stepper.set_states(&states)?;
    for (t, xt) in x.axis_iter(Axis(2)).enumerate() {
        stepper.step(&xt)?;
        if stepper.output() != cache.output().index_axis(Axis(2), t) {
            return Err(format!("step {t} is not bit-identical to that of the whole sequence").into());
        }
        writeln!(io::stdout(), "step {t:2}: {}", text(stepper.output().column(0).iter()))?;
    }
    writeln!(io::stdout(), "step by step: bit-identical")?;
    Ok(())
}

/// Takes over two layers of relu units in two directions.
pub(crate) fn two_layers() -> Result<()> {
    let recorded: Value = serde_json::from_str(RECORDED_STACKS)?;
    let recorded = &recorded["2 2 relu bias"];
    let mut weights = Tensors::new();
    for (name, entry) in recorded["weights"].as_object().into_iter().flatten() {
        weights.insert(name, array::<IxDyn>(entry)?);
    }
    let rnn = torch::Rnn::new("rnn.", Activation::Relu).with_linear("head.");
    let p = rnn.stack_from_tensors(&weights)?;
    let states = states(&p, recorded["a0"].as_array().into_iter().flatten())?;
    let cache = forward(&p, &array(&recorded["x"])?, &states)?;
    compare("hidden states", &hidden(&cache)?.view(), &recorded["hidden"])?;
    compare("logits", &cache.logits(), &recorded["logits"])
}

fn forward(p: &stack::Parameters<f32>, x: &Array3<f32>, states: &States<f32>) -> Result<stack::Cache<f32>> {
    writeln!(io::stdout(), "{}", p.architecture())?;
    Ok(stack::forward(p, x, states)?)
}

/// The initial states in torch's order: by layer, the forward direction first.
fn states<'a>(p: &stack::Parameters<f32>, entries: impl IntoIterator<Item = &'a Value>) -> Result<States<f32>> {
    let arrays = entries.into_iter().map(array).collect::<Result<Vec<Array2<f32>>>>()?;
    let mut states = States::zeros(p.architecture(), arrays.first().map_or(0, Array2::ncols));
    let mut arrays = arrays.iter();
    for layer in 0..p.architecture().layers().len() {
        for direction in [Direction::Forward, Direction::Reverse] {
            if let Some(mut state) = states.get_mut(layer, direction) {
                state.assign(arrays.next().ok_or("the fixture has too few states")?);
            }
        }
    }
    Ok(states)
}

/// The hidden states of the highest layer, the units of both directions one after the other.
fn hidden(cache: &stack::Cache<f32>) -> Result<Array3<f32>> {
    let layer = cache.architecture().layers().len() - 1;
    let directions = [Direction::Forward, Direction::Reverse].map(|direction| cache.hidden(layer, direction));
    Ok(concatenate(Axis(0), &directions.into_iter().flatten().collect::<Vec<_>>())?)
}

fn compare(what: &str, found: &ArrayView3<'_, f32>, expected: &Value) -> Result<()> {
    let difference = largest_difference(found, &array(expected)?)?;
    writeln!(io::stdout(), "largest difference from torch in the {what}: {difference:e}")?;
    if difference.is_nan() || difference > TOLERANCE {
        return Err(format!("that is more than {TOLERANCE:e}").into());
    }
    Ok(())
}

pub(crate) fn text<'a>(values: impl Iterator<Item = &'a f32>) -> String {
    values.map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(" ")
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
