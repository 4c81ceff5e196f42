//! PyTorch: `nn.RNN`, `nn.RNNCell` and `nn.Linear`, by the names of a `state_dict`.
//!
//! | tensor | shape | here |
//! |---|---|---|
//! | `weight_ih_l0` | (`n_a`, `n_x`) | `wax` |
//! | `weight_hh_l0` | (`n_a`, `n_a`) | `waa` |
//! | `bias_ih_l0`, `bias_hh_l0` | (`n_a`) each | `ba`, their sum in the element type |
//! | `weight` of the `Linear` | (`n_y`, `n_a`) | `wya` |
//! | `bias` of the `Linear` | (`n_y`) | `by` |
//!
//! An `RNNCell` has no `_l0` in its names. Layers made with `bias=False` have no biases: they are zero here. Written are
//! the two biases `ba` and zero; what is written is read again bit by bit.
//!
//! A layer of relu units has the same tensors as one of tanh units. Say what it is, by `with_nonlinearity` or in the file's
//! metadata under `nonlinearity`, with or without the layer's prefix:
//!
//! ```python
//! safetensors.torch.save_file(model.state_dict(), path, metadata={"nonlinearity": model.rnn.nonlinearity})
//! ```
//!
//! Sources: the documentation of `torch.nn.RNN`, `torch.nn.RNNCell` and `torch.nn.Linear`.

use ndarray::Array1;

use super::layers::{
    Axes, Dense, Recurrent, assemble, check_tanh, insert_new, network, optional, stated, sum, write_head,
};
use super::{Error, Tensors};
use crate::{Parameters, Scalar};

/// `torch.nn.RNN` of one layer and one direction, and a `torch.nn.Linear` on its hidden states.
///
/// ```
/// use elman::io::torch::Rnn;
/// use elman::{Dims, Parameters};
///
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 7, n_y: 5 });
/// let rnn = Rnn::new("encoder.rnn.").with_linear("head.");
/// let tensors = rnn.write(&p)?;
/// assert_eq!(tensors.get("encoder.rnn.weight_ih_l0")?.shape(), [7, 3]);
/// assert_eq!(rnn.read(&tensors)?, p);
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rnn(Layer);

/// `torch.nn.RNNCell`, and a `torch.nn.Linear` on its hidden states.
///
/// ```
/// use elman::io::torch::RnnCell;
/// use elman::{Dims, Parameters};
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 7, n_y: 0 });
/// let tensors = RnnCell::new("").write(&p)?;
/// assert_eq!(tensors.names().collect::<Vec<_>>(), ["bias_hh", "bias_ih", "weight_hh", "weight_ih"]);
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RnnCell(Layer);

macro_rules! layer {
    ($layer:ident, $suffix:literal) => {
        impl $layer {
            /// The layer whose tensors' names begin with `prefix`, such as `"encoder.rnn."` with its full stop, or `""`.
            #[must_use]
            pub fn new(prefix: &str) -> Self {
                $layer(Layer { prefix: prefix.into(), suffix: $suffix, linear: None, nonlinearity: None })
            }

            /// A `Linear` under this prefix, such as `"head."`, is the output layer. Without one, `n_y` is 0.
            #[must_use]
            pub fn with_linear(mut self, prefix: &str) -> Self {
                let [weights, bias] = ["weight", "bias"].map(|name| format!("{prefix}{name}"));
                self.0.linear = Some(Dense { weights, bias, axes: Axes::OutIn });
                self
            }

            /// What torch's `nonlinearity` says. Whatever is not `"tanh"` will be refused.
            #[must_use]
            pub fn with_nonlinearity(mut self, nonlinearity: &str) -> Self {
                self.0.nonlinearity = Some(nonlinearity.into());
                self
            }

            /// The network that the tensors hold; those of other names are ignored.
            ///
            /// # Errors
            /// [`Error::Network`] where it is relu, gated, bidirectional, projected, or has a second layer;
            /// [`Error::Missing`], [`Error::ElementType`] and [`Error::Shape`] where a tensor is not there, or not as above.
            pub fn read<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<Parameters<A>, Error> {
                self.0.read(tensors)
            }

            /// The tensors of a network, `ba` in the first of two biases and zero in the second.
            ///
            /// # Errors
            /// [`Error::Twice`] where two arrays would have one name; [`Error::Shape`] where `n_y != 0` and there is no
            /// `Linear`; [`Error::Network`] where this layer is not tanh.
            pub fn write<A: Scalar>(&self, parameters: &Parameters<A>) -> Result<Tensors<A>, Error> {
                self.0.write(parameters)
            }
        }
    };
}

layer!(Rnn, "_l0");
layer!(RnnCell, "");

#[derive(Debug, Clone, PartialEq, Eq)]
struct Layer {
    prefix: String,
    suffix: &'static str,
    linear: Option<Dense>,
    nonlinearity: Option<String>,
}

impl Layer {
    fn name(&self, name: &str) -> String {
        format!("{}{name}{}", self.prefix, self.suffix)
    }

    fn weights(&self) -> Recurrent {
        Recurrent { kernel: self.name("weight_ih"), feedback: self.name("weight_hh"), axes: Axes::OutIn }
    }

    fn read<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<Parameters<A>, Error> {
        self.check(tensors)?;
        let matrices = self.weights().read(tensors)?;
        let ba = self.biases(tensors, matrices.1.nrows())?;
        assemble(tensors, matrices, &ba, self.linear.as_ref())
    }

    /// The sum of both, zero where there is neither.
    fn biases<A: Scalar>(&self, tensors: &Tensors<A>, n_a: usize) -> Result<Array1<A>, Error> {
        let [ih, hh] = ["bias_ih", "bias_hh"].map(|name| self.name(name));
        if !tensors.contains(&ih) && !tensors.contains(&hh) {
            return optional(tensors, &ih, n_a);
        }
        Ok(sum(&tensors.vector(&ih, n_a)?, &tensors.vector(&hh, n_a)?))
    }

    fn check<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<(), Error> {
        check_tanh(stated(self.nonlinearity.as_deref(), tensors, &self.prefix, "nonlinearity"))?;
        if self.suffix.is_empty() {
            return Ok(());
        }
        for (name, found, expected) in [
            ("weight_hr_l0", "a network with projections", "without projections"),
            ("weight_ih_l0_reverse", "a bidirectional network", "of one direction"),
            ("weight_ih_l1", "a stack of layers", "a single layer"),
        ] {
            let name = format!("{}{name}", self.prefix);
            if tensors.contains(&name) {
                return Err(network(&name, found, expected));
            }
        }
        Ok(())
    }

    fn write<A: Scalar>(&self, p: &Parameters<A>) -> Result<Tensors<A>, Error> {
        let mut tensors = Tensors::new();
        self.check(&tensors)?;
        self.weights().write(p, &mut tensors)?;
        insert_new(&mut tensors, &self.name("bias_ih"), p.ba().to_owned())?;
        insert_new(&mut tensors, &self.name("bias_hh"), Array1::<A>::zeros(p.dims().n_a))?;
        write_head(p, self.linear.as_ref(), &mut tensors)?;
        Ok(tensors)
    }
}
