use std::collections::BTreeMap;

use ndarray::{Array1, Ix1};

use super::networks::{Directions, RecurrentLayer, read_stack, write_stack};
use super::notes::PREFIX;
use super::tensors::{ACTIVATION, read_network};
use super::{Error, Tensors};
use crate::stack::Direction;
use crate::{Activation, Parameters, Scalar, stack};

/// A recurrent layer of a framework: [`keras::SimpleRnn`](super::keras::SimpleRnn),
/// [`flax::SimpleCell`](super::flax::SimpleCell) or [`onnx::Rnn`](super::onnx::Rnn).
pub trait FrameworkLayer: RecurrentLayer {}

impl FrameworkLayer for super::keras::SimpleRnn {}
impl FrameworkLayer for super::flax::SimpleCell {}
impl FrameworkLayer for super::onnx::Rnn {}

/// A stack of recurrent layers with names of their own, as in Keras, Flax and ONNX. For PyTorch's `nn.RNN`, use
/// [`stack_from_tensors`](super::torch::Rnn::stack_from_tensors).
///
/// # Examples
///
/// A Keras model of `Bidirectional(SimpleRNN(7))`, `SimpleRNN(5, activation="relu")` and `Dense(2)`:
///
/// ```
/// use elman::io::{Stack, keras::SimpleRnn};
/// use elman::stack::{self, Architecture, Layer};
/// use elman::Activation;
///
/// let [forward, backward] =
///     ["forward", "backward"].map(|way| SimpleRnn::new(&format!("bidirectional/{way}_rnn/cell/"), Activation::Tanh));
/// let upper = SimpleRnn::new("rnn/cell/", Activation::Relu).with_dense("dense/");
/// let model = Stack::new().bidirectional(forward, backward).layer(upper);
///
/// let layers = [Layer::new(7).bidirectional(), Layer::new(5).with_activation(Activation::Relu)];
/// let p = stack::Parameters::<f32>::zeros(Architecture::new(3, layers, 2));
/// let tensors = model.to_tensors(&p)?;
/// assert_eq!(tensors.get("rnn/cell/kernel")?.shape(), [14, 5]);
/// assert_eq!(model.from_tensors(&tensors)?, p);
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack<L> {
    layers: Vec<Directions<L>>,
}

impl<L> Default for Stack<L> {
    fn default() -> Self {
        Stack { layers: Vec::new() }
    }
}

impl<L: FrameworkLayer> Stack<L> {
    /// A stack without layers.
    #[must_use]
    pub fn new() -> Self {
        Stack::default()
    }

    /// Adds a layer of one direction above the others. The head of the highest layer is the head of the stack; those of the
    /// others are ignored.
    #[must_use]
    pub fn layer(mut self, layer: L) -> Self {
        self.layers.push(Directions::side_by_side(vec![layer]));
        self
    }

    /// Adds a layer of two directions above the others. Its head is that of `forward`, and reads the outputs of both
    /// directions side by side: Keras's `merge_mode="concat"`.
    #[must_use]
    pub fn bidirectional(mut self, forward: L, reverse: L) -> Self {
        self.layers.push(Directions::side_by_side(vec![forward, reverse]));
        self
    }

    /// Adds a layer of two directions above the others, whose outputs are added: Keras's `merge_mode="sum"`.
    ///
    /// W·(→a + ←a) is [W, W]·[→a; ←a], so the layer above, or the head, has its weights twice. Training here changes the
    /// two copies in different ways. [`to_tensors`](Self::to_tensors) then refuses the stack.
    #[must_use]
    pub fn bidirectional_sum(mut self, forward: L, reverse: L) -> Self {
        self.layers.push(Directions { layers: vec![forward, reverse], summed: true });
        self
    }

    /// Converts tensors to a stack. Tensors of other names are ignored.
    ///
    /// # Errors
    /// As `from_tensors` of the layers; [`Error::Argument`] where the layers do not fit each other; [`Error::Network`] where two
    /// directions that the framework adds have different widths, or no output layer above them.
    pub fn from_tensors<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<stack::Parameters<A>, Error> {
        read_stack(&self.layers, tensors)
    }

    /// Converts a stack to tensors.
    ///
    /// # Errors
    /// As `to_tensors` of the layers, and [`Error::Network`] where the stack has other layers or directions, or other weights
    /// for the two directions that the framework adds, or no output layer above them.
    pub fn to_tensors<A: Scalar>(&self, parameters: &stack::Parameters<A>) -> Result<Tensors<A>, Error> {
        write_stack(&self.layers, parameters)
    }
}

/// The arrays of every layer and direction, `layers.0.forward.wax` and so on, then `by`. The metadata has each nonlinearity
/// that is not tanh, as `elman.layers.0.activation`. A stack without layers cannot be read again, nor a lowest layer without
/// units that reads more than 256 inputs. [`StackCheckpoint`](super::StackCheckpoint) refuses them.
impl<A: Scalar> From<&stack::Parameters<A>> for Tensors<A> {
    fn from(p: &stack::Parameters<A>) -> Self {
        let mut tensors = Tensors::new();
        for (layer, shape) in p.architecture().layers().iter().enumerate() {
            for &direction in shape.directions() {
                let Some(network) = p.network(layer, direction) else { continue };
                for (name, matrix) in [("wax", network.wax()), ("waa", network.waa()), ("wya", network.wya())] {
                    tensors.insert(name_of(layer, direction, name), matrix.to_owned());
                }
                tensors.insert(name_of(layer, direction, "ba"), network.ba().to_owned());
            }
            if shape.activation != Activation::default() {
                let key = format!("{PREFIX}{}", activation_key(layer));
                tensors.metadata_mut().insert(key, shape.activation.name().into());
            }
        }
        tensors.insert("by", p.by().to_owned());
        tensors
    }
}

/// The stack that [`Tensors::from`] wrote. One tensor `layers.1.reverse.…` is enough to show that direction, so it is an
/// error if only some of its tensors exist. Other tensors are ignored.
impl<A: Scalar> TryFrom<&Tensors<A>> for stack::Parameters<A> {
    type Error = Error;

    fn try_from(tensors: &Tensors<A>) -> Result<Self, Error> {
        let by = tensors.array::<Ix1>("by")?;
        let (zeros, none) = (Array1::zeros(by.len()), Array1::zeros(0));
        let mut networks: Vec<Vec<Parameters<A>>> = Vec::new();
        let layers = layers(tensors);
        for (layer, &bidirectional) in layers.iter().enumerate() {
            let is_top = layer + 1 == layers.len();
            let both = [Direction::Forward, Direction::Reverse];
            let directions = both.into_iter().take(1 + usize::from(bidirectional));
            let below = networks.last().map_or(0, |below| below.iter().map(|network| network.dims().n_a).sum());
            let network = |direction: Direction| {
                let own = if direction == Direction::Forward { by.view() } else { zeros.view() };
                let by = if is_top { own } else { none.view() };
                let name = |array: &str| name_of(layer, direction, array);
                read_network(tensors, name, &activation_key(layer), Some(by), below)
            };
            networks.push(directions.map(network).collect::<Result<_, _>>()?);
        }
        Ok(stack::Parameters::from_networks(&networks)?)
    }
}

/// Whether each layer has two directions. A file without layers is read as one layer, so that the error names the missing
/// tensor of layer 0.
fn layers<A>(tensors: &Tensors<A>) -> Vec<bool> {
    let mut found = BTreeMap::from([(0, false)]);
    for name in tensors.names() {
        let Some((layer, rest)) = name.strip_prefix("layers.").and_then(|name| name.split_once('.')) else { continue };
        if let Ok(layer) = layer.parse::<usize>() {
            *found.entry(layer).or_default() |= rest.starts_with("reverse.");
        }
    }
    // If a layer number is skipped, reading that layer fails.
    (0..found.len()).map(|layer| found.get(&layer).copied().unwrap_or_default()).collect()
}

fn name_of(layer: usize, direction: Direction, array: &str) -> String {
    format!("layers.{layer}.{direction}.{array}")
}

/// The key of a layer's nonlinearity, without the prefix.
pub(super) fn activation_key(layer: usize) -> String {
    format!("layers.{layer}.{ACTIVATION}")
}
