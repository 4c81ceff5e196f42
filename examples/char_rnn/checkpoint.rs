//! A run as a JSON file. Its decimal numbers restore the exact bits.
//!
//! | name | what it holds |
//! |---|---|
//! | `format` | `"elman char_rnn run 2"` |
//! | `text_characters`, `text_fnv1a` | length of the text, and the hash of its UTF-8, in hexadecimal |
//! | `vocabulary` | distinct characters of the text, ascending; inputs and classes of the network |
//! | `hidden_units` | those of each layer, the lowest first |
//! | `steps`, `batch`, `length`, `learning_rate`, `dropout`, `seed` | settings of the run |
//! | `steps_done`, `epochs_read`, `batches_read` | progress: steps, full epochs, and batches of the epoch after them |
//! | `average_bits` | the running average of the loss, in bits per character; null before the first step |
//! | `training_curve`, `held_out_curve` | the losses so far, each with its step: `[[10, 5.25], …]` |
//! | `parameters` | for each layer Wax, Waa, Wya and ba, each row by row; then by |
//! | `first_moment`, `second_moment` | Adam's moments, one number for each parameter; none before the first step |
//! | `hidden` | the hidden states that the next batch starts from, layer by layer and column by column |

use std::ops::RangeInclusive;
use std::path::Path;

use elman::optim::Adam;
use elman::stack::{Architecture, Direction, Parameters, States};
use ndarray::{ArrayView2, ShapeBuilder};
use serde_json::{Value, json};

use crate::Result;
use crate::curves::Curves;
use crate::model::{self, Model};
use crate::text::{Fingerprint, Vocabulary};
use crate::training::{Place, Run, Settings};

const FORMAT: &str = "elman char_rnn run 2";

/// The largest number of steps. No count derived from it overflows.
const MOST: u64 = u32::MAX as u64;

/// Saves atomically: a reader finds the whole old run or the whole new one.
pub(crate) fn save(path: &Path, run: &Run) -> Result<()> {
    Ok(elman::io::write_atomic(path, write(run)?.as_bytes())?)
}

pub(crate) fn load(path: &Path) -> Result<Run> {
    of_content(&crate::text::read(path)?, path)
}

/// - `path`: where the content comes from, for an error
pub(crate) fn of_content(content: &str, path: &Path) -> Result<Run> {
    read(content).map_err(|error| format!("{} is not a run of char_rnn: {error}", path.display()).into())
}

fn write(run: &Run) -> Result<String> {
    let Run { settings, fingerprint, model, adam, curves, .. } = run;
    let hidden = numbers_of(&run.states);
    let layers = model.parameters.architecture().layers();
    for (name, numbers) in [
        ("parameter", model.parameters.as_slice()),
        ("first moment", adam.first_moment()),
        ("second moment", adam.second_moment()),
        ("hidden state", &hidden),
    ] {
        if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
            return Err(format!("a run with a {name} of {number} cannot be saved").into());
        }
    }
    let value = json!({
        "format": FORMAT,
        "text_characters": fingerprint.characters,
        "text_fnv1a": format!("{:016x}", fingerprint.fnv1a),
        "vocabulary": model.vocabulary.characters(),
        "hidden_units": layers.iter().map(|layer| layer.n_a).collect::<Vec<_>>(),
        "steps": settings.steps,
        "batch": settings.batch,
        "length": settings.length,
        "learning_rate": settings.learning_rate,
        "dropout": settings.dropout,
        "seed": settings.seed,
        "steps_done": run.steps_done(),
        "epochs_read": run.place.epoch,
        "batches_read": run.place.batches,
        "average_bits": run.average,
        "training_curve": curves.training,
        "held_out_curve": curves.held_out,
        "parameters": model.parameters.as_slice(),
        "first_moment": adam.first_moment(),
        "second_moment": adam.second_moment(),
        "hidden": hidden,
    });
    Ok(value.to_string())
}

fn read(content: &str) -> Result<Run> {
    let value: Value = serde_json::from_str(content)?;
    if value["format"] != FORMAT {
        return Err(format!("`format` is {}, expected {FORMAT:?}", found(&value["format"])).into());
    }
    let characters = value["vocabulary"].as_str().ok_or("`vocabulary` is not a string")?;
    let vocabulary = Vocabulary::of(characters).map_err(|error| format!("`vocabulary`: {error}"))?;
    if vocabulary.characters() != characters {
        return Err("`vocabulary` is not ascending".into());
    }
    let fingerprint = Fingerprint {
        characters: count(&value, "text_characters", 0..=u64::MAX)?.try_into()?,
        fnv1a: u64::from_str_radix(value["text_fnv1a"].as_str().unwrap_or_default(), 16)
            .map_err(|error| format!("`text_fnv1a`: {error}"))?,
    };
    let settings = Settings {
        steps: count(&value, "steps", 0..=MOST)?,
        batch: count(&value, "batch", 1..=u16::MAX.into())?.try_into()?,
        length: count(&value, "length", 1..=u16::MAX.into())?.try_into()?,
        learning_rate: real(&value, "learning_rate", f64::MAX)?,
        dropout: real(&value, "dropout", 1.0 - f64::EPSILON)?,
        seed: count(&value, "seed", 0..=u64::MAX)?,
    };

    let units = hidden_units(&value)?;
    let architecture = model::architecture(&vocabulary, &units);
    let length = architecture.len();
    // Numbers are read first, so that no memory is taken for a network that the file only declares.
    let flat = numbers(&value, "parameters", length, f32::MIN..=f32::MAX)?;
    let hidden = numbers(&value, "hidden", units.iter().sum::<usize>() * settings.batch, -1.0..=1.0)?;
    let states = states_of(&architecture, settings.batch, &hidden)?;
    let mut parameters = Parameters::try_zeros(architecture)?;
    parameters.as_mut_slice().copy_from_slice(&flat);
    let steps_done = count(&value, "steps_done", 0..=MOST)?;
    let moments = if steps_done > 0 { length } else { 0 };
    let adam = Adam::new(settings.learning_rate).resumed(
        steps_done,
        numbers(&value, "first_moment", moments, f32::MIN..=f32::MAX)?,
        numbers(&value, "second_moment", moments, 0.0..=f32::MAX)?,
    )?;
    Ok(Run {
        settings,
        fingerprint,
        model: Model { vocabulary, parameters },
        adam,
        place: Place {
            epoch: count(&value, "epochs_read", 0..=MOST)?,
            batches: count(&value, "batches_read", 0..=MOST)?,
        },
        states,
        average: if steps_done > 0 { Some(real(&value, "average_bits", f64::MAX)?) } else { None },
        curves: Curves { training: curve(&value, "training_curve")?, held_out: curve(&value, "held_out_curve")? },
    })
}

fn count(value: &Value, name: &str, allowed: RangeInclusive<u64>) -> Result<u64> {
    let count = value[name].as_u64().filter(|count| allowed.contains(count));
    count.ok_or_else(|| {
        let (least, most) = (allowed.start(), allowed.end());
        format!("`{name}` is {}, expected a whole number from {least} to {most}", found(&value[name])).into()
    })
}

fn real(value: &Value, name: &str, most: f64) -> Result<f64> {
    let number = value[name].as_f64().filter(|number| (0.0..=most).contains(number));
    number.ok_or_else(|| format!("`{name}` is {}, expected a number from 0 to {most:e}", found(&value[name])).into())
}

fn hidden_units(value: &Value) -> Result<Vec<usize>> {
    let name = "hidden_units";
    let layers = value[name].as_array().filter(|layers| (1..=16).contains(&layers.len()));
    let layers = layers.ok_or_else(|| format!("`{name}` is {}, expected 1 to 16 numbers", found(&value[name])))?;
    let units = |layer: &Value| layer.as_u64().filter(|units| (1..=8192).contains(units))?.try_into().ok();
    let error = || format!("`{name}` holds a number that is not from 1 to 8192").into();
    layers.iter().map(|layer| units(layer).ok_or_else(error)).collect()
}

/// The hidden states, layer by layer and column by column.
pub(crate) fn numbers_of(states: &States<f32>) -> Vec<f32> {
    let layers = (0..).map_while(|layer| states.get(layer, Direction::Forward));
    layers.flat_map(|state| state.t().iter().copied().collect::<Vec<_>>()).collect()
}

/// The reverse of [`numbers_of`].
fn states_of(architecture: &Architecture, m: usize, mut hidden: &[f32]) -> Result<States<f32>> {
    let mut states = States::zeros(architecture, m);
    for (index, layer) in architecture.layers().iter().enumerate() {
        let (own, rest) = hidden.split_at(layer.n_a * m);
        hidden = rest;
        let state = ArrayView2::from_shape((layer.n_a, m).f(), own)?;
        states.get_mut(index, Direction::Forward).ok_or("a layer without a state")?.assign(&state);
    }
    Ok(states)
}

/// Reads exactly `expected` numbers, each as the nearest `f32` to its decimals.
#[expect(clippy::cast_possible_truncation, reason = "the nearest is the one that was written")]
fn numbers(value: &Value, name: &str, expected: usize, allowed: RangeInclusive<f32>) -> Result<Vec<f32>> {
    let values = value[name].as_array().ok_or_else(|| format!("`{name}` is not an array"))?;
    if values.len() != expected {
        return Err(format!("`{name}` holds {} numbers, expected {expected}", values.len()).into());
    }
    let number = |(index, value): (usize, &Value)| {
        let number = value.as_f64().map(|number| number as f32).filter(|number| allowed.contains(number));
        number.ok_or_else(|| {
            let (least, most) = (allowed.start(), allowed.end());
            format!("`{name}[{index}]` is {}, expected a number from {least:e} to {most:e}", found(value)).into()
        })
    };
    values.iter().enumerate().map(number).collect()
}

fn curve(value: &Value, name: &str) -> Result<Vec<(u64, f64)>> {
    let points = value[name].as_array().ok_or_else(|| format!("`{name}` is not an array"))?;
    let point = |(index, point): (usize, &Value)| {
        match point.as_array().map(Vec::as_slice) {
            Some([step, bits]) => step.as_u64().zip(bits.as_f64()),
            _ => None,
        }
        .ok_or_else(|| format!("`{name}[{index}]` is {}, expected a step and a loss", found(point)).into())
    };
    points.iter().enumerate().map(point).collect()
}

/// A short form of a value for an error message.
fn found(value: &Value) -> String {
    match value {
        Value::Array(_) => "an array".into(),
        Value::Object(_) => "an object".into(),
        Value::String(string) if string.len() > 40 => "a long string".into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}
