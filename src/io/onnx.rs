//! ONNX: the `RNN` operator, and a `Gemm` or `MatMul` behind it, by the names of their initialisers.
//!
//! | input | shape | here |
//! |---|---|---|
//! | `W` of `RNN` | (1, `n_a`, `n_x`) | `wax` |
//! | `R` of `RNN` | (1, `n_a`, `n_a`) | `waa` |
//! | `B` of `RNN` | (1, 2·`n_a`) | `ba`, the sum of both halves in the element type |
//! | `B` of `Gemm` or `MatMul` | (`n_a`, `n_y`), or (`n_y`, `n_a`) where `transB` is 1 | `wya` |
//! | `C` of `Gemm` | (`n_y`) | `by` |
//!
//! `to_tensors` writes `ba` to the first half of `B` and zeros to the second; `from_tensors` returns the same bits. A `Gemm`'s `alpha` and
//! `beta` must be 1. On ONNX's side,
//!
//! ```python
//! np.savez(path, **{t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer})
//! ```
//!
//! `B` of `RNN` and `C` of `Gemm` are optional. Name them `""`, as ONNX does, or say [`without_bias`](Rnn::without_bias) and
//! [`without_head_bias`](Rnn::without_head_bias): `ba` and `by` are then zero. Otherwise a missing bias is an error.
//!
//! The weights do not show the operator's attributes, so the [`Activation`] is an argument; the others are
//! [`with_direction`](Rnn::with_direction) and the like. Where the file's metadata has a key `activations`, `direction`,
//! `clip` or `layout`, another operator is an error. An operator whose direction is `reverse` has the same weights: leave
//! its direction out, and read the sequence by [`Input::reversed`](crate::sequence::Input::reversed). Leave out `layout`,
//! too, which only says how the sequences lie.
//!
//! Source: the ONNX operator specification, `RNN` (versions 14 and 22) and `Gemm`.

use ndarray::{Array1, Axis, concatenate};

use super::layers::{
    Axes, Bias, Dense, Head, Recurrent, assemble, check_activation, check_stated, insert_new, network, stated, sum,
};
use super::tensors::{abridged, wrong_shape};
use super::{Error, Tensors};
use crate::{Activation, Parameters, Scalar};

/// The `RNN` operator of one direction, and a `Gemm` or `MatMul` on its hidden states.
///
/// # Examples
///
/// ```
/// use elman::io::onnx::Rnn;
/// use elman::{Activation, Dims, Parameters};
///
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 7, n_y: 5 });
/// let rnn = Rnn::new("W", "R", "B", Activation::Tanh).with_gemm("head.weight", "head.bias", true);
/// let tensors = rnn.to_tensors(&p)?;
/// assert_eq!(tensors.get("B")?.shape(), [1, 14]);
/// assert_eq!(tensors.get("head.weight")?.shape(), [5, 7]);
/// assert_eq!(rnn.from_tensors(&tensors)?, p);
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rnn {
    w: String,
    r: String,
    b: Bias,
    head: Head,
    activation: Activation,
    direction: Option<String>,
    clip: Option<String>,
    layout: Option<String>,
}

impl Rnn {
    /// The operator by the names of its inputs, and the first of its `activations`; a second one belongs to the other
    /// direction. Where `b` is `""`, as ONNX writes an input that is left out, the operator has no bias.
    #[must_use]
    pub fn new(w: &str, r: &str, b: &str, activation: Activation) -> Self {
        let ([w, r], b, head) = ([w, r].map(Into::into), optional(b), Head::default());
        Rnn { w, r, b, head, activation, direction: None, clip: None, layout: None }
    }

    /// The operator has no bias: `ba` is zero. A tensor with the bias's name is refused.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.b.remove();
        self
    }

    /// A `Gemm` is the output layer: the names of its inputs `B` and `C`, and whether its `transB` is 1. Where `c` is `""`,
    /// it has no bias. A `MatMul` and an `Add` are a `Gemm` with `trans_b` false. Without a `Gemm`, `n_y` is 0.
    #[must_use]
    pub fn with_gemm(mut self, b: &str, c: &str, trans_b: bool) -> Self {
        let axes = if trans_b { Axes::OutIn } else { Axes::InOut };
        self.head.set(Dense { weights: b.into(), bias: optional(c), axes });
        self
    }

    /// The `Gemm` has no bias: `by` is zero. A tensor with the bias's name is refused.
    #[must_use]
    pub fn without_head_bias(mut self) -> Self {
        self.head.remove_bias();
        self
    }

    /// The attribute `direction`. Whatever is not `"forward"` is refused when the network is read or written.
    #[must_use]
    pub fn with_direction(mut self, direction: &str) -> Self {
        self.direction = Some(direction.into());
        self
    }

    /// The attribute `clip`. Any value is refused when the network is read or written.
    #[must_use]
    pub fn with_clip(mut self, clip: f32) -> Self {
        self.clip = Some(clip.to_string());
        self
    }

    /// The attribute `layout`. Whatever is not 0 is refused when the network is read or written.
    #[must_use]
    pub fn with_layout(mut self, layout: i64) -> Self {
        self.layout = Some(layout.to_string());
        self
    }

    /// The network that the tensors hold. Tensors of other names are ignored.
    ///
    /// # Errors
    /// - [`Error::Network`] where the file's metadata states another activation; where the operator is gated, bidirectional,
    ///   clipped, not forward, or of another layout; and where there is a bias that should not be there.
    /// - [`Error::Missing`] and [`Error::ElementType`] where a tensor is missing or has another element type.
    /// - [`Error::Shape`] where a tensor has not the shape above, or `n_a == 0` and the file declares more than 256 inputs,
    ///   or outputs that no bias confirms.
    pub fn from_tensors<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<Parameters<A>, Error> {
        check_activation(self.activation, tensors, "", "activations")?;
        self.check_attributes(tensors)?;
        for name in [&self.w, &self.r] {
            if let Some([2, _, _]) = tensors.shape(name) {
                return Err(network(name, "a bidirectional network", "one direction"));
            }
        }
        let matrices = self.weights().read(tensors)?;
        let ba = self.read_biases(tensors, matrices.1.nrows())?;
        assemble(tensors, matrices, &ba, &self.head, self.activation)
    }

    /// The weights of a network, `ba` in the first half of `B` and zeros in the second.
    ///
    /// # Errors
    /// - [`Error::Network`] where an attribute is one that [`from_tensors`](Self::from_tensors) refuses.
    /// - [`Error::DuplicateName`] where two arrays would have one name.
    /// - [`Error::Shape`] where `n_y != 0` and there is no `Gemm`, where a bias is not zero and its layer has none, or where
    ///   [`from_tensors`](Self::from_tensors) would refuse the shape.
    pub fn to_tensors<A: Scalar>(&self, parameters: &Parameters<A>) -> Result<Tensors<A>, Error> {
        let mut tensors = Tensors::new();
        self.check_attributes(&tensors)?;
        self.weights().write(parameters, &mut tensors)?;
        if let Some(name) = self.b.find(&tensors)? {
            let zeros = Array1::zeros(parameters.dims().n_a);
            let halves = concatenate(Axis(0), &[parameters.ba(), zeros.view()]).expect("vectors always fit");
            insert_new(&mut tensors, name, halves.insert_axis(Axis(0)))?;
        } else {
            self.b.write("ba", &parameters.ba(), &mut tensors)?;
        }
        self.head.write(parameters, &mut tensors)?;
        Ok(tensors)
    }

    /// The sum of both halves, or zeros where the operator has no `B`.
    fn read_biases<A: Scalar>(&self, tensors: &Tensors<A>, n_a: usize) -> Result<Array1<A>, Error> {
        let Some(name) = self.b.find(tensors)? else {
            return Ok(Array1::zeros(n_a));
        };
        let expected = format!("[1, {}]", 2 * n_a);
        let both = tensors.matrix(name, &expected)?;
        if both.dim() != (1, 2 * n_a) {
            return Err(wrong_shape(name, expected, both.shape()));
        }
        let (first, second) = both.index_axis_move(Axis(0), 0).split_at(Axis(0), n_a);
        Ok(sum(&first, &second))
    }

    fn check_attributes<A>(&self, tensors: &Tensors<A>) -> Result<(), Error> {
        let direction = stated(self.direction.as_deref(), tensors, "", "direction");
        check_stated(direction, "forward", |value| format!("a network of direction {value}"), "a forward one")?;
        let layout = stated(self.layout.as_deref(), tensors, "", "layout");
        check_stated(layout, "0", |value| format!("a network of layout {value}"), "layout 0, steps first")?;
        match stated(self.clip.as_deref(), tensors, "", "clip") {
            Some((key, value)) => {
                Err(network(&key, format!("a network clipped at {}", abridged(value)), "one without clipping"))
            }
            None => Ok(()),
        }
    }

    fn weights(&self) -> Recurrent {
        Recurrent {
            kernel: self.w.clone(),
            feedback: self.r.clone(),
            axes: Axes::OneOutIn,
            activation: self.activation,
        }
    }
}

/// A bias by its name, which is `""` where it is left out.
fn optional(name: &str) -> Bias {
    if name.is_empty() { Bias::none() } else { Bias::named(name.into()) }
}
