//! An optimiser in a file: the metadata holds its kind and hyper-parameters, the tensors hold its state.
//!
//! | `elman.optimizer` | `elman.optimizer.learning_rate`, and | tensors `optimizer.…` |
//! |---|---|---|
//! | `sgd` | `momentum`, `dampening`, `nesterov`, `weight_decay` | `velocity` |
//! | `adam`, `adamw` | `beta1`, `beta2`, `eps`, `weight_decay`, `steps` | `first_moment`, `second_moment` |
//! | `rmsprop` | `alpha`, `eps`, `momentum`, `centered`, `weight_decay` | `square_average`, `gradient_average`, `velocity` |
//!
//! A number is written as the shortest decimal that reads back as the same number; `inf` and `NaN` are allowed. A tensor has
//! one element for each parameter, or no elements where the optimiser has no such state yet.

use ndarray::Array1;

use super::notes::{Notes, refused};
use super::tensors::wrong_shape;
use super::{Error, Tensors};
use crate::Scalar;
use crate::optim::{AnyOptimizer, Field, FieldMut, Fields};

const KIND: &str = "optimizer";
const KINDS: &str = "`sgd`, `adam`, `adamw` or `rmsprop`";

/// Adds an optimiser to the metadata and to the tensors.
pub(super) fn write<A: Scalar>(optimizer: &AnyOptimizer<A>, notes: &mut Notes, tensors: &mut Tensors<A>) {
    notes.insert(KIND, optimizer.kind());
    for (name, field) in optimizer.names().iter().zip(optimizer.fields()) {
        match field {
            Field::Number(value) => notes.insert(&key(name), format_args!("{value:?}")),
            Field::Flag(value) => notes.insert(&key(name), value),
            Field::Count(value) => notes.insert(&key(name), value),
            Field::State(values) => tensors.insert(key(name), Array1::from(values.to_vec())),
        }
    }
}

/// Reads the optimiser of `n` parameters, where there is one. Call it last: it refuses metadata that remains unread.
pub(super) fn read<A: Scalar>(
    mut notes: Notes,
    tensors: &Tensors<A>,
    n: usize,
) -> Result<Option<AnyOptimizer<A>>, Error> {
    if !notes.contains(KIND) {
        notes.finish()?;
        return Ok(None);
    }
    let kind = notes.take(KIND, KINDS)?;
    let mut optimizer = AnyOptimizer::all()
        .into_iter()
        .find(|optimizer| optimizer.kind() == kind)
        .ok_or_else(|| refused(KIND, KINDS, Some(&kind)))?;
    for (name, field) in optimizer.names().iter().zip(optimizer.fields_mut()) {
        match field {
            FieldMut::Number(value) => *value = notes.parse(&key(name))?,
            FieldMut::Flag(value) => *value = notes.parse(&key(name))?,
            FieldMut::Count(value) => *value = notes.parse(&key(name))?,
            FieldMut::State(values) => *values = state(tensors, &key(name), n)?,
        }
    }
    notes.finish()?;
    optimizer.check_state(n).map_err(|error| match error {
        crate::Error::Shape { argument, expected, found } => {
            let [expected, found] = [expected, found].map(|shape| shape.lengths().flatten().collect::<Vec<_>>());
            wrong_shape(&key(argument), format!("{expected:?}"), &found)
        }
        other => unreachable!("a state has lengths, and nothing else to check: {other}"),
    })?;
    Ok(Some(optimizer))
}

/// Reads a state of one element for each parameter, or of none.
fn state<A: Scalar>(tensors: &Tensors<A>, name: &str, n: usize) -> Result<Vec<A>, Error> {
    let length = if tensors.shape(name) == Some(&[0]) { 0 } else { n };
    Ok(tensors.vector(name, length)?.to_vec())
}

fn key(name: &str) -> String {
    format!("{KIND}.{name}")
}
