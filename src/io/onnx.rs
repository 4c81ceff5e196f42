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
//! Written are `ba` and zero; what is written is read again bit by bit. A `Gemm`'s `alpha` and `beta` must be 1. On ONNX's side,
//!
//! ```python
//! np.savez(path, **{t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer})
//! ```
//!
//! What the operator's attributes say is not in its weights. Say it by [`with_activations`](Rnn::with_activations) and the
//! like, or in the file's metadata under the attributes' names: `activations`, `direction`, `clip`, `layout`. An operator
//! whose direction is `reverse` has the same weights: leave its direction away, and have
//! [`Input::reversed`](crate::sequence::Input::reversed) read the sequence. Likewise `layout`, which is how sequences lie.
//!
//! Source: the ONNX operator specification, `RNN` (versions 14 and 22) and `Gemm`.

use ndarray::{Array1, Axis, concatenate};

use super::layers::{
    Axes, Dense, Recurrent, assemble, check_stated, check_tanh, insert_new, network, stated, sum, write_bias,
    write_head,
};
use super::tensors::wrong_shape;
use super::{Error, Tensors};
use crate::{Parameters, Scalar};

/// The `RNN` operator of one direction, and a `Gemm` or `MatMul` on its hidden states.
///
/// ```
/// use elman::io::onnx::Rnn;
/// use elman::{Dims, Parameters};
///
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 7, n_y: 5 });
/// let rnn = Rnn::new("W", "R", "B").with_gemm("head.weight", "head.bias", true);
/// let tensors = rnn.write(&p)?;
/// assert_eq!(tensors.get("B")?.shape(), [1, 14]);
/// assert_eq!(tensors.get("head.weight")?.shape(), [5, 7]);
/// assert_eq!(rnn.read(&tensors)?, p);
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rnn {
    w: String,
    r: String,
    b: String,
    head: Option<Dense>,
    activations: Option<String>,
    direction: Option<String>,
    clip: Option<String>,
    layout: Option<String>,
}

impl Rnn {
    /// The operator's inputs by name. `B` may be `""`, as in ONNX: there is none, and `ba` is zero.
    #[must_use]
    pub fn new(w: &str, r: &str, b: &str) -> Self {
        let [w, r, b] = [w, r, b].map(Into::into);
        Rnn { w, r, b, head: None, activations: None, direction: None, clip: None, layout: None }
    }

    /// A `Gemm` is the output layer: its inputs `B` and `C` by name, and whether its `transB` is 1. `C` may be `""`.
    /// A `MatMul` and an `Add` are one, with `trans_b` false. Without one, `n_y` is 0.
    #[must_use]
    pub fn with_gemm(mut self, b: &str, c: &str, trans_b: bool) -> Self {
        let axes = if trans_b { Axes::OutIn } else { Axes::InOut };
        self.head = Some(Dense { weights: b.into(), bias: c.into(), axes });
        self
    }

    /// What the attribute `activations` says. Whatever does not begin with `"Tanh"` will be refused; a second one is for the
    /// other direction.
    #[must_use]
    pub fn with_activations(mut self, activations: &[&str]) -> Self {
        self.activations = activations.first().map(|first| (*first).into());
        self
    }

    /// What the attribute `direction` says. Whatever is not `"forward"` will be refused.
    #[must_use]
    pub fn with_direction(mut self, direction: &str) -> Self {
        self.direction = Some(direction.into());
        self
    }

    /// The attribute `clip`, where the operator has it: it will be refused.
    #[must_use]
    pub fn with_clip(mut self, clip: f32) -> Self {
        self.clip = Some(clip.to_string());
        self
    }

    /// What the attribute `layout` says. Whatever is not 0 will be refused.
    #[must_use]
    pub fn with_layout(mut self, layout: i64) -> Self {
        self.layout = Some(layout.to_string());
        self
    }

    /// The network that the tensors hold; those of other names are ignored.
    ///
    /// # Errors
    /// [`Error::Network`] where it is gated, bidirectional, not of tanh units, clipped, not forward, or of another layout;
    /// [`Error::Missing`], [`Error::ElementType`] and [`Error::Shape`] where a tensor is not there, or not as above.
    pub fn read<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<Parameters<A>, Error> {
        self.check(tensors)?;
        for name in [&self.w, &self.r] {
            if let Some([2, _, _]) = tensors.shape(name) {
                return Err(network(name, "a bidirectional network", "of one direction"));
            }
        }
        let matrices = self.weights().read(tensors)?;
        let ba = self.biases(tensors, matrices.1.nrows())?;
        if let Some(Dense { bias, .. }) = &self.head
            && !bias.is_empty()
        {
            tensors.get(bias)?;
        }
        assemble(tensors, matrices, &ba, self.head.as_ref())
    }

    /// The weights of a network, `ba` in the first half of `B` and zero in the second.
    ///
    /// # Errors
    /// [`Error::Twice`] where two arrays would have one name; [`Error::Shape`] where there is no name for a bias that
    /// is not zero, or `n_y != 0` and there is no `Gemm`; [`Error::Network`] where this operator is not as an Elman
    /// network.
    pub fn write<A: Scalar>(&self, parameters: &Parameters<A>) -> Result<Tensors<A>, Error> {
        let mut tensors = Tensors::new();
        self.check(&tensors)?;
        self.weights().write(parameters, &mut tensors)?;
        if self.b.is_empty() {
            write_bias("ba", &parameters.ba(), "", &mut tensors)?;
        } else {
            let zeros = Array1::zeros(parameters.dims().n_a);
            let halves = concatenate(Axis(0), &[parameters.ba(), zeros.view()]).expect("vectors always fit");
            insert_new(&mut tensors, &self.b, halves.insert_axis(Axis(0)))?;
        }
        write_head(parameters, self.head.as_ref(), &mut tensors)?;
        Ok(tensors)
    }

    /// The sum of both halves, zero where there is no `B`.
    fn biases<A: Scalar>(&self, tensors: &Tensors<A>, n_a: usize) -> Result<Array1<A>, Error> {
        if self.b.is_empty() {
            return Ok(Array1::zeros(n_a));
        }
        let both = tensors.matrix(&self.b, &format!("[1, {}]", 2 * n_a))?;
        if both.dim() != (1, 2 * n_a) {
            return Err(wrong_shape(&self.b, format!("[1, {}]", 2 * n_a), both.shape()));
        }
        let (first, second) = both.index_axis_move(Axis(0), 0).split_at(Axis(0), n_a);
        Ok(sum(&first, &second))
    }

    fn check<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<(), Error> {
        check_tanh(stated(self.activations.as_deref(), tensors, "", "activations"))?;
        let direction = stated(self.direction.as_deref(), tensors, "", "direction");
        check_stated(direction, "forward", |value| format!("a network of direction {value}"), "a forward one")?;
        let layout = stated(self.layout.as_deref(), tensors, "", "layout");
        check_stated(layout, "0", |value| format!("a network of layout {value}"), "of layout 0, steps first")?;
        match stated(self.clip.as_deref(), tensors, "", "clip") {
            Some((key, value)) => Err(network(&key, format!("a network clipped at {value}"), "not clipped")),
            None => Ok(()),
        }
    }

    fn weights(&self) -> Recurrent {
        Recurrent { kernel: self.w.clone(), feedback: self.r.clone(), axes: Axes::OneOutIn }
    }
}
