//! The network that a graph's outputs belong to.

use std::collections::HashSet;

use super::{Below, Dense, Direction, Layer, Operator, Reader, Value};
use crate::Scalar;
use crate::io::onnx::proto::Graph;
use crate::io::onnx::{Rnn, refused};
use crate::io::{Error, Stack};

/// The elements of a network, at most, for each element of the file: layers may share weights.
const MOST_SHARED: usize = 16;

impl<A: Scalar> Reader<'_, A> {
    /// The network of the graph's outputs: all of them belong to the same one.
    pub(super) fn stack(&self, graph: &Graph) -> Result<Stack<Rnn>, Error> {
        let (mut head, mut highest) = (None, None);
        let mut results: Vec<(&str, usize)> = Vec::new();
        for output in &graph.output {
            let name = output.name();
            let layer = match self.value(name) {
                Some(Value::Logits(hidden, own) | Value::Output(hidden, own)) => {
                    if *head.get_or_insert((hidden.layer, *own)) != (hidden.layer, *own) {
                        return Err(refused(name, "a second output layer"));
                    }
                    hidden.layer
                }
                Some(Value::Hidden(hidden)) => hidden.layer,
                Some(Value::LastStates(states)) => {
                    if states.windows(2).any(|pair| pair[0].layer >= pair[1].layer) {
                        return Err(refused(name, "the last states of layers in another order"));
                    }
                    results.extend(states.iter().map(|hidden| (name, hidden.layer)));
                    states.last().map_or(0, |hidden| hidden.layer)
                }
                Some(Value::Unknown(what)) => return Err(refused(name, what)),
                Some(_) => return Err(refused(name, "a value that is not computed from hidden states")),
                None => return Err(refused(name, "no value: no node computes it")),
            };
            highest = highest.max(Some(layer));
            results.push((name, layer));
        }
        let top = head.map(|(layer, _)| layer).or(highest).ok_or_else(|| refused("the graph", "no output"))?;
        let mut path = vec![top];
        let input = loop {
            match self.layers[path[path.len() - 1]].below {
                Below::Layer(below) => path.push(below),
                Below::Input(input, _) => break input,
            }
        };
        let operators_of =
            |layer: usize| [Some(self.layers[layer].forward), self.layers[layer].reverse].into_iter().flatten();
        let operators: HashSet<usize> = path.iter().flat_map(|&layer| operators_of(layer)).collect();
        let belongs = |layer: usize| operators_of(layer).all(|operator| operators.contains(&operator));
        if let Some((name, _)) = results.iter().find(|(_, layer)| !belongs(*layer)) {
            return Err(refused(name, "a result of a layer that is not below the others"));
        }
        if operators.iter().any(|&operator| self.operators[operator].state == Some(input)) {
            return Err(refused("the graph", "an initial state that is a part of the sequence"));
        }
        self.check_size(operators.len(), path.iter().flat_map(|&layer| operators_of(layer)))?;
        path.reverse();
        path.into_iter().try_fold(Stack::new(), |stack, layer| {
            self.with_layer(stack, self.layers[layer], head.map(|(_, head)| head).filter(|_| layer == top))
        })
    }

    /// Refuses a network that is much larger than the file. `operators` are those of its layers.
    fn check_size(&self, count: usize, operators: impl Iterator<Item = usize>) -> Result<(), Error> {
        let size = |name: &str| self.tensors.get(name).map_or(0, |array| array.len());
        let network: usize = operators.flat_map(|operator| self.operators[operator].weights.map(size)).sum();
        let file: usize = self.tensors.arrays().map(|(_, array)| array.len()).sum();
        if network > MOST_SHARED.saturating_mul(file) {
            let what = format!("{count} layers of {network} shared weights, of which the file has {file}");
            return Err(refused("the graph", &what));
        }
        Ok(())
    }

    /// Adds a layer.
    fn with_layer(&self, stack: Stack<Rnn>, layer: Layer, head: Option<Dense>) -> Result<Stack<Rnn>, Error> {
        let rnn = |operator: usize| {
            let Operator { weights: [w, r, b], activation, .. } = self.operators[operator];
            let rnn = Rnn::new(w, r, b, activation);
            match head {
                Some(Dense { weights, bias, transposed }) => {
                    rnn.with_gemm(weights, bias.unwrap_or_default(), transposed)
                }
                None => rnn,
            }
        };
        let forward = rnn(layer.forward);
        match (layer.reverse, self.operators[layer.forward].direction) {
            (Some(reverse), _) => Ok(stack.bidirectional(forward, rnn(reverse))),
            (None, Direction::Forward) => Ok(stack.layer(forward)),
            (None, Direction::Both) => {
                let [forward, reverse] = forward.directions();
                Ok(stack.bidirectional(forward, reverse))
            }
            (None, Direction::Reverse) => Err(refused("direction", "a layer of the reverse direction alone")),
        }
    }
}
