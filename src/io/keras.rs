//! Keras: `SimpleRNN` and `Dense`, by the paths of their weights or by their places in `get_weights()`.
//!
//! | path | place | shape | here |
//! |---|---|---|---|
//! | `…/simple_rnn_cell/kernel` | k | (`n_x`, `n_a`) | `wax`, transposed |
//! | `…/simple_rnn_cell/recurrent_kernel` | k + 1 | (`n_a`, `n_a`) | `waa`, transposed |
//! | `…/simple_rnn_cell/bias` | k + 2 | (`n_a`) | `ba` |
//! | `…/dense/kernel` | d | (`n_a`, `n_y`) | `wya`, transposed |
//! | `…/dense/bias` | d + 1 | (`n_y`) | `by` |
//!
//! `from_tensors` returns the bits that `to_tensors` was given. On Keras's side, either of
//!
//! ```python
//! np.savez(path, **{w.path: np.asarray(w) for w in model.weights})  # by paths: SimpleRnn::new
//! np.savez(path, *model.get_weights())                              # arr_0, arr_1, …: SimpleRnn::by_index
//! ```
//!
//! A layer made with `use_bias=False` has no bias. Say so by [`without_bias`](SimpleRnn::without_bias), and for the `Dense` by
//! [`without_head_bias`](SimpleRnn::without_head_bias): `ba` and `by` are then zero. Otherwise a missing bias is an error.
//!
//! The weights do not show what a layer's units compute, so the [`Activation`] is an argument. Where the file's metadata has
//! the key `activation`, with the layer's prefix or without, a wrong argument is an error. The two cells of a
//! `Bidirectional` layer have a path each, and are two networks here.
//!
//! Sources: the documentation of `keras.layers.SimpleRNN`, `keras.layers.Dense` and `keras.Model.get_weights`.

use super::layers::{Axes, Bias, Dense, Head, Recurrent, assemble, check_activation, gated};
use super::{Error, Tensors};
use crate::{Activation, Parameters, Scalar};

/// `keras.layers.SimpleRNN`, and a `keras.layers.Dense` on its hidden states.
///
/// # Examples
///
/// ```
/// use elman::io::keras::SimpleRnn;
/// use elman::{Activation, Dims, Parameters};
///
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 7, n_y: 5 });
/// let cell = "sequential/simple_rnn/simple_rnn_cell/";
/// let layers = SimpleRnn::new(cell, Activation::Tanh).with_dense("sequential/dense/");
/// let tensors = layers.to_tensors(&p)?;
/// assert_eq!(tensors.get("sequential/simple_rnn/simple_rnn_cell/kernel")?.shape(), [3, 7]);
/// assert_eq!(layers.from_tensors(&tensors)?, p);
///
/// let positional = SimpleRnn::by_index(0, Activation::Tanh).with_dense_by_index(3).to_tensors(&p)?;
/// assert_eq!(positional.get("arr_3")?.shape(), [7, 5]);
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleRnn {
    prefix: String,
    kernel: String,
    recurrent: String,
    bias: Bias,
    head: Head,
    activation: Activation,
}

impl SimpleRnn {
    /// A layer by the beginning of its weights' paths, such as `"sequential/simple_rnn/simple_rnn_cell/"` with its last
    /// stroke; and Keras's `activation`.
    #[must_use]
    pub fn new(prefix: &str, activation: Activation) -> Self {
        let [kernel, recurrent, bias] = ["kernel", "recurrent_kernel", "bias"].map(|name| format!("{prefix}{name}"));
        let (prefix, bias) = (prefix.into(), Bias::named(bias));
        SimpleRnn { prefix, kernel, recurrent, bias, head: Head::default(), activation }
    }

    /// A layer by the places of its weights in `get_weights()`: `first`, `first + 1` and, where it has a bias, `first + 2`.
    /// `np.savez` calls them `arr_0`, `arr_1` and so on.
    #[must_use]
    pub fn by_index(first: usize, activation: Activation) -> Self {
        let [kernel, recurrent, bias] = [0, 1, 2].map(|k| place(first, k));
        let (prefix, bias) = (String::new(), Bias::at(bias));
        SimpleRnn { prefix, kernel, recurrent, bias, head: Head::default(), activation }
    }

    /// The layer was made with `use_bias=False`: `ba` is zero. A weight at the path of its bias is refused; what is at its
    /// place belongs to the next layer.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.bias.remove();
        self
    }

    /// A `Dense` under this prefix, such as `"sequential/dense/"`, is the output layer. Without one, `n_y` is 0.
    #[must_use]
    pub fn with_dense(mut self, prefix: &str) -> Self {
        let [weights, bias] = ["kernel", "bias"].map(|name| format!("{prefix}{name}"));
        self.head.set(Dense { weights, bias: Bias::named(bias), axes: Axes::InOut });
        self
    }

    /// A `Dense` whose weights are at places `first` and, where it has a bias, `first + 1` is the output layer.
    #[must_use]
    pub fn with_dense_by_index(mut self, first: usize) -> Self {
        self.head.set(Dense { weights: place(first, 0), bias: Bias::at(place(first, 1)), axes: Axes::InOut });
        self
    }

    /// The `Dense` was made with `use_bias=False`: `by` is zero. A weight at the path of its bias is refused; what is at its
    /// place belongs to the next layer.
    #[must_use]
    pub fn without_head_bias(mut self) -> Self {
        self.head.remove_bias();
        self
    }

    /// The network that the tensors hold. Tensors of other names are ignored.
    ///
    /// # Errors
    /// - [`Error::Network`] where the file's metadata states another activation, where the network is gated, and where there
    ///   is a bias that should not be there.
    /// - [`Error::Missing`] and [`Error::ElementType`] where a tensor is missing or has another element type.
    /// - [`Error::Shape`] where a tensor has not the shape above, or `n_a == 0` and the file declares more than 256 inputs,
    ///   or outputs that no bias confirms.
    pub fn from_tensors<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<Parameters<A>, Error> {
        check_activation(self.activation, tensors, &self.prefix, "activation")?;
        let matrices = self.weights().read(tensors)?;
        // A plain layer's bias is a vector; in its place a matrix of two rows is a GRU's, of one unit perhaps.
        let two_rows = |name: &&str| matches!(tensors.shape(name), Some([2, _]));
        if let Some(bias) = self.bias.find(tensors)?.filter(two_rows) {
            return Err(gated(bias, "a GRU, whose bias has two rows"));
        }
        let ba = self.bias.read(tensors, matrices.1.nrows())?;
        assemble(tensors, matrices, &ba, &self.head, self.activation)
    }

    /// The weights of a network.
    ///
    /// # Errors
    /// - [`Error::DuplicateName`] where two arrays would have one name.
    /// - [`Error::Shape`] where `n_y != 0` and there is no `Dense`, where a bias is not zero and its layer has none, or where
    ///   [`from_tensors`](Self::from_tensors) would refuse the shape.
    pub fn to_tensors<A: Scalar>(&self, parameters: &Parameters<A>) -> Result<Tensors<A>, Error> {
        let mut tensors = Tensors::new();
        self.weights().write(parameters, &mut tensors)?;
        self.bias.write("ba", &parameters.ba(), &mut tensors)?;
        self.head.write(parameters, &mut tensors)?;
        Ok(tensors)
    }

    fn weights(&self) -> Recurrent {
        Recurrent {
            kernel: self.kernel.clone(),
            feedback: self.recurrent.clone(),
            axes: Axes::InOut,
            activation: self.activation,
        }
    }
}

fn place(first: usize, further: usize) -> String {
    format!("arr_{}", first.saturating_add(further))
}
