//! The shape of a stack: layers, directions, and their places in the flat buffer.

use std::fmt;
use std::ops::Range;

use crate::{Activation, Dims, Error};

/// The direction in which a layer reads the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the first step to the last.
    Forward,
    /// From the last step to the first.
    Reverse,
}

impl Direction {
    /// The name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Direction::Forward => "forward",
            Direction::Reverse => "reverse",
        }
    }
}

/// The name in lower case: `forward` or `reverse`.
impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One layer of recurrent units.
///
/// # Examples
///
/// ```
/// use elman::Activation;
/// use elman::stack::Layer;
///
/// let layer = Layer::new(64).bidirectional().with_activation(Activation::Relu);
/// assert_eq!((layer.n_a, layer.width()), (64, 128));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Layer {
    /// The hidden units of each direction.
    pub n_a: usize,
    /// Whether the layer also reads the sequence in reverse, with parameters of its own.
    pub bidirectional: bool,
    /// The nonlinearity φ.
    pub activation: Activation,
}

impl Layer {
    /// A layer of `n_a` tanh units in one direction.
    #[must_use]
    pub fn new(n_a: usize) -> Self {
        Layer { n_a, bidirectional: false, activation: Activation::Tanh }
    }

    /// The same layer in two directions, of `n_a` units each.
    #[must_use]
    pub fn bidirectional(self) -> Self {
        Layer { bidirectional: true, ..self }
    }

    /// The same layer with another nonlinearity.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Layer { activation, ..self }
    }

    /// The number of outputs: `n_a`, or twice as many in two directions.
    #[must_use]
    pub fn width(self) -> usize {
        if self.bidirectional { self.n_a.saturating_mul(2) } else { self.n_a }
    }

    /// Its directions.
    pub(crate) fn directions(self) -> &'static [Direction] {
        if self.bidirectional { &[Direction::Forward, Direction::Reverse] } else { &[Direction::Forward] }
    }
}

/// The shape of a stack: its inputs, its layers from the lowest to the highest, and its outputs.
///
/// # Examples
///
/// ```
/// use elman::stack::{Architecture, Layer};
///
/// let architecture = Architecture::new(3, [Layer::new(5).bidirectional(), Layer::new(7)], 2);
/// // Layer 0: twice 5·3 + 5·5 + 5; layer 1: 7·10 + 7·7 + 7; head: 2·7 + 2.
/// assert_eq!(architecture.len(), 2 * 45 + 126 + 16);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Architecture {
    n_x: usize,
    layers: Vec<Layer>,
    n_y: usize,
}

impl Architecture {
    /// A stack of layers, the lowest first, and a softmax head of `n_y` outputs on the highest. With `n_y = 0` there is no
    /// head. Without layers there are no parameters.
    #[must_use]
    pub fn new(n_x: usize, layers: impl Into<Vec<Layer>>, n_y: usize) -> Self {
        Architecture { n_x, layers: layers.into(), n_y }
    }

    /// Inputs per step.
    #[must_use]
    pub fn n_x(&self) -> usize {
        self.n_x
    }
    /// The layers, the lowest first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
    /// Outputs per step: the classes of the softmax.
    #[must_use]
    pub fn n_y(&self) -> usize {
        self.n_y
    }

    /// The number of parameters; `usize::MAX` where [`checked_len`](Self::checked_len) is `None`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.checked_len().unwrap_or(usize::MAX)
    }

    /// The number of parameters, or `None` where a machine cannot address that many.
    #[must_use]
    pub fn checked_len(&self) -> Option<usize> {
        let lengths = self.parts().map(|part| {
            let without_bias = usize::from(part.direction == Direction::Reverse) * part.dims.n_y;
            part.dims.checked_len().map(|length| length - without_bias)
        });
        let length = lengths.into_iter().try_fold(0_usize, |sum, length| sum.checked_add(length?))?;
        isize::try_from(length.checked_mul(size_of::<f64>())?).is_ok().then_some(length)
    }

    /// Whether there are no parameters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks that the stack can run step by step, or chunk by chunk, and returns the dimensions of its first layer.
    pub(super) fn check_one_direction(&self) -> Result<Dims, Error> {
        match self.layers.iter().position(|layer| layer.bidirectional) {
            Some(layer) => Err(Error::Bidirectional { layer }),
            None => self.parts().next().map(|part| part.dims).ok_or(Error::NoLayers),
        }
    }

    /// The layers and their directions, in the order of the flat buffer.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        let layers = self.layers.iter().enumerate();
        layers.flat_map(move |(layer, &Layer { n_a, activation, .. })| {
            let n_x = if layer == 0 { self.n_x } else { self.layers[layer - 1].width() };
            let n_y = if layer + 1 == self.layers.len() { self.n_y } else { 0 };
            let dims = Dims { n_x, n_a, n_y };
            self.layers[layer].directions().iter().map(move |&direction| Part { layer, direction, dims, activation })
        })
    }

    /// One layer and direction, and its range of the flat buffer.
    pub(crate) fn part(&self, layer: usize, direction: Direction) -> Option<(Part, Range<usize>)> {
        let mut start = 0;
        for part in self.parts() {
            let end = start + part.len();
            if (part.layer, part.direction) == (layer, direction) {
                return Some((part, start..end));
            }
            start = end;
        }
        None
    }
}

/// A text such as `3 → 5 relu in two directions → 7 tanh → 2`, for messages.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.n_x)?;
        for Layer { n_a, bidirectional, activation } in &self.layers {
            let directions = if *bidirectional { " in two directions" } else { "" };
            write!(f, " → {n_a} {activation}{directions}")?;
        }
        write!(f, " → {}", self.n_y)
    }
}

/// `found == expected`
pub(crate) fn check_architecture(
    argument: &'static str,
    found: &Architecture,
    expected: &Architecture,
) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    let [expected, found] = [expected, found].map(|architecture| architecture.to_string().into());
    Err(Error::Architecture { argument, expected, found })
}

/// One layer in one direction: a network of [`sequence`](crate::sequence). The reverse direction of the highest layer has no
/// output bias.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) layer: usize,
    pub(crate) direction: Direction,
    pub(crate) dims: Dims,
    pub(crate) activation: Activation,
}

impl Part {
    /// The number of parameters.
    pub(crate) fn len(self) -> usize {
        let without_bias = if self.direction == Direction::Reverse { self.dims.n_y } else { 0 };
        self.dims.len() - without_bias
    }
}
