//! An optimiser as metadata, which says its kind and its hyper-parameters, and as tensors, which are its state.
//!
//! | `elman.optimizer` | `elman.optimizer.learning_rate`, and | tensors `optimizer.…` |
//! |---|---|---|
//! | `sgd` | `momentum`, `dampening`, `nesterov`, `weight_decay` | `velocity` |
//! | `adam`, `adamw` | `beta1`, `beta2`, `eps`, `weight_decay`, `steps` | `first_moment`, `second_moment` |
//! | `rmsprop` | `alpha`, `eps`, `momentum`, `centered`, `weight_decay` | `square_average`, `gradient_average`, `velocity` |
//!
//! Numbers are the shortest decimals that read back as the same, `inf` and `NaN` among them. A tensor has an element for
//! each parameter, or none where the optimiser has no such state yet.

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

/// The optimiser of `n` parameters, where there is one. It is the last to read the metadata: nothing may be left.
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

/// An element for each parameter, or none.
fn state<A: Scalar>(tensors: &Tensors<A>, name: &str, n: usize) -> Result<Vec<A>, Error> {
    let length = if tensors.shape(name) == Some(&[0]) { 0 } else { n };
    Ok(tensors.vector(name, length)?.to_vec())
}

fn key(name: &str) -> String {
    format!("{KIND}.{name}")
}
