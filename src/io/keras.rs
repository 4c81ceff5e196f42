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
//! Layers made with `use_bias=False` have no biases: they are zero here, and written. What is written is read again bit by
//! bit. On Keras's side, either of
//!
//! ```python
//! np.savez(path, **{w.path: np.asarray(w) for w in model.weights})  # by paths: SimpleRnn::new
//! np.savez(path, *model.get_weights())                              # arr_0, arr_1, …: SimpleRnn::at
//! ```
//!
//! A layer of other units has the same weights as one of tanh units. Say what it is, by
//! [`with_activation`](SimpleRnn::with_activation) or in the file's metadata under `activation`, with or without the layer's
//! prefix. A `Bidirectional` layer's two cells have a path each, and are two networks here.
//!
//! Sources: the documentation of `keras.layers.SimpleRNN`, `keras.layers.Dense` and `keras.Model.get_weights`.

use super::layers::{Axes, Dense, Recurrent, assemble, check_tanh, gated, optional, stated, write_bias, write_head};
use super::{Error, Tensors};
use crate::{Parameters, Scalar};

/// `keras.layers.SimpleRNN`, and a `keras.layers.Dense` on its hidden states.
///
/// ```
/// use elman::io::keras::SimpleRnn;
/// use elman::{Dims, Parameters};
///
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 7, n_y: 5 });
/// let layers = SimpleRnn::new("sequential/simple_rnn/simple_rnn_cell/").with_dense("sequential/dense/");
/// let tensors = layers.write(&p)?;
/// assert_eq!(tensors.get("sequential/simple_rnn/simple_rnn_cell/kernel")?.shape(), [3, 7]);
/// assert_eq!(layers.read(&tensors)?, p);
///
/// let positional = SimpleRnn::at(0).with_dense_at(3).write(&p)?;
/// assert_eq!(positional.get("arr_3")?.shape(), [7, 5]);
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleRnn {
    prefix: String,
    kernel: String,
    recurrent: String,
    bias: String,
    dense: Option<Dense>,
    activation: Option<String>,
}

impl SimpleRnn {
    /// The layer whose weights' paths begin with `prefix`, such as `"sequential/simple_rnn/simple_rnn_cell/"` with its
    /// last stroke.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        let [kernel, recurrent, bias] = ["kernel", "recurrent_kernel", "bias"].map(|name| format!("{prefix}{name}"));
        SimpleRnn { prefix: prefix.into(), kernel, recurrent, bias, dense: None, activation: None }
    }

    /// The layer whose weights are at places `first`, `first + 1` and `first + 2` of `get_weights()`, which `np.savez`
    /// calls `arr_0`, `arr_1` and so on. A layer with `use_bias=False` has no third place, which only you can know: say so
    /// by [`without_bias`](Self::without_bias).
    #[must_use]
    pub fn at(first: usize) -> Self {
        let [kernel, recurrent, bias] = [0, 1, 2].map(|k| place(first, k));
        SimpleRnn { prefix: String::new(), kernel, recurrent, bias, dense: None, activation: None }
    }

    /// The layer has no bias: `ba` is zero.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.bias.clear();
        self
    }

    /// A `Dense` under this prefix, such as `"sequential/dense/"`, is the output layer. Without one, `n_y` is 0.
    #[must_use]
    pub fn with_dense(mut self, prefix: &str) -> Self {
        let [weights, bias] = ["kernel", "bias"].map(|name| format!("{prefix}{name}"));
        self.dense = Some(Dense { weights, bias, axes: Axes::InOut });
        self
    }

    /// A `Dense` whose weights are at places `first` and `first + 1` is the output layer. With `use_bias=False` it has no
    /// second place, and has to be the last layer of the model.
    #[must_use]
    pub fn with_dense_at(mut self, first: usize) -> Self {
        self.dense = Some(Dense { weights: place(first, 0), bias: place(first, 1), axes: Axes::InOut });
        self
    }

    /// What `activation` says in the layer's configuration. Whatever is not `"tanh"` will be refused.
    #[must_use]
    pub fn with_activation(mut self, activation: &str) -> Self {
        self.activation = Some(activation.into());
        self
    }

    /// The network that the tensors hold; those of other names are ignored.
    ///
    /// # Errors
    /// [`Error::Network`] where it is gated or not of tanh units; [`Error::Missing`], [`Error::ElementType`] and
    /// [`Error::Shape`] where a tensor is not there, or not as above.
    pub fn read<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<Parameters<A>, Error> {
        self.check(tensors)?;
        let matrices = self.weights().read(tensors)?;
        // A plain layer's bias is a vector; in its place a matrix of two rows is a GRU's, of one unit perhaps.
        if !self.bias.is_empty()
            && let Some([2, _]) = tensors.shape(&self.bias)
        {
            return Err(gated(&self.bias, "a GRU, its bias having two rows"));
        }
        let ba = optional(tensors, &self.bias, matrices.1.nrows())?;
        assemble(tensors, matrices, &ba, self.dense.as_ref())
    }

    /// The weights of a network.
    ///
    /// # Errors
    /// [`Error::Shape`] where `n_y != 0` and there is no `Dense`, or the layer has no bias and `ba` is not zero;
    /// [`Error::Twice`] where two arrays would have one name; [`Error::Network`] where this layer is not tanh.
    pub fn write<A: Scalar>(&self, parameters: &Parameters<A>) -> Result<Tensors<A>, Error> {
        let mut tensors = Tensors::new();
        self.check(&tensors)?;
        self.weights().write(parameters, &mut tensors)?;
        write_bias("ba", &parameters.ba(), &self.bias, &mut tensors)?;
        write_head(parameters, self.dense.as_ref(), &mut tensors)?;
        Ok(tensors)
    }

    fn check<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<(), Error> {
        check_tanh(stated(self.activation.as_deref(), tensors, &self.prefix, "activation"))
    }

    fn weights(&self) -> Recurrent {
        Recurrent { kernel: self.kernel.clone(), feedback: self.recurrent.clone(), axes: Axes::InOut }
    }
}

fn place(first: usize, further: usize) -> String {
    format!("arr_{}", first.saturating_add(further))
}
