//! Flax: `SimpleCell` and `Dense` of linen and nnx, by flattened names.
//!
//! | linen | nnx | shape | here |
//! |---|---|---|---|
//! | `i/kernel` | `dense_i/kernel` | (`n_x`, `n_a`) | `wax`, transposed |
//! | `h/kernel` | `dense_h/kernel` | (`n_a`, `n_a`) | `waa`, transposed |
//! | `i/bias` | `dense_i/bias` | (`n_a`) | `ba` |
//! | `kernel` of `Dense` | of `Linear` | (`n_a`, `n_y`) | `wya`, transposed |
//! | `bias` of `Dense` | of `Linear` | (`n_y`) | `by` |
//!
//! In linen and in nnx, the kernel of the hidden state has no bias. A round trip through `to_tensors` and `from_tensors` is
//! bit-identical. On Flax's side, save with:
//!
//! ```python
//! np.savez(path, **flax.traverse_util.flatten_dict(variables, sep="/"))                                  # linen
//! np.savez(path, **{"/".join(map(str, k)): p[...] for k, p in nnx.state(model, nnx.Param).flat_state()})  # nnx
//! ```
//!
//! A `Dense` made with `use_bias=False` has no bias: call [`without_head_bias`](SimpleCell::without_head_bias), and `by` is
//! zero. For a cell of your own without a bias, call [`without_bias`](SimpleCell::without_bias), and `ba` is zero. Otherwise
//! a missing bias is an error.
//!
//! The weights do not show what a cell's units compute, so the [`Activation`] is an argument. They also do not show whether
//! a cell is residual: call [`with_residual`](SimpleCell::with_residual). Where the file's metadata has the keys
//! `activation_fn` and `residual`, with or without the cell's prefix, another cell is an error.
//!
//! Sources: the documentation of `flax.linen.SimpleCell` and `flax.nnx.SimpleCell`.

use super::layers::{Axes, Bias, Dense, Head, Recurrent, check_activation, check_stated, gated, network, stated};
use super::networks::{Recurrence, RecurrentLayer, read_network, write_network};
use super::{Error, Tensors};
use crate::{Activation, Parameters, Scalar};

/// Flax's `SimpleCell`, and a `Dense` or `Linear` on its hidden states.
///
/// # Examples
///
/// ```
/// use elman::io::flax::SimpleCell;
/// use elman::{Activation, Dims, Parameters};
///
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 7, n_y: 5 });
/// let cell = SimpleCell::linen("params/SimpleCell_0/", Activation::Tanh).with_dense("params/Dense_0/");
/// let tensors = cell.to_tensors(&p)?;
/// assert_eq!(tensors.get("params/SimpleCell_0/i/kernel")?.shape(), [3, 7]);
/// assert_eq!(cell.from_tensors(&tensors)?, p);
///
/// let cell = SimpleCell::nnx("rnn.cell.", Activation::Tanh).with_separator(".").with_dense("head.");
/// let tensors = cell.to_tensors(&p)?;
/// assert_eq!(tensors.get("rnn.cell.dense_h.kernel")?.shape(), [7, 7]);
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleCell {
    prefix: String,
    separator: String,
    /// The names of the input's kernel and bias, and of the hidden state's kernel.
    layers: [&'static str; 2],
    with_bias: bool,
    head: Head,
    activation: Activation,
    residual: bool,
}

impl SimpleCell {
    /// Describes a cell of linen.
    ///
    /// - `prefix`: the beginning of its names with the last separator, such as `"params/SimpleCell_0/"`
    /// - `activation`: Flax's `activation_fn`
    #[must_use]
    pub fn linen(prefix: &str, activation: Activation) -> Self {
        SimpleCell::new(prefix, ["i", "h"], activation)
    }

    /// Describes a cell of nnx.
    ///
    /// - `prefix`: the beginning of its names with the last separator, such as `"rnn/cell/"`
    /// - `activation`: Flax's `activation_fn`
    #[must_use]
    pub fn nnx(prefix: &str, activation: Activation) -> Self {
        SimpleCell::new(prefix, ["dense_i", "dense_h"], activation)
    }

    fn new(prefix: &str, layers: [&'static str; 2], activation: Activation) -> Self {
        let (prefix, separator, head) = (prefix.into(), "/".into(), Head::default());
        SimpleCell { prefix, separator, layers, with_bias: true, head, activation, residual: false }
    }

    /// Sets the separator between the parts of a name; the default is `"/"`. Prefixes stay unchanged.
    #[must_use]
    pub fn with_separator(mut self, separator: &str) -> Self {
        self.separator = separator.into();
        self
    }

    /// States that the cell has no bias: `ba` is zero. A tensor for it is refused.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.with_bias = false;
        self
    }

    /// Adds the output layer: a `Dense` or `Linear` under this prefix, such as `"params/Dense_0/"`. Without one, `n_y` is 0.
    #[must_use]
    pub fn with_dense(mut self, prefix: &str) -> Self {
        let [weights, bias] = ["kernel", "bias"].map(|name| format!("{prefix}{name}"));
        self.head.set(Dense { weights, bias: Bias::named(bias), axes: Axes::InOut });
        self
    }

    /// States that the `Dense` or `Linear` was made with `use_bias=False`: `by` is zero. A tensor for its bias is refused.
    #[must_use]
    pub fn without_head_bias(mut self) -> Self {
        self.head.remove_bias();
        self
    }

    /// Sets the cell's `residual`. `true` is refused when the network is read or written.
    #[must_use]
    pub fn with_residual(mut self, residual: bool) -> Self {
        self.residual = residual;
        self
    }

    /// Converts tensors to a network. Tensors of other names are ignored.
    ///
    /// # Errors
    /// - [`Error::Network`] where the file's metadata states another activation, where the network is gated or residual, and
    ///   where there is an unexpected bias.
    /// - [`Error::Missing`] and [`Error::ElementType`] where a tensor is missing or has another element type.
    /// - [`Error::Shape`] where a tensor does not have the shape above, or `n_a == 0` and the file declares more than 256
    ///   inputs, or outputs that no bias confirms.
    pub fn from_tensors<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<Parameters<A>, Error> {
        read_network(self, tensors)
    }

    /// Converts a network to tensors.
    ///
    /// # Errors
    /// - [`Error::Network`] where this cell is residual, and where a bias is not zero and its layer has none.
    /// - [`Error::DuplicateName`] where two arrays would have the same name.
    /// - [`Error::Shape`] where `n_y != 0` and there is no `Dense`, or where [`from_tensors`](Self::from_tensors) would refuse
    ///   the shape.
    pub fn to_tensors<A: Scalar>(&self, parameters: &Parameters<A>) -> Result<Tensors<A>, Error> {
        write_network(self, parameters)
    }

    fn check_residual<A>(&self, tensors: &Tensors<A>) -> Result<(), Error> {
        let residual = stated(self.residual.then_some("true"), tensors, &self.prefix, "residual");
        check_stated(residual, "false", |_| "a residual cell".into(), "one that adds no state before its activation")
    }

    /// Refuses gated cells by the names of their layers. The shape of a kernel shows gates that share it.
    fn check_names<A>(&self, tensors: &Tensors<A>) -> Result<(), Error> {
        for (layer, found) in [("ii", "an LSTM"), ("ir", "a GRU"), ("if", "a minimal gated unit")] {
            let name = self.name(layer, "kernel");
            if tensors.contains(&name) {
                return Err(gated(&name, found));
            }
        }
        Ok(())
    }

    /// Refuses a bias of the hidden state: a `SimpleCell` has none.
    fn check_biases<A>(&self, tensors: &Tensors<A>) -> Result<(), Error> {
        let bias = self.name(self.layers[1], "bias");
        if tensors.contains(&bias) {
            return Err(network(&bias, "a cell with a bias of the hidden state", "one with the input's bias alone"));
        }
        Ok(())
    }

    fn bias(&self) -> Bias {
        let mut bias = Bias::named(self.name(self.layers[0], "bias"));
        if !self.with_bias {
            bias.remove();
        }
        bias
    }

    fn weights(&self) -> Recurrent {
        let [kernel, feedback] = self.layers.map(|layer| self.name(layer, "kernel"));
        Recurrent { kernel, feedback, axes: Axes::InOut, activation: self.activation }
    }

    fn name(&self, layer: &str, array: &str) -> String {
        format!("{}{layer}{}{array}", self.prefix, self.separator)
    }
}

impl RecurrentLayer for SimpleCell {
    fn read<A: Scalar>(&self, tensors: &Tensors<A>, below: usize) -> Result<Recurrence<A>, Error> {
        check_activation(self.activation, tensors, &self.prefix, "activation_fn")?;
        self.check_residual(tensors)?;
        self.check_names(tensors)?;
        let matrices = self.weights().read(tensors, below)?;
        self.check_biases(tensors)?;
        let ba = self.bias().read(tensors, matrices.1.nrows())?;
        Ok(Recurrence::new(matrices, ba))
    }

    fn write<A: Scalar>(&self, p: &Parameters<A>, tensors: &mut Tensors<A>, below: usize) -> Result<(), Error> {
        self.check_residual(tensors)?;
        self.weights().write(p, tensors, below)?;
        self.bias().write("ba", &p.ba(), tensors)
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn activation(&self) -> Activation {
        self.activation
    }
}
