//! Keras: `SimpleRNN` and `Dense`, by the paths of their weights or by their positions in `get_weights()`.
//!
//! | path | position | shape | here |
//! |---|---|---|---|
//! | `…/simple_rnn_cell/kernel` | k | (`n_x`, `n_a`) | `wax`, transposed |
//! | `…/simple_rnn_cell/recurrent_kernel` | k + 1 | (`n_a`, `n_a`) | `waa`, transposed |
//! | `…/simple_rnn_cell/bias` | k + 2 | (`n_a`) | `ba` |
//! | `…/dense/kernel` | d | (`n_a`, `n_y`) | `wya`, transposed |
//! | `…/dense/bias` | d + 1 | (`n_y`) | `by` |
//!
//! A round trip through `to_tensors` and `from_tensors` is bit-identical. On Keras's side, save with one of:
//!
//! ```python
//! np.savez(path, **{w.path: np.asarray(w) for w in model.weights})  # by paths: SimpleRnn::new
//! np.savez(path, *model.get_weights())                              # arr_0, arr_1, …: SimpleRnn::by_index
//! ```
//!
//! A layer made with `use_bias=False` has no bias: call [`without_bias`](SimpleRnn::without_bias), and for the `Dense`
//! [`without_head_bias`](SimpleRnn::without_head_bias). `ba` and `by` are then zero. Otherwise a missing bias is an error.
//!
//! The weights do not show what a layer's units compute, so the [`Activation`] is an argument. Where the file's metadata has
//! the key `activation`, with or without the layer's prefix, a wrong argument is an error. Each of the two cells of a
//! `Bidirectional` layer has its own path. They are two networks here.
//!
//! A layer made with `go_backwards=True` has the weights of any other: run it with
//! [`Input::reversed`](crate::sequence::Input::reversed). Keras returns its outputs from the last step to the first, so the
//! layers above it run in the same direction, which is what `reversed` does for a whole stack. A second layer with
//! `go_backwards` runs forward in time again. This crate has no such stack.
//!
//! Sources: the documentation of `keras.layers.SimpleRNN`, `keras.layers.Dense` and `keras.Model.get_weights`.

use super::layers::{Axes, Bias, Dense, Head, Recurrent, check_activation, gated};
use super::networks::{Recurrence, RecurrentLayer, read_network, write_network};
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
    /// Describes a layer by the paths of its weights.
    ///
    /// - `prefix`: the beginning of the paths with the last slash, such as `"sequential/simple_rnn/simple_rnn_cell/"`
    /// - `activation`: Keras's `activation`
    #[must_use]
    pub fn new(prefix: &str, activation: Activation) -> Self {
        let [kernel, recurrent, bias] = ["kernel", "recurrent_kernel", "bias"].map(|name| format!("{prefix}{name}"));
        let (prefix, bias) = (prefix.into(), Bias::named(bias));
        SimpleRnn { prefix, kernel, recurrent, bias, head: Head::default(), activation }
    }

    /// Describes a layer by the positions of its weights in `get_weights()`: `first`, `first + 1` and, where it has a bias,
    /// `first + 2`. `np.savez` calls them `arr_0`, `arr_1` and so on.
    #[must_use]
    pub fn by_index(first: usize, activation: Activation) -> Self {
        let [kernel, recurrent, bias] = [0, 1, 2].map(|k| place(first, k));
        let (prefix, bias) = (String::new(), Bias::at(bias));
        SimpleRnn { prefix, kernel, recurrent, bias, head: Head::default(), activation }
    }

    /// States that the layer was made with `use_bias=False`: `ba` is zero. A weight at the path of its bias is refused. With
    /// [`by_index`](Self::by_index), the weight at that position belongs to the next layer.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.bias.remove();
        self
    }

    /// Adds the output layer: a `Dense` under this prefix, such as `"sequential/dense/"`. Without one, `n_y` is 0.
    #[must_use]
    pub fn with_dense(mut self, prefix: &str) -> Self {
        let [weights, bias] = ["kernel", "bias"].map(|name| format!("{prefix}{name}"));
        self.head.set(Dense { weights, bias: Bias::named(bias), axes: Axes::InOut });
        self
    }

    /// Adds the output layer: a `Dense` with its weights at the positions `first` and, where it has a bias, `first + 1`.
    #[must_use]
    pub fn with_dense_by_index(mut self, first: usize) -> Self {
        self.head.set(Dense { weights: place(first, 0), bias: Bias::at(place(first, 1)), axes: Axes::InOut });
        self
    }

    /// States that the `Dense` was made with `use_bias=False`: `by` is zero. A weight at the path of its bias is refused.
    /// With [`with_dense_by_index`](Self::with_dense_by_index), the weight at that position belongs to the next layer.
    #[must_use]
    pub fn without_head_bias(mut self) -> Self {
        self.head.remove_bias();
        self
    }

    /// Converts tensors to a network. Tensors of other names are ignored.
    ///
    /// # Errors
    /// - [`Error::Network`] where the file's metadata states another activation, where the network is gated, and where there
    ///   is an unexpected bias.
    /// - [`Error::Missing`] and [`Error::ElementType`] where a tensor is missing or has another element type.
    /// - [`Error::Shape`] where a tensor does not have the shape above, or `n_a == 0` and the file declares more than 256
    ///   inputs, or outputs that no bias confirms.
    pub fn from_tensors<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<Parameters<A>, Error> {
        read_network(self, tensors)
    }

    /// Converts a network to tensors.
    ///
    /// # Errors
    /// - [`Error::Network`] where a bias is not zero and its layer has none.
    /// - [`Error::DuplicateName`] where two arrays would have the same name.
    /// - [`Error::Shape`] where `n_y != 0` and there is no `Dense`, or where [`from_tensors`](Self::from_tensors) would refuse
    ///   the shape.
    pub fn to_tensors<A: Scalar>(&self, parameters: &Parameters<A>) -> Result<Tensors<A>, Error> {
        write_network(self, parameters)
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

impl RecurrentLayer for SimpleRnn {
    fn read<A: Scalar>(&self, tensors: &Tensors<A>, below: usize) -> Result<Recurrence<A>, Error> {
        check_activation(self.activation, tensors, &self.prefix, "activation")?;
        let matrices = self.weights().read(tensors, below)?;
        // The bias of a plain layer is a vector. A matrix of two rows is the bias of a GRU, also of a GRU of one unit.
        let two_rows = |name: &&str| matches!(tensors.shape(name), Some([2, _]));
        if let Some(bias) = self.bias.find(tensors)?.filter(two_rows) {
            return Err(gated(bias, "a GRU, whose bias has two rows"));
        }
        let ba = self.bias.read(tensors, matrices.1.nrows())?;
        Ok(Recurrence::new(matrices, ba))
    }

    fn write<A: Scalar>(&self, p: &Parameters<A>, tensors: &mut Tensors<A>, below: usize) -> Result<(), Error> {
        self.weights().write(p, tensors, below)?;
        self.bias.write("ba", &p.ba(), tensors)
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn activation(&self) -> Activation {
        self.activation
    }
}

fn place(first: usize, further: usize) -> String {
    format!("arr_{}", first.saturating_add(further))
}
