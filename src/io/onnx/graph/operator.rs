//! The operator `RNN`.

use super::{Below, Layer, Reader, Value};
use crate::io::error::abridged;
use crate::io::layers::names;
use crate::io::onnx::attributes::{floats, int, is_set, string, strings};
use crate::io::onnx::hidden::{Axis, Hidden};
use crate::io::onnx::proto::Node;
use crate::{Activation, Scalar};

/// The direction of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Reverse,
    Both,
}

/// An operator `RNN`, by the names of its weights. An omitted bias has the name `""`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operator<'g> {
    pub(super) weights: [&'g str; 3],
    pub(super) activation: Activation,
    pub(super) direction: Direction,
    /// The input of the graph that its initial state is a part of.
    pub(super) state: Option<usize>,
}

impl<'g, A: Scalar> Reader<'g, A> {
    /// An operator `RNN`: its hidden states, and the last ones.
    pub(super) fn rnn(&mut self, node: &'g Node) -> Result<Vec<Value<'g>>, String> {
        let batch_first = match int(node, "layout")?.unwrap_or(0) {
            0 => false,
            1 => true,
            other => return Err(format!("an RNN of layout {other}")),
        };
        let steps = if batch_first { [Axis::Columns, Axis::Time] } else { [Axis::Time, Axis::Columns] };
        let below = match self.input(node, 0) {
            Some(Value::Input(index, order)) => Below::Input(*index, *order),
            Some(Value::Hidden(Hidden { layer, axes, .. })) if axes[..] == [steps[0], steps[1], Axis::Width] => {
                Below::Layer(*layer)
            }
            _ => return Err("an RNN that reads neither an input nor the hidden states of another one".into()),
        };
        let is_present = |place: usize| node.input.get(place).is_some_and(|name| !name.is_empty());
        if is_present(4) && !matches!(self.input(node, 4), Some(Value::Input(..))) {
            return Err("an RNN whose `sequence_lens` is not an input of the graph".into());
        }
        let state = match self.input(node, 5).cloned() {
            None if !is_present(5) => None,
            Some(Value::Input(index, _)) => Some(index),
            Some(Value::State(of)) => of,
            Some(Value::Weights(name)) if self.is_zero(name) => None,
            _ => return Err("an RNN whose initial state is part of the model".into()),
        };
        let direction = match string(node, "direction")?.unwrap_or(b"forward") {
            b"forward" => Direction::Forward,
            b"reverse" => Direction::Reverse,
            b"bidirectional" => Direction::Both,
            _ => return Err("an RNN of an unknown direction".into()),
        };
        if is_set(node, "clip") {
            return Err("an RNN with clipping".into());
        }
        let weights = |place| match self.input(node, place) {
            Some(Value::Weights(name)) => Ok(*name),
            None if place == 3 && !is_present(3) => Ok(""),
            _ => Err("an RNN whose `W`, `R` or `B` is not an initialiser"),
        };
        let weights = [weights(1)?, weights(2)?, weights(3)?];
        let activation = activation(node, direction)?;
        self.operators.push(Operator { weights, activation, direction, state });
        self.layers.push(Layer { below, forward: self.operators.len() - 1, reverse: None });

        let layer = self.layers.len() - 1;
        let [all, last] = if batch_first {
            [[Axis::Columns, Axis::Time, Axis::Direction], [Axis::Columns, Axis::Direction, Axis::Units]]
        } else {
            [[Axis::Time, Axis::Direction, Axis::Columns], [Axis::Direction, Axis::Columns, Axis::Units]]
        };
        let all = [&all[..], &[Axis::Units]].concat();
        let hidden = |axes, ends| Value::Hidden(Hidden { layer, axes, ends });
        Ok(vec![hidden(all, false), hidden(last.to_vec(), true)])
    }

    fn is_zero(&mut self, name: &'g str) -> bool {
        let tensors = &self.tensors;
        let is_zero = || tensors.get(name).is_ok_and(|state| state.iter().all(|&value| value == A::zero()));
        *self.zeros.entry(name).or_insert_with(is_zero)
    }
}

/// The operator's nonlinearity, the same in both directions.
fn activation(node: &Node, direction: Direction) -> Result<Activation, String> {
    let directions = if direction == Direction::Both { 2 } else { 1 };
    let stated = strings(node, "activations")?.unwrap_or_default();
    let stated: Vec<String> = stated.iter().take(2).map(|name| String::from_utf8_lossy(name).to_lowercase()).collect();
    let first = stated.first().map_or("tanh", String::as_str);
    if stated.iter().any(|name| name != first) {
        return Err("an RNN with different units in each direction".into());
    }
    let activation = Activation::ALL.into_iter().find(|activation| names(*activation).contains(&first));
    let activation = activation.ok_or_else(|| format!("an RNN of {} units", abridged(first)))?;
    let is = |name, value: f32| {
        let floats = floats(node, name)?.unwrap_or_default();
        Ok::<_, String>(floats.len() >= directions && floats.iter().all(|float| float.to_bits() == value.to_bits()))
    };
    if activation == Activation::Identity && !(is("activation_alpha", 1.0)? && is("activation_beta", 0.0)?) {
        return Err("an RNN of affine units other than the identity".into());
    }
    Ok(activation)
}
