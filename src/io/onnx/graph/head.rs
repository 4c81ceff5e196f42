//! The head: a product, and its bias.

use super::{Reader, Value, described};
use crate::Scalar;
use crate::io::onnx::attributes::{float, int};
use crate::io::onnx::hidden::{Axis, Hidden};
use crate::io::onnx::proto::Node;

/// The weights of the head, by name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Dense<'g> {
    pub(super) weights: &'g str,
    pub(super) bias: Option<&'g str>,
    pub(super) transposed: bool,
}

impl<'g, A: Scalar> Reader<'g, A> {
    /// The head's product.
    pub(super) fn head(&self, node: &Node, hidden: &Hidden, gemm: bool) -> Result<Value<'g>, String> {
        let weights = self.weights(node, 1).ok_or("a product with other weights than an initialiser")?;
        if hidden.axes.last() != Some(&Axis::Width) || gemm && hidden.axes.len() != 2 {
            return Err("a product that does not read the outputs of a layer".into());
        }
        if hidden.ends && self.directions(hidden.layer) > 1 {
            return Err("an output layer on the last states of both directions, which are at different steps".into());
        }
        if !gemm {
            return Ok(Value::Logits(hidden.clone(), Dense { weights, bias: None, transposed: false }));
        }
        let is_one = |factor: Option<f32>| factor.is_none_or(|factor| factor.to_bits() == 1_f32.to_bits());
        if !(is_one(float(node, "alpha")?) && is_one(float(node, "beta")?) && int(node, "transA")?.unwrap_or(0) == 0) {
            return Err("a Gemm with alpha, beta or transA".into());
        }
        let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
            Some(_) => Some(self.weights(node, 2).ok_or("a Gemm with another bias than an initialiser")?),
            None => None,
        };
        let transposed = int(node, "transB")?.unwrap_or(0) != 0;
        Ok(Value::Logits(hidden.clone(), Dense { weights, bias, transposed }))
    }

    /// An Add: the logits with their bias.
    pub(super) fn bias(&self, node: &Node) -> Result<Value<'g>, String> {
        let (hidden, head, bias) = match [self.input(node, 0), self.input(node, 1)] {
            [Some(Value::Logits(hidden, head)), Some(Value::Weights(bias))]
            | [Some(Value::Weights(bias)), Some(Value::Logits(hidden, head))] => (hidden, *head, *bias),
            _ => return Err(described("Add")),
        };
        if head.bias.is_some() || hidden.axes.last() != Some(&Axis::Width) {
            return Err("an Add that is not the bias of an output layer".into());
        }
        Ok(Value::Logits(hidden.clone(), Dense { bias: Some(bias), ..head }))
    }
}
