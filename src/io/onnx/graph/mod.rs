//! Reads the graph of a model: follows the sequence from its input through the layers to the head.
//!
//! The reader gives each value of the graph a meaning. A node that only moves axes changes the order of the axes. An
//! operator that this crate does not support makes its outputs unknown. Only a graph output that depends on one is an error.

mod head;
mod network;
mod operator;

use std::collections::HashMap;
use std::rc::Rc;

use crate::Scalar;
use crate::io::error::abridged;
use crate::io::onnx::Rnn;
use crate::io::onnx::attributes::{int, ints, tensor as tensor_of};
use crate::io::onnx::hidden::{Axis, Hidden, permutation, place};
use crate::io::onnx::proto::{Graph, Node, Tensor};
use crate::io::onnx::tensor::{self, Integers};
use crate::io::{Error, Stack, Tensors};
use head::Dense;
use operator::{Direction, Operator};

/// The meaning of a value.
#[derive(Debug, Clone)]
enum Value<'g> {
    /// A tensor of weights, by the name of its initialiser.
    Weights(&'g str),
    /// A constant of integers.
    Integers(Rc<Integers>),
    /// Integers that are computed from constants.
    Computed,
    /// Integers that are computed from shapes.
    Shape,
    /// An input of the graph, with its first three axes in this order.
    Input(usize, [usize; 3]),
    /// An initial state: zeros, or a part of this input.
    State(Option<usize>),
    /// The last states of several layers, side by side along the axis of directions.
    LastStates(Rc<[Hidden]>),
    Hidden(Hidden),
    Logits(Hidden, Dense<'g>),
    Output(Hidden, Dense<'g>),
    /// What it is, where this crate does not support it.
    Unknown(Rc<str>),
}

/// A layer: one operator, or a forward one and a reverse one.
#[derive(Debug, Clone, Copy)]
struct Layer {
    below: Below,
    forward: usize,
    reverse: Option<usize>,
}

/// What a layer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    Input(usize, [usize; 3]),
    Layer(usize),
}

/// What was found so far.
struct Reader<'g, A> {
    tensors: Tensors<A>,
    /// Whether a tensor is zero.
    zeros: HashMap<&'g str, bool>,
    values: HashMap<&'g str, Value<'g>>,
    layers: Vec<Layer>,
    operators: Vec<Operator<'g>>,
    /// The version of the operators.
    version: i64,
}

/// Reads a graph: the layers by the names of their weights, and the weights.
pub(super) fn read<A: Scalar>(graph: &Graph, version: i64) -> Result<(Stack<Rnn>, Tensors<A>), Error> {
    let mut reader = Reader {
        tensors: Tensors::new(),
        zeros: HashMap::new(),
        values: HashMap::new(),
        layers: vec![],
        operators: vec![],
        version,
    };
    for constant in &graph.initializer {
        let value = reader.constant(constant.name(), constant)?;
        reader.values.insert(constant.name(), value);
    }
    for (index, input) in graph.input.iter().enumerate() {
        // Older files also list the initialisers as inputs.
        reader.values.entry(input.name()).or_insert(Value::Input(index, [0, 1, 2]));
    }
    for node in &graph.node {
        reader.evaluate(node)?;
    }
    let stack = reader.stack(graph)?;
    Ok((stack, reader.tensors))
}

impl<'g, A: Scalar> Reader<'g, A> {
    /// Keeps a tensor, or the integers of one.
    fn constant(&mut self, name: &'g str, constant: &Tensor) -> Result<Value<'g>, Error> {
        if let Some(integers) = tensor::integers(name, constant)? {
            return Ok(Value::Integers(Rc::new(integers)));
        }
        tensor::insert(&mut self.tensors, name, constant)?;
        Ok(Value::Weights(name))
    }

    /// Finds the meaning of a node's outputs.
    fn evaluate(&mut self, node: &'g Node) -> Result<(), Error> {
        if let ("Constant", Some(output), Some(constant)) =
            (node.op_type(), node.output.first(), tensor_of(node, "value"))
        {
            let value = self.constant(output, constant)?;
            self.values.insert(output, value);
            return Ok(());
        }
        let unknown = node.input.iter().find_map(|input| match self.value(input) {
            Some(Value::Unknown(what)) => Some(Rc::clone(what)),
            _ => None,
        });
        let values = match unknown {
            Some(what) => Err(what),
            None => self.outputs(node).map_err(Rc::from),
        };
        match values {
            Ok(values) => self.values.extend(node.output.iter().map(String::as_str).zip(values)),
            Err(what) => {
                let unknown = |output: &'g String| (output.as_str(), Value::Unknown(Rc::clone(&what)));
                self.values.extend(node.output.iter().map(unknown));
            }
        }
        Ok(())
    }

    fn value(&self, name: &str) -> Option<&Value<'g>> {
        // An omitted input has no name.
        self.values.get(name).filter(|_| !name.is_empty())
    }

    /// The value of a node's input.
    fn input(&self, node: &Node, place: usize) -> Option<&Value<'g>> {
        self.value(node.input.get(place)?)
    }

    /// The meaning of the outputs, or what the node is, where this crate does not support it.
    fn outputs(&mut self, node: &'g Node) -> Result<Vec<Value<'g>>, String> {
        let operator = node.op_type();
        if !matches!(node.domain(), "" | "ai.onnx") {
            return Err(format!("the operator {} of another domain", abridged(operator)));
        }
        let first = self.input(node, 0);
        let value = match (operator, first) {
            ("RNN", _) => return self.rnn(node),
            ("Constant", _) => return constant_integers(node).map(|value| vec![value]),
            ("Concat", Some(Value::Hidden(_))) => self.concat(node)?,
            ("Identity", Some(value)) => value.clone(),
            ("Dropout", Some(value)) if node.input.get(2).is_none_or(String::is_empty) => value.clone(),
            ("Shape" | "Size", Some(_)) => Value::Shape,
            ("ConstantOfShape", Some(_)) if tensor_of(node, "value").is_none_or(tensor::is_zero) => Value::State(None),
            (_, Some(Value::Shape | Value::Integers(_) | Value::Computed)) => self.computed(node)?,
            ("Transpose", Some(Value::Input(index, order))) => Value::Input(*index, reordered(node, *order)?),
            ("Slice" | "Expand" | "Unsqueeze" | "Squeeze" | "Reshape" | "Gather", Some(Value::Input(index, _))) => {
                Value::State(Some(*index))
            }
            (
                "Slice" | "Expand" | "Unsqueeze" | "Squeeze" | "Reshape" | "Gather" | "Cast" | "Transpose",
                Some(Value::State(of)),
            ) => Value::State(*of),
            ("Transpose", Some(Value::Hidden(hidden))) => Value::Hidden(hidden.transposed(ints(node, "perm")?)?),
            ("Transpose", Some(Value::Logits(hidden, head))) => {
                Value::Logits(hidden.transposed(ints(node, "perm")?)?, *head)
            }
            ("Transpose", Some(Value::Output(hidden, head))) => {
                Value::Output(hidden.transposed(ints(node, "perm")?)?, *head)
            }
            ("Squeeze", Some(Value::Hidden(hidden))) => Value::Hidden(self.squeezed(node, hidden)?),
            ("Reshape", Some(Value::Hidden(hidden))) => {
                if int(node, "allowzero")?.unwrap_or(0) != 0 {
                    return Err("a Reshape with `allowzero`".into());
                }
                Value::Hidden(hidden.merged(self.integers(node, 1).map_or(&[], |shape| &shape.values))?)
            }
            ("Gather", Some(Value::Hidden(hidden))) => Value::Hidden(self.picked(node, hidden)?),
            ("Gather", Some(Value::LastStates(states))) => Value::Hidden(self.last_of(node, states)?),
            ("MatMul", Some(Value::Hidden(hidden))) => self.head(node, hidden, false)?,
            ("Gemm", Some(Value::Hidden(hidden))) => self.head(node, hidden, true)?,
            ("Add", Some(_)) => self.bias(node)?,
            ("Softmax", Some(Value::Logits(hidden, head))) => {
                // Before version 13, the axes from this one on are one.
                let old = self.version < 13;
                let axis = int(node, "axis")?.unwrap_or(if old { 1 } else { -1 });
                let axis = place(axis, hidden.axes.len()).filter(|axis| !old || axis + 1 == hidden.axes.len());
                match axis.map(|axis| hidden.axes[axis]) {
                    Some(Axis::Width) => Value::Output(hidden.clone(), *head),
                    _ => return Err("a Softmax over other axes than the outputs".into()),
                }
            }
            _ => return Err(described(operator)),
        };
        Ok(vec![value])
    }

    /// Integers from integers.
    fn computed(&self, node: &Node) -> Result<Value<'g>, String> {
        let mut result = Value::Computed;
        for name in node.input.iter().filter(|name| !name.is_empty()) {
            match self.value(name) {
                Some(Value::Integers(_) | Value::Computed) => {}
                Some(Value::Shape) => result = Value::Shape,
                _ => return Err(described(node.op_type())),
            }
        }
        Ok(result)
    }

    /// The number of directions of a layer.
    fn directions(&self, layer: usize) -> usize {
        let Layer { forward, reverse, .. } = self.layers[layer];
        let both = self.operators[forward].direction == Direction::Both;
        1 + usize::from(both || reverse.is_some())
    }

    /// The integers of a node's input, where they are constant.
    fn integers(&self, node: &Node, place: usize) -> Option<&Integers> {
        match self.input(node, place)? {
            Value::Integers(integers) => Some(integers),
            _ => None,
        }
    }

    /// The one index of a Gather, and its axis. An index in a list would keep an axis of length 1.
    fn index(&self, node: &Node, rank: usize) -> Result<(usize, i64), String> {
        let index = self.integers(node, 1).ok_or("a Gather whose indices are not constant")?;
        let (true, [index]) = (index.is_scalar, &index.values[..]) else {
            return Err("a Gather whose index is not a scalar".into());
        };
        let axis = place(int(node, "axis")?.unwrap_or(0), rank).ok_or("a Gather of an axis that does not exist")?;
        Ok((axis, *index))
    }

    /// The states of a layer's one direction, without the axis of directions.
    fn without_direction(&self, hidden: &Hidden, axis: usize) -> Result<Hidden, String> {
        if hidden.axes[axis] == Axis::Direction && self.directions(hidden.layer) == 1 {
            return Ok(hidden.without_direction(axis));
        }
        Err("a Squeeze or Gather of another axis than that of one direction".into())
    }

    fn squeezed(&self, node: &Node, hidden: &Hidden) -> Result<Hidden, String> {
        let axes = match ints(node, "axes")? {
            Some(axes) => axes,
            None => {
                self.integers(node, 1).map(|axes| &axes.values[..]).ok_or("a Squeeze whose axes are not constant")?
            }
        };
        let [axis] = axes else { return Err("a Squeeze of several axes".into()) };
        let axis = place(*axis, hidden.axes.len()).ok_or("a Squeeze of an axis that does not exist")?;
        self.without_direction(hidden, axis)
    }

    /// The states at the last step, or of the only direction.
    fn picked(&self, node: &Node, hidden: &Hidden) -> Result<Hidden, String> {
        let (axis, index) = self.index(node, hidden.axes.len())?;
        match (hidden.axes[axis], index) {
            (Axis::Time, -1) => {
                let mut hidden = hidden.clone();
                hidden.axes.remove(axis);
                Ok(hidden)
            }
            (Axis::Direction, 0 | -1) => self.without_direction(hidden, axis),
            _ => Err("a Gather of other values than the last step".into()),
        }
    }

    /// The last state of the last of several layers.
    fn last_of(&self, node: &Node, states: &[Hidden]) -> Result<Hidden, String> {
        let last = states.last().ok_or("no last state")?;
        let (axis, index) = self.index(node, last.axes.len())?;
        if index != -1 {
            return Err("a Gather of another last state than that of the last layer".into());
        }
        self.without_direction(last, axis)
    }

    /// Two directions side by side, or the last states of several layers.
    fn concat(&mut self, node: &Node) -> Result<Value<'g>, String> {
        let hidden = |name: &String| match self.value(name) {
            Some(Value::Hidden(hidden)) => Some(hidden.clone()),
            _ => None,
        };
        let all: Option<Vec<Hidden>> = node.input.iter().map(hidden).collect();
        let all = all.ok_or("a Concat of hidden states with other values")?;
        let [first, others @ ..] = &all[..] else { return Err("a Concat of nothing".into()) };
        let axis = int(node, "axis")?.and_then(|axis| place(axis, first.axes.len()));
        let axis = axis.ok_or("a Concat of an axis that does not exist")?;
        if others.iter().any(|hidden| hidden.axes != first.axes || hidden.ends != first.ends) {
            return Err("a Concat of hidden states with different axes".into());
        }
        if first.axes[axis] == Axis::Direction && first.ends {
            return Ok(Value::LastStates(all.into()));
        }
        match (first.axes[axis], &all[..]) {
            (Axis::Width, [forward, reverse]) => self.joined(forward, reverse),
            _ => Err("a Concat of other values than two directions of one layer".into()),
        }
    }

    /// A layer of a forward operator and a reverse one.
    fn joined(&mut self, forward: &Hidden, reverse: &Hidden) -> Result<Value<'g>, String> {
        let [first, second] = [forward, reverse].map(|hidden| self.layers[hidden.layer]);
        let directions = [first, second].map(|layer| self.operators[layer.forward].direction);
        if first.reverse.is_some()
            || directions != [Direction::Forward, Direction::Reverse]
            || first.below != second.below
        {
            return Err("a Concat of other layers than a forward and a reverse one of the same input".into());
        }
        self.layers.push(Layer { reverse: Some(second.forward), ..first });
        Ok(Value::Hidden(Hidden { layer: self.layers.len() - 1, ..forward.clone() }))
    }

    /// The name of the weights that a node reads.
    fn weights(&self, node: &Node, place: usize) -> Option<&'g str> {
        match self.input(node, place)? {
            Value::Weights(name) => Some(name),
            _ => None,
        }
    }
}

/// A `Constant` of integers in attributes.
fn constant_integers<'g>(node: &Node) -> Result<Value<'g>, String> {
    let integers = match (int(node, "value_int")?, ints(node, "value_ints")?) {
        (Some(value), None) => Integers { values: vec![value], is_scalar: true },
        (None, Some(values)) => Integers { values: values.to_vec(), is_scalar: false },
        _ => return Err("a Constant of neither a tensor nor integers".into()),
    };
    Ok(Value::Integers(Rc::new(integers)))
}

/// The order of an input's axes after a Transpose.
fn reordered(node: &Node, order: [usize; 3]) -> Result<[usize; 3], String> {
    let places = permutation(ints(node, "perm")?, 3)?;
    Ok([0, 1, 2].map(|axis| order[places[axis]]))
}

/// What an operator is, for an error.
fn described(operator: &str) -> String {
    match operator {
        "LSTM" => "an LSTM".into(),
        "GRU" => "a GRU".into(),
        other => format!("the operator {}, which is not supported there", abridged(other)),
    }
}
