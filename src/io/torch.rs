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
//! The names of an `RNNCell` have no `_l0`. `to_tensors` writes `ba` to the first of the two biases and zeros to the second.
//! A round trip through `to_tensors` and `from_tensors` is bit-identical.
//!
//! A layer made with `bias=False` has no biases: call [`without_bias`](Rnn::without_bias), and for the `Linear`
//! [`without_head_bias`](Rnn::without_head_bias). `ba` and `by` are then zero. Otherwise a missing bias is an error.
//!
//! The tensors do not show whether a layer's units are tanh or relu, so the [`Activation`] is an argument. Store the
//! nonlinearity in the file as well, and a wrong argument is an error. The key is `nonlinearity`, with or without the
//! layer's prefix:
//!
//! ```python
//! safetensors.torch.save_file(model.state_dict(), path, metadata={"nonlinearity": model.rnn.nonlinearity})
//! ```
//!
//! Sources: the documentation of `torch.nn.RNN`, `torch.nn.RNNCell` and `torch.nn.Linear`.

use std::collections::BTreeSet;

use ndarray::Array1;

use super::layers::{Axes, Bias, Dense, Head, Recurrent, check_activation, network, sum};
use super::networks::{Directions, Recurrence, RecurrentLayer, read_network, read_stack, write_network, write_stack};
use super::{Error, Tensors};
use crate::{Activation, Parameters, Scalar, stack};

/// `torch.nn.RNN` of one layer and one direction, and a `torch.nn.Linear` on its hidden states.
///
/// # Examples
///
/// ```
/// use elman::io::torch::Rnn;
/// use elman::{Activation, Dims, Parameters};
///
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 7, n_y: 5 });
/// let rnn = Rnn::new("encoder.rnn.", Activation::Tanh).with_linear("head.");
/// let tensors = rnn.to_tensors(&p)?;
/// assert_eq!(tensors.get("encoder.rnn.weight_ih_l0")?.shape(), [7, 3]);
/// assert_eq!(rnn.from_tensors(&tensors)?, p);
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rnn(Layer);

/// `torch.nn.RNNCell`, and a `torch.nn.Linear` on its hidden states.
///
/// # Examples
///
/// ```
/// use elman::io::torch::RnnCell;
/// use elman::{Activation, Dims, Parameters};
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 7, n_y: 0 });
/// let cell = RnnCell::new("", Activation::Tanh);
/// let tensors = cell.to_tensors(&p)?;
/// assert_eq!(tensors.names().collect::<Vec<_>>(), ["bias_hh", "bias_ih", "weight_hh", "weight_ih"]);
///
/// let tensors = cell.without_bias().to_tensors(&p)?;
/// assert_eq!(tensors.names().collect::<Vec<_>>(), ["weight_hh", "weight_ih"]);
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RnnCell(Layer);

macro_rules! layer {
    ($layer:ident, $suffix:literal) => {
        impl $layer {
            /// Describes a layer by the names of its tensors.
            ///
            /// - `prefix`: the beginning of the names with the last dot, such as `"encoder.rnn."`, or `""`
            /// - `activation`: torch's `nonlinearity`
            #[must_use]
            pub fn new(prefix: &str, activation: Activation) -> Self {
                $layer(Layer::new(prefix, $suffix, activation))
            }

            /// States that the layer was made with `bias=False`: `ba` is zero. Tensors for its biases are refused.
            #[must_use]
            pub fn without_bias(mut self) -> Self {
                self.0.biases.iter_mut().for_each(Bias::remove);
                self
            }

            /// Adds the output layer: a `Linear` under this prefix, such as `"head."`. Without one, `n_y` is 0.
            #[must_use]
            pub fn with_linear(mut self, prefix: &str) -> Self {
                let [weights, bias] = ["weight", "bias"].map(|name| format!("{prefix}{name}"));
                self.0.head.set(Dense { weights, bias: Bias::named(bias), axes: Axes::OutIn });
                self
            }

            /// States that the `Linear` was made with `bias=False`: `by` is zero. A tensor for its bias is refused.
            #[must_use]
            pub fn without_head_bias(mut self) -> Self {
                self.0.head.remove_bias();
                self
            }

            /// Converts tensors to a network. Tensors of other names are ignored.
            ///
            /// # Errors
            /// - [`Error::Network`] where the file's metadata states another nonlinearity, where the network is gated,
            ///   bidirectional or projected, or has a second layer, and where there is an unexpected bias.
            /// - [`Error::Missing`] and [`Error::ElementType`] where a tensor is missing or has another element type.
            /// - [`Error::Shape`] where a tensor does not have the shape above, or `n_a == 0` and the file declares more
            ///   than 256 inputs, or outputs that no bias confirms.
            pub fn from_tensors<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<Parameters<A>, Error> {
                self.0.check_single(tensors)?;
                read_network(&self.0, tensors)
            }

            /// Converts a network to tensors. `ba` is the first of the two biases, the second is zero.
            ///
            /// # Errors
            /// - [`Error::Network`] where a bias is not zero and its layer has none.
            /// - [`Error::DuplicateName`] where two arrays would have the same name.
            /// - [`Error::Shape`] where `n_y != 0` and there is no `Linear`, or where
            ///   [`from_tensors`](Self::from_tensors) would refuse the shape.
            pub fn to_tensors<A: Scalar>(&self, parameters: &Parameters<A>) -> Result<Tensors<A>, Error> {
                write_network(&self.0, parameters)
            }
        }
    };
}

layer!(Rnn, "_l0");
layer!(RnnCell, "");

#[derive(Debug, Clone, PartialEq, Eq)]
struct Layer {
    prefix: String,
    suffix: String,
    activation: Activation,
    /// The bias of the input and the bias of the hidden state.
    biases: [Bias; 2],
    head: Head,
}

impl Layer {
    fn new(prefix: &str, suffix: &str, activation: Activation) -> Self {
        let biases = ["bias_ih", "bias_hh"].map(|name| Bias::named(format!("{prefix}{name}{suffix}")));
        Layer { prefix: prefix.into(), suffix: suffix.into(), activation, biases, head: Head::default() }
    }

    fn weights(&self) -> Recurrent {
        let [kernel, feedback] = ["weight_ih", "weight_hh"].map(|name| format!("{}{name}{}", self.prefix, self.suffix));
        Recurrent { kernel, feedback, axes: Axes::OutIn, activation: self.activation }
    }

    /// The weights and biases under the prefix: the name, the layer, and whether the direction is the reverse one.
    fn found<'t, A>(&self, tensors: &'t Tensors<A>) -> impl Iterator<Item = (&'t str, usize, bool)> {
        let kinds = ["weight_ih_l", "weight_hh_l", "bias_ih_l", "bias_hh_l"];
        tensors.names().filter_map(move |name| {
            let local = name.strip_prefix(&*self.prefix)?;
            let suffix = kinds.iter().find_map(|kind| local.strip_prefix(kind))?;
            let (layer, reverse) = suffix.strip_suffix("_reverse").map_or((suffix, false), |layer| (layer, true));
            Some((name, layer.parse().ok()?, reverse))
        })
    }

    /// The number of layers, and whether there are two directions. One tensor is enough to show a layer, so that reading
    /// the layer fails where only some of its tensors exist. If a layer number is skipped, reading that layer fails. A file
    /// without layers is read as one layer, so that the error names its tensors.
    fn extent<A>(&self, tensors: &Tensors<A>) -> (usize, bool) {
        let layers: BTreeSet<usize> = self.found(tensors).map(|(_, layer, _)| layer).collect();
        (layers.len().max(1), self.found(tensors).any(|(_, _, reverse)| reverse))
    }

    /// Refuses a layer with a second direction, and the first of several layers.
    fn check_single<A>(&self, tensors: &Tensors<A>) -> Result<(), Error> {
        if self.suffix.is_empty() {
            return Ok(());
        }
        if let Some((name, _, _)) = self.found(tensors).find(|(_, _, reverse)| *reverse) {
            let expected = "one direction: read it with `stack_from_tensors`";
            return Err(network(name, "a bidirectional network", expected));
        }
        if let Some((name, _, _)) = self.found(tensors).find(|(_, layer, _)| *layer > 0) {
            let expected = "a single layer: read it with `stack_from_tensors`";
            return Err(network(name, "a stack of layers", expected));
        }
        Ok(())
    }

    /// The same layer, with the names of another layer or direction.
    fn with_suffix(&self, suffix: &str) -> Self {
        let mut layer = Layer { head: self.head.clone(), ..Layer::new(&self.prefix, suffix, self.activation) };
        layer
            .biases
            .iter_mut()
            .zip(&self.biases)
            .filter(|(_, own)| !own.is_present())
            .for_each(|(bias, _)| bias.remove());
        layer
    }

    /// The layers and directions of a stack.
    fn stack(&self, layers: usize, bidirectional: bool) -> Vec<Directions<Self>> {
        let directions: &[&str] = if bidirectional { &["", "_reverse"] } else { &[""] };
        let layer = |layer| directions.iter().map(move |direction| self.with_suffix(&format!("_l{layer}{direction}")));
        (0..layers).map(|index| Directions::side_by_side(layer(index).collect())).collect()
    }
}

impl RecurrentLayer for Layer {
    fn read<A: Scalar>(&self, tensors: &Tensors<A>, below: usize) -> Result<Recurrence<A>, Error> {
        check_activation(self.activation, tensors, &self.prefix, "nonlinearity")?;
        let projection = format!("{}weight_hr{}", self.prefix, self.suffix);
        if tensors.contains(&projection) {
            return Err(network(&projection, "a network with projections", "one without"));
        }
        let matrices = self.weights().read(tensors, below)?;
        let [ih, hh] = &self.biases;
        let n_a = matrices.1.nrows();
        Ok(Recurrence::new(matrices, sum(&ih.read(tensors, n_a)?, &hh.read(tensors, n_a)?)))
    }

    fn write<A: Scalar>(&self, p: &Parameters<A>, tensors: &mut Tensors<A>, below: usize) -> Result<(), Error> {
        self.weights().write(p, tensors, below)?;
        let [ih, hh] = &self.biases;
        ih.write("ba", &p.ba(), tensors)?;
        hh.write("ba", &Array1::zeros(p.dims().n_a), tensors)
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn activation(&self) -> Activation {
        self.activation
    }
}

impl Rnn {
    /// Converts tensors to a stack: any `num_layers`, `bidirectional`, `nonlinearity` and `bias` of `torch.nn.RNN`.
    ///
    /// The number of layers and the directions are those of the tensors' names: `weight_ih_l1_reverse`. The `Linear` of
    /// [`with_linear`](Self::with_linear) reads the highest layer's output.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::io::torch::Rnn;
    /// use elman::stack::{self, Architecture, Layer};
    /// use elman::Activation;
    ///
    /// let layer = Layer::new(7).bidirectional().with_activation(Activation::Relu);
    /// let p = stack::Parameters::<f32>::zeros(Architecture::new(3, [layer, layer], 5));
    /// let rnn = Rnn::new("rnn.", Activation::Relu).with_linear("head.");
    /// let tensors = rnn.stack_to_tensors(&p)?;
    /// assert_eq!(tensors.get("rnn.weight_ih_l1_reverse")?.shape(), [7, 14]);
    /// assert_eq!(tensors.get("head.weight")?.shape(), [5, 14]);
    /// assert_eq!(rnn.stack_from_tensors(&tensors)?, p);
    /// # Ok::<(), elman::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_tensors`](Self::from_tensors), except that several layers and two directions are accepted.
    pub fn stack_from_tensors<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<stack::Parameters<A>, Error> {
        let (layers, bidirectional) = self.0.extent(tensors);
        read_stack(&self.0.stack(layers, bidirectional), tensors)
    }

    /// Converts a stack to tensors, as [`to_tensors`](Self::to_tensors) does for one layer.
    ///
    /// # Errors
    /// As [`to_tensors`](Self::to_tensors), and [`Error::Network`] where some layers have one direction and others two, or
    /// different nonlinearities: `torch.nn.RNN` has neither.
    pub fn stack_to_tensors<A: Scalar>(&self, parameters: &stack::Parameters<A>) -> Result<Tensors<A>, Error> {
        let layers = parameters.architecture().layers();
        let bidirectional = layers.first().is_some_and(|layer| layer.bidirectional);
        write_stack(&self.0.stack(layers.len(), bidirectional), parameters)
    }
}
