//! A model as a file: JSON with the dimensions, the vocabulary and every parameter, in decimals that give back the bits.
//!
//! ```text
//! {"format": "elman char_rnn 1", "n_x": 3, "n_a": 5, "n_y": 3, "vocabulary": "abc", "parameters": [0.25, …]}
//! ```

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use elman::{Dims, Parameters};
use serde_json::{Value, json};

use crate::Result;
use crate::model::Model;
use crate::text::Vocabulary;

const FORMAT: &str = "elman char_rnn 1";

/// Refuses what [`save`] could not write to, before an hour of training.
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    if path.file_name().is_none() || path.is_dir() {
        return Err(format!("cannot write {}: not a file", path.display()).into());
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(format!("cannot write {}: there is no folder {}", path.display(), folder.display()).into())
        }
        _ => Ok(()),
    }
}

/// Writes to a file beside it, which then takes its place: whoever reads finds the old model or the new one, whole.
pub(crate) fn save(path: &Path, model: &Model) -> Result<()> {
    let content = write(model)?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(name);
    let written = fs::File::create(&part)
        .and_then(|mut file| file.write_all(content.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        // What is left of it is of no use, and the error to report is the first one.
        let _ = fs::remove_file(&part);
        format!("cannot write {}: {error}", path.display()).into()
    })
}

pub(crate) fn load(path: &Path) -> Result<Model> {
    let content = crate::text::read(path)?;
    read(&content).map_err(|error| format!("{} is not a character model: {error}", path.display()).into())
}

fn write(model: &Model) -> Result<String> {
    let Dims { n_x, n_a, n_y } = model.parameters.dims();
    let parameters = model.parameters.as_slice();
    if let Some(value) = parameters.iter().find(|value| !value.is_finite()) {
        return Err(format!("a model with a parameter of {value} cannot be saved").into());
    }
    let vocabulary = model.vocabulary.characters();
    let value = json!({
        "format": FORMAT, "n_x": n_x, "n_a": n_a, "n_y": n_y, "vocabulary": vocabulary, "parameters": parameters
    });
    Ok(value.to_string())
}

fn read(content: &str) -> Result<Model> {
    let value: Value = serde_json::from_str(content)?;
    if value["format"] != FORMAT {
        return Err(format!("`format` is {}, expected {FORMAT:?}", value["format"]).into());
    }
    let characters = value["vocabulary"].as_str().ok_or("`vocabulary` is not a string")?;
    let vocabulary = Vocabulary::of(characters)?;
    if vocabulary.characters() != characters {
        return Err("`vocabulary` is not ascending".into());
    }

    let dims = Dims { n_x: size(&value, "n_x")?, n_a: size(&value, "n_a")?, n_y: size(&value, "n_y")? };
    let Dims { n_x, n_y, .. } = dims;
    if (n_x, n_y) != (vocabulary.len(), vocabulary.len()) {
        let found = vocabulary.len();
        return Err(format!("`n_x` is {n_x} and `n_y` is {n_y}, for a vocabulary of {found} characters").into());
    }
    let values = value["parameters"].as_array().ok_or("`parameters` is not an array")?;
    if values.len() != dims.len() {
        return Err(format!("`parameters` holds {} numbers, expected {}", values.len(), dims.len()).into());
    }
    let mut parameters = Parameters::zeros(dims);
    for (index, (parameter, value)) in parameters.as_mut_slice().iter_mut().zip(values).enumerate() {
        *parameter = number(value).ok_or_else(|| format!("`parameters[{index}]` is {value}, expected a number"))?;
    }
    Ok(Model { vocabulary, parameters })
}

/// A dimension that is not zero, and small enough for the number of parameters to be a number.
fn size(value: &Value, name: &str) -> Result<usize> {
    let size =
        value[name].as_u64().filter(|size| (1..=1 << 24).contains(size)).and_then(|size| usize::try_from(size).ok());
    size.ok_or_else(|| format!("`{name}` is {}, expected a dimension", value[name]).into())
}

/// The one `f32` whose decimals these are.
#[expect(clippy::cast_possible_truncation, reason = "the nearest is the one that was written")]
fn number(value: &Value) -> Option<f32> {
    value.as_f64().map(|value| value as f32).filter(|value| value.is_finite())
}
