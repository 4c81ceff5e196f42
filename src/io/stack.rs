use super::layers::{RecurrentLayer, read_stack, write_stack};
use super::{Error, Tensors};
use crate::{Scalar, stack};

/// A recurrent layer of a framework: [`keras::SimpleRnn`](super::keras::SimpleRnn),
/// [`flax::SimpleCell`](super::flax::SimpleCell) or [`onnx::Rnn`](super::onnx::Rnn).
pub trait Layer: RecurrentLayer {}

impl Layer for super::keras::SimpleRnn {}
impl Layer for super::flax::SimpleCell {}
impl Layer for super::onnx::Rnn {}

/// A stack of recurrent layers with names of their own, as in Keras, Flax and ONNX. Of PyTorch's `nn.RNN`, use
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
/// let p = stack::Parameters::<f32>::zeros(Architecture::new(3, layers, 2))?;
/// let tensors = model.to_tensors(&p)?;
/// assert_eq!(tensors.get("rnn/cell/kernel")?.shape(), [14, 5]);
/// assert_eq!(model.from_tensors(&tensors)?, p);
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack<L> {
    layers: Vec<Vec<L>>,
}

impl<L> Default for Stack<L> {
    fn default() -> Self {
        Stack { layers: Vec::new() }
    }
}

impl<L: Layer> Stack<L> {
    /// A stack without layers.
    #[must_use]
    pub fn new() -> Self {
        Stack::default()
    }

    /// Adds a layer of one direction above the others. The head of the highest layer is the head of the stack; those of the
    /// others are ignored.
    #[must_use]
    pub fn layer(mut self, layer: L) -> Self {
        self.layers.push(vec![layer]);
        self
    }

    /// Adds a layer of two directions above the others. Its head is that of `forward`, and reads the outputs of both
    /// directions side by side: Keras's `merge_mode="concat"`.
    #[must_use]
    pub fn bidirectional(mut self, forward: L, reverse: L) -> Self {
        self.layers.push(vec![forward, reverse]);
        self
    }

    /// Converts tensors to a stack. Tensors of other names are ignored.
    ///
    /// # Errors
    /// As `from_tensors` of the layers, and [`Error::Argument`] where the layers do not fit each other.
    pub fn from_tensors<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<stack::Parameters<A>, Error> {
        read_stack(&self.layers, tensors)
    }

    /// Converts a stack to tensors.
    ///
    /// # Errors
    /// As `to_tensors` of the layers, and [`Error::Network`] where the stack has other layers or directions.
    pub fn to_tensors<A: Scalar>(&self, parameters: &stack::Parameters<A>) -> Result<Tensors<A>, Error> {
        write_stack(&self.layers, parameters)
    }
}
