//! The nonlinearity of a layer. The weights do not show it.

use std::fmt;

/// The nonlinearity φ of a recurrent layer.
///
/// A layer of relu units has the same tensors as a layer of tanh units, so every reader takes this argument. A reader
/// refuses a file whose metadata names another nonlinearity.
///
/// # Examples
///
/// ```
/// use elman::io::{Activation, torch};
/// use elman::{Dims, Parameters};
///
/// let rnn = torch::Rnn::new("rnn.", Activation::Tanh);
/// let mut tensors = rnn.to_tensors(&Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 7, n_y: 0 }))?;
/// tensors.metadata_mut().insert("rnn.nonlinearity".into(), "relu".into());
/// let error = rnn.from_tensors(&tensors).unwrap_err();
/// assert_eq!(error.to_string(), "`rnn.nonlinearity` shows a network of relu units, expected one of tanh units");
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activation {
    /// φ(z) = tanh z, the default of `torch.nn.RNN`, Keras's `SimpleRNN`, Flax's `SimpleCell` and ONNX's `RNN`.
    Tanh,
}

impl Activation {
    /// The name in every framework. Comparisons ignore the case.
    pub(super) fn name(self) -> &'static str {
        match self {
            Activation::Tanh => "tanh",
        }
    }
}

/// Writes the name in lower case: `tanh`.
impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
