//! ONNX: whole models (feature `onnx`), or the `RNN` operator and a `Gemm` or `MatMul` after it, by the names of their
//! initialisers.
//!
//! `load` and `save` read and write `.onnx` files. The rest of this page is for weights without their graph.
//!
//! | input | shape | here |
//! |---|---|---|
//! | `W` of `RNN` | (1, `n_a`, `n_x`) | `wax` |
//! | `R` of `RNN` | (1, `n_a`, `n_a`) | `waa` |
//! | `B` of `RNN` | (1, 2·`n_a`) | `ba`, the sum of both halves in the element type |
//! | `B` of `Gemm` or `MatMul` | (`n_a`, `n_y`), or (`n_y`, `n_a`) where `transB` is 1 | `wya` |
//! | `C` of `Gemm` | (`n_y`) | `by` |
//!
//! `to_tensors` writes `ba` to the first half of `B` and zeros to the second. A round trip through `to_tensors` and
//! `from_tensors` is bit-identical. A `Gemm`'s `alpha` and `beta` must be 1. On ONNX's side, save with:
//!
//! ```python
//! np.savez(path, **{t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer})
//! ```
//!
//! `B` of `RNN` and `C` of `Gemm` are optional. Where one is absent, name it `""`, as ONNX does, or call
//! [`without_bias`](Rnn::without_bias) or [`without_head_bias`](Rnn::without_head_bias). `ba` or `by` is then zero.
//! Otherwise a missing bias is an error.
//!
//! The weights do not show the operator's attributes, so the [`Activation`] is an argument. Set the others by
//! [`with_direction`](Rnn::with_direction), [`with_clip`](Rnn::with_clip) and [`with_layout`](Rnn::with_layout). Where the
//! file's metadata has a key `activations`, `direction`, `clip` or `layout`, another operator is an error. A key holds for
//! every operator in the file, and `activations` is one name.
//!
//! An operator whose direction is `bidirectional` has 2 in the place of 1: [`directions`](Rnn::directions). One whose
//! direction is `reverse` has the same weights as a forward one: do not set its direction, and read the sequence by
//! [`Input::reversed`](crate::sequence::Input::reversed). Do not set `layout` either: it only gives the order of a
//! sequence's axes.
//!
//! Source: the ONNX operator specification, `RNN` (versions 14 and 22) and `Gemm`.

#[cfg(feature = "onnx")]
mod attributes;
#[cfg(feature = "onnx")]
mod graph;
#[cfg(feature = "onnx")]
mod hidden;
#[cfg(feature = "onnx")]
mod model;
#[cfg(feature = "onnx")]
mod proto;
#[cfg(feature = "onnx")]
mod tensor;

#[cfg(feature = "onnx")]
pub use model::{from_bytes, load, save, to_bytes};

use ndarray::{Array1, ArrayD, Axis, concatenate};

use crate::io::error::abridged;
use crate::io::layers::{
    Axes, Bias, Dense, Head, Recurrent, check_activation, check_stated, insert_new, network, stated, sum,
};
use crate::io::networks::{Recurrence, RecurrentLayer, read_network, write_network};
use crate::io::tensors::wrong_shape;
use crate::io::{Error, Tensors};
use crate::{Activation, Parameters, Scalar};

/// The name of the format in messages.
#[cfg(feature = "onnx")]
const FORMAT: &str = "ONNX";

#[cfg(feature = "onnx")]
fn invalid(reason: impl Into<String>) -> Error {
    Error::Format { format: FORMAT, reason: reason.into() }
}

/// An error about a value of the graph.
#[cfg(feature = "onnx")]
fn refused(name: &str, what: &str) -> Error {
    let expected = "layers of the operator RNN, and a MatMul or Gemm with Softmax above them (torch exports the operator by \
                    `torch.onnx.export(…, dynamo=False)`)";
    network(&abridged(name), what, expected)
}

/// The `RNN` operator, and a `Gemm` or `MatMul` on its hidden states. An operator of two directions is two of this type:
/// [`directions`](Rnn::directions).
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
    /// The index along the axis of directions; `None` where the operator has one direction.
    half: Option<usize>,
}

impl Rnn {
    /// Describes the operator by the names of its inputs.
    ///
    /// - `w`, `r`: the weights
    /// - `b`: the bias; `""`, ONNX's name of an omitted input, means no bias
    /// - `activation`: its `activations`; where it has two directions, both must have the same
    #[must_use]
    pub fn new(w: &str, r: &str, b: &str, activation: Activation) -> Self {
        let ([w, r], b, head) = ([w, r].map(Into::into), optional(b), Head::default());
        Rnn { w, r, b, head, activation, direction: None, clip: None, layout: None, half: None }
    }

    /// States that the operator has no bias: `ba` is zero. A tensor with the bias's name is refused.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.b.remove();
        self
    }

    /// Adds the output layer, a `Gemm`. Without one, `n_y` is 0.
    ///
    /// - `b`, `c`: the names of its inputs `B` and `C`; where `c` is `""`, it has no bias
    /// - `trans_b`: whether its `transB` is 1; false for a `MatMul` and an `Add`
    #[must_use]
    pub fn with_gemm(mut self, b: &str, c: &str, trans_b: bool) -> Self {
        let axes = if trans_b { Axes::OutIn } else { Axes::InOut };
        self.head.set(Dense { weights: b.into(), bias: optional(c), axes });
        self
    }

    /// States that the `Gemm` has no bias: `by` is zero. A tensor with the bias's name is refused.
    #[must_use]
    pub fn without_head_bias(mut self) -> Self {
        self.head.remove_bias();
        self
    }

    /// The two directions of an operator whose `direction` is `bidirectional`, the forward one first. Give both, in this
    /// order, to [`Stack::bidirectional`](crate::io::Stack::bidirectional). `W`, `R` and `B` have
    /// 2 along the first axis. The `Gemm` reads the hidden states of both directions, side by side.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::io::{Stack, onnx::Rnn};
    /// use elman::stack::{self, Architecture, Layer};
    /// use elman::Activation;
    ///
    /// let rnn = Rnn::new("W", "R", "B", Activation::Tanh).with_gemm("head.weight", "head.bias", true);
    /// let [forward, reverse] = rnn.directions();
    /// let model = Stack::new().bidirectional(forward, reverse);
    /// let p = stack::Parameters::<f32>::zeros(Architecture::new(3, [Layer::new(7).bidirectional()], 5));
    /// let tensors = model.to_tensors(&p)?;
    /// assert_eq!(tensors.get("W")?.shape(), [2, 7, 3]);
    /// assert_eq!(model.from_tensors(&tensors)?, p);
    /// # Ok::<(), elman::io::Error>(())
    /// ```
    #[must_use]
    pub fn directions(self) -> [Self; 2] {
        [0, 1].map(|half| Rnn { half: Some(half), ..self.clone() })
    }

    /// Sets the attribute `direction`. Any value but `"forward"`, or `"bidirectional"` for the two
    /// [`directions`](Self::directions), is refused when the network is read or written.
    #[must_use]
    pub fn with_direction(mut self, direction: &str) -> Self {
        self.direction = Some(direction.into());
        self
    }

    /// Sets the attribute `clip`. Any value is refused when the network is read or written.
    #[must_use]
    pub fn with_clip(mut self, clip: f32) -> Self {
        self.clip = Some(clip.to_string());
        self
    }

    /// Sets the attribute `layout`. Any value but 0 is refused when the network is read or written.
    #[must_use]
    pub fn with_layout(mut self, layout: i64) -> Self {
        self.layout = Some(layout.to_string());
        self
    }

    /// Converts tensors to a network. Tensors of other names are ignored.
    ///
    /// # Errors
    /// - [`Error::Network`] where the file's metadata states another activation; where the operator is gated, bidirectional,
    ///   clipped, not forward, or of another layout; and where there is an unexpected bias.
    /// - [`Error::Missing`] and [`Error::ElementType`] where a tensor is missing or has another element type.
    /// - [`Error::Shape`] where a tensor does not have the shape above, or `n_a == 0` and the file declares more than 256
    ///   inputs, or outputs that no bias confirms.
    pub fn from_tensors<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<Parameters<A>, Error> {
        read_network(self, tensors)
    }

    /// Converts a network to tensors. `ba` is the first half of `B`, the second half is zero.
    ///
    /// # Errors
    /// - [`Error::Network`] where [`from_tensors`](Self::from_tensors) would refuse an attribute, and where a bias is not zero
    ///   and its layer has none.
    /// - [`Error::DuplicateName`] where two arrays would have the same name.
    /// - [`Error::Shape`] where `n_y != 0` and there is no `Gemm`, or where [`from_tensors`](Self::from_tensors) would refuse
    ///   the shape.
    pub fn to_tensors<A: Scalar>(&self, parameters: &Parameters<A>) -> Result<Tensors<A>, Error> {
        write_network(self, parameters)
    }

    /// Returns the sum of both halves, or zeros where the operator has no `B`.
    fn read_biases<A: Scalar>(&self, tensors: &Tensors<A>, n_a: usize) -> Result<Array1<A>, Error> {
        let Some(name) = self.b.find(tensors)? else {
            return Ok(Array1::zeros(n_a));
        };
        let expected = format!("[{}, {}]", self.count(), 2 * n_a);
        let both = tensors.matrix(name, &expected)?;
        if both.dim() != (self.count(), 2 * n_a) {
            return Err(wrong_shape(name, expected, both.shape()));
        }
        let (first, second) = both.index_axis_move(Axis(0), self.index()).split_at(Axis(0), n_a);
        Ok(sum(&first, &second))
    }

    fn check_attributes<A>(&self, tensors: &Tensors<A>) -> Result<(), Error> {
        let direction = stated(self.direction.as_deref(), tensors, "", "direction");
        let (name, expected) =
            if self.half.is_some() { ("bidirectional", "a bidirectional one") } else { ("forward", "a forward one") };
        check_stated(direction, name, |value| format!("a network of direction {value}"), expected)?;
        let layout = stated(self.layout.as_deref(), tensors, "", "layout");
        check_stated(layout, "0", |value| format!("a network of layout {value}"), "layout 0, steps first")?;
        match stated(self.clip.as_deref(), tensors, "", "clip") {
            Some((key, value)) => {
                Err(network(&key, format!("a network clipped at {}", abridged(value)), "one without clipping"))
            }
            None => Ok(()),
        }
    }

    /// The number of directions of the operator.
    fn count(&self) -> usize {
        if self.half.is_some() { 2 } else { 1 }
    }

    /// The place of this direction in the operator.
    fn index(&self) -> usize {
        self.half.unwrap_or(0)
    }

    fn weights(&self) -> Recurrent {
        Recurrent {
            kernel: self.w.clone(),
            feedback: self.r.clone(),
            axes: Axes::Direction { index: self.index(), count: self.count() },
            activation: self.activation,
        }
    }

    /// Writes the tensors of an operator of one direction.
    fn write_one<A: Scalar>(&self, p: &Parameters<A>, tensors: &mut Tensors<A>, below: usize) -> Result<(), Error> {
        self.weights().write(p, tensors, below)?;
        let Some(name) = self.b.find(tensors)? else {
            return self.b.write("ba", &p.ba(), tensors);
        };
        let zeros = Array1::zeros(p.dims().n_a);
        let halves = concatenate(Axis(0), &[p.ba(), zeros.view()]).expect("vectors always fit");
        insert_new(tensors, name, halves.insert_axis(Axis(0)))
    }
}

impl RecurrentLayer for Rnn {
    fn read<A: Scalar>(&self, tensors: &Tensors<A>, below: usize) -> Result<Recurrence<A>, Error> {
        check_activation(self.activation, tensors, "", "activations")?;
        self.check_attributes(tensors)?;
        for name in [&self.w, &self.r] {
            if let (None, Some([2, _, _])) = (self.half, tensors.shape(name)) {
                let expected = "one direction: read it with `directions` and `io::Stack::bidirectional`";
                return Err(network(name, "a bidirectional network", expected));
            }
        }
        let matrices = self.weights().read(tensors, below)?;
        let ba = self.read_biases(tensors, matrices.1.nrows())?;
        Ok(Recurrence::new(matrices, ba))
    }

    fn write<A: Scalar>(&self, p: &Parameters<A>, tensors: &mut Tensors<A>, below: usize) -> Result<(), Error> {
        self.check_attributes(tensors)?;
        match self.half {
            None => self.write_one(p, tensors, below),
            Some(half) => {
                let mut one = Tensors::new();
                self.write_one(p, &mut one, below)?;
                write_half(half, one, tensors)
            }
        }
    }

    fn check_place(&self, index: usize, count: usize) -> Result<(), Error> {
        if self.half.is_none() || (self.index(), self.count()) == (index, count) {
            return Ok(());
        }
        let found = ["the forward direction of an operator of two", "the reverse direction of an operator of two"];
        Err(network(&self.w, found[self.index()], "both in this order: `io::Stack::bidirectional(forward, reverse)`"))
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn activation(&self) -> Activation {
        self.activation
    }
}

/// Writes the tensors of an operator of one direction into those of an operator of two. The forward direction makes
/// them, with zeros for the other direction, which must come next.
fn write_half<A: Scalar>(half: usize, one: Tensors<A>, tensors: &mut Tensors<A>) -> Result<(), Error> {
    for (name, array) in one {
        let mut shape = array.shape().to_vec();
        shape[0] = 2;
        if half == 0 {
            insert_new(tensors, &name, ArrayD::zeros(shape))?;
        } else if tensors.get(&name)?.shape() != shape {
            return Err(Error::DuplicateName { tensor: name });
        }
        let mut both = tensors.get(&name)?.to_owned();
        both.index_axis_mut(Axis(0), half).assign(&array.index_axis(Axis(0), 0));
        tensors.insert(name, both);
    }
    Ok(())
}

/// A bias by its name. `""` means no bias.
fn optional(name: &str) -> Bias {
    if name.is_empty() { Bias::none() } else { Bias::named(name.into()) }
}
