//! The parameters of a stack, in one flat buffer.

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};

use super::architecture::{Part, check_architecture};
use super::{Architecture, Direction, Layer};
use crate::error::{check_activation, check_count, check_network};
use crate::parameters::{Flat, View, ViewMut, dot, norm, scaled_add};
use crate::scalar::{narrow, widen};
use crate::{Dims, Error, Scalar};

/// The parameters of a stack, in one buffer with a view for each matrix.
///
/// The buffer holds layer by layer, the lowest first, and the forward direction before the reverse one. Each has `wax`,
/// `waa`, `wya` (in the highest layer), `ba`, and `by` (in the highest layer's forward direction), each row-major. A
/// stack of one layer in one direction has the order of [`Parameters`](crate::Parameters).
///
/// # Examples
///
/// ```
/// use elman::stack::{Architecture, Direction, Layer, Parameters};
///
/// let architecture = Architecture::new(3, [Layer::new(5).bidirectional(), Layer::new(7)], 2);
/// let mut p = Parameters::<f32>::zeros(architecture);
/// p.waa_mut(0, Direction::Reverse).unwrap()[[3, 1]] = 0.5;
/// let index = p.as_slice().iter().position(|&value| value == 0.5).unwrap();
/// assert_eq!(p.name_of(index).as_deref(), Some("layers[0].reverse.waa[3, 1]"));
/// assert_eq!(p.wax(1, Direction::Forward).unwrap().dim(), (7, 10));
/// assert_eq!(p.norm(), 0.5);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters<A> {
    architecture: Architecture,
    flat: Flat<A>,
}

/// The gradient of a loss with respect to [`Parameters`]: each element has the position of its parameter.
pub type Gradients<A> = Parameters<A>;

/// Defines a read accessor and a write accessor of one array of a layer and direction.
macro_rules! arrays {
    ($($(#[$doc:meta])* $name:ident $name_mut:ident: $range:ident, $view:ident $view_mut:ident, |$dims:ident| $shape:expr;)+) => {$(
        $(#[$doc])*
        ///
        /// `None` where there is no such layer or direction.
        #[must_use]
        pub fn $name(&self, layer: usize, direction: Direction) -> Option<$view<'_, A>> {
            let (part, range) = self.architecture.part(layer, direction)?;
            let $dims = part.dims;
            let flat = &self.flat[range];
            Some($view::from_shape($shape, &flat[$dims.$range()]).expect(AS_LONG))
        }

        $(#[$doc])*
        /// For writing.
        ///
        /// `None` where there is no such layer or direction.
        pub fn $name_mut(&mut self, layer: usize, direction: Direction) -> Option<$view_mut<'_, A>> {
            let (part, range) = self.architecture.part(layer, direction)?;
            let $dims = part.dims;
            let flat = &mut self.flat[range];
            Some($view_mut::from_shape($shape, &mut flat[$dims.$range()]).expect(AS_LONG))
        }
    )+};
}

const AS_LONG: &str = "a range is as long as its shape says";

impl<A: Scalar> Parameters<A> {
    /// Makes parameters that are all zero.
    ///
    /// # Panics
    /// Where the parameters do not fit in memory, as for `vec!`. [`try_zeros`](Self::try_zeros) returns an error where no
    /// machine can address them.
    #[must_use]
    pub fn zeros(architecture: Architecture) -> Self {
        Self::try_zeros(architecture).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Makes parameters that are all zero, for a shape that comes from a file or from a user.
    ///
    /// # Errors
    /// [`Error::StackTooLarge`] where a machine cannot address so many parameters.
    pub fn try_zeros(architecture: Architecture) -> Result<Self, Error> {
        let Some(length) = architecture.checked_len() else {
            return Err(Error::StackTooLarge { found: architecture.to_string().into() });
        };
        Ok(Parameters { architecture, flat: Flat::zeros(length) })
    }

    /// Joins networks of one layer: for each layer, the lowest first, the network of each direction.
    ///
    /// The networks of the highest layer have the outputs; of two directions, only the forward one has an output bias.
    ///
    /// # Errors
    /// - [`Error::NoLayers`] where there is no layer; [`Error::Range`] where a layer has no network, or more than two.
    /// - [`Error::Network`] where the two networks of a layer have different dimensions, where `n_x` is not the width of the
    ///   layer below, and where a lower layer has outputs; [`Error::Activation`] where the two have different
    ///   nonlinearities.
    /// - [`Error::OutputBias`] where a reverse direction has an output bias that is not zero.
    /// - [`Error::StackTooLarge`] where a machine cannot address so many parameters.
    pub fn from_networks(networks: &[Vec<crate::Parameters<A>>]) -> Result<Self, Error> {
        if networks.is_empty() {
            return Err(Error::NoLayers);
        }
        let mut layers: Vec<Layer> = Vec::with_capacity(networks.len());
        let n_x = networks.first().and_then(|first| first.first()).map_or(0, |network| network.dims().n_x);
        let n_y = networks.last().and_then(|last| last.first()).map_or(0, |network| network.dims().n_y);
        for (index, directions) in networks.iter().enumerate() {
            check_count("networks[..].len()", directions.len(), "1 or 2", matches!(directions.len(), 1 | 2))?;
            let first = &directions[0];
            let expected = Dims {
                n_x: layers.last().map_or(n_x, |below| below.width()),
                n_a: first.dims().n_a,
                n_y: if index + 1 == networks.len() { n_y } else { 0 },
            };
            for network in directions {
                check_network("networks", network.dims().triple(), expected.triple())?;
                check_activation("networks", network.activation().name(), first.activation().name())?;
            }
            let layer = Layer::new(expected.n_a).with_activation(first.activation());
            layers.push(if directions.len() == 2 { layer.bidirectional() } else { layer });
        }
        let mut p = Parameters::try_zeros(Architecture::new(n_x, layers, n_y))?;
        for (view, network) in p.views_mut().into_iter().zip(networks.iter().flatten()) {
            let (shared, by) = network.as_slice().split_at(view.flat.len());
            if by.iter().any(|value| !value.is_zero()) {
                return Err(Error::OutputBias);
            }
            view.flat.copy_from_slice(shared);
        }
        Ok(p)
    }

    /// A copy of one layer and direction, as a network of its own. Of the reverse direction, `by` is zero. `None` where
    /// there is no such layer or direction.
    #[must_use]
    pub fn network(&self, layer: usize, direction: Direction) -> Option<crate::Parameters<A>> {
        let (part, range) = self.architecture.part(layer, direction)?;
        let mut network = crate::Parameters::zeros(part.dims).with_activation(part.activation);
        network.as_mut_slice()[..range.len()].copy_from_slice(&self.flat[range]);
        Some(network)
    }

    /// The shape of the stack.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    arrays! {
        /// Input to hidden of a layer and direction, (`n_a`, width of the layer below).
        wax wax_mut: wax, ArrayView2 ArrayViewMut2, |dims| (dims.n_a, dims.n_x);
        /// Hidden to hidden of a layer and direction, (`n_a`, `n_a`).
        waa waa_mut: waa, ArrayView2 ArrayViewMut2, |dims| (dims.n_a, dims.n_a);
        /// Hidden to output of a direction, (`n_y`, `n_a`). All layers but the highest have no outputs.
        wya wya_mut: wya, ArrayView2 ArrayViewMut2, |dims| (dims.n_y, dims.n_a);
        /// Hidden bias of a layer and direction, (`n_a`).
        ba ba_mut: ba, ArrayView1 ArrayViewMut1, |dims| dims.n_a;
    }

    /// The output bias, (`n_y`).
    #[must_use]
    pub fn by(&self) -> ArrayView1<'_, A> {
        ArrayView1::from(self.top().map_or(&[][..], |(part, range)| &self.flat[range][part.dims.by()]))
    }

    /// The output bias, (`n_y`), for writing.
    pub fn by_mut(&mut self) -> ArrayViewMut1<'_, A> {
        let place = self.top();
        ArrayViewMut1::from(place.map_or(&mut [][..], |(part, range)| &mut self.flat[range][part.dims.by()]))
    }

    /// Every parameter, in the order of the type's description.
    #[must_use]
    pub fn as_slice(&self) -> &[A] {
        &self.flat
    }

    /// Every parameter, for writing, in the order of [`as_slice`](Self::as_slice).
    pub fn as_mut_slice(&mut self) -> &mut [A] {
        &mut self.flat
    }

    /// θ ← `value` in every element.
    pub fn fill(&mut self, value: A) {
        self.flat.fill(value);
    }

    /// θ ← θ + `factor` · `other`
    ///
    /// # Errors
    /// [`Error::Architecture`] where `other` belongs to another stack.
    pub fn scaled_add(&mut self, factor: A, other: &Self) -> Result<(), Error> {
        check_architecture("other", &other.architecture, &self.architecture)?;
        scaled_add(&mut self.flat, factor, &other.flat);
        Ok(())
    }

    /// Σ θᵢ · otherᵢ, summed in the order of [`as_slice`](Self::as_slice) in double precision.
    ///
    /// # Errors
    /// [`Error::Architecture`] where `other` belongs to another stack.
    pub fn dot(&self, other: &Self) -> Result<f64, Error> {
        check_architecture("other", &other.architecture, &self.architecture)?;
        Ok(dot(&self.flat, &other.flat))
    }

    /// The Euclidean norm ‖θ‖₂, summed in double precision.
    #[must_use]
    pub fn norm(&self) -> f64 {
        norm(&self.flat)
    }

    /// A copy in single precision, each element rounded to the nearest `f32`; infinite where it is too large for one.
    #[must_use]
    pub fn to_f32(&self) -> Parameters<f32> {
        self.converted()
    }

    /// A copy in double precision.
    #[must_use]
    pub fn to_f64(&self) -> Parameters<f64> {
        self.converted()
    }

    fn converted<B: Scalar>(&self) -> Parameters<B> {
        let flat = self.flat.iter().map(|&value| narrow(widen(value))).collect();
        Parameters { architecture: self.architecture.clone(), flat }
    }

    /// The name of an element of the flat buffer, such as `layers[1].reverse.waa[3, 1]` or `by[0]`; `None` past the end.
    #[must_use]
    pub fn name_of(&self, index: usize) -> Option<String> {
        let mut start = 0;
        for part in self.architecture.parts() {
            if index < start + part.len() {
                let name = part.dims.name_of(index - start)?;
                let Part { layer, direction, .. } = part;
                return Some(if name.starts_with("by") { name } else { format!("layers[{layer}].{direction}.{name}") });
            }
            start += part.len();
        }
        None
    }

    /// The parameters of each layer and direction, in the order of the flat buffer.
    pub(crate) fn views(&self) -> impl Iterator<Item = (Part, View<'_, A>)> {
        let mut rest = &self.flat[..];
        self.architecture.parts().map(move |part| {
            let (flat, later) = rest.split_at(part.len());
            rest = later;
            let source = (self.flat.version(), self.flat.len() - flat.len() - rest.len());
            (part, View { dims: part.dims, activation: part.activation, flat, source })
        })
    }

    /// The same, for writing.
    pub(crate) fn views_mut(&mut self) -> Vec<ViewMut<'_, A>> {
        let mut rest = &mut self.flat[..];
        let view = |part: Part| {
            let (flat, later) = std::mem::take(&mut rest).split_at_mut(part.len());
            rest = later;
            ViewMut { dims: part.dims, flat }
        };
        self.architecture.parts().map(view).collect()
    }

    /// One layer and direction, for writing.
    pub(crate) fn view_mut(&mut self, part: Part) -> ViewMut<'_, A> {
        let (_, range) = self.architecture.part(part.layer, part.direction).expect("it is a part of this stack");
        ViewMut { dims: part.dims, flat: &mut self.flat[range] }
    }

    fn top(&self) -> Option<(Part, std::ops::Range<usize>)> {
        self.architecture.part(self.architecture.layers().len().checked_sub(1)?, Direction::Forward)
    }
}

/// One layer in one direction.
impl<A: Scalar> From<&crate::Parameters<A>> for Parameters<A> {
    fn from(p: &crate::Parameters<A>) -> Self {
        let layer = Layer::new(p.dims().n_a).with_activation(p.activation());
        let architecture = Architecture::new(p.dims().n_x, [layer], p.dims().n_y);
        Parameters { architecture, flat: p.as_slice().iter().copied().collect() }
    }
}
