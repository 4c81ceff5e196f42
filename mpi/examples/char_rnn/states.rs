//! The hidden states of some columns of a batch.

use std::ops::Range;

use elman::stack::{Architecture, Direction, States};
use ndarray::{ArrayView2, ShapeBuilder, s};

use crate::Result;

const NO_STATE: &str = "a layer without a state";

/// The states of these columns.
pub(crate) fn of_columns(
    states: &States<f32>,
    architecture: &Architecture,
    columns: Range<usize>,
) -> Result<States<f32>> {
    let mut own = States::zeros(architecture, columns.len());
    for layer in 0..architecture.layers().len() {
        let mut own = own.get_mut(layer, Direction::Forward).ok_or(NO_STATE)?;
        own.assign(&states.get(layer, Direction::Forward).ok_or(NO_STATE)?.slice(s![.., columns.clone()]));
    }
    Ok(own)
}

/// Writes the states of these columns, as `checkpoint::numbers_of` lists them, from the start of `flat`. Returns the rest of
/// `flat`.
pub(crate) fn write_columns<'f>(
    states: &mut States<f32>,
    architecture: &Architecture,
    columns: Range<usize>,
    mut flat: &'f [f32],
) -> Result<&'f [f32]> {
    for (index, layer) in architecture.layers().iter().enumerate() {
        let shape = (layer.n_a, columns.len());
        let (own, rest) = flat.split_at_checked(shape.0 * shape.1).ok_or("the ranks run different programs")?;
        flat = rest;
        let mut all = states.get_mut(index, Direction::Forward).ok_or(NO_STATE)?;
        all.slice_mut(s![.., columns.clone()]).assign(&ArrayView2::from_shape(shape.f(), own)?);
    }
    Ok(flat)
}
