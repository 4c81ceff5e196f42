//! Reads the graph of a model: follows the sequence from its input through the layers to the head.
//!
//! Each value of the graph gets a meaning. Nodes that only move axes change the meaning of the axes. A node that this crate
//! has nothing for makes an unknown value, which is an error where the network needs it.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::hidden::{Axis, Hidden, place};
use super::proto::{Attribute, Graph, Node};
use super::{Rnn, tensor};
use crate::io::layers::{names, network};
use crate::io::{Error, Stack, Tensors};
use crate::{Activation, Scalar};

/// The meaning of a value.
#[derive(Debug, Clone)]
enum Value {
    /// A tensor of weights.
    Weights,
    /// A constant of integers.
    Integers(Vec<i64>),
    /// An input of the graph.
    Input(usize),
    /// Numbers that are computed from shapes.
    Shape,
    /// Zeros, or a part of an input: an initial state.
    State,
    /// The last states of several layers, the highest one last.
    LastStates(Hidden),
    Hidden(Hidden),
    Logits(Hidden, Dense),
    Output(Hidden, Dense),
    /// What it is, where this crate has nothing for it.
    Unknown(Rc<str>),
}

/// The weights of the head, by name.
#[derive(Debug, Clone, PartialEq)]
struct Dense {
    weights: String,
    bias: Option<String>,
    transposed: bool,
}

/// A layer: one operator, or a forward one and a reverse one.
#[derive(Debug, Clone)]
struct Layer {
    below: Below,
    operators: Vec<usize>,
}

/// What a layer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    Input(usize),
    Layer(usize),
}

/// The number of directions of an operator, and the one that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Reverse,
    Both,
}

/// An operator `RNN`.
#[derive(Debug, Clone)]
struct Operator {
    rnn: Rnn,
    direction: Direction,
}

/// What was found so far.
struct Reader<'g, A> {
    tensors: Tensors<A>,
    values: HashMap<&'g str, Value>,
    layers: Vec<Layer>,
    operators: Vec<Operator>,
    /// The version of the operators.
    version: i64,
}

/// Reads a graph: the layers by the names of their weights, and the weights.
pub(super) fn read<A: Scalar>(graph: &Graph, version: i64) -> Result<(Stack<Rnn>, Tensors<A>), Error> {
    let mut reader =
        Reader { tensors: Tensors::new(), values: HashMap::new(), layers: vec![], operators: vec![], version };
    for constant in &graph.initializer {
        let value = reader.constant(constant.name(), constant)?;
        reader.values.insert(constant.name(), value);
    }
    for (index, input) in graph.input.iter().enumerate() {
        // Older files also list the initialisers as inputs.
        reader.values.entry(input.name()).or_insert(Value::Input(index));
    }
    for node in &graph.node {
        reader.evaluate(node)?;
    }
    let stack = reader.stack(graph)?;
    Ok((stack, reader.tensors))
}

impl<'g, A: Scalar> Reader<'g, A> {
    /// Keeps a tensor, or the integers of one.
    fn constant(&mut self, name: &str, constant: &super::proto::Tensor) -> Result<Value, Error> {
        if let Some(integers) = tensor::integers(constant) {
            return Ok(Value::Integers(integers));
        }
        tensor::insert(&mut self.tensors, name, constant)?;
        Ok(Value::Weights)
    }

    /// Finds the meaning of a node's outputs.
    fn evaluate(&mut self, node: &'g Node) -> Result<(), Error> {
        if node.op_type() == "Constant" {
            if let (Some(output), Some(constant)) =
                (node.output.first(), attribute(node, "value").and_then(|a| a.t.as_ref()))
            {
                let value = self.constant(output, constant)?;
                self.values.insert(output, value);
                return Ok(());
            }
        }
        let unknown = node.input.iter().find_map(|input| match self.value(input) {
            Some(Value::Unknown(what)) => Some(what.clone()),
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

    fn value(&self, name: &str) -> Option<&Value> {
        // An omitted input has no name.
        self.values.get(name).filter(|_| !name.is_empty())
    }

    /// The meaning of the outputs, or what the node is, where this crate has nothing for it.
    fn outputs(&mut self, node: &Node) -> Result<Vec<Value>, String> {
        let operator = node.op_type();
        if !matches!(node.domain(), "" | "ai.onnx") {
            return Err(format!("an operator {operator} of another domain"));
        }
        if operator == "RNN" {
            return self.rnn(node);
        }
        if let ("Concat", Some(all)) = (operator, self.all_hidden(node)) {
            return Ok(vec![self.concat(node, &all)?]);
        }
        let inputs: Vec<Option<&Value>> = node.input.iter().map(|name| self.value(name)).collect();
        let first = inputs.first().copied().flatten();
        let all_shapes = inputs.iter().flatten().all(|value| matches!(value, Value::Shape | Value::Integers(_)));
        let value = match (operator, first) {
            ("Identity", Some(value)) => value.clone(),
            // Without a third input, it is not in training mode.
            ("Dropout", Some(value)) if node.input.len() < 3 => value.clone(),
            ("Shape" | "Size", Some(_)) => Value::Shape,
            ("ConstantOfShape", Some(_)) if tensor::is_zero(attribute(node, "value").and_then(|a| a.t.as_deref())) => {
                Value::State
            }
            (_, Some(Value::Shape | Value::Integers(_))) if all_shapes => Value::Shape,
            ("Transpose", Some(Value::Input(index))) => Value::Input(*index),
            (
                "Slice" | "Expand" | "Unsqueeze" | "Squeeze" | "Reshape" | "Cast",
                Some(Value::State | Value::Input(_)),
            )
            | ("Gather" | "Transpose", Some(Value::State)) => Value::State,
            ("Transpose", Some(Value::Hidden(hidden))) => {
                Value::Hidden(hidden.transposed(ints(node, "perm").as_deref())?)
            }
            ("Transpose", Some(Value::Logits(hidden, head))) => {
                Value::Logits(hidden.transposed(ints(node, "perm").as_deref())?, head.clone())
            }
            ("Transpose", Some(Value::Output(hidden, head))) => {
                Value::Output(hidden.transposed(ints(node, "perm").as_deref())?, head.clone())
            }
            ("Squeeze", Some(Value::Hidden(hidden))) => {
                let axes = ints(node, "axes").or_else(|| self.integers(node, 1)).ok_or("a Squeeze of unnamed axes")?;
                let [axis] = axes[..] else { return Err("a Squeeze of several axes".into()) };
                Value::Hidden(self.without_direction(hidden, axis)?)
            }
            ("Reshape", Some(Value::Hidden(hidden))) => {
                Value::Hidden(hidden.merged(&self.integers(node, 1).unwrap_or_default())?)
            }
            ("Gather", Some(Value::Hidden(hidden))) => {
                let index = self.integers(node, 1).ok_or("a Gather of computed places")?;
                Value::Hidden(self.picked(hidden, node, &index)?)
            }
            ("Gather", Some(Value::LastStates(hidden))) => {
                let axis = attribute(node, "axis").map_or(0, Attribute::i);
                match (axis, self.integers(node, 1).as_deref()) {
                    (0, Some([-1])) if self.directions(hidden.layer) == 1 => {
                        let axes = vec![Axis::Columns, Axis::Width];
                        Value::Hidden(Hidden { axes, ..hidden.clone() })
                    }
                    _ => return Err("a Gather of the last states".into()),
                }
            }
            ("MatMul", Some(Value::Hidden(hidden))) => self.head(node, hidden, false)?,
            ("Gemm", Some(Value::Hidden(hidden))) => self.head(node, hidden, true)?,
            ("Add", Some(_)) => bias(node, &inputs)?,
            ("Softmax", Some(Value::Logits(hidden, head))) => {
                let axis = attribute(node, "axis").map_or(if self.version < 13 { 1 } else { -1 }, Attribute::i);
                match place(axis, hidden.axes.len()).and_then(|axis| hidden.axes.get(axis)) {
                    Some(Axis::Width) => Value::Output(hidden.clone(), head.clone()),
                    _ => return Err("a Softmax over another axis than the outputs".into()),
                }
            }
            _ => return Err(described(operator)),
        };
        Ok(vec![value])
    }

    /// An operator `RNN`: its hidden states, and the last ones.
    fn rnn(&mut self, node: &Node) -> Result<Vec<Value>, String> {
        let input = |place: usize| node.input.get(place).map(String::as_str).filter(|name| !name.is_empty());
        let batch_first = attribute(node, "layout").is_some_and(|layout| layout.i() == 1);
        let steps = if batch_first { [Axis::Columns, Axis::Time] } else { [Axis::Time, Axis::Columns] };
        let below = match input(0).and_then(|name| self.value(name)) {
            Some(Value::Input(index)) => Below::Input(*index),
            Some(Value::Hidden(Hidden { layer, axes, .. })) if axes[..] == [steps[0], steps[1], Axis::Width] => {
                Below::Layer(*layer)
            }
            _ => return Err("an RNN that reads neither an input nor the hidden states of another one".into()),
        };
        if input(4).is_some_and(|name| !matches!(self.value(name), Some(Value::Input(_) | Value::Shape | Value::State)))
        {
            return Err("an RNN whose lengths are part of the model".into());
        }
        let is_zero = |name| match self.value(name) {
            Some(Value::State | Value::Input(_)) => true,
            Some(Value::Weights) => {
                self.tensors.get(name).is_ok_and(|state| state.iter().all(|&value| value == A::zero()))
            }
            _ => false,
        };
        if !input(5).is_none_or(is_zero) {
            return Err("an RNN whose initial state is part of the model".into());
        }
        let direction = match attribute(node, "direction").map_or(&b"forward"[..], Attribute::s) {
            b"forward" => Direction::Forward,
            b"reverse" => Direction::Reverse,
            b"bidirectional" => Direction::Both,
            _ => return Err("an RNN of no known direction".into()),
        };
        if attribute(node, "clip").is_some() {
            return Err("an RNN with clipping".into());
        }
        for place in 1..4 {
            if input(place).is_some_and(|name| !matches!(self.value(name), Some(Value::Weights))) {
                return Err("an RNN whose weights are computed".into());
            }
        }
        let (w, r) = input(1).zip(input(2)).ok_or("an RNN without weights")?;
        let rnn = Rnn::new(w, r, input(3).unwrap_or_default(), activation(node, direction)?);
        self.operators.push(Operator { rnn, direction });
        self.layers.push(Layer { below, operators: vec![self.operators.len() - 1] });

        let layer = self.layers.len() - 1;
        let (all, last) = if batch_first {
            (
                vec![Axis::Columns, Axis::Time, Axis::Direction, Axis::Units],
                vec![Axis::Columns, Axis::Direction, Axis::Units],
            )
        } else {
            (
                vec![Axis::Time, Axis::Direction, Axis::Columns, Axis::Units],
                vec![Axis::Direction, Axis::Columns, Axis::Units],
            )
        };
        let hidden = |axes, ends| Value::Hidden(Hidden { layer, axes, ends });
        Ok(vec![hidden(all, false), hidden(last, true)])
    }

    /// The number of directions of a layer.
    fn directions(&self, layer: usize) -> usize {
        let operators = &self.layers[layer].operators;
        let both = operators.iter().any(|&operator| self.operators[operator].direction == Direction::Both);
        operators.len() + usize::from(both)
    }

    /// The integers of a node's input, where they are constant.
    fn integers(&self, node: &Node, place: usize) -> Option<Vec<i64>> {
        match self.value(node.input.get(place)?)? {
            Value::Integers(integers) => Some(integers.clone()),
            _ => None,
        }
    }

    /// The states of a layer's one direction, without the axis of directions.
    fn without_direction(&self, hidden: &Hidden, axis: i64) -> Result<Hidden, String> {
        let axis = place(axis, hidden.axes.len()).filter(|&axis| hidden.axes[axis] == Axis::Direction);
        let axis = axis
            .filter(|_| self.directions(hidden.layer) == 1)
            .ok_or("a Squeeze of another axis than one direction")?;
        Ok(hidden.without_direction(axis))
    }

    /// The states at the last step, or of the only direction.
    fn picked(&self, hidden: &Hidden, node: &Node, index: &[i64]) -> Result<Hidden, String> {
        let axis = attribute(node, "axis").map_or(0, Attribute::i);
        let axis = place(axis, hidden.axes.len()).ok_or("a Gather of an axis that does not exist")?;
        match (hidden.axes[axis], index) {
            (Axis::Time, [-1]) => {
                let mut hidden = hidden.clone();
                hidden.axes.remove(axis);
                Ok(hidden)
            }
            (Axis::Direction, [0 | -1]) => self.without_direction(hidden, axis.try_into().unwrap_or(i64::MAX)),
            _ => Err("a Gather of other values than the last step".into()),
        }
    }

    /// The inputs of a node, where all of them are hidden states.
    fn all_hidden(&self, node: &Node) -> Option<Vec<Hidden>> {
        let hidden = |name: &String| match self.value(name) {
            Some(Value::Hidden(hidden)) => Some(hidden.clone()),
            _ => None,
        };
        node.input.iter().map(hidden).collect()
    }

    /// Two directions side by side, or the last states of several layers.
    fn concat(&mut self, node: &Node, all: &[Hidden]) -> Result<Value, String> {
        let [first, .., last] = all else { return Err("a Concat of less than two values".into()) };
        let axis = attribute(node, "axis").map_or(0, Attribute::i);
        let axis = place(axis, first.axes.len()).ok_or("a Concat of an axis that does not exist")?;
        if all.iter().any(|hidden| hidden.axes != first.axes || hidden.ends != first.ends) {
            return Err("a Concat of hidden states with different axes".into());
        }
        if first.axes[axis] == Axis::Direction && first.ends {
            return Ok(Value::LastStates(last.clone()));
        }
        let operator = |hidden: &Hidden| match self.layers[hidden.layer].operators[..] {
            [operator] => Some((operator, self.operators[operator].direction)),
            _ => None,
        };
        match (first.axes[axis], all) {
            (Axis::Width, [forward, reverse])
                if self.layers[forward.layer].below == self.layers[reverse.layer].below =>
            {
                let (Some((forward, Direction::Forward)), Some((reverse, Direction::Reverse))) =
                    (operator(forward), operator(reverse))
                else {
                    return Err("a Concat of other layers than a forward and a reverse one".into());
                };
                let below = self.layers[first.layer].below;
                self.layers.push(Layer { below, operators: vec![forward, reverse] });
                Ok(Value::Hidden(Hidden { layer: self.layers.len() - 1, ..first.clone() }))
            }
            _ => Err("a Concat of other values than two directions of one layer".into()),
        }
    }

    /// The head's product.
    fn head(&self, node: &Node, hidden: &Hidden, gemm: bool) -> Result<Value, String> {
        let input = |place: usize| node.input.get(place).filter(|name| !name.is_empty());
        let is_weights = |name: &&String| matches!(self.value(name), Some(Value::Weights));
        let weights = input(1).filter(is_weights).ok_or("a product with computed weights")?.clone();
        if hidden.axes.last() != Some(&Axis::Width) || gemm && hidden.axes.len() != 2 {
            return Err("a product that does not read the outputs of a layer".into());
        }
        if hidden.ends && self.directions(hidden.layer) > 1 {
            return Err("an output layer on the last states of both directions, which are at different steps".into());
        }
        let setting = |name| attribute(node, name);
        let one = |name| setting(name).is_none_or(|setting| setting.f().to_bits() == 1_f32.to_bits());
        if gemm && !(one("alpha") && one("beta") && setting("transA").is_none_or(|setting| setting.i() == 0)) {
            return Err("a Gemm with alpha, beta or transA".into());
        }
        let bias = match input(2).filter(|_| gemm) {
            Some(name) => Some(Some(name).filter(is_weights).ok_or("a Gemm with a computed bias")?.clone()),
            None => None,
        };
        let transposed = gemm && setting("transB").is_some_and(|setting| setting.i() != 0);
        Ok(Value::Logits(hidden.clone(), Dense { weights, bias, transposed }))
    }

    /// The network of the graph's outputs: all of them belong to the same one.
    fn stack(&self, graph: &Graph) -> Result<Stack<Rnn>, Error> {
        let (mut head, mut highest) = (None, None);
        let mut results = Vec::with_capacity(graph.output.len());
        for output in &graph.output {
            let name = output.name();
            let layer = match self.value(name) {
                Some(Value::Logits(hidden, own) | Value::Output(hidden, own)) => {
                    if *head.get_or_insert((hidden.layer, own)) != (hidden.layer, own) {
                        return Err(refused(name, "a second output layer"));
                    }
                    hidden.layer
                }
                Some(Value::Hidden(hidden) | Value::LastStates(hidden)) => hidden.layer,
                Some(Value::Unknown(what)) => return Err(refused(name, what)),
                Some(_) => return Err(refused(name, "no result of a layer")),
                None => return Err(refused(name, "no value: no node computes it")),
            };
            highest = highest.max(Some(layer));
            results.push((name, layer));
        }
        let top = head.map(|(layer, _)| layer).or(highest).ok_or_else(|| refused("the graph", "no output"))?;
        let head = head.map(|(_, head)| head);
        let mut layers = vec![top];
        while let Below::Layer(below) = self.layers[layers[layers.len() - 1]].below {
            layers.push(below);
        }
        let operators: HashSet<_> = layers.iter().flat_map(|&layer| &self.layers[layer].operators).collect();
        let belongs = |layer: usize| self.layers[layer].operators.iter().all(|operator| operators.contains(operator));
        if let Some((name, _)) = results.iter().find(|(_, layer)| !belongs(*layer)) {
            return Err(refused(name, "a result of a layer that is not below the others"));
        }
        layers.reverse();
        let mut stack = Stack::new();
        for layer in layers {
            let head = head.filter(|_| layer == top);
            let rnn = |operator: usize| match head {
                Some(Dense { weights, bias, transposed }) => {
                    let bias = bias.as_deref().unwrap_or_default();
                    self.operators[operator].rnn.clone().with_gemm(weights, bias, *transposed)
                }
                None => self.operators[operator].rnn.clone(),
            };
            stack = match self.layers[layer].operators[..] {
                [operator] => match self.operators[operator].direction {
                    Direction::Forward => stack.layer(rnn(operator)),
                    Direction::Both => {
                        let [forward, reverse] = rnn(operator).directions();
                        stack.bidirectional(forward, reverse)
                    }
                    Direction::Reverse => {
                        return Err(refused("direction", "a layer of the reverse direction alone"));
                    }
                },
                [forward, reverse, ..] => stack.bidirectional(rnn(forward), rnn(reverse)),
                [] => stack,
            };
        }
        Ok(stack)
    }
}

/// An Add: the logits with their bias.
fn bias(node: &Node, inputs: &[Option<&Value>]) -> Result<Value, String> {
    let (logits, bias) = match (inputs, &node.input[..]) {
        ([Some(Value::Logits(hidden, head)), Some(Value::Weights)], [_, bias])
        | ([Some(Value::Weights), Some(Value::Logits(hidden, head))], [bias, _]) => ((hidden, head), bias),
        _ => return Err(described("Add")),
    };
    let (hidden, head) = (logits.0.clone(), logits.1.clone());
    if head.bias.is_some() {
        return Err("a second bias of an output layer".into());
    }
    Ok(Value::Logits(hidden, Dense { bias: Some(bias.clone()), ..head }))
}

/// The operator's nonlinearity, the same in both directions.
fn activation(node: &Node, direction: Direction) -> Result<Activation, String> {
    let directions = if direction == Direction::Both { 2 } else { 1 };
    let setting = |name| attribute(node, name);
    let stated = setting("activations").map_or(&[][..], |setting| &setting.strings[..]);
    let stated: Vec<String> = stated.iter().take(2).map(|name| String::from_utf8_lossy(name).to_lowercase()).collect();
    let first = stated.first().map_or("tanh", String::as_str);
    if stated.iter().any(|name| name != first) {
        return Err("an RNN with different units in each direction".into());
    }
    let activation = Activation::ALL.into_iter().find(|activation| names(*activation).contains(&first));
    let activation = activation.ok_or_else(|| format!("an RNN of {} units", crate::io::error::abridged(first)))?;
    if activation == Activation::Identity {
        let is = |name, value: f32| {
            let floats = setting(name).map_or(&[][..], |setting| &setting.floats[..]);
            floats.len() >= directions && floats.iter().all(|float| float.to_bits() == value.to_bits())
        };
        if !(is("activation_alpha", 1.0) && is("activation_beta", 0.0)) {
            return Err("an RNN of affine units other than the identity".into());
        }
    }
    Ok(activation)
}

fn attribute<'n>(node: &'n Node, name: &str) -> Option<&'n Attribute> {
    node.attribute.iter().find(|attribute| attribute.name() == name)
}

fn ints(node: &Node, name: &str) -> Option<Vec<i64>> {
    attribute(node, name).map(|attribute| attribute.ints.clone())
}

/// What an operator is, for an error.
fn described(operator: &str) -> String {
    match operator {
        "LSTM" => "an LSTM".into(),
        "GRU" => "a GRU".into(),
        other => format!("an operator {} where this crate has none", crate::io::error::abridged(other)),
    }
}

/// An error about a value of the graph.
fn refused(name: &str, what: &str) -> Error {
    let expected = "layers of the operator RNN, and a MatMul or Gemm with Softmax above them (torch exports the operator by \
                    `torch.onnx.export(…, dynamo=False)`)";
    network(&crate::io::error::abridged(name), what, expected)
}
