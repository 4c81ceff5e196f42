//! Flax: `SimpleCell` and `Dense`, of linen and of nnx, by flattened names.
//!
//! | linen | nnx | shape | here |
//! |---|---|---|---|
//! | `i/kernel` | `dense_i/kernel` | (`n_x`, `n_a`) | `wax`, transposed |
//! | `h/kernel` | `dense_h/kernel` | (`n_a`, `n_a`) | `waa`, transposed |
//! | `i/bias` | `dense_i/bias` | (`n_a`) | `ba` |
//! | `kernel` of `Dense` | of `Linear` | (`n_a`, `n_y`) | `wya`, transposed |
//! | `bias` of `Dense` | of `Linear` | (`n_y`) | `by` |
//!
//! What multiplies the hidden state has no bias, in neither. What is written is read again bit by bit. On Flax's side,
//!
//! ```python
//! np.savez(path, **flax.traverse_util.flatten_dict(variables, sep="/"))                                  # linen
//! np.savez(path, **{"/".join(map(str, k)): p[...] for k, p in nnx.state(model, nnx.Param).flat_state()})  # nnx
//! ```
//!
//! Cells of other units, and residual ones, have the same weights. Say what it is, by
//! [`with_activation_fn`](SimpleCell::with_activation_fn) and [`with_residual`](SimpleCell::with_residual), or in the file's
//! metadata under `activation_fn` and `residual`, with or without the cell's prefix.
//!
//! Sources: the documentation of `flax.linen.SimpleCell` and `flax.nnx.SimpleCell`.

use super::layers::{
    Axes, Dense, Recurrent, assemble, check_stated, check_tanh, gated, network, optional, stated, write_bias,
    write_head,
};
use super::{Error, Tensors};
use crate::{Parameters, Scalar};

/// Flax's `SimpleCell`, and a `Dense` or `Linear` on its hidden states.
///
/// ```
/// use elman::io::flax::SimpleCell;
/// use elman::{Dims, Parameters};
///
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 7, n_y: 5 });
/// let cell = SimpleCell::linen("params/SimpleCell_0/").with_dense("params/Dense_0/");
/// let tensors = cell.write(&p)?;
/// assert_eq!(tensors.get("params/SimpleCell_0/i/kernel")?.shape(), [3, 7]);
/// assert_eq!(cell.read(&tensors)?, p);
///
/// let tensors = SimpleCell::nnx("rnn.cell.").with_separator(".").with_dense("head.").write(&p)?;
/// assert_eq!(tensors.get("rnn.cell.dense_h.kernel")?.shape(), [7, 7]);
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleCell {
    prefix: String,
    separator: String,
    /// The names of what multiplies the input and the hidden state.
    layers: [&'static str; 2],
    dense: Option<Dense>,
    activation_fn: Option<String>,
    residual: bool,
}

impl SimpleCell {
    /// linen's cell, whose names begin with `prefix`, such as `"params/SimpleCell_0/"` with its last separator.
    #[must_use]
    pub fn linen(prefix: &str) -> Self {
        SimpleCell::new(prefix, ["i", "h"])
    }

    /// nnx's cell, whose names begin with `prefix`, such as `"rnn/cell/"` with its last separator.
    #[must_use]
    pub fn nnx(prefix: &str) -> Self {
        SimpleCell::new(prefix, ["dense_i", "dense_h"])
    }

    fn new(prefix: &str, layers: [&'static str; 2]) -> Self {
        let (prefix, separator) = (prefix.into(), "/".into());
        SimpleCell { prefix, separator, layers, dense: None, activation_fn: None, residual: false }
    }

    /// What stands between the parts of a name, `"/"` unless said otherwise. Prefixes are taken as they are.
    #[must_use]
    pub fn with_separator(mut self, separator: &str) -> Self {
        self.separator = separator.into();
        self
    }

    /// A `Dense` or `Linear` under this prefix, such as `"params/Dense_0/"`, is the output layer. Without one, `n_y` is 0.
    #[must_use]
    pub fn with_dense(mut self, prefix: &str) -> Self {
        let [weights, bias] = ["kernel", "bias"].map(|name| format!("{prefix}{name}"));
        self.dense = Some(Dense { weights, bias, axes: Axes::InOut });
        self
    }

    /// The name of the cell's `activation_fn`. Whatever is not `"tanh"` will be refused.
    #[must_use]
    pub fn with_activation_fn(mut self, activation_fn: &str) -> Self {
        self.activation_fn = Some(activation_fn.into());
        self
    }

    /// What the cell's `residual` says. True will be refused.
    #[must_use]
    pub fn with_residual(mut self, residual: bool) -> Self {
        self.residual = residual;
        self
    }

    /// The network that the tensors hold; those of other names are ignored.
    ///
    /// # Errors
    /// [`Error::Network`] where it is gated, residual, or not of tanh units; [`Error::Missing`], [`Error::ElementType`] and
    /// [`Error::Shape`] where a tensor is not there, or not as above.
    pub fn read<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<Parameters<A>, Error> {
        self.check_settings(tensors)?;
        self.check_names(tensors)?;
        let matrices = self.weights().read(tensors)?;
        self.check_biases(tensors)?;
        let ba = optional(tensors, &self.name(self.layers[0], "bias"), matrices.1.nrows())?;
        assemble(tensors, matrices, &ba, self.dense.as_ref())
    }

    /// The weights of a network.
    ///
    /// # Errors
    /// [`Error::Twice`] where two arrays would have one name; [`Error::Shape`] where `n_y != 0` and there is no
    /// `Dense`; [`Error::Network`] where this cell is residual or not tanh.
    pub fn write<A: Scalar>(&self, parameters: &Parameters<A>) -> Result<Tensors<A>, Error> {
        let mut tensors = Tensors::new();
        self.check_settings(&tensors)?;
        self.weights().write(parameters, &mut tensors)?;
        write_bias("ba", &parameters.ba(), &self.name(self.layers[0], "bias"), &mut tensors)?;
        write_head(parameters, self.dense.as_ref(), &mut tensors)?;
        Ok(tensors)
    }

    fn check_settings<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<(), Error> {
        check_tanh(stated(self.activation_fn.as_deref(), tensors, &self.prefix, "activation_fn"))?;
        let residual = stated(self.residual.then_some("true"), tensors, &self.prefix, "residual");
        check_stated(residual, "false", |_| "a residual cell".into(), "one that adds no state before tanh")
    }

    /// Gates are layers of their own, or share a kernel, which its shape shows.
    fn check_names<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<(), Error> {
        for (layer, found) in [("ii", "an LSTM"), ("ir", "a GRU"), ("if", "a minimal gated unit")] {
            let name = self.name(layer, "kernel");
            if tensors.contains(&name) {
                return Err(gated(&name, found));
            }
        }
        Ok(())
    }

    /// In no `SimpleCell` is there a bias beside the hidden state's kernel.
    fn check_biases<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<(), Error> {
        let bias = self.name(self.layers[1], "bias");
        if tensors.contains(&bias) {
            return Err(network(&bias, "a cell with a bias for the hidden state", "one with the input's bias alone"));
        }
        Ok(())
    }

    fn weights(&self) -> Recurrent {
        let [kernel, feedback] = self.layers.map(|layer| self.name(layer, "kernel"));
        Recurrent { kernel, feedback, axes: Axes::InOut }
    }

    fn name(&self, layer: &str, array: &str) -> String {
        format!("{}{layer}{}{array}", self.prefix, self.separator)
    }
}
